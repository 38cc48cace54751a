"""Decoding through time of whole sessions: what was planted is found at its time, and read back by SQL."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from storage.lake import Lake
from storage.tables import TIME_DECODING, TIME_GENERALISATION
from tasks.decode_time import SessionAbout, decode_time
from tasks.session_trials import SessionTrials
from tasks.study_part import StudyPart

pytestmark = pytest.mark.xdist_group("time decoding")

TIMES_S = np.linspace(-1, 2, 31)
ONSET_S = 0.75 * np.arange(300)
GROUP = ("protocol", "level", "decoder", "cre_line", "exposure_level")
WINDOWS = {"auc": 0.6, "accuracy": 0.65, "fewest_points": 2}


def trials(session_id: str, seed: int, gain: float = 0.0, n_units: int = 4) -> SessionTrials:
    """White noise, and in omissions an offset of all units from 0.5 to 1.5 s."""
    rng = np.random.default_rng(seed)
    omitted = np.zeros(300, dtype=bool)
    omitted[rng.permutation(300)[:30]] = True
    values = rng.standard_normal((n_units, 300, 31)).astype(np.float32)
    values[:, omitted] += gain * ((TIMES_S >= 0.5) & (TIMES_S <= 1.5))
    return SessionTrials(session_id, np.arange(n_units), np.arange(300), ONSET_S.copy(), omitted, TIMES_S, values, 0, 0)


ABOUT = {f"v{m}": SessionAbout(f"vip{m}", "Vip-IRES-Cre", "familiar") for m in range(6)} | {
    f"s{m}": SessionAbout(f"sst{m}", "Sst-IRES-Cre", "novel") for m in range(6)
}


@pytest.fixture(scope="module")
def part() -> StudyPart:
    """Six Vip mice with a planted effect, six Sst mice without."""
    vip = (trials(f"v{m}", m, gain=0.9) for m in range(6))
    sst = (trials(f"s{m}", 10 + m) for m in range(6))
    return decode_time((session for group in (vip, sst) for session in group), ABOUT, "study")


def test_every_group_level_and_decoder_has_each_time_once(part):
    rows = pl.from_arrow(TIME_DECODING.rows(part.rows[TIME_DECODING]))
    assert len(rows) == 2 * 2 * 2 * 2 * 31
    assert rows.select(*GROUP, "time_s").n_unique() == len(rows)
    generalised = pl.from_arrow(TIME_GENERALISATION.rows(part.rows[TIME_GENERALISATION]))
    assert len(generalised) == 16 * 11 * 11
    assert set(rows["mouse_count"]) == {6}
    counts = rows.select("protocol", "level", "row_count", "fold_count", "event_count").unique()
    assert set(counts.iter_rows()) == {
        ("published", "single_trial", 6 * 4 * 300, 10, 1800),
        ("published", "population", 1800, 10, 1800),
        ("rigorous", "single_trial", 6 * 4 * 60, 6, 360),
        ("rigorous", "population", 360, 5, 360),
    }


def test_the_planted_effect_is_found_at_its_time_and_nothing_elsewhere(part):
    rows = part.rows[TIME_DECODING].with_columns(planted=pl.col("time_s").is_between(0.5, 1.5))
    vip = rows.filter(cre_line="Vip-IRES-Cre")
    assert vip.filter("planted")["p_max"].max() <= 1 / 32
    assert vip.filter("planted")["p_cluster"].max() <= 1 / 32
    assert vip.filter(~pl.col("planted"))["p_max"].min() > 0.05
    assert rows.filter(cre_line="Sst-IRES-Cre")["p_max"].min() > 0.05


def test_single_trials_score_alike_whatever_the_linear_decoder(part):
    single = part.rows[TIME_DECODING].filter(level="single_trial").sort(*GROUP, "time_s")
    by_decoder = [single.filter(decoder=name)["auc"].to_list() for name in ("logistic", "lda")]
    assert by_decoder[0] == by_decoder[1]


def test_what_is_had_for_nothing_is_said(part):
    assert [note.split(" (")[0] for note in part.notes] == [
        "time decoding, single_trial, published: 90% of rows are of one condition, so an accuracy of 0.90 is chance",
        "time decoding, population, published: 90% of rows are of one condition, so an accuracy of 0.90 is chance",
    ]


def test_windows_and_means_come_back_by_sql(part: StudyPart, lake: Lake):
    lake.replace({table: table.rows(rows) for table, rows in part.rows.items()}, message="time decoding")
    windows = lake.answer("time_decoding_windows", study_id="study", **WINDOWS)
    rigorous = windows.filter(protocol="rigorous", level="population", decoder="lda", metric="auc")
    assert rigorous.filter(cre_line="Vip-IRES-Cre").select("start_s", "stop_s", "point_count").rows() == [
        (pytest.approx(0.5), pytest.approx(1.5), 11)
    ]
    means = lake.answer("time_decoding_before_after", study_id="study")
    assert len(means) == 16
    expected = part.rows[TIME_DECODING].group_by(GROUP).agg(
        pl.col("auc").filter(pl.col("time_s") < 0).mean().alias("auc_before"),
        pl.col("accuracy").filter(pl.col("time_s") >= 0).mean().alias("accuracy_after"),
    )  # fmt: skip
    both = means.join(expected, on=GROUP, suffix="_by_hand")
    for score in ("auc_before", "accuracy_after"):
        np.testing.assert_allclose(both[score], both[f"{score}_by_hand"])


def test_gaps_and_islands_by_hand(lake: Lake):
    auc = [0.7, 0.5, 0.7, 0.7, 0.6, 0.7, 0.9, 0.7]  # 0.6 itself is not above
    key = dict(zip(GROUP, ("rigorous", "population", "lda", "Vip-IRES-Cre", "familiar"), strict=True))
    key |= {"study_id": "s", "chance_accuracy": 0.5, "permutation_count": 0, "fold_count": 2, "row_count": 8}
    accuracy = [0.5] * 7 + [0.8]
    rows = [
        key | {"time_s": t / 10, "auc": a, "accuracy": b, "mouse_count": 1}
        for t, (a, b) in enumerate(zip(auc, accuracy, strict=True))
    ]
    lake.replace({TIME_DECODING: TIME_DECODING.rows(rows)}, message="by hand")
    windows = lake.answer("time_decoding_windows", study_id="s", **WINDOWS)
    assert windows.select("metric", "start_s", "stop_s", "point_count").rows() == [
        ("auc", 0.2, pytest.approx(0.3), 2),
        ("auc", 0.5, pytest.approx(0.7), 3),
    ]
    assert windows["mean_score"].to_list() == pytest.approx([0.7, 2.3 / 3])


def test_what_cannot_be_decoded_is_left_out_and_said():
    without_onsets = replace(trials("v0", 0), onset_s=np.full(300, np.nan))
    one_condition = replace(trials("v1", 1), omitted=np.zeros(300, dtype=bool))
    unplaced = trials("x", 2)
    about = ABOUT | {"x": SessionAbout("x", None, "novel")}
    part = decode_time([without_onsets, one_condition, unplaced], about, "study", ("rigorous",))
    assert part.rows == {}
    vip = "rigorous, Vip-IRES-Cre, familiar"
    assert part.notes == (
        "time decoding, rigorous, v0: blocks of time need onsets, got 300 that are not finite",
        "time decoding, rigorous, v1: 0 of 300 events are omissions, both conditions are needed",
        "time decoding: x has no cre line or exposure level",
        f"time decoding, single_trial, {vip}: leaving one mouse out needs at least 2 mice, got 1",
        f"time decoding, population, {vip}: no session has a population to decode",
    )


def test_a_missing_unit_takes_no_event_with_it():
    sessions = [trials(f"v{m}", m) for m in range(2)]
    sessions[0].values[0] = np.nan  # a unit without a frame
    sessions[1].values[1, :5] = np.nan  # five events that it missed
    rows = decode_time(sessions, ABOUT, "study", ("published",)).rows[TIME_DECODING]
    assert set(rows.filter(level="population")["row_count"]) == {600 - 5}
    assert set(rows.filter(level="single_trial")["row_count"]) == {2400 - 300 - 5}


def test_sessions_on_other_times_are_refused():
    other = replace(trials("v1", 1), times_s=TIMES_S + 0.1)
    with pytest.raises(ValueError, match=r"v1 has other times"):
        decode_time([trials("v0", 0), other], ABOUT, "study")


def test_every_session_is_told_of():
    told = []
    decode_time([trials("v0", 0), trials("v1", 1)], ABOUT, "study", ("rigorous",), told.append)
    assert told == ["decoded v0", "decoded v1"]
