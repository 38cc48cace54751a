"""MATLAB's files of every version, as one plain form: what a variable is doesn't depend on how it was saved."""

from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from storage.readers.foreign import matlab4_files, matlab5_files, matlab73_files
from storage.readers.recording import Refusal

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HDF5_PLACES = (0, 512)
_VERSION_AT = 124


def read_mat(path: Path, refused: Refusal, names: Collection[str] | None = None) -> dict[str, Any]:
    """The file's variables by name, all that have a plain form or those of ``names``.

    Numbers and logicals come as ndarray of MATLAB's (rows, columns, ...), at least two axes; a char array as str, as a
    list of str where it has several rows; a cell as an object array of MATLAB's shape; a struct as dict, an array of
    them as a list of dicts down the columns; a sparse matrix in full. Functions, tables, strings and other objects
    have no plain form: inside another value they are ``Unread``, and asked for by name they are refused. Raises what
    ``refused`` makes for that, for names that aren't there, and for files that are torn, or larger inside than they
    can be.
    """
    version = _version(path, refused)
    if names is not None and (missing := sorted(set(names) - set(there := version.variables(path, refused)))):
        found = f"no {', '.join(missing)}; there are {', '.join(there)[:200] or 'none'}"
        raise refused(field="variables", found=found, expected=f"variables {', '.join(names)}")
    return version.values(path, refused, names)


def variables_in(path: Path, refused: Refusal) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and MATLAB class of each variable, values unread. Raises what ``refused`` makes for a torn file."""
    return _version(path, refused).variables(path, refused)


def _version(path: Path, refused: Refusal) -> ModuleType:
    with open(path, "rb") as file:
        head = file.read(_HDF5_PLACES[-1] + len(_HDF5_SIGNATURE))
    if not head:
        raise refused(field="file", found="an empty file", expected="a MATLAB file")
    if any(head.startswith(_HDF5_SIGNATURE, place) for place in _HDF5_PLACES):
        return matlab73_files
    if b"\0" in head[:4]:
        return matlab4_files
    if head[_VERSION_AT : _VERSION_AT + 4] in (b"\x00\x01IM", b"\x01\x00MI"):
        return matlab5_files
    raise refused(field="file", found=f"first bytes {head[:40]!r}", expected="a MATLAB file of version 4, 5 or 7.3")
