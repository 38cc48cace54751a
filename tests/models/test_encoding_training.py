"""Training on planted neurons: what is learned, when it ends, and that the same seed gives the same weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.encoding_model import EncodingChoice, configuration, predict, published_choice, rebuilt, state_bytes
from models.encoding_training import (
    TrainingChoice,
    presentation_loss,
    train_encoding_model,
    train_ensemble,
    train_unit_by_unit,
)
from models.image_core import CoreChoice
from models.image_splits import split_images

SHAPE = (12, 12)
TINY = EncodingChoice(SHAPE, CoreChoice(channels=4, n_layers=1, input_kernel=5), readout="factorised")
QUICK = TrainingChoice(most_epochs=4, patience=2, learning_rate=0.02, device="cpu")


IN_VALIDATION = np.isin(np.arange(60), split_images(np.arange(60), seed=0).validation)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gabor(angle: float) -> np.ndarray:
    y, x = np.mgrid[-5.5:6:1, -5.5:6:1]
    along = x * np.cos(angle) + y * np.sin(angle)
    found = np.exp(-(x**2 + y**2) / 8) * np.sin(2 * np.pi * along / 6)
    return found / np.linalg.norm(found)


FILTERS = np.stack([gabor(0.0), gabor(np.pi / 2)])


def planted(n_images: int, n_repeats: int = 5, seed: int = 0):
    """Images of noise (n_images, 12, 12), and counts (2, n_images, n_repeats) of neurons rectifying a Gabor."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(120, 40, (n_images, *SHAPE)).astype(np.float32)
    rate = 0.3 + 0.06 * np.maximum(0, np.einsum("uhw,nhw->un", FILTERS, grey - 120))  # (2, n_images)
    return grey, rng.poisson(rate[:, :, None], (2, n_images, n_repeats)).astype(float)


@pytest.fixture(scope="module")
def small():
    grey, trials = planted(60)
    return grey, trials, split_images(np.arange(60), seed=0)


@pytest.mark.parametrize("loss", ["poisson", "mse"])
def test_planted_filters_are_recovered(loss):
    grey, trials = planted(600)
    split = split_images(np.arange(600), seed=0)
    training = TrainingChoice(loss, learning_rate=0.02, most_epochs=30, patience=4, n_decays=1, device="cpu")
    model = train_encoding_model(grey, trials, split, TINY, training).model
    images = torch.zeros(2, 1, *SHAPE, requires_grad=True)
    # At grey a rectifier has half a slope; its direction is the filter.
    model.one_unit_each(images, torch.arange(2)).sum().backward()
    for found, filter_ in zip(images.grad[:, 0].numpy(), FILTERS, strict=True):
        assert np.corrcoef(found.ravel(), filter_.ravel())[0, 1] > 0.85
    predicted, rate = predict(model, grey)[split.test], trials[:, split.test].mean(axis=2).T
    assert min(np.corrcoef(predicted[:, u], rate[:, u])[0, 1] for u in range(2)) > 0.75


def test_training_ends_early_at_the_best_epoch(small):
    grey, trials, split = small
    noise = np.random.default_rng(0).poisson(2.0, trials.shape).astype(float)
    told = []
    training = TrainingChoice(learning_rate=0.05, patience=3, n_decays=1, most_epochs=100, device="cpu")
    trained = train_encoding_model(grey, noise, split, TINY, training, progress=told.append)
    losses = [one.validation_loss for one in trained.curve]
    assert told == list(trained.curve)
    assert len(losses) < 100
    assert trained.best_epoch == 1 + int(np.argmin(losses))
    assert len({one.learning_rate for one in trained.curve}) == 2
    model = trained.model
    predicted = torch.as_tensor(predict(model, grey[split.validation])) / model.response_scale
    mean = torch.as_tensor(noise[:, split.validation].mean(axis=2).T) / model.response_scale
    again = presentation_loss(predicted, mean, torch.full_like(mean, 5.0), "poisson").item()
    assert again == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("readout", ["pyramid", "gaussian", "factorised"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(small, readout):
    grey, trials, split = small
    choice = EncodingChoice((18, 18), CoreChoice(channels=3, n_layers=2), readout)
    grey = np.pad(grey, ((0, 0), (3, 3), (3, 3)), constant_values=120)
    training = replace(QUICK, shift=1, most_epochs=2)

    def weights(seed):
        return state_bytes(train_encoding_model(grey, trials, split, choice, replace(training, seed=seed)).model)

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = weights(0)
    assert torch.rand(1) == expected  # and training leaves the global generator alone
    assert weights(0) == first
    assert weights(1) != first


def test_test_images_are_never_seen(small):
    grey, trials, split = small
    other_grey, other_trials = grey.copy(), trials.copy()
    other_grey[split.test], other_trials[:, split.test] = 1e4, 77
    one = train_encoding_model(grey, trials, split, TINY, QUICK)
    other = train_encoding_model(other_grey, other_trials, split, TINY, QUICK)
    assert state_bytes(one.model) == state_bytes(other.model)


def test_a_silent_neuron_and_missing_repeats_do_no_harm(small):
    grey, trials, split = small
    trials = np.concatenate([trials, np.zeros((1, *trials.shape[1:])), np.full((1, *trials.shape[1:]), 2.0)])
    trials[:, ::2, 3:] = np.nan
    trials[:, split.train[0]] = np.nan  # never shown
    trained = train_encoding_model(grey, trials, split, TINY, QUICK)
    assert trained.model.constant.tolist() == [False, False, True, True]
    predicted = predict(trained.model, grey)
    assert np.isfinite(predicted).all()
    assert (predicted[:, 2] == 0).all()
    assert (predicted[:, 3] == 2).all()
    grey = grey.copy()
    grey[split.train[0]] = 120.0 + 30 * np.sign(grey[split.train[0]] - 120)
    again = train_encoding_model(grey, trials, split, TINY, QUICK)
    assert np.isfinite([one.train_loss for one in again.curve]).all()


@pytest.mark.parametrize("loss", ["poisson", "mse"])
def test_losses_of_means_differ_from_losses_of_presentations_by_a_constant(loss):
    rng = np.random.default_rng(0)
    trials = torch.as_tensor(rng.poisson(2.0, (6, 4, 3)).astype(float))  # (n, n_repeats, n_units)
    shown = torch.tensor([4, 3, 2, 1, 4, 2])[:, None].expand(6, 3)
    known = torch.arange(4)[None, :, None] < shown[:, None]
    mean = (trials * known).sum(1) / shown
    differences = []
    for seed in range(2):
        predicted = torch.as_tensor(np.random.default_rng(seed).uniform(0.5, 4, (6, 3)))
        ours = presentation_loss(predicted, mean, shown.double(), loss)
        of_each = predicted[:, None].expand(6, 4, 3)[known], trials[known]
        poisson = loss == "poisson"
        theirs = (
            torch.nn.functional.poisson_nll_loss(*of_each, log_input=False, eps=0)
            if poisson
            else torch.nn.functional.mse_loss(*of_each)
        )
        differences.append((theirs - ours).item())
    assert differences[0] == pytest.approx(differences[1])


def test_published_training_is_a_model_per_neuron(small):
    grey, trials, split = small
    grey = np.pad(grey, ((0, 0), (2, 2), (2, 2)), constant_values=120)
    choice = replace(published_choice((16, 16)), core=CoreChoice(channels=4))
    training = replace(QUICK, loss="mse")
    model, trained = train_unit_by_unit(grey, trials, split, choice, training)
    assert model.n_units == len(trained) == 2
    alone = train_encoding_model(grey, trials[[1]], split, choice, training)
    np.testing.assert_allclose(predict(model, grey)[:, 1], predict(alone.model, grey)[:, 0], rtol=1e-4)
    assert all(one.model.readout.weight.min() >= 0 for one in trained)
    again = rebuilt(configuration(model), state_bytes(model))
    np.testing.assert_allclose(predict(again, grey), predict(model, grey), rtol=1e-4)


def test_an_ensemble_is_the_mean_of_models_from_seeds_in_a_row(small):
    grey, trials, split = small
    model, trained = train_ensemble(grey, trials, split, TINY, QUICK, n_models=2)
    second = train_encoding_model(grey, trials, split, TINY, replace(QUICK, seed=1))
    each = [predict(trained[0].model, grey), predict(second.model, grey)]
    np.testing.assert_allclose(predict(model, grey), np.mean(each, axis=0), rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, t: {"grey": g[:, :11]}, r"grey must be \(60, 12, 12\)"),
        (lambda g, t: {"trials": t[0]}, "n_units, n_images, n_repeats"),
        (lambda g, t: {"trials": t - 1}, "responses are below 0"),
        (lambda g, t: {"grey": np.full_like(g, 9)}, "have one value"),
        (lambda g, t: {"grey": np.where(g > 200, np.nan, g)}, "not finite"),
        (lambda g, t: {"trials": np.where(IN_VALIDATION[:, None], np.nan, t)}, "no validation image was ever shown"),
        (lambda g, t: {"trials": np.ones_like(t)}, "none of 2 units"),
        (lambda g, t: {"choice": replace(TINY, output="linear")}, "linear output"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(small, change, message):
    grey, trials, split = small
    given = {"grey": grey, "trials": trials, "choice": TINY} | change(grey, trials)
    with pytest.raises(ValueError, match=message):
        train_encoding_model(given["grey"], given["trials"], split, given["choice"], QUICK)
