"""Everything that the lake holds of a response-type study, as its report and its CSV files read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from storage.lake import Lake
from storage.tables import RESPONSE_TYPE_TESTS, RESPONSE_TYPES
from tasks.response_type_recipe import TypesRecipe


@dataclass(frozen=True, eq=False)
class TypesRows:
    """A study's rows, a frame per question; a frame of what the study doesn't have is empty.

    ``sessions`` answers `sessions_of_types`, ``rois`` `roi_table`, ``coefficients`` `coefficient_table`, ``regressors``
    `regressor_table`, ``cluster_counts`` `cluster_count_table`, ``chance`` `chance_r2_table`; ``types`` and ``tests``
    are rows of their tables. All hold both protocols. ``simulated``: no animal was recorded in some of the sessions.
    """

    study: Mapping
    simulated: bool
    sessions: pl.DataFrame
    rois: pl.DataFrame
    regressors: pl.DataFrame
    coefficients: pl.DataFrame
    chance: pl.DataFrame
    cluster_counts: pl.DataFrame
    types: pl.DataFrame
    tests: pl.DataFrame

    @property
    def protocol(self) -> str:
        return self.study["protocol"]

    @property
    def recipe(self) -> TypesRecipe:
        said = json.loads(self.study["parameters"])
        return TypesRecipe(**{name: tuple(one) if isinstance(one, list) else one for name, one in said.items()})

    @property
    def inputs(self) -> list[str]:
        return json.loads(self.study["inputs"])

    @property
    def fitted(self) -> pl.DataFrame:
        """Sessions whose ROIs were fitted, by protocol."""
        return self.sessions.filter(pl.col("roi_count") > 0)

    @property
    def excluded(self) -> pl.DataFrame:
        """Sessions that could not take part, by protocol; ``notes`` say why."""
        return self.sessions.filter(pl.col("roi_count") == 0)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What was left out of sessions that took part, with the sessions or how many; and of the study."""
        said = self.fitted.drop_nulls("notes").select(
            "protocol", "session_id", pl.col("notes").str.split("\n").alias("note")
        )
        by_note = said.explode("note").group_by("note", maintain_order=True).agg(pl.col("session_id").unique().sort())
        notes = [(note, _named(sessions)) for note, sessions in by_note.rows()]
        return [*((note, "the study") for note in (self.study["notes"] or "").split("\n") if note), *notes]

    def of(self, protocol: str) -> pl.DataFrame:
        """ROIs of a protocol."""
        return self.rois.filter(protocol=protocol)


def types_rows(lake: Lake, study_id: str) -> TypesRows:
    """Read a study's rows. Raises ValueError when the lake holds no such study."""
    studies = lake.query("SELECT * FROM findings.studies WHERE study_id = $study_id", study_id=study_id)
    if studies.is_empty():
        raise ValueError(f"the lake holds no study {study_id!r}; findings.studies lists those that there are")
    study = studies.row(0, named=True)
    read = json.loads(study["inputs"])
    recipe = json.loads(study["parameters"])
    rois = lake.answer("roi_table", studies=read)
    if recipe["regions"]:
        rois = rois.filter(pl.col("region").is_in(recipe["regions"]))
    return TypesRows(
        study=study,
        simulated=lake.answer("simulated_sessions", project=study["project"])["session_count"].item() > 0,
        sessions=lake.answer("sessions_of_types", studies=read),
        rois=rois,
        regressors=lake.answer("regressor_table", studies=read),
        coefficients=lake.answer("coefficient_table", studies=read),
        chance=lake.answer("chance_r2_table", studies=read),
        cluster_counts=lake.answer("cluster_count_table", studies=read),
        types=_of_study(lake, RESPONSE_TYPES.name, study_id),
        tests=_of_study(lake, RESPONSE_TYPE_TESTS.name, study_id),
    )


def _of_study(lake: Lake, table: str, study_id: str) -> pl.DataFrame:
    return lake.query(f"SELECT * FROM {table} WHERE study_id = $study_id ORDER BY ALL", study_id=study_id)


def _named(sessions: Sequence[str]) -> str:
    return ", ".join(sessions) if len(sessions) <= 3 else f"{len(sessions)} sessions"
