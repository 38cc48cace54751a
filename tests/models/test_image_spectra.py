"""Spectra of images whose symmetry is known: gratings, plaids, rings."""

import numpy as np
import pytest

from models.image_spectra import angular_power, frequency_content, log_power_spectrum, power_spectrum, symmetry_index

ROW, COLUMN = np.mgrid[:60, :96]
OFF = np.hypot(ROW - 29.5, COLUMN - 47.5)
RING = (0.5 + 0.5 * ((OFF > 8) & (OFF < 12)))[None]
GRATING = (0.5 + 0.4 * np.cos(2 * np.pi * 12 * COLUMN / 96))[None]
PLAID = (0.5 + 0.2 * np.cos(2 * np.pi * 12 * COLUMN / 96) + 0.2 * np.cos(2 * np.pi * 8 * ROW / 60))[None]


def test_a_ring_scores_97_as_the_source_has_it_and_nearly_nothing_without_the_mean():
    published = [symmetry_index(RING, fold, "published")[0] for fold in (1, 2)]
    rigorous = [symmetry_index(RING, fold)[0] for fold in (1, 2)]
    np.testing.assert_allclose(published, 0.97, atol=0.005)
    assert rigorous[0] < 0.01
    assert rigorous[1] < 0.1  # 60 x 96 pixels aren't round


def test_a_grating_is_2_fold_whichever_way_it_runs():
    for angle in np.deg2rad([0, 30, 45, 90, 135]):
        along = (COLUMN - 47.5) * np.cos(angle) + (29.5 - ROW) * np.sin(angle)
        patch = 0.5 + 0.4 * np.exp(-(OFF**2) / 400) * np.cos(2 * np.pi * 0.15 * along)
        assert symmetry_index(patch[None], 1)[0] < 0.01
        assert symmetry_index(patch[None], 2)[0] > 0.9
        assert angular_power(patch[None])[0, :16].argmax() == round(angle / (np.pi / 16)) % 16


def test_a_plaid_is_4_fold_and_not_2_fold():
    assert symmetry_index(PLAID, 4)[0] > 0.99
    assert symmetry_index(PLAID, 2)[0] < 0.01


def test_the_zero_frequency_is_all_that_the_protocols_differ_by_in_the_spectrum():
    kept, removed = power_spectrum(GRATING, "published"), power_spectrum(GRATING)
    assert kept[0, 30, 48] == pytest.approx((0.5 * 60 * 96) ** 2)
    assert removed[0, 30, 48] == pytest.approx(0, abs=1e-9)
    kept[0, 30, 48] = removed[0, 30, 48] = 0
    np.testing.assert_allclose(kept, removed, atol=1e-6)
    assert removed.sum() == pytest.approx(GRATING[0].var() * 5760**2)  # Parseval


def test_brightness_does_not_change_what_rigorous_measures():
    rng = np.random.default_rng(0)
    image = rng.random((1, 60, 96))
    for measure in (angular_power, log_power_spectrum):
        np.testing.assert_allclose(measure(image), measure(image + 3), rtol=1e-3)
    assert symmetry_index(image + 3, 1, "published")[0] > symmetry_index(image, 1, "published")[0] > 0.7


def test_frequencies_lie_where_they_were_put():
    content = frequency_content(np.concatenate([GRATING, PLAID, RING]), n_bins=25)
    assert content.cycles_per_px[content.power[0].argmax()] == pytest.approx(0.125, abs=0.01)
    assert content.centre[0] == pytest.approx(0.125)
    assert content.centre[1] == pytest.approx((0.125 + 8 / 60) / 2)
    np.testing.assert_allclose(content.power[:2].sum(axis=1), 1)
    assert content.power.shape == (3, 25)


def test_the_logarithm_is_of_the_power():
    log = log_power_spectrum(RING)
    assert log.max() == pytest.approx(np.log10(power_spectrum(RING).max()))
    assert log.max() - log.min() == pytest.approx(12)  # where the mean was


def test_constant_and_tiny_images_and_unknown_folds_are_refused():
    with pytest.raises(ValueError, match=r"images \[1\] are of one grey"):
        symmetry_index(np.concatenate([RING, RING * 0 + 0.2]), 2)
    with pytest.raises(ValueError, match="too small to tell 32 directions apart"):
        angular_power(np.random.default_rng(0).random((1, 6, 6)))
    with pytest.raises(ValueError, match="folds 1 to 15"):
        symmetry_index(RING, 16)
    with pytest.raises(ValueError, match=r"n_images, height, width\), got \(60, 96\)"):
        power_spectrum(RING[0])
