import numpy as np
import pytest

from models.indicator_kernels import INDICATORS, Kernel, indicator_named, kernel_of, sampled_kernel
from models.simulate_kernels import indicator_kernel


def test_a_decay_by_hand():
    # Frames of 1 s and a decay of 1 / ln 2 s halve from frame to frame: 1, 1/2, 1/4, of a sum of 7/4.
    np.testing.assert_allclose(sampled_kernel(Kernel(1 / np.log(2)), 1.0, 3), [4 / 7, 2 / 7, 1 / 7])


@pytest.mark.parametrize("name", INDICATORS)
def test_a_kernel_sums_to_one_and_halves_when_its_indicator_does(name):
    indicator = INDICATORS[name]
    kernel = sampled_kernel(kernel_of(name), 1000.0, 30_000)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[round(1000 * indicator.half_decay_s)] / kernel[0] == pytest.approx(0.5, rel=0.01)
    assert indicator.source


@pytest.mark.parametrize("name", [name for name, one in INDICATORS.items() if one.time_to_peak_s])
def test_with_a_rise_the_peak_is_when_it_was_measured(name):
    kernel = sampled_kernel(kernel_of(name, with_rise=True), 10_000.0, 100_000)
    assert kernel[0] == 0
    assert kernel.sum() == pytest.approx(1)
    assert kernel.argmax() / 10_000 == pytest.approx(INDICATORS[name].time_to_peak_s, abs=2e-4)


def test_gcamp6f_is_what_the_simulated_mice_have():
    rise_s, decay_s = INDICATORS["GCaMP6f"].rise_s, INDICATORS["GCaMP6f"].decay_s
    assert decay_s == pytest.approx(0.205, abs=1e-3)
    t_s = np.arange(500) / 100
    shape = indicator_kernel(t_s, rise_s, decay_s)
    np.testing.assert_allclose(sampled_kernel(Kernel(decay_s, rise_s), 100.0, 500), shape / shape.sum())


@pytest.mark.parametrize("written", ["gcamp8m", "GCaMP8m", "jgcamp8m", "jGCaMP-8m", "JGCAMP 8M"])
def test_names_are_known_in_any_case_with_or_without_the_j(written):
    assert indicator_named(written).name == "jGCaMP8m"


def test_what_is_not_known_is_said_with_what_is():
    with pytest.raises(ValueError, match=r"no kinetics of indicator 'Fluo-9'; known: GCaMP6s, .*decay_s"):
        kernel_of("Fluo-9")
    with pytest.raises(ValueError, match="no time to peak of jGCaMP7s"):
        kernel_of("jGCaMP7s", with_rise=True)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="decay_s must be positive, got 0"):
        Kernel(0.0)
    with pytest.raises(ValueError, match="rise_s must be positive, got -1"):
        Kernel(1.0, -1.0)
    with pytest.raises(ValueError, match="rate_hz must be positive, got 0"):
        sampled_kernel(Kernel(1.0), 0.0, 5)
    with pytest.raises(ValueError, match="at least one frame, got 0"):
        sampled_kernel(Kernel(1.0), 1.0, 0)
    with pytest.raises(ValueError, match="over within a frame of 10 s"):
        sampled_kernel(Kernel(0.01, 0.01), 0.1, 5)
