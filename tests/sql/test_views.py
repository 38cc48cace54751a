"""Views: each has a true header, reads only what is declared, and gives the answer that is known by hand."""

import re
from collections.abc import Iterator

import pytest

import sql
from storage.ask import ask
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.tables import TABLE_BY_NAME
from tests.storage.whole_lake import STUDY, fill

# Columns of each view on the lake of `whole_lake`. Unit 1 prefers omissions by 0.2 in lab-a and 0.4 in lab-b, unit 2
# images by 0.1, in peaks.
ANSWERS: dict[str, dict] = {
    "latest_studies": {"study_id": [STUDY] * 2, "feature_study_id": ["responses-lab-a", "responses-lab-b"]},
    "latest_features": {"mouse_id": ["m1"] * 4 + ["m2"] * 4, "peak_dff": [1.2, 1.0, 0.9, 1.0, 1.4, 1.0, 0.9, 1.0]},
    "effects_per_cell": {
        "session_id": ["lab-a", "lab-a", "lab-b", "lab-b"],
        "peak_dff": [pytest.approx(value) for value in (0.2, -0.1, 0.4, -0.1)],
    },
    "effects_per_mouse": {
        "mouse_id": ["m1", "m2"], "cell_count": [2, 2],
        "peak_dff": [pytest.approx(0.05), pytest.approx(0.15)],
    },
    "responses_by_condition": {
        "condition": ["omitted", "presented"], "mouse_count": [2, 2], "cell_count": [4, 4],
        "peak_dff": [pytest.approx(1.1), pytest.approx(1.0)], "peak_sem_dff": [pytest.approx(0.05), 0.0],
    },
    "cells_preferring_omissions": {
        "session_id": ["lab-b", "lab-a"], "unit_id": [1, 1],
        "difference_dff": [pytest.approx(0.4), pytest.approx(0.2)],
    },
    "latest_response_types": {
        "project": ["lab"] * 2, "region": ["VISp"] * 2, "response_type": ["image", "none"], "share": [0.5, 0.5],
    },
    "rois_by_type": {
        "animal_id": ["m1", "m1", "m2", "m2"], "region": ["VISp"] * 4, "unit_id": [1, 2, 1, 2],
        "response_type": ["image", "none"] * 2, "r2": [0.5, 0.01] * 2,
    },
    "latest_image_coding": {"project": ["lab"], "model": ["network 1"], "correlation_to_mean": [0.5]},
    "mean_image_responses": {
        "session_id": ["lab-a", "lab-a", "lab-b", "lab-b"], "unit_id": [1, 2, 1, 2], "image_name": ["im061"] * 4,
        "mean_count": [1.0, 2.0, 1.0, 2.0], "presentation_count": [1] * 4,
    },
    "units_by_predictability": {
        "session_id": ["lab-a", "lab-a", "lab-b", "lab-b"], "unit_id": [1, 2, 1, 2], "oracle": [0.9] * 4,
        "model": ["network 1"] * 4, "correlation_to_mean": [0.5] * 4,
    },
    "excluded_sessions": {
        "source_uri": ["/lab/c.nwb"], "reason": ["file: found nothing, expected HDF5"],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    settings = Settings(home=tmp_path_factory.mktemp("views"), threads=1)
    with open_lake(settings) as lake:
        fill(lake)
    with open_lake(settings, read_only=True) as lake:
        yield lake


def test_each_view_has_an_answer_known_by_hand():
    assert sorted(ANSWERS) == sql.names("views")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_view_gives_the_answer_known_by_hand(whole_lake: Lake, name: str):
    known = ANSWERS[name]
    # Rows of a view without an order come in any: here by their columns, from the left.
    order = "" if "ORDER BY" in sql.views()[name] else " ORDER BY ALL"
    answer = whole_lake.query(f"FROM {name}{order}")
    assert {column: answer[column].to_list() for column in known} == known


@pytest.mark.parametrize("name", sorted(sql.views()))
def test_a_header_says_what_the_view_is_and_reads(name: str):
    title, reads_and_takes, *body = sql.views()[name].splitlines()
    assert re.fullmatch(rf"-- {name}: .+\.", title)
    header = re.fullmatch(r"-- Reads (.+)\. Takes nothing\.", reads_and_takes)
    assert header, reads_and_takes
    statement = "\n".join(body)
    read = set(re.findall(r"\b((?:recorded|derived|findings)\.\w+)", statement))
    assert read <= set(TABLE_BY_NAME)
    read |= {view for view in sql.views() if re.search(rf"\b{view}\b", statement)}
    assert set(header[1].split(", ")) == read


def test_a_session_that_could_not_be_measured_says_why(whole_lake: Lake):
    with open_lake(Settings(home=whole_lake.settings.home.with_name("excluded"), threads=1)) as lake:
        fill(lake)
        lake._connection.execute("DELETE FROM recorded.events WHERE session_id = 'lab-a' AND kind = 'omission'")
        lake._connection.execute("DELETE FROM derived.response_features WHERE session_id = 'lab-a'")
        lake._connection.execute("UPDATE recorded.sessions SET cre_line = NULL WHERE session_id = 'lab-b'")
        settings = lake.settings
    found = ask("FROM excluded_sessions WHERE session_id IS NOT NULL", settings)
    assert dict(found.select("session_id", "reason").iter_rows()) == {
        "lab-a": "no omissions",
        "lab-b": "no cre line: measured, and left out of the tests",
    }


def test_views_are_there_for_an_earlier_snapshot_too(whole_lake: Lake):
    with open_lake(whole_lake.settings, snapshot=whole_lake.snapshot_id) as then:
        assert then.query("FROM effects_per_mouse").height == 2
