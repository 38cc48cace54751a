"""Gabors by hand, as sessions show them, and as the source draws them."""

import numpy as np
import pytest
from scipy.stats import linregress

from models.gabors import (
    Gabors,
    Screen,
    gabor_patches,
    mean_of_top,
    predicted_against_measured,
    session_gabors,
    session_gratings,
    source_gabors,
)
from models.shown_images import drift_response
from tests.models.planted_cells import Cells, planted_gabors

SHAPE = (60, 96)
SCREEN = Screen(120, 75)


def one(**changes):
    usual = {"x_px": 0.5, "y_px": 0.5, "orientation_deg": 0, "cycles_per_px": 0.1, "phase_deg": 0, "sigma_px": 4}
    return Gabors(**{name: np.array([value]) for name, value in (usual | changes).items()})


def test_a_patch_by_hand():
    (patch,) = gabor_patches(one(), SHAPE)
    assert patch[29, 48] == 1  # .5 px right of and above the image's middle
    assert patch[29, 48 + 5] == pytest.approx(-np.exp(-(5**2) / 32))  # half a cycle on
    assert patch[29 - 3, 48] == pytest.approx(np.exp(-(3**2) / 32))  # along the bars: the envelope
    (up,) = gabor_patches(one(orientation_deg=90, phase_deg=90), SHAPE)
    assert up[29 - 1, 48] == pytest.approx(-np.exp(-1 / 32) * np.sin(2 * np.pi * 0.1))


def test_patches_are_those_of_the_simulation():
    planted = planted_gabors(5, (30, 48))
    drawn = Gabors(**{name: row for name, row in vars(planted).items() if name not in ("even", "odd")})
    for patch, even in zip(gabor_patches(drawn, (30, 48)), planted.even, strict=True):
        assert np.corrcoef(patch.ravel(), even.ravel())[0, 1] == pytest.approx(1)


def test_the_sources_patch_has_its_wavelength_and_phase():
    (patch,) = source_gabors([0.0], (61, 97))
    across = patch[30]
    right = np.arange(97) - 48
    expected = np.exp(-(right**2) / 50) * np.cos(2 * right + np.deg2rad(3644.93))
    np.testing.assert_allclose(across, expected, atol=1e-12)
    assert patch.shape == (61, 97)


def test_a_sessions_patch_by_hand():
    right, up = (np.arange(96) - 47.5) * 1.25, (29.5 - np.arange(60))[:, None] * 1.25
    for x, y, angle in ((0, 0, 0), (10, -20, 45), (-40, 30, 90)):
        along = (right - x) * np.cos(np.deg2rad(angle)) + (up - y) * np.sin(np.deg2rad(angle))
        off = np.hypot(right - x, up - y)
        wave = 0.4 * np.cos(2 * np.pi * (0.08 * along - 0.2))
        for aperture, window in (("disc", off <= 10), ("gauss", np.exp(-0.5 * (off / (20 / 6)) ** 2))):
            (ours,) = session_gabors(SHAPE, SCREEN, x, y, angle, phase_cycles=0.2, aperture=aperture)
            np.testing.assert_allclose(ours, 0.5 + window * wave, atol=1e-12)


def test_a_disc_is_sharp_and_lies_where_it_was_shown():
    (patch,) = session_gabors(SHAPE, SCREEN, [20.0], [-10.0], [0.0], contrast=1.0)
    changed = patch != 0.5
    row, column = np.nonzero(changed)
    assert column.mean() == pytest.approx(47.5 + 20 / 1.25, abs=0.5)
    assert row.mean() == pytest.approx(29.5 + 10 / 1.25, abs=0.5)
    assert changed.sum() == pytest.approx(np.pi * 8**2, rel=0.05)  # 10 degrees are 8 pixels
    assert patch.max() == pytest.approx(0.5 + 0.5 * np.cos(0.1 * np.pi))  # .625 deg off the crest


def test_a_grating_has_its_frequency_and_moves_with_its_phase():
    still, later = (session_gratings(SHAPE, SCREEN, [0.0], 0.1, phase_cycles=phase)[0] for phase in (0, 0.25))
    assert np.abs(np.fft.rfft(still[0] - 0.5)).argmax() == 12  # .1 cycles per degree of 120 degrees
    np.testing.assert_allclose(later[:, 2:], still[:, :-2], atol=1e-12)  # a quarter of 8 pixels to the right
    assert (still == still[0]).all()


def test_the_mean_of_the_top_three_and_the_sources_row_before():
    patches = np.arange(5.0)[:, None, None] * np.ones((5, 2, 3))
    counts = np.array([[0, 9, 3, 7, 5], [4, 4, 4, 4, 4]])
    right, source = mean_of_top(patches, counts, "rigorous"), mean_of_top(patches, counts, "published")
    assert right.row.tolist() == [[1, 3, 4], [0, 1, 2]]
    np.testing.assert_allclose(right.images[:, 0, 0], [8 / 3, 1])
    assert source.row.tolist() == [[0, 2, 3], [4, 0, 1]]
    np.testing.assert_allclose(source.images[:, 0, 0], [5 / 3, 5 / 3])


def test_lines_agree_with_scipy_and_silence_has_none():
    rng = np.random.default_rng(0)
    predicted = rng.random((3, 20))
    measured = rng.poisson(3 * predicted).astype(float)
    measured[2] = 0
    match = predicted_against_measured(predicted, measured)
    for unit in range(2):
        line = linregress(predicted[unit], measured[unit])
        found = [getattr(match, name)[unit] for name in ("r", "slope", "intercept")]
        np.testing.assert_allclose(found, [line.rvalue, line.slope, line.intercept])
    assert np.isnan([match.r[2], match.slope[2]]).all()


def test_a_complex_cells_own_gabor_drives_it_through_the_cycle():
    planted = planted_gabors(4, (30, 48))
    phases = np.arange(8) / 8
    drawn = {name: row for name, row in vars(planted).items() if name not in ("even", "odd", "phase_deg")}
    frames = [0.5 + 0.2 * gabor_patches(Gabors(**drawn, phase_deg=np.full(4, 360 * p)), (30, 48)) for p in phases]
    model = Cells(planted, "complex")
    response = drift_response(model, np.arange(4), np.stack(frames))
    assert response.shape == (4, 4)
    assert (response.argmax(axis=1) == np.arange(4)).all()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="frequency and a sigma above 0"):
        one(sigma_px=0)
    with pytest.raises(ValueError, match="rows of finite numbers"):
        one(phase_deg=np.nan)
    with pytest.raises(ValueError, match=r"1 of 2 Gabors have no pixel .* the first at x 0, y 90"):
        session_gabors(SHAPE, SCREEN, [0, 0], [0, 90], [0, 0])
    with pytest.raises(ValueError, match=r"contrast must be 0 to 1, got 0.8 to 2"):
        session_gabors(SHAPE, SCREEN, [0, 0], [0, 0], [0, 0], contrast=[0.8, 2])
    with pytest.raises(ValueError, match="above 0, got 0 x 75"):
        Screen(0, 75)
    with pytest.raises(ValueError, match=r"5 Gabors need counts \(n_units, 5\), got \(2, 4\)"):
        mean_of_top(np.zeros((5, 2, 2)), np.zeros((2, 4)), "rigorous")
    with pytest.raises(ValueError, match="the mean of 6 of 5"):
        mean_of_top(np.zeros((5, 2, 2)), np.zeros((2, 5)), "rigorous", n_top=6)
    with pytest.raises(ValueError, match="3 stimuli or more"):
        predicted_against_measured(np.zeros((2, 2)), np.zeros((2, 2)))
