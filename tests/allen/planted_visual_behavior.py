"""A Visual Behavior experiment planted in the AllenSDK's own objects, and written by the AllenSDK."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from allensdk.brain_observatory.behavior import data_objects as sdk
from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
from allensdk.brain_observatory.behavior.behavior_session import BehaviorSession
from allensdk.brain_observatory.behavior.data_objects.eye_tracking.eye_tracking_table import EyeTrackingTable
from allensdk.brain_observatory.behavior.data_objects.eye_tracking.rig_geometry import Coordinates, RigGeometry
from allensdk.brain_observatory.behavior.data_objects.licks import Licks
from allensdk.brain_observatory.behavior.data_objects.metadata.behavior_metadata import (
    behavior_metadata,
    behavior_session_uuid,
    date_of_acquisition,
    equipment,
    project_code,
    session_type,
    stimulus_frame_rate,
)
from allensdk.brain_observatory.behavior.data_objects.metadata.behavior_ophys_metadata import BehaviorOphysMetadata
from allensdk.brain_observatory.behavior.data_objects.metadata.ophys_experiment_metadata import (
    field_of_view_shape,
    imaging_depth,
    ophys_container_id,
    ophys_experiment_metadata,
    ophys_project_code,
    ophys_session_id,
    targeted_imaging_depth,
)
from allensdk.brain_observatory.behavior.data_objects.metadata.ophys_experiment_metadata.multi_plane_metadata import (
    imaging_plane_group,
    multi_plane_metadata,
)
from allensdk.brain_observatory.behavior.data_objects.metadata.subject_metadata import (
    age,
    driver_line,
    full_genotype,
    mouse_id,
    reporter_line,
    sex,
    subject_metadata,
)
from allensdk.brain_observatory.behavior.data_objects.motion_correction import MotionCorrection
from allensdk.brain_observatory.behavior.data_objects.projections import Projections
from allensdk.brain_observatory.behavior.data_objects.rewards import Rewards
from allensdk.brain_observatory.behavior.data_objects.stimuli.presentations import Presentations
from allensdk.brain_observatory.behavior.data_objects.stimuli.stimuli import Stimuli
from allensdk.brain_observatory.behavior.data_objects.stimuli.stimulus_templates import StimulusTemplateFactory
from allensdk.brain_observatory.behavior.data_objects.stimuli.templates import Templates
from allensdk.brain_observatory.behavior.data_objects.task_parameters import TaskParameters
from allensdk.brain_observatory.behavior.data_objects.timestamps.ophys_timestamps import OphysTimestamps
from allensdk.brain_observatory.behavior.data_objects.trials.trials import Trials
from allensdk.brain_observatory.behavior.eye_tracking_processing import process_eye_tracking_data
from allensdk.brain_observatory.behavior.image_api import Image
from planted_behavior import IMAGE_SETS, RESPONSE_WINDOW_S, Behavior, planted_behavior
from planted_cells import FIELD_PX, PIXEL_MM, planted_cells
from pynwb import NWBHDF5IO, NWBFile


@dataclass(frozen=True)
class PlantedExperiment:
    """Which experiment is planted. The defaults are ids of a real one; the values in it are not."""

    cells: int = 12
    minutes: float = 3.0
    seed: int = 7
    ophys_experiment_id: int = 951980471
    ophys_session_id: int = 951410079
    behavior_session_id: int = 951520319
    ophys_container_id: int = 1018028342
    mouse_id: str = "457841"
    sex: str = "F"
    age_in_days: int = 206
    full_genotype: str = "Sst-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt"
    driver_line: tuple[str, ...] = ("Sst-IRES-Cre",)
    reporter_line: str = "Ai148(TIT2L-GC6f-ICL-tTA2)"
    session_type: str = "OPHYS_1_images_A"
    project_code: str = "VisualBehaviorMultiscope"
    targeted_structure: str = "VISp"
    imaging_depth: int = 150
    equipment_name: str = "MESO.1"
    imaging_plane_group: int | None = 0
    acquired: datetime = datetime(2019, 9, 20, 9, 59, 38, 837000, UTC)
    whole_images: bool = False  # templates of 1200 x 1920 pixels as in a release, or a hundredth of that
    needed_signals: bool = False  # dF/F, corrected traces and events, without which the AllenSDK loads no file, or all

    @property
    def passive(self) -> bool:
        return self.session_type.endswith("passive")

    @property
    def image_set(self) -> str:
        return self.session_type.partition("images_")[2][0]


def write_experiment(planted: PlantedExperiment, path: Path) -> None:
    """Write the experiment's NWB file with `BehaviorOphysExperiment.to_nwb`. Every sixth cell is an invalid ROI."""
    experiment = planted_experiment(planted)
    if planted.needed_signals:
        cells = experiment._cell_specimens
        cells._demixed_traces = cells._neuropil_traces = _NotWritten()
    nwbfile = experiment.to_nwb()
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwbfile)


class _NotWritten:
    """In the place of traces that the AllenSDK would write without asking, and reads only where there are any."""

    def to_nwb(self, nwbfile: NWBFile) -> NWBFile:
        return nwbfile


def planted_experiment(planted: PlantedExperiment) -> BehaviorOphysExperiment:
    rng = np.random.default_rng(planted.seed)
    behavior = planted_behavior(planted.minutes, planted.image_set, planted.passive, rng)
    metadata = _metadata(planted)
    rate_hz = 10.7 if planted.equipment_name.startswith("MESO") else 31.0
    frame_s = np.arange(behavior.frame_s[0] - 5, behavior.frame_s[-1] + 2, 1 / rate_hz)
    frame_s += rng.normal(0, 1e-4, len(frame_s))
    ophys_timestamps = OphysTimestamps(timestamps=frame_s)
    return BehaviorOphysExperiment(
        behavior_session=_session(planted, behavior, metadata.behavior_metadata),
        projections=Projections(max_projection=_projection(rng), avg_projection=_projection(rng)),
        ophys_timestamps=ophys_timestamps,
        cell_specimens=planted_cells(
            planted.cells, planted.targeted_structure, behavior.presentations, ophys_timestamps, rate_hz, rng
        ),
        metadata=metadata,
        motion_correction=MotionCorrection(
            pd.DataFrame({"x": rng.integers(-4, 5, len(frame_s)), "y": rng.integers(-4, 5, len(frame_s))})
        ),
        date_of_acquisition=date_of_acquisition.DateOfAcquisitionOphys(planted.acquired),
    )


def _session(
    planted: PlantedExperiment, behavior: Behavior, metadata: behavior_metadata.BehaviorMetadata
) -> BehaviorSession:
    running = behavior.running
    speed = pd.DataFrame({"timestamps": running.index.to_numpy(), "speed": running["speed"].to_numpy()})
    eye = behavior.eye.copy()
    camera_s = eye.pop("timestamps").to_numpy()
    trials = Trials(behavior.trials, response_window_start=RESPONSE_WINDOW_S[0])
    return BehaviorSession(
        behavior_session_id=sdk.BehaviorSessionId(planted.behavior_session_id),
        stimulus_timestamps=sdk.StimulusTimestamps(timestamps=behavior.frame_s, monitor_delay=0.0),
        running_acquisition=sdk.RunningAcquisition(running[["dx", "v_in", "v_sig"]]),
        raw_running_speed=sdk.RunningSpeed(speed.assign(speed=running["raw_speed"].to_numpy()), filtered=False),
        running_speed=sdk.RunningSpeed(speed),
        licks=Licks(behavior.licks),
        rewards=Rewards(behavior.rewards),
        stimuli=Stimuli(
            presentations=Presentations(behavior.presentations, trials=trials), templates=_templates(planted)
        ),
        task_parameters=_task_parameters(planted, len(behavior.frame_s)),
        trials=trials,
        metadata=metadata,
        date_of_acquisition=date_of_acquisition.DateOfAcquisition(planted.acquired),
        eye_tracking_table=EyeTrackingTable(process_eye_tracking_data(eye, pd.Series(camera_s))),
        eye_tracking_rig_geometry=RigGeometry(
            equipment=planted.equipment_name,
            monitor_position_mm=Coordinates(118.6, 86.2, 31.6),
            monitor_rotation_deg=Coordinates(0.0, 0.0, 0.0),
            camera_position_mm=Coordinates(102.8, 74.7, 31.6),
            camera_rotation_deg=Coordinates(0.0, 0.0, 2.8),
            led_position=Coordinates(246.0, 92.3, 52.6),
        ),
    )


def _metadata(planted: PlantedExperiment) -> BehaviorOphysMetadata:
    ophys = {
        "ophys_experiment_id": planted.ophys_experiment_id,
        "ophys_session_id": ophys_session_id.OphysSessionId(planted.ophys_session_id),
        "ophys_container_id": ophys_container_id.OphysContainerId(planted.ophys_container_id),
        "field_of_view_shape": field_of_view_shape.FieldOfViewShape(height=FIELD_PX, width=FIELD_PX),
        "imaging_depth": imaging_depth.ImagingDepth(planted.imaging_depth),
        "targeted_imaging_depth": targeted_imaging_depth.TargetedImagingDepth(planted.imaging_depth),
        "project_code": ophys_project_code.OphysProjectCode(planted.project_code),
    }
    behavior = behavior_metadata.BehaviorMetadata(
        date_of_acquisition=date_of_acquisition.DateOfAcquisition(planted.acquired),
        subject_metadata=subject_metadata.SubjectMetadata(
            sex=sex.Sex(planted.sex),
            age=age.Age(planted.age_in_days),
            reporter_line=reporter_line.ReporterLine(planted.reporter_line),
            full_genotype=full_genotype.FullGenotype(planted.full_genotype),
            driver_line=driver_line.DriverLine(list(planted.driver_line)),
            mouse_id=mouse_id.MouseId(planted.mouse_id),
        ),
        behavior_session_id=sdk.BehaviorSessionId(planted.behavior_session_id),
        equipment=equipment.Equipment(planted.equipment_name),
        stimulus_frame_rate=stimulus_frame_rate.StimulusFrameRate(60.0),
        session_type=session_type.SessionType(planted.session_type),
        behavior_session_uuid=behavior_session_uuid.BehaviorSessionUUID(uuid.UUID(int=planted.behavior_session_id)),
        project_code=project_code.ProjectCode(planted.project_code),
    )
    if planted.imaging_plane_group is None:
        return BehaviorOphysMetadata(behavior, ophys_experiment_metadata.OphysExperimentMetadata(**ophys))
    group = imaging_plane_group.ImagingPlaneGroup(planted.imaging_plane_group, plane_group_count=4)
    return BehaviorOphysMetadata(behavior, multi_plane_metadata.MultiplaneMetadata(**ophys, imaging_plane_group=group))


def _task_parameters(planted: PlantedExperiment, n_frames: int) -> TaskParameters:
    return TaskParameters(
        blank_duration_sec=[0.5, 0.5],
        stimulus_duration_sec=0.25,
        omitted_flash_fraction=0.05,
        response_window_sec=list(RESPONSE_WINDOW_S),
        reward_volume=0.007,
        auto_reward_volume=0.005,
        session_type=planted.session_type,
        stimulus="images",
        stimulus_distribution="geometric",
        task_type="change detection",
        n_stimulus_frames=n_frames,
        stimulus_name=IMAGE_SETS[planted.image_set][0].split(".")[0],
    )


def _templates(planted: PlantedExperiment) -> Templates:
    name, images = IMAGE_SETS[planted.image_set]
    shape = (1200, 1920) if planted.whole_images else (120, 192)
    rng = np.random.default_rng(len(name))
    warped = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in images]
    unwarped = [image.astype(float) for image in warped]
    for image in unwarped:
        image[:, : shape[1] // 10] = np.nan  # what the warped screen doesn't show
    attributes = [{"image_name": image} for image in images]
    return Templates({name: StimulusTemplateFactory.from_processed(name, attributes, unwarped, warped)})


def _projection(rng: np.random.Generator) -> Image:
    return Image(rng.integers(0, 256, (FIELD_PX, FIELD_PX), dtype=np.uint8), (PIXEL_MM, PIXEL_MM), "mm")
