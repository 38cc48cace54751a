import polars as pl

from tasks.sentences_explore import exploration_sentences

SESSIONS = pl.DataFrame(
    {
        "session_id": ["a", "b", "c"],
        "mouse_id": ["m1", "m2", "m3"],
        "cre_line": ["Vip-IRES-Cre", "Vip-IRES-Cre", "Sst-IRES-Cre"],
        "exposure_level": ["novel"] * 3,
    }
)


def scores(score: str, *values: tuple[str, int, float | None]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=["session_id", "unit_id", "value"], orient="row").with_columns(
        score=pl.lit(score), value=pl.col("value").cast(pl.Float64)
    )


def test_each_mouse_counts_once_in_an_index():
    found = scores("omission_index", ("a", 1, 0.1), ("a", 2, 0.3), ("b", 1, 0.4), ("c", 1, None), ("c", 2, -0.5))
    (sentence,) = exploration_sentences(found, SESSIONS)
    # Mice .2 and .4: mean .3, t(1) interval .3 +- 12.706 * .1.
    assert "VIP cells, novel sets +0.3 (95 % CI -1.0 to 1.6 over 2 mice, 3 cells)" in sentence
    assert "SST cells, novel sets -0.50 (1 mouse, 1 cell)" in sentence
    assert sentence.endswith("Not tested further. With only 1 mouse, this carries little.")


def test_motifs_are_sized_and_composed():
    found = scores("motif", ("a", 1, 0.0), ("b", 1, 0.0), ("c", 1, 0.0), ("c", 2, 1.0))
    (sentence,) = exploration_sentences(found, SESSIONS)
    assert "4 in all, of 3 mice) into 2 motifs: 1: 3 rows (67 % VIP, 33 % SST); 2: 1 row (100 % SST)." in sentence
    assert "tests nothing" in sentence


def test_without_scores_nothing_is_said():
    assert list(exploration_sentences(scores("motif", ("a", 1, 0.0)).clear(), SESSIONS)) == []
