"""Reader of the published response-feature table of Allen Visual Behavior 2P (CSV, one row per cell and condition)."""

from functools import partial
from pathlib import Path

import polars as pl

from storage.readers.foreign.csv_rows import csv_header, csv_rows
from storage.readers.given import Given
from storage.readers.recording import Recording, Refusal, require_session_id
from storage.tables import RESPONSE_FEATURES

NAME = "visual_behavior_features"
VERSION = 1
KNOWS = "the response-feature table of Allen Visual Behavior 2P: CSV"
FORM = "file"
SUFFIXES = (".csv",)

_LABELS = ("cell_specimen_id", "cre_line", "omitted", "exposure_level", "mouse_id")
_FEATURES = {  # of the file: of derived.response_features
    "AUC": "auc_dff_s",
    "PeakAmplitude": "peak_dff",
    "LatencyToPeak": "peak_latency_s",
    "TroughAmplitude": "trough_dff",
    "LatencyToTrough": "trough_latency_s",
    "PeakToTrough": "peak_to_trough_dff",
    "Slope_0_200ms": "slope_dff_per_s",
    "FWHM": "fwhm_s",
    "Energy": "energy_dff2",
    "Mean_0_500ms": "mean_0_500ms_dff",
    "Mean_500_1000ms": "mean_500_1000ms_dff",
    "Skewness": "skewness",
    "Kurtosis": "kurtosis",
    "ZeroCrossings": "zero_crossings",
    "RiseTime_10to90": "rise_time_s",
    "DecayTime_Half": "decay_time_s",
}
_COLUMNS = (*_LABELS, *_FEATURES)


def recognises(path: Path) -> bool:
    """Whether its first line names at least half of the table's columns. Raises OSError when it can't be opened."""
    names = csv_header(path)
    return len(set(names) & set(_COLUMNS)) * 2 >= len(_COLUMNS)


def read(given: Given) -> Recording:
    """One session per mouse and exposure level, with its cells and the features of their responses.

    The file has no session ids: they are ``<project>-<mouse_id>-<exposure_level>``. Columns it has beyond those of
    the published table are not read. Raises Refused, with the line in the file, when a row is not as published.
    """
    require_session_id(given.project, "project", given.source_uri)
    table = _parsed(_lines(given.path, given.refused), given.refused)
    table = table.with_columns(
        session_id=pl.concat_str(pl.lit(given.project), "mouse_id", "exposure_level", separator="-"),
        unit_id="cell_specimen_id",
        condition=pl.when(pl.col("omitted") == "True").then(pl.lit("omitted")).otherwise(pl.lit("presented")),
        study_id=pl.lit(given.study_id),
    )
    units = table.select("session_id", "unit_id").unique(maintain_order=True)
    sessions = table.group_by("session_id", maintain_order=True).agg(
        pl.col("mouse_id").first().alias("subject_id"),
        pl.col("cre_line").first(),
        pl.col("exposure_level").first(),
        pl.col("unit_id").n_unique().alias("unit_count"),
    )
    return given.recording(
        [given.session(**row) for row in sessions.iter_rows(named=True)],
        units,
        {RESPONSE_FEATURES: table.rename(_FEATURES).select(RESPONSE_FEATURES.column_names)},
    )


def _lines(path: Path, refused: Refusal) -> pl.DataFrame:
    """The cells of the file as text, with the line each row stands on, from 1."""
    # Read by csv, not by Polars, which fills up rows that are too short and doesn't say on which line a row stands.
    rows = csv_rows(path, refused, _COLUMNS)
    values = [[row[name] for name in _COLUMNS] for _, row in rows]
    table = pl.DataFrame(values, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
    return table.select(pl.Series("line", [line for line, _ in rows]), *_COLUMNS)


def _parsed(text: pl.DataFrame, refused: Refusal) -> pl.DataFrame:
    numbers = text.with_columns(
        pl.col("cell_specimen_id").cast(pl.Int64, strict=False),
        pl.col(*_FEATURES).cast(pl.Float64, strict=False),
    )
    refuse = partial(_refuse_lines, text, refused)
    no_mouse = ~text["mouse_id"].str.contains(r"^[0-9]{1,18}$")
    refuse(numbers["cell_specimen_id"].is_null(), "cell_specimen_id", "an integer", "unknown cell ")
    refuse(no_mouse, "mouse_id", "an integer", "unknown mouse ")
    refuse(text["cre_line"] == "", "cre_line", "the driver line")
    refuse(~text["omitted"].is_in(["True", "False"]), "omitted", "True or False")
    refuse(~text["exposure_level"].is_in(["familiar", "novel"]), "exposure_level", "familiar or novel")
    for name in _FEATURES:
        refuse(~numbers[name].is_finite().fill_null(False), name, "a finite number")
    crossings = numbers["ZeroCrossings"]
    uncounted = (crossings != crossings.round()) | (crossings < 0) | (crossings >= 2**31)
    refuse(uncounted, "ZeroCrossings", "a count")
    key = ["cell_specimen_id", "omitted", "exposure_level"]
    again = ~numbers.select(pl.struct(key).is_first_distinct()).to_series()
    refuse(again, "cell_specimen_id", f"one row per {', '.join(key)}", "again ")
    _refuse_second(numbers, "cell_specimen_id", "mouse_id", "one mouse for each cell", refused)
    _refuse_second(numbers, "mouse_id", "cre_line", "one cre line for each mouse", refused)
    return numbers


def _refuse_lines(
    text: pl.DataFrame, refused: Refusal, bad: pl.Series, name: str, expected: str, what: str = ""
) -> None:
    if bad.any():
        rows = text.filter(bad)
        others = f" (and {len(rows) - 1} lines more)" if len(rows) > 1 else ""
        raise refused(field=name, found=f"{what}{rows[name][0]!r} on line {rows['line'][0]}{others}", expected=expected)


def _refuse_second(table: pl.DataFrame, of: str, name: str, expected: str, refused: Refusal) -> None:
    first = table.with_columns(first=pl.col(name).first().over(of))
    other = first.filter(pl.col(name) != pl.col("first"))
    if len(other):
        found = f"{of} {other[of][0]} with {other['first'][0]} and, on line {other['line'][0]}, {other[name][0]}"
        raise refused(field=name, found=found, expected=expected)
