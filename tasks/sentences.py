"""Findings in words: sentences for the report and lines for the terminal, written from the numbers alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from storage.tables import RESPONSE_FEATURES

ALPHA = 0.05
FEWEST_MICE = 5  # below this, a contrast over mice says that they are few
MAIN_MEASURE = "peak_dff"

_CRE_NAMES = {"Vip-IRES-Cre": "VIP", "Sst-IRES-Cre": "SST"}
_MEASURE_NAMES = {
    "auc_dff_s": "response area",
    "slope_dff_per_s": "slope after onset",
    "fwhm_s": "width at half peak",
    "peak_to_trough_dff": "peak to trough",
    "mean_0_500ms_dff": "mean 0 to 0.5 s",
    "mean_500_1000ms_dff": "mean 0.5 to 1 s",
}
_UNITS = {column.name: column.unit for column in RESPONSE_FEATURES.columns}
_HELD_OUT = {
    "rigorous": "on the mice held out for the test",
    "published": "on a random split of rows, where one mouse's cells stand on both sides",
}


def cre_name(cre_line: str | None) -> str:
    """A driver line as it is spoken of: VIP, SST, others as they are."""
    return _CRE_NAMES.get(cre_line, cre_line) if cre_line else "cre line not given"


def cre_order(cre_line: str | None) -> tuple[int, str]:
    """Sorting key: VIP, SST, then others by name."""
    known = list(_CRE_NAMES)
    return (known.index(cre_line) if cre_line in known else len(known), cre_line or "~")


def group_name(cre_line: str | None, exposure_level: str | None) -> str:
    """Whose cells and which image sets, as a sentence starts."""
    cells = f"{cre_name(cre_line)} cells" if cre_line else "Cells without a cre line"
    return f"{cells}, {f'{exposure_level} sets' if exposure_level else 'exposure not given'}"


def measure_name(measure: str) -> str:
    """A feature's plain name, without its unit."""
    return _MEASURE_NAMES.get(measure, measure.removesuffix("_dff2").removesuffix("_dff").removesuffix("_s")).replace(
        "_", " "
    )


def measure_unit(measure: str) -> str:
    """A feature's unit as declared, empty where it has none."""
    return _UNITS.get(measure) or ""


def counted(number: int, noun: str) -> str:
    """``7 mice``, ``1 mouse``, ``1,204 cells``."""
    return f"{number:,} {noun if number == 1 else 'mice' if noun == 'mouse' else noun + 's'}"


def p_text(p: float | None) -> str:
    """``.012``, ``.31``, ``< .001``; more digits only where rounding would hide on which side of .05 it lies."""
    if p is None or math.isnan(p):
        return "-"
    if p < 0.001:
        return "< .001"
    decimals = 4 if round(p, 3) == ALPHA and p != ALPHA else 3 if p < 0.1 else 2
    return f"{p:.{decimals}f}".removeprefix("0")


def decimals_for(spread: float | None) -> int:
    """Decimals that show two digits of an interval's half width, and no more."""
    if not spread or not math.isfinite(spread):
        return 3
    return min(max(1 - math.floor(math.log10(abs(spread))), 0), 6)


def fixed(value: float, decimals: int, sign: str = "") -> str:
    """A number with so many decimals; ``sign='+'`` shows a plus; never ``-0.00``."""
    return f"{round(value, decimals) + 0.0:{sign},.{decimals}f}"


def main_measure(rows: pl.DataFrame) -> str:
    """The measure that sentences speak of first: the peak, or else the first there is."""
    measures = rows["measure"].unique(maintain_order=True).to_list()
    return MAIN_MEASURE if MAIN_MEASURE in measures or not measures else measures[0]


def majority_share(predictions: pl.DataFrame, protocol: str) -> float | None:
    """Share of the commoner condition among the decoded rows: what always saying that one would score."""
    truth = predictions.filter(protocol=protocol, scheme="leave_one_mouse_out").unique(
        ["session_id", "unit_id", "condition"]
    )["condition"]
    return truth.value_counts()["count"].max() / len(truth) if len(truth) else None


def findings(
    contrasts: pl.DataFrame,
    anova: pl.DataFrame,
    decoders: pl.DataFrame,
    study: Mapping,
    sessions: pl.DataFrame,
    majority: float | None = None,
    registered: str | None = None,
) -> list[str]:
    """What a study found, a sentence each: contrasts over mice, decoders, and what the ANOVA is not good for.

    ``majority`` is the commoner condition's share (see ``majority_share``), 50 % unless told; ``registered`` the
    decoder that the study chose, the best on left-out mice unless told.
    """
    main = main_measure(contrasts)
    rows = _in_order(contrasts)
    sentences = [_contrast_sentence(row) for row in rows if row["measure"] == main]
    sentences += _untested(sessions, {(row["cre_line"], row["exposure_level"]) for row in rows})
    for measure in dict.fromkeys(row["measure"] for row in rows if row["measure"] != main):
        sentences.append(_other_measure(measure, [row for row in rows if row["measure"] == measure]))
    sentences += _decoder_sentences(decoders, study["protocol"], majority, registered)
    return sentences + list(_anova_sentence(anova))


def found_lines(
    contrasts: pl.DataFrame,
    decoders: pl.DataFrame,
    study: Mapping,
    majority: float | None = None,
    registered: str | None = None,
) -> list[str]:
    """The same in two to four short lines for the terminal: one per cre line (three at most), one for the decoder."""
    rows = [row for row in _in_order(contrasts) if row["measure"] == main_measure(contrasts)]
    lines = []
    for cre_line in list(dict.fromkeys(row["cre_line"] for row in rows))[:3]:
        parts = "; ".join(_brief_contrast(row) for row in rows if row["cre_line"] == cre_line)
        lines.append(f"{cre_name(cre_line)} cells, omitted minus presented: {parts}")
    lines = lines or ["no contrast over mice could be computed; the report says why"]
    if best := _best(decoders, study["protocol"], registered):
        test = f", {_percent(best['test_accuracy'])} on test rows" if best["test_accuracy"] is not None else ""
        accuracy, folds = _percent(best["lomo_accuracy"]), counted(best["fold_count"], "fold")
        lines.append(f"decoder {best['decoder']}: {accuracy} on left-out mice ({folds}, {_chance(majority)}){test}")
    return [_one_line(line) for line in lines]


def summary_lines(
    session_count: int,
    rejected: Sequence[tuple[str, str]],
    found: Sequence[str] = (),
    reports: Sequence[Path | str] = (),
) -> list[str]:
    """What a night prints last: what went in, what was refused and why, what was found, what to do next.

    ``rejected`` holds (file, reason) pairs; ``found`` lines as ``found_lines`` gives them.
    """
    went_in = f"{counted(session_count, 'session')} in, {len(rejected) or 'none'} rejected"
    refusals = [_one_line(f"{file}: {reason}") for file, reason in rejected]
    if len(refusals) == 1:
        lines = [f"{went_in} ({refusals[0]}; see recorded.rejected)"]
    else:
        lines = [went_in + (" (see recorded.rejected)" if refusals else "")]
        lines += [f"  {refusal}" for refusal in refusals[:3]]
        lines += [f"  and {len(refusals) - 3} more"] if len(refusals) > 3 else []
    todo = [("report", str(report)) for report in reports]
    todo += [("ask", "make sql"), ("models", "make models"), ("prefect", "make prefect")]
    return [*lines, *found, *(f"{name:<9}{how}" for name, how in todo)]


def _in_order(contrasts: pl.DataFrame) -> list[dict]:
    return sorted(contrasts.to_dicts(), key=lambda row: (cre_order(row["cre_line"]), row["exposure_level"]))


def _differs(row: Mapping) -> bool:
    return row["p_holm"] is not None and row["p_holm"] < ALPHA


def _p_clause(p: float | None) -> str:
    text = p_text(p)
    return {"-": "no p value", "<": f"p {text}"}.get(text[0], f"p = {text}")


def _numbers(row: Mapping) -> tuple[str, str]:
    """The difference with its unit, and its interval."""
    decimals = decimals_for((row["ci_high"] - row["ci_low"]) / 2)
    difference = f"{fixed(row['difference'], decimals, '+')} {measure_unit(row['measure'])}".rstrip()
    return difference, f"{fixed(row['ci_low'], decimals)} to {fixed(row['ci_high'], decimals)}"


def _contrast_sentence(row: Mapping) -> str:
    difference, interval = _numbers(row)
    name, mice = measure_name(row["measure"]), counted(row["mouse_count"], "mouse")
    t = "t undefined" if row["t"] is None else f"t({row['dof']}) = {fixed(row['t'], 1)}"
    over = f"95 % CI {interval} over {mice}, {counted(row['cell_count'], 'cell')}"
    evidence = f"{over}; {t}, {_p_clause(row['p_holm'])} Holm-corrected"
    if not _differs(row) and row["p"] is not None and row["p"] < ALPHA:
        evidence += f", {_p_clause(row['p'])} before correction"
    group = group_name(row["cre_line"], row["exposure_level"])
    if _differs(row):
        sentence = f"{group}: omission minus presentation {difference} {name} ({evidence})."
    else:
        sentence = (
            f"{group}: no difference found in {name} between omission and presentation ({difference}, {evidence})."
        )
    return sentence + (f" With only {mice}, this carries little." if row["mouse_count"] < FEWEST_MICE else "")


def _untested(sessions: pl.DataFrame, tested: set[tuple]) -> Iterator[str]:
    if sessions.is_empty():
        yield "No session of this project is in the lake."
    for row in sorted(sessions.to_dicts(), key=lambda row: (cre_order(row["cre_line"]), row["exposure_level"] or "~")):
        if (row["cre_line"], row["exposure_level"]) not in tested:
            group = group_name(row["cre_line"], row["exposure_level"])
            counts = f"{counted(row['mouse_count'], 'mouse')}, {counted(row['unit_count'], 'cell')}"
            yield f"{group}: not tested ({counts}); it takes 2 mice or more with cells in both conditions."


def _other_measure(measure: str, rows: Sequence[Mapping]) -> str:
    name = measure_name(measure).capitalize()
    different = [
        f"{group_name(row['cre_line'], row['exposure_level'])} "
        f"({_numbers(row)[0]} over {counted(row['mouse_count'], 'mouse')}, {_p_clause(row['p_holm'])} Holm-corrected)"
        for row in rows
        if _differs(row)
    ]
    if not different:
        mice = sorted({row["mouse_count"] for row in rows})
        over = counted(mice[-1], "mouse") if len(mice) == 1 else f"{mice[0]} to {mice[-1]} mice each"
        return f"{name}: no difference found in {counted(len(rows), 'group')} of cells, over {over}."
    rest = len(rows) - len(different)
    return f"{name}: omission and presentation differ in {'; '.join(different)}" + (
        f"; no difference found in {counted(rest, 'other group')}." if rest else "."
    )


def _brief_contrast(row: Mapping) -> str:
    difference, interval = _numbers(row)
    mice = f"{'only ' if row['mouse_count'] < FEWEST_MICE else ''}{counted(row['mouse_count'], 'mouse')}"
    if not _differs(row):
        return f"{row['exposure_level']} no difference found ({mice}, {_p_clause(row['p_holm'])})"
    found = f"{difference} {measure_name(row['measure'])}"
    return f"{row['exposure_level']} {found} ({interval}, {mice}, {_p_clause(row['p_holm'])})"


def _best(decoders: pl.DataFrame, protocol: str, registered: str | None = None) -> dict | None:
    of_protocol = decoders.filter(protocol=protocol).drop_nulls("lomo_accuracy")
    if registered is not None:
        return next((row for row in of_protocol.to_dicts() if row["decoder"] == registered), None)
    return max(of_protocol.to_dicts(), key=lambda row: row["lomo_accuracy"], default=None)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _chance(majority: float | None) -> str:
    if majority and majority >= 0.505:
        return f"the commoner condition's share is {_percent(majority)}"
    return "chance 50 %"


def _decoder_sentences(
    decoders: pl.DataFrame, protocol: str, majority: float | None, registered: str | None
) -> Iterator[str]:
    for which in (protocol, *(other for other in _HELD_OUT if other != protocol)):
        chosen = registered if which == protocol else None
        if not (best := _best(decoders, which, chosen)):
            continue
        above = best["lomo_accuracy"] > max(majority or 0, 0.5)
        test = f"; {_percent(best['test_accuracy'])} {_HELD_OUT[which]}" if best["test_accuracy"] is not None else ""
        tried = decoders.filter(protocol=which).height
        sentence = (
            f"Decoding, {which} protocol{'' if which == protocol else ' (for comparison)'}: {best['decoder']} tells"
            f" omissions from presentations with {_percent(best['lomo_accuracy'])} accuracy, leaving one mouse out"
            f" ({counted(best['fold_count'], 'fold')}; {_chance(majority)}{'' if above else ', not exceeded'}){test}."
        )
        if chosen and protocol == "rigorous":
            sentence += " It was chosen on the other mice alone; those of the test took no part."
        elif tried > 1:
            sentence += f" It is the best of {tried} decoders on these folds, which flatters it a little."
        if best["fold_count"] < FEWEST_MICE:
            sentence += f" With only {counted(best['fold_count'], 'mouse')}, this carries little."
        yield sentence


def _anova_sentence(anova: pl.DataFrame) -> Iterator[str]:
    rows = anova.filter(measure=main_measure(anova)).to_dicts()
    if not rows:
        return
    small = sum(row["p"] is not None and row["p"] < ALPHA for row in rows)
    terms = counted(sum(row["term"] != "residual" for row in rows), "term")
    dof = next((f"{row['dof']:,.0f} residual degrees of freedom" for row in rows if row["term"] == "residual"), "")
    cells, mice = counted(rows[0]["cell_count"], "cell"), counted(rows[0]["mouse_count"], "mouse")
    yield (
        f"The published ANOVA of {measure_name(rows[0]['measure'])} has {small} of {terms} at p < .05, but it takes"
        f" {cells} as independent{f' ({dof})' if dof else ''} while they share {mice}: its p values are as a rule too"
        " small, and no conclusion is drawn from it."
    )


def _one_line(text: str) -> str:
    """Without line breaks or control characters, which a file's name may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
