"""Minian's arrays with their named axes and coordinates, from Zarr or from netCDF (HDF5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, opened_hdf5, texts_at
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.zarr_stores import read_zarr
from storage.readers.given import Given
from storage.readers.pipelines.minian_layout import ONE_FILE
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_IDENTITY = ("animal", "session", "session_id")
_NO_COORDINATE = "This is a netCDF dimension but not a netCDF variable"


@dataclass(frozen=True)
class Variable:
    """One array. ``place`` names its file or store, ``load`` reads it whole, in the order of ``axes``.

    ``coordinates`` has an array (n,) for each axis that has one; ``identity`` the texts animal, session, session_id.
    """

    name: str
    place: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: dict[str, np.ndarray]
    identity: dict[str, str]
    load: Callable[[], np.ndarray]

    def along(self, given: Given, *axes: str) -> np.ndarray:
        """The values, with the axes in this order. Raises Refused when they are others."""
        if sorted(self.axes) != sorted(axes):
            raise given.refused(field=self.place, found=f"axes {self.axes}", expected=f"{axes}")
        return self.load().transpose([self.axes.index(axis) for axis in axes])

    def numbers(self, given: Given, axis: str) -> np.ndarray:
        """The coordinate of an axis as whole numbers, (n,) int64, each once. Raises Refused."""
        field = f"{self.place} {axis}"
        held = self.coordinates.get(axis)
        if held is None or axis not in self.axes:
            raise given.refused(field=field, found="no coordinate", expected=f"the number of each {axis}")
        if held.dtype.kind not in "iuf" or held.shape != (self.shape[self.axes.index(axis)],):
            raise given.refused(field=field, found=f"{held.dtype} of shape {held.shape}", expected="numbers")
        if (odd := np.flatnonzero(~((held == np.floor(held)) & (np.abs(held) < 2**62)))).size:
            raise given.refused(field=field, found=f"{held[odd[0]]}", expected="whole numbers")
        numbers = held.astype(np.int64)
        once, counts = np.unique(numbers, return_counts=True)
        if len(once) < len(numbers):
            raise given.refused(field=field, found=f"{once[counts > 1][0]} more than once", expected="each number once")
        return numbers


def variable_of(folder: Path, name: str, given: Given) -> Variable | None:
    """The array of that name, None where Minian wrote none. Raises Refused for a torn one, or one of nameless axes."""
    if (folder / f"{name}.zarr").is_dir():
        return _of_zarr(folder / f"{name}.zarr", name, given)
    for path in (folder / f"{name}.nc", folder / ONE_FILE):
        if path.is_file() and (found := _of_netcdf(path, name, given)):
            return found
    return None


def _of_zarr(store: Path, name: str, given: Given) -> Variable:
    refused = refused_in(given, store.name)
    arrays = read_zarr(store, refused)
    if name not in arrays:
        raise refused(field="arrays", found=f"no {name}; there are {', '.join(arrays)}"[:200], expected=f"array {name}")
    held = arrays[name]
    if held.dimensions is None:
        raise refused(field=name, found="axes without names", expected="the name of each axis")
    coordinates = {axis: arrays[axis].values for axis in held.dimensions if axis in arrays}
    identity = {
        one: str(arrays[one].values[()]) for one in _IDENTITY if one in arrays and arrays[one].values.shape == ()
    }

    def load() -> np.ndarray:
        return read_zarr(store, refused, name)[name].values

    return Variable(name, store.name, held.dimensions, held.values.shape, coordinates, identity, load)


def _of_netcdf(path: Path, name: str, given: Given) -> Variable | None:
    refused = refused_in(given, path.name)
    with opened_hdf5(path, refused) as file:
        if name not in file:
            return None
        held = dataset_at(file, name, refused)
        if packed := [one for one in ("scale_factor", "add_offset") if one in held.attrs]:
            raise refused(field=name, found=f"packed numbers ({packed[0]})", expected="the values themselves")
        axes = _axes(held, refused)
        coordinates = {axis: numbers_at(file, axis, refused, ndim=1) for axis in axes if _has_coordinate(file, axis)}
        identity = {one: texts_at(file, one, refused)[0] for one in _IDENTITY if one in file and file[one].shape == ()}
        return Variable(name, path.name, axes, held.shape, coordinates, identity, partial(_whole, path, name, refused))


def _whole(path: Path, name: str, refused: Refusal) -> np.ndarray:
    with opened_hdf5(path, refused) as file:
        return numbers_at(file, name, refused)


def _axes(held: "h5py.Dataset", refused: Refusal) -> tuple[str, ...]:
    names = [axis[0].name.strip("/") if len(axis) else "" for axis in held.dims]
    if not all(names):
        raise refused(field=held.name.strip("/"), found="axes without names", expected="the name of each axis")
    return tuple(names)


def _has_coordinate(file: "h5py.File", axis: str) -> bool:
    import h5py

    held = file.get(axis)
    if not isinstance(held, h5py.Dataset) or held.ndim != 1:
        return False
    name = held.attrs.get("NAME", b"")
    return not (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)).startswith(_NO_COORDINATE)
