"""Tables of effects: over mice and over cells side by side, mixed models, and each published test."""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.report_tables import NONE, ReportTable, main_measure_first, whole
from tasks.sentences import (
    PROTOCOLS,
    cre_name,
    dof_text,
    fixed,
    group_order,
    measure_with_unit,
    p_text,
    term_name,
    with_interval,
)
from tasks.sentences_effects import OMISSION, main_measure
from tasks.study_rows import StudyRows

_MEANS = {
    "levene": ("Levene's test", "Are the spreads of omitted and presented responses equal? Decides between t tests."),
    "student": ("Student's t tests", "Omitted against presented over cells, where spreads are equal."),
    "welch": ("Welch's t tests", "Omitted against presented over cells, where spreads differ."),
    "tukey": ("Tukey's HSD", "All pairs of levels, family-wise."),
    "pairwise": ("Pairwise comparisons", "Each pair, with correction over all of them and Hedges' g."),
    "manova": ("MANOVA", "Several measures together."),
    "glm": ("General linear models", "Main effects and two-way terms of each measure."),
}
_MIXED_HEADINGS = ("estimate", "95 % CI", "statistic", "p", "LL", "rows", "groups", "mice", "cells", "events",
                   "what stands against it")  # fmt: skip
_NO_MAXIMUM = "did not reach a maximum"  # what `tasks.mouse_effects` says of a fit that did not converge


def side_by_side_table(rows: StudyRows, of_spikes: bool = False) -> ReportTable:
    """Omitted against presented in each group: over mice, and over cells as published, with what stands against it."""
    contrasts = _of(rows.contrasts.filter(contrast=OMISSION), of_spikes)
    tests = _of(rows.group_tests.filter(pl.col("test").is_in(["student", "welch"])), of_spikes)
    over_cells = {(row["measure"], row["within"]): row for row in tests.to_dicts()}
    pairwise = {(row["measure"], row["contrast"]): row for row in rows.group_tests.filter(test="pairwise").to_dicts()}
    cells = []
    for row in main_measure_first(contrasts, lambda row: group_order(row["cre_line"], row["exposure_level"])):
        measure, line, exposure = (row[name] for name in ("measure", "cre_line", "exposure_level"))
        pair = f"{line}, presented, {exposure} - {line}, omitted, {exposure}"
        test = over_cells.get((measure, f"{line}, {exposure}"))
        cells.append(_group_cells(row) + _over_mice(row) + _over_cells(test, pairwise.get((measure, pair))))
    return ReportTable(
        "Omitted minus presented, both protocols side by side. Left, what this report concludes from: within each cell,"
        " averaged within each mouse, t test over mice, Holm's correction over all contrasts. Right, for comparison:"
        " the published t test over cells (corrected p: Benjamini-Hochberg, of the pairwise comparisons).",
        ("measure", "cells", "image set", "difference", "95 % CI", "p, Holm", "d", "mice", "cells", "events",
         "test", "t (df)", "p", "p, corrected", "Hedges' g", "rows", "mice", "against the tests over cells"),
        tuple(cells),
        text_columns=3,
        grouped=True,
        noted=True,
        spans=(("", 3), ("rigorous: over mice", 7), ("published: over cells", 8)),
        sql=_statement(rows, "contrasts"),
    )  # fmt: skip


def contrasts_table(rows: StudyRows, of_spikes: bool = False) -> ReportTable:
    """Every contrast over mice, with all that was computed of it."""
    contrasts = _of(rows.contrasts, of_spikes)
    kinds = list(dict.fromkeys((OMISSION, *contrasts["contrast"].to_list())))
    ordered = main_measure_first(
        contrasts, lambda row: (kinds.index(row["contrast"]), group_order(row["cre_line"], row["exposure_level"]))
    )
    return ReportTable(
        "Contrasts over mice. Novel - familiar: of the effect of omission, in mice with both. Between cre lines: of"
        " that effect, over separate mice (Welch). p by permutation: flipping signs of, or exchanging, whole mice."
        " Bootstrap: studentised, over mice. ICC: how alike cells of one mouse are in their differences.",
        ("measure", "contrast", "cells", "image set", "difference", "95 % CI", "95 % bootstrap", "t (df)", "p",
         "p, Holm", "p, permuted", "d (95 % CI)", "ICC", "mice", "cells", "left out", "events"),
        tuple(_contrast_cells(row) for row in ordered),
        text_columns=4,
        grouped=True,
        shown=8,
        sql=_statement(rows, "contrasts"),
    )  # fmt: skip


def omission_slopes_table(rows: StudyRows, of_spikes: bool = False) -> ReportTable:
    """The effect of omission in each group by the mixed models of the rigorous protocol."""
    slopes = [row for row in _mixed(rows, of_spikes) if _is_slope(row)]
    return ReportTable(
        "Fixed effect of omission in each group, by REML: random slopes per mouse and intercepts for mice and cells,"
        " t where degrees of freedom are given; p not corrected. LL: restricted log-likelihood.",
        ("measure", "cells", "image set", *_MIXED_HEADINGS),
        tuple((measure_with_unit(row["measure"]), *_group_of(row), *_mixed_cells(row)) for row in slopes),
        text_columns=3,
        grouped=True,
        noted=True,
        sql=_statement(rows, "mixed_effects"),
    )


def mixed_tables(rows: StudyRows, of_spikes: bool = False) -> Iterator[tuple[str, ReportTable]]:
    """A title and a table of what else each model estimates: the rigorous protocol's intercepts and variances first."""
    others = [row for row in _mixed(rows, of_spikes) if not _is_slope(row)]
    for protocol, model in dict.fromkeys((row["protocol"], row["model"]) for row in others):
        of_model = [row for row in others if (row["protocol"], row["model"]) == (protocol, model)]
        rest = "intercepts and variances, rigorous" if protocol == PROTOCOLS[0] else f"all terms, {protocol}"
        yield (
            f"Mixed models: {rest} protocol",
            ReportTable(
                f"Mixed models by REML, {protocol} protocol: {model}. z: Wald's, where no degrees of freedom are given."
                " LL: restricted log-likelihood.",
                ("measure", "term", *_MIXED_HEADINGS),
                tuple(
                    (measure_with_unit(row["measure"]), term_name(row["term"]), *_mixed_cells(row)) for row in of_model
                ),
                text_columns=2,
                grouped=True,
                noted=True,
                shown=len(of_model),
                sql=_statement(rows, "mixed_effects"),
            ),
        )


def anova_table(rows: StudyRows, of_spikes: bool = False) -> ReportTable:
    """The published three-way ANOVA."""
    anova = _of(rows.anova, of_spikes)
    cells = (
        (
            measure_with_unit(row["measure"]),
            term_name(row["term"]),
            NONE if row["sum_sq"] is None else f"{row['sum_sq']:.3g}",
            dof_text(row["dof"]),
            NONE if row["f"] is None else fixed(row["f"], 3),
            p_text(row["p"]),
            NONE if row["partial_eta_sq"] is None else fixed(row["partial_eta_sq"], 3),
            *_counts(row),
            row["warning"] or NONE,
        )
        for row in main_measure_first(anova, lambda row: 0)
    )
    main = main_measure(anova)
    return ReportTable(
        "Three-way ANOVA over cells, type II, sum contrasts, as published.",
        ("measure", "term", "sum of squares", "df", "F", "p", "partial η²", "mice", "cells", "events",
         "what stands against it"),
        tuple(cells),
        text_columns=2,
        grouped=True,
        noted=True,
        shown=sum(row["measure"] == main for row in anova.to_dicts()),
        sql=_statement(rows, "anova"),
        warning="Cells of one mouse are not independent, and this test takes them as if they were: its p values are as"
        " a rule too small. It is here to be compared with published numbers; the contrasts over mice are what this"
        " report concludes from.",
    )  # fmt: skip


def published_tables(rows: StudyRows, of_spikes: bool = False) -> Iterator[tuple[str, ReportTable]]:
    """A title and a table for each kind of published test over cells."""
    tests = _of(rows.group_tests, of_spikes)
    for test, (title, meaning) in _MEANS.items():
        of_test = tests.filter(test=test)
        if of_test.is_empty():
            continue
        ordered = main_measure_first(of_test, lambda row: 0)
        yield (
            title,
            ReportTable(
                f"{meaning} Over cells, as published.",
                ("measure", "within", "contrast or term", "estimate", "95 % CI", _statistic(ordered), "F", "df",
                 "p", "p, corrected", "effect size (95 % CI)", "rows", "mice", "cells", "events",
                 "what stands against it"),
                tuple(_test_cells(row) for row in ordered),
                text_columns=3,
                grouped=True,
                noted=True,
                shown=10,
                sql=f"{_statement(rows, 'group_tests')} AND test = '{test}'",
            ),
        )  # fmt: skip


def _of(frame: pl.DataFrame, of_spikes: bool) -> pl.DataFrame:
    return frame.filter(pl.col("measure").str.contains("spike_prob") == of_spikes)


def _statement(rows: StudyRows, table: str) -> str:
    return f"SELECT * FROM findings.{table} WHERE study_id = '{rows.study['study_id']}'"


def _counts(row: Mapping) -> tuple[str, ...]:
    return tuple(whole(row[name]) for name in ("mouse_count", "cell_count", "event_count"))


def _group_cells(row: Mapping) -> tuple[str, ...]:
    return (measure_with_unit(row["measure"]), cre_name(row["cre_line"]), row["exposure_level"])


def _over_mice(row: Mapping) -> tuple[str, ...]:
    d = NONE if row["cohens_d"] is None else fixed(row["cohens_d"], 2)
    return (*with_interval(row["difference"], row["ci_low"], row["ci_high"], "+"), p_text(row["p_holm"]), d,
            *_counts(row))  # fmt: skip


def _over_cells(test: Mapping | None, pair: Mapping | None) -> tuple[str, ...]:
    if test is None:
        return (NONE,) * 8
    t = NONE if test["statistic"] is None else f"{fixed(test['statistic'], 2)} ({dof_text(test['dof'])})"
    corrected = p_text(pair["p_corrected"]) if pair else p_text(test["p_corrected"])
    g = NONE if test["effect_size"] is None else fixed(test["effect_size"], 3)
    return (test["test"].capitalize(), t, p_text(test["p"]), corrected, g, whole(test["row_count"]),
            whole(test["mouse_count"]), test["warning"] or NONE)  # fmt: skip


def _contrast_cells(row: Mapping) -> tuple[str, ...]:
    d = NONE
    if row["cohens_d"] is not None:
        value, interval = with_interval(row["cohens_d"], row["cohens_d_low"], row["cohens_d_high"])
        d = value if interval == NONE else f"{value} ({interval})"
    bootstrap = with_interval(row["difference"], row["bootstrap_low"], row["bootstrap_high"])[1]
    measure, cells, exposure = _group_cells(row)
    return (
        measure,
        row["contrast"],
        cells,
        exposure,
        *with_interval(row["difference"], row["ci_low"], row["ci_high"], "+"),
        bootstrap,
        NONE if row["t"] is None else f"{fixed(row['t'], 2)} ({dof_text(row['dof'])})",
        *(p_text(row[name]) for name in ("p", "p_holm", "p_permutation")),
        d,
        NONE if row["intraclass_correlation"] is None else fixed(row["intraclass_correlation"], 2),
        *(whole(row[name]) for name in ("mouse_count", "cell_count", "excluded_cell_count", "event_count")),
    )


def _mixed(rows: StudyRows, of_spikes: bool) -> list[dict]:
    """Terms of mixed models: the rigorous protocol's first, of one kind together, group by group."""
    return main_measure_first(
        _of(rows.mixed_effects, of_spikes),
        lambda row: (
            PROTOCOLS.index(row["protocol"]), row["model"], row["term"].startswith("variance"),
            len(row["term"].partition(" in ")[0]), group_order(*_where(row)),
        ),
    )  # fmt: skip


def _where(row: Mapping) -> tuple[str | None, str | None]:
    """Cre line and exposure that a term is about, as in 'omitted in Vip-IRES-Cre, familiar'."""
    line, _, exposure = row["term"].partition(" in ")[2].partition(", ")
    return (line or None, exposure or None)


def _group_of(row: Mapping) -> tuple[str, str]:
    line, exposure = _where(row)
    return (cre_name(line), exposure or NONE)


def _is_slope(row: Mapping) -> bool:
    return row["protocol"] == PROTOCOLS[0] and row["term"].startswith("omitted in ")


def _mixed_cells(row: Mapping) -> tuple[str, ...]:
    statistic = NONE
    if row["statistic"] is not None:
        kind = "z" if row["dof"] is None else f"t({dof_text(row['dof'])})"
        statistic = f"{kind} = {fixed(row['statistic'], 2)}"
    said = row["warning"] or ""
    unsure = not row["converged"] and _NO_MAXIMUM not in said
    doubts = (said, "the fit did not converge" if unsure else "")
    variance = row["term"].startswith("variance") and row["ci_low"] is None
    estimate = (f"{row['estimate']:.3g}", NONE) if variance else with_interval(
        row["estimate"], row["ci_low"], row["ci_high"], "+"
    )  # fmt: skip
    return (
        *estimate,
        statistic,
        p_text(row["p"]),
        fixed(row["log_likelihood"], 2),
        whole(row["row_count"]),
        whole(row["group_count"]),
        *_counts(row),
        "; ".join(doubt for doubt in doubts if doubt) or NONE,
    )


def _statistic(rows: list[dict]) -> str:
    names = list(dict.fromkeys(row["statistic_name"] for row in rows))
    return names[0] if len(names) == 1 else "statistic"


def _test_cells(row: Mapping) -> tuple[str, ...]:
    estimate = (NONE, NONE)
    if row["estimate"] is not None:
        estimate = with_interval(row["estimate"], row["ci_low"], row["ci_high"], "+")
    effect = NONE
    if row["effect_size"] is not None:
        value, interval = with_interval(row["effect_size"], row["effect_low"], row["effect_high"])
        effect = f"{row['effect_name'] or ''} {value}".strip() + ("" if interval == NONE else f" ({interval})")
    dof = ", ".join(dof_text(row[name]) for name in ("dof", "residual_dof") if row[name] is not None)
    corrected = p_text(row["p_corrected"])
    return (
        measure_with_unit(row["measure"]),
        term_name(row["within"]),
        term_name(row["contrast"]),
        *estimate,
        NONE if row["statistic"] is None else f"{row['statistic']:.4g}",
        NONE if row["f"] is None else fixed(row["f"], 3),
        dof or NONE,
        p_text(row["p"]),
        f"{corrected} ({row['correction']})" if row["correction"] and corrected != NONE else corrected,
        effect,
        whole(row["row_count"]),
        *_counts(row),
        row["warning"] or NONE,
    )
