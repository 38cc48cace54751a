"""Decoders in sentences: what features tell, and from when on a response tells that the image was omitted."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tasks.sentences import (
    ALPHA,
    FEWEST_MICE,
    PROTOCOLS,
    counted,
    cre_name,
    few,
    group_name,
    group_order,
    p_clause,
    percent,
)

TARGETS = ("condition", "cre_line")
DUMMY = "dummy"
_HELD_OUT = {
    "rigorous": "on the mice held out for the test",
    "published": "on a random split of rows, where one mouse's cells stand on both sides",
}
_LEVELS = {
    "single_trial": "single responses of single cells",
    "population": "single responses of a session's cells together",
}
_STRIDE_S = 1e-9


def labels_of(predictions: pl.DataFrame, target: str) -> tuple[str, str]:
    """The two answers, label 0 first, whose scores are small: presented and omitted, or cre lines by alphabet."""
    if target == "condition":
        return ("presented", "omitted")
    lines = sorted(predictions.filter(target=target)["truth"].unique())
    return tuple(lines) if len(lines) == 2 else ("one line", "the other")


def task_name(target: str, predictions: pl.DataFrame) -> str:
    """What a decoder tells, as a phrase after 'tells'."""
    if target == "condition":
        return "omissions from presentations"
    names = sorted(predictions.filter(target=target)["truth"].unique().to_list(), reverse=True)
    return f"{' from '.join(cre_name(name) for name in names)} cells" if names else "cre lines apart"


def majority_share(predictions: pl.DataFrame, protocol: str, target: str = "condition") -> float | None:
    """Share of the commoner label among the decoded rows: what always saying that one would score."""
    truth = predictions.filter(protocol=protocol, scheme="leave_one_mouse_out", target=target).unique(
        ["session_id", "unit_id", "condition"]
    )["truth"]
    return truth.value_counts()["count"].max() / len(truth) if len(truth) else None


def best_decoder(decoders: pl.DataFrame, protocol: str, target: str, registered: str | None = None) -> dict | None:
    """The row of the registered decoder, or else of the best on left-out mice; None where none ran."""
    rows = decoders.filter(pl.col("decoder") != DUMMY, protocol=protocol, target=target).drop_nulls("lomo_accuracy")
    if registered is not None:
        rows = rows.filter(decoder=registered)
    return max(rows.to_dicts(), key=lambda row: row["lomo_accuracy"], default=None)


def decoder_sentences(
    decoders: pl.DataFrame,
    tests: pl.DataFrame,
    predictions: pl.DataFrame,
    protocol: str,
    registered: str | None = None,
) -> Iterator[str]:
    """A sentence per target and protocol, the study's protocol first; ``registered`` is the decoder it chose."""
    for target in TARGETS:
        for which in (protocol, *(other for other in PROTOCOLS if other != protocol)):
            chosen = registered if which == protocol and target == "condition" else None
            if best := best_decoder(decoders, which, target, chosen):
                found = tests.filter(protocol=which, target=target, decoder=best["decoder"]).to_dicts()
                majority = majority_share(predictions, which, target)
                yield (
                    _decoder_sentence(
                        best,
                        found[0] if found else None,
                        f"Decoding, {which} protocol{'' if which == protocol else ' (for comparison)'}:"
                        f" {best['decoder']} tells {task_name(target, predictions)}",
                        majority,
                    )
                    + _how_chosen(decoders, best, chosen)
                    + few(best["fold_count"])
                )


def chance_text(majority: float | None) -> str:
    """What answers without knowledge score."""
    if majority and majority >= 0.505:
        return f"the commoner answer's share is {percent(majority)}"
    return "chance 50 %"


def _decoder_sentence(best: Mapping, test: Mapping | None, start: str, majority: float | None) -> str:
    interval, p = "", ""
    above = best["lomo_accuracy"] > max(majority or 0, 0.5)
    if test is not None:
        if test["ci_low"] is not None and test["ci_high"] is not None:
            interval = f", 95 % CI {percent(test['ci_low'])} to {percent(test['ci_high'])} over mice"
        if test["p_permutation"] is not None:
            p = f", {p_clause(test['p_permutation'])} by {counted(test['permutation_count'], 'permutation')}"
            above = above and test["p_permutation"] < ALPHA
    tested = ""
    if best["test_accuracy"] is not None:
        tested = f"; {percent(best['test_accuracy'])} {_HELD_OUT[best['protocol']]}"
    verdict = "" if above else ", not exceeded" if not p else ", which it is not shown to exceed"
    return (
        f"{start} with {percent(best['lomo_accuracy'])} accuracy, leaving one mouse out"
        f" ({counted(best['fold_count'], 'fold')}{interval}; {chance_text(majority)}{verdict}{p}){tested}."
    )


def _how_chosen(decoders: pl.DataFrame, best: Mapping, chosen: str | None) -> str:
    tried = decoders.filter(pl.col("decoder") != DUMMY, protocol=best["protocol"], target=best["target"]).height
    if chosen and best["protocol"] == "rigorous":
        return " It was chosen on the other mice alone; those of the test took no part."
    return f" It is the best of {tried} decoders on these folds, which flatters it a little." if tried > 1 else ""


def time_sentences(time_decoding: pl.DataFrame, protocol: str = "rigorous") -> Iterator[str]:
    """From when on the omission can be read out, as one protocol has it: a sentence per group and level.

    Groups at which no time was found share one sentence per level, after those at which one was.
    """
    of_protocol = time_decoding.filter(protocol=protocol)
    for level, plainly in _LEVELS.items():
        rows = of_protocol.filter(level=level)
        if rows.is_empty():
            continue
        decoder = "logistic" if "logistic" in rows["decoder"] else rows["decoder"][0]
        groups = rows.filter(decoder=decoder).partition_by("cre_line", "exposure_level", as_dict=True)
        courses = [groups[group].sort("time_s") for group in sorted(groups, key=lambda group: group_order(*group))]
        without = [course for course in courses if _is_tested(course) and first_cluster(course) is None]
        together = without if len(without) > 1 else []
        yield from (_time_sentence(course, plainly) for course in courses if not any(course is one for one in together))
        if together:
            yield _no_time_sentence(together, plainly)


def first_cluster(course: pl.DataFrame) -> tuple[float, float, float] | None:
    """Start, end (s) and p of the earliest significant cluster of a time course; None where there is none."""
    found = course.filter(pl.col("p_cluster") < ALPHA).drop_nulls("cluster")
    if found.is_empty():
        return None
    first = found.filter(pl.col("cluster") == found.sort("time_s")["cluster"][0])
    return first["time_s"].min(), first["time_s"].max(), first["p_cluster"][0]


def _is_tested(course: pl.DataFrame) -> bool:
    return not course["p_cluster"].is_null().all() or course["permutation_count"][0] != 0


def _no_time_sentence(courses: Sequence[pl.DataFrame], plainly: str) -> str:
    """The same of several groups, with the range of their numbers."""
    rows = [course.row(0, named=True) for course in courses]
    groups = ", ".join(f"{cre_name(row['cre_line'])} {row['exposure_level'] or ''}".strip() for row in rows)
    highest = _range([course["auc"].max() for course in courses], "{:.2f}")
    sides = (
        (_range([course.filter(which)["auc"].mean() for course in courses], "{:.2f}"), when)
        for which, when in ((pl.col("time_s") < 0, "on average before onset"), (pl.col("time_s") >= 0, "after"))
    )
    means = " and ".join(f"{found} {when}" for found, when in sides if found)
    mice, counts = ([row[name] for row in rows] for name in ("mouse_count", "row_count"))
    return (
        f"No time found at which {plainly} tell omissions from presentations, in {len(courses)} groups ({groups}: AUC"
        f" {highest} at its highest; {means}; {_range(mice, '{:,}')} mice and {_range(counts, '{:,}')} rows each)."
        f"{few(min(mice))}"
    )


def _range(values: Sequence[float | None], pattern: str) -> str:
    """``0.50`` or ``0.50 to 0.52``; empty where there is no value."""
    known = sorted(value for value in values if value is not None)
    return " to ".join(dict.fromkeys(pattern.format(value) for value in known[:1] + known[-1:]))


def _time_sentence(course: pl.DataFrame, plainly: str) -> str:
    row = course.row(0, named=True)
    peak = course.sort("auc", descending=True, nulls_last=True).row(0, named=True)
    before = course.filter(pl.col("time_s") < 0)["auc"].mean()
    after = course.filter(pl.col("time_s") >= 0)["auc"].mean()
    means = "".join(
        [f"{before:.2f} on average before onset" if before is not None else "",
         " and " if before is not None and after is not None else "",
         f"{after:.2f} after" if after is not None else ""]
    )  # fmt: skip
    over = f"{means}; {counted(row['mouse_count'], 'mouse')}, {counted(row['row_count'], 'row')}"
    highest = f"AUC {peak['auc']:.2f} at its highest"
    numbers = f"{highest}, {peak['time_s']:.2f} s from onset; {over}"
    group = group_name(row["cre_line"], row["exposure_level"])
    warning = few(row["mouse_count"]) if row["mouse_count"] < FEWEST_MICE else ""
    if not _is_tested(course):
        return f"{group}: {plainly} were decoded through time without a test against chance ({numbers}).{warning}"
    cluster = first_cluster(course)
    if cluster is None:
        return (
            f"{group}: no time found at which {plainly} tell omissions from presentations ({highest}; {over}).{warning}"
        )
    start_s, stop_s, p = cluster
    early = (
        " The cluster begins before the onset, so that not all of it is an answer to the omission."
        if start_s < -_STRIDE_S
        else ""
    )
    return (
        f"{group}: {plainly} tell omissions from presentations from {start_s:.2f} s on (first cluster {start_s:.2f} to"
        f" {stop_s:.2f} s, {p_clause(p)}; {numbers}).{early}{warning}"
    )
