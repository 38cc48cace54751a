"""Small tables in CSV: every cell as text, with the line of the file that it stands on, and what the text says."""

import csv
import io
import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from storage.readers.recording import Refusal

# Nothing here is matched in two ways, so that hostile text takes no longer than its length.
NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?+"
MOST_BYTES = 64 * 2**20  # a table of text takes some ten times its size in memory
_LONGEST_HEADER_BYTES = 1 << 16


def csv_header(path: Path) -> list[str]:
    """The names in the first line, none where it has none. Raises OSError when the file can't be opened."""
    with open(path, "rb") as file:
        header = file.readline(_LONGEST_HEADER_BYTES).decode("utf-8-sig", errors="replace")
    try:
        return next(csv.reader([header]), [])
    except csv.Error:
        return []


def csv_rows(path: Path, refused: Refusal, required: Collection[str]) -> list[tuple[int, dict[str, str]]]:
    """Each row's line in the file, from 1, and its cells by column.

    Raises what ``refused`` makes for text that isn't UTF-8, a row of another length than the header, a column that is
    absent or there twice, a table without rows or of over 64 MiB.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise refused(field="file", found=f"{size} bytes", expected=f"at most {MOST_BYTES} bytes")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} on line {line}"
        raise refused(field="encoding", found=found, expected="UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise refused(field=f"line {reader.line_num}", found=str(error), expected="a row of CSV") from error
    if not lines:
        raise refused(field="header", found="an empty file", expected=f"the columns {', '.join(required)}")
    (_, header), *rows = lines
    if absent := [name for name in required if name not in header]:
        expected = f"the columns {', '.join(required)}"
        raise refused(field="header", found=f"no column {', '.join(absent)}", expected=expected)
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise refused(field="header", found=f"{', '.join(twice)} more than once", expected="each column once")
    for line, row in rows:
        if len(row) != len(header):
            expected = f"{len(header)}, as in the header"
            raise refused(field=f"line {line}", found=f"{len(row)} values", expected=expected)
    if not rows:
        raise refused(field="rows", found="a header and no rows", expected="rows")
    return [(line, dict(zip(header, row, strict=True))) for line, row in rows]


def real(text: str) -> float | None:
    """The finite number that the cell says, None where it says none."""
    number = float(text) if re.fullmatch(NUMBER, text, re.ASCII) else math.nan
    return number if math.isfinite(number) else None


def plain(text: str) -> Any:
    """What the cell says, as JSON would have it: a number, a truth, text, or None where it is empty."""
    if text in ("True", "False", ""):
        return {"True": True, "False": False, "": None}[text]
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    return text if (number := real(text)) is None else number
