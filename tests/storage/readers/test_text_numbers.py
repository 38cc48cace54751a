"""Tables of numbers as NumPy reads them, whatever their width; and each wrong cell with its line and column."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.readers.foreign import text_numbers
from storage.readers.foreign.text_numbers import Layout, NumberTable, read_numbers
from storage.readers.recording import Refused


def refused(*, field: str, found: str, expected: str) -> Refused:
    return Refused(source_uri="/in/matrix.csv", field=field, found=found, expected=expected)


def table(folder: Path, content: bytes | str, exact: tuple[str, ...] = (), **layout) -> NumberTable:
    path = folder / "matrix.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_numbers(path, Layout(**layout), refused, exact)


@pytest.mark.parametrize("threshold", [2**26, 0])
@pytest.mark.parametrize("block", [2**23, 64])
def test_a_table_is_what_numpy_wrote_in_memory_or_put_aside(tmp_path, rng, monkeypatch, threshold, block):
    monkeypatch.setattr(text_numbers, "_MOST_BYTES_IN_MEMORY", threshold)
    monkeypatch.setattr(text_numbers, "_BLOCK_BYTES", block)
    values = rng.normal(0, 1e3, (30, 7)).astype(np.float32)
    np.savetxt(tmp_path / "m.csv", values, delimiter=",", fmt="%.9g")
    found = read_numbers(tmp_path / "m.csv", Layout(), refused)
    np.testing.assert_array_equal(found.rows(0, 30), values)
    np.testing.assert_array_equal(found.rows(4, 9), values[4:9])
    np.testing.assert_array_equal(found.column_span(2, 5), values[:, 2:5])
    assert found.line.tolist() == list(range(1, 31))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=width, max_size=width),
            min_size=1,
            max_size=8,
        )
    ),
    st.sampled_from([",", "\t", ";", " "]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_number_comes_back(tmp_path_factory, rows, separator, end):
    path = tmp_path_factory.mktemp("numbers") / "matrix.txt"
    path.write_bytes(end.join(separator.join(map(repr, row)) for row in rows).encode())
    found = read_numbers(path, Layout("" if separator == " " else separator), refused, dtype=np.float64)
    np.testing.assert_array_equal(found.rows(0, len(rows)), np.array(rows))


@pytest.mark.parametrize(
    ("content", "layout", "values"),
    [
        ("1,2\n3,\n", {}, [[1, 2], [3, np.nan]]),
        (",2\n3,NaN", {}, [[np.nan, 2], [3, np.nan]]),
        (" 1, 2\n3 ,nan\n\n\n", {}, [[1, 2], [3, np.nan]]),
        ("\ufeff1,2\n", {}, [[1, 2]]),
        ("  1 2\t3\n4   5 6 \r\n", {"separator": ""}, [[1, 2, 3], [4, 5, 6]]),
        ("# made by x\n1,2\n#\n3,4\n", {"comment": "#"}, [[1, 2], [3, 4]]),
        ("1\n\n3\n", {}, [[1], [np.nan], [3]]),
        ("-1.5e-3,+2.\n", {}, [[-0.0015, 2]]),
    ],
)
def test_how_labs_write_numbers(tmp_path, content, layout, values):
    found = table(tmp_path, content, **layout)
    np.testing.assert_array_equal(found.rows(0, found.n_rows), np.array(values, np.float32))


def test_names_of_columns_and_rows(tmp_path):
    found = table(tmp_path, ',a,"b, c"\nr1,1,2\n"r,2",3,4\n', header=True, index=True)
    assert (found.columns, found.index) == (("a", "b, c"), ("r1", "r,2"))
    np.testing.assert_array_equal(found.rows(0, 2), [[1, 2], [3, 4]])
    r_writes = table(tmp_path, "a b\nr1 1 2\n", header=True, index=True, separator="")
    assert (r_writes.columns, r_writes.index) == (("a", "b"), ("r1",))


def test_a_column_asked_for_keeps_its_digits(tmp_path):
    found = table(tmp_path, "t,a\n1700000000.123456,1\n1700000000.173456,2\n", ("t",), header=True)
    assert found.exact["t"].tolist() == [1700000000.123456, 1700000000.173456]
    assert found.columns == ("a",)
    assert found.rows(0, 2).tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("content", "layout", "said"),
    [
        ("1,2\n3,x\n", {}, "line 2: found text 'x' in column 2; expected a number, or nothing"),
        ("cell1,cell2\n1,2\n", {}, "line 1: found text 'cell1' in column 1; expected a number, .*`header: true`"),
        ("i,a\n0,1\n1,?\n", {"header": True, "index": True}, r"line 3: found text '\?' in column 2 \(a\)"),
        ("1,2\n3\n", {}, "line 2: found 1 values; expected 2, as in the first row"),
        ("1,2\n3,4,5\n", {}, "line 2: found 3 values"),
        ("1,2\n\n3,4\n", {}, "line 2: found an empty line"),
        ("\n1,2\n", {}, "line 1: found an empty line"),
        ("1,2\n3,-inf\n", {}, "line 2: found -inf in column 2"),
        ("1,1e999\n", {}, "line 1: found inf in column 2"),
        ("1,-1e39\n", {}, r"line 1: found -1e\+39 in column 2"),
        ("1;2,5\n", {"separator": ";"}, "line 1: found text '2,5' in column 2"),
        ('1,"2"\n', {}, "text '\"2\"' in column 2"),
        ("1,2 3\n", {}, "text '2 3' in column 2"),
        ("1,1_0\n", {}, "text '1_0'"),
        ("1,0x10\n", {}, "text '0x10'"),
        ("1,NA\n", {}, "text 'NA'"),
        ("", {}, "rows: found no row of numbers"),
        ("a,b\n", {"header": True}, "rows: found no row of numbers"),
        ("a,a\n1,2\n", {"header": True}, "header: found a more than once"),
        ("a,b,c\n1,2\n", {"header": True}, "line 2: found 2 values for 3 names"),
        (b"a,\xff\n1,2\n", {"header": True}, "encoding: found byte 0xff on line 1"),
        ("1,2\n".encode("utf-16"), {}, "line 1: found text"),
        (b"1,\x00\n", {}, "line 1: found text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, content, layout, said):
    with pytest.raises(Refused, match=said):
        table(tmp_path, content, **layout)


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Refused, match="header: found no column t; there are a, b; expected columns t"):
        table(tmp_path, "a,b\n1,2\n", ("t",), header=True)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text_numbers, "MOST_LINE_BYTES", 1000)
    monkeypatch.setattr(text_numbers, "_BLOCK_BYTES", 100)
    with pytest.raises(Refused, match="line 1: found more than 1000 bytes"):
        table(tmp_path, "1," * 5000)
    monkeypatch.setattr(text_numbers, "_MOST_EMPTY_LINES", 50)
    with pytest.raises(Refused, match="empty lines"):
        table(tmp_path, "1,2\n" + "\n" * 500 + "3,4\n")


def test_numbers_put_aside_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(text_numbers, "_MOST_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr(text_numbers.tempfile, "tempdir", str(tmp_path / "aside"))
    (tmp_path / "aside").mkdir()
    found = table(tmp_path, "1,2\n3,4\n")
    assert found.column_span(1, 2).tolist() == [[2.0], [4.0]]
    assert not list((tmp_path / "aside").iterdir())
