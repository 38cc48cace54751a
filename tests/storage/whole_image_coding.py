"""Rows of every table of image coding for the whole lake: unit 1 answers images, unit 2 does not."""

import json
from datetime import datetime

import numpy as np

from storage import tables as t
from storage.declaration import Table

CODING_STUDY = "imagecoding-1"
_PARTS = {"images": "image_responses", "encoding": "encoding_models", "inputs": "exciting_inputs"}
_PIXELS = np.zeros((2, 3), "<f4").tobytes()


def coding_studies(sessions: list[str], now: datetime) -> list[dict]:
    """A study of each part of each session, and the one that concludes on them."""
    same = {"project": "lab", "protocol": "rigorous", "parameters": "{}", "code_version": "0", "snapshot_id": 1}
    same |= {"flow_run_id": None, "notes": None, "finished_at": now}
    parts = [
        same | {"study_id": f"{part}-{session}", "kind": kind, "session_id": session, "inputs": "[]"}
        for session in sessions
        for part, kind in _PARTS.items()
    ]
    inputs = json.dumps([part["study_id"] for part in parts])
    return [*parts, same | {"study_id": CODING_STUDY, "kind": "image_coding", "session_id": None, "inputs": inputs}]


def coding_rows(pairs: list[tuple[str, int]]) -> dict[Table, list[dict]]:
    """Rows by table for these pairs of session and unit."""
    sessions = list(dict.fromkeys(session for session, _ in pairs))

    def units(part: str) -> list[dict]:
        return [{"study_id": f"{part}-{session}", "session_id": session, "unit_id": unit} for session, unit in pairs]

    def whole(part: str) -> list[dict]:
        return [{"study_id": f"{part}-{session}", "session_id": session} for session in sessions]

    protocol = {"protocol": "rigorous"}
    return {
        t.UNIT_RELIABILITY: [
            key | {"spike_count": 8, "image_count": 2, "mean_count": 1.0, "variance": 0.5, "entropy_nats": 0.7}
            | {"oracle": 0.9, "oracle_published": 0.8, "oracle_low": 0.7, "oracle_high": 0.95, "split_half": 0.8}
            | {"spearman_brown": 0.9, "explainable_variance": 0.8, "signal_to_noise": 4.0, "outlying": False}
            | {"outlier_score": -0.4, "most_alike_unit_id": 3 - key["unit_id"], "highest_r": 0.75}
            | {"least_alike_unit_id": 3 - key["unit_id"], "lowest_r": 0.75}
            | {"chosen_by_percentile": key["unit_id"] == 1, "chosen_by_reliability": key["unit_id"] == 1}
            for key in units("images")
        ],
        t.UNIT_PAIRS: [key | {"unit_id": 1, "other_unit_id": 2, "r": 0.75} for key in whole("images")],
        t.RASTER_ORDER: [
            key | {"scope": "all blocks", "place": 2 - key["unit_id"], "rule": "similarity"} for key in units("images")
        ],
        t.PRESENTATION_PSTHS: [
            key | {"shown": "all images", "bin": number, "centre_s": 0.05 + 0.1 * number, "rate_hz": 2.0}
            | {"presentation_count": 4}
            for key in units("images")
            for number in range(2)
        ],
        t.ENCODING_MODELS: [
            key | protocol | {"model": "network 1", "kind": "network", "unit_count": 2, "train_count": 2}
            | {"validation_count": 1, "test_count": 1, "height_px": 2, "width_px": 3, "epoch_count": 2}
            | {"device": "cpu", "duration_s": 1.0, "model_name": "net", "model_version": 1, "mlflow_run_id": "r"}
            | {"score": 0.5, "champion_version": None, "champion_score": None, "promoted": True}
            for key in whole("encoding")
        ],
        t.LEARNING_CURVES: [
            key | {"network": "network 1", "epoch": epoch, "train_loss": 1.0, "validation_loss": 1.0}
            | {"validation_correlation": 0.5, "learning_rate": 0.003, "is_best": epoch == 2}
            for key in whole("encoding")
            for epoch in (1, 2)
        ],
        t.ENCODING_SCORES: [
            key | protocol | {"model": "network 1", "side": side, "image_count": 1, "correlation_to_mean": 0.5}
            | {"single_trial_correlation": 0.4, "fraction_of_oracle": 0.5, "noise_corrected_correlation": 0.6}
            | {"explained_explainable_variance": 0.3, "noise_ceiling": 0.9, "oracle": 0.8}
            for key in units("encoding")
            for side in ("train", "test")
        ],
        t.PREDICTED_RESPONSES: [
            key | {"model": "network 1", "image_name": "im061", "predicted": 1.0, "measured": 1.5}
            | {"presentation_count": 2}
            for key in units("encoding")
        ],
        t.EXCITATORY_INPUTS: [
            key | {"kind": "exciting", "start": "noise", "seed": seed, "response": 3.0 - seed, "contrast": 0.1}
            | {"step_count": 4, "is_best": seed == 0, "moved": True, "height_px": 2, "width_px": 3, "pixels": _PIXELS}
            for key in units("inputs")
            for seed in (0, 1)
        ],
        t.ASCENT_STEPS: [
            key | {"start": "noise", "seed": 0, "step": step, "response": 1.0 + step, "contrast": 0.1}
            for key in units("inputs")
            for step in range(2)
        ],
        t.PATTERN_RESPONSES: [
            key | {"stimulus": "gabors", "condition": 0, "x_deg": 0.0, "y_deg": 0.0, "orientation_deg": 45.0}
            | {"cycles_per_deg": 0.08, "presentation_count": 2, "measured": 1.0, "predicted": 1.0}
            for key in units("inputs")
        ],
        t.INPUT_COMPARISONS: [
            key | protocol | {"start_count": 2} | dict.fromkeys(_numbers(t.INPUT_COMPARISONS), 0.5)
            for key in units("inputs")
        ],
        t.IMAGE_CODING: [
            {"study_id": CODING_STUDY, "model": "network 1", "kind": "network", "session_count": 2, "unit_count": 4}
            | protocol | dict.fromkeys(_numbers(t.IMAGE_CODING), 0.5)
            | {"linear_model": None, "p": None, "warning": None}
        ],
    }  # fmt: skip


def _numbers(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.type == "double"]
