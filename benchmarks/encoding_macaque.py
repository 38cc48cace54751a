"""Encoding models of macaque V4 on natural images, beside linear ones, on images that none of them saw.

    python -m benchmarks.encoding_macaque FOLDER

FOLDER holds one recording in the layout of Cowley et al. (2023): images*.zip and responses_raw*.npy. For each seed the
images are split 70/15/15; everything is learned from training and validation images, and the table is of test images.
"""

import argparse
import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table as Page

from models.encoding_baselines import linear_nonlinear, ridge_on_gabor_energy, ridge_on_pixels
from models.encoding_model import EncodingChoice, predict
from models.encoding_scores import encoding_scores
from models.encoding_training import TrainingChoice, train_ensemble
from models.grey_images import grey_at
from models.image_reliability import oracle_correlation, split_half
from models.image_splits import ImageSplit, split_images


def main() -> None:
    """Learn all models for each split, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of images*.zip and responses_raw*.npy")
    parser.add_argument("--side", type=int, default=28, help="height and width that the networks see, px (default 28)")
    parser.add_argument("--models", type=int, default=3, help="networks per split, averaged (default 3)")
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2], help="seeds of the splits (default 0 1 2)")
    parser.add_argument("--epochs", type=int, default=200, help="most epochs of a network (default 200)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pictures, trials = _recording(chosen.folder)
    whole = split_half(trials)
    page = Page("split", "model", "r to mean", "noise-corrected", "same, noise of all", "of oracle", "FEVE", "s")
    page.title = f"{len(trials)} units, {trials.shape[1]} images: median over units, held-out images"
    console = Console()
    for seed in chosen.splits:
        split = split_images(np.arange(len(pictures)), seed=seed)
        test = trials[:, split.test]
        ceilings = oracle_correlation(test), split_half(test)
        for name, predicted, seconds in _models(pictures, trials, split, chosen):
            scores = encoding_scores(predicted[split.test], test, *ceilings)
            by_all = encoding_scores(predicted[split.test], test, ceilings[0], whole)
            medians = [
                np.nanmedian(found)
                for found in (
                    scores.correlation_to_mean,
                    scores.noise_corrected_correlation,
                    by_all.noise_corrected_correlation,
                    scores.fraction_of_oracle,
                    scores.explained_explainable_variance,
                )
            ]
            page.add_row(str(seed), name, *(f"{one:.3f}" for one in medians), f"{seconds:.0f}")
    console.print(page)


def _models(
    pictures: np.ndarray, trials: np.ndarray, split: ImageSplit, chosen: argparse.Namespace
) -> Iterator[tuple[str, np.ndarray, float]]:
    """Name, predictions of all images (n_images, n_units) and seconds of each model."""
    # The linear models see the images at half their size, 56 px, where they were best on validation images.
    half = grey_at(pictures, (pictures.shape[1] // 2, pictures.shape[2] // 2))
    for fit in (ridge_on_pixels, linear_nonlinear, ridge_on_gabor_energy):
        started = time.perf_counter()
        found = fit(half, trials, split)
        yield found.name, found.predicted, time.perf_counter() - started
    shape = (chosen.side, chosen.side)
    grey = grey_at(pictures, shape)
    # Chosen on the validation images of split 0: moved by up to 2 pixels, images were predicted better.
    training = TrainingChoice(most_epochs=chosen.epochs, shift=2)
    choice = EncodingChoice(shape)
    averaged, trained = train_ensemble(grey, trials, split, choice, training, chosen.models)
    for at, one in enumerate(trained):
        yield f"shared core, seed {at}", predict(one.model, grey), one.duration_s
    if chosen.models > 1:
        yield f"{chosen.models} averaged", predict(averaged, grey), sum(one.duration_s for one in trained)


def _recording(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n_images, height, width, 3) in the order of their numbers, counts (n_units, n_images, n_repeats)."""
    (responses,), (pictures,) = folder.glob("responses_raw*.npy"), folder.glob("images*.zip")
    trials = np.load(responses, allow_pickle=False)
    with zipfile.ZipFile(pictures) as archive:
        members = [name for name in archive.namelist() if re.search(r"(?<!\._)[^/]*\d+\.(jpg|png)$", name)]
        members = [name for name in members if "__MACOSX" not in name]
        members.sort(key=lambda name: int(re.findall(r"\d+", Path(name).stem)[-1]))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in members]
    if len(images) != trials.shape[1]:
        raise SystemExit(f"{len(images)} pictures in {pictures.name}, {trials.shape[1]} columns in {responses.name}")
    return np.stack(images), trials


if __name__ == "__main__":
    main()
