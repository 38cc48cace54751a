"""A small lake with rows in every declared table, written by hand, in which nothing is wrong."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa

from models.response_features import FEATURES
from storage import tables as t
from storage.declaration import Table
from storage.lake import Lake
from storage.row_files import RowBlocks
from storage.traces import TraceMatrix
from tests.storage.whole_image_coding import coding_rows, coding_studies

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SESSIONS = {"lab-a": ("m1", "Vip-IRES-Cre", "familiar"), "lab-b": ("m2", "Vip-IRES-Cre", "familiar")}
UNITS = (1, 2)
FRAME_S = (0.0, 0.5, 1.0)
STUDY = "omission-1"
TYPES_STUDY = "types-1"


def fill(lake: Lake) -> None:
    """Two sessions of two mice, two units each, three frames, an image and an omission, and one study."""
    sessions = list(SESSIONS)
    pairs = [(session, unit) for session in sessions for unit in UNITS]
    keyed = [
        {"study_id": f"responses-{session}", "session_id": session, "unit_id": unit, "condition": condition}
        for session, unit in pairs
        for condition in ("presented", "omitted")
    ]
    means = [
        key | {"sample": sample, "time_s": float(sample - 1), "mean_dff": _mean(key, sample), "sem_dff": 0.1}
        | {"event_count": 1, "dropped_count": 0, "missing_count": 0}
        for key in keyed
        for sample in range(3)
    ]  # fmt: skip
    spike_means = [
        key | {"sample": sample, "time_s": float(sample - 1), "mean_spike_prob": _mean(key, sample) / 100}
        | {"sem_spike_prob": 0.01, "event_count": 1, "dropped_count": 0}
        for key in keyed
        for sample in range(3)
    ]  # fmt: skip
    numbered = {name: float(number) for number, name in enumerate(FEATURES)}
    features = [key | numbered | {"peak_dff": _peak(key)} for key in keyed]
    of_spikes = {name.replace("_dff", "_spike_prob"): value for name, value in numbered.items()}
    spike_features = [
        key | of_spikes | {"peak_spike_prob": _peak(key) / 10, "response_magnitude_spike_prob": _peak(key) / 20}
        for key in keyed
    ]
    event_features = [
        {name: key[name] for name in ("study_id", "session_id", "unit_id")}
        | {"event_id": int(key["condition"] == "omitted")} | numbered | {"peak_dff": _peak(key)}
        for key in keyed
    ]  # fmt: skip
    rows = {
        t.SESSIONS: [_session(session) for session in sessions],
        t.UNITS: [{"session_id": s, "unit_id": u, "x_px": 1.0, "y_px": 2.0, "area_px": 9.0} for s, u in pairs],
        t.FRAMES: [
            {"session_id": session, "frame": frame, "time_s": time_s}
            for session in sessions
            for frame, time_s in enumerate(FRAME_S)
        ],
        t.FRAME_LABELS: [
            {"session_id": session, "frame": frame, "label": frame % 2}
            | {"label_name": ("none", "contralateral")[frame % 2]}
            for session in sessions
            for frame in range(len(FRAME_S))
        ],
        t.EVENTS: [event for session in sessions for event in _events(session)],
        t.TRIALS: [
            {"session_id": session, "trial_id": trial, "start_s": trial * 0.5, "stop_s": trial * 0.5 + 0.4}
            | {"outcome": ("hit", "miss")[trial], "attributes": '{"go": true}'}
            for session in sessions
            for trial in range(2)
        ],
        t.IMAGES: [
            {"session_id": session, "kind": "stimulus", "image_name": "im061", "image_index": 0, "height_px": 1}
            | {"width_px": 2, "channel_count": 1, "pixel_type": "uint8", "pixels": b"\x00\xff"}
            for session in sessions
        ],
        t.EVENT_RESPONSES: [
            {"study_id": f"responses-{session}", "session_id": session, "unit_id": unit, "event_id": event}
            | {"mean_dff": 0.1, "baseline_dff": 0.0}
            for session, unit in pairs
            for event in range(2)
        ],
        t.SPIKE_COUNTS: [
            {"study_id": f"responses-{session}", "session_id": session, "unit_id": unit, "event_id": event}
            | {"start_s": 0.0, "stop_s": 0.1, "width_s": 0.1, "spike_count": unit + event}
            for session, unit in pairs
            for event in range(2)
        ],
        t.REJECTED: [
            {"source_uri": "/lab/c.nwb", "content_sha256": "cc", "reader": "nwb", "reader_version": 1}
            | {"field": "file", "found": "nothing", "expected": "HDF5", "rejected_at": NOW}
        ],
        t.MEAN_RESPONSES: means,
        t.RESPONSE_FEATURES: features,
        t.EVENT_FEATURES: event_features,
        t.MEAN_SPIKE_PROB: spike_means,
        t.SPIKE_FEATURES: spike_features,
        t.BEHAVIOR_RESPONSES: [
            {"study_id": f"responses-{session}", "session_id": session, "signal": "running_speed_cm_per_s"}
            | {"condition": condition, "sample": sample, "time_s": float(sample - 1), "mean": 3.0, "sem": 0.5}
            | {"event_count": 2, "dropped_count": 0, "missing_count": 1}
            for session in sessions
            for condition in ("presented", "omitted")
            for sample in range(3)
        ],
        t.UNIT_SCORES: [
            {"study_id": STUDY, "session_id": session, "unit_id": unit, "score": score, "value": value}
            for session, unit in pairs
            for score, value in (("omission_index", 0.5 * unit), ("novelty_index", None), ("motif", unit - 1.0))
        ],
        t.STUDIES: [
            *(_study(f"responses-{session}", "responses", session) for session in sessions),
            _study(STUDY, "omission", None),
            *(_study(f"regressors-{session}", "regressors", session) for session in sessions),
            _study(TYPES_STUDY, "response_types", None)
            | {"inputs": json.dumps([f"regressors-{session}" for session in sessions])},
            *coding_studies(sessions, NOW),
        ],
        t.PROMOTIONS: [
            {"study_id": STUDY, "model_name": "decoder", "model_version": 1, "decoder": "LR", "mlflow_run_id": "r"}
            | {"accuracy": 0.75, "champion_version": None, "champion_accuracy": None, "promoted": True}
        ],
    } | _effects() | _decoding(keyed) | _response_types(pairs) | coding_rows(pairs)  # fmt: skip
    dff = np.array([[0.0, 0.1, 0.2], [1.0, 1.1, 1.2]], np.float32)
    traces = [TraceMatrix(session, "dff", np.array(UNITS), dff) for session in sessions]
    by_insert = {table: table.rows(of_table) for table, of_table in rows.items()}
    lake.replace(by_insert, traces=traces, blocks=_blocks(pairs), message="by hand")


def _effects() -> dict[Table, list[dict]]:
    """One row of each table of tests, and two of the contrasts."""
    counts = {"cell_count": 4, "mouse_count": 2, "event_count": 8}
    tested = {"study_id": STUDY, "measure": "peak_dff"}
    return {
        t.ANOVA: [
            tested | {"term": "omitted", "sum_sq": 1.0, "dof": 1.0, "f": 4.0, "p": 0.1, "partial_eta_sq": 0.2}
            | counts | {"warning": "takes cells of one mouse as independent"}
        ],
        t.CONTRASTS: [
            tested | {"contrast": contrast, "cre_line": "Vip-IRES-Cre", "exposure_level": exposure}
            | {"difference": 0.2, "ci_low": 0.1, "ci_high": 0.3, "t": 3.0, "dof": 1.0, "p": 0.2, "p_holm": 0.2}
            | {"p_permutation": 0.5, "bootstrap_low": 0.05, "bootstrap_high": 0.35, "cohens_d": 2.0}
            | {"cohens_d_low": -1.0, "cohens_d_high": 5.0, "intraclass_correlation": 0.1}
            | counts | {"excluded_cell_count": 0}
            for contrast, exposure in (("omitted - presented", "familiar"), ("novel - familiar", "all"))
        ],
        t.GROUP_TESTS: [
            tested | {"test": "student", "within": "Vip-IRES-Cre, familiar", "contrast": "omitted - presented"}
            | {"estimate": 0.2, "statistic_name": "t", "statistic": 2.0, "dof": 6.0, "p": 0.1, "row_count": 8} | counts
        ],
        t.MIXED_EFFECTS: [
            tested | {"protocol": "published", "model": "random intercept per cell", "term": term, "estimate": estimate}
            | {"log_likelihood": 9.5, "converged": True, "row_count": 8, "group_count": 4} | counts
            for term, estimate in (("omitted", 0.2), ("variance of cells", 0.01))
        ],
    }  # fmt: skip


def _decoding(keyed: list[dict]) -> dict[Table, list[dict]]:
    """What LR said of each row and how well; it learns and is tested by mouse. One curve of two points over time."""
    told = {"study_id": STUDY, "protocol": "rigorous", "target": "condition"}
    of_lr = told | {"decoder": "LR"}
    by_mouse = "leave_one_mouse_out"
    mice = [mouse for mouse, *_ in SESSIONS.values()]
    over_time = {"study_id": STUDY, "protocol": "rigorous", "level": "single_trial", "decoder": "lda"}
    over_time |= {"cre_line": "Vip-IRES-Cre", "exposure_level": "familiar"}
    return {
        t.DECODER_SCORES: [
            of_lr | {"scheme": scheme, "fold": fold, "train_count": 4, "test_count": 4, "accuracy": accuracy}
            | {"f1": 0.5, "roc_auc": 0.75, "brier": 0.25, "tuned": '{"C": 1.0}'}
            for scheme, fold, accuracy in ((by_mouse, "m1", 1.0), (by_mouse, "m2", 0.5), ("test", "test", 0.25))
        ],
        t.DECODER_TESTS: [
            of_lr | {"accuracy": 0.75, "ci_low": 0.5, "ci_high": 1.0, "chance_accuracy": 0.5, "p_permutation": 0.25}
            | {"permutation_count": 3, "calibration_slope": 1.0, "calibration_intercept": 0.0}
            | {"mouse_count": 2, "row_count": 8}
        ],
        t.FEATURE_IMPORTANCE: [
            of_lr | {"feature": "peak_dff", "importance": 0.25, "sd_between_mice": 0.1, "mouse_count": 2}
        ],
        t.SPLITS: [
            told | {"scheme": by_mouse, "fold": fold, "subject_id": mouse, "row_count": 4}
            | {"side": "test" if mouse == fold else "train"}
            for fold in mice
            for mouse in mice
        ],
        t.PREDICTIONS: [
            of_lr | {"scheme": scheme, "fold": fold}
            | {name: key[name] for name in ("session_id", "unit_id", "condition")}
            | {"truth": key["condition"], "predicted": key["condition"], "score": 0.5}
            for key in keyed
            for scheme, fold in ((by_mouse, SESSIONS[key["session_id"]][0]), ("test", "test"))
            if scheme != "test" or key["session_id"] == "lab-b"
        ],
        t.TIME_DECODING: [
            over_time | {"time_s": time_s, "auc": auc, "auc_sem": 0.1, "accuracy": auc, "accuracy_sem": 0.1}
            | {"chance_accuracy": 0.5, "p_max": 0.5, "permutation_count": 3, "fold_count": 2, "row_count": 8}
            | {"mouse_count": 2, "event_count": 8}
            for time_s, auc in ((0.0, 0.5), (1.0, 0.75))
        ],
        t.TIME_GENERALISATION: [
            over_time | {"train_s": train_s, "test_s": test_s, "auc": 0.75 if train_s == test_s else 0.5}
            for train_s in (0.0, 1.0)
            for test_s in (0.0, 1.0)
        ],
    }  # fmt: skip


def _response_types(pairs: list[tuple[str, int]]) -> dict[Table, list[dict]]:
    """Unit 1 answers to images, unit 2 to nothing; the two are merged into one cluster, or are one each."""
    keyed = [{"study_id": f"regressors-{session}", "session_id": session, "unit_id": unit} for session, unit in pairs]
    of_session = [{"study_id": f"regressors-{session}", "session_id": session} for session in SESSIONS]
    found = {1: ("image", 0.5), 2: ("none", 0.01)}
    return {
        t.REGRESSORS: [
            key | {"regressor": name, "place": place, "kind": "events", "kernel": "decay, as chosen", "tau_s": 1.5}
            | {"event_count": 1, "outside_count": 0}
            for key in of_session
            for place, name in enumerate(("image", "omission"))
        ],
        t.REGRESSOR_FITS: [
            key | {"regressor": name, "coefficient": coefficient / key["unit_id"], "standard_error": 0.1}
            | {"mean_response": coefficient / 4}
            for key in keyed
            for name, coefficient in (("image", 2.0), ("omission", 1.0))
        ],
        t.ROI_TYPES: [
            key | {"r2": found[key["unit_id"]][1], "r2_held_out": 0.25, "p": 0.01, "q": 0.02}
            | {"selected": key["unit_id"] == 1, "response_type": found[key["unit_id"]][0]}
            | {"margin": 1.0, "margin_z": 5.0}
            for key in keyed
        ],
        t.CHANCE_R2: [
            key | {"bin": number, "r2_low": number / 2, "r2_high": (number + 1) / 2, "share": share}
            for key in of_session
            for number, share in enumerate((0.75, 0.25))
        ],
        t.ROI_CLUSTERS: [
            key | {"scope": "all", "cluster": key["unit_id"], "leaf": 2 - key["unit_id"]} for key in keyed
        ],
        t.ROI_MERGES: [
            key | {"scope": "all", "merge": 0, "first": 0, "second": 1, "distance": 1.5, "roi_count": 2}
            for key in of_session
        ],
        t.CLUSTER_COUNTS: [
            key | {"scope": "all", "cluster_count": count, "silhouette": 0.5, "stability": 0.9, "chosen": count == 2}
            for key in of_session
            for count in (1, 2)
        ],
        t.RESPONSE_TYPES: [
            {"study_id": TYPES_STUDY, "protocol": "rigorous", "region": "VISp", "response_type": name, "roi_count": 2}
            | {"region_roi_count": 4, "share": 0.5, "mean_r2": r2, "session_count": 2, "animal_count": 2}
            for name, r2 in found.values()
        ],
        t.RESPONSE_TYPE_TESTS: [
            {"study_id": TYPES_STUDY, "protocol": "rigorous", "response_type": "image", "region_a": "VISl"}
            | {"region_b": "VISp", "test": "welch over animals", "difference": 0.25, "ci_low": 0.0, "ci_high": 0.5}
            | {"p": 0.05, "p_holm": 0.1, "animals_a": 2, "animals_b": 2}
        ],
    }  # fmt: skip


def _blocks(pairs: list[tuple[str, int]]) -> list[RowBlocks]:
    """Two spikes of each unit, two samples of running in each session, a snippet of two samples around each event."""
    keyed = [{"session_id": session, "unit_id": unit} for session, unit in pairs]
    rows = {
        t.SPIKES: [key | {"spike": n, "time_s": n / 2, "amplitude": 1.0} for key in keyed for n in range(2)],
        t.BEHAVIOR_SIGNALS: [
            {"session_id": session, "signal": "running_speed_cm_per_s", "sample": n, "time_s": n / 2, "value": 3.0}
            for session in SESSIONS
            for n in range(2)
        ],
        t.SNIPPETS: [
            key | {"event_id": event, "sample": n, "time_s": n / 2, "value": 0.5}
            for key in keyed
            for event in range(2)
            for n in range(2)
        ],
    }
    return [RowBlocks(table, partial(_one_block, table.rows(of_table))) for table, of_table in rows.items()]


def _one_block(block: pa.Table) -> Iterator[pa.Table]:
    yield block


def _session(session_id: str) -> dict:
    subject_id, cre_line, exposure_level = SESSIONS[session_id]
    return {
        "session_id": session_id, "project": "lab", "subject_id": subject_id, "cre_line": cre_line, "genotype": None,
        "sex": "F", "exposure_level": exposure_level, "indicator": "GCaMP6f", "location": "VISp", "started_at": NOW,
        "simulated": False, "unit_count": 2, "signals": "dff", "frame_count": 3, "rate_hz": 2.0,
        "source_uri": f"/lab/{session_id}.nwb",
        "content_sha256": session_id, "reader": "nwb", "reader_version": 1,
    }  # fmt: skip


def _events(session_id: str) -> list[dict]:
    return [
        {"session_id": session_id, "event_id": 0, "kind": "image", "onset_s": 0.0, "offset_s": 0.25,
         "image_name": "im061", "is_change": False},
        {"session_id": session_id, "event_id": 1, "kind": "omission", "onset_s": 0.75, "offset_s": 1.0,
         "image_name": None, "is_change": False},
    ]  # fmt: skip


def _study(study_id: str, kind: str, session_id: str | None) -> dict:
    return {
        "study_id": study_id, "kind": kind, "project": "lab", "session_id": session_id, "protocol": "rigorous",
        "parameters": "{}", "inputs": json.dumps([] if session_id else [f"responses-{one}" for one in SESSIONS]),
        "code_version": "0", "snapshot_id": 1, "flow_run_id": None, "notes": None,
        "finished_at": NOW,
    }  # fmt: skip


def _peak(key: dict) -> float:
    """Unit 1 prefers omissions by 0.2 in lab-a and by 0.4 in lab-b; unit 2 prefers images by 0.1."""
    gain = {"lab-a": 0.2, "lab-b": 0.4}[key["session_id"]] if key["unit_id"] == 1 else -0.1
    return 1.0 + (gain if key["condition"] == "omitted" else 0.0)


def _mean(key: dict, sample: int) -> float:
    """Mouse m1 has 1 and 3 in its two units, mouse m2 has 5 and 7; samples add 10 each; omissions are negative."""
    level = {"lab-a": 0, "lab-b": 4}[key["session_id"]] + 2 * key["unit_id"] - 1 + 10 * sample
    return float(level if key["condition"] == "presented" else -level)
