"""Everything that the lake holds of an image-coding study, as its report reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from storage.declaration import Table
from storage.lake import Lake
from storage.tables import (
    ASCENT_STEPS,
    ENCODING_MODELS,
    EXCITATORY_INPUTS,
    IMAGE_CODING,
    INPUT_COMPARISONS,
    LEARNING_CURVES,
    PATTERN_RESPONSES,
    PREDICTED_RESPONSES,
    PRESENTATION_PSTHS,
    RASTER_ORDER,
    UNIT_PAIRS,
    UNIT_RELIABILITY,
)
from tasks.image_coding_recipe import CodingRecipe


@dataclass(frozen=True, eq=False)
class CodingRows:
    """A study's rows, a frame per question; a frame of what the study doesn't have is empty.

    ``parts`` answers `sessions_of_coding`, ``scores`` `encoding_score_table`; the others are rows of their tables with
    the protocol of their study. ``inputs`` have an image (height, width) for each of ``images``, in their order.
    ``simulated``: no animal was recorded in some of the sessions.
    """

    study: Mapping
    simulated: bool
    parts: pl.DataFrame
    units: pl.DataFrame
    pairs: pl.DataFrame
    orders: pl.DataFrame
    psths: pl.DataFrame
    models: pl.DataFrame
    curves: pl.DataFrame
    scores: pl.DataFrame
    predictions: pl.DataFrame
    inputs: pl.DataFrame
    images: tuple[NDArray[np.float32], ...]
    steps: pl.DataFrame
    patterns: pl.DataFrame
    comparisons: pl.DataFrame
    summary: pl.DataFrame

    @property
    def protocol(self) -> str:
        return self.study["protocol"]

    @property
    def recipe(self) -> CodingRecipe:
        said = json.loads(self.study["parameters"])
        return CodingRecipe(**{name: tuple(one) if isinstance(one, list) else one for name, one in said.items()})

    @property
    def part_studies(self) -> list[str]:
        return json.loads(self.study["inputs"])

    @property
    def measured(self) -> pl.DataFrame:
        """Sessions whose responses were measured."""
        return self.parts.filter(pl.col("measured_count") > 0)

    @property
    def excluded(self) -> pl.DataFrame:
        """Parts without rows; ``notes`` say why."""
        counts = {
            "image_responses": "measured_count",
            "encoding_models": "model_count",
            "exciting_inputs": "input_count",
        }
        empty = pl.any_horizontal((pl.col("kind") == kind) & (pl.col(name) == 0) for kind, name in counts.items())
        return self.parts.filter(empty)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What was noted of parts that have rows, with the sessions and protocols that it is of."""
        there = self.parts.join(self.excluded.select("part_study_id"), on="part_study_id", how="anti")
        where = pl.when(kind="image_responses").then("session_id")
        where = where.otherwise(pl.concat_str("session_id", pl.lit(", "), "protocol"))
        said = there.drop_nulls("notes").select(where=where, note=pl.col("notes").str.split("\n")).explode("note")
        by_note = said.group_by("note", maintain_order=True).agg(pl.col("where").unique(maintain_order=True))
        return [(note, _named(places)) for note, places in by_note.rows()]

    def kept_scores(self, protocol: str) -> pl.DataFrame:
        """Scores of the registered networks of a protocol on images held out."""
        kept = self.models.drop_nulls("model_name").select("protocol", "session_id", "model")
        return self.scores.filter(side="test", protocol=protocol).join(kept, on=["protocol", "session_id", "model"])

    def image_of(self, **wanted: object) -> NDArray[np.float32] | None:
        """The first image of these columns' values, None without one."""
        found = self.inputs.with_row_index("place").filter(**wanted)
        return self.images[found["place"][0]] if len(found) else None


def coding_rows(lake: Lake, study_id: str) -> CodingRows:
    """Read a study's rows. Raises ValueError when the lake holds no such study."""
    studies = lake.query("SELECT * FROM findings.studies WHERE study_id = $study_id", study_id=study_id)
    if studies.is_empty():
        raise ValueError(f"the lake holds no study {study_id!r}; findings.studies lists those that there are")
    study = studies.row(0, named=True)
    parts = json.loads(study["inputs"])
    inputs = _of_parts(lake, EXCITATORY_INPUTS, parts)
    return CodingRows(
        study=study,
        simulated=lake.answer("simulated_sessions", project=study["project"])["session_count"].item() > 0,
        parts=lake.answer("sessions_of_coding", studies=parts),
        units=_of_parts(lake, UNIT_RELIABILITY, parts),
        pairs=_of_parts(lake, UNIT_PAIRS, parts),
        orders=_of_parts(lake, RASTER_ORDER, parts),
        psths=_of_parts(lake, PRESENTATION_PSTHS, parts),
        models=_of_parts(lake, ENCODING_MODELS, parts),
        curves=_of_parts(lake, LEARNING_CURVES, parts),
        scores=lake.answer("encoding_score_table", studies=parts),
        predictions=_of_parts(lake, PREDICTED_RESPONSES, parts),
        inputs=inputs.drop("pixels"),
        images=tuple(_image(row) for row in inputs.iter_rows(named=True)),
        steps=_of_parts(lake, ASCENT_STEPS, parts),
        patterns=_of_parts(lake, PATTERN_RESPONSES, parts),
        comparisons=_of_parts(lake, INPUT_COMPARISONS, parts),
        summary=lake.query(
            f"SELECT * EXCLUDE (study_id) FROM {IMAGE_CODING.name} WHERE study_id = $id ORDER BY ALL", id=study_id
        ),
    )


def _of_parts(lake: Lake, table: Table, parts: Sequence[str]) -> pl.DataFrame:
    """A table's rows of these studies, with the protocol of each, in the order of its key."""
    own = "" if "protocol" in table.column_names else "f.protocol, "
    keys = ", ".join(f"t.{name}" for name in table.key[1:])
    return lake.query(
        f"SELECT {own}t.* EXCLUDE (study_id) FROM {table.name} AS t JOIN findings.studies AS f USING (study_id)"
        f" WHERE list_contains($parts, study_id) ORDER BY f.protocol DESC, {keys}",
        parts=list(parts),
    )


def _image(row: Mapping) -> NDArray[np.float32]:
    return np.frombuffer(row["pixels"], "<f4").reshape(row["height_px"], row["width_px"])


def _named(places: Sequence[str]) -> str:
    return "; ".join(places) if len(places) <= 3 else f"{len(places)} of them"
