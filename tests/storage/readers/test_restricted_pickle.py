"""Plain pickles come back as they were; what would run code, fill memory or never end is refused, and doesn't run."""

import io
import pickle
import random
import struct
from collections import OrderedDict
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from storage.readers.foreign.restricted_pickle import load_plain
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/stat.npy")
STAT = Path(__file__).resolve().parents[3].parent / "shared" / "recordings" / "suite2p" / "stat.npy"


def loaded(content: bytes, **options):
    return load_plain(io.BytesIO(content), REFUSED, **options)


def refusal(content: bytes, **options) -> Refused:
    with pytest.raises(Refused) as caught:
        loaded(content, **options)
    assert caught.value.expected.startswith("a pickle of arrays")
    return caught.value


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert one.shape == other.shape
        assert_same(one.ravel().tolist(), other.ravel().tolist())
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


PLAIN = [
    *(None, True, 3, -(2**40), 2**63, 1.5, float("inf"), 1 + 2j, "text", "é𝔸", b"", b"\x00\xff"),
    *([], {}, (), [1, [2, (3,)]], (1, 2, 3, 4), {"a": 1, 2: None, b"k": "x", None: 0.5}),
    *(np.float64(1.5), np.float32(2), np.int64(-3), np.bool_(True), np.str_("cell"), np.complex64(1j), np.float16(2)),
    *(np.arange(5), np.arange(6.0).reshape(2, 3), np.zeros((2, 3), order="F"), np.zeros((0, 3)), np.array(3.0)),
    np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    np.arange(3, dtype=">i4"),
    np.array([True, False]),
    np.array(["ab", "é"]),
    np.array([b"ab", b"c"]),
    np.array(["2026-11-21", "NaT"], dtype="M8[ms]"),
    np.timedelta64(3, "s"),
    np.array([(1, 2.0, [3, 4])], dtype=[("row", "i4"), ("lam", "f8"), ("at", "f4", (2,))]),
    np.array([{"ypix": np.arange(3), "med": [1, 2]}, None, "x", 1.5], dtype=object),
    np.array([[1, None], [None, 2]], dtype=object),
    np.dtype("f4"),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(value, protocol):
    assert_same(loaded(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_shared_stays_shared(protocol):
    array = np.arange(3)
    first, second = loaded(pickle.dumps([array, array], protocol))
    assert first is second


def test_settings_come_as_text():
    made = {"at": datetime(2026, 11, 21, 7, 12), "where": PurePosixPath("/data/mouse"), "ops": OrderedDict(fs=30)}
    assert loaded(pickle.dumps(made)) == {"at": "2026-11-21T07:12:00", "where": "/data/mouse", "ops": {"fs": 30}}


def test_an_array_of_python_2_comes_back():
    values = np.array([1.5, -2.0, 200.25])
    content = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\ntcnumpy\ndtype\n(S'f8'\nI0\n"
        b"I1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nU\x18" + values.tobytes() + b"tb."
    )
    assert_same(loaded(content), values)


def test_a_real_suite2p_file_comes_back_as_numpy_reads_it():
    if not STAT.exists():
        pytest.skip("shared/recordings is not here")
    with open(STAT, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        stat = load_plain(file, REFUSED)
    assert stat.shape == (219,)
    assert_same(stat, np.load(STAT, allow_pickle=True))


def called(module: str, name: str, arguments: bytes) -> bytes:
    """A pickle that calls what is so named, in the words of protocol 0."""
    return b"c%s\n%s\n(%stR." % (module.encode(), name.encode(), arguments)


def text(value: str) -> bytes:
    return b"V" + value.encode() + b"\n"


def test_the_shell_is_called_by_pickle_and_not_by_us(tmp_path):
    marker = tmp_path / "ran"
    content = called("os", "system", text(f"touch {marker}"))
    pickle.loads(content)
    assert marker.exists()
    marker.unlink()
    assert refusal(content).found == "os.system"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("pty", "spawn")),
        *(("builtins", name) for name in ("eval", "exec", "compile", "__import__", "getattr", "open", "print", "type")),
        *(("__builtin__", "eval"), ("builtins", "list"), ("builtins", "map"), ("builtins", "object")),
        *(("functools", "partial"), ("operator", "attrgetter"), ("importlib", "import_module"), ("pickle", "loads")),
        *(("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy", "ufunc"), ("numpy", "array")),
        *(("numpy.testing._private.utils", "runstring"), ("numpy.f2py.crackfortran", "getlincoef")),
        *(("numpy.f2py.diagnose", "run_command"), ("numpy.core", "_ufunc_reconstruct"), ("numpy.core", "multiarray")),
        *(
            ("numpy.core.multiarray", "fromfile"),
            ("numpy.core._internal", "_ctypes"),
            ("numpy.ma.core", "_mareconstruct"),
        ),
        *(("numpy", "core.multiarray.scalar"), ("numpy", "ndarray.tofile"), ("numpy.dtypes", "StringDType")),
        *(("_codecs", "decode"), ("codecs", "encode"), ("copyreg", "_reconstructor"), ("scipy.sparse", "csc_matrix")),
        *(
            ("storage.readers.foreign.pickled_numpy", "Named"),
            ("storage.readers.foreign.restricted_pickle", "STAND_INS"),
        ),
        *(("pandas.core.frame", "DataFrame"), ("torch._utils", "_rebuild_tensor_v2"), ("datetime", "timezone")),
    ],
)
@pytest.mark.parametrize("by_stack", [False, True])
def test_no_other_name_is_looked_up(tmp_path, module, name, by_stack):
    marker = tmp_path / "ran"
    argument = text(f"__import__('pathlib').Path({str(marker)!r}).touch()")
    content = called(module, name, argument)
    if by_stack:
        content = b"\x80\x04" + text(module) + text(name) + b"\x93(" + argument + b"tR."
    assert refusal(content).found == f"{module}.{name}"
    assert not marker.exists()


def test_a_name_that_is_only_mentioned_is_refused_too():
    assert refusal(b"cos\nsystem\n.").found == "os.system"
    assert "Named" in refusal(b"cnumpy\nndarray\n.").found


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(Vx\nios\nsystem\n.",  # INST
        b"(cnumpy\nndarray\no.",  # OBJ
        b"cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"cnumpy\nndarray\n)}\x92.",  # NEWOBJ_EX
        *(b"\x82\x01.", b"\x83\x01\x00.", b"\x84\x01\x00\x00\x00."),  # EXT1, EXT2, EXT4
        *(b"Pfile:///etc/passwd\n.", b"Vx\nQ."),  # PERSID, BINPERSID
        *(b"\x97.", b"Cx\x98."),  # NEXT_BUFFER, READONLY_BUFFER
        *(b"\x8f.", b"(K\x01\x91."),  # EMPTY_SET, FROZENSET
        *(b"\xff.", b"\x00.", b"", b"K", b"."),
    ],
)
def test_other_opcodes_are_refused(opcodes):
    assert refusal(opcodes)


NUMPY = b"cnumpy.core.multiarray\n%s\n"
RECONSTRUCT, SCALAR = NUMPY % b"_reconstruct", NUMPY % b"scalar"
ARRAY = RECONSTRUCT + b"(cnumpy\nndarray\n(K\x00tC\x01btR"
DTYPE = b"cnumpy\ndtype\n(V%s\n\x89\x88tR(K\x03V%s\nNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
FLOAT, OBJECT = DTYPE % (b"f8", b"<"), DTYPE % (b"O8", b"|")


def array(shape: bytes, dtype: bytes, stored: bytes) -> bytes:
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + stored + b"tb."


def test_the_array_that_the_attacks_below_bend_is_itself_sound():
    assert_same(loaded(array(b"(K\x01t", FLOAT, b"C\x08" + struct.pack("<d", 2.5))), np.array([2.5]))
    assert loaded(array(b"(K\x02t", OBJECT, b"(NK\x07l")).tolist() == [None, 7]


EIGHT = b"C\x08" + bytes(8)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (RECONSTRUCT + b"(cos\nsystem\n(K\x00tC\x01btR.", "os.system"),
        (RECONSTRUCT + b"(cnumpy\ndtype\n(K\x00tC\x01btR.", "making of dtype"),
        (RECONSTRUCT + b"(cnumpy\nndarray\n(J\xff\xff\xff\x7ftC\x01btR.", "making of ndarray"),
        (RECONSTRUCT + b"(Nnumpy\n(K\x00tC\x01btR.", ""),
        (ARRAY + b".", "unfinished"),
        (ARRAY + b"q\x000h\x00.", "before it is finished"),
        (b"cnumpy\nndarray\n(K\x02tR.", "call of ndarray"),
        (array(b"(K\x02t", FLOAT, EIGHT), "8 bytes for a float64 array of shape (2,)"),
        (array(b"(I1152921504606846976\nI1024\nt", FLOAT, EIGHT), "8 bytes for a float64 array"),
        (array(b"(J\xff\xff\xff\xfft", FLOAT, EIGHT), "shape (-1,)"),
        (array(b"(G" + bytes(8) + b"t", FLOAT, EIGHT), "shape (0.0,)"),
        (array(b"(" + b"K\x01" * 40 + b"t", FLOAT, EIGHT), "shape (1, 1"),
        (array(b"(K\x01t", OBJECT, EIGHT), "8 bytes for a object array"),
        (array(b"(K\x02t", OBJECT, b"(Nl"), "1 objects for a object array of shape (2,)"),
        (array(b"(K\x01t", FLOAT, b"(Nl"), "1 objects for a float64"),
        (array(b"(K\x01t", b"Vf8\n", EIGHT), "dtype of type str"),
        (array(b"(K\x01t", b"cnumpy\ndtype\n(Vf8\n\x89\x88tR", EIGHT), "dtype of type Unfinished"),
        (array(b"(K\x00t", DTYPE % (b"V0", b"|"), b"C\x00"), "0 bytes for a"),
        (DTYPE % (b"O", b"|") + b".", "dtype 'O'"),
        (DTYPE % (b"f8,O", b"|") + b".", "dtype 'f8,O'"),
        (DTYPE % (b"(9999999)f8", b"|") + b".", "dtype '(9999999)f8'"),
        (DTYPE % (b"S99999999", b"|") + b".", "dtype 'S99999999'"),
        (DTYPE % (b"f8", b"~") + b".", "byte order '~'"),
        (FLOAT + b"(K\x03V>\nNNNK\x08K\x08K\x00tb.", "a state for Float64DType"),
        (SCALAR + b"(" + OBJECT + EIGHT + b"tR.", "8 bytes for a object array"),
        (SCALAR + b"(" + OBJECT + b"NtR.", "NoneType"),
        (SCALAR + b"(" + FLOAT + b"C\x04abcdtR.", "4 bytes for a float64"),
        (b"c_codecs\nencode\n(Vx\nVzlib_codec\ntR.", "codec 'zlib_codec'"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "codec 'rot13'"),
        (b"c_codecs\nencode\n(cos\nsystem\nVlatin1\ntR.", "os.system"),
        (b"cbuiltins\nbytearray\n(I1000000000000\ntR.", "stored as int"),
        (b"cbuiltins\nbytes\n(I1000000000000\ntR.", "stored as int"),
        (b"cbuiltins\ncomplex\n(V1\nV2\ntR.", "complex"),
        (b"}(V__class__\ncos\nsystem\nub.", "os.system"),
        (b"}}(Vx\nK\x01ub.", "a state for dict"),
        (b"cnumpy\nndarray\n}(V__setstate__\nNub.", "a state for Named"),
        (b"]K\x01tR.", ""),
        (b"Vname\n)R.", "a call of str"),
        (b"cnumpy\nndarray\nK\x01R.", "a call of Named"),
        (b"V\\ud800\n.", "no Unicode"),
        (b"\x8a\x09" + b"\x01" * 9 + b".", "of 65 bits"),
        (b"I" + b"9" * 5000 + b"\n.", "ValueError"),
        (b"}(K\x01u.", "1 keys and values for dict"),
        (b"](K\x01K\x02u.", "keys and values for list"),
    ],
)
def test_bent_numpy_is_refused(content, found):
    assert found in refusal(content).found


def test_a_structured_dtype_may_not_hide_objects():
    content = pickle.dumps(np.zeros(2, dtype=[("a", "f8"), ("b", "O")]))
    assert refusal(content)


@pytest.mark.parametrize(
    "content",
    [
        *(b"\x8e" + struct.pack("<Q", 2**60), b"\x96" + struct.pack("<Q", 2**50), b"\x8d" + struct.pack("<Q", 2**60)),
        *(b"\x95" + struct.pack("<Q", 2**60), b"\x8b\xff\xff\xff\x7f", b"B\xff\xff\xff\xff", b"X\xff\xff\xff\xff"),
    ],
)
def test_bytes_that_are_declared_and_not_there_take_no_memory(content):
    assert refusal(content + b"x.")


def test_a_memo_of_four_billion_places_takes_no_memory():
    # pickle's own C unpickler makes a table of 64 GiB of this.
    assert loaded(b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.") is None


def test_a_deep_key_is_refused_and_not_hashed():
    # Hashing it would overflow the C stack.
    assert refusal(b"}K\x01" + b"\x85" * 200_000 + b"K\x01s.").found == "a key of type tuple"


def test_keys_are_text_bytes_and_numbers_of_64_bits():
    assert refusal(b"}I99999999999999999999\nK\x01s.").found == "a key of type int"
    assert refusal(b"(I99999999999999999999\nK\x01d.").found == "a key of type int"


def test_what_is_nested_deeply_is_refused():
    assert "nested 65 deep" in refusal(pickle.dumps(nested(65))).found
    assert loaded(pickle.dumps(nested(64))) == nested(64)
    assert "deep" in refusal(b"]" * 100_000 + b"a" * 99_999 + b".").found


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"]q\x00h\x00a.", "list"), (b"}q\x00Vme\nh\x00s.", "dict"), (b"]q\x00(h\x00ta.", "list")],
)
def test_what_holds_itself_is_refused(content, kind):
    assert refusal(content).found == f"a {kind} that holds itself"


def test_an_array_that_holds_itself_is_refused():
    content = ARRAY + b"q\x00(K\x01(K\x01t" + OBJECT + b"\x89(h\x00ltb."
    assert "before it is finished" in refusal(content).found


def test_a_billion_laughs_are_refused():
    doubled = b"".join(b"]q%c(h%ch%ce" % (place, place - 1, place - 1) for place in range(1, 40))
    assert "parts" in refusal(b"](NNNNeq\x00" + doubled + b".").found


def test_a_part_that_is_shared_a_hundred_times_is_kept():
    shared = list(range(100))
    assert loaded(pickle.dumps([shared] * 100)) == [shared] * 100


def test_what_is_encoded_again_and_again_is_refused():
    content = text("x" * 10_000) + b"q\x00" + b"0c_codecs\nencode\n(h\x00Vlatin1\ntR" * 20 + b"."
    assert refusal(content).found == "text that is encoded more than once"


def test_arrays_share_the_bytes_they_are_made_of():
    many = b"".join(ARRAY + b"(K\x01(M\x10\x27t" + DTYPE % (b"u1", b"|") + b"\x89h\x00tb" for _ in range(50))
    arrays = loaded(b"(B\x10\x27\x00\x00" + bytes(10_000) + b"q\x00" + many + b"l.")[1:]
    assert len(arrays) == 50
    assert len({one.__array_interface__["data"][0] for one in arrays}) == 1
    assert not any(one.flags.writeable for one in arrays)


def test_more_opcodes_or_bytes_than_any_recording_has_are_refused(monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.restricted_pickle.MOST_OPCODES", 1000)
    assert refusal(b"N0" * 1000 + b"N.").found == "more than 1000 opcodes"
    assert refusal(pickle.dumps(b"x" * 200), most_bytes=100).found == "more than 100 bytes"


def test_the_field_is_the_callers():
    assert refusal(b"cos\nsystem\n.", field="array A").field == "array A"


def test_a_torn_pickle_is_refused_wherever_it_breaks_off():
    content = pickle.dumps([{"med": np.arange(3), "lam": np.float32(1), "name": "a"}, (1, 2)])
    for end in range(len(content)):
        refusal(content[:end])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_changed_pickle_is_read_or_refused(protocol):
    rng = random.Random(protocol)
    value = [{"a": np.arange(5), "b": ["x", 1.5, None], "m": np.array([{"k": np.zeros(3)}], dtype=object)}, (1,)]
    content = pickle.dumps(value, protocol)
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            loaded(bytes(changed))
        except Refused:
            continue
