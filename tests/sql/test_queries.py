"""Named questions: each has a true header, runs on empty tables, and gives the answer that is known by hand."""

import re
from collections.abc import Iterator

import pytest

import sql
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.tables import TABLE_BY_NAME
from tests.storage.whole_lake import STUDY, fill

# For each question: its parameters, and columns of the answer that are known by hand on the lake of `whole_lake`.
ANSWERS: dict[str, tuple[dict, dict]] = {
    "cells_that_prefer_omissions": (
        {"study_id": "responses-lab-b", "smallest_difference_dff": 0.3},
        {"session_id": ["lab-b"], "unit_id": [1], "difference_dff": [pytest.approx(0.4)]},
    ),
    "decoder_table": (
        {"study_id": STUDY},
        {"decoder": ["LR"], "lomo_accuracy": [0.75], "test_accuracy": [0.25], "fold_count": [2]},
    ),
    "features_of_project": (
        {"project": "lab", "studies": ["responses-lab-a"]},
        {"unit_id": [1, 1, 2, 2], "condition": ["presented", "omitted"] * 2, "peak_dff": [1.0, 1.2, 1.0, 0.9],
         "mouse_id": ["m1"] * 4, "exposure_level": ["familiar"] * 4},
    ),
    "group_mean_responses": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"condition": ["omitted"] * 3 + ["presented"] * 3, "time_s": [-1.0, 0.0, 1.0] * 2,
         "mean_dff": [-4.0, -14.0, -24.0, 4.0, 14.0, 24.0], "sem_dff": [pytest.approx(2.0)] * 6,
         "mouse_count": [2] * 6, "cell_count": [4] * 6},
    ),
    "known_contents": (
        {},
        {"source_uri": ["/lab/c.nwb", "/lab/lab-a.nwb", "/lab/lab-b.nwb"], "recorded": [False, True, True]},
    ),
    "latest_study": ({"project": "lab"}, {"study_id": [STUDY], "protocol": ["rigorous"]}),
    "rejected_files": ({}, {"source_uri": ["/lab/c.nwb"], "found": ["nothing"]}),
    "session_frames": ({"session_id": "lab-a"}, {"time_s": [0.0, 0.5, 1.0]}),
    "session_inputs": (
        {},
        {"session_id": ["lab-a", "lab-b"], "has_omissions": [True, True],
         "feature_studies": [["responses-lab-a"], ["responses-lab-b"]]},
    ),
    "session_onsets": ({"session_id": "lab-b"}, {"onset_s": [0.0, 0.75], "condition": ["presented", "omitted"]}),
    "sessions_by_project": (
        {}, {"project": ["lab"], "session_count": [2], "mouse_count": [2], "unit_count": [4]},
    ),
    "study_ids": ({}, {"study_id": [STUDY, "responses-lab-a", "responses-lab-b"]}),
    "trace_extent": ({"session_id": "lab-a", "signal": "dff"}, {"units": [[1, 2]], "frame_count": [3]}),
    "trace_span": (
        {"session_id": "lab-a", "signal": "dff", "units": [2], "start": 1, "stop": 3},
        {"frame": [1, 2], "value": [pytest.approx(1.1), pytest.approx(1.2)]},
    ),
}  # fmt: skip

FILES = [("queries", name) for name in sql.names("queries")] + [("checks", name) for name in sql.names("checks")]


@pytest.fixture(scope="module")
def whole_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with open_lake(Settings(home=tmp_path_factory.mktemp("queries"), threads=1)) as lake:
        fill(lake)
        yield lake


def test_each_question_has_an_answer_known_by_hand():
    assert sorted(ANSWERS) == sql.names("queries")


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_a_header_says_what_the_file_is_reads_and_takes(folder: str, name: str):
    text = (sql.query if folder == "queries" else sql.check)(name)
    title, reads_and_takes, *body = text.splitlines()
    assert re.fullmatch(rf"-- {name}: .+\.", title)
    header = re.fullmatch(r"-- Reads (.+)\. Takes (.+)\.", reads_and_takes)
    assert header, reads_and_takes
    statement = "\n".join(body)
    read = set(re.findall(r"\b((?:recorded|derived|findings)\.\w+)", statement))
    assert read <= set(TABLE_BY_NAME)
    assert set(header[1].split(", ")) == read
    taken = set(re.findall(r"\$\w+", statement)) or {"nothing"}
    assert set(header[2].split(", ")) == taken
    assert not re.search(r"\{[a-z_]*\}|%s", statement), "SQL is bound, never formatted"


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_runs_on_empty_tables(lake: Lake, name: str):
    parameters, known = ANSWERS[name]
    assert set(known) <= set(lake.answer(name, **parameters).columns)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_gives_the_answer_known_by_hand(whole_lake: Lake, name: str):
    parameters, known = ANSWERS[name]
    answer = whole_lake.answer(name, **parameters)
    assert {column: answer[column].to_list() for column in known} == known


def test_an_unknown_question_names_those_that_there_are():
    with pytest.raises(KeyError, match="decoder_table"):
        sql.query("no_such_question")
