"""Trials gathered session by session: missing ones are no rows, and too many are drawn from evenly."""

import numpy as np

from tasks.drawn_trials import DrawnTrials


def test_rows_keep_their_label_and_mouse_and_missing_ones_are_left_out():
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)  # 2 units, 3 events, 2 times
    values[1, 0] = np.nan
    drawn = DrawnTrials()
    drawn.add(values, np.array([True, False, False]), "m1")
    drawn.add(values[:1], np.array([False, True, True]), "m2")
    assert drawn.values[:, 0].tolist() == [0, 2, 4, 8, 10, 0, 2, 4]
    assert drawn.y.tolist() == [1, 0, 0, 0, 0, 0, 1, 1]
    assert [drawn.mice[m] for m in drawn.mouse] == ["m1"] * 5 + ["m2"] * 3
    assert (drawn.n_added, drawn.n_events) == (8, 6)


def test_beyond_the_most_rows_are_drawn_evenly_from_all_sessions():
    drawn = DrawnTrials(most=3000)
    for session in range(10):
        values = np.full((20, 100, 1), session, dtype=np.float32)
        drawn.add(values, np.arange(100) % 4 == 0, f"m{session}")
    assert len(drawn.values) == len(drawn.y) == 3000
    assert drawn.n_added == 20_000
    np.testing.assert_array_equal(drawn.values[:, 0], drawn.mouse)
    assert np.abs(np.bincount(drawn.mouse) - 300).max() < 60  # s.d. 15
    assert abs(drawn.y.mean() - 0.25) < 0.04
