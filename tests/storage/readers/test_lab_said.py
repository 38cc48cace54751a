"""What a lab may say of a recording; and whatever it may not, refused with the key, its line and what it may be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.readers.lab.lab_said import described
from storage.readers.lab.lab_yaml import MOST_BYTES, yaml_mapping
from storage.readers.recording import Refused


def refused(*, field: str, found: str, expected: str) -> Refused:
    return Refused(source_uri="/in/day3.yaml", field=field, found=found, expected=expected)


def said(folder: Path, text: str | bytes):
    path = folder / "day3.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return described(*yaml_mapping(path, refused), refused)


MATRIX = "format: matrix\nsignal: dff\norientation: cells_by_frames\nrate_hz: 3.74\n"
LOG = "events: {file: log.csv, time_unit: s, clock: frames}\n"


def test_values_are_taken_as_they_are_written(tmp_path):
    found = said(
        tmp_path,
        MATRIX + "subject: 007\nsession: 1e5\nsex: no\nage_days: 61.5\nsimulated: true\narea: VISp\nindicator:\n"
        "started_at: 2026-01-05T09:30:00+01:00\nmetadata: {laser: [1, {power: 0x10}]}\n",
    )
    assert (found.subject, found.session, found.sex) == ("007", "1e5", "no")
    assert (found.rate_hz, found.age_days, found.simulated, found.indicator) == (3.74, 61.5, True, None)
    assert found.location == "VISp"
    assert found.started_at == datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
    assert found.metadata == {"laser": ["1", {"power": "0x10"}]}


def test_the_owner_says_the_same_in_sources_yaml():
    found = described(
        {"format": "matrix", "signal": "dff", "orientation": "cells_by_frames", "rate_hz": 3.74, "subject": 412},
        {},
        refused,
    )
    assert (found.subject, found.rate_hz) == ("412", 3.74)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: nwb\n", "format: found 'nwb' on line 1; expected one of matrix, movement, mat"),
        ("signal: dff\n", "format: found no key format"),
        (MATRIX + "rate: 3\n", "rate: found the unknown key rate on line 5; expected one of session, subject, rate_hz"),
        (MATRIX.replace("3.74", "fast"), "rate_hz: found 'fast' on line 4; expected .*number.*'unknown'"),
        (MATRIX.replace("3.74", "-1"), "rate_hz: found '-1' on line 4; expected greater than 0"),
        (MATRIX.replace("3.74", "inf"), "rate_hz: found 'inf' on line 4; expected .*finite"),
        (MATRIX.replace("dff", "dF/F"), "signal: found 'dF/F' on line 2; expected one of dff, fluorescence"),
        (MATRIX.replace("rate_hz: 3.74\n", ""), "rate_hz: found neither .*; expected `rate_hz: 30`"),
        (MATRIX.replace("signal: dff\n", ""), "signal: found no key signal; expected what the values are"),
        (MATRIX.replace("orientation: cells_by_frames\n", ""), "orientation: found no key orientation; .*one row per"),
        (MATRIX.replace("cells_by", "units_by"), "orientation: found 'units_by_frames' on line 3"),
        (MATRIX + "matrices: {dff: a.csv}\n", "matrices: found matrix or signal beside it on line 5"),
        (
            MATRIX + "timestamps: {file: t.csv, time_unit: s}\n",
            "rate_hz: found rate_hz as well as timestamps on line 4",
        ),
        (MATRIX + "labels: {names: {0: still}}\n", "labels: found neither file nor column on line 5"),
        (MATRIX + "labels: {column: moving}\n", "columns: found columns moving; expected .*`header: true`"),
        (MATRIX + "labels: {file: l.csv, names: {a: b}}\n", "labels.names.a: found 'a' on line 5; expected .*integer"),
        (MATRIX + "sample_rate_hz: 30000\n", "sample_rate_hz: found a rate of samples on line 5"),
        (MATRIX + "started_at: 2026-01-05 09:30\n", "started_at: .*on line 5; expected .*offset from UTC"),
        (
            MATRIX + "started_by: {event: BEGIN, frames: 71}\n",
            "started_by: found runs without a rate, or without events",
        ),
        (MATRIX + "events: {file: log.csv, time_unit: s}\n", "events.clock: found nothing on line 5; .*zero_event"),
        (MATRIX + "events: {file: log.csv, clock: frames}\n", "events.time_unit: found no key time_unit on line 5"),
        (MATRIX + LOG.replace(": s", ": min"), "events.time_unit: found 'min' on line 5; expected 's', 'ms' or 'us'"),
        (
            MATRIX + LOG.replace("frames", "{zero: 1}"),
            "events.clock.zero: found the unknown key zero .*zero_s, zero_event",
        ),
        (MATRIX + LOG.replace("frames", "{}"), "events.clock: found none or both of its keys"),
        (
            MATRIX + LOG.replace("log.csv", "../log.csv"),
            "events.file: found '../log.csv' on line 5; expected a file in",
        ),
        (MATRIX + LOG.replace("log.csv", "/log.csv"), "events.file: found '/log.csv'"),
        (MATRIX + LOG.replace("log.csv", r"C:\log.csv"), "events.file: found"),
        (
            MATRIX + LOG.replace("}", ", kinds: {L: licks}}"),
            "events.kinds.L: found 'licks' on line 5; .*one of stimulus",
        ),
        (MATRIX + "events: {variables: {LICK: l}, time_unit: s, clock: frames}\n", "events: found variables on line 5"),
        (MATRIX.replace("3.74", "unknown") + LOG, "events: found times, but rate_hz unknown on line 5"),
        (MATRIX + "trials: {start_event: A}\n", "trials: found start_event on line 5; expected events"),
        (MATRIX + "trials: 5\n", "trials: found '5' on line 5"),
        (
            MATRIX + "trials: {file: t.csv, time_unit: s, clock: log}\n",
            "trials.clock: found the log's clock, and no events",
        ),
        (
            MATRIX + LOG + "trials:\n  start_event: A\n  outcome_events: {x: good}\n",
            "outcome_events.x: found 'good' on line 8",
        ),
        (
            MATRIX + "behavior: {Speed: {file: s.csv}}\n",
            "behavior.Speed: found 'Speed' on line 5; expected a name in small",
        ),
        (MATRIX + "behavior: {speed_cm: {fil: x}}\n", "behavior.speed_cm.fil: found the unknown key fil .*time_column"),
        (MATRIX + "behavior: {x_cm: {file: s.csv, time_column: t}}\n", "behavior.x_cm: found only one of"),
        ("format: mat\norientation: cells_by_frames\nrate_hz: 1\n", "variables: found no key variables"),
        (
            "format: mat\norientation: cells_by_frames\nrate_hz: 1\nvariables: {speed: v}\n",
            "variables.speed: found 'speed' on line 4; expected a name in small letters that ends with its unit",
        ),
        (
            "format: mat\norientation: cells_by_frames\nvariables: {dff: d, time_s: t, time_ms: t}\n",
            "variables.time_ms: found time_s and time_ms on line 3; expected one of them",
        ),
        (
            "format: mat\norientation: cells_by_frames\nrate_hz: 1\nvariables: {dff: {variabel: d}}\n",
            "variables.dff.variabel: found the unknown key variabel on line 4; expected one of variable, file",
        ),
    ],
)
def test_what_may_not_be_said_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(Refused, match=message):
        said(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file: found no mapping"),
        ("- matrix\n", "file: found no mapping"),
        ("format: matrix: x\n", "file: found mapping values are not allowed here on line 1; expected YAML"),
        ("format: matrix\nsignal: dff\nsignal: s\n", "signal: found signal again on line 3, as on line 2"),
        ("a: &x {b: 1}\nc: *x\n", "file: found an anchor or alias on line 1"),
        ("a: *x\n", "file: found an anchor or alias on line 1"),
        ("a: !!python/object/apply:os.system [ls]\n", "file: found a tag on line 1"),
        ("a: !env HOME\n", "file: found a tag on line 1"),
        ("[a]: 1\n", "file: found a key that is no text on line 1"),
        ("a: 1\n---\nb: 2\n", "file: found but found another document on line 2"),
        ("[" * 3000, "RecursionError"),
        (b"a: \xff\n", "encoding: found byte 0xff on line 1"),
        ("a: 'x\n", "file: found .* on line 2"),
        ("x: " + "y" * MOST_BYTES, "more than 262144 bytes"),
    ],
)
def test_yaml_that_is_more_than_values_is_refused(tmp_path, text, message):
    with pytest.raises(Refused, match=message):
        said(tmp_path, text)
