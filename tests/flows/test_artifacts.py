"""What a run leaves on its page: rejected recordings first, a bounded table, studies with links that stand."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from flows.artifacts import recordings_table
from storage.ask import refuse_other_than_questions
from storage.lake import Lake, open_lake
from storage.registry_pages import RegistryPages, page_address
from tasks.ingest import Ingested
from tasks.study_page import as_text, study_page
from tasks.study_rows import StudyRows, study_rows
from tests.tasks.planted_study import plant

REPORT = Path("/reports/2026-11-21-planted-omission-1.html")
PAGES = RegistryPages("http://127.0.0.1:5000/#/run", "http://127.0.0.1:5000/#/model", "http://127.0.0.1:5000/#/report")


@pytest.fixture
def rows(lake: Lake) -> StudyRows:
    return study_rows(lake, plant(lake))


def test_refused_recordings_come_first_each_with_its_reason() -> None:
    table = recordings_table(
        [
            Ingested("/lab/a.nwb", ("lab-a-0", "lab-a-1")),
            Ingested("/lab/b.nwb", refusal="rate_hz: found -20; expected above 0"),
        ]
    )
    assert table == [
        {"recording": "b.nwb", "outcome": "refused", "sessions or reason": "rate_hz: found -20; expected above 0"},
        {"recording": "a.nwb", "outcome": "in", "sessions or reason": "lab-a-0, lab-a-1"},
    ]


def test_a_long_table_says_how_many_more_there_are() -> None:
    files = [Ingested(f"/lab/{n}.nwb", (f"lab-{n}",)) for n in range(300)]
    table = recordings_table([*files, *(replace(file, refusal="empty") for file in files[:250])])
    assert len(table) == 201
    assert {row["outcome"] for row in table[:200]} == {"refused"}
    assert table[-1]["recording"] == "and 350 more, of them 50 refused"


def test_names_from_files_are_shown_as_they_are() -> None:
    hostile = "x[1](javascript:alert(1))<img src=x>*a*`b`\n# c"
    assert as_text(hostile) == r"x\[1](javascript:alert(1))\<img src=x>\*a\*\`b\` # c"
    row = recordings_table([Ingested(f"/lab/{hostile}.nwb", refusal=f"{hostile} " * 40)])[0]
    assert not re.search(r"(?<!\\)[<\[*`]", row["recording"] + row["sessions or reason"])
    assert len(row["sessions or reason"]) < 800


def test_a_study_shows_figures_and_links(rows: StudyRows) -> None:
    page = study_page(rows, REPORT, PAGES)
    assert "VIP cells, omitted minus presented: familiar +0.041 dF/F" in page
    assert "they are simulated" in page
    images = [Image.open(io.BytesIO(base64.b64decode(png))) for png in re.findall(r"base64,([\w+/=]+)\)", page)]
    assert [image.width for image in images] == [960, 960, 740]
    assert len(page) < 200_000
    for link in (PAGES.run, PAGES.model, PAGES.report):
        assert f"]({link})" in page


def test_without_a_server_there_is_no_link_but_what_to_look_for(rows: StudyRows) -> None:
    page = study_page(rows, REPORT, None)
    assert "](http" not in page
    assert str(REPORT) in page
    assert rows.promotion["mlflow_run_id"] in page


def test_each_statement_of_a_study_gives_rows(rows: StudyRows, lake: Lake) -> None:
    statements = [line.strip() for line in study_page(rows, REPORT, None).splitlines() if line.startswith("    FROM ")]
    assert len(statements) == 12
    with open_lake(lake.settings, read_only=True) as asked:  # as people ask it, with the views
        for statement in statements:
            refuse_other_than_questions(statement)
            assert len(asked.query(statement)), statement


def test_an_address_is_shown_without_its_password() -> None:
    assert page_address("https://lab:s3cret@mlflow.example.org:5000/base/") == "https://mlflow.example.org:5000/base"
    assert page_address("sqlite:////home/lab/mlflow.sqlite") is None
    assert page_address(None) is None
