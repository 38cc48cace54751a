"""What the tables in a Kilosort or phy folder say of each cluster: labels, metrics, channels and brain regions."""

import ast
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from storage.readers.foreign.csv_rows import csv_rows
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.numpy_files import opened_array, read_array
from storage.readers.given import Given, as_json
from storage.readers.recording import Refusal

TABLES = ("cluster_info.tsv", "cluster_group.tsv", "cluster_groups.csv", "cluster_KSLabel.tsv")
CHANNELS = ("channel_map.npy", "channel_positions.npy", "templates.npy", "templates_ind.npy", "whitening_mat_inv.npy")
FILES = (*TABLES, *CHANNELS, "metrics.csv", "ccf_regions.csv", "params.py")

_MOST_TABLE_BYTES = 64 * 2**20
_LONGEST_SETTING = 1_000
_SETTING = re.compile(r"^([A-Za-z_]\w{0,60})[ \t]*=[ \t]*(\S.*)$", re.ASCII | re.MULTILINE)
_ID_COLUMNS = ("cluster_id", "cluster_ids", "id")
_COLUMNS = {  # of the tables: of recorded.units
    "firing_rate": "rate_hz",
    "snr": "snr",
    "isi_viol": "isi_violations",
    "presence_ratio": "presence_ratio",
    "amplitude_cutoff": "amplitude_cutoff",
}
_PEAK_COLUMNS = ("peak_channel", "peak_chan")
_LABELS = ("group", "KSLabel")
_UNCURATED = ("", "unsorted", "nan")
_NO_REGION = ("", "none", "nan")


@dataclass
class Clusters:
    """What the tables say of the clusters, by cluster and column; ``listed`` are those that phy itself lists."""

    said: dict[int, dict[str, str]] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)

    def quality(self, cluster: int) -> str:
        """The curator's label, else the sorter's: 'good', 'mua', 'noise', or 'unsorted' where none labelled it."""
        labels = [self.said.get(cluster, {}).get(name, "").strip().lower() for name in _LABELS]
        return next((label for label in labels if label not in _UNCURATED), "unsorted")


def clusters_of(given: Given) -> Clusters:
    """The clusters' labels and metrics as text. Raises Refused for torn tables, and for two labels of one cluster."""
    clusters = Clusters()
    for name in TABLES:
        if (given.path / name).is_file():
            rows = _tab_rows(given.path / name, refused_in(given, name))
            clusters.listed |= set(_take(rows, clusters, name, given))
    if (given.path / "metrics.csv").is_file():
        refused = refused_in(given, "metrics.csv")
        rows = csv_rows(given.path / "metrics.csv", refused, ())
        _take(rows, clusters, "metrics.csv", given)
    return clusters


def unit_row(cluster: int, said: Mapping[str, str], quality: str, channels: "Channels", given: Given) -> dict[str, Any]:
    """A row of recorded.units but for its session. Raises Refused for a metric that is no number."""
    row: dict[str, Any] = {"unit_id": cluster, "quality": quality}
    others: dict[str, Any] = {name: _plain(text) for name, text in said.items() if name not in _COLUMNS}
    for name, column in _COLUMNS.items():
        row[column] = None
        if (text := said.get(name, "").strip()) and text.lower() != "nan":
            number = _plain(text)
            if isinstance(number, str):
                where = f"metrics.csv {name} of cluster {cluster}"
                raise given.refused(field=where, found=repr(text)[:200], expected="a number")
            row[column] = number
    if row["rate_hz"] is None and not isinstance(shown := others.get("fr"), str | None):
        row["rate_hz"] = shown
    peak = channels.peak_of(cluster, said)
    if peak is not None:
        others |= {"peak_channel": peak} | channels.position_of(peak)
    others |= {name: None for name, value in others.items() if value == ""}
    return row | {"structure": channels.regions.get(peak), "attributes": as_json(others) if others else None}


@dataclass(frozen=True)
class Channels:
    """The probe. Channels are those of the hardware, as channel_map.npy numbers them.

    ``position_um`` (n_channels, 2), x and y, ``peaks`` the channel on which each cluster's template is largest.
    """

    channel_map: np.ndarray | None
    position_um: np.ndarray | None
    regions: dict[int | None, str]
    peaks: dict[int, int]

    def peak_of(self, cluster: int, said: Mapping[str, str]) -> int | None:
        """The channel on which the cluster is largest: by its metrics, else by its template; None if unknown."""
        told = next((_plain(said[name]) for name in _PEAK_COLUMNS if said.get(name)), None)
        if isinstance(told, float) and told.is_integer():
            return int(told)
        return told if isinstance(told, int) else self.peaks.get(cluster)

    def position_of(self, channel: int) -> dict[str, float]:
        if self.channel_map is None or self.position_um is None:
            return {}
        row = np.flatnonzero(self.channel_map == channel)
        if not row.size:
            return {}
        x, y = self.position_um[row[0]]
        return {"channel_x_um": float(x), "channel_y_um": float(y)}


def channels_of(given: Given, template_of: Mapping[int, int]) -> Channels:
    """The probe's channels. ``template_of`` is the template of each cluster. Raises Refused where files disagree."""
    path = given.path
    channel_map = _whole(path / "channel_map.npy", "iu", given)
    position = _whole(path / "channel_positions.npy", "fiu", given)
    if channel_map is not None:
        channel_map = channel_map.reshape(-1).astype(np.int64)
    if position is not None and (position.ndim != 2 or position.shape[1] != 2):
        found = f"shape {position.shape}"
        raise given.refused(field="channel_positions.npy", found=found, expected="x and y of each channel")
    if channel_map is not None and position is not None and len(position) != len(channel_map):
        found, expected = f"{len(position)} channels", f"{len(channel_map)}, as in channel_map.npy"
        raise given.refused(field="channel_positions.npy", found=found, expected=expected)
    return Channels(channel_map, position, _regions(given), _peaks(given, channel_map, template_of))


def settings_of(given: Given) -> dict[str, Any]:
    """The plain values that params.py assigns, each on a line of its own; the file is never run.

    Raises Refused for a sample_rate that is no plain number.
    """
    path = given.path / "params.py"
    if not path.is_file():
        return {}
    settings: dict[str, Any] = {}
    for name, value in _SETTING.findall(_text(path, refused_in(given, "params.py"))):
        try:
            settings[name] = ast.literal_eval(value.strip()) if len(value) <= _LONGEST_SETTING else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            settings[name] = None
    rate = settings.get("sample_rate", 1.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise given.refused(field="params.py sample_rate", found=repr(rate)[:200], expected="a plain number")
    return {name: value for name, value in settings.items() if value is not None}


def _take(rows: list[tuple[int, dict[str, str]]], clusters: Clusters, name: str, given: Given) -> list[int]:
    taken: dict[int, int] = {}
    for line, row in rows:
        key = next((one for one in _ID_COLUMNS if one in row), None)
        number = row[key].strip() if key else ""
        if not re.fullmatch(r"[0-9]{1,15}", number):
            raise given.refused(field=f"{name} line {line}", found=f"cluster {number!r}"[:200], expected="its number")
        cluster = int(number)
        if cluster in taken:
            found = f"cluster {cluster} again, first on line {taken[cluster]}"
            raise given.refused(field=f"{name} line {line}", found=found, expected="each cluster once")
        taken[cluster] = line
        known = clusters.said.setdefault(cluster, {})
        for column, text in row.items():
            if column in ("", key):
                continue
            if column in _LABELS and known.get(column, text).strip() != text.strip():
                found = f"{column} {text!r} of cluster {cluster}, elsewhere {known[column]!r}"
                raise given.refused(field=f"{name} line {line}", found=found, expected="one label")
            known.setdefault(column, text)
    return list(taken)


def _tab_rows(path: Path, refused: Refusal) -> list[tuple[int, dict[str, str]]]:
    """Each row's line and its cells by column. A header alone is a table of no clusters, as phy writes it."""
    reader = csv.reader(io.StringIO(_text(path, refused), newline=""), delimiter="\t")
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise refused(field=f"line {reader.line_num}", found=str(error), expected="tab-separated values") from error
    if not lines:
        raise refused(field="header", found="an empty file", expected="cluster_id and a label")
    (_, header), *rows = lines
    for line, row in rows:
        if len(row) != len(header):
            expected = f"{len(header)}, as in the header"
            raise refused(field=f"line {line}", found=f"{len(row)} values", expected=expected)
    return [(line, dict(zip(header, row, strict=True))) for line, row in rows]


def _text(path: Path, refused: Refusal) -> str:
    if (size := path.stat().st_size) > _MOST_TABLE_BYTES:
        raise refused(field="file", found=f"{size} bytes", expected=f"at most {_MOST_TABLE_BYTES} bytes")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(field="encoding", found=str(error), expected="UTF-8") from error


def _regions(given: Given) -> dict[int | None, str]:
    """The brain region of each channel that has one."""
    path = given.path / "ccf_regions.csv"
    if not path.is_file():
        return {}
    regions: dict[int | None, str] = {}
    for line, row in csv_rows(path, refused_in(given, "ccf_regions.csv"), ("region",)):
        channel = row.get("channel", row.get("", ""))
        if not re.fullmatch(r"[0-9]{1,9}", channel):
            where = f"ccf_regions.csv line {line}"
            raise given.refused(field=where, found=f"channel {channel!r}"[:200], expected="its number")
        if row["region"].strip().lower() not in _NO_REGION:
            regions[int(channel)] = row["region"].strip()
    return regions


def _peaks(given: Given, channel_map: np.ndarray | None, template_of: Mapping[int, int]) -> dict[int, int]:
    """The channel on which each cluster's template swings most, once the whitening is undone."""
    if channel_map is None or not (given.path / "templates.npy").is_file():
        return {}
    templates = opened_array(given.path / "templates.npy", refused_in(given, "templates.npy"))
    if templates.ndim != 3 or templates.dtype.kind != "f":
        found = f"{templates.dtype} of shape {templates.shape}"
        raise given.refused(field="templates.npy", found=found, expected="templates x samples x channels")
    of_template = _whole(given.path / "templates_ind.npy", "fiu", given)
    unwhitening = _whole(given.path / "whitening_mat_inv.npy", "f", given)
    peaks = {}
    for cluster, template in template_of.items():
        if template >= len(templates):
            found = f"template {template} of cluster {cluster}"
            raise given.refused(field="templates.npy", found=found, expected=f"one of {len(templates)}")
        waveform = np.asarray(templates[template])  # (n_samples, n_channels)
        if unwhitening is not None and unwhitening.shape == (waveform.shape[1],) * 2:
            waveform = waveform @ unwhitening
        here = int(np.ptp(waveform, axis=0).argmax())
        row = int(of_template[template, here]) if of_template is not None else here
        if 0 <= row < len(channel_map):
            peaks[cluster] = int(channel_map[row])
    return peaks


def _whole(path: Path, kinds: str, given: Given) -> np.ndarray | None:
    if not path.is_file():
        return None
    values = read_array(path, refused_in(given, path.name))
    if values.dtype.kind not in kinds:
        raise given.refused(field=path.name, found=f"{values.dtype} of shape {values.shape}", expected="numbers")
    return values


def _plain(text: str) -> int | float | str:
    text = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text
