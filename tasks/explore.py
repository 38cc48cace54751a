"""Exploration of a study: indices of each cell, maps of mean responses, and response motifs."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.preference_indices import preference_index
from models.response_maps import FEWEST_ROWS, in_own_spread, principal_components, tsne_places, umap_places
from models.response_motifs import NO_STRUCTURE, response_motifs
from storage.tables import UNIT_SCORES
from tasks.study_part import StudyPart
from tasks.unit_responses import unit_responses

SHAPE_COMPONENTS = 20  # principal components that neighbourhoods and motifs are made from
MOST_MAPPED = 5000  # rows with places on UMAP and t-SNE, whose time grows faster than the rows


def explore(responses: pl.DataFrame, features: pl.DataFrame, study_id: str) -> StudyPart:
    """Rows of derived.unit_scores: omission and novelty index of peaks, places on maps, motifs.

    ``responses`` is an answer of `unit_mean_responses`, ``features`` one of `features_of_project`. A map's rows are
    units in sessions: the presented and the omitted mean response one after the other, in its own s.d. about its mean,
    so that shapes are compared, and how the two conditions compare within the cell, but not how bright cells are. With
    too few rows for maps there are indices alone, and a note.
    """
    scores = [*_indices(features)]
    maps, notes = _maps(responses)
    scores += maps
    if not scores:
        return StudyPart({}, notes)
    return StudyPart({UNIT_SCORES: pl.concat(scores).with_columns(study_id=pl.lit(study_id))}, notes)


def score_rows(units: pl.DataFrame, columns: Mapping[str, NDArray]) -> Iterator[pl.DataFrame]:
    """Rows of derived.unit_scores, less the study's id: for each score its value (n_units,) in each unit."""
    for score, values in columns.items():
        yield units.select(
            "session_id",
            pl.col("unit_id").cast(pl.Int64),
            score=pl.lit(score),
            value=pl.Series(np.asarray(values, dtype=np.float64)),
        )


def _indices(features: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if features.is_empty():
        return
    peaks = (
        features.drop_nulls("peak_dff")
        .group_by("mouse_id", "session_id", "unit_id", "exposure_level", maintain_order=True)
        .agg(pl.col("peak_dff").filter(condition=name).mean().alias(name) for name in ("presented", "omitted"))
    )
    both = peaks.drop_nulls(["presented", "omitted"])
    index = preference_index(both["omitted"].to_numpy(), both["presented"].to_numpy())
    yield from score_rows(both, {"omission_index": index})
    cells = (
        peaks.drop_nulls("mouse_id")
        .sort("session_id")
        .group_by("mouse_id", "unit_id", maintain_order=True)
        .agg(
            # Several sessions of one kind count together; the index stands at the first novel one.
            pl.col("session_id").filter(exposure_level="novel").first(),
            *(
                pl.col(condition).filter(exposure_level=level).mean().alias(f"{condition}_{level}")
                for condition in ("presented", "omitted")
                for level in ("novel", "familiar")
            ),
        )
        .drop_nulls("session_id")
    )
    for condition, score in (("presented", "novelty_index"), ("omitted", "novelty_index_omitted")):
        seen = cells.drop_nulls([f"{condition}_novel", f"{condition}_familiar"])
        novel, familiar = (seen[f"{condition}_{level}"].to_numpy() for level in ("novel", "familiar"))
        yield from score_rows(seen, {score: preference_index(novel, familiar)})


def _maps(responses: pl.DataFrame) -> tuple[list[pl.DataFrame], tuple[str, ...]]:
    if responses.is_empty():
        return [], ("maps and motifs: no mean responses, since the features came ready-made",)
    found = unit_responses(responses)
    count = len(found.units)
    notes = []
    if found.left_out_count:
        asked = count + found.left_out_count
        why = "which lack a condition or a sample, or have other times"
        notes.append(f"maps and motifs leave out {found.left_out_count} of {asked} units, {why}")
    if count < FEWEST_ROWS:
        return [], (*notes, f"maps and motifs: it takes {FEWEST_ROWS} units with both conditions, there are {count}")
    shapes = principal_components(in_own_spread(found.rows), SHAPE_COMPONENTS).places
    if not shapes.any():
        return [], (*notes, f"maps and motifs: the {count} units respond to nothing, or all alike")
    scores = [*score_rows(found.units, {"pc_1": shapes[:, 0], "pc_2": shapes[:, 1]})]
    mapped = np.arange(count)
    if count > MOST_MAPPED:
        mapped = np.sort(np.random.default_rng(0).choice(count, MOST_MAPPED, replace=False))
        notes.append(f"UMAP and t-SNE show {MOST_MAPPED:,} of {count:,} units, drawn at random")
    for name, places_of in (("umap", umap_places), ("tsne", tsne_places)):
        places = places_of(shapes[mapped])
        scores += score_rows(found.units[mapped], {f"{name}_1": places[:, 0], f"{name}_2": places[:, 1]})
    try:
        motifs = response_motifs(shapes)
    except ValueError as error:
        return scores, (*notes, f"motifs: {error}")
    scores += score_rows(found.units, {"motif": motifs.motif, "motif_silhouette": motifs.silhouette})
    best = motifs.mean_silhouette[motifs.count]
    if best < NO_STRUCTURE:
        weak = f"their mean silhouette is {best:.2f}, and below {NO_STRUCTURE} there is no structure to speak of"
        notes.append(f"the {motifs.count} motifs are weak: {weak}")
    return scores, tuple(notes)
