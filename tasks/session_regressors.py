"""A session's dF/F and its regressors, from what the lake holds of it, or the reason why it has none."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.baselines import (
    dff_over_own_percentile,
    dff_over_percentile_across_rois,
    dff_over_running_percentile,
    regressors_without_drift,
    without_drift,
)
from models.decay_estimates import best_decay, decay_from_autocorrelation
from models.indicator_kernels import TECTUM_LIST_DECAY_S, Kernel, kernel_of
from models.regressors import (
    Regressors,
    event_regressors,
    frames_at_rate,
    frames_at_times,
    inside_recording,
    refuse_collinear,
    resampled_to_frames,
    with_continuous,
)
from storage.lake import Lake
from tasks.response_type_recipe import TypesRecipe
from tasks.session_trials import session_signals

_AVOIDED_S, _LONGEST_LAG_S = 10.0, 5.0  # of a decay measured between events
_TRIED_S = np.geomspace(0.05, 12.8, 33)  # decays of which the best fit is taken


class Unfit(Exception):
    """A session that can't take part, and why."""


@dataclass(frozen=True, eq=False)
class SessionRegressors:
    """What a session's ROIs are regressed on.

    ``unit_id`` (n_rois,); ``dff`` (n_rois, n_frames), NaN where missing; ``frame_s`` (n_frames,), seconds;
    ``outside_count`` by regressor: events outside the recording, left out; ``notes``: what else was left out.
    """

    session_id: str
    unit_id: NDArray[np.int64]
    dff: NDArray[np.floating]
    frame_s: NDArray[np.float64]
    regressors: Regressors
    kernel: Kernel
    kernel_from: str
    outside_count: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def rate_hz(self) -> float:
        return rate_of(self.frame_s)


def session_regressors(lake: Lake, session_id: str, protocol: str, recipe: TypesRecipe) -> SessionRegressors:
    """Read a session and make its regressors. Raises Unfit for one that can't take part, saying why."""
    frame_s = lake.answer("session_frames", session_id=session_id)["time_s"].to_numpy()
    unit_id, dff, frame_s = _dff(lake, session_id, protocol, recipe, frame_s)
    rate_hz = rate_of(frame_s)
    frames, outside_count = _event_frames(lake, session_id, protocol, recipe, frame_s)
    slowest_s = recipe.slowest_s if protocol == "rigorous" else None
    try:
        dff = dff if slowest_s is None else without_drift(dff, rate_hz, slowest_s)
        kernel, kernel_from = _kernel(lake, session_id, protocol, recipe, dff, rate_hz, frames)
        regressors = event_regressors(frames, kernel, rate_hz, len(frame_s))
        regressors, notes = _with_behavior(lake, session_id, recipe, regressors, frame_s)
        if slowest_s is not None:
            regressors = regressors_without_drift(regressors, rate_hz, slowest_s)
        refuse_collinear(regressors.names, regressors.values)
    except ValueError as error:
        raise Unfit(str(error)) from error
    lost = [f"{name}: no event within the recording, left out" for name in outside_count if name not in frames]
    lost += [
        f"{name}: {count} of {count + len(frames[name])} events are outside the recording, left out"
        for name, count in outside_count.items()
        if count and name in frames
    ]
    return SessionRegressors(
        session_id, unit_id, dff, frame_s, regressors, kernel, kernel_from, outside_count, (*lost, *notes)
    )


def rate_of(frame_s: NDArray[np.float64]) -> float:
    """Frames per second, by the median time from frame to frame."""
    return float(1 / np.median(np.diff(frame_s)))


def _dff(
    lake: Lake, session_id: str, protocol: str, recipe: TypesRecipe, frame_s: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.floating], NDArray[np.float64]]:
    signals = session_signals(lake, session_id)
    if recipe.signal not in signals:
        there = ", ".join(sorted(signals)) or "no whole traces"
        raise Unfit(f"no {recipe.signal} traces: the session has {there}")
    traces = lake.traces(session_id, recipe.signal)
    if len(frame_s) != traces.frame_count or len(frame_s) < 2 or not (np.diff(frame_s) > 0).all():
        raise Unfit(f"{traces.frame_count} frames of traces need as many times that increase; found {len(frame_s)}")
    if recipe.signal == "dff":
        return traces.unit_id, traces.values, frame_s
    try:
        if protocol == "published":
            over = dff_over_percentile_across_rois(traces.values)
        elif recipe.baseline == "running percentile":
            over = dff_over_running_percentile(traces.values, rate_of(frame_s))
        else:
            over = dff_over_own_percentile(traces.values)
    except ValueError as error:
        raise Unfit(f"{recipe.signal} can't be put over its baseline: {error}") from error
    return traces.unit_id, over.values, frame_s


def _event_frames(
    lake: Lake, session_id: str, protocol: str, recipe: TypesRecipe, frame_s: NDArray[np.float64]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, int]]:
    """Frames of the events of each regressor, in the order of kinds and first onsets; how many lie outside."""
    events = lake.answer("session_event_times", session_id=session_id, kinds=list(recipe.event_kinds))
    frames, outside = {}, {}
    for name, onset_s in _onsets(events, recipe).items():
        inside = inside_recording(onset_s, frame_s)
        outside[name] = int((~inside).sum())
        if not inside.any():
            continue
        if protocol == "published":
            frames[name] = frames_at_rate(onset_s[inside] - frame_s[0], rate_of(frame_s), len(frame_s), name)
        else:
            frames[name] = frames_at_times(onset_s[inside], frame_s, name)
    if not frames:
        kinds = ", ".join(recipe.event_kinds)
        raise Unfit(
            f"no stimulus: none of its events ({kinds}) lies within the recording; found {sum(outside.values())}"
        )
    return frames, outside


def _onsets(events: pl.DataFrame, recipe: TypesRecipe) -> dict[str, NDArray[np.float64]]:
    """Onsets of each regressor: stimuli by their names, images too where each is to have its own."""
    by_image = pl.when(recipe.each_image).then(pl.col("image_name"))
    own = pl.when(kind="image").then(by_image).when(kind="stimulus").then("name")
    named = events.with_columns(regressor=pl.coalesce(own, "kind"))
    order = [named.filter(kind=kind)["regressor"].unique(maintain_order=True).to_list() for kind in recipe.event_kinds]
    names = dict.fromkeys(name for of_kind in order for name in of_kind)
    return {name: named.filter(regressor=name)["onset_s"].to_numpy() for name in names}


def _kernel(
    lake: Lake,
    session_id: str,
    protocol: str,
    recipe: TypesRecipe,
    dff: NDArray[np.floating],
    rate_hz: float,
    frames: Mapping[str, NDArray[np.int64]],
) -> tuple[Kernel, str]:
    """The indicator's kernel, and where its times come from."""
    if recipe.tau_s is not None:
        return Kernel(recipe.tau_s), "decay, as chosen"
    if protocol == "published":
        return Kernel(TECTUM_LIST_DECAY_S), "decay, the source's"
    try:
        if recipe.kernel_from == "between events":
            all_events = np.concatenate(list(frames.values()))
            found = decay_from_autocorrelation(dff, rate_hz, all_events, _AVOIDED_S, _LONGEST_LAG_S)
            return Kernel(found.decay_s), "decay, measured between events"
        if recipe.kernel_from == "best fit":
            best = best_decay(dff, frames, rate_hz, _TRIED_S[_TRIED_S * rate_hz > 1])
            if best.at_edge:
                raise Unfit(
                    f"no kernel: of decays from {best.tried_s.min():.2g} to {best.tried_s.max():g} s the one at"
                    " the edge fits best; choose tau_s"
                )
            return Kernel(best.decay_s), "decay, with which events explain most"
        indicator = recipe.indicator or lake.answer("session_indicator", session_id=session_id)["indicator"].item()
        if indicator is None:
            raise Unfit("the session names no indicator: choose one, or tau_s, or a kernel from the data")
        shape = "rise and decay" if recipe.with_rise else "decay"
        return kernel_of(indicator, recipe.with_rise), f"{shape}, of {indicator} in the literature"
    except ValueError as error:
        raise Unfit(f"no kernel: {error}") from error


def _with_behavior(
    lake: Lake, session_id: str, recipe: TypesRecipe, regressors: Regressors, frame_s: NDArray[np.float64]
) -> tuple[Regressors, list[str]]:
    """The regressors with the animal's signals beside them, and notes of those that the session can't give."""
    if not recipe.behavior:
        return regressors, []
    samples, notes = lake.answer("session_behavior", session_id=session_id), []
    for name in recipe.behavior:
        of_signal = samples.filter(signal=name).drop_nulls()
        if of_signal.is_empty():
            notes.append(f"{name}: the session has none, left out")
            continue
        try:
            at_frames = resampled_to_frames(of_signal["time_s"].to_numpy(), of_signal["value"].to_numpy(), frame_s)
            regressors = with_continuous(regressors, name, at_frames)
        except ValueError as error:
            notes.append(f"{name}: left out, {error}")
    return regressors, notes
