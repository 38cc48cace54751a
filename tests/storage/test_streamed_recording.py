"""What a recording streams is checked as it is read, and refused before anything of it is in the lake."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.lake import Lake
from storage.readers.given import Given, as_json, frame_rows
from storage.readers.recording import Recording, Refused, checked
from storage.row_files import RowBlocks
from storage.tables import FRAMES, SPIKES
from storage.traces import TraceStream

GIVEN = Given(Path("/in/day1.dat"), "lab", "/in/day1.dat", "0" * 64, "by_hand", 1)
SESSION = "lab-day1"


def spikes(unit_id: list[int], spike: list[int], time_s: list[float], session_id: str = SESSION) -> pa.Table:
    rows = {"session_id": [session_id] * len(unit_id), "unit_id": unit_id, "spike": spike, "time_s": time_s}
    return SPIKES.rows(rows)


def recording(*blocks: pa.Table, values: np.ndarray | None = None) -> Recording:
    """Two units with spikes in blocks, and five frames of a streamed signal."""
    values = np.zeros((2, 5), np.float32) if values is None else values
    return checked(
        GIVEN.recording(
            [GIVEN.session(SESSION, unit_count=2)],
            {"session_id": [SESSION] * 2, "unit_id": [1, 2]},
            {FRAMES: frame_rows(SESSION, np.arange(5.0))},
            [TraceStream(SESSION, "dff", np.array([1, 2]), 5, lambda start, stop: values[:, start:stop])],
            [RowBlocks(SPIKES, lambda: iter(blocks))],
        )
    )


def into(lake: Lake, given: Recording) -> None:
    lake.replace(given.rows, traces=given.traces, blocks=given.blocks, message="streamed")


def test_what_is_in_order_goes_in_whole(lake: Lake):
    into(lake, recording(spikes([1, 1], [0, 1], [0.5, 1.5]), spikes([1, 2], [2, 0], [2.5, 0.1])))
    assert lake.query("SELECT unit_id, spike FROM recorded.spikes ORDER BY ALL").rows() == [
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
    ]
    assert lake.traces(SESSION).values.shape == (2, 5)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([spikes([1], [1], [0.5])], "spike 1"),
        ([spikes([1, 1], [0, 2], [0.5, 0.6])], "spike 2"),
        ([spikes([1], [0], [0.5]), spikes([1], [0], [0.6])], "spike 0"),
        ([spikes([1], [0], [0.5]), spikes([1], [2], [0.6])], "spike 2"),
        ([spikes([1, 2, 1], [0, 0, 0], [0.5, 0.6, 0.7])], "again"),
        ([spikes([1], [0], [0.5]), spikes([2], [0], [0.5]), spikes([1], [0], [0.5])], "again"),
        ([spikes([3], [0], [0.5])], "unknown cell"),
        ([spikes([1], [0], [0.5], session_id="lab-day2")], "unknown session"),
        ([spikes([1], [0], [float("inf")])], "finite"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_a_bad_block_is_refused_and_nothing_of_the_recording_is_in_the_lake(lake: Lake, blocks: list, said: str):
    before = lake.snapshot_id
    with pytest.raises(Refused, match=r"recorded\.spikes") as caught:
        into(lake, recording(*blocks))
    assert said in str(caught.value)
    assert lake.snapshot_id == before
    assert list(lake.settings.data_folder.rglob("*.parquet")) == []


def test_an_infinite_value_of_a_stream_is_refused(lake: Lake):
    values = np.zeros((2, 5), np.float32)
    values[1, 3] = -np.inf
    with pytest.raises(Refused, match="-inf in cell 2 at frame 3"):
        into(lake, recording(values=values))
    assert lake.query("FROM recorded.sessions").is_empty()


def test_blocks_are_read_one_at_a_time():
    read: list[int] = []

    def blocks() -> Iterator[pa.Table]:
        for number in range(3):
            read.append(number)
            yield spikes([1], [number], [float(number)])

    given = GIVEN.recording(
        [GIVEN.session(SESSION, unit_count=1)],
        {"session_id": [SESSION], "unit_id": [1]},
        blocks=[RowBlocks(SPIKES, blocks)],
    )
    (rows,) = checked(given).blocks
    assert read == []
    next(iter(rows.blocks()))
    assert read == [0]


def test_json_is_plain_whatever_the_values_are():
    given = {"b": np.float32(0.5), "a": np.array([1, 2]), "nan": np.nan, "inside": [{"x": b"raw"}, np.bool_(True)]}
    assert as_json(given) == '{"a": [1, 2], "b": 0.5, "inside": [{"x": "raw"}, true], "nan": null}'
