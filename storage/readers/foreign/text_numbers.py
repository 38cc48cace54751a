"""Tables of numbers as text, of any width and size: parsed in blocks, each wrong cell named by line and column."""

import csv
import os
import re
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from storage.readers.recording import Refusal

MOST_LINE_BYTES = 2**26
_BLOCK_BYTES = 2**23
_MOST_BYTES_IN_MEMORY = 2**26  # of text; zeros with one space between them take twice that as float32
_MOST_EMPTY_LINES = 1_000_000
_EXPECTED = "a number, or nothing where one is missing"
_LARGEST = float(np.finfo(np.float32).max)
# Stands between the values of a row that were apart by white space.
_APART = b"\x1f"
_QUOTED_NAME = re.compile(rb'\s*"((?:[^"]|"")*)"\s*')


@dataclass(frozen=True)
class Layout:
    """How a table is written. ``separator`` is one character, or empty for runs of spaces and tabs."""

    separator: str = ","
    header: bool = False
    index: bool = False
    comment: str | None = None


@dataclass(frozen=True)
class NumberTable:
    """The numbers of a text: (n_rows, n_columns), NaN where a cell is empty, held in memory or, float32, in a file.

    ``columns`` are the header's names, ``index`` those that begin the rows, each None where there are none; ``exact``
    are the columns asked for by name, (n_rows,) float64, which are not among the others; ``line`` (n_rows,) is the
    line that each row stands on.
    """

    columns: tuple[str, ...] | None
    index: tuple[str, ...] | None
    exact: dict[str, np.ndarray]
    line: np.ndarray
    n_columns: int
    values: "np.ndarray | _Stored"

    @property
    def n_rows(self) -> int:
        return len(self.line)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start to stop, (stop - start, n_columns)."""
        if isinstance(self.values, np.ndarray):
            return self.values[start:stop]
        return self.values.read(start * self.n_columns, (stop - start) * self.n_columns).reshape(-1, self.n_columns)

    def column_span(self, start: int, stop: int) -> np.ndarray:
        """Columns start to stop, (n_rows, stop - start)."""
        if isinstance(self.values, np.ndarray):
            return self.values[:, start:stop]
        read = self.values.read
        return np.stack([read(row * self.n_columns + start, stop - start) for row in range(self.n_rows)])


def read_numbers(
    path: Path, layout: Layout, refused: Refusal, exact: Sequence[str] = (), dtype: type = np.float32
) -> NumberTable:
    """The table in the file, its numbers as ``dtype``, float32 or float64.

    Raises what ``refused`` makes, with line and column, for text where a number should be, infinities, and what
    float32 can't hold. Refused too are rows of another length than the first, empty lines between rows, names of
    columns that stand twice or that ``exact`` asks for in vain, a table without rows, lines over 64 MiB, and names
    that aren't UTF-8.
    """
    with open(path, "rb") as file:
        puts_aside = dtype is np.float32 and path.stat().st_size > _MOST_BYTES_IN_MEMORY
        return _Reading(layout, refused, tuple(exact), puts_aside, dtype).read(file)


@dataclass
class _Stored:
    """float32 numbers one after another in a file without a name, which goes when nobody holds it any more."""

    file: BinaryIO

    def read(self, start: int, count: int) -> np.ndarray:
        values = np.empty(count, np.float32)
        if os.preadv(self.file.fileno(), [memoryview(values).cast("B")], 4 * start) != values.nbytes:
            raise OSError("the numbers put aside while reading are cut off")
        return values


@dataclass
class _Reading:
    layout: Layout
    refused: Refusal
    exact: tuple[str, ...]
    puts_aside: bool
    dtype: type
    columns: list[str] | None = None
    width: int | None = None
    index: list[str] = field(default_factory=list)
    line: array = field(default_factory=lambda: array("q"))
    blocks: list[np.ndarray] = field(default_factory=list)
    exact_blocks: list[np.ndarray] = field(default_factory=list)
    aside: BinaryIO | None = None

    def read(self, file: BinaryIO) -> NumberTable:
        if self.puts_aside:
            self.aside = tempfile.TemporaryFile()  # noqa: SIM115  closed when its last reader goes
        for first_line, lines in _line_blocks(file, self.refused):
            self._add(first_line, lines)
        if self.width is None:
            raise self.refused(field="rows", found="no row of numbers", expected="rows of numbers")
        places = self._exact_places()
        kept = np.delete(np.arange(self.width), places)
        exact = np.concatenate(self.exact_blocks)
        names = self.columns
        return NumberTable(
            columns=tuple(names[place] for place in kept) if names is not None else None,
            index=tuple(self.index) if self.layout.index else None,
            exact={name: exact[:, place].copy() for place, name in enumerate(self.exact)},
            line=np.frombuffer(self.line, np.int64),
            n_columns=len(kept),
            values=_Stored(self.aside) if self.aside is not None else np.concatenate(self.blocks),
        )

    def _add(self, first_line: int, lines: list[bytes]) -> None:
        rows: list[bytes] = []
        line: list[int] = []
        comment = self.layout.comment.encode() if self.layout.comment else None
        for number, text in enumerate(lines, first_line):
            if comment and text.lstrip().startswith(comment):
                continue
            if self.layout.header and self.columns is None:
                self.columns = self._header(text, number)
                continue
            rows.append(text)
            line.append(number)
        if rows:
            self._add_rows(rows, line)

    def _add_rows(self, rows: list[bytes], line: list[int]) -> None:
        if self.layout.index:
            split = [self._index_and_rest(row, number) for row, number in zip(rows, line, strict=True)]
            self.index += [name for name, _ in split]
            rows = [rest for _, rest in split]
        apart = self.layout.separator.encode() or _APART
        if not self.layout.separator:
            rows = [_APART.join(row.split()) for row in rows]
        for row, number in zip(rows, line, strict=True):
            if not row.strip() and self.width != 1:
                raise self.refused(field=f"line {number}", found="an empty line", expected="a row of numbers")
            if self.width is None:
                self._set_width(row.count(apart) + 1, number)
            if (width := row.count(apart) + 1) != self.width:
                found, expected = f"{width} values", f"{self.width}, as in the first row"
                raise self.refused(field=f"line {number}", found=found, expected=expected)
        cells = b"\n".join(rows).replace(apart, b"\n")
        values = self._parsed(cells, line).reshape(len(rows), self.width)
        places = self._exact_places()
        self.exact_blocks.append(values[:, places])
        kept = (np.delete(values, places, axis=1) if places else values).astype(self.dtype)
        if self.aside is not None:
            self.aside.write(memoryview(np.ascontiguousarray(kept)).cast("B"))
            self.aside.flush()
        else:
            self.blocks.append(kept)
        self.line.extend(line)

    def _parsed(self, cells: bytes, line: list[int]) -> np.ndarray:
        # One value a line: Polars reads numbers fast, but not tables that are wider than they are long.
        try:
            values = pl.read_csv(cells + b"\n", **_ONE_COLUMN, schema={"value": pl.Float64})["value"]
        except pl.exceptions.PolarsError:
            values = self._parsed_patiently(cells, line)
        # Polars passes over empty lines that a text begins with.
        if len(values) != len(line) * self.width:
            values = self._parsed_patiently(cells, line)
        numbers = values.to_numpy()
        if (bad := np.flatnonzero(np.abs(numbers) > _LARGEST)).size:
            raise self._wrong(int(bad[0]), str(numbers[bad[0]]), line)
        return numbers

    def _parsed_patiently(self, cells: bytes, line: list[int]) -> pl.Series:
        """The same with white space around values; raises the refusal of the first value that is no number."""
        texts = pl.Series(cells.decode("utf-8", errors="replace").split("\n")).str.strip_chars()
        values = texts.cast(pl.Float64, strict=False)
        wrong = values.is_null() & (texts != "")
        if wrong.any():
            place = int(wrong.arg_max())
            raise self._wrong(place, f"text {texts[place]!r}"[:100], line)
        return values

    def _wrong(self, place: int, found: str, line: list[int]) -> Exception:
        column = place % self.width
        name = f" ({self.columns[column]})" if self.columns else ""
        where = f"line {line[place // self.width]}"
        hint = "" if self.layout.header or line[place // self.width] > 1 else "; `header: true` if this line has names"
        at = f" in column {column + 1 + self.layout.index}{name}"
        return self.refused(field=where, found=found + at, expected=_EXPECTED + hint)

    def _header(self, text: bytes, number: int) -> list[str]:
        line = self._text(text, number)
        separator = self.layout.separator
        names = next(csv.reader([line], delimiter=separator, skipinitialspace=True), []) if separator else line.split()
        return [name.strip().strip('"') for name in names]

    def _set_width(self, width: int, number: int) -> None:
        self.width = width
        names = self.columns
        if names is None:
            return
        # The name above the index may be left out, as R does.
        if self.layout.index and len(names) == width + 1:
            names = self.columns = names[1:]
        if len(names) != width:
            found = f"{width} values for {len(names)} names"
            raise self.refused(field=f"line {number}", found=found, expected="one for each name in the header")
        if twice := sorted({name for name in names if names.count(name) > 1} - {""})[:5]:
            raise self.refused(field="header", found=f"{', '.join(twice)} more than once", expected="each name once")

    def _exact_places(self) -> list[int]:
        names = self.columns or []
        if absent := [name for name in self.exact if name not in names]:
            found = f"no column {', '.join(absent)}; there are {', '.join(names)[:200] or 'no names'}"
            raise self.refused(field="header", found=found, expected=f"columns {', '.join(self.exact)}")
        return [names.index(name) for name in self.exact]

    def _index_and_rest(self, row: bytes, number: int) -> tuple[str, bytes]:
        if quoted := _QUOTED_NAME.match(row):
            name, rest = quoted[1].replace(b'""', b'"'), row[quoted.end() :].lstrip(b" ")
            rest = rest.removeprefix(self.layout.separator.encode())
        elif self.layout.separator:
            name, _, rest = row.partition(self.layout.separator.encode())
        else:
            name, rest = [*row.split(None, 1), b"", b""][:2]
        return self._text(name, number).strip(), rest

    def _text(self, text: bytes, number: int) -> str:
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{text[error.start]:02x} on line {number}"
            raise self.refused(field="encoding", found=found, expected="UTF-8") from error


_ONE_COLUMN = {"has_header": False, "separator": "\x1f", "quote_char": None}


def _line_blocks(file: BinaryIO, refused: Refusal) -> Iterator[tuple[int, list[bytes]]]:
    """The number of the first line of each block, and its lines without their ends; empty lines at the end left out."""
    number, empty, rest = 1, 0, b""
    while True:
        block = file.read(_BLOCK_BYTES)
        if number == 1 and not rest:
            block = block.removeprefix(b"\xef\xbb\xbf")
        *lines, rest = (rest + block).split(b"\n") if block else ((rest + b"\n").split(b"\n") if rest else [b""])
        if len(rest) > MOST_LINE_BYTES:
            found = f"more than {MOST_LINE_BYTES} bytes"
            raise refused(field=f"line {number + len(lines)}", found=found, expected="a row of numbers")
        lines = [line.removesuffix(b"\r") for line in lines]
        if lines:
            full = [b""] * empty + lines
            first = number - empty
            number += len(lines)
            while full and not full[-1].strip():
                full.pop()
            empty = number - first - len(full)
            if empty > _MOST_EMPTY_LINES:
                raise refused(field=f"line {number}", found=f"{empty} empty lines", expected="rows of numbers")
            if full:
                yield first, full
        if not block:
            return
