"""What a person sees last in the terminal: what went in, what was found, what to do next."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.sentences import FEWEST_MICE, counted, cre_name, measure_name, one_line, p_clause, percent
from tasks.sentences_decoding import best_decoder, chance_text, majority_share
from tasks.sentences_effects import OMISSION, contrasts_of, difference_and_interval, differs, main_measure
from tasks.study_rows import StudyRows


def found_lines(rows: StudyRows) -> list[str]:
    """A study in two to four short lines: one per cre line (three at most), one for the decoder."""
    main = main_measure(rows.contrasts)
    contrasts = [row for row in contrasts_of(rows.contrasts, OMISSION) if row["measure"] == main]
    lines = []
    for cre_line in list(dict.fromkeys(row["cre_line"] for row in contrasts))[:3]:
        parts = "; ".join(_brief_contrast(row) for row in contrasts if row["cre_line"] == cre_line)
        lines.append(f"{cre_name(cre_line)} cells, omitted minus presented: {parts}")
    lines = lines or ["no contrast over mice could be computed; the report says why"]
    registered = rows.promotion["decoder"] if rows.promotion else None
    if best := best_decoder(rows.decoders, rows.protocol, "condition", registered):
        test = f", {percent(best['test_accuracy'])} on test rows" if best["test_accuracy"] is not None else ""
        accuracy, folds = percent(best["lomo_accuracy"]), counted(best["fold_count"], "fold")
        chance = chance_text(majority_share(rows.predictions, rows.protocol))
        lines.append(f"decoder {best['decoder']}: {accuracy} on left-out mice ({folds}, {chance}){test}")
    return [one_line(line) for line in lines]


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
    refusals = [one_line(f"{file}: {reason}") for file, reason in rejected]
    if len(refusals) == 1:
        lines = [f"{went_in} ({refusals[0]}; see recorded.rejected)"]
    else:
        lines = [went_in + (" (see recorded.rejected)" if refusals else "")]
        lines += [f"  {refusal}" for refusal in refusals[:3]]
        lines += [f"  and {len(refusals) - 3} more"] if len(refusals) > 3 else []
    return [*lines, *found, *todo_lines(reports)]


def todo_lines(reports: Sequence[Path | str], with_models: bool = True) -> list[str]:
    """Where the reports are, and what to do next."""
    todo = [("report", str(report)) for report in reports] + [("ask", "make sql")]
    todo += [("models", "make models")] if with_models else []
    todo += [("prefect", "make prefect")]
    return [f"{name:<9}{how}" for name, how in todo]


def _brief_contrast(row: Mapping) -> str:
    difference, interval = difference_and_interval(row)
    mice = f"{'only ' if row['mouse_count'] < FEWEST_MICE else ''}{counted(row['mouse_count'], 'mouse')}"
    if not differs(row):
        return f"{row['exposure_level']} no difference found ({mice}, {p_clause(row['p_holm'])})"
    found = f"{difference} {measure_name(row['measure'])}"
    return f"{row['exposure_level']} {found} ({interval}, {mice}, {p_clause(row['p_holm'])})"
