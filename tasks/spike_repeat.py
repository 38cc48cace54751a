"""The study once more on inferred spike probability, where sessions have it; and how far that is to be believed."""

from collections.abc import Iterator, Sequence

import polars as pl

from models.spike_noise import mean_rate_hz, noise_level
from storage.declaration import Table
from storage.lake import Lake
from storage.tables import UNIT_SCORES
from tasks.effects import effects
from tasks.explore import score_rows
from tasks.study_part import StudyPart

MEASURES = ("peak_spike_prob", "peak_latency_s", "auc_spike_prob_s", "response_magnitude_spike_prob")
INFERENCE_WINDOW_FRAMES = 64  # what CASCADE sees at a time (Rupprecht et al. 2021)


def spike_repeat(lake: Lake, project: str, feature_studies: Sequence[str], study_id: str) -> StudyPart:
    """The tests of `effects` on features of spike probability, and noise level and mean rate of each unit.

    Measures are named so that they differ from those of dF/F: what ``derived.spike_features`` names as dF/F's features
    are (``peak_latency_s``) becomes ``spike_prob_peak_latency_s``. Sessions without inferred spikes are left out, and a
    note says how many and why: snippets are too short to infer from.
    """
    sessions = lake.answer("spike_signals", studies=list(feature_studies))
    notes = [*_left_out(sessions)]
    inferred = sessions.filter("has_spike_prob")
    rows: dict[Table, pl.DataFrame] = {}
    if scores := [frame for session in inferred.iter_rows(named=True) for frame in _scores(lake, session)]:
        rows[UNIT_SCORES] = pl.concat(scores).with_columns(study_id=pl.lit(study_id))
    features = lake.answer("spike_features_of_project", project=project, studies=list(feature_studies))
    features = features.drop_nulls(["cre_line", "exposure_level"])
    if features.is_empty():
        if len(inferred):
            notes.append("spike probability: no features of it were measured, or no cre line or exposure is given")
        return StudyPart(rows, tuple(notes))
    found = effects(features, study_id, MEASURES)
    for table, of_table in found.rows.items():
        frame = of_table if isinstance(of_table, pl.DataFrame) else pl.DataFrame(of_table, infer_schema_length=None)
        rows[table] = frame.with_columns(pl.col("measure").map_elements(spike_measure, return_dtype=pl.String))
    return StudyPart(rows, (*notes, *(f"spike probability: {note}" for note in found.notes)))


def spike_measure(measure: str) -> str:
    """The name under which findings hold a measure of spikes; of two joined by ' + ', each."""
    return " + ".join(one if "spike_prob" in one else f"spike_prob_{one}" for one in measure.split(" + "))


def _scores(lake: Lake, session: dict) -> Iterator[pl.DataFrame]:
    measured = [("spike_prob", "mean_spike_prob_hz", mean_rate_hz)]
    if session["has_dff"]:
        measured.append(("dff", "noise_level", noise_level))
    for signal, score, measure in measured:
        traces = lake.traces(session["session_id"], signal)
        units = pl.DataFrame({"unit_id": traces.unit_id}).with_columns(session_id=pl.lit(session["session_id"]))
        yield from score_rows(units, {score: measure(traces.values, session["rate_hz"])})


def _left_out(sessions: pl.DataFrame) -> Iterator[str]:
    """Why sessions have no part in the repeat, those with one reason together."""
    without = sessions.filter(~pl.col("has_spike_prob"))
    if without.is_empty():
        return
    says = f"spike probability: {len(without)} of {len(sessions)} sessions have none inferred"
    snippets = without.filter(~pl.col("has_dff")).drop_nulls("snippet_sample_count")
    by_length = snippets.group_by("snippet_sample_count").len().sort("snippet_sample_count").rows()
    if not by_length:
        yield says
    for samples, count in by_length:
        valid = max(samples - INFERENCE_WINDOW_FRAMES + 1, 0)
        yield (
            f"{says}; {count} of these have snippets only, which can't carry it: a {INFERENCE_WINDOW_FRAMES}-frame"
            f" window leaves {valid} valid frames of {samples}"
        )
