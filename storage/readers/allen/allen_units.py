"""Units of an Allen Visual Coding Neuropixels session, joined with their channels and probes, and their spikes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from storage.readers.allen.allen_facts import facts_of, group_at, has
from storage.readers.allen.allen_tables import ends_at, flags, json_rows, read_table
from storage.readers.foreign.hdf5_files import dataset_at, opened_hdf5
from storage.readers.given import Given
from storage.readers.recording import Refusal
from storage.row_files import RowBlocks
from storage.tables import SPIKES

if TYPE_CHECKING:
    import h5py

_UNITS = "units"
_PROBES = "general/extracellular_ephys"
_CHANNELS = f"{_PROBES}/electrodes"
# The AllenSDK's defaults, allensdk.brain_observatory.ecephys.UNIT_FILTER_DEFAULTS.
_MOST_AMPLITUDE_CUTOFF, _LEAST_PRESENCE_RATIO, _MOST_ISI_VIOLATIONS = 0.1, 0.95, 0.5
_KEPT = (
    f"quality 'good', amplitude_cutoff <= {_MOST_AMPLITUDE_CUTOFF}, presence_ratio >= {_LEAST_PRESENCE_RATIO}, "
    f"isi_violations <= {_MOST_ISI_VIOLATIONS}, peak channel valid and in a named structure"
)
_OUTSIDE = ("None", "")
# In the words of EcephysSession.units.
_UNIT_NAMES = {
    "PT_ratio": "waveform_PT_ratio",
    "amplitude": "waveform_amplitude",
    "recovery_slope": "waveform_recovery_slope",
    "repolarization_slope": "waveform_repolarization_slope",
    "spread": "waveform_spread",
    "velocity_above": "waveform_velocity_above",
    "velocity_below": "waveform_velocity_below",
    "l_ratio": "L_ratio",
}
_CHANNEL_NAMES = {
    "x": "anterior_posterior_ccf_coordinate",
    "y": "dorsal_ventral_ccf_coordinate",
    "z": "left_right_ccf_coordinate",
    "local_index": "probe_channel_number",  # as files of 2019 to 2021 call it
}
_COLUMNS = {
    "quality": "quality",
    "firing_rate": "rate_hz",
    "snr": "snr",
    "isi_violations": "isi_violations",
    "presence_ratio": "presence_ratio",
    "amplitude_cutoff": "amplitude_cutoff",
}
_SPIKES_PER_BLOCK = 1_048_576


@dataclass(frozen=True)
class SortedUnits:
    """Units that pass the filter, ``rows`` of recorded.units; ``at`` (n_units,) their rows in the file's table."""

    rows: pl.DataFrame
    at: np.ndarray
    count: int  # units in the file

    @property
    def unit_filter(self) -> str:
        return f"{len(self.at)} of {self.count} units: {_KEPT}"


def read_channels(file: "h5py.File", refused: Refusal) -> pl.DataFrame:
    """The table of electrodes in the AllenSDK's words, ``structure_acronym`` without its substructure.

    ``location`` is the file's word for the structure. Raises what ``refused`` makes when a column is missing.
    """
    needed = ("location", "probe_id", "valid_data", "probe_vertical_position", "probe_horizontal_position")
    channels = read_table(file, _CHANNELS, refused, needed=needed, without=("group", "group_name"), texts=("location",))
    if twice := channels["id"].filter(channels["id"].is_duplicated()).to_list():
        raise refused(field=f"{_CHANNELS}/id", found=f"channel {twice[0]} more than once", expected="each channel once")
    named = pl.when(~pl.col("location").is_in(_OUTSIDE)).then("location")
    return channels.with_columns(
        flags(channels["valid_data"], _CHANNELS, refused), structure_acronym=named.str.split("-").list.first()
    ).rename({old: new for old, new in _CHANNEL_NAMES.items() if old in channels.columns})


def read_probes(file: "h5py.File", refused: Refusal) -> pl.DataFrame:
    """One row a probe: id, description, and its sampling rates (Hz)."""
    rows: list[dict[str, Any]] = []
    for name, group in sorted(group_at(file, _PROBES, refused).items()):
        facts = facts_of(group, refused)
        if name == "electrodes" or "probe_id" not in facts:
            continue
        device = facts_of(group_at(file, f"{_PROBES}/{name}/device", refused), refused)
        rows.append(
            {
                "id": int(facts["probe_id"]),
                "description": name,
                "location": facts.get("location"),
                "sampling_rate": device.get("sampling_rate"),
                "lfp_sampling_rate": facts.get("lfp_sampling_rate"),
                "has_lfp_data": facts.get("has_lfp_data"),
            }
        )
    types = {"id": pl.Int64, "description": pl.String, "location": pl.String, "has_lfp_data": pl.Boolean}
    types |= {"sampling_rate": pl.Float64, "lfp_sampling_rate": pl.Float64}
    return pl.DataFrame(rows, schema=types)


def read_units(
    file: "h5py.File", session_id: str, channels: pl.DataFrame, probes: pl.DataFrame, refused: Refusal
) -> SortedUnits:
    """The units that the AllenSDK shows by default. Raises what ``refused`` makes for an unknown channel or probe."""
    without = ("spike_times", "spike_amplitudes", "waveform_mean")
    units = read_table(
        file,
        _UNITS,
        refused,
        needed=("peak_channel_id", *_COLUMNS),
        without=without,
        numbers=[name for name in _COLUMNS if name != "quality"],
        texts=("quality",),
    )
    if twice := units["id"].filter(units["id"].is_duplicated()).to_list():
        raise refused(field=f"{_UNITS}/id", found=f"cell {twice[0]} more than once", expected="each unit once")
    _require_known(units, "peak_channel_id", channels["id"], f"{_UNITS}/peak_channel_id", "channel", refused)
    _require_known(channels, "probe_id", probes["id"], f"{_CHANNELS}/probe_id", "probe", refused)
    units = units.with_row_index("at").rename({old: new for old, new in _UNIT_NAMES.items() if old in units.columns})
    of_channels = channels.rename({"location": "channel_location"})
    units = units.join(of_channels, left_on="peak_channel_id", right_on="id", how="left", suffix="_channel")
    of_probes = probes.rename({name: f"probe_{name}" for name in probes.columns})
    units = units.join(of_probes, on="probe_id", how="left")
    good = (
        pl.col("valid_data")
        & pl.col("structure_acronym").is_not_null()
        & (pl.col("quality") == "good")
        & (pl.col("amplitude_cutoff") <= _MOST_AMPLITUDE_CUTOFF)
        & (pl.col("presence_ratio") >= _LEAST_PRESENCE_RATIO)
        & (pl.col("isi_violations") <= _MOST_ISI_VIOLATIONS)
    )
    kept = units.filter(good.fill_null(False))
    told = ("at", "id", "structure_acronym", "valid_data", *_COLUMNS)
    said = json_rows(kept.select(one for one in kept if one.name not in told and one.null_count() < len(one)))
    rows = kept.select(
        pl.lit(session_id).alias("session_id"),
        pl.col("id").alias("unit_id"),
        pl.col("structure_acronym").alias("structure"),
        *(pl.col(old).alias(new) for old, new in _COLUMNS.items()),
        said,
    )
    return SortedUnits(rows, kept["at"].to_numpy(), len(units))


def spike_blocks(file: "h5py.File", given: Given, session_id: str, units: SortedUnits) -> RowBlocks:
    """Spikes of the units, in the order of the file, read from it when they are written; amplitudes (V) if it has any.

    Raises what the recording is refused with when the spikes of a unit can't be told from those of the next; as they
    are read, when a unit's times run backwards.
    """
    refused = given.refused
    ends = _ends(file, "spike_times", units.count, refused)
    has_amplitudes = has(file, f"{_UNITS}/spike_amplitudes")
    if has_amplitudes and not np.array_equal(_ends(file, "spike_amplitudes", units.count, refused), ends):
        found = "units with other numbers of amplitudes than of times"
        raise refused(field=f"{_UNITS}/spike_amplitudes_index", found=found, expected="an amplitude for each spike")
    starts = np.concatenate([[0], ends[:-1]])[units.at]
    spans = list(zip(units.rows["unit_id"].to_list(), starts.tolist(), ends[units.at].tolist(), strict=True))

    def blocks() -> Iterator[pa.Table]:
        with opened_hdf5(given.path, refused) as file:
            times = dataset_at(file, f"{_UNITS}/spike_times", refused, ndim=1)
            amplitudes = dataset_at(file, f"{_UNITS}/spike_amplitudes", refused, ndim=1) if has_amplitudes else None
            for shared in _shares(spans):
                yield _rows(session_id, shared, times, amplitudes, given)

    return RowBlocks(SPIKES, blocks)


def _ends(file: "h5py.File", name: str, count: int, refused: Refusal) -> np.ndarray:
    spikes = dataset_at(file, f"{_UNITS}/{name}", refused, ndim=1)
    ends = ends_at(group_at(file, _UNITS, refused), f"{name}_index", len(spikes), refused)
    if len(ends) != count:
        found = f"{len(ends)} rows for {count} units"
        raise refused(field=f"{_UNITS}/{name}_index", found=found, expected="one row for each unit")
    return ends


def _shares(spans: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int, int]]]:
    """Runs of (unit, number of its first spike here, start, stop), each of a bounded number of spikes."""
    share: list[tuple[int, int, int, int]] = []
    room = _SPIKES_PER_BLOCK
    for unit, start, stop in spans:
        at = start
        while at < stop:
            upto = min(stop, at + room)
            share.append((unit, at - start, at, upto))
            room -= upto - at
            at = upto
            if not room:
                yield share
                share, room = [], _SPIKES_PER_BLOCK
    if share:
        yield share


def _rows(
    session_id: str,
    share: list[tuple[int, int, int, int]],
    times: "h5py.Dataset",
    amplitudes: "h5py.Dataset | None",
    given: Given,
) -> pa.Table:
    time_s = np.concatenate([times[start:stop] for _, _, start, stop in share]).astype(np.float64)
    counts = [stop - start for _, _, start, stop in share]
    unit_id = np.repeat([unit for unit, *_ in share], counts)
    spike = np.concatenate(
        [np.arange(first, first + count) for (_, first, *_), count in zip(share, counts, strict=True)]
    )
    _require_ordered(unit_id, spike, time_s, given.refused)
    if amplitudes is None:
        amplitude = pa.nulls(len(time_s), pa.float32())
    else:
        values = np.concatenate([amplitudes[start:stop] for _, _, start, stop in share])
        amplitude = pa.array(values.astype(np.float32), from_pandas=True)
    columns = [
        pa.repeat(session_id, len(time_s)),
        pa.array(unit_id.astype(np.int64)),
        pa.array(spike.astype(np.int32)),
        pa.array(time_s),
        amplitude,
    ]
    return pa.Table.from_arrays(columns, schema=SPIKES.arrow_schema)


def _require_ordered(unit_id: np.ndarray, spike: np.ndarray, time_s: np.ndarray, refused: Refusal) -> None:
    wrong = ~np.isfinite(time_s)
    wrong[1:] |= (np.diff(time_s) < 0) & (np.diff(unit_id) == 0)
    if wrong.any():
        at = int(np.argmax(wrong))
        found = f"{time_s[at]} s at spike {spike[at]} of unit {unit_id[at]}"
        raise refused(field=f"{_UNITS}/spike_times", found=found, expected="finite seconds in order within each unit")


def _require_known(table: pl.DataFrame, name: str, known: pl.Series, field: str, what: str, refused: Refusal) -> None:
    if not table[name].dtype.is_integer():
        raise refused(field=field, found=str(table[name].dtype), expected="whole numbers")
    unknown = table.filter(~pl.col(name).is_in(known.implode()))
    if len(unknown):
        found = f"unknown {what} {unknown[name][0]} ({len(unknown)} of {len(table)} rows)"
        raise refused(field=field, found=found, expected=f"a {what} of the file")
