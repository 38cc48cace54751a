"""The lake: open it, ask it, read whole trace matrices, write sessions and findings, look at earlier snapshots."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

import sql
from storage.attach import LakeMissing, connect, view_statements
from storage.closed_catalog import refuse_closed
from storage.declaration import Table
from storage.lake_version import LAKE_VERSION, LakeMismatch, lake_version
from storage.migrations import bring_up_to_date, differing_columns, stored_shapes
from storage.object_store import open_store
from storage.row_files import RowBlocks
from storage.settings import Settings
from storage.traces import NotDirect, TraceMatrix, Traces, read_trace_files
from storage.turns import turn
from storage.writable import require_writable
from storage.write import replace_rows


def open_lake(settings: Settings | None = None, *, read_only: bool = False, snapshot: int | None = None) -> "Lake":
    """Open the lake of the settings (by default those of the environment), making it when it doesn't exist.

    A lake of an earlier version is brought up to date when it is opened for writing (`storage.migrations`).
    ``snapshot`` opens it as it was then, for reading. Raises LakeMissing when there is none to read, LakeMoved when
    its catalog is elsewhere now, LakeMismatch when its tables differ from the declared ones, LakeNotWritable when it
    is opened for writing where nothing can be written. Use as a context manager, one per thread.
    """
    settings = settings or Settings()
    read_only = read_only or snapshot is not None
    connection = connect(settings, read_only=True, snapshot=snapshot) if read_only else _connect_and_make(settings)
    lake = Lake(settings, connection, snapshot)
    try:
        if read_only:
            refuse_closed(connection)
        _refuse_other_tables(lake)
    except BaseException:
        lake.close()
        raise
    if read_only:
        _add_views(connection)
    return lake


class Lake:
    """An open lake. `open_lake` makes one."""

    def __init__(self, settings: Settings, connection: duckdb.DuckDBPyConnection, snapshot: int | None) -> None:
        self.settings = settings
        self._connection = connection
        self._snapshot = snapshot

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def snapshot_id(self) -> int:
        """The snapshot that reads see now."""
        return self._connection.execute("FROM lake.current_snapshot()").fetchall()[0][0]

    def query(self, statement: str, /, **parameters: object) -> pl.DataFrame:
        """Answer to one SQL statement, its $parameters bound by name."""
        return pl.from_arrow(self.query_arrow(statement, **parameters))

    def query_arrow(self, statement: str, /, **parameters: object) -> pa.Table:
        """As `query`, as an Arrow table."""
        return self._connection.execute(statement, parameters or None).to_arrow_table()

    def answer(self, question: str, /, **parameters: object) -> pl.DataFrame:
        """Answer to a named question of sql/queries; the file's header says what it takes."""
        return self.query(sql.query(question), **parameters)

    def traces(
        self,
        session_id: str,
        signal: str = "dff",
        *,
        frames: slice = slice(None),
        units: Sequence[int] | None = None,
    ) -> TraceMatrix:
        """One signal of a session as a matrix ``values`` (n_units, n_frames) float32, NaN where missing.

        ``frames`` is a span of frame numbers and ``units`` a choice of unit ids, in that order; nothing else is
        read. All units come in ascending order. Raises KeyError when the session has no such signal or unit.
        """
        if frames.step not in (None, 1):
            raise ValueError(f"frames must be a span of step 1, got step {frames.step}")
        files = self._trace_files(session_id, signal)
        if files == []:
            raise KeyError(f"session {session_id!r} has no {signal!r} traces")
        if files is not None:
            store = open_store(self.settings) if self.settings.data_on_s3 else None
            try:
                unit_id, values = read_trace_files(files, frames, units, store)
            except NotDirect:
                files = None
        if files is None:
            unit_id, values = self._traces_by_sql(session_id, signal, frames, units)
        return TraceMatrix(session_id, signal, unit_id, values)

    def replace(
        self,
        rows: Mapping[Table, pa.Table],
        *,
        traces: Sequence[Traces] = (),
        blocks: Sequence[RowBlocks] = (),
        forget_sessions: Iterable[str] = (),
        forget_rejected: Iterable[str] = (),
        message: str,
        info: Mapping[str, object] | None = None,
        admit: Callable[[], None] = lambda: None,
    ) -> int:
        """Write rows, traces and blocks in one transaction, replacing those with the same key; see `storage.write`."""
        return replace_rows(
            self._connection,
            self.settings,
            rows,
            traces=traces,
            blocks=blocks,
            forget_sessions=forget_sessions,
            forget_rejected=forget_rejected,
            message=message,
            info=info or {},
            admit=admit,
        )

    def snapshots(self) -> pl.DataFrame:
        """Every snapshot: id, time, author, commit message and its JSON."""
        return self.query("FROM ducklake_snapshots('lake')")

    def _trace_files(self, session_id: str, signal: str) -> list[str] | None:
        """Files that hold exactly this signal's rows, or None when only SQL gives them right."""
        at = "" if self._snapshot is None else ", snapshot_version => $snapshot"
        folder = f"/recorded/traces/session_id={session_id}/signal={signal}/"
        parameters = {"folder": folder} | ({} if self._snapshot is None else {"snapshot": self._snapshot})
        found = self._connection.execute(
            f"""SELECT data_file, delete_file IS NULL
            FROM ducklake_list_files('lake', 'traces', schema => 'recorded'{at})
            WHERE contains(data_file, $folder)""",
            parameters,
        ).fetchall()
        return [path for path, _ in found] if all(undeleted for _, undeleted in found) else None

    def _traces_by_sql(
        self, session_id: str, signal: str, frames: slice, units: Sequence[int] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        counts = self._connection.execute(sql.query("trace_extent"), {"session_id": session_id, "signal": signal})
        [(present, frame_count)] = counts.fetchall()
        if not present:
            raise KeyError(f"session {session_id!r} has no {signal!r} traces")
        wanted = present if units is None else [int(unit) for unit in units]
        if absent := sorted(set(wanted) - set(present)):
            raise KeyError(f"units {absent} have no traces here")
        start, stop, _ = frames.indices(frame_count)
        long = self.query(
            sql.query("trace_span"), session_id=session_id, signal=signal, units=wanted, start=start, stop=stop
        )
        chosen = np.unique(np.array(wanted, np.int64))
        values = np.full((len(chosen), max(stop - start, 0)), np.nan, np.float32)  # (n_units, n_frames)
        values[np.searchsorted(chosen, long["unit_id"]), long["frame"].to_numpy() - start] = long["value"].to_numpy()
        return np.array(wanted, np.int64), values[np.searchsorted(chosen, wanted)]


def _connect_and_make(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Connect for writing, making the catalog and whatever declared table it lacks."""
    require_writable(settings)
    with turn(settings, ["tables"]):
        connection = connect(settings, read_only=False)
        try:
            refuse_closed(connection)
            bring_up_to_date(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _add_views(connection: duckdb.DuckDBPyConnection) -> None:
    """The views of sql/views, in this connection alone, so that they are always those of this version."""
    for statement in view_statements():
        # An earlier snapshot may lack a table or column; whoever asks for that view is told that there is none.
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            connection.execute(statement)


def _refuse_other_tables(lake: Lake) -> None:
    """Raise unless the lake's tables are the declared ones; an earlier snapshot may have what tables it had."""
    version = lake_version(lake._connection)
    if lake._snapshot is not None:
        return
    stored = stored_shapes(lake._connection)
    if not stored:
        raise LakeMissing(f"the lake at {lake.settings.home} has no tables yet; `make nightly` makes them")
    differing = differing_columns(stored)
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    columns = f"these columns differ: {', '.join(differing[:5])}{more}"
    if differing and version != LAKE_VERSION:
        raise LakeMismatch(
            f"the lake at {lake.settings.home} is of an earlier version than this neurolake's {LAKE_VERSION}; "
            f"{columns}. `make nightly`, or any opening for writing, brings it up to date and loses nothing; until "
            f"then its snapshots can be read (snapshot {lake.snapshot_id} is the last)"
        )
    if differing:
        raise LakeMismatch(f"the tables of the lake at {lake.settings.home} were changed by hand; {columns}")
