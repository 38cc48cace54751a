"""The answer in at most three sentences: omission, novelty and cell type, and what can be read out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tasks.sentences import (
    ALPHA,
    PROTOCOLS,
    counted,
    cre_name,
    few,
    group_order,
    is_of_spikes,
    measure_name,
    p_clause,
    percent,
)
from tasks.sentences_decoding import best_decoder, chance_text, first_cluster, majority_share
from tasks.sentences_effects import (
    BETWEEN_LINES,
    NOVELTY,
    OMISSION,
    contrasts_of,
    difference_and_interval,
    differs,
    main_measure,
)
from tasks.study_rows import StudyRows


def brief_sentences(rows: StudyRows) -> Iterator[str]:
    """What differs first, then what was not found to; each number with its mice."""
    main = main_measure(rows.contrasts)
    of_main = rows.contrasts.filter(measure=main)
    yield from _omission(contrasts_of(of_main, OMISSION), rows.contrasts, main)
    yield from _interactions([*contrasts_of(of_main, NOVELTY), *contrasts_of(of_main, BETWEEN_LINES)], main)
    yield from _read_out(rows)


def _omission(groups: Sequence[Mapping], contrasts: pl.DataFrame, main: str) -> Iterator[str]:
    if not groups:
        return
    others = contrasts.filter(pl.col("measure") != main, contrast=OMISSION).to_dicts()
    different = [row for row in others if differs(row)]
    said = f"Omission against presentation, {measure_name(main)} (p Holm-corrected): {_in_order(groups, 'difference')}."
    if different:
        where = defaultdict(list)
        for row in different:
            where[_spoken(row["measure"])].append(_where(row))
        listed = "; ".join(f"{measure} in {', '.join(groups)}" for measure, groups in where.items())
        said += f" Of {len(others)} comparisons of other measures {len(different)} differ: {listed}."
    yield said + few(min(row["mouse_count"] for row in groups))


def _interactions(rows: Sequence[Mapping], main: str) -> Iterator[str]:
    if rows:
        said = _in_order(rows, "dependence")
        fewest = min(row["mouse_count"] for row in rows)
        about = f"Whether that depends on novelty or cell type, {measure_name(main)} (p Holm-corrected)"
        yield f"{about}: {said}.{few(fewest)}"


def _in_order(rows: Sequence[Mapping], sought: str) -> str:
    """Those that differ, and then those that were not found to."""
    different, alike = [row for row in rows if differs(row)], [row for row in rows if not differs(row)]
    parts = []
    if different:
        parts.append("; ".join(_one(row) for row in different))
    if alike:
        parts.append(f"no {sought} found in {'; '.join(_one(row) for row in alike)}")
    return "; ".join(parts)


def _one(row: Mapping) -> str:
    difference, interval = difference_and_interval(row)
    numbers = f"95 % CI {interval}, {counted(row['mouse_count'], 'mouse')}, {p_clause(row['p_holm'])}"
    return f"{_where(row)} {difference} ({numbers})"


def _where(row: Mapping) -> str:
    if row["contrast"] == NOVELTY:
        return f"{cre_name(row['cre_line'])}, novel minus familiar"
    exposure = "" if row["exposure_level"] == "all" else f" {row['exposure_level']}"
    return f"{cre_name(row['cre_line']).replace(' - ', ' minus ')}{exposure}"


def _spoken(measure: str) -> str:
    return f"{measure_name(measure)}{' of spikes' if is_of_spikes(measure) else ''}"


def _read_out(rows: StudyRows) -> Iterator[str]:
    if parts := [*_features(rows), *_times(rows.time_decoding)]:
        yield f"What can be read out: {'; '.join(parts)}."


def _features(rows: StudyRows) -> Iterator[str]:
    registered = rows.promotion["decoder"] if rows.promotion else None
    best = best_decoder(rows.decoders, rows.protocol, "condition", registered)
    if best is None:
        return
    tests = rows.decoder_tests.filter(protocol=rows.protocol, target="condition", decoder=best["decoder"]).to_dicts()
    majority = majority_share(rows.predictions, rows.protocol)
    against = chance_text(majority)
    above = best["lomo_accuracy"] > max(majority or 0, 0.5)
    if tests and (p := tests[0]["p_permutation"]) is not None:
        against += "" if above and p < ALPHA else ", which it is not shown to exceed"
        against += f", {p_clause(p)} by {counted(tests[0]['permutation_count'], 'permutation')}"
    elif not above:
        against += ", not exceeded"
    yield (
        f"features of mean responses tell omissions from presentations with {percent(best['lomo_accuracy'])} accuracy"
        f" on left-out mice ({best['decoder']}, {counted(best['fold_count'], 'fold')}; {against})"
    )


def _times(time_decoding: pl.DataFrame) -> Iterator[str]:
    """At how many courses of the rigorous protocol a time was found, and the earliest."""
    rows = time_decoding.filter(protocol=PROTOCOLS[0])
    if rows.is_empty() or not rows["permutation_count"].max():
        return
    decoder = "logistic" if "logistic" in rows["decoder"] else rows["decoder"][0]
    by = ("level", "cre_line", "exposure_level")
    courses = rows.filter(decoder=decoder).partition_by(by, as_dict=True)
    found = {key: cluster for key, course in courses.items() if (cluster := first_cluster(course))}
    mice = sorted({course["mouse_count"][0] for course in courses.values()})
    over = f"{counted(len(courses), 'time course')} of single responses, {mice[0]}"
    over += f" to {mice[-1]} mice each" if len(mice) > 1 else f" {'mouse' if mice[0] == 1 else 'mice'} each"
    if not found:
        yield f"no time found at which single responses do ({over})"
        return
    (level, line, exposure), (start_s, _, p) = min(
        found.items(), key=lambda item: (item[1][0], group_order(*item[0][1:]))
    )
    yield (
        f"single responses do in {len(found)} of {over}, first from {start_s:.2f} s on ({cre_name(line)} {exposure},"
        f" {level.replace('_', ' ')}, {p_clause(p)})"
    )
