"""What the page of a report needs to show any ROI's trace with the regressors, without a server: JSON, compact.

Samples are int16 with a scale of their own for each trace, which keeps a trace to a 65,000th of its range.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.response_types_rows import TypesRows
from tasks.response_types_traces import ShownSession

# Of all sessions together: some 8 MB of page. What is beyond is the ROIs of smallest r2, and frames joined.
_MOST_SAMPLES = 3_000_000
_MOST_FRAMES = 12_000
_MISSING = -32768
_SCRIPT = Path(__file__).with_name("roi_viewer.js")


def viewer_script() -> str:
    """The viewer's program."""
    return _SCRIPT.read_text(encoding="utf-8")


def viewer_data(rows: TypesRows, shown: Sequence[ShownSession], colors: Mapping[str, str]) -> dict:
    """What the viewer shows, as JSON takes it: types with their colors, and each session's regressors and ROIs."""
    other = next(protocol for protocol in ("published", "rigorous") if protocol != rows.protocol)
    facts = [("r2", "r2", 3), ("r2_held_out", "held out", 3), ("q", "q", 4), ("margin_z", "margin (s.e.)", 1)]
    found = [fact for fact in facts if rows.of(rows.protocol)[fact[0]].count()]
    return {
        "unit": "dF/F",
        "other": other,
        "facts": found,
        "types": [{"name": name, "color": color} for name, color in colors.items()],
        "sessions": [_session(rows, one, colors, other, _MOST_SAMPLES // len(shown)) for one in shown],
    }


def as_script_json(data: Mapping) -> str:
    """JSON that can stand within a script element: nothing in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def left_out_said(data: Mapping, shown: Sequence[ShownSession]) -> tuple[str, ...]:
    """What of each session is not in the page, in words."""
    said = []
    for one, session in zip(shown, data["sessions"], strict=True):
        there, all_of_them = len(session["rois"]), len(one.rois)
        if there < all_of_them:
            said.append(f"{one.session_id}: the {there:,} ROIs of largest r2 of {all_of_them:,}")
        if session["joined"] > 1:
            said.append(f"{one.session_id}: {session['joined']} frames are joined into one, by their mean")
    return tuple(said)


def packed(values: NDArray[np.floating]) -> dict:
    """A trace (n_frames,) as little-endian int16 in base64, with the scale and offset that give it back; NaN kept."""
    there = np.isfinite(values)
    low, high = (float(values[there].min()), float(values[there].max())) if there.any() else (0.0, 0.0)
    offset, scale = (low + high) / 2, (high - low) / 65_000 or 1.0
    whole = np.full(values.shape, _MISSING, "<i2")
    whole[there] = np.round((values[there] - offset) / scale).astype("<i2")
    return {"values": _base64(whole), "scale": scale, "offset": offset}


def _session(rows: TypesRows, one: ShownSession, colors: Mapping[str, str], other: str, most_samples: int) -> dict:
    fitted = one.fitted
    joined = -(-len(fitted.frame_s) // _MOST_FRAMES)
    n_frames = len(fitted.frame_s) // joined
    most_rois = max(most_samples // n_frames, 1)
    chosen = one.rois.with_row_index("place").sort("r2", descending=True, nulls_last=True).head(most_rois)
    others = dict(rows.of(other).filter(session_id=one.session_id).select("unit_id", "response_type").iter_rows())
    names = fitted.regressors.names
    return {
        "name": one.session_id,
        "joined": joined,
        "times": _base64(_joined(fitted.frame_s, joined).astype("<f4")),
        "regressors": [
            {"name": name, "color": colors[name], "marks": _marks(one, name)} | packed(_joined(values, joined))
            for name, values in zip(names, fitted.regressors.values, strict=True)
        ],
        "rois": [_roi(one, row, others.get(row["unit_id"], "not fitted"), joined) for row in chosen.to_dicts()],
    }


def _marks(one: ShownSession, name: str) -> list[float]:
    frames = one.fitted.regressors.event_frames.get(name)
    return [] if frames is None else [round(float(time_s), 3) for time_s in one.fitted.frame_s[frames]]


def _roi(one: ShownSession, row: Mapping, other: str, joined: int) -> dict:
    place = row["place"]
    facts = {name: row[name] for name in ("r2", "r2_held_out", "q", "margin_z", "note", "selected")}
    return facts | {
        "id": row["unit_id"],
        "type": row["response_type"],
        "other": other,
        "cluster": row["cluster_of_all"],
        "leaf": row["leaf_of_all"] if row["leaf_of_all"] is not None else place,
        "x": row["x_px"],
        "y": row["y_px"],
        "intercept": _number(one.intercept[place]),
        "coefficients": [_number(value) for value in one.coefficient[place]],
    } | packed(_joined(one.fitted.dff[place], joined))  # fmt: skip


def _joined(values: NDArray[np.floating], joined: int) -> NDArray[np.floating]:
    """Means of so many frames at a time, (n_frames // joined,); a last block that isn't full is left out."""
    return values[: len(values) // joined * joined].reshape(-1, joined).mean(axis=1)


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _base64(values: NDArray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
