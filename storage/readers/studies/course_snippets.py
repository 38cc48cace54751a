"""Reader of the course parquet of Allen Visual Behavior 2P (Neuromatch Academy): a row per cell and presentation.

The file has no session's whole traces: around each presentation it cuts out what each cell did.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.readers.foreign.declared_sizes import shown
from storage.readers.given import Given, as_json
from storage.readers.recording import Recording, Refusal
from storage.readers.studies.course_facts import agreed, flag, level_of, text, whole
from storage.row_files import RowBlocks
from storage.tables import EVENT_RESPONSES, EVENTS, SNIPPETS

NAME = "course_snippets"
VERSION = 1
KNOWS = "the course table of Allen Visual Behavior 2P, a row per cell and presentation: Parquet"
FORM = "file"
SUFFIXES = (".parquet",)

_IDS = ("ophys_experiment_id", "cell_specimen_id", "stimulus_presentations_id")
_CELL = ["session_id", "unit_id"]
_PRESENTATION = ["session_id", "source_id"]
_REQUIRED = (*_IDS, "trace", "trace_timestamps", "image_name", "omitted")
_RESPONSES = {"mean_response": "mean_dff", "baseline_response": "baseline_dff"}
_OF_SESSION = {  # of the file: of recorded.sessions
    "mouse_id": "subject_id",
    "cre_line": "cre_line",
    "full_genotype": "genotype",
    "sex": "sex",
    "age_in_days": "age_days",
    "exposure_level": "exposure_level",
    "experience_level": "experience_level",
    "indicator": "indicator",
    "targeted_structure": "location",
    "imaging_depth": "imaging_depth_um",
}
_OF_SESSION_BESIDE = (
    *("ophys_session_id", "ophys_container_id", "behavior_session_id", "session_type", "session_number"),
    *("reporter_line", "driver_line"),
)
_OF_EVENT = {"image_name": "image_name", "is_change": "is_change", "start_time": "onset_s", "stop_time": "offset_s"}
_OF_EVENT_BESIDE = ("image_index", "rewarded", "mean_running_speed", "mean_pupil_area", "response_latency")
_FLAGS = ("omitted", "is_change", "rewarded")
_OMITTED = "omitted"  # in place of an image's name
_TRACES = ("trace", "trace_timestamps")
_OF_FILE = {*_IDS, *_RESPONSES, *_OF_SESSION, *_OF_SESSION_BESIDE, *_OF_EVENT, *_OF_EVENT_BESIDE, "omitted"}
# Names that mean something else while reading, and pandas' index.
_OWN = {"row", "session", "unit_id", *EVENTS.column_names, "__index_level_0__"} - _OF_FILE
_MAGIC = b"PAR1"
_SAMPLES_PER_BLOCK = 250_000
_MOST_ROWS_PER_BLOCK = 65_536
_READ_BUFFER_BYTES = 1 << 20


def recognises(path: Path) -> bool:
    """Whether it is Parquet that names at least half of the columns needed, or whose names can't be read any more.

    Raises OSError when it can't be opened.
    """
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError):
        return True  # a download that broke off; no other reader reads Parquet
    return len(set(names) & set(_REQUIRED)) * 2 >= len(_REQUIRED)


def read(given: Given) -> Recording:
    """One session per ophys_experiment_id, an imaging plane in one session, as the AllenSDK's own files are cut.

    A cell then stands once in its session, whatever planes were imaged with it. Presentations become events in order
    of their number, without onset unless the file has start_time; mean responses, ready-made, stand under the source's
    study. Traces (n_samples,), dF/F, and their times from onset, s, are streamed into recorded.snippets. A column
    that isn't known goes where its values allow it: to the session, the cell or the presentation.

    Raises Refused naming the row, counted from 0, where rows of one session or presentation disagree, a cell has a
    presentation twice, a trace and its times differ in length, or times don't increase.
    """
    refused = given.refused
    with _opened(given.path, refused) as file:
        rows, unread = _scalars(file, refused)
    names = [name for name in rows.columns if name != "row"]
    rows = rows.with_columns(
        whole(rows, "ophys_experiment_id", refused).alias("session"),
        whole(rows, "cell_specimen_id", refused).alias("unit_id"),
        whole(rows, "stimulus_presentations_id", refused).alias("source_id"),
        *(flag(rows, name, refused) for name in _FLAGS if name in names),
    )
    session_ids = {one: given.session_id(one, "ophys_experiment_id") for one in rows["session"].unique().to_list()}
    enum = pl.Enum(sorted(session_ids.values()))
    rows = rows.with_columns(session_id=pl.col("session").replace_strict(session_ids, return_dtype=enum))
    again = rows.filter(pl.struct("session", "unit_id", "source_id").is_duplicated())
    if len(again):
        cell, presentation = again.select("unit_id", "source_id").row(0)
        at = again.filter(unit_id=cell, source_id=presentation)["row"].to_list()
        found = f"cell {cell} at presentation {presentation} in rows {at[0]} and {at[1]}"
        raise refused(field="cell_specimen_id", found=found, expected="one row for each cell and presentation")
    levels = (["session_id"], _CELL, _PRESENTATION)
    others = {name: level_of(rows, name, levels) for name in names if name not in _OF_FILE}
    of_session, of_cell, of_presentation, of_none = (
        [name for name, keys in others.items() if keys == level] for level in (*levels, None)
    )
    beside = [*(name for name in _OF_SESSION_BESIDE if name in names), *of_session]
    sessions = _sessions(given, rows, beside, sorted([*unread, *of_none]))
    units = _units(rows, of_cell, refused)
    events = _events(rows, of_presentation, refused)
    of_row = rows.select("row", *_PRESENTATION, "unit_id", *(name for name in _RESPONSES if name in names)).join(
        events.select(*_PRESENTATION, "event_id"), on=_PRESENTATION, how="left", maintain_order="left"
    )
    tables = {EVENTS: events}
    if set(_RESPONSES) & set(names):
        responses = of_row.drop("row", "source_id").rename(_RESPONSES, strict=False)
        tables[EVENT_RESPONSES] = responses.with_columns(study_id=pl.lit(given.study_id))
    places = of_row.select(*_CELL, "event_id")
    snippets = RowBlocks(SNIPPETS, lambda: _snippets(given.path, places, refused))
    return given.recording(sessions, units, tables, blocks=[snippets])


def _opened(path: Path, refused: Refusal) -> pq.ParquetFile:
    try:
        # Buffered, so that a row group of the whole file (pandas writes one) is read by pages, not at once.
        return pq.ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise refused(field="file", found=shown(error), expected="a whole Parquet file") from error


def _scalars(file: pq.ParquetFile, refused: Refusal) -> tuple[pl.DataFrame, list[str]]:
    """All columns but the traces, with each row's number, and the names of those left aside.

    Raises what ``refused`` makes for a schema that is not the table's.
    """
    schema = file.schema_arrow
    if absent := [name for name in _REQUIRED if name not in schema.names]:
        raise refused(field="columns", found=f"no {', '.join(absent)}", expected=f"columns {', '.join(_REQUIRED)}")
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise refused(field="columns", found=f"{', '.join(twice)} more than once", expected="each column once")
    for name in _TRACES:
        kind = schema.field(name).type
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not listed or not pa.types.is_floating(kind.value_type):
            raise refused(field=name, found=str(kind), expected="lists of real numbers")
    if not file.metadata.num_rows:
        raise refused(field="rows", found="none", expected="one row for each cell and presentation")
    names = [field.name for field in schema if field.name not in {*_OWN, *_TRACES} and _is_plain(field.type)]
    try:
        batches = file.iter_batches(_MOST_ROWS_PER_BLOCK, columns=names, use_threads=False)
        rows = pl.concat([_plain_rows(batch) for batch in batches])
    except (pa.ArrowException, OSError) as error:
        raise refused(field="file", found=shown(error), expected="a whole Parquet file") from error
    unread = [name for name in schema.names if name not in {*names, *_TRACES, "__index_level_0__"}]
    return rows.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None)).with_row_index("row"), unread


def _plain_rows(batch: pa.RecordBatch) -> pl.DataFrame:
    # Polars doesn't raise for text that is no UTF-8, in values or in what pandas adds to the schema: it panics.
    batch.validate(full=True)
    rows = pl.DataFrame(pl.from_arrow(batch.replace_schema_metadata(None)))
    return rows.with_columns(pl.col(pl.String).cast(pl.Categorical))


def _is_plain(kind: pa.DataType) -> bool:
    texts = pa.types.is_list(kind) and pa.types.is_string(kind.value_type)  # driver_line
    return texts or pa.types.is_dictionary(kind) or not pa.types.is_nested(kind)


def _sessions(given: Given, rows: pl.DataFrame, beside: list[str], unread: list[str]) -> list[dict]:
    named = {name: column for name, column in _OF_SESSION.items() if name in rows.columns}
    facts = agreed(rows, ["session_id"], [*named, *beside], given.refused)
    counts = dict(rows.group_by("session_id").agg(pl.col("unit_id").n_unique()).iter_rows())
    sessions = []
    for row in facts.iter_rows(named=True):
        columns = {column: row[name] for name, column in named.items()}
        columns["subject_id"] = text(row.get("mouse_id"))
        metadata = {name: row[name] for name in beside} | ({"columns_not_read": unread} if unread else {})
        count = counts[row["session_id"]]
        sessions.append(given.session(row["session_id"], unit_count=count, metadata=metadata, **columns))
    return sessions


def _units(rows: pl.DataFrame, beside: list[str], refused: Refusal) -> pl.DataFrame:
    units = _with_attributes(agreed(rows, _CELL, beside, refused), beside)
    return units.select(name for name in (*_CELL, "attributes") if name in units.columns)


def _events(rows: pl.DataFrame, others: list[str], refused: Refusal) -> pl.DataFrame:
    columns = {name: column for name, column in _OF_EVENT.items() if name in rows.columns}
    beside = [*(name for name in _OF_EVENT_BESIDE if name in rows.columns), *others]
    if (unknown := rows["omitted"].is_null()).any():
        raise refused(field="omitted", found=f"nothing in row {unknown.arg_max()}", expected="whether it was omitted")
    events = agreed(rows, _PRESENTATION, ["omitted", *columns, *beside], refused).rename(columns)
    called = pl.col("image_name").cast(pl.String).fill_null(_OMITTED) == _OMITTED
    if (contrary := events.filter(called != pl.col("omitted"))).height:
        one = contrary.row(0, named=True)
        found = f"{one['image_name']!r} in row {one['row']}, where omitted is {one['omitted']}"
        raise refused(
            field="image_name", found=found, expected=f"an image's name, or {_OMITTED!r} where omitted is true"
        )
    order = ["session_id", *(["onset_s"] if "onset_s" in events.columns else []), "source_id"]
    events = _with_attributes(events, beside).with_columns(pl.col("session_id").cast(pl.String)).sort(order)
    events = events.with_columns(
        event_id=pl.int_range(pl.len()).over("session_id"),
        kind=pl.when("omitted").then(pl.lit("omission")).otherwise(pl.lit("image")),
        image_name=pl.when("omitted").then(None).otherwise(pl.col("image_name").cast(pl.String)),
    )
    kept = [name for name in EVENTS.column_names if name in events.columns]
    return events.select(kept).with_columns(pl.col("session_id").cast(rows.schema["session_id"]))


def _with_attributes(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    if not names:
        return frame
    return frame.with_columns(attributes=pl.Series([as_json(row) for row in frame.select(names).iter_rows(named=True)]))


def _snippets(path: Path, places: pl.DataFrame, refused: Refusal) -> Iterator[pa.Table]:
    """Blocks of recorded.snippets; ``places`` has session_id, unit_id and event_id of each of the file's rows."""
    session = places["session_id"].to_physical().to_numpy()
    names = pa.array(places.schema["session_id"].categories.to_list(), pa.string())
    unit_id, event_id = places["unit_id"].to_numpy(), places["event_id"].to_numpy()
    first = 0
    with _opened(path, refused) as file:
        for batch in _batches(file, refused):
            stop = first + len(batch)
            counts, values, time_s = _flat(batch, first, refused)
            begin = np.cumsum(counts) - counts
            columns = [
                pa.DictionaryArray.from_arrays(np.repeat(session[first:stop], counts), names).cast(pa.string()),
                pa.array(np.repeat(unit_id[first:stop], counts)),
                pa.array(np.repeat(event_id[first:stop], counts)),
                pa.array(np.arange(counts.sum()) - np.repeat(begin, counts), pa.int32()),
                pa.array(time_s.astype(np.float32)),
                pa.array(values.astype(np.float32), from_pandas=True),
            ]
            yield pa.Table.from_arrays(columns, schema=SNIPPETS.arrow_schema)
            first = stop


def _batches(file: pq.ParquetFile, refused: Refusal) -> Iterator[pa.RecordBatch]:
    samples = 0
    for group in range(file.metadata.num_row_groups):
        columns = (file.metadata.row_group(group).column(at) for at in range(file.metadata.num_columns))
        samples += sum(column.num_values for column in columns if column.path_in_schema.startswith("trace."))
    per_row = max(samples // file.metadata.num_rows, 1)
    step = min(max(_SAMPLES_PER_BLOCK // per_row, 1), _MOST_ROWS_PER_BLOCK)
    try:
        yield from file.iter_batches(step, columns=list(_TRACES), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise refused(field="trace", found=shown(error), expected="a whole Parquet file") from error


def _flat(batch: pa.RecordBatch, first: int, refused: Refusal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of each row (n_rows,), and of all rows in a line the values, dF/F, and their times, s."""
    counts, times = (pc.list_value_length(batch[name]).fill_null(0).to_numpy() for name in _TRACES)
    if (odd := np.flatnonzero((counts != times) | (counts == 0))).size:
        row = odd[0]
        found = f"{counts[row]} values and {times[row]} times in row {first + row}"
        raise refused(field="trace", found=found, expected="as many values as times, and at least one")
    values, time_s = (batch[name].flatten().to_numpy(zero_copy_only=False) for name in _TRACES)
    starts = np.cumsum(counts) - counts
    forward = np.append(True, np.diff(time_s) > 0)
    forward[starts] = True
    if (wrong := np.flatnonzero(~(forward & np.isfinite(time_s)))).size:
        row = int(np.searchsorted(starts, wrong[0], side="right")) - 1
        found = f"{time_s[wrong[0]]} at sample {wrong[0] - starts[row]} in row {first + row}"
        raise refused(field="trace_timestamps", found=found, expected="increasing seconds")
    return counts, values, time_s
