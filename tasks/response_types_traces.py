"""Traces of a study's sessions beside their regressors, for figures and for looking through ROIs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.regressor_fits import fit_regressors
from storage.lake import Lake
from tasks.response_types_rows import TypesRows
from tasks.session_regressors import SessionRegressors, Unfit, session_regressors

MOST_SESSIONS = 4  # whose traces a report shows
_TREES = ("all", "selected")


@dataclass(frozen=True, eq=False)
class ShownSession:
    """A session as it was fitted under the study's protocol.

    ``rois`` are its rows of `roi_table` in ascending unit_id, as the rows of ``fitted.dff`` (n_rois, n_frames) are;
    ``coefficient`` (n_rois, n_regressors) and ``intercept`` (n_rois,), NaN where a ROI isn't fitted; ``trees`` the
    merges of each scope that was clustered, (n_clustered - 1, 4) as SciPy's linkage.
    """

    fitted: SessionRegressors
    rois: pl.DataFrame
    coefficient: NDArray[np.float64]
    intercept: NDArray[np.float64]
    trees: Mapping[str, NDArray[np.float64]]

    @property
    def session_id(self) -> str:
        return self.fitted.session_id


def shown_sessions(lake: Lake, rows: TypesRows) -> list[ShownSession]:
    """The sessions with most selected ROIs, at most `MOST_SESSIONS`, read again as the study read them.

    Fits come from the same traces by the same code, and are those of derived.regressor_fits.
    """
    of_protocol = rows.fitted.filter(protocol=rows.protocol).sort(
        "selected_count", "session_id", descending=[True, False]
    )
    shown = []
    for session_id in of_protocol["session_id"].head(MOST_SESSIONS):
        try:
            fitted = session_regressors(lake, session_id, rows.protocol, rows.recipe)
        except Unfit:  # the session was replaced since by one that doesn't fit
            continue
        rois = rows.of(rows.protocol).filter(session_id=session_id).sort("unit_id")
        kept = np.isin(fitted.unit_id, rois["unit_id"].to_numpy())
        if not len(rois) or kept.sum() != len(rois):
            continue
        fits = fit_regressors(fitted.dff, fitted.regressors)
        trees = {scope: _merges(lake, rows, session_id, scope) for scope in _TREES}
        shown.append(
            ShownSession(
                _only(fitted, kept),
                rois,
                fits.coefficient[kept],
                fits.intercept[kept],
                {scope: merges for scope, merges in trees.items() if len(merges)},
            )
        )
    return shown


def _only(fitted: SessionRegressors, kept: NDArray[np.bool_]) -> SessionRegressors:
    """The session with some of its ROIs, as when a study is of some regions."""
    return replace(fitted, unit_id=fitted.unit_id[kept], dff=fitted.dff[kept])


def _merges(lake: Lake, rows: TypesRows, session_id: str, scope: str) -> NDArray[np.float64]:
    merges = lake.answer(
        "session_merges", studies=rows.inputs, session_id=session_id, protocol=rows.protocol, scope=scope
    )
    return merges.cast(pl.Float64).to_numpy()
