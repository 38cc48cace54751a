"""The stimuli of a planted Visual Coding session: blocks of gabors, flashes, gratings, movies and scenes."""

import numpy as np
import pandas as pd

_GRATING = {"contrast": 0.8, "opacity": True, "mask": "None", "units": "deg", "size": "[250.0, 250.0]"}
# name, seconds of one presentation, seconds of gray after it, share of the session
_BLOCKS = (
    ("spontaneous", None, 0.0, 0.05),
    ("gabors", 0.25, 0.0, 0.15),
    ("spontaneous", None, 0.0, 0.05),
    ("flashes", 0.25, 1.75, 0.15),
    ("drifting_gratings", 2.0, 1.0, 0.20),
    ("natural_movie_three", 1 / 30, 0.0, 0.10),
    ("natural_movie_one", 1 / 30, 0.0, 0.05),
    ("spontaneous", None, 0.0, 0.05),
    ("natural_scenes", 0.25, 0.0, 0.10),
    ("static_gratings", 0.25, 0.0, 0.10),
)


def presentations(minutes: float, rng: np.random.Generator) -> pd.DataFrame:
    """One row a presentation, in order of time (s), with the columns that the warehouse's files have."""
    tables, start_s = [], 10.0
    for block, (name, shown_s, gray_s, share) in enumerate(_BLOCKS):
        lasts_s = minutes * 60 * share
        count = 1 if shown_s is None else max(int(lasts_s / (shown_s + gray_s)), 2)
        shown_s = lasts_s if shown_s is None else shown_s
        onset_s = start_s + np.arange(count) * (shown_s + gray_s)
        table = pd.DataFrame({"start_time": onset_s, "stop_time": onset_s + shown_s, "stimulus_name": name})
        tables.append(table.assign(stimulus_block=float(block), **_parameters(name, count, rng)))
        start_s = float(table["stop_time"].iloc[-1]) + gray_s + 1.0
    table = pd.concat(tables, ignore_index=True)
    table["stimulus_index"] = table["stimulus_name"].map({name: at for at, (name, *_) in enumerate(_BLOCKS)})
    return table


def _parameters(name: str, count: int, rng: np.random.Generator) -> dict:
    shown = np.arange(count)
    orientation = rng.choice([0.0, 45.0, 90.0, 135.0], count)
    phases = [f"[{phase:.2f}, {phase:.2f}]" for phase in rng.uniform(0, 9000, count)]
    match name:
        case "gabors":
            place = {"x_position": rng.integers(-4, 5, count) * 10.0, "y_position": rng.integers(-4, 5, count) * 10.0}
            wave = {"orientation": orientation, "spatial_frequency": 0.08, "temporal_frequency": 4.0, "phase": phases}
            return _GRATING | {"mask": "circle", "size": "[20.0, 20.0]"} | place | wave
        case "flashes":
            return _GRATING | {"color": np.where(shown % 2 == 0, "-1.0", "1.0"), "size": "[300.0, 300.0]"}
        case "drifting_gratings":
            speed = rng.choice([1.0, 2.0, 4.0, 8.0, 15.0], count)
            wave = {"orientation": orientation, "spatial_frequency": 0.04, "temporal_frequency": speed}
            return _GRATING | wave | {"phase": phases}
        case "static_gratings":
            wave = {"orientation": orientation, "spatial_frequency": rng.choice([0.02, 0.04, 0.08, 0.16, 0.32], count)}
            return _GRATING | wave | {"phase": rng.choice([0.0, 0.25, 0.5, 0.75], count)}
        case "natural_scenes":
            return {"frame": rng.integers(-1, 118, count).astype(float), "contrast": 1.0, "opacity": True}
        case "natural_movie_one" | "natural_movie_three":
            return {"frame": (shown % (900 if name.endswith("one") else 3600)).astype(float), "contrast": 1.0}
        case _:
            return {}
