import numpy as np
import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score

from storage.tables import UNIT_SCORES
from tasks.explore import explore
from tests.tasks.planted_responses import peaks_of, planted_responses

pytestmark = pytest.mark.xdist_group("umap")  # which each process compiles for ten seconds


def scores_of(part) -> pl.DataFrame:
    return pl.from_arrow(UNIT_SCORES.rows(part.rows[UNIT_SCORES]))


def peaks(rows: list[tuple[str, str, int, str, float | None]]) -> pl.DataFrame:
    """Features of (mouse, exposure, unit, condition, peak); a session for each mouse and exposure."""
    frame = pl.DataFrame(rows, ["mouse_id", "exposure_level", "unit_id", "condition", "peak_dff"], orient="row")
    session_id = pl.concat_str("mouse_id", "exposure_level", separator="-")
    return frame.with_columns(session_id=session_id, cre_line=pl.lit("Vip-IRES-Cre"))


def test_planted_types_come_back_as_motifs_and_every_unit_has_its_places():
    responses = planted_responses()
    part = explore(responses, peaks_of(responses), "omission-1")
    scores = scores_of(part)
    assert part.notes == ()
    assert set(scores["study_id"]) == {"omission-1"}
    maps = {"pc_1", "pc_2", "umap_1", "umap_2", "tsne_1", "tsne_2", "motif", "motif_silhouette"}
    counts = dict(scores.group_by("score").len().rows())
    assert counts == dict.fromkeys(maps, 64) | {"omission_index": 64, "novelty_index": 32, "novelty_index_omitted": 32}
    motif = scores.filter(score="motif")
    assert adjusted_rand_score(motif["session_id"].str.slice(0, 3), motif["value"]) >= 0.9
    assert scores.filter(score="motif_silhouette")["value"].mean() > 0.25
    assert scores.select(UNIT_SCORES.key).is_unique().all()


def test_indices_by_hand():
    features = peaks(
        [
            ("m1", "familiar", 1, "presented", 0.1),
            ("m1", "familiar", 1, "omitted", 0.3),  # omission index 0.5
            ("m1", "novel", 1, "presented", 0.3),  # novelty index 0.5
            ("m1", "novel", 1, "omitted", -0.2),  # counts as 0: omission index -1, novelty of omissions -1
            ("m1", "familiar", 2, "presented", 0.0),
            ("m1", "familiar", 2, "omitted", -0.1),  # neither responds: no index
            ("m2", "novel", 1, "presented", 0.2),  # another mouse's cell of the same id, seen once
            ("m2", "novel", 1, "omitted", None),
        ]
    )
    scores = scores_of(explore(pl.DataFrame(), features, "s")).drop("study_id").sort("score", "session_id", "unit_id")
    assert scores.rows() == [
        ("m1-novel", 1, "novelty_index", pytest.approx(0.5)),
        ("m1-novel", 1, "novelty_index_omitted", -1.0),
        ("m1-familiar", 1, "omission_index", pytest.approx(0.5)),
        ("m1-familiar", 2, "omission_index", None),
        ("m1-novel", 1, "omission_index", -1.0),
    ]


def test_sessions_of_one_kind_count_together_and_the_first_novel_one_bears_the_index():
    features = pl.concat(
        [
            peaks([("m1", level, 1, "presented", value)]).with_columns(session_id=pl.lit(session))
            for level, session, value in (
                ("novel", "b", 0.2),
                ("novel", "a", 0.4),
                ("familiar", "c", 0.1),
                ("familiar", "d", 0.1),
            )
        ]
    )
    scores = scores_of(explore(pl.DataFrame(), features, "s"))
    assert scores.select("session_id", "score", "value").rows() == [("a", "novelty_index", pytest.approx(0.5))]


def test_few_cells_have_indices_and_a_note_instead_of_maps():
    responses = planted_responses(mice=1, cells=2)
    part = explore(responses, peaks_of(responses), "s")
    assert set(scores_of(part)["score"]) == {"omission_index", "novelty_index", "novelty_index_omitted"}
    assert part.notes == ("maps and motifs: it takes 10 units with both conditions, there are 8",)


def test_ready_made_features_have_indices_and_a_note():
    part = explore(pl.DataFrame(), peaks_of(planted_responses(mice=1, cells=2)), "s")
    assert "ready-made" in part.notes[0]
    assert len(scores_of(part)) == 8 + 2 * 4


def test_nothing_at_all_gives_no_rows():
    part = explore(pl.DataFrame(), pl.DataFrame(), "s")
    assert part.rows == {}


def test_what_lacks_a_condition_is_left_out_and_noise_is_called_weak():
    rng = np.random.default_rng(0)
    responses = planted_responses(mice=2, cells=10)
    noise = responses.with_columns(mean_dff=pl.Series(rng.normal(size=len(responses)), dtype=pl.Float32)).filter(
        ~((pl.col("condition") == "omitted") & (pl.col("unit_id") == 3))
    )
    part = explore(noise, peaks_of(noise), "s")
    assert part.notes[0].startswith("maps and motifs leave out 4 of 80 units")
    assert "motifs are weak" in part.notes[1]


def test_cells_that_never_respond_are_not_mapped():
    silent = planted_responses(mice=2, cells=4).with_columns(mean_dff=pl.lit(0.0))
    part = explore(silent, peaks_of(silent), "s")
    assert "respond to nothing" in part.notes[0]
    assert scores_of(part)["value"].null_count() == len(scores_of(part))
