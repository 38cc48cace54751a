"""What a report of image coding says, from rows written by hand: plainly where a linear model is as good or better."""

import polars as pl
import pytest

from tasks.conclude_images import model_summaries
from tasks.sentences_images import _verdict


def scores(network: list[float], linear: list[float], protocol: str = "rigorous") -> pl.DataFrame:
    """Rows of `encoding_score_table`: a unit for each value."""
    measures = ("single_trial_correlation", "fraction_of_oracle", "explained_explainable_variance", "oracle")
    return pl.DataFrame(
        [
            {"session_id": "a", "unit_id": unit, "animal_id": "m", "protocol": protocol, "model": model, "kind": kind}
            | {"side": "test", "image_count": 10, "correlation_to_mean": r, "noise_ceiling": 0.9}
            | {"noise_corrected_correlation": r / 0.9} | dict.fromkeys(measures, 0.5)
            for model, kind, values in (("network 1", "network", network), ("ridge on pixels", "linear", linear))
            for unit, r in enumerate(values)
        ]
    )  # fmt: skip


def verdict(network: list[float], linear: list[float]) -> str:
    [row] = model_summaries(scores(network, linear)).filter(kind="network").to_dicts()
    return _verdict(row)


LINEAR = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55]


def test_a_network_that_predicts_more_beats_the_linear_model() -> None:
    said = verdict([r + 0.2 for r in LINEAR], LINEAR)
    assert "It beats the best linear model, ridge on pixels: +0.20 in the median unit" in said
    assert "correlation of 0.57 (noise-corrected 0.64, of a noise ceiling of 0.90)" in said or "0.58" in said


def test_a_linear_model_that_is_as_good_or_better_is_said_to_be() -> None:
    alternating = [r + (0.1 if at % 2 else -0.1) for at, r in enumerate(LINEAR)]
    assert "A linear model is as good, as far as these units tell" in verdict(alternating, LINEAR)
    assert "A linear model is better" in verdict([r - 0.1 for r in LINEAR], LINEAR)


def test_few_units_decide_nothing() -> None:
    assert "units are too few to say which is better" in verdict([0.9, 0.8, 0.9], [0.1, 0.2, 0.1])


def test_the_published_network_is_held_against_the_linear_model_of_the_same_units() -> None:
    both = pl.concat([scores(LINEAR, LINEAR), scores([0.9, 0.95], [], "published")])
    [row] = model_summaries(both).filter(protocol="published").to_dicts()
    assert (row["linear_model"], row["unit_count"]) == ("ridge on pixels", 2)
    assert row["difference"] == pytest.approx(0.7)
    assert row["warning"] == "takes units of one animal as independent"
    [linear] = model_summaries(both).filter(kind="linear").to_dicts()
    assert linear["difference"] is None
