"""Rows of a log or a table as text, one after another, each with the line of the file that it stands on."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from storage.readers.recording import Refusal

MOST_LINE_CHARACTERS = 2**20
MOST_NOTES = 1000
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


@dataclass
class Rows:
    """The names of the columns, the rows yet to be read as (line, cells), and what stands in no row.

    ``notes`` are the lines above the header and the comments so far, at most 1,000 of them.
    """

    names: list[str]
    rows: Iterator[tuple[int, list[str]]]
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened_rows(
    path: Path,
    refused: Refusal,
    required: Sequence[str],
    *,
    separator: str = ",",
    comment: str | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Rows]:
    """The rows of the file. Its header is the first line that names the ``required`` columns, or else ``columns``.

    ``separator`` is one character, or empty for runs of white space. Raises what ``refused`` makes, as far as the rows
    are read: no such header, a name twice, a row that is shorter or longer, text that isn't UTF-8, a line over 1 MiB.
    """
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reading = _Reading(file, refused, separator, comment)
        names = list(columns) if columns is not None else reading.header(required)
        if absent := [name for name in required if name not in names]:
            found = f"no column {', '.join(absent)} among {', '.join(names)[:200]}"
            raise refused(field="columns", found=found, expected=f"columns {', '.join(required)}")
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            raise refused(field="header", found=f"{', '.join(twice)} more than once", expected="each column once")
        yield Rows(names, reading.rows(len(names)), reading.notes)


def number_in(cell: str, line: int, name: str, refused: Refusal) -> float:
    """The number that the cell is. Raises what ``refused`` makes, with the line, when it is none."""
    if not _NUMBER.fullmatch(cell):
        raise refused(field=f"line {line}", found=f"{name} {cell!r}"[:200], expected=f"a number for {name}")
    return float(cell)


class _Reading:
    def __init__(self, file: TextIO, refused: Refusal, separator: str, comment: str | None) -> None:
        self._refused = refused
        self._comment = comment
        self._line = 0
        self.notes: list[str] = []
        self._split = self._split_csv(file, separator) if separator else self._split_space(file)

    def header(self, required: Sequence[str]) -> list[str]:
        first: tuple[int, list[str]] | None = None
        for line, cells in self._split:
            if set(required) <= set(cells):
                return cells
            first = first or (line, cells)
            if len(self.notes) == MOST_NOTES:
                break
            self._note(" ".join(cell for cell in cells if cell))
        begins = f" (line {first[0]}: {', '.join(first[1])[:200]})" if first else ""
        found, expected = f"no line with them{begins}", f"a line with the columns {', '.join(required)}"
        raise self._refused(field="header", found=found, expected=expected)

    def rows(self, width: int) -> Iterator[tuple[int, list[str]]]:
        for line, cells in self._split:
            if len(cells) != width:
                found, expected = f"{len(cells)} values", f"{width}, one for each column"
                raise self._refused(field=f"line {line}", found=found, expected=expected)
            yield line, cells

    def _split_csv(self, file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(self._lines(file), delimiter=separator, strict=True, skipinitialspace=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells) or len(cells) > 1:
                    yield self._line, cells
        except csv.Error as error:
            expected = "a row of values; a quoted one ends with its quote"
            raise self._refused(field=f"line {self._line}", found=str(error), expected=expected) from error

    def _split_space(self, file: TextIO) -> Iterator[tuple[int, list[str]]]:
        for text in self._lines(file):
            if cells := text.split():
                yield self._line, cells

    def _lines(self, file: TextIO) -> Iterator[str]:
        while text := file.readline(MOST_LINE_CHARACTERS):
            self._line += 1
            field = f"line {self._line}"
            if len(text) == MOST_LINE_CHARACTERS:
                found = f"{MOST_LINE_CHARACTERS} characters or more"
                raise self._refused(field=field, found=found, expected="a row of a table")
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                found = f"byte 0x{ord(text[error.start]) & 0xFF:02x}"
                raise self._refused(field=field, found=found, expected="UTF-8") from error
            if self._comment and text.lstrip().startswith(self._comment):
                self._note(text.strip())
            else:
                yield text

    def _note(self, text: str) -> None:
        if text and len(self.notes) < MOST_NOTES:
            self.notes.append(text[:1000])
