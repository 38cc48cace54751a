"""Reader of Allen Visual Behavior 2P: one imaging plane of one session, in the NWB files of the AllenSDK."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.allen.allen_behavior import behavior_series
from storage.readers.allen.allen_cells import CELL_TABLE, Masks, read_cells, read_masks, unit_rows
from storage.readers.allen.allen_facts import (
    facts_of,
    group_at,
    has,
    is_simulated,
    keywords,
    neurodata_types,
    number_or_none,
    one_id,
    rig_geometry,
    started_at,
    text_or_none,
)
from storage.readers.allen.allen_images import left_out_templates, projection_rows, template_rows
from storage.readers.allen.allen_presentations import event_rows, image_presentations
from storage.readers.allen.allen_series import signal_blocks
from storage.readers.allen.allen_traces import (
    DETECTION,
    frame_times,
    numbers_per_roi,
    trace_streams,
)
from storage.readers.allen.allen_trials import lick_events, reward_events, trial_rows
from storage.readers.foreign.hdf5_files import opened_hdf5
from storage.readers.given import Given, frame_rows, median_rate_hz
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, FRAMES, IMAGES, TRIALS

if TYPE_CHECKING:
    import h5py

NAME = "allen_visual_behavior"
VERSION = 2
KNOWS = "Allen Visual Behavior 2P: NWB that the AllenSDK wrote"
FORM = "file"
SUFFIXES = (".nwb",)

_METADATA = "general/metadata"
_SUBJECT = "general/subject"
_PLANE = f"{CELL_TABLE}/imaging_plane"
_CORRECTED = "processing/ophys/corrected_fluorescence"
_PER_ROI = {
    "corrected_r": (f"{_CORRECTED}/r/data", f"{_CORRECTED}/r"),
    "corrected_rmse": (f"{_CORRECTED}/RMSE/data", f"{_CORRECTED}/RMSE"),
    "event_lambda": (f"{DETECTION}/lambdas", DETECTION),
    "event_noise_std": (f"{DETECTION}/noise_stds", DETECTION),
}
_NONE = "None"
_STAGE = re.compile(r"OPHYS_(\d+)")
_FAMILIAR, _NOVEL, _SEEN_SINCE = "Familiar", "Novel 1", "Novel >1"
# 'Novel >1' is neither: the set is not that of the training, and isn't new any more.
_EXPOSURE = {_FAMILIAR: "familiar", _NOVEL: "novel"}


def recognises(path: Path) -> bool:
    """Whether it has the Allen Institute's metadata of imaging with behavior. Raises OSError when it can't open."""
    return "OphysBehaviorMetadata" in neurodata_types(path, "general")


def read(given: Given) -> Recording:
    """One session: the valid ROIs with their traces, frame times (s), stimuli, trials, running, eye tracking, images.

    Traces and signals of the animal are read from the file when they are written. Raises Refused when a part is
    missing, or the parts don't fit each other.
    """
    refused = given.refused
    with opened_hdf5(given.path, refused) as file:
        metadata = facts_of(group_at(file, _METADATA, refused), refused)
        native, where = one_id(
            {
                f"{_METADATA} ophys_experiment_id": metadata.get("ophys_experiment_id"),
                "identifier": text_or_none(file, "identifier", refused),
            },
            refused,
        )
        session_id = given.session_id(native, where)
        cells = read_cells(file, refused)
        masks = read_masks(file, cells, refused)
        time_s = frame_times(file, given.source_uri, refused)
        streams = trace_streams(file, given, session_id, cells, time_s)
        shown, any_novel = image_presentations(file, refused)
        happened = [one for one in (lick_events(file, refused), reward_events(file, refused)) if one is not None]
        per_roi = {
            name: numbers_per_roi(file, values, rois, cells, refused) for name, (values, rois) in _PER_ROI.items()
        }
        rows: dict[Any, Any] = {
            FRAMES: frame_rows(session_id, time_s),
            EVENTS: event_rows(session_id, [shown, *happened]),
            IMAGES: _images(file, session_id, masks, refused),
            TRIALS: trial_rows(file, session_id, refused),
        }
        experience = _experience(metadata.get("session_type"), any_novel)
        session = given.session(
            session_id,
            unit_count=int(cells.valid.sum()),
            unit_filter=cells.unit_filter,
            frame_count=len(time_s),
            rate_hz=median_rate_hz(time_s),
            experience_level=experience,
            exposure_level=_EXPOSURE.get(experience),
            started_at=started_at(file, refused),
            simulated=is_simulated(file, refused),
            **_session_facts(file, metadata, cells.matched, refused),
        )
        series = behavior_series(file, time_s, refused)
    return given.recording(
        [session],
        unit_rows(session_id, cells, masks, per_roi),
        {table: of_table for table, of_table in rows.items() if of_table is not None and len(of_table)},
        streams,
        [signal_blocks(given, session_id, series)] if series else [],
    )


def _session_facts(file: "h5py.File", metadata: dict, matched: bool, refused: Refusal) -> dict[str, Any]:
    """Columns of recorded.sessions, and as ``metadata`` whatever else the file says of the session."""
    subject = facts_of(group_at(file, _SUBJECT, refused), refused)
    age = text_or_none(file, f"{_SUBJECT}/age", refused)
    genotype = text_or_none(file, f"{_SUBJECT}/genotype", refused)
    subject_id = text_or_none(file, f"{_SUBJECT}/subject_id", refused)
    if subject_id is None:
        raise refused(field=f"{_SUBJECT}/subject_id", found="no id", expected="the mouse's id")
    depth = metadata.get("imaging_depth")
    said = metadata | {name: value for name, value in subject.items() if value != _NONE}
    said |= {
        "age": age,
        "species": text_or_none(file, f"{_SUBJECT}/species", refused),
        "institution": text_or_none(file, "general/institution", refused),
        "experiment_description": text_or_none(file, "general/experiment_description", refused),
        "keywords": keywords(file, refused) or None,
        "ophys_frame_rate": number_or_none(file, f"{_PLANE}/imaging_rate", refused),
        "excitation_lambda": number_or_none(file, f"{_PLANE}/excitation_lambda", refused),
        "emission_lambda": number_or_none(file, f"{_PLANE}/channel_1/emission_lambda", refused),
        "task_parameters": _task_parameters(file, refused),
        "eye_tracking_rig_geometry": rig_geometry(file, refused),
        "projection_spacing_mm": _spacing_mm(file, refused),
        "templates_left_out": left_out_templates(file, refused) or None,
        "unit_id_is": None if matched else "cell_roi_id",
    }
    return {
        "subject_id": subject_id,
        "cre_line": _cre_line(genotype),
        "genotype": genotype,
        "sex": text_or_none(file, f"{_SUBJECT}/sex", refused),
        "age_days": _age_days(age, refused),
        "indicator": text_or_none(file, f"{_PLANE}/indicator", refused),
        "location": text_or_none(file, f"{_PLANE}/location", refused),
        "imaging_depth_um": float(depth) if isinstance(depth, int | float) else None,
        "metadata": {name: value for name, value in said.items() if value is not None and value != _NONE},
    }


def _experience(session_type: Any, any_novel: bool | None) -> str | None:
    """'Familiar', 'Novel 1' or 'Novel >1' by the AllenSDK's rule; None for other sessions, or where the file is silent.

    Stages 0 to 3 show the images of the training, 4 to 6 other ones: for the first time if any is new to the mouse.
    """
    stage = _STAGE.match(session_type) if isinstance(session_type, str) else None
    if stage and int(stage[1]) <= 3:
        return _FAMILIAR
    if stage and int(stage[1]) <= 6 and any_novel is not None:
        return _NOVEL if any_novel else _SEEN_SINCE
    return None


def _cre_line(genotype: str | None) -> str | None:
    """The driver that the genotype begins with, as the AllenSDK parses it."""
    return genotype.split(";")[0].replace("/wt", "") if genotype and ";" in genotype else None


def _age_days(age: str | None, refused: Refusal) -> float | None:
    if age is None:
        return None
    days = re.fullmatch(r"P(\d+)D?", age)
    if days is None:
        raise refused(field=f"{_SUBJECT}/age", found=repr(age), expected="an age in days, such as 'P206D'")
    return float(days[1])


def _task_parameters(file: "h5py.File", refused: Refusal) -> dict[str, Any] | None:
    where = "general/task_parameters"
    if not has(file, where):
        return None
    facts = facts_of(file[where], refused)
    for name in ("blank_duration_sec", "response_window_sec"):
        if name in facts:  # written as texts
            try:
                facts[name] = [float(one) for one in facts[name]]
            except (TypeError, ValueError) as error:
                raise refused(field=f"{where} {name}", found=repr(facts[name]), expected="two numbers") from error
    return facts


def _spacing_mm(file: "h5py.File", refused: Refusal) -> float | None:
    where = "processing/ophys/images/max_projection"
    resolution = facts_of(file[where], refused).get("resolution") if has(file, where) else None
    return resolution * 10 if isinstance(resolution, float) else None  # it is cm for each pixel


def _images(file: "h5py.File", session_id: str, masks: Masks | None, refused: Refusal) -> list[dict[str, Any]]:
    covered: np.ndarray | None = masks.covered if masks is not None else None
    return template_rows(file, session_id, refused) + projection_rows(file, session_id, covered, refused)
