"""Whatever reader it came from, a recording that breaks a rule of the lake is refused."""

import pickle

import numpy as np
import polars as pl
import pytest

from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused, TraceMatrix, checked
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS


def test_a_refusal_survives_the_way_between_processes():
    refused = Refused(source_uri="/in/mouse_412.nwb", field="dF/F", found="none", expected="one")
    refused.reader = "nwb"
    again = pickle.loads(pickle.dumps(refused))
    assert (str(again), again.reader) == (str(refused), "nwb")


def altered(recording: Recording, table, **columns) -> Recording:
    frame = pl.DataFrame(pl.from_arrow(recording.rows[table])).with_columns(**columns)
    changed = {**recording.rows, table: table.rows(frame)}
    return Recording("/in/mouse_412.nwb", "0", "nwb", 1, changed, recording.traces)


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        (UNITS, {"unit_id": pl.lit(1001)}, "recorded.units: found more than one row session_id lab-412, unit_id 1001"),
        (UNITS, {"unit_id": pl.col("unit_id") + 5}, "dff of lab-412: found unknown cell"),
        (UNITS, {"session_id": pl.lit("lab-9")}, "recorded.units: found unknown session session_id lab-9"),
        (UNITS, {"area_px": pl.lit(0.0)}, "recorded.units area_px: found 0.0 in row"),
        (EVENTS, {"kind": pl.lit("lever")}, "recorded.events kind: found 'lever'"),
        (
            EVENTS,
            {"onset_s": pl.lit(None)},
            "recorded.events onset_s: found nothing for session_id lab-412, event_id 0",
        ),
        (EVENTS, {"onset_s": pl.lit(np.inf)}, "recorded.events onset_s: found inf"),
        (EVENTS, {"offset_s": pl.lit(0.5)}, "event 1 of lab-412 ending at 0.5 s, begun at 0.85 s"),
        (FRAMES, {"time_s": -pl.col("time_s")}, "recorded.frames time_s of lab-412: found time running backwards"),
        (FRAMES, {"frame": pl.col("frame") + 1}, "recorded.frames frame: found 60 frames numbered 1 to 60"),
        (SESSIONS, {"unit_count": pl.lit(-1)}, "recorded.sessions unit_count: found -1 in row"),
        (SESSIONS, {"session_id": pl.lit("a=b")}, "session_id: found 'a=b'"),
    ],
)
def test_what_no_reader_may_hand_over_is_refused(write_nwb, table, columns, said):
    recording = read_recording(write_nwb(), "lab")
    with pytest.raises(Refused) as caught:
        checked(altered(recording, table, **columns))
    assert said in str(caught.value)


def test_traces_are_of_the_frames_and_cells_of_their_session(write_nwb):
    recording = read_recording(write_nwb(), "lab")
    (trace,) = recording.traces
    for wrong, said in [
        (TraceMatrix("lab-412", "dff", trace.unit_id, trace.values[:, :-1]), "59 frames of values, 60 frame times"),
        (TraceMatrix("lab-412", "dff", trace.unit_id[[0, 0, 1]], trace.values), "more than one row"),
        (TraceMatrix("lab-413", "dff", trace.unit_id, trace.values), "unknown session"),
        (TraceMatrix("lab-412", "spikes", trace.unit_id, trace.values), "signal 'spikes'"),
    ]:
        changed = Recording("/in/mouse_412.nwb", "0", "nwb", 1, recording.rows, (wrong,))
        with pytest.raises(Refused, match=said):
            checked(changed)
    with pytest.raises(ValueError, match="float32"):
        TraceMatrix("lab-412", "dff", trace.unit_id, trace.values.astype(float))
