"""What an image-coding study found, in plain sentences written from its rows alone."""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.findings import Finding
from tasks.image_coding_rows import CodingRows
from tasks.sentences import PROTOCOLS, counted, p_clause, percent

_FEW_ANIMALS = 5
_AGREE = 0.7
_COMPLEX = 1.0
_FEWEST_UNITS = 6  # signed ranks of fewer have no p below .05


def images_findings(rows: CodingRows) -> tuple[Finding, ...]:
    """Findings in the order in which a reader asks for them; headings without a sentence are left out."""
    by_heading = {
        "In short": tuple(brief_sentences(rows)),
        "Which neurons": tuple(_units(rows)),
        "What networks predict": tuple(_models(rows)),
        "What excites them": tuple(_inputs(rows)),
        "Against Gabors": tuple(_gabors(rows)),
        "The two protocols": tuple(_protocols(rows)),
    }
    return tuple(Finding(heading, said, heading == "In short") for heading, said in by_heading.items() if said)


def brief_sentences(rows: CodingRows) -> Iterator[str]:
    """The answer in a few sentences, under the study's protocol."""
    if rows.units.is_empty():
        yield "No session could take part: the table of what was not possible says why."
        return
    sessions, animals = rows.measured["session_id"].n_unique(), rows.measured["animal_id"].n_unique()
    chosen = rows.units.filter(_chosen(rows)).height
    oracle = rows.units["oracle"].median()
    said = "; no image was shown twice" if oracle is None else f"; the median oracle correlation is {oracle:.2f}"
    yield (
        f"{counted(chosen, 'unit')} of {len(rows.units):,} answer images reliably enough to be studied further"
        f" ({counted(sessions, 'session')}, {rows.protocol} protocol){said}."
    )
    best = best_network(rows, rows.protocol)
    if best is not None:
        yield _verdict(best)
    elif len(rows.summary) == 0:
        yield "No model could be trained: the table of what was not possible says why."
    if animals < _FEW_ANIMALS:
        yield f"With {counted(max(animals, 1), 'animal')}, this is about these recordings more than about the species."


def best_network(rows: CodingRows, protocol: str) -> Mapping | None:
    """The summary row of a protocol's registered network."""
    kept = rows.models.drop_nulls("model_name").filter(protocol=protocol)["model"].unique().to_list()
    found = rows.summary.filter(pl.col("model").is_in(kept), protocol=protocol).sort("unit_count", descending=True)
    return found.row(0, named=True) if len(found) else None


def _verdict(row: Mapping) -> str:
    """How much a network predicts, and plainly whether a linear model does as well."""
    score, ceiling = row["noise_corrected_correlation"], row["noise_ceiling"]
    if score is not None:
        said = f"noise-corrected {score:.2f}"
        said += "" if ceiling is None else f", of a noise ceiling of {ceiling:.2f}"
    else:
        said = "without a noise ceiling, as images were not repeated"
    text = (
        f"On images held out, {_named(row['model'])} predicts the median unit's mean responses with a correlation of"
        f" {_two(row['correlation_to_mean'])} ({said})"
    )
    if row["linear_model"] is None or row["difference"] is None:
        return f"{text}; there is no linear model to hold it against."
    by = f"{row['linear_model']}: {row['difference']:+.2f} in the median unit"
    if row["ci_low"] is not None:
        by += (
            f" (95 % {row['ci_low']:+.2f} to {row['ci_high']:+.2f}, {p_clause(row['p'])}, {row['unit_count']:,} units)"
        )
    low, high = row["ci_low"], row["ci_high"]
    if low is None or row["unit_count"] < _FEWEST_UNITS:
        return f"{text}. Against {by}; units are too few to say which is better."
    if low > 0:
        return f"{text}. It beats the best linear model, {by}."
    if high < 0:
        return f"{text}. A linear model is better: against {by}."
    return f"{text}. A linear model is as good, as far as these units tell: against {by}."


def _units(rows: CodingRows) -> Iterator[str]:
    units = rows.units
    if units.is_empty():
        return
    silent = units.filter(pl.col("spike_count") == 0).height
    if silent:
        yield f"{counted(silent, 'unit')} fired no spike in any window; nothing can be said of them."
    known = units.drop_nulls("oracle")
    if len(known):
        exact, source = known["oracle"].mean(), known["oracle_published"].mean()
        yield (
            f"The exact oracle correlation has a mean of {exact:.3f} over {counted(len(known), 'unit')}; as the source"
            f" reckoned it, it is {source:.3f}. Split halves correlate with a median of"
            f" {_three(known['split_half'].median())}, {_three(known['spearman_brown'].median())} for all trials."
        )
        both = units.filter("chosen_by_percentile", "chosen_by_reliability").height
        yield (
            f"By percentiles of oracle and variance {counted(int(units['chosen_by_percentile'].sum()), 'unit')} are"
            f" chosen, by the oracle's interval {int(units['chosen_by_reliability'].sum()):,}, by both {both:,}."
        )
    alike, opposite = rows.pairs.filter(pl.col("r") > 0).height, rows.pairs.filter(pl.col("r") < 0).height
    yield (
        f"{counted(alike, 'pair')} of units have mean responses that correlate above .7, {counted(opposite, 'pair')}"
        " below -.55."
    )
    outlying = units.filter("outlying")
    if len(outlying) and len(known):
        theirs, others = outlying["oracle"].median(), units.filter(~pl.col("outlying"))["oracle"].median()
        if theirs is not None and others is not None:
            yield (
                f"The {counted(len(outlying), 'unit')} that an isolation forest sets apart have a median oracle of"
                f" {theirs:.2f}, the others {others:.2f}."
            )


def _models(rows: CodingRows) -> Iterator[str]:
    for protocol in PROTOCOLS:
        row = best_network(rows, protocol)
        if row is not None:
            yield f"{protocol.capitalize()}: {_verdict(row)}"
    linear = rows.summary.filter(kind="linear").sort("correlation_to_mean", descending=True, nulls_last=True)
    if len(linear):
        said = ", ".join(
            f"{row['model']} {_two(row['correlation_to_mean'])} ({_two(row['noise_corrected_correlation'])})"
            for row in linear.to_dicts()
        )
        yield f"Linear models, correlation to the mean and noise-corrected in brackets: {said}."
    train = rows.scores.filter(side="train", kind="network", protocol=rows.protocol)["correlation_to_mean"].median()
    test = rows.scores.filter(side="test", kind="network", protocol=rows.protocol)["correlation_to_mean"].median()
    if train is not None and test is not None:
        yield (
            f"Images that the {rows.protocol} networks learned from are predicted with {train:.2f}, those held out with"
            f" {test:.2f}{': what lies between is learned by heart' if train > test else ''}."
        )


def _inputs(rows: CodingRows) -> Iterator[str]:
    found = rows.comparisons.filter(protocol=rows.protocol)
    if found.is_empty():
        return
    above = found.filter(pl.col("mei_response") > pl.col("natural_response")).height
    yield (
        f"Most exciting inputs were made for {counted(len(found), 'unit')}. The network predicts more for"
        f" {above:,} of them than for any image that it learned from."
    )
    agreement = found["seed_agreement"].drop_nulls()
    if len(agreement):
        agree = (agreement > _AGREE).sum()
        yield (
            f"From different noise the ascent ends at images that correlate with a median of {agreement.median():.2f};"
            f" above {_AGREE} in {agree:,} of {counted(len(agreement), 'unit')}. Where they differ at a like response,"
            " the unit is invariant to what tells them apart, or the network knows too little of it."
        )
    phase = found["phase_modulation"].drop_nulls()
    if len(phase):
        invariant = (phase < _COMPLEX).sum()
        yield (
            f"{counted(int(invariant), 'unit')} of {len(phase):,} respond to their best Gabor whatever its phase, as"
            " complex cells do (F1 / F0 below 1)."
        )
    share = found["second_share"].drop_nulls()
    if len(share):
        higher = found["second_above"].drop_nulls().median()
        yield (
            "A second network, trained independently, responds to the first one's images with"
            f" {percent(share.median())} of what its own images give it (median), and more than to"
            f" {percent(higher)} of the images that were learned from."
        )


def _gabors(rows: CodingRows) -> Iterator[str]:
    found = rows.comparisons.filter(protocol=rows.protocol)
    if found.is_empty():
        return
    for column, name in (("top_gabors_response", "the mean of the three Gabors that the unit fired most for"),
                         ("best_gabor_response", "the best Gabor of the same norm")):  # fmt: skip
        both = found.drop_nulls(["mei_response", column])
        if len(both):
            more = both.filter(pl.col("mei_response") > pl.col(column)).height
            gain = (both["mei_response"] / both[column]).median()
            yield (
                f"The network predicts more for the most exciting input than for {name} in {more:,} of"
                f" {counted(len(both), 'unit')} ({gain:.2f} times as much in the median)."
            )
    for name, spoken in (("luminance", "luminance"), ("contrast", "contrast"), ("two_fold", "2-fold symmetry")):
        both = found.drop_nulls([f"mei_{name}", f"gabor_{name}"])
        if len(both):
            yield (
                (
                    f"Median {spoken} within the disc: {both[f'mei_{name}'].median():.3f} of most exciting inputs,"
                    f" {both[f'gabor_{name}'].median():.3f} of Gabors."
                )
                if name != "two_fold"
                else (
                    f"Median {spoken} of the spectrum: {both[f'mei_{name}'].median():.3f} of most exciting inputs,"
                    f" {both[f'gabor_{name}'].median():.3f} of Gabors."
                )
            )
    match = found["pattern_r"].drop_nulls()
    if len(match):
        yield (
            "Asked about the session's own Gabors or gratings, which it never learned from, the network's predictions"
            f" correlate with what was measured by a median of {match.median():.2f} ({counted(len(match), 'unit')})."
        )


def _protocols(rows: CodingRows) -> Iterator[str]:
    key = ["session_id", "unit_id"]
    both = rows.kept_scores("rigorous").join(rows.kept_scores("published"), on=key, suffix="_published")
    both = both.drop_nulls(["correlation_to_mean", "correlation_to_mean_published"])
    if both.is_empty():
        return
    more = both.filter(pl.col("correlation_to_mean") > pl.col("correlation_to_mean_published")).height
    yield (
        f"Of {counted(len(both), 'unit')} that both protocols have a network of, the one that all units share predicts"
        f" more in {more:,}: {both['correlation_to_mean'].median():.2f} against"
        f" {both['correlation_to_mean_published'].median():.2f} in the median."
    )
    symmetry = rows.comparisons.filter(protocol="published")["mei_one_fold"].drop_nulls()
    if len(symmetry):
        yield (
            f"The published 1-fold symmetry of most exciting inputs ({symmetry.median():.2f}) measures their"
            " brightness: the source keeps the zero frequency, and a spectrum without it is the same in opposite"
            " directions."
        )


def _chosen(rows: CodingRows) -> pl.Expr:
    by_percentile = rows.recipe.chooses_by_percentile(rows.protocol)
    return pl.col("chosen_by_percentile" if by_percentile else "chosen_by_reliability")


def _named(model: str) -> str:
    return model if model.startswith("a ") else f"the {model}"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
