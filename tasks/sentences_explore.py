"""Exploration in sentences: indices of cells, averaged over mice, and the motifs that responses fall into."""

from collections.abc import Iterator

import polars as pl

from tasks.over_mice import mean_over_mice, mouse_means
from tasks.sentences import counted, cre_name, cre_order, few, group_name, group_order, percent, with_interval

_INDICES = {
    "omission_index": ("omission index of peaks, (O - P) / (O + P)", "above 0 where omissions give the larger peak"),
    "novelty_index": ("novelty index of peaks, (N - F) / (N + F)", "above 0 where novel images give the larger peak"),
}


def exploration_sentences(unit_scores: pl.DataFrame, sessions: pl.DataFrame) -> Iterator[str]:
    """Indices with their intervals over mice, and the size and cell types of each motif."""
    about = sessions.select("session_id", "mouse_id", "cre_line", "exposure_level")
    scores = unit_scores.drop_nulls("value").join(about, on="session_id")
    for score, (name, meaning) in _INDICES.items():
        yield from _index_sentence(scores.filter(score=score), score, name, meaning)
    yield from _motif_sentence(scores.filter(score="motif"))


def _index_sentence(rows: pl.DataFrame, score: str, name: str, meaning: str) -> Iterator[str]:
    by = ["cre_line"] if score == "novelty_index" else ["cre_line", "exposure_level"]
    groups = mouse_means(rows, "value", by).partition_by(by, as_dict=True)
    said, fewest = [], None
    for group in sorted(groups, key=lambda key: group_order(key[0], key[1] if len(key) > 1 else None)):
        found = mean_over_mice(groups[group]["value"].to_numpy())
        mean, interval = with_interval(found.mean, found.ci_low, found.ci_high, "+")
        whose = f"{cre_name(group[0])} cells" if len(group) == 1 else group_name(*group)
        ci = "" if interval == "-" else f"95 % CI {interval} over "
        cells = counted(int(groups[group]["cell_count"].sum()), "cell")
        said.append(f"{whose} {mean} ({ci}{counted(found.mouse_count, 'mouse')}, {cells})")
        fewest = min(found.mouse_count, fewest or found.mouse_count)
    if said:
        yield f"{name[0].upper()}{name[1:]}, {meaning}: {'; '.join(said)}. Not tested further.{few(fewest)}"


def _motif_sentence(rows: pl.DataFrame) -> Iterator[str]:
    if rows.is_empty():
        return
    parts = []
    for motif, of_motif in sorted(rows.partition_by("value", as_dict=True).items()):
        lines = of_motif["cre_line"].value_counts().sort("count", descending=True).to_dicts()
        lines = sorted(lines, key=lambda row: cre_order(row["cre_line"]))
        shares = ", ".join(f"{percent(row['count'] / len(of_motif))} {cre_name(row['cre_line'])}" for row in lines)
        parts.append(f"{int(motif[0]) + 1}: {counted(len(of_motif), 'row')} ({shares})")
    mice = counted(rows["mouse_id"].n_unique(), "mouse")
    yield (
        f"k-means puts the mean responses (a row per cell and session, {len(rows):,} in all, of {mice}) into"
        f" {counted(len(parts), 'motif')}: {'; '.join(parts)}. This describes the cells at hand and tests nothing."
    )
