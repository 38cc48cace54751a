"""When each frame was taken, from the table that the miniscope's software wrote."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from storage.readers.foreign.csv_rows import csv_header, csv_rows
from storage.readers.foreign.named_file import refused_in
from storage.readers.given import Given
from storage.readers.recording import Refusal

# Column of frame numbers, column of times, seconds per unit of those.
_FORMS = (("frame", "timestamp_first", 1.0), ("Frame Number", "Time Stamp (ms)", 1e-3))
_ONE_WRONG_OF = 500
_LONGEST_GAP = 3  # times the median step
_UNIX_S = (1e9, 4e9)  # from 2001 to 2096


@dataclass(frozen=True)
class Clock:
    """The session's clock. ``time_s`` (n_frames,) counts from its first frame, which was at ``zero_s`` of the table's.

    ``interpolated`` are the numbers of frames whose own time ran out of order.
    """

    time_s: np.ndarray
    zero_s: float
    interpolated: tuple[int, ...]

    @property
    def started_at(self) -> datetime | None:
        """When the first frame was taken, where the table counts seconds of Unix."""
        return datetime.fromtimestamp(self.zero_s, UTC) if _UNIX_S[0] < self.zero_s < _UNIX_S[1] else None


def clock_of(path: Path, frame: np.ndarray, given: Given) -> Clock:
    """The times of the frames of these numbers, (n_frames,).

    The host that stamps frames now and then stamps one wrongly, between two that it stamps rightly. Such a time is put
    between its neighbours', by frame number, and said in ``interpolated``: what it was is lost, but it is known to
    within a frame. Raises Refused for a frame without a time, for more than 1 in 500 out of order, for two of them in a
    row or at either end, and beside a gap.
    """
    refused = refused_in(given, path.name)
    number, time_s = _table(path, refused)
    time_s, wrong = _in_order(number, time_s, refused)
    place = np.searchsorted(number, frame)
    known = place < len(number)
    known[known] = number[place[known]] == frame[known]
    if not known.all():
        found = f"no time for frame {frame[~known][0]} ({(~known).sum()} of {len(frame)} frames)"
        raise refused(field="frame", found=found, expected="a row for each frame of C")
    own = time_s[place]
    return Clock(own - own[0], float(own[0]), tuple(np.intersect1d(number[wrong], frame).tolist()))


def _table(path: Path, refused: Refusal) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers, ascending, and their times in seconds, both (n_rows,)."""
    header = csv_header(path)
    form = next((form for form in _FORMS if set(form[:2]) <= set(header)), None)
    if form is None:
        expected = " or ".join(f"{frame} and {time}" for frame, time, _ in _FORMS)
        raise refused(field="header", found=f"columns {', '.join(header)}"[:200], expected=expected)
    of_frame, of_time, seconds = form
    rows = csv_rows(path, refused, (of_frame, of_time))
    number, time_s = np.empty(len(rows), np.int64), np.empty(len(rows))
    for place, (line, row) in enumerate(rows):
        number[place] = _number(row[of_frame], line, of_frame, refused, whole=True)
        time_s[place] = _number(row[of_time], line, of_time, refused) * seconds
    if (back := np.flatnonzero(np.diff(number) <= 0)).size:
        line = rows[back[0] + 1][0]
        found = f"frame {number[back[0] + 1]} after frame {number[back[0]]}"
        raise refused(field=f"line {line}", found=found, expected="frame numbers in ascending order")
    return number, time_s


def _number(text: str, line: int, column: str, refused: Refusal, *, whole: bool = False) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number) or (whole and (number != int(number) or abs(number) > 2**53)):
        expected = "a frame number" if whole else "a finite time"
        raise refused(field=f"line {line} {column}", found=repr(text)[:200], expected=expected)
    return number


def _in_order(number: np.ndarray, time_s: np.ndarray, refused: Refusal) -> tuple[np.ndarray, np.ndarray]:
    """The times, those out of order put between their neighbours', and which rows these were."""
    if (np.diff(time_s) > 0).all():
        return time_s, np.empty(0, np.int64)
    right = _longest_ascent(time_s)
    wrong = np.setdiff1d(np.arange(len(time_s)), right)
    alone = wrong[0] > 0 and wrong[-1] < len(time_s) - 1 and (np.diff(wrong) > 1).all()
    gap = _LONGEST_GAP * np.median(np.diff(time_s[right])) if len(right) > 1 else 0.0
    if len(wrong) > len(time_s) // _ONE_WRONG_OF or not alone or (time_s[wrong + 1] - time_s[wrong - 1] > gap).any():
        found = f"time running backwards at frame {number[np.flatnonzero(np.diff(time_s) <= 0)[0] + 1]}"
        expected = f"ascending times, at most 1 of {_ONE_WRONG_OF} wrong and that between two right ones"
        raise refused(field="times", found=f"{found} ({len(wrong)} of {len(time_s)} out of order)", expected=expected)
    ordered = time_s.copy()
    ordered[wrong] = np.interp(number[wrong], number[right], time_s[right])
    return ordered, wrong


def _longest_ascent(values: np.ndarray) -> np.ndarray:
    """Places of the longest strictly ascending run of values, others being left out between them."""
    lasts: list[float] = []  # the smallest value on which an ascent of each length ends
    places: list[int] = []
    before = np.full(len(values), -1)
    for place, value in enumerate(values.tolist()):
        length = bisect_left(lasts, value)
        if length == len(lasts):
            lasts.append(value)
            places.append(place)
        else:
            lasts[length], places[length] = value, place
        before[place] = places[length - 1] if length else -1
    ascent = [places[-1]]
    while before[ascent[-1]] >= 0:
        ascent.append(int(before[ascent[-1]]))
    return np.array(ascent[::-1])
