"""Everything that the lake holds of a study, as its report reads it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from storage.lake import Lake
from storage.tables import (
    ANOVA,
    CONTRASTS,
    DECODER_TESTS,
    FEATURE_IMPORTANCE,
    PREDICTIONS,
    TIME_DECODING,
    TIME_GENERALISATION,
)

_FINDINGS = {
    "contrasts": CONTRASTS,
    "anova": ANOVA,
    "decoder_tests": DECODER_TESTS,
    "importance": FEATURE_IMPORTANCE,
    "predictions": PREDICTIONS,
    "time_decoding": TIME_DECODING,
    "time_generalisation": TIME_GENERALISATION,
}


@dataclass(frozen=True, eq=False)
class StudyRows:
    """A study's rows, a frame per question; a frame of what the study doesn't have is empty.

    ``sessions`` answers `session_event_counts`, ``features`` `features_of_project`, ``responses``
    `group_mean_responses`, ``behavior`` `group_behavior_responses`, ``unit_responses`` `unit_mean_responses`,
    ``decoders`` `decoder_table`, ``group_tests`` `group_test_table`, ``mixed_effects`` `mixed_model_table`,
    ``excluded`` `sessions_without_responses`; the others are rows of their tables.
    ``simulated`` is true when no animal was recorded in some of the sessions.
    """

    study: Mapping
    simulated: bool
    promotion: Mapping | None
    sessions: pl.DataFrame
    excluded: pl.DataFrame
    rejected: pl.DataFrame
    features: pl.DataFrame
    responses: pl.DataFrame
    behavior: pl.DataFrame
    unit_responses: pl.DataFrame
    unit_scores: pl.DataFrame
    contrasts: pl.DataFrame
    group_tests: pl.DataFrame
    anova: pl.DataFrame
    mixed_effects: pl.DataFrame
    decoders: pl.DataFrame
    decoder_tests: pl.DataFrame
    importance: pl.DataFrame
    predictions: pl.DataFrame
    time_decoding: pl.DataFrame
    time_generalisation: pl.DataFrame

    @property
    def protocol(self) -> str:
        return self.study["protocol"]

    @property
    def notes(self) -> list[str]:
        """What was not computed and why, and what is to be taken with care."""
        return [note for note in (self.study["notes"] or "").split("\n") if note]

    @property
    def inputs(self) -> list[str]:
        return json.loads(self.study["inputs"])


def study_rows(lake: Lake, study_id: str) -> StudyRows:
    """Read a study's rows. Raises ValueError when the lake holds no such study."""
    studies = _of_study(lake, "findings.studies", study_id)
    if studies.is_empty():
        raise ValueError(f"the lake holds no study {study_id!r}; findings.studies lists those that there are")
    study = studies.row(0, named=True)
    project, studies_read = study["project"], json.loads(study["inputs"])
    promotions = _of_study(lake, "findings.promotions", study_id).to_dicts()
    sessions = lake.answer("session_event_counts", studies=studies_read)
    return StudyRows(
        study=study,
        simulated=lake.answer("simulated_sessions", project=project)["session_count"].item() > 0,
        promotion=promotions[0] if promotions else None,
        sessions=sessions,
        excluded=lake.answer("sessions_without_responses", project=project, studies=studies_read),
        rejected=lake.answer("rejected_files"),
        features=lake.answer("features_of_project", project=project, studies=studies_read),
        responses=lake.answer("group_mean_responses", studies=studies_read),
        behavior=lake.answer("group_behavior_responses", studies=studies_read),
        unit_responses=lake.answer("unit_mean_responses", studies=studies_read),
        decoders=lake.answer("decoder_table", study_id=study_id),
        group_tests=lake.answer("group_test_table", study_id=study_id),
        mixed_effects=lake.answer("mixed_model_table", study_id=study_id),
        unit_scores=_of_study(lake, "derived.unit_scores", study_id),
        **{name: _of_study(lake, table.name, study_id) for name, table in _FINDINGS.items()},
    )


def _of_study(lake: Lake, table: str, study_id: str) -> pl.DataFrame:
    return lake.query(f"SELECT * FROM {table} WHERE study_id = $study_id", study_id=study_id)
