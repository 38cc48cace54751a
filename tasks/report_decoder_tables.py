"""Tables of decoders: scores of both protocols, the second notebook, what is important, and windows in time."""

from collections.abc import Mapping

import polars as pl

from tasks.report_tables import NONE, ReportTable, whole
from tasks.sentences import PROTOCOLS, counted, cre_name, fixed, group_order, p_text
from tasks.sentences_decoding import first_cluster, task_name
from tasks.study_rows import StudyRows
from tasks.time_windows import AUC_THRESHOLD, windows_above

_MOST_FEATURES = 8
_TO = "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}"  # a list of windows breaks between them


def decoders_table(rows: StudyRows, target: str) -> ReportTable:
    """Both protocols side by side, a row per decoder."""
    decoders = rows.decoders.filter(target=target)
    found = {(row["protocol"], row["decoder"]): row for row in decoders.to_dicts()}
    tests = {(row["protocol"], row["decoder"]): row for row in rows.decoder_tests.filter(target=target).to_dicts()}
    cells = []
    for name in dict.fromkeys(row["decoder"] for row in decoders.to_dicts()):
        is_registered = rows.promotion and rows.promotion["decoder"] == name and target == "condition"
        of_protocols = (_protocol_cells(found.get((p, name)), tests.get((p, name))) for p in PROTOCOLS)
        cells.append((name + (" (registered)" if is_registered else ""), *(one for p in of_protocols for one in p)))
    folds = {row["protocol"]: counted(row["fold_count"], "fold") for row in decoders.to_dicts()}
    learned = {row["protocol"]: f", {row['row_count']:,} rows" for row in tests.values()}
    headings = ("mice left out, accuracy", "95 % CI", "p, permuted", "slope", "test accuracy", "test F1", "test AUC")
    return ReportTable(
        f"What tells {task_name(target, rows.predictions)}, both protocols; this study's is {rows.protocol}. Accuracy"
        " is the share of right answers; its interval is a bootstrap over mice; p: against labels permuted. Slope: of"
        " log odds, 1 where probabilities can be taken at their word, below 1 where they are too sure. Rigorous tests"
        " on whole mice held out; published on a random split of rows. dummy: knows only how frequent labels are.",
        ("decoder", *(headings * len(PROTOCOLS))),
        tuple(cells),
        spans=(
            ("", 1),
            *(
                (f"{p}, {folds[p]}{learned.get(p, '')}" if p in folds else f"{p}: did not run", len(headings))
                for p in PROTOCOLS
            ),
        ),
        sql=f"SELECT * FROM findings.decoder_tests WHERE study_id = '{rows.study['study_id']}' AND target = '{target}'",
    )


def notebook_table(rows: StudyRows) -> ReportTable:
    """The second published notebook: numeric features with cell ids, a scaler on all rows, no tuning."""
    found = rows.decoders.drop_nulls("notebook_2_accuracy")
    scores = ("notebook_2_accuracy", "notebook_2_f1", "notebook_2_roc_auc")
    return ReportTable(
        "The published second notebook, as it stands: a random split of rows, cell numbers among the features, the"
        " scaler fitted on all rows. Cells and mice stand on both sides, so that these scores say little of new mice.",
        ("decoder", "test accuracy", "test F1", "test AUC", "test rows"),
        tuple(
            (row["decoder"], *(score(row[name], 4) for name in scores), whole(row["notebook_2_count"]))
            for row in found.to_dicts()
        ),
        sql=f"SELECT * FROM findings.decoder_scores WHERE study_id = '{rows.study['study_id']}'"
        " AND scheme = 'notebook_2'",
    )


def importance_table(rows: StudyRows, target: str) -> ReportTable:
    """The features whose shuffling costs a protocol's decoders most."""
    found = rows.importance.filter(target=target).sort("importance", descending=True)
    ordered = [
        row
        for protocol in PROTOCOLS
        for decoder in found.filter(protocol=protocol)["decoder"].unique(maintain_order=True)
        for row in found.filter(protocol=protocol, decoder=decoder).head(_MOST_FEATURES).to_dicts()
    ]
    return ReportTable(
        f"Importance: what accuracy on left-out mice loses when a feature is shuffled. The {_MOST_FEATURES} first of"
        " each decoder.",
        ("protocol", "decoder", "feature", "loss of accuracy", "s.d. between mice", "mice"),
        tuple(
            (row["protocol"], row["decoder"], row["feature"], fixed(row["importance"], 3),
             score(row["sd_between_mice"]), whole(row["mouse_count"]))
            for row in ordered
        ),
        text_columns=3,
        shown=_MOST_FEATURES,
        sql=f"SELECT * FROM findings.feature_importance WHERE study_id = '{rows.study['study_id']}'"
        f" AND target = '{target}'",
    )  # fmt: skip


def time_table(rows: StudyRows) -> ReportTable:
    """A row per time course: its peak, its means, its first significant cluster, its windows."""
    courses = rows.time_decoding.partition_by(
        "protocol", "level", "decoder", "cre_line", "exposure_level", as_dict=True
    )
    ordered = sorted(courses, key=lambda key: (PROTOCOLS.index(key[0]), key[1] != "single_trial", key[2] != "logistic",
                                               group_order(*key[3:])))  # fmt: skip
    return ReportTable(
        "Decoding at each time. Before and after: mean AUC before and from onset on. First cluster: the earliest run of"
        " points that is above chance by the cluster test. Points p < .05: by the maximum over time. Windows: at least"
        f" two points in a row above AUC {AUC_THRESHOLD}, which is no test. In the published protocol responses of one"
        " cell stand in training and test alike.",
        ("protocol and level", "decoder", "cells", "image set", "peak AUC", "at (s)", "before", "after",
         "peak accuracy", "first cluster (s)", "p", "points p < .05", "windows (s)", "folds", "permutations", "mice",
         "rows", "events"),
        tuple(_course_cells(key, courses[key].sort("time_s")) for key in ordered),
        text_columns=4,
        grouped=True,
        shown=16,
        sql=f"SELECT * FROM findings.time_decoding WHERE study_id = '{rows.study['study_id']}'",
    )  # fmt: skip


def score(value: float | None, decimals: int = 3) -> str:
    """A score with three decimals, or a dash."""
    return NONE if value is None else f"{value:.{decimals}f}"


def _protocol_cells(found: Mapping | None, test: Mapping | None) -> tuple[str, ...]:
    found, test = found or {}, test or {}
    low, high = test.get("ci_low"), test.get("ci_high")
    return (
        score(found.get("lomo_accuracy")),
        NONE if low is None or high is None else f"{low:.3f} to {high:.3f}",
        p_text(test.get("p_permutation")),
        score(test.get("calibration_slope"), 2),
        *(score(found.get(name)) for name in ("test_accuracy", "test_f1", "test_roc_auc")),
    )


def _course_cells(key: tuple, course: pl.DataFrame) -> tuple[str, ...]:
    protocol, level, decoder, cre_line, exposure = key
    row = course.row(0, named=True)
    peak = course.sort("auc", descending=True).row(0, named=True)
    cluster = first_cluster(course)
    windows = windows_above(course["time_s"].to_numpy(), course["auc"].to_numpy(), AUC_THRESHOLD)
    return (
        f"{protocol}, {level.replace('_', ' ')}",
        decoder,
        cre_name(cre_line),
        exposure,
        score(peak["auc"]),
        fixed(peak["time_s"], 2),
        score(course.filter(pl.col("time_s") < 0)["auc"].mean()),
        score(course.filter(pl.col("time_s") >= 0)["auc"].mean()),
        score(course["accuracy"].max()),
        f"{fixed(cluster[0], 2)} to {fixed(cluster[1], 2)}" if cluster else NONE,
        p_text(cluster[2]) if cluster else NONE,
        NONE if course["p_max"].is_null().all() else whole(course.filter(pl.col("p_max") < 0.05).height),
        ", ".join(f"{fixed(start, 2)}{_TO}{fixed(stop, 2)}" for start, stop in windows) or NONE,
        *(whole(row[name]) for name in ("fold_count", "permutation_count", "mouse_count", "row_count", "event_count")),
    )
