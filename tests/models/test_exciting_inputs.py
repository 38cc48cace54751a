"""Most exciting inputs of planted cells: their filters, whichever seed, together as one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.ascent_slots import ContrastAt, Plateau, Shifted
from models.ascent_starts import noise_starts
from models.exciting_inputs import Ascent, climb, exciting_inputs, inhibiting, rigorous_ascent, seed_agreement
from models.image_stimuli import natural_images
from models.shown_images import response_of_own, true_gradients
from tests.models.planted_cells import Cells, likeness, planted_gabors

SHAPE = (30, 48)
N_UNITS = 8


@pytest.fixture(scope="module")
def planted():
    return planted_gabors(N_UNITS, SHAPE)


@pytest.fixture(scope="module")
def ascent():
    images = natural_images(30, *SHAPE, np.random.default_rng(0)) / 255
    return rigorous_ascent(images, n_steps=120, radius_px=8)


@pytest.fixture(scope="module")
def found(planted, ascent):
    starts = noise_starts(SHAPE, seeds=(3, 4, 5))
    return {
        kind: exciting_inputs(Cells(planted, kind), np.arange(N_UNITS), ascent, starts)
        for kind in ("simple", "complex", "rectified")
    }


@pytest.mark.parametrize("kind", ["simple", "complex"])
def test_the_most_exciting_input_is_the_planted_filter(planted, found, kind):
    every_seed = np.concatenate([likeness(planted, found[kind].images[:, seed], kind) for seed in range(3)])
    assert np.median(every_seed) > 0.95  # 0.8 wanted
    assert every_seed.min() > 0.8


def test_the_input_of_a_simple_cell_has_its_sign(planted, found):
    assert likeness(planted, found["simple"].best_images, "simple").min() > 0.8
    assert likeness(planted, 1 - found["simple"].best_images, "simple").max() < -0.8


def test_seeds_agree_on_simple_cells_and_find_other_phases_of_complex_ones(found):
    assert seed_agreement(found["simple"].images).min() > 0.95
    assert np.median(seed_agreement(found["complex"].images)) < 0.5
    spread = found["complex"].response.std(axis=1) / found["complex"].response.mean(axis=1)
    assert spread.max() < 0.05  # the response is the same at each phase


def test_a_start_that_a_rectified_cell_does_not_answer_comes_back_and_says_so(planted, found):
    rectified = found["rectified"]
    assert not rectified.moved.all()
    assert rectified.moved.any(axis=1).all()
    at_rest = np.broadcast_to(Cells(planted, "rectified").baseline, (~rectified.moved).sum())
    np.testing.assert_allclose(rectified.response[~rectified.moved], at_rest, rtol=1e-6)
    assert likeness(planted, rectified.best_images, "simple").min() > 0.8  # the best seed is one that moved


def test_together_is_one_by_one(planted, ascent, found):
    model = Cells(planted)
    starts = noise_starts(SHAPE, seeds=(4,))
    for unit in (0, 5):
        alone = exciting_inputs(model, np.array([unit]), ascent, starts, at_once=1)
        np.testing.assert_allclose(alone.images[0, 0], found["simple"].images[unit, 1], atol=2e-4)
        np.testing.assert_allclose(
            alone.response_by_step[0, 0], found["simple"].response_by_step[unit, 1], rtol=1e-4, atol=1e-5
        )


def test_a_convolutional_network_climbs_together_as_one_by_one(ascent):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ELU(), nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(3), nn.ELU()
    )
    with torch.no_grad():
        model.train()(torch.randn(20, 1, *SHAPE))
    short, starts = replace(ascent, n_steps=40), noise_starts(SHAPE, seeds=(0, 1, 2))
    together, singly = (exciting_inputs(model.eval(), np.array([2, 0]), short, starts, at_once=size) for size in (6, 1))
    np.testing.assert_allclose(together.images, singly.images, atol=1e-3)
    np.testing.assert_allclose(together.response, singly.response, rtol=1e-3)
    assert (together.response > together.response_by_step[..., 0]).all()


class Masked(nn.Module):
    """A batch norm read through one mask per unit by an einsum, whose gradient torch lays out channels last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.seen = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ELU())
        self.register_buffer("mask", torch.randn(3, SHAPE[0] - 4, SHAPE[1] - 4))
        with torch.no_grad():
            self.train()(torch.randn(20, 1, *SHAPE))
        self.eval()

    def forward(self, images):
        return torch.einsum("nchw,uhw->ncu", self.seen(images), self.mask).sum(1)

    def one_unit_each(self, images, units):
        return torch.einsum("nchw,nhw->nc", self.seen(images), self.mask[units]).sum(1)


def test_one_image_alone_follows_its_true_gradient(ascent):
    model, starts = Masked(), noise_starts(SHAPE, seeds=(0, 1))
    short = replace(ascent, n_steps=20)
    together, singly = (exciting_inputs(model, np.array([2, 0]), short, starts, at_once=size) for size in (4, 1))
    np.testing.assert_allclose(together.images, singly.images, atol=1e-4)
    image = torch.from_numpy(starts.images[:1, None]).double()
    exact, unit = model.double(), torch.tensor([2])
    with true_gradients(exact):
        asked_of = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(exact.one_unit_each(asked_of, unit).sum(), asked_of)
    along = torch.randn_like(image)
    ahead, behind = (exact.one_unit_each(image + way * 1e-5 * along, unit).item() for way in (1, -1))
    assert (gradient * along).sum().item() == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)
    assert not exact.seen[1]._forward_hooks


def test_what_is_kept_of_the_way_is_true(planted, found):
    simple, model = found["simple"], Cells(planted)
    units = simple.unit.repeat(3)
    images = simple.images.reshape(-1, *SHAPE)
    np.testing.assert_allclose(simple.response.ravel(), response_of_own(model, images, units), rtol=1e-5)
    np.testing.assert_allclose(simple.contrast.ravel(), images.std(axis=(1, 2), ddof=1), rtol=1e-4)
    start = noise_starts(SHAPE, seeds=(3, 4, 5)).images
    at_start = [response_of_own(model, start, np.full(3, unit)) for unit in range(N_UNITS)]
    np.testing.assert_allclose(simple.response_by_step[..., 0], at_start, rtol=1e-5)
    assert simple.response_by_step.shape == (N_UNITS, 3, 121)
    known = np.isfinite(simple.response_by_step).sum(axis=-1)
    np.testing.assert_array_equal(known, simple.n_steps + 1)
    assert (simple.best == simple.response.argmax(axis=1)).all()


def test_images_stay_within_the_norm_and_what_can_be_shown(ascent, found):
    norm = ascent.after[1]
    for kind in found.values():
        assert kind.images.min() >= 0
        assert kind.images.max() <= 1
        length = np.sqrt(((kind.images[kind.moved] - norm.about) ** 2).mean(axis=(1, 2)))
        assert length.max() <= norm.norm * 1.001


def test_the_most_inhibiting_input_of_a_simple_cell_is_its_filter_turned_over(planted, ascent):
    down = exciting_inputs(Cells(planted), np.arange(N_UNITS), inhibiting(ascent), noise_starts(SHAPE, (0, 1)))
    assert likeness(planted, down.best_images, "simple").max() < -0.8
    assert (down.response[:, :1] <= down.response_by_step[:, :1, 0]).all()
    np.testing.assert_array_equal(down.best, down.response.argmin(axis=1))


def test_an_image_that_no_longer_changes_stops_and_the_others_go_on(planted, ascent):
    early = replace(ascent, n_steps=300, stop=Plateau(patience=10, tolerance=1e-3, least_steps=20))
    model, starts = Cells(planted), noise_starts(SHAPE, (0,))
    stopped = exciting_inputs(model, np.arange(N_UNITS), early, starts)
    assert (stopped.n_steps < 300).any()
    assert len(np.unique(stopped.n_steps)) > 1
    alone = exciting_inputs(model, np.array([6]), early, starts)
    assert alone.n_steps[0, 0] == stopped.n_steps[6, 0]
    np.testing.assert_allclose(alone.images[0], stopped.images[6], atol=2e-4)


def test_other_slots_take_their_place(planted, ascent):
    shaken = Ascent(100, ascent.step, transform=Shifted(1, seed=0), after=(ContrastAt(0.04),))
    found = exciting_inputs(Cells(planted), np.arange(N_UNITS), shaken, noise_starts(SHAPE, (0,)))
    np.testing.assert_allclose(found.contrast, 0.04, rtol=1e-3)
    assert np.median(likeness(planted, found.images[:, 0], "simple")) > 0.8


def test_progress_counts_the_images_that_are_done(planted, ascent):
    told = []
    exciting_inputs(
        Cells(planted), np.arange(3), replace(ascent, n_steps=2), noise_starts(SHAPE, (0, 1)), 4, told.append
    )
    assert told == [4, 6]


def test_what_cannot_be_climbed_is_refused(planted, ascent):
    model, starts = Cells(planted), noise_starts(SHAPE, (0,))
    with pytest.raises(ValueError, match=r"units 0 to 7, but was asked for \[8, -1\]"):
        exciting_inputs(model, np.array([1, 8, -1]), ascent, starts)
    with pytest.raises(ValueError, match="can't see images of 20 x 20 pixels"):
        exciting_inputs(model, np.array([0]), ascent, noise_starts((20, 20), (0,)))
    with pytest.raises(ValueError, match="in training mode"):
        exciting_inputs(nn.Sequential(nn.Flatten(), nn.Linear(1440, 2)).train(), np.array([0]), ascent, starts)
    with pytest.raises(ValueError, match="of one grey"):
        rigorous_ascent(np.full((3, *SHAPE), 0.5), radius_px=8)
    with pytest.raises(ValueError, match="doesn't fit"):
        rigorous_ascent(np.random.default_rng(0).random((3, *SHAPE)), radius_px=40)
    with pytest.raises(ValueError, match="one row of whole numbers"):
        exciting_inputs(model, np.array([0.5]), ascent, starts)
    with pytest.raises(ValueError, match="one step or more"):
        replace(ascent, n_steps=0)


def test_responses_that_overflow_are_reported(ascent):
    class Steep(nn.Module):
        def forward(self, images):
            return torch.exp(400 * images.mean(dim=(1, 2, 3))[:, None]) ** 2

    with pytest.raises(ValueError, match="no longer finite"):
        climb(Steep().eval(), noise_starts(SHAPE, (0,)).images, np.zeros(1, dtype=np.int64), replace(ascent, n_steps=3))
