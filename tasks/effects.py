"""Effects of omission on response features: the published ANOVA over cells, and what holds over mice."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import polars as pl
from statsmodels.stats.multitest import multipletests

from models.group_statistics import paired_mouse_contrast, three_way_anova

MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")


def anova_rows(features: pl.DataFrame, study_id: str) -> list[Mapping]:
    """Rows of findings.anova for each measure. Raises ValueError when the design lacks a level or a cell."""
    rows = []
    for measure in MEASURES:
        finite = features.drop_nulls(measure)
        terms = three_way_anova(
            finite[measure].to_numpy(),
            finite["cre_line"].to_numpy(),
            (finite["condition"] == "omitted").to_numpy(),
            finite["exposure_level"].to_numpy(),
        )
        counts = {"cell_count": _cell_count(finite), "mouse_count": finite["mouse_id"].n_unique()}
        rows += [{"study_id": study_id, "measure": measure, **asdict(term), **counts} for term in terms]
    return rows


def contrast_rows(features: pl.DataFrame, study_id: str) -> tuple[list[Mapping], list[str]]:
    """Rows of findings.contrasts, p corrected over all of them (Holm), and why others could not be computed."""
    rows, reasons = [], []
    for (cre_line, exposure_level), group in features.sort("cre_line", "exposure_level").group_by(
        "cre_line", "exposure_level", maintain_order=True
    ):
        for measure in MEASURES:
            finite = group.drop_nulls(measure)
            try:
                found = paired_mouse_contrast(
                    finite[measure].to_numpy(),
                    finite["mouse_id"].to_numpy(),
                    (finite["session_id"] + "/" + finite["unit_id"].cast(pl.String)).to_numpy(),
                    (finite["condition"] == "omitted").to_numpy(),
                )
            except ValueError as error:
                reasons.append(f"contrast of {measure}, {cre_line}, {exposure_level}: {error}")
                continue
            rows.append(
                {
                    "study_id": study_id,
                    "measure": measure,
                    "cre_line": cre_line,
                    "exposure_level": exposure_level,
                    "difference": found.estimate,
                    "ci_low": found.ci_low,
                    "ci_high": found.ci_high,
                    "t": found.t,
                    "dof": found.dof,
                    "p": found.p,
                    "p_holm": None,
                    "p_sign_flip": found.p_sign_flip,
                    "mouse_count": found.n_mice,
                    "cell_count": found.n_cells,
                    "excluded_cell_count": found.n_cells_excluded,
                }
            )
    return _with_holm(rows), reasons


def _with_holm(rows: Sequence[dict]) -> list[Mapping]:
    tested = [row for row in rows if row["p"] == row["p"]]
    if tested:
        for row, corrected in zip(tested, multipletests([row["p"] for row in tested], method="holm")[1], strict=True):
            row["p_holm"] = float(corrected)
    return list(rows)


def _cell_count(features: pl.DataFrame) -> int:
    return features.select("mouse_id", "unit_id").n_unique()
