"""Named questions: each has a true header, runs on empty tables, and gives the answer that is known by hand."""

import re
from collections.abc import Iterator

import pytest

import sql
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.tables import TABLE_BY_NAME
from tests.storage.whole_image_coding import CODING_STUDY
from tests.storage.whole_lake import STUDY, TYPES_STUDY, fill

# For each question: its parameters, and columns of the answer that are known by hand on the lake of `whole_lake`.
ANSWERS: dict[str, tuple[dict, dict]] = {
    "cells_that_prefer_omissions": (
        {"study_id": "responses-lab-b", "smallest_difference_dff": 0.3},
        {"session_id": ["lab-b"], "unit_id": [1], "difference_dff": [pytest.approx(0.4)]},
    ),
    "cells_of_study": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"cre_line": ["Vip-IRES-Cre"], "mouse_count": [2], "session_count": [2], "cell_count": [4],
         "one_condition_count": [0]},
    ),
    "chosen_units": ({"study_id": "images-lab-a", "by_percentile": True}, {"unit_id": [1], "oracle": [0.9]}),
    "coding_parts_done": (
        {},
        {"study_id": ["encoding-lab-a", "encoding-lab-b", CODING_STUDY, "images-lab-a", "images-lab-b",
                      "inputs-lab-a", "inputs-lab-b"],
         "leads_on": [True, True, False, True, True, False, False]},
    ),
    "encoding_score_table": (
        {"studies": ["encoding-lab-b"]},
        {"session_id": ["lab-b"] * 4, "unit_id": [1, 2, 1, 2], "side": ["test", "test", "train", "train"],
         "kind": ["network"] * 4, "animal_id": ["m2"] * 4},
    ),
    "image_session_ids": ({}, {"session_id": ["lab-a", "lab-b"]}),
    "registered_network": (
        {"study_id": "encoding-lab-a"}, {"model": ["network 1"], "model_name": ["net"], "model_version": [1]},
    ),
    "session_patterns": ({"session_id": "lab-a"}, {"event_id": []}),
    "session_pictures": ({"session_id": "lab-a"}, {"width_px": [2], "height_px": [1]}),
    "session_presentations": (
        {"session_id": "lab-a"}, {"event_id": [0], "image_name": ["im061"], "stimulus_block": [None]},
    ),
    "session_spike_counts": (
        {"session_id": "lab-a", "study_id": "responses-lab-a"},
        {"unit_id": [1, 1, 2, 2], "event_id": [0, 1, 0, 1], "spike_count": [1, 2, 2, 3]},
    ),
    "session_spikes": ({"session_id": "lab-b"}, {"unit_id": [1, 1, 2, 2], "time_s": [0.0, 0.5, 0.0, 0.5]}),
    "session_units": ({"session_id": "lab-a"}, {"unit_id": [1, 2]}),
    "sessions_of_coding": (
        {"studies": ["images-lab-a", "encoding-lab-a", "inputs-lab-a"]},
        {"kind": ["encoding_models", "exciting_inputs", "image_responses"], "animal_id": ["m1"] * 3,
         "measured_count": [0, 0, 2], "by_percentile_count": [0, 0, 1], "by_reliability_count": [0, 0, 1],
         "model_count": [1, 0, 0], "input_count": [0, 2, 0]},
    ),
    "chance_r2_table": (
        {"studies": ["regressors-lab-a", "regressors-lab-b"]},
        {"r2_low": [0.0, 0.5], "r2_high": [0.5, 1.0], "share": [0.75, 0.25]},
    ),
    "cluster_count_table": (
        {"studies": ["regressors-lab-a"]},
        {"protocol": ["rigorous"] * 2, "cluster_count": [1, 2], "silhouette": [0.5] * 2, "chosen": [False, True]},
    ),
    "coefficient_table": (
        {"studies": ["regressors-lab-a", "regressors-lab-b"]},
        {"response_type": ["image", "image", "none", "none"], "regressor": ["image", "omission"] * 2,
         "roi_count": [2] * 4, "mean_coefficient": [2.0, 1.0, 1.0, 0.5], "mean_response": [0.5, 0.25] * 2},
    ),
    "decoder_table": (
        {"study_id": STUDY},
        {"target": ["condition"], "decoder": ["LR"], "lomo_accuracy": [0.75], "test_accuracy": [0.25],
         "fold_count": [2]},
    ),
    "features_of_project": (
        {"project": "lab", "studies": ["responses-lab-a"]},
        {"unit_id": [1, 1, 2, 2], "condition": ["presented", "omitted"] * 2, "peak_dff": [1.0, 1.2, 1.0, 0.9],
         "mouse_id": ["m1"] * 4, "exposure_level": ["familiar"] * 4},
    ),
    "group_behavior_responses": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"condition": ["omitted"] * 3 + ["presented"] * 3, "mean": [3.0] * 6, "sem": [0.0] * 6, "mouse_count": [2] * 6,
         "event_count": [4] * 6},
    ),
    "group_mean_responses": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"condition": ["omitted"] * 3 + ["presented"] * 3, "time_s": [-1.0, 0.0, 1.0] * 2,
         "mean_dff": [-4.0, -14.0, -24.0, 4.0, 14.0, 24.0], "sem_dff": [pytest.approx(2.0)] * 6,
         "mouse_count": [2] * 6, "cell_count": [4] * 6},
    ),
    "group_mean_spike_prob": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"condition": ["omitted"] * 3 + ["presented"] * 3, "time_s": [-1.0, 0.0, 1.0] * 2,
         "mean_spike_prob": [pytest.approx(one) for one in (-0.04, -0.14, -0.24, 0.04, 0.14, 0.24)],
         "sem_spike_prob": [pytest.approx(0.02)] * 6, "mouse_count": [2] * 6, "cell_count": [4] * 6},
    ),
    "group_test_table": (
        {"study_id": STUDY},
        {"test": ["student"], "within": ["Vip-IRES-Cre, familiar"], "contrast": ["omitted - presented"],
         "estimate": [0.2], "p": [0.1], "row_count": [8], "mouse_count": [2], "event_count": [8]},
    ),
    "known_contents": (
        {},
        {"source_uri": ["/lab/c.nwb", "/lab/lab-a.nwb", "/lab/lab-b.nwb"], "recorded": [False, True, True]},
    ),
    "latest_study": ({"project": "lab"}, {"study_id": [STUDY], "protocol": ["rigorous"]}),
    "motif_composition": (
        {"study_id": STUDY},
        {"motif": [0, 1], "cre_line": ["Vip-IRES-Cre"] * 2, "mouse_count": [2, 2], "row_count": [2, 2],
         "share_of_group": [0.5, 0.5]},
    ),
    "measured_sessions": (
        {"studies": ["responses-lab-a", "responses-lab-b"]},
        {"session_id": ["lab-a", "lab-b"], "mouse_id": ["m1", "m2"], "exposure_level": ["familiar"] * 2},
    ),
    "mixed_model_table": (
        {"study_id": STUDY},
        {"model": ["random intercept per cell"] * 2, "estimate": [0.2, 0.01], "converged": [True, True],
         "group_count": [4, 4]},
    ),
    "mouse_mean_responses": (
        {"studies": ["responses-lab-b"]},
        {"mouse_id": ["m2"] * 6, "condition": ["omitted"] * 3 + ["presented"] * 3, "time_s": [-1.0, 0.0, 1.0] * 2,
         "mean_dff": [-6.0, -16.0, -26.0, 6.0, 16.0, 26.0], "sem_dff": [pytest.approx(1.0)] * 6,
         "cell_count": [2] * 6},
    ),
    "projects_with_rois": ({}, {"project": ["lab"]}),
    "regressor_table": (
        {"studies": ["regressors-lab-b"]},
        {"protocol": ["rigorous"] * 2, "regressor": ["image", "omission"], "tau_s": [1.5] * 2, "event_count": [1, 1]},
    ),
    "rejected_files": ({}, {"source_uri": ["/lab/c.nwb"], "found": ["nothing"]}),
    "roi_table": (
        {"studies": ["regressors-lab-a"]},
        {"animal_id": ["m1"] * 2, "region": ["VISp"] * 2, "unit_id": [1, 2], "response_type": ["image", "none"],
         "selected": [True, False], "cluster_of_all": [1, 2], "leaf_of_all": [1, 0], "leaf_of_selected": [None, None]},
    ),
    "session_behavior": (
        {"session_id": "lab-a"},
        {"signal": ["running_speed_cm_per_s"] * 2, "time_s": [0.0, 0.5], "value": [3.0, 3.0]},
    ),
    "session_event_counts": (
        {"studies": ["responses-lab-a"]},
        {"session_id": ["lab-a"], "mouse_id": ["m1"], "unit_count": [2], "presented_count": [1], "omitted_count": [1],
         "dropped_count": [0]},
    ),
    "session_event_times": (
        {"session_id": "lab-a", "kinds": ["image", "omission", "lick"]},
        {"kind": ["image", "omission"], "image_name": ["im061", None], "onset_s": [0.0, 0.75]},
    ),
    "session_frames": ({"session_id": "lab-a"}, {"time_s": [0.0, 0.5, 1.0]}),
    "session_indicator": ({"session_id": "lab-a"}, {"indicator": ["GCaMP6f"]}),
    "session_merges": (
        {"studies": ["regressors-lab-a"], "session_id": "lab-a", "protocol": "rigorous", "scope": "all"},
        {"first": [0], "second": [1], "distance": [1.5], "roi_count": [2]},
    ),
    "session_inputs": (
        {},
        {"session_id": ["lab-a", "lab-b"], "has_omissions": [True, True],
         "feature_studies": [["responses-lab-a"], ["responses-lab-b"]]},
    ),
    "session_onsets": (
        {"session_id": "lab-b", "kinds": ["image", "omission"]},
        {"event_id": [0, 1], "onset_s": [0.0, 0.75], "condition": ["presented", "omitted"]},
    ),
    "session_signals": ({"session_id": "lab-a"}, {"signal": ["dff"]}),
    "session_snippets": (
        {"session_id": "lab-b"},
        {"unit_id": [1] * 4 + [2] * 4, "event_id": [0, 0, 1, 1] * 2, "time_s": [0.0, 0.5] * 4, "value": [0.5] * 8},
    ),
    "sessions_by_project": (
        {}, {"project": ["lab"], "session_count": [2], "mouse_count": [2], "unit_count": [4]},
    ),
    "sessions_without_responses": (
        {"project": "lab", "studies": ["responses-lab-a"]},
        {"session_id": ["lab-b"], "reason": ["not chosen for this study"]},
    ),
    "sessions_of_types": (
        {"studies": ["regressors-lab-a", "regressors-lab-b"]},
        {"session_id": ["lab-a", "lab-b"], "animal_id": ["m1", "m2"], "roi_count": [2, 2], "selected_count": [1, 1],
         "unfitted_count": [0, 0]},
    ),
    "simulated_sessions": ({"project": "lab"}, {"session_count": [0]}),
    "spike_features_of_project": (
        {"project": "lab", "studies": ["responses-lab-a"]},
        {"unit_id": [1, 1, 2, 2], "condition": ["presented", "omitted"] * 2, "mouse_id": ["m1"] * 4,
         "peak_spike_prob": [pytest.approx(one) for one in (0.1, 0.12, 0.1, 0.09)],
         "response_magnitude_spike_prob": [pytest.approx(one) for one in (0.05, 0.06, 0.05, 0.045)],
         "event_count": [1] * 4},
    ),
    "spike_signals": (
        {"studies": ["responses-lab-a"]},
        {"session_id": ["lab-a"], "mouse_id": ["m1"], "unit_count": [2], "rate_hz": [2.0], "has_dff": [True],
         "has_spike_prob": [False], "snippet_sample_count": [2]},
    ),
    "study_ids": (
        {},
        {"study_id": ["encoding-lab-a", "encoding-lab-b", CODING_STUDY,
                      *(f"{kind}-{session}" for kind in ("images", "inputs") for session in ("lab-a", "lab-b")),
                      STUDY, *(f"{kind}-{session}" for kind in ("regressors", "responses")
                               for session in ("lab-a", "lab-b")), TYPES_STUDY]},
    ),
    "time_decoding_before_after": (
        {"study_id": STUDY},
        {"auc_before": [None], "auc_after": [0.625], "largest_auc": [0.75], "largest_auc_s": [1.0], "mouse_count": [2]},
    ),
    "time_decoding_windows": (
        {"study_id": STUDY, "auc": 0.6, "accuracy": 0.65, "fewest_points": 1},
        {"metric": ["auc", "accuracy"], "start_s": [1.0, 1.0], "stop_s": [1.0, 1.0], "point_count": [1, 1],
         "largest_score": [0.75, 0.75]},
    ),
    "trace_extent": ({"session_id": "lab-a", "signal": "dff"}, {"units": [[1, 2]], "frame_count": [3]}),
    "trace_span": (
        {"session_id": "lab-a", "signal": "dff", "units": [2], "start": 1, "stop": 3},
        {"frame": [1, 2], "value": [pytest.approx(1.1), pytest.approx(1.2)]},
    ),
    "unit_mean_responses": (
        {"studies": ["responses-lab-b"]},
        {"unit_id": [1] * 6 + [2] * 6, "condition": (["presented"] * 3 + ["omitted"] * 3) * 2,
         "mean_dff": [5.0, 15.0, 25.0, -5.0, -15.0, -25.0, 7.0, 17.0, 27.0, -7.0, -17.0, -27.0]},
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
