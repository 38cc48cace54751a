"""Splits of images: no image on two sides, whatever the rows are."""

import numpy as np
import pytest

from models.image_splits import split_images


def test_640_images_are_split_448_96_96_and_every_one_is_somewhere():
    split = split_images(np.arange(640), seed=3)
    assert [len(split.train), len(split.validation), len(split.test)] == [448, 96, 96]
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == list(range(640))


def test_all_repeats_of_an_image_are_on_one_side():
    rng = np.random.default_rng(0)
    image = rng.choice([f"scene_{i}" for i in range(40)], size=1000)
    split = split_images(image, seed=1)
    sides = [set(image[rows]) for rows in (split.train, split.validation, split.test)]
    assert [len(side) for side in sides] == [28, 6, 6]
    assert len(set.union(*sides)) == 40


def test_the_split_is_of_the_images_not_of_the_rows():
    image = np.repeat(np.arange(20), 3)
    shuffled = np.random.default_rng(0).permutation(image)
    one, other = split_images(image, seed=5), split_images(shuffled, seed=5)
    assert set(image[one.test]) == set(shuffled[other.test])
    assert set(image[split_images(image, seed=6).test]) != set(image[one.test])


@pytest.mark.parametrize(
    ("images", "fractions", "message"),
    [
        (np.arange(3), (0.7, 0.15, 0.15), "3 images are too few"),
        (np.arange(9), (0.5, 0.5, 0.5), "sum to 1"),
        (np.zeros((3, 2)), (0.7, 0.15, 0.15), "n_rows"),
    ],
)
def test_what_cannot_be_split_is_refused(images, fractions, message):
    with pytest.raises(ValueError, match=message):
        split_images(images, fractions)
