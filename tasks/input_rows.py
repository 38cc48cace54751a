"""Rows of what excites a session's units: images with their pixels, ascents, patterns, and the comparison."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.exciting_inputs import ExcitingInputs
from models.image_spectra import frequency_content, symmetry_index
from models.input_comparison import (
    CircularMasks,
    energy_masks,
    image_correlation,
    masked_contrast,
    masked_luminance,
    published_masks,
    seed_interval,
)
from tasks.image_sessions import Patterns
from tasks.session_inputs import SessionInputs

NO_START = "none"
_SOURCE_SHIFT_PX = 3.0


def image_rows(unit_id: NDArray[np.int64], found: SessionInputs) -> pl.DataFrame:
    """Rows of derived.excitatory_inputs but for the study's; ``unit_id`` (n_units,)."""
    rows = [*_climbed(unit_id, "exciting", (found.exciting, *found.other_starts))]
    for kind, climbed in (("inhibiting", found.inhibiting), ("second network", found.second)):
        if climbed is not None:
            rows += _climbed(unit_id, kind, (climbed,))
    if found.diverse is not None:
        place = {unit: at for at, unit in enumerate(found.units.tolist())}
        for at, unit in enumerate(found.diverse.unit.tolist()):
            responses = found.diverse.response[at]
            for number, (image, response) in enumerate(zip(found.diverse.images[at], responses, strict=True)):
                is_best = number == int(np.argmax(responses))
                rows.append(_row(unit_id[place[unit]], "diverse", "noise", number, image, response, is_best))
    drawn = {}
    if found.best_gabor is not None:
        drawn["best gabor"] = (found.best_gabor.images, found.best_gabor.response)
    if found.top_gabors is not None:
        drawn["top gabors"] = (found.top_gabors, found.top_gabors_response)
    for kind, (images, responses) in drawn.items():
        for unit, image, response in zip(unit_id, images, responses, strict=True):
            rows.append(_row(unit, kind, NO_START, 0, image, response, True))
    return pl.DataFrame(rows, schema_overrides={"step_count": pl.Int32})


def step_rows(unit_id: NDArray[np.int64], found: SessionInputs) -> pl.DataFrame:
    """Rows of derived.ascent_steps but for the study's."""
    parts = []
    for one in (found.exciting, *found.other_starts):
        n_units, n_seeds, n_steps = one.response_by_step.shape
        parts.append(
            pl.DataFrame(
                {
                    "unit_id": np.repeat(unit_id, n_seeds * n_steps),
                    "seed": np.tile(np.repeat(one.seed, n_steps), n_units),
                    "step": np.tile(np.arange(n_steps), n_units * n_seeds),
                    "response": one.response_by_step.ravel(),
                    "contrast": one.contrast_by_step.ravel(),
                }
            )
            .with_columns(start=pl.lit(one.start))
            .filter(pl.col("response").is_not_nan())
        )
    return pl.concat(parts)


def pattern_rows(
    unit_id: NDArray[np.int64], found: SessionInputs, patterns: Patterns, counts: NDArray[np.float64]
) -> pl.DataFrame:
    """Rows of derived.pattern_responses but for the study's; ``counts`` (n_units, n_patterns), measured."""
    n_units, n_patterns = counts.shape
    _, shown = patterns.means()
    of_pattern = patterns.shown.select("stimulus", "x_deg", "y_deg", "orientation_deg", "cycles_per_deg")
    of_pattern = of_pattern.with_columns(condition=pl.int_range(pl.len()), presentation_count=pl.Series(shown))
    return pl.concat(of_pattern for _ in range(n_units)).with_columns(
        unit_id=pl.Series(np.repeat(unit_id, n_patterns)),
        measured=pl.Series(counts.ravel()),
        predicted=pl.Series(found.predicted_patterns.ravel()),
    )


def comparison_rows(unit_id: NDArray[np.int64], found: SessionInputs, protocol: str) -> pl.DataFrame:
    """Rows of findings.input_comparisons but for the study's."""
    mei = found.exciting.best_images
    of_mei = _masks(mei, protocol, _SOURCE_SHIFT_PX)
    interval = seed_interval(found.exciting.response)
    columns = {
        "unit_id": unit_id,
        "start_count": np.full(len(unit_id), found.exciting.response.shape[1]),
        "mei_response": found.exciting.response.max(axis=1),
        "mei_mean": interval.mean,
        "mei_low": interval.low,
        "mei_high": interval.high,
        "seed_agreement": found.agreement,
        "blank_response": found.blank,
        "natural_response": found.natural,
        "mask_column_px": of_mei.column_px,
        "mask_row_px": of_mei.row_px,
        "mask_radius_px": of_mei.radius_px,
    } | _looks("mei", mei, of_mei, protocol)
    gabor = found.top_gabors
    if gabor is None and found.best_gabor is not None:
        gabor = found.best_gabor.images
    if gabor is not None:
        columns |= _looks("gabor", gabor, _masks(gabor, protocol, 0.0), protocol)
        columns["gabor_r"] = image_correlation(mei, gabor, of_mei)
    return pl.DataFrame(columns | _of_rigorous(found)).with_columns(protocol=pl.lit(protocol))


def _of_rigorous(found: SessionInputs) -> dict[str, NDArray[np.float64]]:
    """Columns of whatever was made beside the most exciting inputs."""
    columns = {}
    if found.top_gabors is not None:
        columns["top_gabors_response"] = found.top_gabors_response
    if found.pattern_match is not None:
        columns["pattern_r"] = found.pattern_match.r
    if found.starts_compared is not None:
        columns["start_agreement"] = _mean_pair(found.starts_compared.correlation)
    if found.inhibiting is not None:
        columns["mii_response"] = found.inhibiting.response.min(axis=1)
    if found.diverse is not None:
        columns["diverse_likeness"] = likeness = np.full(len(found.units), np.nan)
        likeness[np.isin(found.units, found.diverse.unit)] = found.diverse.likeness
    if found.best_gabor is not None:
        best = found.best_gabor.gabor
        columns |= {"best_gabor_response": found.best_gabor.response, "phase_modulation": found.phase.modulation}
        columns |= {"best_x_px": best.x_px, "best_y_px": best.y_px, "best_orientation_deg": best.orientation_deg}
        columns |= {"best_cycles_per_px": best.cycles_per_px, "best_sigma_px": best.sigma_px}
    if (opinion := found.opinion) is not None:
        columns |= {"second_response": opinion.response, "second_own_response": opinion.own_response}
        columns |= {"second_share": opinion.share, "second_above": opinion.above, "second_r": opinion.r}
    return columns


def _looks(name: str, images: NDArray[np.float32], masks: CircularMasks, protocol: str) -> dict[str, NDArray]:
    """Light, contrast, symmetry and spatial frequency of images, each under a column that begins with ``name``."""
    varied = np.ptp(images, axis=(1, 2)) > 0
    return {
        f"{name}_luminance": masked_luminance(images, masks),
        f"{name}_contrast": masked_contrast(images, masks),
        f"{name}_one_fold": _where(varied, images, lambda some: symmetry_index(some, 1, protocol)),
        f"{name}_two_fold": _where(varied, images, lambda some: symmetry_index(some, 2, protocol)),
        f"{name}_cycles_per_px": _where(varied, images, lambda some: frequency_content(some).centre),
    }


def _climbed(unit_id: NDArray[np.int64], kind: str, found: tuple[ExcitingInputs, ...]) -> Iterator[dict]:
    """A row for each unit, start and seed; the best of a unit is that of the first, which is compared further."""
    for unit, number in enumerate(unit_id):
        for one in found:
            for at, seed in enumerate(one.seed):
                response, is_best = one.response[unit, at], one is found[0] and at == one.best[unit]
                row = _row(number, kind, one.start, int(seed), one.images[unit, at], response, bool(is_best))
                yield row | {"step_count": int(one.n_steps[unit, at]), "moved": bool(one.moved[unit, at])}


def _row(unit: int, kind: str, start: str, seed: int, image: NDArray, response: float, is_best: bool) -> dict:
    pixels = np.ascontiguousarray(image, "<f4")
    return {
        "unit_id": int(unit),
        "kind": kind,
        "start": start,
        "seed": seed,
        "response": float(response),
        "contrast": float(pixels.std(ddof=1, dtype=np.float64)),
        "step_count": None,
        "is_best": is_best,
        "moved": True,
        "height_px": pixels.shape[0],
        "width_px": pixels.shape[1],
        "pixels": pixels.tobytes(),
    }


def _masks(images: NDArray[np.float32], protocol: str, shift_px: float) -> CircularMasks:
    """The source's disc, or each image's own by its energy; one without contrast gets the source's."""
    source = published_masks(len(images), images.shape[1:], shift_px)
    varied = np.ptp(images, axis=(1, 2)) > 0
    if protocol == "published" or not varied.any():
        return source
    own = energy_masks(images[varied])
    columns = {name: getattr(source, name).copy() for name in ("column_px", "row_px", "radius_px")}
    for name, values in columns.items():
        values[varied] = getattr(own, name)
    return CircularMasks(**columns)


def _where(varied: NDArray[np.bool_], images: NDArray[np.float32], measured) -> NDArray[np.float64]:
    """A measure of those images that have any contrast, (n_images,), NaN for the others."""
    found = np.full(len(images), np.nan)
    if varied.any():
        found[varied] = measured(images[varied])
    return found


def _mean_pair(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over every two of (n_units, n, n), passing over those that are undefined."""
    first, second = np.triu_indices(correlation.shape[1], k=1)
    pairs = correlation[:, first, second]
    known = np.isfinite(pairs).sum(axis=1)
    return np.where(known > 0, np.nansum(pairs, axis=1) / np.maximum(known, 1), np.nan)
