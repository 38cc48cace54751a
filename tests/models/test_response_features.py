import numpy as np
import pytest
from scipy import integrate, stats

from models.event_responses import Window
from models.response_features import FEATURES, response_features, response_magnitude

TIMES = Window().times_s
STEP = 3 / 89


def features_of_one(y, t):
    """The study's definitions, one trace at a time."""
    peak, trough = y.max(), y.min()
    early = (t >= 0) & (t <= 0.2)
    above = t[y >= peak / 2]
    scaled = (y - trough) / (peak - trough)
    later = np.flatnonzero((t >= t[y.argmax()]) & (y <= peak / 2))
    return dict(
        zip(
            FEATURES,
            [
                integrate.simpson(y, x=t),
                peak,
                t[y.argmax()],
                trough,
                t[y.argmin()],
                peak - trough,
                np.polyfit(t[early], y[early], 1)[0],
                above[-1] - above[0] if len(above) > 1 else 0.0,
                (y**2).sum(),
                y[(t >= 0) & (t < 0.5)].mean(),
                y[(t >= 0.5) & (t < 1.0)].mean(),
                stats.skew(y),
                stats.kurtosis(y),
                (np.diff(np.sign(y)) != 0).sum(),
                t[scaled >= 0.9][0] - t[scaled >= 0.1][0],
                t[later[0]] - t[y.argmax()] if len(later) else 0.0,
            ],
            strict=True,
        )
    )


def test_features_agree_with_one_trace_at_a_time():
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.normal(size=(5, 40, 90)), axis=-1)
    traces = np.concatenate([smooth, smooth - smooth.max(axis=-1, keepdims=True) - 1, rng.normal(size=smooth.shape)])
    found = response_features(traces, TIMES)
    assert tuple(found) == FEATURES
    for index in np.ndindex(traces.shape[:-1]):
        expected = features_of_one(traces[index], TIMES)
        for name in FEATURES:
            assert found[name][index] == pytest.approx(expected[name], rel=1e-9, abs=1e-9), name


def test_a_triangle_has_the_features_one_reads_off_it():
    # Climbs from 0 at onset to 1 at 0.5 s and falls to 0 at 1 s, sampled every 10 ms.
    t = np.linspace(-1, 2, 301)
    found = response_features(np.clip(1 - np.abs(t - 0.5) / 0.5, 0, None), t)
    expected = {
        "auc_dff_s": 0.5,
        "peak_dff": 1.0,
        "peak_latency_s": 0.5,
        "trough_dff": 0.0,
        "trough_latency_s": -1.0,
        "peak_to_trough_dff": 1.0,
        "slope_dff_per_s": 2.0,
        "mean_0_500ms_dff": 0.49,
        "mean_500_1000ms_dff": 0.51,
        "zero_crossings": 2.0,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-3), name
    # Samples at exactly a half or a tenth may fall on either side by rounding.
    assert found["fwhm_s"] == pytest.approx(0.5, abs=0.0201)
    assert found["rise_time_s"] == pytest.approx(0.4, abs=0.0201)
    assert found["decay_time_s"] == pytest.approx(0.25, abs=0.0101)
    assert found["energy_dff2"] == pytest.approx(1 / 3 / 0.01, rel=1e-3)


def test_a_single_spike_has_no_width_and_decays_in_one_step():
    trace = np.zeros(90)
    trace[50] = 2.0
    found = response_features(trace, TIMES)
    assert found["fwhm_s"] == 0
    assert found["rise_time_s"] == 0
    assert found["decay_time_s"] == pytest.approx(STEP)
    assert found["energy_dff2"] == 4
    assert found["zero_crossings"] == 2
    assert found["peak_latency_s"] == pytest.approx(TIMES[50])
    assert found["trough_latency_s"] == -1


def test_a_trace_that_never_falls_to_half_its_peak_has_no_decay_time():
    assert response_features(np.linspace(1, 1.5, 90), TIMES)["decay_time_s"] == 0


def test_a_sign_change_counts_once_and_through_an_exact_zero_twice():
    once, twice = np.ones(90), np.ones(90)
    once[45:], twice[45:], twice[45] = -1, -1, 0
    assert response_features(np.stack([once, twice]), TIMES)["zero_crossings"].tolist() == [1, 2]


def test_a_peak_below_zero_has_no_width_and_no_decay():
    found = response_features(-1 - (TIMES - 0.5) ** 2, TIMES)
    assert found["fwhm_s"] == 0
    assert found["decay_time_s"] == 0


@pytest.mark.parametrize("level", [0.0, 0.3, -2.0])
def test_a_constant_trace_has_no_rise_and_no_higher_moments(level):
    found = response_features(np.full(90, level), TIMES)
    assert found["rise_time_s"] == 0
    assert np.isnan(found["skewness"])
    assert np.isnan(found["kurtosis"])
    assert found["peak_to_trough_dff"] == 0
    assert found["auc_dff_s"] == pytest.approx(3 * level)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_trace_that_is_not_finite_is_nan_in_every_feature_and_spoils_no_other(bad):
    traces = np.random.default_rng(2).normal(size=(3, 90))
    whole = response_features(traces, TIMES)
    traces[1, 7] = bad
    found = response_features(traces, TIMES)
    for name in FEATURES:
        assert np.isnan(found[name][1]), name
        np.testing.assert_array_equal(found[name][[0, 2]], whole[name][[0, 2]])


def test_features_have_the_leading_shape_of_the_traces():
    for shape in [(), (3,), (2, 0), (2, 3, 4)]:
        assert all(f.shape == shape for f in response_features(np.ones((*shape, 90)), TIMES).values())


@pytest.mark.parametrize(
    ("trace", "times_s", "said"),
    [
        (np.ones(89), TIMES, "n_samples"),
        (np.ones((90, 3)), TIMES, "n_samples"),
        (np.ones(90), TIMES[::-1], "strictly increase"),
        (np.ones(4), np.array([-1.0, 0.0, 0.6, 1.2]), "slope needs 2 samples"),
        (np.ones(4), np.array([-1.0, 0.0, 0.1, 0.2]), "no sample between 0.5 and 1.0"),
    ],
)
def test_times_that_cannot_carry_the_features_are_refused(trace, times_s, said):
    with pytest.raises(ValueError, match=said):
        response_features(trace, times_s)


def test_the_magnitude_is_what_a_step_adds():
    step = np.where(TIMES >= 0, 3.0, 1.0) + 7.0 * (TIMES >= 1.0)  # what comes after 1 s doesn't count
    assert response_magnitude(step, TIMES) == pytest.approx(2.0)
    many = response_magnitude(np.stack([step, 5 * step, step + 100]).reshape(3, 1, 90), TIMES)
    np.testing.assert_allclose(many, [[2.0], [10.0], [2.0]])
    assert np.isnan(response_magnitude(np.where(TIMES < -0.9, np.nan, step), TIMES))


def test_a_window_that_does_not_span_a_second_on_both_sides_has_no_magnitude():
    short = Window(-0.5, 2.0, 90).times_s
    assert np.isnan(response_magnitude(np.ones((2, 90)), short)).tolist() == [True, True]
    with pytest.raises(ValueError, match="n_samples"):
        response_magnitude(np.ones(89), TIMES)
