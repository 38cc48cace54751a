"""Write recordings of response types: simulated ROIs that answer to one stimulus each, as a lab's own files.

    python samples/write_recordings.py --into FOLDER [--animals 4] [--seed 7]

Each is a folder with a description in YAML, as docs/lab-files.md has it; the truth is in its metadata.
"""

import argparse
import csv
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # so that it runs from a checkout that is not installed

from models.simulate_response_types import (  # noqa: E402
    ResponseTypesPlan,
    SimulatedRecording,
    simulate_response_types,
)


def main(arguments: list[str] | None = None) -> int:
    """Write what is not there yet, and say what to do next; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, required=True, help="folder to write to")
    parser.add_argument("--animals", type=int, default=4, help="animals, two regions of each")
    parser.add_argument("--seed", type=int, default=7, help="of the first animal")
    parser.add_argument("--snr", type=float, default=1.0, help="s.d. of a response over that of the noise")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.seed, chosen.seed + chosen.animals)
    written = [
        folder
        for seed in seeds
        for folder in write_recordings(ResponseTypesPlan(seed=seed, snr=chosen.snr, running_rois=8), chosen.into)
    ]
    print(f"{len(written)} simulated recordings written to {chosen.into}")
    print(f"into the lake   make nightly SOURCES={chosen.into}")
    return 0


def write_recordings(plan: ResponseTypesPlan, folder: Path) -> list[Path]:
    """A folder for each recording of the plan, whole or not at all; those that are there are left alone."""
    written = []
    for recording in simulate_response_types(plan):
        path = folder / recording.session_name
        if not path.exists():
            unfinished = folder / f".{recording.session_name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            _write(recording, plan, unfinished)
            os.replace(unfinished, path)
            written.append(path)
    return written


def _write(recording: SimulatedRecording, plan: ResponseTypesPlan, folder: Path) -> None:
    name = recording.session_name
    np.save(folder / f"{name}.npy", recording.dff)
    with open(folder / f"{name}_log.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "event"])
        rows.writerows(zip(recording.onset_s.tolist(), recording.stimulus, strict=True))
    with open(folder / f"{name}_running.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "speed"])
        rows.writerows(zip(recording.frame_s.tolist(), recording.running_cm_s.tolist(), strict=True))
    description = {
        "format": "matrix",
        "signal": "dff",
        "orientation": "cells_by_frames",
        "rate_hz": plan.rate_hz,
        "subject": recording.subject_id,
        "session": name,
        "location": recording.region,
        "simulated": True,
        "matrix": f"{name}.npy",
        "events": {
            "file": f"{name}_log.csv",
            "time_unit": "s",
            "clock": "frames",
            "kinds": dict.fromkeys(recording.stimuli, "stimulus"),
        },
        "behavior": {
            "running_speed_cm_per_s": {
                "file": f"{name}_running.csv",
                "column": "speed",
                "time_column": "time",
                "time_unit": "s",
                "clock": "frames",
            }
        },
        "metadata": {
            "plan": repr(plan),
            "truth": "number of the stimulus in stimuli; -1: noise, -2: running",
            "stimuli": list(recording.stimuli),
            "response_class": recording.response_class.tolist(),
        },
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(description, sort_keys=False))


if __name__ == "__main__":
    sys.exit(main())
