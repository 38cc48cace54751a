"""A session's presentations of images, the spikes counted in them, and the pictures, as the lake holds them."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.presentation_counts import SpikeTrains, presentation_counts, spike_trains
from storage.lake import Lake
from tasks.image_coding_recipe import CodingRecipe

BLANK = -1
_FEWEST_IMAGES = 3
_GAP_RATIO = 20  # a pause that many intervals long begins a block, where the source doesn't name blocks
_PATTERN = ("stimulus", "x_deg", "y_deg", "orientation_deg", "cycles_per_deg", "contrast", "size_deg")


class Unfit(Exception):
    """A session that can't take part, and why."""


@dataclass(frozen=True, eq=False)
class ImageSession:
    """What a session's units fired to each presentation of an image.

    ``unit_id`` (n_units,) ascending; ``counts`` (n_units, n_presentations); ``event_id`` and ``image``
    (n_presentations,) in order of onset, ``image`` the place in ``image_name`` (n_images,), -1 for the blank;
    ``block`` (n_presentations,) from 1; ``onset_s`` (n_presentations,) and ``trains`` None where the source brought
    counts alone. The window is ``start_s`` to ``stop_s`` after onset, or ``width_s`` long where its place isn't told.
    ``notes`` say what is missing.
    """

    session_id: str
    unit_id: NDArray[np.int64]
    counts: NDArray[np.int64]
    event_id: NDArray[np.int64]
    image: NDArray[np.int64]
    image_name: tuple[str, ...]
    block: NDArray[np.int64]
    onset_s: NDArray[np.float64] | None
    trains: SpikeTrains | None
    start_s: float | None
    stop_s: float | None
    width_s: float
    notes: tuple[str, ...]

    @property
    def n_images(self) -> int:
        return len(self.image_name)


@dataclass(frozen=True, eq=False)
class Patterns:
    """A session's own Gabors and gratings: ``condition`` (n_presentations,) is a row of ``shown``; counts of each unit.

    ``shown`` has a row per pattern with its parameters; ``counts`` (n_units, n_presentations), ``event_id`` likewise.
    """

    shown: pl.DataFrame
    event_id: NDArray[np.int64]
    condition: NDArray[np.int64]
    counts: NDArray[np.int64]

    def means(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mean counts (n_units, n_patterns), and presentations of each pattern (n_patterns,)."""
        shown = np.bincount(self.condition, minlength=len(self.shown))
        summed = np.zeros((len(self.counts), len(self.shown)))
        for unit, of_unit in enumerate(self.counts):
            summed[unit] = np.bincount(self.condition, of_unit, len(self.shown))
        return summed / shown, shown


@dataclass(frozen=True, eq=False)
class Pictures:
    """Grey pictures in the order of a session's images, (n_images, height, width) float32, and the grey of white."""

    grey: NDArray[np.float32]
    white: float

    @property
    def display(self) -> NDArray[np.float32]:
        """The same from 0, black, to 1, white."""
        return self.grey / np.float32(self.white)


def image_session(lake: Lake, session_id: str, recipe: CodingRecipe) -> ImageSession:
    """Read a session's presentations and count its spikes in them. Raises Unfit, saying what it lacks."""
    shown = lake.answer("session_presentations", session_id=session_id)
    unit_id = lake.answer("session_units", session_id=session_id)["unit_id"].to_numpy()
    names = shown["image_name"].drop_nulls().unique(maintain_order=True)
    if not len(names):
        raise Unfit("it showed no image")
    if not len(unit_id):
        raise Unfit("it has no unit")
    pictures = lake.answer("session_pictures", session_id=session_id)["image_name"]
    order = [name for name in pictures if name in set(names)] + [name for name in names if name not in set(pictures)]
    if len(order) < _FEWEST_IMAGES:
        raise Unfit(f"it showed {len(order)} images; responses to {_FEWEST_IMAGES} or more can be compared")
    spikes = lake.answer("session_spikes", session_id=session_id)
    if len(spikes):
        return _of_spikes(session_id, shown, unit_id, order, spikes, recipe)
    counts = lake.answer("session_spike_counts", session_id=session_id, study_id="source")
    if counts.is_empty():
        raise Unfit("it has neither spikes nor spike counts")
    return _of_counts(session_id, shown, unit_id, order, counts)


def session_patterns(lake: Lake, session: ImageSession) -> Patterns | None:
    """The session's own Gabors and gratings with the spikes counted in them; None without any, or without spikes."""
    found = lake.answer("session_patterns", session_id=session.session_id).drop_nulls(["onset_s", "offset_s"])
    if found.is_empty() or session.trains is None:
        return None
    kept = found.with_columns(condition=pl.struct(_PATTERN).rank("dense").cast(pl.Int64) - 1)
    shown = kept.unique("condition").sort("condition").select(*_PATTERN)
    counts = np.zeros((len(session.unit_id), len(kept)), np.int64)
    length_s = (kept["offset_s"] - kept["onset_s"]).to_numpy()
    stimulus = kept["stimulus"].to_numpy()
    for name in kept["stimulus"].unique():
        of_name = stimulus == name
        edges_s = np.array([0.0, np.median(length_s[of_name])])
        onset_s = kept["onset_s"].to_numpy()[of_name]
        counts[:, of_name] = presentation_counts(session.trains, onset_s, edges_s)[:, :, 0]
    return Patterns(shown, kept["event_id"].to_numpy(), kept["condition"].to_numpy(), counts)


def session_pictures(lake: Lake, session: ImageSession, shape: tuple[int, int]) -> Pictures:
    """The session's pictures in grey at ``shape``, in the order of its images.

    Raises Unfit where a picture is missing or all are of one grey.
    """
    from models.grey_images import grey_at  # torch takes seconds to import

    rows = lake.answer("session_pictures", session_id=session.session_id)
    there = {row["image_name"]: row for row in rows.iter_rows(named=True)}
    missing = [name for name in session.image_name if name not in there]
    if missing:
        raise Unfit(f"the lake has no pixels of {len(missing)} of {session.n_images} images ({', '.join(missing[:3])})")
    arrays = [_pixels(there[name]) for name in session.image_name]
    grey = np.empty((len(arrays), *shape), np.float32)
    kinds = [(one.shape, one.dtype) for one in arrays]
    try:
        for kind in dict.fromkeys(kinds):
            of_kind = [place for place, one in enumerate(kinds) if one == kind]
            grey[of_kind] = grey_at(np.stack([arrays[place] for place in of_kind]), shape)
    except ValueError as error:
        raise Unfit(f"its images can't be seen: {error}") from error
    highest = float(grey.max())
    return Pictures(grey, 255.0 if highest > 1 else 1.0)


def _of_spikes(
    session_id: str,
    shown: pl.DataFrame,
    unit_id: NDArray[np.int64],
    order: list[str],
    spikes: pl.DataFrame,
    recipe: CodingRecipe,
) -> ImageSession:
    timed = shown.drop_nulls("onset_s")
    notes = [f"{len(shown) - len(timed)} presentations have no onset"] if len(timed) < len(shown) else []
    if timed.is_empty():
        raise Unfit("none of its presentations has an onset")
    stop_s = recipe.stop_s
    if stop_s is None:
        length_s = (timed["offset_s"] - timed["onset_s"]).drop_nulls().median()
        if not length_s:
            raise Unfit("its presentations have no end: say how far spikes are to be counted")
        stop_s = round(float(length_s), 6)
    if stop_s <= recipe.start_s:
        raise Unfit(f"presentations end {stop_s:g} s after onset, before the window begins at {recipe.start_s:g} s")
    trains = spike_trains(spikes["unit_id"].to_numpy(), spikes["time_s"].to_numpy(), unit_id)
    onset_s = timed["onset_s"].to_numpy()
    counts = presentation_counts(trains, onset_s, np.array([recipe.start_s, stop_s]))[:, :, 0].astype(np.int64)
    silent = int((np.diff(trains.ends, prepend=0) == 0).sum())
    if silent:
        notes.append(f"{silent} of {len(unit_id)} units have no spikes")
    return ImageSession(
        session_id=session_id,
        unit_id=unit_id,
        counts=counts,
        event_id=timed["event_id"].to_numpy(),
        image=_image_numbers(timed, order),
        image_name=tuple(order),
        block=_blocks(timed),
        onset_s=onset_s,
        trains=trains,
        start_s=recipe.start_s,
        stop_s=stop_s,
        width_s=stop_s - recipe.start_s,
        notes=tuple(notes),
    )


def _of_counts(
    session_id: str, shown: pl.DataFrame, unit_id: NDArray[np.int64], order: list[str], rows: pl.DataFrame
) -> ImageSession:
    """Counts that the source brought: presentations that a unit has none of take no part."""
    shown = shown.filter(pl.col("event_id").is_in(rows["event_id"].unique().implode()))
    event_id = shown["event_id"].to_numpy()
    place = {event: at for at, event in enumerate(event_id.tolist())}
    rows = rows.filter(pl.col("event_id").is_in(event_id.tolist()))
    counts = np.full((len(unit_id), len(event_id)), -1, np.int64)
    at = np.array([place[event] for event in rows["event_id"].to_list()], np.int64)
    counts[np.searchsorted(unit_id, rows["unit_id"].to_numpy()), at] = rows["spike_count"].to_numpy()
    whole = (counts >= 0).all(axis=0)
    notes = ["the source brought counts, and no spike times: no rasters, no PSTHs"]
    if not whole.all():
        notes.append(f"{int((~whole).sum())} of {len(whole)} presentations were not seen by all units, and left out")
    if not whole.any():
        raise Unfit("no presentation was seen by all units")
    shown = shown.filter(pl.Series(whole))
    there = set(shown["image_name"].drop_nulls())
    order = [name for name in order if name in there]
    if len(order) < _FEWEST_IMAGES:
        raise Unfit(f"all units saw {len(order)} images; responses to {_FEWEST_IMAGES} or more can be compared")
    return ImageSession(
        session_id=session_id,
        unit_id=unit_id,
        counts=counts[:, whole],
        event_id=event_id[whole],
        image=_image_numbers(shown, order),
        image_name=tuple(order),
        block=np.ones(int(whole.sum()), np.int64),
        onset_s=None,
        trains=None,
        start_s=None,
        stop_s=None,
        width_s=float(rows["width_s"][0]),
        notes=tuple(notes),
    )


def _image_numbers(shown: pl.DataFrame, order: list[str]) -> NDArray[np.int64]:
    place = {name: at for at, name in enumerate(order)}
    return np.array([place.get(name, BLANK) for name in shown["image_name"].to_list()], np.int64)


def _blocks(timed: pl.DataFrame) -> NDArray[np.int64]:
    """Blocks of presentations from 1: as the source names them, or between long pauses."""
    if not timed["stimulus_block"].null_count():
        return timed["stimulus_block"].rank("dense").cast(pl.Int64).to_numpy()
    interval_s = np.diff(timed["onset_s"].to_numpy())
    if not len(interval_s):
        return np.ones(len(timed), np.int64)
    return np.concatenate([[0], np.cumsum(interval_s > _GAP_RATIO * np.median(interval_s))]) + 1


def _pixels(row: dict) -> NDArray[np.generic]:
    pixels = np.frombuffer(row["pixels"], np.dtype(row["pixel_type"]).newbyteorder("<"))
    height, width, channels = (row[name] for name in ("height_px", "width_px", "channel_count"))
    if channels == 1:
        return pixels.reshape(height, width)
    # What is beyond red, green and blue is how opaque a pixel is.
    return pixels.reshape(height, width, channels)[:, :, :3]
