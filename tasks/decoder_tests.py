"""How far a decoder's score can be taken at its word: interval over mice, chance, calibration, and what it looks at."""

from collections.abc import Mapping, Sequence

from models.calibration import calibration
from models.decoders import build_decoder, decoder_of
from models.feature_importance import feature_importance
from models.held_out_scores import LeftOutMice
from models.nested_tuning import TuningFold
from models.permutation_scores import chance_test, exchanges_between_mice, exchanges_within_mice
from models.score_intervals import accuracy_interval
from models.tuned_decoders import RECIPES, Parameters
from tasks.decoder_design import Design


def chance_row(
    common: Mapping, design: Design, name: str, found: LeftOutMice, folds: Sequence[TuningFold], is_permuted: bool
) -> Mapping:
    """The row of `findings.decoder_tests`: a number that can't be had is missing, and the notes say why.

    Chance is by permutation where ``is_permuted``, under `rigorous` only, whose ``folds`` it takes.
    """
    row = {**common, "accuracy": found.accuracy, "permutation_count": 0}
    row |= {"mouse_count": len(found.folds), "row_count": len(found.predicted)}
    notes: list[str] = []
    try:
        row["ci_low"], row["ci_high"] = accuracy_interval([fold.accuracy for fold in found.folds])
    except ValueError as error:
        notes.append(f"no interval: {error}")
    try:
        row |= _chance(design, name, folds, notes) if is_permuted else {}
    except ValueError as error:
        notes.append(f"not tested against chance: {error}")
    if not is_permuted:
        notes.append(_why_not_permuted(design))
    if not found.has_probabilities:
        notes.append("no calibration: it gives no probabilities")
    else:
        try:
            of_log_odds = calibration(found.score, design.y)
            row |= {"calibration_slope": of_log_odds.slope, "calibration_intercept": of_log_odds.intercept}
        except ValueError as error:
            notes.append(f"no calibration: {error}")
    if folds and not all(fold.inner for fold in folds) and len(RECIPES[name].grid) > 1:
        notes.append("not tuned: too few training mice to hold some out")
    if name == "dummy" and design.target == "cre_line":
        notes.append("leaving out a mouse makes its own line the rarer one, so that guessing by frequency is wrong")
    return row | {"notes": "; ".join(notes) or None}


def importance_rows(common: Mapping, design: Design, name: str, parameters: Sequence[Parameters]) -> list[Mapping]:
    """Rows of `findings.feature_importance`; under `rigorous` with the parameters chosen for each mouse left out."""
    columns, categorical = design.columns, design.categorical
    if parameters:
        decoders = [decoder_of(RECIPES[name].build(point), columns, categorical) for point in parameters]
    else:
        decoders = [build_decoder(name, columns, categorical)] * len(set(design.mouse_id))
    return [
        {**common, "feature": found.feature, "importance": found.mean}
        | {"sd_between_mice": found.sd_between_mice, "mouse_count": found.n_mice}
        for found in feature_importance(decoders, design.X, design.y, design.mouse_id, design.target == "condition")
    ]


def _chance(design: Design, name: str, folds: Sequence[TuningFold], notes: list[str]) -> Mapping:
    """By whole mice, with the recipe's default parameters: those tuned on the true labels would know them."""
    recipe = RECIPES[name]
    exchanged = exchanges_within_mice if design.target == "condition" else exchanges_between_mice
    relabelings = exchanged(design.y, design.mouse_id, recipe.permutation_count)
    classifier = recipe.build(recipe.grid[0], quick=True)
    found = chance_test(classifier, [fold.outer for fold in folds], design.y, relabelings)
    parameters = recipe.grid[0] | recipe.quick
    if parameters:
        said = ", ".join(f"{parameter}={value}" for parameter, value in parameters.items())
        notes.append(f"against chance with {said}, accuracy {found.accuracy:.3f}")
    notes.append(f"{'all' if found.is_exact else 'drawn'} exchanges of labels by whole mice")
    return {
        "chance_accuracy": found.chance_accuracy,
        "p_permutation": found.p,
        "permutation_count": found.n_permutations,
    }


def _why_not_permuted(design: Design) -> str:
    if design.protocol == "published":
        return "the published protocol does not test against chance"
    return "not tested against chance: only the chosen decoder, LR and the dummy are"
