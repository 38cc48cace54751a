"""MATLAB's files come back the same from every version, and as SciPy reads them; what lies or unfolds is refused."""

import io
import random
import struct
import zlib
from functools import partial
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from storage.readers.foreign.matlab_files import read_mat, variables_in
from storage.readers.foreign.matlab_values import Unread
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/session.mat")
RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
BY_MATLAB = Path(scipy.io.matlab.__file__).parent / "tests" / "data"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.mat"


def refusal(path: Path, names=None, read=read_mat) -> Refused:
    with pytest.raises(Refused) as caught:
        read(path, REFUSED, names) if read is read_mat else read(path, REFUSED)
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


def as_plain(value):
    """What SciPy gives, in our form."""
    if scipy.sparse.issparse(value):
        return value.toarray()
    if value.dtype.names:
        structs = [{name: as_plain(one[name]) for name in one.dtype.names} for one in value.ravel(order="F")]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype == object:
        held = np.empty(value.size, dtype=object)
        held[:] = [as_plain(one) for one in value.ravel(order="F")]
        return held.reshape(value.shape, order="F")
    if value.dtype.kind == "U":
        return {0: "", 1: value[0] if len(value) else ""}.get(len(value), value.tolist())
    return value


def assert_same(one, other, strict=True):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key], strict)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right, strict)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert one.shape == other.shape
        assert_same(one.ravel().tolist(), other.ravel().tolist(), strict)
    elif isinstance(one, np.ndarray):
        assert one.shape == other.shape
        assert not strict or one.dtype == other.dtype.newbyteorder("=")
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


def cell(*contents) -> np.ndarray:
    held = np.empty((1, len(contents)), dtype=object)
    held[0, :] = contents
    return held


VARIABLES = {
    "traces": np.arange(6.0).reshape(2, 3),
    "movie": np.arange(24, dtype="f4").reshape(2, 3, 4),
    "counts": np.array([[1, 2, 300]], dtype="u2"),
    "steps": np.array([[-1], [2]], dtype="i8"),
    "wave": np.array([[1 + 2j, 3]]),
    "accepted": np.array([[True, False]]),
    "none": np.zeros((0, 3)),
    "label": "GCaMP6f é",
    "empty": "",
    "rows": ["ab", "cd", "e "],
    "cells": cell(np.array([[1.0]]), "text", cell(np.array([[True]]), "inner")),
    "one": {"rate": np.array([[30.0]]), "name": "mouse", "deep": {"x": np.array([[1.0]])}},
    "trials": [{"onset": np.array([[1.0]]), "kind": "go"}, {"onset": np.array([[2.0]]), "kind": "stop"}],
    "map": np.array([[0, 2.5], [0, 0], [1, 0]]),
}


def for_scipy(name: str, value):
    if name == "map":
        return scipy.sparse.csc_matrix(value)
    if isinstance(value, list) and isinstance(value[0], dict):
        made = np.empty((1, len(value)), dtype=[(field, object) for field in value[0]])
        for place, one in enumerate(value):
            made[0, place] = tuple(one.values())
        return made
    return np.array(value) if isinstance(value, list) else value


_NUMBERS = count()


def write_73(path: Path, variables: dict) -> None:
    """Writes the variables as MATLAB does with -v7.3."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _put(file, file, name, value)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _put(file, group, name, value):
    def dataset(stored, matlab_class, into=group, at=name, **attributes):
        made = into.create_dataset(at, data=stored)
        for key, held in {"MATLAB_class": np.bytes_(matlab_class), **attributes}.items():
            made.attrs[key] = held

    def reference(one):
        refs, at = file.require_group("#refs#"), f"r{next(_NUMBERS)}"
        _put(file, refs, at, one)
        return refs[at].ref

    def references(contents, shape):
        return np.array([reference(one) for one in contents], dtype=h5py.ref_dtype).reshape(shape[::-1])

    if isinstance(value, dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, held in value.items():
            _put(file, made, field, held)
    elif isinstance(value, list) and isinstance(value[0], dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            made.create_dataset(field, data=references([one[field] for one in value], (1, len(value))))
    elif name == "map":
        made, packed = group.create_group(name), scipy.sparse.csc_matrix(value)
        made.attrs["MATLAB_class"], made.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(value.shape[0])
        for field, held in (("data", packed.data), ("ir", packed.indices), ("jc", packed.indptr)):
            made[field] = held
    elif isinstance(value, str | list):
        rows = [value] if isinstance(value, str) else value
        units = np.array([list(row.encode("utf-16-le")[::2]) for row in rows], dtype="u2").reshape(len(rows), -1)
        if units.size:
            dataset(units.T, "char", MATLAB_int_decode=np.int32(2))
        else:
            dataset(np.array([0, 0], dtype="u8"), "char", MATLAB_empty=np.uint8(1))
    elif value.dtype == object:
        dataset(references(value.ravel(order="F"), value.shape), "cell")
    elif not value.size:
        dataset(np.array(value.shape, dtype="u8"), "double", MATLAB_empty=np.uint8(1))
    elif value.dtype == bool:
        dataset(value.T.astype("u1"), "logical", MATLAB_int_decode=np.int32(1))
    elif value.dtype.kind == "c":
        pairs = np.empty(value.T.shape, dtype=[("real", "f8"), ("imag", "f8")])
        pairs["real"], pairs["imag"] = value.T.real, value.T.imag
        dataset(pairs, "double")
    else:
        dataset(value.T, {"float64": "double", "float32": "single"}.get(value.dtype.name, value.dtype.name))


@pytest.fixture(params=["-v6", "-v7", "-v7.3"])
def saved(request, path):
    """All variables, as each version of MATLAB saves them."""
    if request.param == "-v7.3":
        write_73(path, VARIABLES)
    else:
        prepared = {name: for_scipy(name, value) for name, value in VARIABLES.items()}
        scipy.io.savemat(path, prepared, do_compression=request.param == "-v7")
    return path


def test_every_version_gives_the_same_plain_values(saved):
    assert_same(read_mat(saved, REFUSED), VARIABLES)


def test_only_what_is_asked_for_is_read(saved):
    assert list(read_mat(saved, REFUSED, ["label"])) == ["label"]
    refused = refusal(saved, ["label", "spikes"])
    assert refused.found.startswith("no spikes; there are ")
    assert "traces" in refused.found


def test_variables_are_listed_unread(saved):
    there = variables_in(saved, REFUSED)
    assert there.keys() == VARIABLES.keys()
    assert there["traces"] == ((2, 3), "double")
    assert there["movie"] == ((2, 3, 4), "single")
    assert there["none"] == ((0, 3), "double")
    assert there["accepted"] == ((1, 2), "logical")
    assert there["label"][1] == "char"
    assert there["cells"] == ((1, 3), "cell")
    assert there["one"] == ((1, 1), "struct")
    assert there["trials"] == ((1, 2), "struct")
    assert there["map"][0] == (3, 2)


def test_a_file_of_version_4_comes_back(path):
    wave = {"traces": VARIABLES["traces"], "wave": VARIABLES["wave"], "label": np.array(["ab", "cd"]), "one": "x"}
    scipy.io.savemat(path, wave, format="4")
    assert_same(read_mat(path, REFUSED), {**wave, "label": ["ab", "cd"]})
    assert variables_in(path, REFUSED)["label"] == ((2, 2), "char")
    assert list(read_mat(path, REFUSED, ["wave"])) == ["wave"]
    content = path.read_bytes()
    for end in (*range(1, 40), len(content) - 1):
        path.write_bytes(content[:end])
        assert refusal(path)
    scipy.io.savemat(path, {"map": scipy.sparse.csc_matrix(np.eye(2))}, format="4")
    assert read_mat(path, REFUSED) == {}
    assert refusal(path, ["map"]).found == "a sparse matrix of version 4"


def written_by_matlab() -> list[Path]:
    # Not those that SciPy keeps to see itself refuse; of functions and objects SciPy gives their insides.
    odd = ("bad_", "broken", "corrupt", "debig", "malform", "nasty", "func", "sqr", "parabola", "testobject", "hdf5")
    return [one for one in sorted(BY_MATLAB.glob("*.mat")) if not any(word in one.name for word in odd)]


@pytest.mark.skipif(not BY_MATLAB.exists(), reason="this SciPy comes without MATLAB's files")
@pytest.mark.parametrize("by_matlab", written_by_matlab(), ids=lambda one: one.stem)
def test_what_matlab_wrote_comes_back_as_scipy_reads_it(by_matlab):
    theirs = scipy.io.loadmat(by_matlab)
    if by_matlab.name == "test_empty_struct.mat":
        expected = {"a": {}}
    elif "4.2c" in by_matlab.name and "sparse" in by_matlab.name:
        expected = {}
    else:
        expected = {name: as_plain(value) for name, value in theirs.items() if not name.startswith("__")}
    # SciPy gives whole numbers their stored type, we MATLAB's.
    assert_same(read_mat(by_matlab, REFUSED), expected, strict=False)


@pytest.mark.skipif(not BY_MATLAB.exists(), reason="this SciPy comes without MATLAB's files")
def test_functions_and_objects_are_passed_over_or_refused(path):
    for name, variable, matlab_class in (
        ("testfunc_7.4_GLNX86", "testfunc", "function_handle"),
        ("testobject_7.4_GLNX86", "testobject", "object"),
    ):
        by_matlab = BY_MATLAB / f"{name}.mat"
        assert read_mat(by_matlab, REFUSED) == {}
        assert variables_in(by_matlab, REFUSED)[variable][1] == matlab_class
        refused = refusal(by_matlab, [variable])
        assert (refused.field, refused.found) == (variable, f"a {matlab_class}")


def test_real_files_come_back_as_scipy_reads_them():
    if not RECORDINGS.exists():
        pytest.skip("shared/recordings is not here")
    found = [*(RECORDINGS / "treadmill_2p").glob("*.mat"), *(RECORDINGS / "spike_inference").glob("**/*cell1*.mat")]
    assert len(found) > 8
    for one in found:
        theirs = scipy.io.loadmat(one, mat_dtype=True)
        assert_same(
            read_mat(one, REFUSED), {name: as_plain(held) for name, held in theirs.items() if not name.startswith("__")}
        )
        assert variables_in(one, REFUSED) == {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(one)}


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(number: int, shape: tuple[int, ...], *parts: bytes, name: bytes = b"", flags: int = 0) -> bytes:
    about = element(6, struct.pack("<II", number | flags, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, about + element(1, name) + b"".join(parts))


def mat5(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(elements)


CELL, STRUCT, CHAR, SPARSE, DOUBLE, INT8, FUNCTION, OPAQUE = 1, 2, 4, 5, 6, 8, 16, 17
ONE = element(9, struct.pack("<d", 1.0))
FIELD = element(5, struct.pack("<i", 4)) + element(1, b"name")


def test_the_file_that_the_attacks_below_bend_is_itself_sound(path):
    function = matrix(FUNCTION, (1, 1), matrix(DOUBLE, (1, 1), ONE))
    contents = matrix(DOUBLE, (1, 1), ONE), function
    path.write_bytes(
        mat5(matrix(CELL, (1, 2), *contents, name=b"a"), matrix(STRUCT, (1, 1), FIELD, function, name=b"s"))
    )
    held = read_mat(path, REFUSED)
    assert held["a"][0, 0] == 1.0
    assert held["a"][0, 1] == Unread("function_handle")
    assert held["s"] == {"name": Unread("function_handle")}


def deep(depth: int) -> bytes:
    head = element(6, struct.pack("<II", CELL, 0)) + element(5, struct.pack("<2i", 1, 1))
    parts, size = [matrix(DOUBLE, (1, 1), ONE)], len(matrix(DOUBLE, (1, 1), ONE))
    for place in range(depth):
        about = head + element(1, b"a" if place == depth - 1 else b"")
        parts.append(struct.pack("<II", 14, len(about) + size) + about)
        size += len(about) + 8
    return b"".join(reversed(parts))


@pytest.mark.parametrize(
    ("variable", "found"),
    [
        # SciPy's reader crashes on the second, and makes 8 GB of spaces of the fourth.
        (deep(40), "nested 33 deep"),
        (deep(100_000), "nested 33 deep"),
        (matrix(CELL, (2**31 - 1, 2**31 - 1), name=b"a"), "matrices in 0 bytes"),
        (matrix(CHAR, (1, 2**31 - 1), element(16, b""), name=b"a"), "0 characters for a char array"),
        (matrix(STRUCT, (2**31 - 1, 1), FIELD, name=b"a"), "matrices in 0 bytes"),
        (matrix(STRUCT, (2**31 - 1, 1), element(5, struct.pack("<i", 4)), element(1, b""), name=b"a"), "of 0 fields"),
        (matrix(STRUCT, (1, 1), element(5, struct.pack("<i", 0)), element(1, b"ab"), name=b"a"), "field names"),
        (matrix(STRUCT, (1, 1), element(5, struct.pack("<i", -4)), element(1, b"name"), name=b"a"), "field names"),
        (
            matrix(STRUCT, (1, 1), element(5, struct.pack("<i", 2)), element(1, b"a\0a\0"), name=b"a"),
            "1 of them different",
        ),
        (matrix(DOUBLE, (2**31 - 1, 2**31 - 1), ONE, name=b"a"), "1 values for shape"),
        (matrix(DOUBLE, (2, 1), ONE, name=b"a"), "1 values for shape (2, 1)"),
        (matrix(DOUBLE, (-1, 1), ONE, name=b"a"), "shape (-1, 1)"),
        (matrix(DOUBLE, (1,) * 40, ONE, name=b"a"), "shape (1, 1"),
        (matrix(DOUBLE, (1, 1), element(9, b"1234567"), name=b"a"), "ValueError"),
        (matrix(DOUBLE, (1, 1), element(14, ONE), name=b"a"), "numbers in an element of kind 14"),
        (matrix(DOUBLE, (1, 1), ONE, name=b"a", flags=0x800), "breaks off"),
        (matrix(DOUBLE, (1, 1), struct.pack("<II", 9, 2**32 - 1), name=b"a"), f"an element of {2**32 - 1} bytes"),
        (matrix(DOUBLE, (1, 1), struct.pack("<HHI", 9, 8, 0), name=b"a"), "a small element of 8 bytes"),
        (matrix(CHAR, (1, 2), element(16, b"\xff\xfe"), name=b"a"), "UnicodeDecodeError"),
        (matrix(CHAR, (1, 1), element(17, b"\x00\xd8"), name=b"a"), "UnicodeDecodeError"),
        (matrix(CHAR, (1, 1), element(9, bytes(8)), name=b"a"), "text in an element of kind 9"),
        (matrix(CELL, (1, 1), ONE, name=b"a"), "an element of kind 9 in place of 14"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_variables_that_lie_are_refused(path, variable, found, packed):
    path.write_bytes(
        mat5(struct.pack("<II", 15, len(zlib.compress(variable))) + zlib.compress(variable) if packed else variable)
    )
    assert found in refusal(path).found


def sparse(shape, rows, columns, values) -> bytes:
    parts = [element(5, struct.pack(f"<{len(one)}i", *one)) for one in (rows, columns)]
    return matrix(SPARSE, shape, *parts, element(9, struct.pack(f"<{len(values)}d", *values)), name=b"a")


@pytest.mark.parametrize(
    ("shape", "rows", "columns", "values", "found"),
    [
        ((2, 2), (5, 0), (0, 1, 2), (1, 2), "outside its rows"),
        ((2, 2), (-1, 0), (0, 1, 2), (1, 2), "outside its rows"),
        ((2, 2), (0,), (0, 1, 2), (1, 2), "outside its rows"),
        ((2, 2), (0, 1), (0, 2, 1), (1, 2), "don't begin"),
        ((2, 2), (0, 1), (0, 1), (1, 2), "don't begin"),
        ((2, 2), (0, 1), (1, 1, 2), (1, 2), "don't begin"),
        ((2, 2), (0, 1), (0, 1, 99), (1, 2), "don't begin"),
        ((2, 2), (), (), (), "with 0 columns"),
        ((2**31 - 1, 2), (0, 1), (0, 1, 2), (1, 2), "bytes in full"),
    ],
)
def test_sparse_matrices_with_bent_indices_are_refused(path, shape, rows, columns, values, found):
    path.write_bytes(mat5(sparse((2, 2), (1, 0), (0, 1, 2), (1, 2))))
    np.testing.assert_array_equal(read_mat(path, REFUSED)["a"], [[0, 2], [1, 0]])
    path.write_bytes(mat5(sparse(shape, rows, columns, values)))
    assert found in refusal(path).found


def zeros(count: int, name: bytes) -> bytes:
    packed = zlib.compress(matrix(INT8, (1, count), element(1, bytes(count)), name=name))
    return struct.pack("<II", 15, len(packed)) + packed


def test_bombs_are_refused(path):
    path.write_bytes(mat5(zeros(2**20, b"a")))
    assert read_mat(path, REFUSED)["a"].shape == (1, 2**20)
    path.write_bytes(mat5(zeros(65 * 2**20, b"a"), zeros(10, b"b")))
    refused = refusal(path)
    assert refused.field == "a"
    assert "bytes declared" in refused.found
    assert list(read_mat(path, REFUSED, ["b"])) == ["b"]
    path.write_bytes(mat5(*(zeros(2**24, b"a%d" % number) for number in range(5))))
    assert refusal(path).field == "variables up to a3"


def test_more_values_than_memory_are_refused(path, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.matlab_values.MOST_PARTS", 100)
    path.write_bytes(mat5(matrix(CELL, (1, 200), *[struct.pack("<II", 14, 0)] * 200, name=b"a")))
    assert refusal(path).found == "101 values, nested 1 deep"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"neurons,frames\n1,2\n", "first bytes"),
        (mat5()[:100], "first bytes"),
        (mat5(b"\x0e"), "an element of kind"),
        (mat5(struct.pack("<II", 14, 500), bytes(10)), "an element of kind 14 and 500 bytes at byte 128 of 146"),
        (mat5(struct.pack("<II", 15, 2**32 - 1), b"x"), "an element of kind 15"),
        (mat5(struct.pack("<II", 99, 0)), "an element of kind 99"),
        (mat5(struct.pack("<II", 14, 0)), "breaks off"),
        (mat5(struct.pack("<II", 15, 8), b"not zlib"), "error"),
        (
            mat5(matrix(DOUBLE, (1, 1), ONE, name=b"a"), matrix(DOUBLE, (1, 1), ONE, name=b"a")),
            "two variables of that name",
        ),
    ],
)
def test_files_that_are_no_whole_matlab_are_refused(path, content, found):
    path.write_bytes(content)
    assert found in refusal(path).found
    assert found in refusal(path, read=variables_in).found


def test_a_torn_file_is_refused_wherever_it_breaks_off(path):
    scipy.io.savemat(path, {"a": np.arange(9.0), "b": "text"}, do_compression=True)
    content, whole = path.read_bytes(), len(path.read_bytes())
    scipy.io.savemat(path, {"a": np.arange(9.0)}, do_compression=True)
    between = len(path.read_bytes())
    for end in sorted({*range(0, whole)} - {128, between}):
        path.write_bytes(content[:end])
        assert refusal(path)


def test_a_packed_variable_that_is_not_whole_is_refused(path):
    variable = matrix(DOUBLE, (1, 100), element(9, bytes(800)), name=b"a")
    packed = zlib.compress(variable)
    path.write_bytes(mat5(struct.pack("<II", 15, len(packed) - 4) + packed[:-4]))
    assert "breaks off" in refusal(path).found


@pytest.mark.parametrize("version", ["5", "4"])
def test_a_changed_file_is_read_or_refused(path, version):
    rng = random.Random(0)
    stored = io.BytesIO()
    held = {"a": np.arange(9.0), "b": "text"}
    scipy.io.savemat(stored, held if version == "4" else {**held, "c": cell("x", {"y": 1})}, format=version)
    for _ in range(500):
        changed = bytearray(stored.getvalue())
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            read_mat(path, REFUSED)
        except Refused:
            continue


def write_hdf5(path: Path, fill) -> None:
    with h5py.File(path, "w") as file:
        fill(file)


def referring(file, name: str, *targets) -> None:
    made = file.create_dataset(name, data=np.array([one.ref for one in targets], dtype=h5py.ref_dtype))
    made.attrs["MATLAB_class"] = np.bytes_("cell")


def test_cells_that_hold_themselves_are_refused(path):
    def fill(file):
        made = file.create_dataset("a", (2, 1), dtype=h5py.ref_dtype)
        made.attrs["MATLAB_class"] = np.bytes_("cell")
        made[:, 0] = made.ref

    write_hdf5(path, fill)
    assert "nested 33 deep" in refusal(path).found


def test_one_thing_pointed_at_many_times_is_refused(path):
    def fill(file):
        large = file.create_dataset("#refs#/large", data=np.zeros((1, 2**20)), compression="gzip")
        large.attrs["MATLAB_class"] = np.bytes_("double")
        referring(file, "a", *[large] * 100)

    write_hdf5(path, fill)
    assert "bytes declared" in refusal(path).found


def test_a_billion_laughs_are_refused(path, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.matlab_values.MOST_PARTS", 500)

    def fill(file):
        referring(file, "#refs#/r0")
        for place in range(1, 20):
            referring(file, f"#refs#/r{place}", *[file[f"#refs#/r{place - 1}"]] * 2)
        referring(file, "a", file["#refs#/r19"])

    write_hdf5(path, fill)
    assert "values, nested" in refusal(path).found


def with_class(file, name: str, matlab_class: str, values, **attributes) -> None:
    made = file.create_dataset(name, data=values)
    for key, held in {"MATLAB_class": np.bytes_(matlab_class), **attributes}.items():
        made.attrs[key] = held


@pytest.mark.parametrize(
    ("fill", "found"),
    [
        (lambda file: with_class(file, "a", "char", np.arange(3.0)), "text of float64"),
        (lambda file: with_class(file, "a", "char", np.array([[0xD800]], dtype="u2")), "UnicodeDecodeError"),
        (lambda file: with_class(file, "a", "double", np.array([b"x"])), "|S1 values of class double"),
        (lambda file: with_class(file, "a", "cell", np.arange(3)), "a cell of int64"),
        (
            lambda file: file.create_dataset("a", (2,), h5py.ref_dtype).attrs.create("MATLAB_class", b"cell"),
            "ValueError",
        ),
        (lambda file: with_class(file, "a", "struct", np.arange(3)), "neither fields nor empty"),
        (lambda file: with_class(file, "a", "struct", np.array([2**40, 1]), MATLAB_empty=1), "values, nested"),
        (lambda file: with_class(file, "a", "cell", np.array([2**40, 1]), MATLAB_empty=1), "nothing, of shape"),
        (lambda file: with_class(file, "a", "double", np.array([-1, 0]), MATLAB_empty=1), "shape (-1, 0)"),
        (lambda file: with_class(file, "a", "double", np.array([2**30, 1]), MATLAB_empty=1), "nothing, of shape"),
        (lambda file: file.__setitem__("a", h5py.SoftLink("/nowhere")), "KeyError"),
        (lambda file: file.__setitem__("a", h5py.ExternalLink("other.mat", "/a")), "a link into another file"),
    ],
)
def test_version_7_3_that_lies_is_refused(path, fill, found):
    write_hdf5(path, fill)
    assert found in refusal(path).found


def test_objects_of_version_7_3_are_passed_over_or_refused(path):
    def fill(file):
        with_class(file, "t", "table", np.zeros((1, 6), dtype="u4"), MATLAB_object_decode=np.int32(3))
        with_class(file, "f", "function_handle", np.zeros((1, 1)))
        file["plain"] = np.arange(3)
        with_class(file, "a", "double", np.eye(2))

    write_hdf5(path, fill)
    assert list(read_mat(path, REFUSED)) == ["a"]
    assert refusal(path, ["t"]).found == "a table"
    assert refusal(path, ["f"]).found == "a function_handle"
    assert refusal(path, ["plain"]).found == "a value without a MATLAB class"
    assert set(variables_in(path, REFUSED)) == {"a", "f", "plain", "t"}


def test_a_torn_file_of_version_7_3_is_refused(path):
    write_73(path, VARIABLES)
    content = path.read_bytes()
    for end in (600, 2000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        assert refusal(path)
        assert refusal(path, read=variables_in)
