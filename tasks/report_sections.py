"""The sections of a report: which tables, figures and words stand in which order."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.figures import ReportFigure
from tasks.figures_decoding import decoder_figures, importance_figures
from tasks.figures_effects import effect_figures
from tasks.figures_explore import explore_figures
from tasks.figures_intervals import comparison_figures, interval_figures
from tasks.figures_responses import feature_figures, mean_figures
from tasks.figures_time import course_figures, generalisation_figures
from tasks.report_decoder_tables import decoders_table, importance_table, notebook_table, time_table
from tasks.report_effect_tables import (
    anova_table,
    contrasts_table,
    mixed_tables,
    omission_slopes_table,
    published_tables,
    side_by_side_table,
)
from tasks.report_tables import ReportTable, excluded_table, groups_table, rejected_table, sessions_table
from tasks.sentences import PROTOCOLS, with_cre_names
from tasks.sentences_decoding import task_name
from tasks.study_rows import StudyRows


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Words between tables and figures; set apart where they warn."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Points:
    """Sentences one below the other."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens when they want them."""

    title: str
    blocks: tuple["Block", ...]


Block = Heading | Paragraph | Points | Fold | ReportTable | ReportFigure


@dataclass(frozen=True)
class Section:
    """A part of the page with its place in the table of contents; what has no blocks is not shown."""

    name: str
    title: str
    blocks: tuple[Block, ...]


def sections(rows: StudyRows, spike_figures: Iterable[ReportFigure] = ()) -> tuple[Section, ...]:
    """The sections from data to spikes that have anything to show; ``spike_figures`` need the traces of the lake."""
    found = (
        Section("data", "What went in", _data(rows)),
        Section("responses", "Responses", _responses(rows)),
        Section("effects", "Effects of omission", _effects(rows)),
        Section("decoders", "Decoders", _decoders(rows)),
        Section("time", "Decoding through time", _time(rows)),
        Section("exploration", "Cells, maps and motifs", _exploration(rows)),
        Section("spikes", "The same on inferred spikes", _spikes(rows, tuple(spike_figures))),
    )
    return tuple(section for section in found if section.blocks)


def _data(rows: StudyRows) -> tuple[Block, ...]:
    groups, every = groups_table(rows), sessions_table(rows)
    excluded, rejected = excluded_table(rows), rejected_table(rows)
    notes = tuple(with_cre_names(note) for note in rows.notes)
    return (
        groups if groups.rows else Paragraph("No session of this project has responses to omissions."),
        *_folded("Every session", every),
        Heading("Left out"),
        excluded if excluded.rows else Paragraph("Every session of the project took part."),
        rejected if rejected.rows else Paragraph("No file was refused."),
        *((Heading("Not computed, and cautions"), Points(notes)) if notes else ()),
    )


def _responses(rows: StudyRows) -> tuple[Block, ...]:
    return (*mean_figures(rows.responses, rows.behavior), *feature_figures(rows.features))


def _effects(rows: StudyRows) -> tuple[Block, ...]:
    return (
        *effect_figures(rows.features),
        *interval_figures(rows.contrasts, rows.group_tests),
        *_effect_tables(rows, of_spikes=False),
        *(Fold(figure.title, (figure,)) for figure in comparison_figures(rows.group_tests)),
    )


def _effect_tables(rows: StudyRows, of_spikes: bool) -> tuple[Block, ...]:
    beside, contrasts = side_by_side_table(rows, of_spikes), contrasts_table(rows, of_spikes)
    slopes, anova = omission_slopes_table(rows, of_spikes), anova_table(rows, of_spikes)
    blocks: list[Block] = []
    for title, table in (
        ("Over mice and over cells, side by side", beside),
        ("All contrasts over mice", contrasts),
        ("Mixed models: the effect of omission", slopes),
    ):
        if table.rows:
            blocks += [Heading(title), table]
    blocks += [Fold(title, (table,)) for title, table in mixed_tables(rows, of_spikes)]
    if anova.rows:
        blocks += [Heading("ANOVA over cells"), anova]
    published = tuple(block for title, table in published_tables(rows, of_spikes) for block in (Heading(title), table))
    if published:
        warning = Paragraph(
            "These tests take every cell as independent; cells of one mouse are not. They are here to be compared with"
            " published numbers, each with what stands against it, and nothing is concluded from them.",
            is_warning=True,
        )
        blocks.append(Fold("The other published tests over cells", (warning, *published)))
    return tuple(blocks)


def _decoders(rows: StudyRows) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for target in ("condition", "cre_line"):
        scores = decoders_table(rows, target)
        if not scores.rows:
            continue
        blocks += [Heading(f"Telling {task_name(target, rows.predictions)}"), scores]
        if target == "condition" and rows.protocol == "rigorous" and rows.promotion:
            blocks.append(
                Paragraph(
                    "The registered decoder was chosen by leave-one-mouse-out within the training mice (scheme"
                    " 'selection'); its score on the held-out mice (scheme 'test') took no part in the choice."
                )
            )
        for protocol in (rows.protocol, *(other for other in PROTOCOLS if other != rows.protocol)):
            figures = decoder_figures(rows.predictions, protocol, target)
            if protocol == rows.protocol and target == "condition":
                blocks += figures
            elif figures:
                blocks.append(Fold(f"Figures: {task_name(target, rows.predictions)}, {protocol} protocol", figures))
        important = importance_table(rows, target)
        blocks += importance_figures(rows.importance, target)
        blocks += _folded("Importance in numbers", important)
    notebook = notebook_table(rows)
    if notebook.rows:
        blocks += [Heading("The second published notebook"), notebook]
    return tuple(blocks)


def _time(rows: StudyRows) -> tuple[Block, ...]:
    if rows.time_decoding.is_empty():
        return ()
    others = tuple(other for other in PROTOCOLS if other != "rigorous")
    accuracy = course_figures(rows.time_decoding, "accuracy")
    published = tuple(
        figure for protocol in others for figure in generalisation_figures(rows.time_generalisation, protocol)
    )
    return (
        *course_figures(rows.time_decoding, "auc"),
        *((Fold("Accuracy through time", accuracy),) if accuracy else ()),
        *generalisation_figures(rows.time_generalisation, "rigorous"),
        *((Fold("Temporal generalisation, published protocol", published),) if published else ()),
        Heading("Every time course in numbers"),
        time_table(rows),
    )


def _exploration(rows: StudyRows) -> tuple[Block, ...]:
    if rows.unit_scores.is_empty() and rows.unit_responses.is_empty():
        return ()
    return explore_figures(rows.unit_responses, rows.unit_scores, rows.features)


def _spikes(rows: StudyRows, figures: tuple[ReportFigure, ...]) -> tuple[Block, ...]:
    return (*figures, *_effect_tables(rows, of_spikes=True))


def _folded(title: str, table: ReportTable) -> tuple[Block, ...]:
    return (Fold(title, (table,)),) if table.rows else ()
