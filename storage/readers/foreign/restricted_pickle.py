"""Pickles of arrays, numbers, text, lists and dicts; whatever else a pickle asks for is refused, and never run.

``pickle.Unpickler`` with a ``find_class`` that admits only NumPy would not do. A memo index of four bytes makes it
allocate 64 GiB, a deep tuple as a key overflows the C stack, and NumPy's own ``__setstate__`` takes hostile states.
So this is its Python form with fewer opcodes, and nothing that a pickle names is ever called: ``pickled_numpy`` has a
stand-in for each name.
"""

import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from storage.readers.foreign.declared_sizes import shown
from storage.readers.foreign.pickled_numpy import STAND_INS, Forbidden, Named, Unfinished
from storage.readers.recording import Refusal, Refused

MOST_BYTES = 2**30
MOST_OPCODES = 10_000_000
MOST_NODES = 10_000_000
DEEPEST = 64
EXPECTED = "a pickle of arrays, numbers, text, lists and dicts"

_ADMITTED = frozenset(
    """PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT
    BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT
    SETITEM SETITEMS GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD""".split()  # noqa: SIM905
)
_LEAVES = frozenset({type(None), bool, float, complex, bytes, np.dtype})


def load_plain(stream: BinaryIO, refused: Refusal, *, field: str = "pickle", most_bytes: int = MOST_BYTES) -> Any:
    """The value that the stream's pickle holds, its arrays read-only; bytes after the pickle stay unread.

    Given back are None, bool, int (64 bits), float, complex, str, bytes, list, tuple, dict, ndarray, NumPy scalars and
    dtypes, and no others: an OrderedDict comes as a dict, a bytearray as bytes, a path as its text. Raises what
    ``refused`` makes for all else, and for a value that holds itself, is nested deeper than 64, has over 10 million
    parts as one walks it, or needs more opcodes than that.
    """
    try:
        content = stream.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise Forbidden(f"more than {most_bytes} bytes")
        value = _PlainUnpickler(content).load()
        _require_plain(value)
    except Refused:
        raise
    except Forbidden as forbidden:
        raise refused(field=field, found=str(forbidden), expected=EXPECTED) from forbidden
    except Exception as error:
        raise refused(field=field, found=shown(error), expected=EXPECTED) from error
    return value


class _Opcodes:
    """The admitted opcodes, as the unpickler looks them up, each look-up counted."""

    def __init__(self) -> None:
        self._left = MOST_OPCODES

    def __getitem__(self, opcode: int) -> Callable:
        self._left -= 1
        if self._left < 0:
            raise Forbidden(f"more than {MOST_OPCODES} opcodes")
        try:
            return _STEPS[opcode]
        except KeyError:
            raise Forbidden(f"opcode {bytes([opcode])!r}") from None


class _PlainUnpickler(pickle._Unpickler):
    def __init__(self, content: bytes) -> None:
        # Latin-1 keeps the bytes of what Python 2 wrote. Names are looked up as they stand in the file.
        super().__init__(BytesIO(content), fix_imports=False, encoding="latin1")
        self.dispatch = _Opcodes()
        self._encoded_left = len(content)

    def find_class(self, module: str, name: str) -> Named:
        if (stand_in := STAND_INS.get((module, name))) is None:
            raise Forbidden(f"{module}.{name}"[:200])
        return Named(*stand_in)

    def load_reduce(self) -> None:
        arguments, named = self.stack.pop(), self.stack.pop()
        if type(named) is not Named or type(arguments) is not tuple:
            raise Forbidden(f"a call of {type(named).__name__}")
        # Encoding copies. What is encoded again and again would grow without the file growing.
        self._encoded_left -= sum(len(one) for one in arguments if type(one) is str)
        if self._encoded_left < 0:
            raise Forbidden("text that is encoded more than once")
        self.append(named.of(*arguments))

    def load_build(self) -> None:
        state, begun = self.stack.pop(), self.stack[-1]
        if not isinstance(begun, Unfinished):
            raise Forbidden(f"a state for {type(begun).__name__}")
        begun.finish(state)
        self.stack[-1] = begun.finished

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(self.read(size))

    def load_dict(self) -> None:
        self._fill({}, self.pop_mark(), append=True)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._fill(self.stack[-1], items)

    def _fill(self, into: dict, items: list, append: bool = False) -> None:
        if type(into) is not dict or len(items) % 2:
            raise Forbidden(f"{len(items)} keys and values for {type(into).__name__}")
        for key in items[::2]:
            # Only what hashes without recursion, and can't be chosen so that all keys collide.
            if not (type(key) in (str, bytes, float, bool, type(None)) or (type(key) is int and abs(key) < 2**63)):
                raise Forbidden(f"a key of type {type(key).__name__}")
        into.update(zip(items[::2], items[1::2], strict=True))
        if append:
            self.append(into)

    def _remember_finished(self) -> None:
        # What NumPy finishes stands in the memo since before it was finished.
        if isinstance(self.stack[-1], Unfinished):
            self.stack[-1] = self.stack[-1].finished

    def load_get(self) -> None:
        super().load_get()
        self._remember_finished()

    def load_binget(self) -> None:
        super().load_binget()
        self._remember_finished()

    def load_long_binget(self) -> None:
        super().load_long_binget()
        self._remember_finished()


_STEPS = {
    opcode: getattr(_PlainUnpickler, step.__name__)
    for opcode, step in pickle._Unpickler.dispatch.items()
    if opcode in {getattr(pickle, name)[0] for name in _ADMITTED}
}


def _require_plain(value: Any) -> None:
    """Raises Forbidden unless a walk over the value ends soon and meets plain things alone.

    A part that is shared is looked at once, and counted as often as a walk would meet it.
    """
    measured: dict[int, tuple[int, int]] = {}  # id: nodes, depth
    open_now: set[int] = set()
    stack: list[tuple[Any, bool]] = [(value, False)]
    while stack:
        node, met = stack.pop()
        kind = type(node)
        if id(node) in measured or _is_leaf(node, kind):
            continue
        children = _children(node, kind)
        if not met:
            if id(node) in open_now:
                raise Forbidden(f"a {kind.__name__} that holds itself")
            open_now.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in children)
            continue
        sizes = [measured.get(id(child), (1, 0)) for child in children]
        nodes = 1 + sum(size for size, _ in sizes)
        depth = 1 + max((deep for _, deep in sizes), default=0)
        if nodes > MOST_NODES or depth > DEEPEST:
            raise Forbidden(f"a {kind.__name__} of {nodes} parts, nested {depth} deep")
        measured[id(node)] = nodes, depth
        open_now.discard(id(node))


def _is_leaf(node: Any, kind: type) -> bool:
    if kind is str:
        if not node.isascii() and any("\ud800" <= one <= "\udfff" for one in node):
            raise Forbidden("text that is no Unicode")
        return True
    if kind is int:
        if not -(2**63) <= node < 2**64:
            raise Forbidden(f"a whole number of {node.bit_length()} bits")
        return True
    if kind is np.ndarray:
        return not node.dtype.hasobject
    return kind in _LEAVES or isinstance(node, (np.generic, np.dtype))


def _children(node: Any, kind: type) -> Any:
    if kind in (list, tuple):
        return node
    if kind is dict:
        return list(node.values())
    if kind is np.ndarray:
        return node.ravel().tolist()
    raise Forbidden(f"an unfinished or unknown {kind.__name__}")
