"""A study with rows in every table that its report reads, made from a seed; what tests look for is written by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np

from models.response_features import FEATURES
from storage import tables as t
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tasks.study_rows import StudyRows, study_rows

NOW = datetime(2026, 11, 21, 2, 14, tzinfo=UTC)
STUDY = "omission-1"
PROJECT = "planted"
LINES = ("Sst-IRES-Cre", "Vip-IRES-Cre")
EXPOSURES = ("familiar", "novel")
CONDITIONS = ("presented", "omitted")
MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")
WARNING = "takes 24 cells of 8 mice as independent: 92 residual degrees of freedom where the animals allow 6"
TIMES_S = np.linspace(-1, 2, 31)
DECODERS = ("dummy", "LR", "XGB")


def plant(lake: Lake, mice: int = 4, cells: int = 3, ready_made: bool = False, tested: bool = True) -> str:
    """Fill an empty lake with one study, and return its id.

    ``mice`` of each cre line, ``cells`` a mouse. ``ready_made``: features without traces, times or behaviour;
    ``tested`` false leaves out every finding.
    """
    rng = np.random.default_rng(3)
    sessions = [
        {"session_id": f"s-{line[:3].lower()}{mouse}-{exposure}", "mouse": f"{number}{mouse}", "cre_line": line,
         "exposure_level": exposure}
        for number, line in enumerate(LINES, 1)
        for mouse in range(mice)
        for exposure in EXPOSURES
    ]  # fmt: skip
    units = [(s, 100 * int(s["mouse"]) + cell) for s in sessions for cell in range(cells)]
    rows = _recorded(sessions, units, cells) | _measured(sessions, units, rng, ready_made)
    if tested:
        rows |= _effects(mice, cells) | _decoding(units, rng)
        if not ready_made:
            rows |= _time() | _scores(units, rng)
    notes = None if tested else "ANOVA: exposure_level must have at least two levels\ndecoders: too few mice"
    inputs = ["source:abc"] if ready_made else [f"responses-{s['session_id']}" for s in sessions]
    studies = [_study(STUDY, "omission", None, inputs, notes)]
    if not ready_made:
        studies += [_study(f"responses-{s['session_id']}", "responses", s["session_id"], [], None) for s in sessions]
    rows[t.STUDIES] = studies
    lake.replace({table: table.rows(of_table) for table, of_table in rows.items()}, message="planted", info={})
    return STUDY


def contrast(**changes: object) -> dict:
    """A row of findings.contrasts: VIP, familiar, a difference of .0413 dF/F that is significant."""
    return {
        "study_id": STUDY, "measure": "peak_dff", "contrast": "omitted - presented", "cre_line": "Vip-IRES-Cre",
        "exposure_level": "familiar", "difference": 0.0413, "ci_low": 0.0181, "ci_high": 0.0662, "t": 4.53, "dof": 6.0,
        "p": 0.001, "p_holm": 0.0043, "p_permutation": 0.016, "bootstrap_low": 0.0172, "bootstrap_high": 0.0701,
        "cohens_d": 1.71, "cohens_d_low": 0.52, "cohens_d_high": 2.86, "intraclass_correlation": 0.12, "mouse_count": 7,
        "cell_count": 61, "excluded_cell_count": 2, "event_count": 8140,
    } | changes  # fmt: skip


def _study(study_id: str, kind: str, session_id: str | None, inputs: list[str], notes: str | None) -> dict:
    return {
        "study_id": study_id, "kind": kind, "project": PROJECT, "session_id": session_id, "protocol": "rigorous",
        "parameters": json.dumps({"recipe": "2", "window": {"start_s": -1.0, "stop_s": 2.0, "n_samples": 31}}),
        "inputs": json.dumps(inputs), "code_version": "0.2.0", "snapshot_id": 1, "flow_run_id": None, "notes": notes,
        "finished_at": NOW,
    }  # fmt: skip


def _recorded(sessions: list[dict], units: list, cells: int) -> dict:
    def session(one: dict, **changes: object) -> dict:
        return {
            "session_id": one["session_id"], "project": PROJECT, "subject_id": one["mouse"],
            "cre_line": one["cre_line"], "exposure_level": one["exposure_level"], "simulated": True,
            "unit_count": cells, "signals": "dff", "source_uri": f"/data/{one['session_id']}.nwb",
            "content_sha256": one["session_id"], "reader": "nwb", "reader_version": 1,
        } | changes  # fmt: skip

    silent = {"session_id": "s-silent", "mouse": "99", "cre_line": LINES[0], "exposure_level": "novel"}
    return {
        t.SESSIONS: [*(session(one) for one in sessions), session(silent, unit_count=0)],
        t.UNITS: [{"session_id": one["session_id"], "unit_id": unit} for one, unit in units],
        t.REJECTED: [
            {"source_uri": "/data/mouse_412.nwb", "field": "timestamps", "found": "run backwards at frame 8,114",
             "expected": "increasing seconds", "rejected_at": NOW}
        ],
    }  # fmt: skip


def _measured(sessions: list[dict], units: list, rng: np.random.Generator, ready_made: bool) -> dict:
    features, means = [], []
    mouse_effect = {one["mouse"]: rng.normal(0, 0.01) for one in sessions}
    for one, unit in units:
        for condition in CONDITIONS:
            key = {"study_id": "source:abc" if ready_made else f"responses-{one['session_id']}",
                   "session_id": one["session_id"], "unit_id": unit, "condition": condition}  # fmt: skip
            drive = 0.02 + 0.04 * (condition == "omitted") * (one["cre_line"] == LINES[1]) + mouse_effect[one["mouse"]]
            course = drive * np.exp(-((TIMES_S - 0.5) ** 2) / 0.1) + rng.normal(0, 0.004, len(TIMES_S))
            at = int(course.argmax())
            values = dict(zip(FEATURES, rng.normal(0, 1, len(FEATURES)), strict=True))
            values |= {"peak_dff": course[at], "peak_latency_s": TIMES_S[at], "auc_dff_s": course.sum() * 0.1}
            features.append(key | values | {"zero_crossings": int(rng.integers(0, 9))})
            means += [
                key | {"sample": n, "time_s": time_s, "mean_dff": course[n], "sem_dff": 0.004, "event_count": 20,
                       "dropped_count": 1, "missing_count": 0}
                for n, time_s in enumerate(TIMES_S)
            ]  # fmt: skip
    if ready_made:
        return {t.RESPONSE_FEATURES: features}
    behavior = [
        {"study_id": f"responses-{one['session_id']}", "session_id": one["session_id"], "signal": signal,
         "condition": condition, "sample": n, "time_s": time_s, "mean": level + rng.normal(0, 0.1 * level), "sem": 0.1,
         "event_count": 20, "dropped_count": 0, "missing_count": 0}
        for one in sessions
        for signal, level in (("running_speed_cm_per_s", 12.0), ("pupil_area_px2", 900.0))
        for condition in CONDITIONS
        for n, time_s in enumerate(TIMES_S)
    ]  # fmt: skip
    return {t.RESPONSE_FEATURES: features, t.MEAN_RESPONSES: means, t.BEHAVIOR_RESPONSES: behavior}


def _effects(mice: int, cells: int) -> dict:
    counts = {"cell_count": 2 * mice * cells, "mouse_count": 2 * mice, "event_count": 640, "warning": WARNING}
    groups = list(product(LINES, EXPOSURES))
    contrasts = [
        contrast(measure=m, cre_line=line, exposure_level=exposure, p_holm=0.4 if line == LINES[0] else 0.004)
        for m in (*MEASURES, "peak_spike_prob")
        for line, exposure in groups
    ]
    contrasts += [contrast(contrast="novel - familiar", cre_line=line, exposure_level="all") for line in LINES]
    between = f"{LINES[0]} - {LINES[1]}"
    contrasts += [
        contrast(contrast="between cre lines", cre_line=between, exposure_level=exposure, dof=9.3)
        for exposure in EXPOSURES
    ]
    tests = [_test(test, m, f"{line}, {exposure}", "omitted - presented") | counts
             for m in MEASURES for line, exposure in groups for test in ("levene", "welch")]  # fmt: skip
    names = [f"{line}, {condition}, {exposure}" for line in LINES for condition in CONDITIONS for exposure in EXPOSURES]
    tests += [
        _test(test, m, "all", f"{a} - {b}") | counts | {"p_corrected": 0.2, "correction": correction}
        for m in MEASURES
        for test, correction in (("tukey", "Tukey"), ("pairwise", "Benjamini-Hochberg"))
        for n, a in enumerate(names)
        for b in names[n + 1 :]
    ]
    tests += [_test("manova", "peak_dff + peak_latency_s", "all", "cre_line") | counts | {"f": 64.7463}]
    tests += [_test("glm", "peak_dff", "all", "cre_line[Vip-IRES-Cre] x omitted") | counts]
    terms = ("cre_line", "omitted", "exposure_level", "cre_line x omitted", "residual")
    anova = [
        {"study_id": STUDY, "measure": m, "term": term, "sum_sq": 0.03, "dof": 92.0 if term == "residual" else 1.0,
         "f": None if term == "residual" else 21.35, "p": None if term == "residual" else 0.0001,
         "partial_eta_sq": None if term == "residual" else 0.19} | counts
        for m in MEASURES for term in terms
    ]  # fmt: skip
    mixed = [
        {"study_id": STUDY, "protocol": protocol, "measure": m, "model": model, "term": term, "estimate": 0.0352,
         "standard_error": 0.008, "ci_low": 0.0195, "ci_high": 0.0509, "statistic": 4.4, "dof": dof, "p": 0.002,
         "log_likelihood": 942.32, "converged": True, "row_count": 96, "group_count": 8} | counts
        | {"warning": WARNING if dof is None else None}
        for protocol, model, dof, terms in (
            ("published", "random intercept per cell", None, ("omitted", "cre_line[Vip-IRES-Cre] x omitted")),
            ("rigorous", "random slope per mouse", 6.0,
             [f"{term} in {line}, {e}" for term in ("intercept", "omitted") for line in LINES for e in EXPOSURES]),
        )
        for m in ("peak_dff", "auc_dff_s") for term in terms
    ]  # fmt: skip
    mixed += [
        row | {"term": row["term"].replace("omitted", "variance of mouse"), "estimate": 1.2e-5}
        | dict.fromkeys(("standard_error", "ci_low", "ci_high", "statistic", "dof", "p"))
        for row in mixed if row["term"].startswith("omitted")
    ]  # fmt: skip
    return {t.CONTRASTS: contrasts, t.GROUP_TESTS: tests, t.ANOVA: anova, t.MIXED_EFFECTS: mixed}


def _test(test: str, measure: str, within: str, named: str) -> dict:
    return {
        "study_id": STUDY, "test": test, "measure": measure, "within": within, "contrast": named, "estimate": 0.0251,
        "ci_low": 0.0102, "ci_high": 0.0401, "statistic_name": {"levene": "W", "tukey": "q"}.get(test, "t"),
        "statistic": 3.31, "dof": 94.0, "residual_dof": 92.0, "p": 0.0013, "effect_name": "Hedges g",
        "effect_size": 0.944, "effect_low": 0.5, "effect_high": 1.4, "row_count": 96,
    }  # fmt: skip


def _decoding(units: list, rng: np.random.Generator) -> dict:
    scores, predictions, tests, importance = [], [], [], []
    for protocol, target, (number, decoder) in product(
        ("rigorous", "published"), ("condition", "cre_line"), enumerate(DECODERS)
    ):
        key = {"study_id": STUDY, "protocol": protocol, "target": target, "decoder": decoder}
        accuracy = 0.5 if decoder == "dummy" else 0.71 + 0.01 * number
        numbers = {"train_count": 40, "test_count": 12, "accuracy": accuracy, "f1": 0.7, "roc_auc": 0.75}
        mice = sorted({one["mouse"] for one, _ in units})
        scores += [key | numbers | {"scheme": "leave_one_mouse_out", "fold": mouse} for mouse in mice]
        scores.append(key | numbers | {"scheme": "test", "fold": "test"})
        if protocol == "published" and target == "condition" and decoder != "dummy":
            scores.append(key | numbers | {"scheme": "notebook_2", "fold": "test", "accuracy": 0.9766})
        tests.append(
            key | {"accuracy": accuracy, "ci_low": accuracy - 0.05, "ci_high": accuracy + 0.05, "chance_accuracy": 0.5,
                   "p_permutation": 1.0 if decoder == "dummy" else 0.01, "permutation_count": 99,
                   "calibration_slope": 0.8, "calibration_intercept": 0.0, "mouse_count": len(mice), "row_count": 96}
        )  # fmt: skip
        for one, unit in units:
            for condition in CONDITIONS:
                truth = condition if target == "condition" else one["cre_line"]
                labels = CONDITIONS if target == "condition" else LINES
                share = float(np.clip(0.3 + 0.4 * labels.index(truth) + rng.normal(0, 0.2), 0, 1))
                predictions.append(
                    key | {"scheme": "leave_one_mouse_out", "fold": one["mouse"], "session_id": one["session_id"],
                           "unit_id": unit, "condition": condition, "truth": truth, "predicted": labels[share > 0.5],
                           "score": 0.5 if decoder == "dummy" else share}
                )  # fmt: skip
        if decoder == "XGB":
            importance += [
                key | {"feature": name, "importance": 0.05 / rank, "sd_between_mice": 0.01, "mouse_count": len(mice)}
                for rank, name in enumerate(FEATURES, 1)
            ]
    return {
        t.DECODER_SCORES: scores, t.PREDICTIONS: predictions, t.DECODER_TESTS: tests,
        t.FEATURE_IMPORTANCE: importance,
        t.PROMOTIONS: [
            {"study_id": STUDY, "model_name": "omitted-or-presented", "model_version": 3, "decoder": "XGB",
             "mlflow_run_id": "5f0c", "accuracy": 0.7144, "champion_version": 2, "champion_accuracy": 0.702,
             "promoted": True}
        ],
    }  # fmt: skip


def _time() -> dict:
    """Courses that rise above chance from 0.2 to 1.2 s in VIP cells, and nowhere in SST cells."""
    courses, squares = [], []
    for protocol, level, line, exposure in product(
        ("rigorous", "published"), ("single_trial", "population"), LINES, EXPOSURES
    ):
        key = {"study_id": STUDY, "protocol": protocol, "level": level, "decoder": "logistic", "cre_line": line,
               "exposure_level": exposure}  # fmt: skip
        for time_s in TIMES_S.round(2):
            inside = bool(line == LINES[1] and 0.2 <= time_s <= 1.2)
            courses.append(
                key | {"time_s": time_s, "auc": 0.72 if time_s == 0.7 and inside else 0.65 if inside else 0.5,
                       "auc_sem": 0.02, "accuracy": 0.66 if inside else 0.5, "accuracy_sem": 0.02,
                       "chance_accuracy": 0.5,
                       "p_max": 0.01 if inside else 0.9, "cluster": 0 if inside else None,
                       "p_cluster": 0.002 if inside else None, "permutation_count": 499, "fold_count": 4,
                       "row_count": 960, "mouse_count": 6, "event_count": 80}
            )  # fmt: skip
        squares += [
            key | {"train_s": a, "test_s": b, "auc": 0.5 + 0.15 * np.exp(-((a - 0.5) ** 2 + (b - 0.5) ** 2))}
            for a in TIMES_S[::3].round(2)
            for b in TIMES_S[::3].round(2)
        ]
    return {t.TIME_DECODING: courses, t.TIME_GENERALISATION: squares}


def _scores(units: list, rng: np.random.Generator) -> dict:
    def of(one: dict, unit: int) -> Iterator[tuple[str, float]]:
        is_vip = one["cre_line"] == LINES[1]
        yield "omission_index", 0.4 if is_vip else -0.2
        if one["exposure_level"] == "novel":
            yield "novelty_index", 0.1
        yield "motif", float(is_vip)
        for score in ("pc_1", "pc_2", "umap_1", "umap_2", "tsne_1", "tsne_2"):
            yield score, rng.normal() + 3 * is_vip

    return {
        t.UNIT_SCORES: [
            {"study_id": STUDY, "session_id": one["session_id"], "unit_id": unit, "score": score, "value": value}
            for one, unit in units
            for score, value in of(one, unit)
        ]
    }


def planted_rows(home: Path, **choices: object) -> StudyRows:
    """The rows of a study planted (see ``plant``) into a lake of its own."""
    settings = Settings(home=home, threads=1)
    with open_lake(settings) as lake:
        plant(lake, **choices)
    with open_lake(settings, read_only=True) as lake:
        return study_rows(lake, STUDY)
