"""What an NWB file holds and where: series, tables and pictures, each under the words that say its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

_BEHAVIOUR = ("TimeSeries", "SpatialSeries")


@dataclass(frozen=True)
class Placed:
    """An object of the file, its place in words ('processing/ophys/dff/traces'), and the container it lies in."""

    where: str
    held: Any
    container: Any = None


@dataclass
class Contents:
    """The objects of a file by what is made of them.

    ``file`` is open as long as the file is being read. ``left_out`` gathers, by place, what isn't read and why;
    readers of the parts add to it.
    """

    file: "h5py.File"
    responses: list[Placed] = field(default_factory=list)
    intervals: dict[str, Any] = field(default_factory=dict)
    other_intervals: list[Placed] = field(default_factory=list)
    trials: Any = None
    annotations: list[Placed] = field(default_factory=list)
    happenings: list[Placed] = field(default_factory=list)
    signals: list[Placed] = field(default_factory=list)
    pictures: list[Placed] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def contents_of(nwbfile: Any, file: "h5py.File") -> Contents:
    """Everything in acquisition, processing, intervals and events; what stands elsewhere is named as left out."""
    from hdmf.common import DynamicTable
    from pynwb.behavior import BehavioralEvents
    from pynwb.epoch import TimeIntervals
    from pynwb.event import EventsTable
    from pynwb.image import GrayscaleImage, RGBAImage, RGBImage
    from pynwb.misc import AnnotationSeries
    from pynwb.ophys import PlaneSegmentation, RoiResponseSeries

    contents = Contents(file, trials=nwbfile.trials, intervals=_intervals(nwbfile))
    for placed in _all_placed(nwbfile):
        held = placed.held
        if isinstance(held, RoiResponseSeries):
            contents.responses.append(placed)
        elif isinstance(held, TimeIntervals | EventsTable):
            contents.other_intervals.append(placed)
        elif isinstance(held, AnnotationSeries):
            contents.annotations.append(placed)
        elif isinstance(held, GrayscaleImage | RGBImage | RGBAImage):
            contents.pictures.append(placed)
        elif isinstance(held, PlaneSegmentation):
            continue  # read with the series that refer to it
        elif type(held).__name__ in _BEHAVIOUR and not isinstance(held, DynamicTable):
            events = isinstance(placed.container, BehavioralEvents)
            (contents.happenings if events else contents.signals).append(placed)
        else:
            contents.left_out[placed.where] = kind_of(held)
    contents.left_out |= _unknown(nwbfile, file)
    for folder in ("stimulus", "stimulus_template", "analysis", "scratch"):
        contents.left_out |= {f"{folder}/{name}": kind_of(one) for name, one in _items(getattr(nwbfile, folder, None))}
    return contents


def kind_of(held: Any) -> str:
    """The neurodata type, with the shape of its data where it has one."""
    shape = getattr(getattr(held, "data", None), "shape", None)
    return f"{type(held).__name__} {tuple(map(int, shape))}" if shape else type(held).__name__


def _intervals(nwbfile: Any) -> dict[str, Any]:
    """Every table of intervals but the trials, by name."""
    own = (nwbfile.epochs, nwbfile.invalid_times)
    tables = dict(_items(nwbfile.intervals)) | {table.name: table for table in own if table is not None}
    return {name: table for name, table in tables.items() if table is not nwbfile.trials}


def _all_placed(nwbfile: Any) -> Iterator[Placed]:
    for name, held in _items(nwbfile.acquisition):
        yield from _within(Placed(f"acquisition/{name}", held))
    for name, module in _items(nwbfile.processing):
        for inner, held in _items(module.data_interfaces):
            yield from _within(Placed(f"processing/{name}/{inner}", held))
    for name, held in _items(nwbfile.events):
        yield Placed(f"events/{name}", held)


def _unknown(nwbfile: Any, file: "h5py.File") -> dict[str, str]:
    """What stands in the file and isn't among what pynwb makes of it: it passes over types that it doesn't know."""
    import h5py

    shown = {"acquisition": nwbfile.acquisition, "processing": nwbfile.processing, "events": nwbfile.events}
    shown["intervals"] = dict.fromkeys([*(nwbfile.intervals or {}), "epochs", "trials", "invalid_times"])
    shown |= {f"processing/{name}": module.data_interfaces for name, module in _items(nwbfile.processing)}
    unknown: dict[str, str] = {}
    for folder, known in shown.items():
        group = file.get(folder)
        for name in sorted(set(group) - set(known or ())) if isinstance(group, h5py.Group) else ():
            held = group.get(name)
            kind = None if held is None else held.attrs.get("neurodata_type")
            unknown[f"{folder}/{name}"] = "nothing" if held is None else f"{kind}, which pynwb doesn't know"
    return unknown


def _within(placed: Placed) -> Iterator[Placed]:
    """The object itself, or of a container the objects inside it."""
    from hdmf.common import DynamicTable
    from pynwb import TimeSeries
    from pynwb.image import Image
    from pynwb.ophys import CorrectedImageStack

    held = placed.held
    inside = [] if isinstance(held, DynamicTable | TimeSeries | Image | CorrectedImageStack) else list(held.children)
    if not inside:
        yield placed
    for one in inside:
        yield from _within(Placed(f"{placed.where}/{one.name}", one, held))


def _items(held: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return list(held.items()) if held else []
