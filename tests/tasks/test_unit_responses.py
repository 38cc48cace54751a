import numpy as np
import polars as pl

from tasks.unit_responses import unit_responses
from tests.tasks.planted_responses import TIMES_S, planted_responses


def test_rows_are_the_units_traces_in_the_order_of_their_samples():
    responses = planted_responses(mice=1, cells=3)
    found = unit_responses(responses.sample(fraction=1, shuffle=True, seed=1))
    assert len(found.units) == 12
    assert found.presented.shape == found.omitted.shape == (12, 90)
    assert found.rows.shape == (12, 180)
    assert found.left_out_count == 0
    np.testing.assert_array_equal(found.times_s, TIMES_S)
    for row, unit in enumerate(found.units.iter_rows(named=True)):
        for condition, values in (("presented", found.presented), ("omitted", found.omitted)):
            own = responses.filter(session_id=unit["session_id"], unit_id=unit["unit_id"], condition=condition)
            np.testing.assert_array_equal(values[row], own["mean_dff"].to_numpy())


def test_units_that_lack_a_sample_or_a_condition_or_stand_on_other_times_are_left_out_and_counted():
    responses = planted_responses(mice=1, cells=3)
    vip = pl.col("session_id") == "Vip-0-familiar"
    lacking = responses.with_columns(
        mean_dff=pl.when(vip, unit_id=0, sample=7, condition="omitted").then(None).otherwise("mean_dff"),
        time_s=pl.when(vip, unit_id=1).then(pl.col("time_s") * 2).otherwise("time_s"),
    ).filter(~(vip & (pl.col("unit_id") == 2) & (pl.col("condition") == "presented")))
    found = unit_responses(lacking)
    assert found.left_out_count == 3
    assert "Vip-0-familiar" not in found.units["session_id"]
    assert len(found.units) == 9


def test_nothing_gives_nothing():
    for nothing in (pl.DataFrame(), planted_responses(mice=1, cells=1).clear()):
        found = unit_responses(nothing)
        assert found.rows.shape[0] == len(found.units) == found.left_out_count == 0
    one_condition = unit_responses(planted_responses(mice=1, cells=2).filter(condition="omitted"))
    assert one_condition.left_out_count == 8
    assert one_condition.units.is_empty()
