"""The order of a raster: sequences that were planted come back in order, and the rules where Rastermap can't sort."""

import logging

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.raster_order import RasterChoice, block_orders, raster_order


def sequence(n_units, n_bins=600, seed=0):
    """Units that fire one after the other, again and again, over noise, in shuffled rows: (activity, place)."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(n_units)
    phase = (np.arange(n_bins) % 60) / 60 * n_units
    away = np.abs((phase - place[:, None] + n_units / 2) % n_units - n_units / 2)
    rate = 0.1 + 3 * np.exp(-0.5 * (away / (n_units / 20)) ** 2)
    return rng.poisson(rate).astype(np.float32), place


def ring_order(order, place, n_units):
    """Mean step along the sequence, which is a ring, between neighbours in the order; 1 by chance."""
    step = np.abs(np.diff(place[order]))
    return np.minimum(step, n_units - step).mean() / (n_units / 4)


@pytest.mark.parametrize("n_units", [30, 60])  # up to 50 units Rastermap doesn't cluster
def test_a_planted_sequence_comes_back_in_order(n_units):
    activity, place = sequence(n_units)
    found = raster_order(activity)
    assert found.rule == "rastermap"
    assert sorted(found.order.tolist()) == list(range(n_units))
    assert ring_order(found.order, place, n_units) < 0.4
    shuffled = np.random.default_rng(0).permuted(activity, axis=1)
    assert ring_order(raster_order(shuffled).order, place, n_units) > 0.6


def test_the_same_seed_gives_the_same_order_and_nothing_else_is_touched():
    activity, _ = sequence(60)
    np.random.seed(3)
    expected, handlers = np.random.random(), list(logging.root.handlers)
    np.random.seed(3)
    first = raster_order(activity).order
    assert np.random.random() == expected
    assert logging.root.handlers == handlers
    np.testing.assert_array_equal(raster_order(activity).order, first)


def test_units_without_spikes_come_last():
    activity, _ = sequence(20)
    activity[[2, 11]] = 0
    found = raster_order(activity)
    assert found.order[-2:].tolist() == [2, 11]
    assert found.n_sorted == 18


def test_few_units_are_ordered_by_likeness_and_two_as_they_came():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500))
    activity = np.stack([a, b, a + 0.1 * rng.standard_normal(500), b + 0.1 * rng.standard_normal(500)])
    found = raster_order(activity)
    assert found.rule == "similarity"
    assert {frozenset(found.order[:2].tolist()), frozenset(found.order[2:].tolist())} == {
        frozenset({0, 2}),
        frozenset({1, 3}),
    }
    assert raster_order(activity[:2]).rule == "as they came"
    silent = raster_order(np.zeros((3, 100)))
    assert (silent.order.tolist(), silent.n_sorted) == ([0, 1, 2], 0)


def test_each_block_has_its_own_order():
    (first, place_1), (second, place_2) = sequence(20, seed=1), sequence(20, seed=2)
    activity = np.concatenate([first, np.zeros((20, 20)), second], axis=1)
    block = np.repeat([1, 0, 2], [600, 20, 600])
    orders = block_orders(activity, block)
    assert list(orders) == [1, 2]
    for number, place in ((1, place_1), (2, place_2)):
        assert ring_order(orders[number].order, place, 20) < 0.5
    assert abs(spearmanr(orders[1].order, orders[2].order).statistic) < 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: raster_order(np.zeros((3, 16))), "more than 16 bins, to look 15 ahead, got 16"),
        (lambda: raster_order(np.full((3, 50), np.nan)), "finite"),
        (lambda: block_orders(np.zeros((3, 50)), np.repeat([1, 2], [40, 10])), "block 2: activity needs"),
        (lambda: block_orders(np.zeros((3, 50)), np.zeros(4, int)), "one number per bin"),
        (lambda: RasterChoice(locality=2), "0 to 1"),
        (lambda: RasterChoice(n_clusters=200), "1 to 199"),
    ],
)
def test_what_cannot_be_sorted_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
