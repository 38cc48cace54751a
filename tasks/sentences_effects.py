"""Effects of omission in sentences: over mice, between exposures and cell types, by mixed models, as published."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tasks.sentences import (
    ALPHA,
    MAIN_MEASURE,
    counted,
    cre_name,
    cre_order,
    dof_text,
    few,
    fixed,
    group_name,
    group_order,
    is_of_spikes,
    measure_name,
    measure_unit,
    p_clause,
    term_name,
    with_interval,
)

_SPIKE_PEAK = "peak_spike_prob"
OMISSION, NOVELTY, BETWEEN_LINES = "omitted - presented", "novel - familiar", "between cre lines"


def main_measure(rows: pl.DataFrame) -> str:
    """The measure that sentences speak of first: the peak, of spikes where there is none of dF/F, or else the first."""
    measures = rows["measure"].unique(maintain_order=True).to_list() or [MAIN_MEASURE]
    return next((peak for peak in (MAIN_MEASURE, _SPIKE_PEAK) if peak in measures), measures[0])


def contrasts_of(contrasts: pl.DataFrame, kind: str, of_spikes: bool = False) -> list[dict]:
    """Rows of one kind of contrast, of dF/F or of inferred spikes: VIP before SST, familiar before novel."""
    rows = [row for row in contrasts.filter(contrast=kind).to_dicts() if is_of_spikes(row["measure"]) == of_spikes]
    return sorted(rows, key=lambda row: group_order(row["cre_line"], row["exposure_level"]))


def differs(row: Mapping) -> bool:
    """Whether a contrast is significant after correction."""
    return row["p_holm"] is not None and row["p_holm"] < ALPHA


def difference_and_interval(row: Mapping) -> tuple[str, str]:
    """A contrast's difference with its unit, and its interval."""
    difference, interval = with_interval(row["difference"], row["ci_low"], row["ci_high"], "+")
    return f"{difference} {measure_unit(row['measure'])}".rstrip(), interval


def omission_sentences(contrasts: pl.DataFrame, sessions: pl.DataFrame, of_spikes: bool = False) -> Iterator[str]:
    """Omitted minus presented within each mouse: a sentence per group for the main measure, one per other measure.

    Other measures in which no group differs share one sentence.
    """
    rows = contrasts_of(contrasts, OMISSION, of_spikes)
    main = main_measure(pl.DataFrame(rows, infer_schema_length=None)) if rows else MAIN_MEASURE
    yield from (_contrast_sentence(row, "omission minus presentation") for row in rows if row["measure"] == main)
    if not of_spikes:
        yield from _untested(sessions, {(row["cre_line"], row["exposure_level"]) for row in rows})
    others = dict.fromkeys(row["measure"] for row in rows if row["measure"] != main)
    of_measures = [[row for row in rows if row["measure"] == measure] for measure in others]
    yield from (_other_measure(of_one) for of_one in of_measures if any(map(differs, of_one)))
    if alike := [of_one for of_one in of_measures if not any(map(differs, of_one))]:
        yield _alike_measures(alike)


def novelty_sentences(contrasts: pl.DataFrame) -> Iterator[str]:
    """Whether the effect of omission depends on novelty, within mice, and on cre line, between mice."""
    for row in contrasts_of(contrasts, NOVELTY):
        if row["measure"] == MAIN_MEASURE:
            yield _interaction_sentence(
                f"{cre_name(row['cre_line'])} cells", "in novel than in familiar sets", "between image sets", row
            )
    for row in contrasts_of(contrasts, BETWEEN_LINES):
        if row["measure"] == MAIN_MEASURE:
            first, _, second = cre_name(row["cre_line"]).partition(" - ")
            sets = "all sets" if row["exposure_level"] == "all" else f"{row['exposure_level']} sets"
            yield _interaction_sentence(
                f"{first} against {second} cells, {sets}",
                f"in {first} than in {second} cells",
                "between cell types",
                row,
            )


def mixed_sentences(mixed: pl.DataFrame, contrasts: pl.DataFrame) -> Iterator[str]:
    """What the mixed models with random slopes per mouse say of the main measure, and whether contrasts agree."""
    rows = mixed.filter(
        (pl.col("measure") == MAIN_MEASURE)
        & (pl.col("model") == "random slope per mouse")
        & pl.col("term").str.contains("omitted")
        & ~pl.col("term").str.starts_with("variance")
    ).to_dicts()
    if not rows:
        return
    found = [row for row in rows if _is_small(row)]
    said = "; ".join(
        f"{term_name(row['term'])} {with_interval(row['estimate'], row['ci_low'], row['ci_high'], '+')[0]}"
        f" {measure_unit(MAIN_MEASURE)} ({counted(row['mouse_count'], 'mouse')}, {counted(row['cell_count'], 'cell')},"
        f" {p_clause(row['p'])})"
        for row in found
    )
    which = f"find {said}" if found else f"find none of {counted(len(rows), 'term')} with omission at p < .05"
    tested = {
        f"omitted in {row['cre_line']}, {row['exposure_level']}": row
        for row in contrasts_of(contrasts, OMISSION)
        if row["measure"] == MAIN_MEASURE
    }
    both = [(row, tested[row["term"]]) for row in rows if row["term"] in tested]
    same = sum(_is_small(one) == _is_small(other) for one, other in both)
    agreement = (
        f" In {same} of {counted(len(both), 'group')} they and the t test over mice, uncorrected like them, are on the"
        " same side of .05."
        if both
        else ""
    )
    doubt = "" if all(row["converged"] for row in rows) else " Not every fit converged: take them with care."
    yield (
        f"Mixed models of {measure_name(MAIN_MEASURE)} with random slopes per mouse and intercepts per cell"
        f" {which}.{agreement}{doubt}"
    )


def published_sentences(anova: pl.DataFrame, group_tests: pl.DataFrame) -> Iterator[str]:
    """How many of the tests over cells are below .05, and why nothing is concluded from them."""
    rows = anova.filter(measure=main_measure(anova)).to_dicts()
    if rows:
        small = sum(_is_small(row) for row in rows)
        terms = counted(sum(row["term"] != "residual" for row in rows), "term")
        dof = next((f"{dof_text(row['dof'])} residual degrees of freedom" for row in rows if row["term"] == "residual"),
                   "")  # fmt: skip
        cells, mice = counted(rows[0]["cell_count"], "cell"), counted(rows[0]["mouse_count"], "mouse")
        yield (
            f"The published ANOVA of {measure_name(rows[0]['measure'])} has {small} of {terms} at p < .05, but it"
            f" takes {cells} as independent{f' ({dof})' if dof else ''} while they share {mice}: its p values are as a"
            " rule too small, and no conclusion is drawn from it."
        )
    two_sample = group_tests.filter(pl.col("test").is_in(["student", "welch"]), measure=MAIN_MEASURE).to_dicts()
    if two_sample:
        small = sum(_is_small(row) for row in two_sample)
        yield (
            f"The published t tests over cells have {small} of {counted(len(two_sample), 'group')} at p < .05 for the"
            f" {measure_name(MAIN_MEASURE)}. They are shown for comparison, and for the same reason not relied on."
        )


def _is_small(row: Mapping) -> bool:
    return row["p"] is not None and row["p"] < ALPHA


def _contrast_sentence(row: Mapping, what: str) -> str:
    difference, interval = difference_and_interval(row)
    name = measure_name(row["measure"])
    evidence = _evidence(row, interval)
    group = group_name(row["cre_line"], row["exposure_level"])
    if differs(row):
        sentence = f"{group}: {what} {difference} {name} ({evidence})."
    else:
        sentence = (
            f"{group}: no difference found in {name} between omission and presentation ({difference}, {evidence})."
        )
    return sentence + few(row["mouse_count"])


def _interaction_sentence(whose: str, where: str, between: str, row: Mapping) -> str:
    difference, interval = difference_and_interval(row)
    name, evidence = measure_name(row["measure"]), _evidence(row, interval)
    if differs(row):
        more = "higher" if row["difference"] > 0 else "lower"
        sentence = f"{whose}: omission minus presentation is {more} {where}, by {difference} {name} ({evidence})."
    else:
        sentence = (
            f"{whose}: no difference found {between} in what omission changes of the {name} ({difference}, {evidence})."
        )
    return sentence + few(row["mouse_count"])


def _evidence(row: Mapping, interval: str) -> str:
    t = "t undefined" if row["t"] is None else f"t({dof_text(row['dof'])}) = {fixed(row['t'], 1)}"
    over = f"95 % CI {interval} over {counted(row['mouse_count'], 'mouse')}, {counted(row['cell_count'], 'cell')}"
    evidence = f"{over}; {t}, {p_clause(row['p_holm'])} Holm-corrected"
    if not differs(row) and _is_small(row):
        evidence += f", {p_clause(row['p'])} before correction"
    if row["cohens_d"] is not None:
        d, d_interval = with_interval(row["cohens_d"], row["cohens_d_low"], row["cohens_d_high"])
        evidence += f"; d = {d}" + (f", {d_interval}" if d_interval != "-" else "")
    return evidence


def _untested(sessions: pl.DataFrame, tested: set[tuple]) -> Iterator[str]:
    if sessions.is_empty():
        yield "No session of this project has responses to omissions."
        return
    groups = sessions.group_by("cre_line", "exposure_level").agg(
        pl.col("mouse_id").n_unique(), pl.col("unit_count").sum()
    )
    for row in sorted(groups.to_dicts(), key=lambda row: group_order(row["cre_line"], row["exposure_level"])):
        if (row["cre_line"], row["exposure_level"]) not in tested:
            group = group_name(row["cre_line"], row["exposure_level"])
            counts = f"{counted(row['mouse_id'], 'mouse')}, {counted(row['unit_count'], 'cell')}"
            yield f"{group}: not tested ({counts}); it takes 2 mice or more with cells in both conditions."


def _other_measure(rows: Sequence[Mapping]) -> str:
    name = measure_name(rows[0]["measure"]).capitalize()
    different = [
        f"{group_name(row['cre_line'], row['exposure_level'])} ({difference_and_interval(row)[0]} over"
        f" {counted(row['mouse_count'], 'mouse')}, {p_clause(row['p_holm'])} Holm-corrected)"
        for row in sorted(rows, key=lambda row: cre_order(row["cre_line"]))
        if differs(row)
    ]
    rest = len(rows) - len(different)
    return f"{name}: omission and presentation differ in {'; '.join(different)}" + (
        f"; no difference found in {counted(rest, 'other group')}." if rest else "."
    )


def _alike_measures(of_measures: Sequence[Sequence[Mapping]]) -> str:
    names = " and ".join(measure_name(rows[0]["measure"]) for rows in of_measures)
    groups = {(row["cre_line"], row["exposure_level"]) for rows in of_measures for row in rows}
    mice = sorted({row["mouse_count"] for rows in of_measures for row in rows})
    over = counted(mice[-1], "mouse") if len(mice) == 1 else f"{mice[0]} to {mice[-1]} mice each"
    return (
        f"{names[0].upper()}{names[1:]}: no difference found in {counted(len(groups), 'group')} of cells, over {over}."
    )
