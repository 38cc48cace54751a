"""A small lake with rows in every declared table, written by hand, in which nothing is wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa

from models.response_features import FEATURES
from storage import tables as t
from storage.lake import Lake
from storage.row_files import RowBlocks
from storage.traces import TraceMatrix

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SESSIONS = {"lab-a": ("m1", "Vip-IRES-Cre", "familiar"), "lab-b": ("m2", "Vip-IRES-Cre", "familiar")}
UNITS = (1, 2)
FRAME_S = (0.0, 0.5, 1.0)
STUDY = "omission-1"


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
        | {"event_count": 1, "dropped_count": 0}
        for key in keyed
        for sample in range(3)
    ]  # fmt: skip
    features = [
        key | {name: float(number) for number, name in enumerate(FEATURES)} | {"peak_dff": _peak(key)} for key in keyed
    ]
    predictions = [
        {"study_id": STUDY, "protocol": "rigorous", "decoder": "LR", "scheme": scheme, "fold": fold}
        | {name: key[name] for name in ("session_id", "unit_id", "condition")}
        | {"predicted": key["condition"], "score": 0.5}
        for key in keyed
        for scheme, fold in (("leave_one_mouse_out", SESSIONS[key["session_id"]][0]), ("test", "test"))
        if scheme != "test" or key["session_id"] == "lab-b"
    ]
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
        t.STUDIES: [
            *(_study(f"responses-{session}", "responses", session) for session in sessions),
            _study(STUDY, "omission", None),
        ],
        t.ANOVA: [
            {"study_id": STUDY, "measure": "peak_dff", "term": "omitted", "sum_sq": 1.0, "dof": 1.0, "f": 4.0, "p": 0.1}
            | {"cell_count": 4, "mouse_count": 2}
        ],
        t.CONTRASTS: [
            {"study_id": STUDY, "measure": "peak_dff", "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar"}
            | {"difference": 0.2, "ci_low": 0.1, "ci_high": 0.3, "t": 3.0, "dof": 1, "p": 0.2, "p_holm": 0.2}
            | {"p_sign_flip": 0.5, "mouse_count": 2, "cell_count": 4, "excluded_cell_count": 0}
        ],
        t.DECODER_SCORES: [
            {"study_id": STUDY, "protocol": "rigorous", "decoder": "LR", "scheme": scheme, "fold": fold}
            | {"train_count": 4, "test_count": 4, "accuracy": accuracy, "f1": 0.5, "roc_auc": 0.75}
            for scheme, fold, accuracy in (
                ("leave_one_mouse_out", "m1", 1.0), ("leave_one_mouse_out", "m2", 0.5), ("test", "test", 0.25),
            )
        ],
        t.PREDICTIONS: predictions,
        t.PROMOTIONS: [
            {"study_id": STUDY, "model_name": "decoder", "model_version": 1, "decoder": "LR", "mlflow_run_id": "r"}
            | {"accuracy": 0.75, "champion_version": None, "champion_accuracy": None, "promoted": True}
        ],
    }  # fmt: skip
    dff = np.array([[0.0, 0.1, 0.2], [1.0, 1.1, 1.2]], np.float32)
    traces = [TraceMatrix(session, "dff", np.array(UNITS), dff) for session in sessions]
    by_insert = {table: table.rows(of_table) for table, of_table in rows.items()}
    lake.replace(by_insert, traces=traces, blocks=_blocks(pairs), message="by hand")


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
        "parameters": "{}", "inputs": "[]", "code_version": "0", "snapshot_id": 1, "flow_run_id": None, "notes": None,
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
