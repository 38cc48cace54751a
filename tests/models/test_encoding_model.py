"""The model as a whole: shapes, ranges, and the way to bytes and back."""

import json

import numpy as np
import pytest
import torch

from models.encoding_model import (
    Averaged,
    EncodingChoice,
    EncodingModel,
    SideBySide,
    configuration,
    predict,
    published_choice,
    rebuilt,
    state_bytes,
)
from models.image_core import CoreChoice

TINY = EncodingChoice((16, 20), CoreChoice(channels=3, n_layers=2))


@pytest.fixture
def grey():
    return np.random.default_rng(0).uniform(0, 255, (5, 16, 20)).astype(np.float32)


def model_of(seed: int, n_units: int = 4, choice: EncodingChoice = TINY) -> EncodingModel:
    torch.manual_seed(seed)
    model = EncodingModel(choice, n_units).eval()
    model.grey_mean.fill_(120.0 + seed)
    model.grey_sd.fill_(50.0)
    model.response_scale.copy_(torch.linspace(1, 3, n_units))
    return model


def test_elu_plus_one_keeps_responses_above_zero_and_the_published_output_does_not(grey):
    published = published_choice((16, 20))
    assert (published.readout, published.output) == ("pyramid", "linear")
    for choice in (TINY, published):
        model = model_of(0, choice=choice)
        model.readout.bias.data.fill_(-9.0)
        lowest = predict(model, grey).min()
        assert 0 < lowest < 0.01 if choice is TINY else lowest < -1


def test_a_neuron_that_could_not_be_learned_is_predicted_by_its_mean(grey):
    model = model_of(0)
    model.constant[1], model.response_mean[1] = True, 7.0
    assert (predict(model, grey)[:, 1] == 7.0).all()
    images = model.standardised(torch.as_tensor(grey))
    assert (model.one_unit_each(images, torch.ones(5, dtype=torch.long)) == 7.0).all()


def test_grey_and_standardised_are_each_others_inverse(grey):
    model = model_of(3)
    images = model.standardised(torch.as_tensor(grey))
    assert images.mean().item() == pytest.approx((grey.mean() - 123) / 50, abs=1e-4)
    np.testing.assert_allclose(model.grey(images).numpy(), grey, atol=1e-3)


def test_side_by_side_are_the_neurons_of_each_and_averaged_their_mean(grey):
    first, second = model_of(0), model_of(1)
    beside, mean = SideBySide([first, second]), Averaged([first, second])
    each = [predict(one, grey) for one in (first, second)]
    np.testing.assert_allclose(predict(beside, grey), np.concatenate(each, axis=1), rtol=1e-4)
    np.testing.assert_allclose(predict(mean, grey), np.mean(each, axis=0), rtol=1e-4)
    images, units = beside.standardised(torch.as_tensor(grey)), torch.tensor([7, 0, 5, 3, 3])
    with torch.no_grad():
        own = beside(images)[torch.arange(5), units]
        assert torch.allclose(beside.one_unit_each(images, units), own, rtol=1e-4)
        own = mean(images)[torch.arange(5), units % 4]
        assert torch.allclose(mean.one_unit_each(images, units % 4), own, rtol=1e-4)


@pytest.mark.parametrize("readout", ["pyramid", "gaussian", "factorised"])
def test_the_gradient_of_one_image_alone_is_that_of_a_pair(readout, grey):
    model = model_of(0, choice=EncodingChoice((16, 20), CoreChoice(channels=3, n_layers=2), readout=readout))
    gradients = []
    for shown in (grey[:1], grey[:2]):
        images = model.standardised(torch.as_tensor(shown)).requires_grad_()
        response = model.one_unit_each(images, torch.ones(len(shown), dtype=torch.long))
        gradients.append(torch.autograd.grad(response.sum(), images)[0][0])
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("readout", ["pyramid", "gaussian", "factorised"])
def test_json_and_weights_make_the_model_again(readout, grey):
    choice = EncodingChoice((16, 20), CoreChoice(channels=3, n_layers=2), readout=readout)
    models = [model_of(seed, choice=choice) for seed in (0, 1)]
    for model in (models[0], SideBySide(models), Averaged(models)):
        again = rebuilt(json.loads(json.dumps(configuration(model))), state_bytes(model))
        assert type(again) is type(model)
        np.testing.assert_array_equal(predict(again, grey), predict(model, grey))


def test_rebuilding_leaves_the_global_generator_alone():
    configured, state = configuration(model_of(0)), state_bytes(model_of(0))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    rebuilt(configured, state)
    assert torch.rand(1) == expected


def test_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="not those of the configuration"):
        rebuilt(configuration(model_of(0)), state_bytes(model_of(0, n_units=5)))
    with pytest.raises(ValueError, match="kind must be one of"):
        rebuilt({"kind": "Sequential"}, b"")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: predict(model_of(0), np.zeros((2, 16, 21), np.float32)), r"takes images of \(n, 1, 16, 20\)"),
        (lambda: EncodingChoice(readout="mean"), "readout must be one of"),
        (lambda: EncodingChoice(output="exp"), "output must be"),
        (lambda: EncodingModel(TINY, 0), "at least one unit"),
        (lambda: Averaged([model_of(0), model_of(0, n_units=5)]), r"got \[4, 5\] neurons"),
        (lambda: SideBySide([]), "at least one model"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
