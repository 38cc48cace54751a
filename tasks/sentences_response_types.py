"""What a response-type study found, in plain sentences written from its rows alone."""

from collections.abc import Iterator

import polars as pl
from sklearn.metrics import adjusted_rand_score

from tasks.findings import Finding
from tasks.response_type_recipe import AMBIGUOUS_TYPE, NO_TYPE
from tasks.response_types_rows import TypesRows
from tasks.response_types_tables import both_protocols, type_order
from tasks.sentences import ALPHA, PROTOCOLS, counted, p_clause, percent

_FEWEST_ANIMALS = 5


def types_findings(rows: TypesRows) -> tuple[Finding, ...]:
    """Findings in the order in which a reader asks for them; headings without a sentence are left out."""
    by_heading = {
        "In short": tuple(brief_sentences(rows)),
        "Selection": tuple(_selection(rows)),
        "Regions": tuple(_regions(rows)),
        "The two protocols": tuple(_protocols(rows)),
        "Clusters": tuple(_clusters(rows)),
    }
    return tuple(Finding(heading, said, heading == "In short") for heading, said in by_heading.items() if said)


def brief_sentences(rows: TypesRows) -> Iterator[str]:
    """The answer in one to three sentences, under the study's protocol."""
    rois = rows.of(rows.protocol)
    if rois.is_empty():
        yield "No session could take part: the table of sessions says why."
        return
    selected = rois.filter("selected")
    sessions, animals = rois["session_id"].n_unique(), rois["animal_id"].n_unique()
    yield (
        f"{counted(len(selected), 'ROI')} of {len(rois):,} follow the regressors ({percent(len(selected) / len(rois))};"
        f" {counted(sessions, 'session')} of {counted(animals, 'animal')}, {rows.protocol} protocol)."
    )
    if len(selected):
        yield f"They are {types_said(rows, rows.protocol)}."
    if animals < _FEWEST_ANIMALS:
        yield f"With only {counted(animals, 'animal')}, this is about these recordings more than about the species."


def types_said(rows: TypesRows, protocol: str) -> str:
    """``55 prey, 92 looming, 16 dimming``: selected ROIs by type."""
    counts = dict(rows.of(protocol).filter("selected").group_by("response_type").len().rows())
    return ", ".join(f"{counts[name]:,} {name}" for name in type_order(rows) if counts.get(name)) or "none"


def _selection(rows: TypesRows) -> Iterator[str]:
    recipe = rows.recipe
    for protocol in PROTOCOLS:
        rois = rows.of(protocol)
        if rois.is_empty():
            continue
        selected = rois.filter("selected")
        if protocol == "published":
            yield (
                f"Published: an in-sample r2 above {recipe.smallest_r2:g} selects {counted(len(selected), 'ROI')} of"
                f" {len(rois):,}: {types_said(rows, protocol)}. No chance is taken into account."
            )
            continue
        said = (
            f"Rigorous: {counted(len(selected), 'ROI')} of {len(rois):,} have an r2 that circular shifts of the"
            f" regressors rarely reach; of those, {percent(recipe.fdr)} at most are expected there by chance."
        )
        held_out = selected["r2_held_out"].drop_nulls()
        if len(held_out):
            above = (held_out > 0).mean()
            said += (
                f" On events that were held out the regressors explain {100 * held_out.median():.1f} % of the variance"
                f" of the median selected ROI, and more than nothing in {percent(above)} of them."
            )
        yield said
        if ambiguous := selected.filter(response_type=AMBIGUOUS_TYPE).height:
            yield (
                f"{counted(ambiguous, 'ROI')} of the selected ones answer to no event clearly more than to another, as"
                " far as their noise lets that be told, and are called ambiguous."
            )


def _regions(rows: TypesRows) -> Iterator[str]:
    tests = rows.tests.filter(protocol=rows.protocol)
    if tests.is_empty():
        regions = rows.rois["region"].unique().to_list()
        if len(regions) == 1:
            yield f"All ROIs are of one region ({regions[0]}): there is nothing to compare it with."
        return
    differing = tests.filter(pl.col("p_holm") < ALPHA).sort("p_holm")
    if differing.is_empty():
        yield f"No type's share differs between regions ({counted(len(tests), 'test')}, Holm's correction)."
    for row in differing.head(6).iter_rows(named=True):
        more = "more" if row["difference"] > 0 else "fewer"
        yield (
            f"{row['region_a']} has {more} ROIs of type '{row['response_type']}' than {row['region_b']}: by"
            f" {abs(100 * row['difference']):.0f} % of ROIs ({row['test']}, {p_clause(row['p_holm'])} after Holm)."
        )
    if len(cautions := tests["warning"].drop_nulls().unique()):
        count = tests["warning"].count()
        yield f"A caution: each of {counted(count, 'test')} {cautions[0]}, as animals are too few for another."


def _protocols(rows: TypesRows) -> Iterator[str]:
    pairs = both_protocols(rows)
    if pairs.is_empty():
        return
    by_both = pairs.filter((pl.col("rigorous") != NO_TYPE) & (pl.col("published") != NO_TYPE))
    alike = by_both.filter(pl.col("rigorous") == pl.col("published")).height
    only = {one: pairs.filter((pl.col(one) != NO_TYPE) & (pl.col(other) == NO_TYPE)).height
            for one, other in (PROTOCOLS, PROTOCOLS[::-1])}  # fmt: skip
    yield (
        f"{counted(len(by_both), 'ROI')} are selected under both protocols, {alike:,} of them with the same type;"
        f" {only['published']:,} under published alone, {only['rigorous']:,} under rigorous alone."
    )


def _clusters(rows: TypesRows) -> Iterator[str]:
    clustered = rows.of(rows.protocol).drop_nulls("cluster_of_selected")
    for (session,), of_session in clustered.group_by("session_id", maintain_order=True):
        typed = of_session.filter(~pl.col("response_type").is_in([AMBIGUOUS_TYPE, NO_TYPE]))
        count = of_session["cluster_of_selected"].n_unique()
        if len(typed) < 2 or clustered["session_id"].n_unique() > 4:
            continue
        agreement = adjusted_rand_score(typed["response_type"], typed["cluster_of_selected"])
        yield (
            f"{session}: traces of {counted(len(of_session), 'selected ROI')} fall into {counted(count, 'cluster')},"
            f" which agree with the types by an adjusted Rand index of {agreement:.2f} (1: the same groups, 0: chance)."
        )
