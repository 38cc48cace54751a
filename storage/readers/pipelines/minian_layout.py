"""Where in a folder Minian's arrays lie, and the tables of times and behaviour that were put beside them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TRACES = ("C", "S", "YrA")
READ = (*TRACES, "A", "max_proj")
ONE_FILE = "minian.nc"

_DESCRIPTION = "data_paths.yaml"
_ZONES = "behavior_graph.yaml"
_TIMESTAMPS = ("neural_timestamp.csv", "timeStamps.csv")
_BEHAVIOR = {
    "position": "behavior_position.csv",
    "timestamp": "behavior_timestamp.csv",
    "zone_tracking": "zone_tracking.csv",
}
_NAMED = (
    ("neural", "path"),
    ("neural", "timestamp"),
    ("behavior", "behavior_graph"),
    *(("behavior", key) for key in _BEHAVIOR),
)
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Layout:
    """One recording's folders and tables, by path below the recording's folder.

    ``neural`` is the folder of arrays; ``behavior`` has the tables called position, timestamp and zone_tracking that
    are there or that the description names; ``said`` is what the description says.
    """

    neural: str
    timestamps: str | None
    behavior: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    descriptions: tuple[str, ...] = ()

    @property
    def outside(self) -> str | None:
        """The first name in the description that leads out of the folder."""
        named = (_said(self.said, group, key) for group, key in _NAMED)
        return next((name for name in named if name is not None and not _lies_inside(name)), None)

    @property
    def tables(self) -> tuple[str, ...]:
        return (*([self.timestamps] if self.timestamps else ()), *self.behavior.values(), *self.descriptions)


def layout_of(path: Path) -> Layout | None:
    """The layout of a session's folder, or of a folder of arrays alone; None where it is neither. Never raises."""
    said = mapping_in(path / _DESCRIPTION)
    neural, timestamps = (_text(said, "neural", one) for one in ("path", "timestamp"))
    if neural and timestamps and _has_arrays(path / neural):
        return _with_behavior(path, neural, timestamps, said)
    if _has_arrays(path):
        timed = next((one for one in _TIMESTAMPS if os.path.lexists(path / one)), None)
        return _with_behavior(path, ".", timed, said) if timed else Layout(".", None)
    timed = next((one for one in _TIMESTAMPS if os.path.lexists(path / one)), None)
    holding = [name for name in _listed(path) if _has_arrays(path / name)] if timed else []
    return _with_behavior(path, holding[0], timed, said) if len(holding) == 1 else None


def files_of(path: Path, layout: Layout) -> Iterator[Path]:
    """Every file that is read."""
    yield from (path / name for name in layout.tables if os.path.lexists(path / name))
    neural = path if layout.neural == "." else path / layout.neural
    if os.path.lexists(neural / ONE_FILE):
        yield neural / ONE_FILE
    for name in READ:
        if os.path.lexists(neural / f"{name}.nc"):
            yield neural / f"{name}.nc"
        for parent, _, files in os.walk(neural / f"{name}.zarr"):
            yield from (Path(parent) / file for file in files)


def mapping_in(path: Path) -> dict[str, Any]:
    """What a small YAML file maps; nothing where it isn't such a file."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return {}
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return said if isinstance(said, dict) else {}


def zones_in(path: Path, layout: Layout) -> dict[str, Any]:
    """What the maze's graph says of each zone, by name."""
    name = _text(layout.said, "behavior", "behavior_graph") or _ZONES
    zones = mapping_in(path / name).get("zones") if name in layout.descriptions else None
    return zones if isinstance(zones, dict) else {}


def _with_behavior(path: Path, neural: str, timestamps: str, said: Mapping[str, Any]) -> Layout:
    named = {key: _text(said, "behavior", key) for key in _BEHAVIOR}
    behavior = {
        key: name or _BEHAVIOR[key] for key, name in named.items() if name or os.path.lexists(path / _BEHAVIOR[key])
    }
    graph = _text(said, "behavior", "behavior_graph") or _ZONES
    descriptions = tuple(name for name in (_DESCRIPTION, graph) if os.path.lexists(path / name))
    return Layout(neural, timestamps, behavior, said, descriptions)


def _has_arrays(folder: Path) -> bool:
    return os.path.isdir(folder / "C.zarr") or os.path.isfile(folder / "C.nc") or os.path.isfile(folder / ONE_FILE)


def _listed(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _text(said: Mapping[str, Any], group: str, key: str) -> str | None:
    """The name that the description gives, None where it gives none below its folder."""
    name = _said(said, group, key)
    return name if name is not None and _lies_inside(name) else None


def _said(said: Mapping[str, Any], group: str, key: str) -> str | None:
    held = said.get(group)
    name = held.get(key) if isinstance(held, dict) else None
    return name if isinstance(name, str) and name else None


def _lies_inside(name: str) -> bool:
    return not os.path.isabs(name) and "\0" not in name and ".." not in Path(name).parts
