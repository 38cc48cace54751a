"""One session's ROIs regressed on its events, selected, assigned to what drives them, and clustered."""

from dataclasses import asdict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.regressor_fits import RegressorFits, coefficient_covariance, fit_regressors, held_out_r2
from models.regressor_folds import event_folds, most_folds
from models.response_classes import (
    AMBIGUOUS,
    NOT_SELECTED,
    clear_largest_coefficient,
    largest_coefficient,
    mean_responses,
    published_mean_responses,
)
from models.shift_null import ShiftTest, shift_selection
from models.signal_classes import with_signal_classes
from storage.declaration import Table
from storage.lake import open_lake
from storage.response_types_due import FitDue
from storage.tables import CHANCE_R2, REGRESSOR_FITS, REGRESSORS, ROI_TYPES, STUDIES
from tasks.attempts import HOUR_S, PATIENT
from tasks.cluster_rois import cluster_rows
from tasks.per_session import PER_SESSION
from tasks.response_type_recipe import AMBIGUOUS_TYPE, DEFAULT_RECIPE, NO_TYPE, TypesRecipe
from tasks.session_regressors import SessionRegressors, Unfit, session_regressors
from tasks.session_study import session_study_row

_FOLDS = 5
_GAP_DECAYS = 1  # decay constants left out on both sides of what is held out; events of a kind lie close


@task(
    **PATIENT,
    timeout_seconds=4 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", PER_SESSION],
    task_run_name="response types of {due.session_id}, {due.protocol}",
)
def fit_session(due: FitDue, flow_run_id: str | None, recipe: TypesRecipe = DEFAULT_RECIPE) -> str:
    """Fits, types and clusters of a session's ROIs under a protocol, by the id that was due.

    A session that can't take part gets a study without rows, whose notes say why.
    """
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        try:
            session = session_regressors(lake, due.session_id, due.protocol, recipe)
            rows, notes = _session_rows(session, due.protocol, recipe)
            notes = [*session.notes, *notes]
        except Unfit as reason:
            rows, notes = {}, [str(reason)]
        of_study = {"study_id": pl.lit(due.study_id), "session_id": pl.lit(due.session_id)}
        tables = {table: table.rows(of_table.with_columns(**of_study)) for table, of_table in rows.items()}
        tables[STUDIES] = STUDIES.rows([_study_row(due, snapshot_id, flow_run_id, recipe, notes)])
        info = {"study": due.study_id, "flow_run": flow_run_id}
        lake.replace(tables, message=f"response types of {due.session_id}, {due.protocol}", info=info)
    return due.study_id


def _session_rows(
    session: SessionRegressors, protocol: str, recipe: TypesRecipe
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Rows by table, and notes of what is missing from them."""
    fits = fit_regressors(session.dff, session.regressors)
    rows = {REGRESSORS: _regressor_rows(session)}
    of_protocol = _published if protocol == "published" else _rigorous
    found, notes = of_protocol(session, fits, recipe)
    rows |= found
    selected = rows[ROI_TYPES]["selected"].to_numpy()
    clusters, not_clustered = cluster_rows(session, fits.is_fitted, selected, recipe)
    notes += not_clustered
    if unfitted := int((~fits.is_fitted).sum()):
        notes.append(f"{unfitted} of {len(fits.is_fitted)} ROIs can't be fitted: constant, or frames missing")
    return rows | clusters, notes


def _regressor_rows(session: SessionRegressors) -> pl.DataFrame:
    names, kernel = session.regressors.names, session.kernel
    events = [session.regressors.event_frames.get(name) for name in names]
    is_event = [frames is not None for frames in events]
    return pl.DataFrame(
        {
            "regressor": names,
            "place": range(len(names)),
            "kind": ["events" if one else "signal" for one in is_event],
            "kernel": [session.kernel_from if one else "none: as it is, in its own s.d." for one in is_event],
            "rise_s": [kernel.rise_s if one else None for one in is_event],
            "tau_s": [kernel.decay_s if one else None for one in is_event],
            "event_count": [None if frames is None else len(frames) for frames in events],
            "outside_count": [session.outside_count.get(name) for name in names],
        },
        schema_overrides={"rise_s": pl.Float64, "tau_s": pl.Float64},
    )


def _published(
    session: SessionRegressors, fits: RegressorFits, recipe: TypesRecipe
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """In-sample r2 above the threshold, and the largest coefficient."""
    selected = np.nan_to_num(fits.r2, nan=-1.0) > recipe.smallest_r2
    found = largest_coefficient(fits.coefficient, selected, session.regressors.is_stimulus)
    notes = []
    try:
        responses = published_mean_responses(session.dff, session.regressors.event_frames, recipe.response_frames)
    except ValueError as error:
        responses, notes = None, [f"mean responses are not as published: {error}"]
    errors = np.full_like(fits.coefficient, np.nan)
    rows = {
        REGRESSOR_FITS: _fit_rows(session, fits, errors, responses),
        ROI_TYPES: _type_rows(session, fits, selected, found),
    }
    return rows, notes


def _rigorous(
    session: SessionRegressors, fits: RegressorFits, recipe: TypesRecipe
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Permutation with false-discovery control, r2 held out, and the largest coefficient where it clearly leads."""
    shifted = shift_selection(session.dff, session.regressors, ShiftTest(fdr=recipe.fdr))
    covariance = coefficient_covariance(session.dff, session.regressors)  # (n_rois, n_regressors, n_regressors)
    clear = clear_largest_coefficient(
        fits.coefficient, covariance, shifted.selected, session.regressors.is_stimulus, recipe.margin_level
    )
    classes = with_signal_classes(
        clear, fits.coefficient, covariance, session.regressors.is_stimulus, recipe.margin_level
    )
    held_out, notes = _held_out(session)
    types = _type_rows(session, fits, shifted.selected, classes).with_columns(
        r2_held_out=pl.Series(held_out),
        p=pl.Series(shifted.p),
        q=pl.Series(shifted.q),
        margin=pl.Series(clear.margin),
        margin_z=pl.Series(clear.z),
    )
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    responses = mean_responses(session.dff, session.regressors.event_frames, recipe.response_frames)
    rows = {
        REGRESSOR_FITS: _fit_rows(session, fits, errors, responses),
        ROI_TYPES: types,
        CHANCE_R2: _chance_rows(shifted.null_counts),
    }
    return rows, notes


def _held_out(session: SessionRegressors) -> tuple[NDArray[np.float64], list[str]]:
    """r2 of events held out, (n_rois,), NaN with a note where the session has too few events for that."""
    gap_frames = int(np.ceil(_GAP_DECAYS * session.kernel.decay_s * session.rate_hz))
    try:
        folds = event_folds(session.regressors, most_folds(session.regressors, _FOLDS), gap_frames)
        return held_out_r2(session.dff, session.regressors, folds), []
    except ValueError as error:
        return np.full(len(session.dff), np.nan), [f"no r2 of events held out: {error}"]


def _chance_rows(counts: NDArray[np.int64]) -> pl.DataFrame:
    """Shares of shifts in each bin of r2, (n_bins,)."""
    edges = np.linspace(0, 1, len(counts) + 1)
    return pl.DataFrame(
        {
            "bin": range(len(counts)),
            "r2_low": edges[:-1],
            "r2_high": edges[1:],
            "share": counts / max(counts.sum(), 1),
        }
    )


def _fit_rows(
    session: SessionRegressors,
    fits: RegressorFits,
    errors: NDArray[np.float64],
    responses: NDArray[np.float64] | None,
) -> pl.DataFrame:
    """One row per ROI and regressor; ``errors`` (n_rois, n_regressors), ``responses`` (n_rois, n_stimuli)."""
    names, event_frames = session.regressors.names, session.regressors.event_frames
    of_all = np.full(fits.coefficient.shape, np.nan)
    if responses is not None:
        of_all[:, [names.index(name) for name in event_frames]] = responses
    return pl.DataFrame(
        {
            "unit_id": np.repeat(session.unit_id, len(names)),
            "regressor": list(names) * len(session.unit_id),
            "coefficient": fits.coefficient.ravel(),
            "standard_error": errors.ravel(),
            "mean_response": of_all.ravel(),
        }
    )


def _type_rows(
    session: SessionRegressors, fits: RegressorFits, selected: NDArray[np.bool_], found: NDArray[np.int64]
) -> pl.DataFrame:
    names = dict(enumerate(session.regressors.names)) | {AMBIGUOUS: AMBIGUOUS_TYPE, NOT_SELECTED: NO_TYPE}
    missing = np.isnan(session.dff).any(axis=1)
    reasons = np.where(fits.is_fitted, "", np.where(missing, "frames are missing", "its trace never changes"))
    return pl.DataFrame(
        {
            "unit_id": session.unit_id,
            "r2": fits.r2,
            "selected": selected,
            "response_type": [names[int(one)] for one in found],
            "note": [reason or None for reason in reasons],
        },
        schema_overrides={"note": pl.String},
    )


def _study_row(due: FitDue, snapshot_id: int, flow_run_id: str | None, recipe: TypesRecipe, notes: list[str]) -> dict:
    parameters = asdict(recipe) | {"recipe": recipe.fits(due.protocol)}
    return session_study_row(due, "regressors", due.protocol, parameters, snapshot_id, flow_run_id, notes)
