"""The report of image coding: one page that stands alone, with figures, tables and the SQL that gives their rows."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks.exciting_input_tables import gabor_table, inputs_table, patterns_table, second_table
from tasks.figures import ReportFigure, as_png
from tasks.figures_encoding import learning_figure, models_figure, patterns_figure, predictions_figure
from tasks.figures_image_units import unit_figures
from tasks.figures_inputs import (
    ascent_figure,
    beside_gabor_figure,
    diverse_figure,
    gallery_figure,
    profile_figure,
    responses_figure,
    starts_figure,
)
from tasks.image_coding_recipe import BY_VALIDATION, READOUT_NAMES, CodingRecipe
from tasks.image_coding_rows import CodingRows
from tasks.image_coding_tables import (
    excluded_table,
    model_order,
    models_table,
    pairs_table,
    same_units_table,
    sessions_table,
    training_table,
    units_table,
)
from tasks.report_page import page_templates, pretty, write_page
from tasks.report_sections import Block, Heading, Paragraph, Points, Section
from tasks.report_tables import ReportTable
from tasks.sentences import PROTOCOLS
from tasks.sentences_images import images_findings
from tasks.shown_coding import ShownCoding

QUESTION = (
    "Which neurons answer natural images reliably, how well do networks and linear models predict them, and which image"
    " excites a neuron most: is it a Gabor?"
)
_PAGES = page_templates()


@dataclass(frozen=True, eq=False)
class CodingContent:
    """What a report is made of: the study's rows, the sessions whose spikes it shows, and where else to look."""

    rows: CodingRows
    shown: Sequence[ShownCoding]
    written_at: datetime
    links: Mapping[str, str] = field(default_factory=dict)


def render_images(content: CodingContent) -> str:
    """The report as one HTML page, which asks nothing of the network."""
    rows = content.rows
    return _PAGES.get_template("report_images.html.j2").render(
        content=content,
        study=rows.study,
        simulated=rows.simulated,
        question=QUESTION,
        findings=images_findings(rows),
        sections=tuple(section for section in _sections(rows, content.shown) if section.blocks),
        ask=lambda sql: f"python -m storage.ask {shlex.quote(sql)}",
        parameters=pretty(rows.study["parameters"]),
        inputs=pretty(rows.study["inputs"]),
    )


def write_images_report(content: CodingContent, folder: Path) -> Path:
    """Write the page into a folder as ``<date>-<project>-<study_id>.html``, whole or not at all."""
    study = content.rows.study
    return write_page(render_images(content), folder, content.written_at, study["project"], study["study_id"])


def _sections(rows: CodingRows, shown: Sequence[ShownCoding]) -> tuple[Section, ...]:
    return (
        Section("data", "What went in", _data(rows)),
        Section("neurons", "Which neurons", _neurons(rows, shown)),
        Section("models", "Encoding models", _models(rows)),
        Section("inputs", "Most exciting inputs", _inputs(rows)),
        Section("gabors", "Against Gabors", _gabors(rows)),
        Section("method", "Method", _method(rows)),
    )


def _data(rows: CodingRows) -> tuple[Block, ...]:
    sessions, excluded = sessions_table(rows), excluded_table(rows)
    notes = tuple(f"{note} ({where})" for note, where in rows.notes)
    return (
        sessions if sessions.rows else Paragraph("No session could take part.", is_warning=True),
        Heading("Left out"),
        excluded if excluded.rows else Paragraph("Every session has responses, networks and exciting inputs."),
        *((Heading("Where it ran, and what is missing within sessions"), Points(notes)) if notes else ()),
    )


def _neurons(rows: CodingRows, shown: Sequence[ShownCoding]) -> tuple[Block, ...]:
    figures = tuple(figure for one in shown for figure in unit_figures(rows, one))
    return (
        *figures,
        *_headed("Units", units_table(rows)),
        *_headed("Pairs that are alike or opposite", pairs_table(rows)),
    )


def _models(rows: CodingRows) -> tuple[Block, ...]:
    if rows.scores.is_empty():
        return ()
    kept = [rows.kept_scores(protocol) for protocol in PROTOCOLS]
    of_protocol = kept[PROTOCOLS.index(rows.protocol)]
    predictions = rows.predictions.filter(protocol=rows.protocol).join(
        of_protocol.select("session_id", "unit_id", "model"), on=["session_id", "unit_id", "model"]
    )
    return (
        Heading("All models side by side"),
        models_table(rows),
        ReportFigure(
            "How well units are predicted",
            "Images held out, each point a unit, bar: median; linear models grey, networks blue. Orange: median noise"
            " ceiling on the left (what a perfect model of the mean response would reach), and 1 on the right.",
            as_png(models_figure(rows.scores, model_order(rows))),
        ),
        ReportFigure(
            "Learning curves",
            "Loss and correlation at each epoch. Training ends when validation images have not been predicted better"
            " for a while, or at the most epochs; the weights of the best epoch are kept.",
            as_png(learning_figure(rows.curves)),
        ),
        ReportFigure(
            f"Predicted and measured responses, {rows.protocol} protocol",
            "Mean counts of images held out, for units from the best predicted one to the worst; line: the same.",
            as_png(predictions_figure(predictions, of_protocol)),
        ),
        *_headed("The same units under both protocols", same_units_table(rows)),
        *_headed("Training and registry", training_table(rows)),
    )


def _inputs(rows: CodingRows) -> tuple[Block, ...]:
    if rows.comparisons.is_empty():
        return ()
    blocks: list[Block] = []
    for protocol in _protocols(rows):
        blocks += [
            ReportFigure(
                f"Inputs of each unit, {protocol} protocol",
                "A row for each unit, named at its left. Each image is stretched about its own median grey; below it"
                " the predicted mean count and its contrast as it is (s.d., 1 from black to white).",
                as_png(gallery_figure(rows, protocol)),
            ),
            ReportFigure(
                f"The way up, {protocol} protocol",
                "Predicted response and contrast at each step of the ascents, from each start.",
                as_png(ascent_figure(rows, protocol)),
            ),
            ReportFigure(
                f"Predicted responses, {protocol} protocol",
                "Grey lines: units; orange: median; band: 95 % interval over noise starts.",
                as_png(responses_figure(rows, protocol)),
            ),
        ]
    if len(rows.inputs.filter(protocol="rigorous", kind="exciting")):
        blocks += [
            ReportFigure(
                "From other starts",
                "Most exciting inputs from noise, black, grey and white. Images that differ at a like response show"
                " what the unit is invariant to.",
                as_png(starts_figure(rows, "rigorous")),
            ),
            ReportFigure(
                "Diverse exciting inputs",
                "As unlike each other as images can be that hold 85 % of the highest response.",
                as_png(diverse_figure(rows, "rigorous")),
            ),
        ]
    return (
        *blocks,
        *_headed("Inputs in numbers", inputs_table(rows)),
        *_headed("A second network's opinion", second_table(rows)),
    )


def _gabors(rows: CodingRows) -> tuple[Block, ...]:
    if rows.comparisons.is_empty():
        return ()
    blocks: list[Block] = []
    for protocol in _protocols(rows):
        blocks += [
            ReportFigure(
                f"Most exciting input and Gabor, {protocol} protocol",
                "Orange circle: the disc that luminance and contrast are measured in. Log power spectra with the zero"
                " frequency in the middle, five decades; shares of power by direction and by spatial frequency.",
                as_png(beside_gabor_figure(rows, protocol)),
            ),
            ReportFigure(
                f"Pixels of one row, {protocol} protocol",
                "Row 29 of 60, from which the source read its disc. Shaded: the disc of the most exciting input.",
                as_png(profile_figure(rows, protocol)),
            ),
        ]
    patterns = patterns_table(rows)
    if patterns.rows:
        of_protocol = rows.comparisons.filter(protocol=rows.protocol)
        blocks += [
            ReportFigure(
                f"The session's own Gabors, {rows.protocol} protocol",
                "Predicted against measured mean counts; each point is a Gabor or grating as it was shown, averaged"
                " over a cycle of its drift. No network learned from them.",
                as_png(patterns_figure(rows.patterns, of_protocol)),
            ),
            Heading("The session's own Gabors in numbers"),
            patterns,
        ]
    else:
        blocks.append(Paragraph("No session showed Gabors or gratings that networks could be asked about."))
    return (*blocks, *_headed("Most exciting input against Gabor", gabor_table(rows)))


def _protocols(rows: CodingRows) -> list[str]:
    return [one for one in PROTOCOLS if len(rows.comparisons.filter(protocol=one))]


def _method(rows: CodingRows) -> tuple[Block, ...]:
    recipe = rows.recipe
    (height, width), fine = recipe.image_shape, recipe.linear_shape
    units = "every chosen unit" if recipe.unit_count is None else f"{recipe.unit_count} of the chosen units"
    stop = "the end of the presentation" if recipe.stop_s is None else f"{recipe.stop_s:g} s"
    made = rows.comparisons.group_by("protocol").agg(pl.len()).sort("protocol", descending=True).rows()
    sizes = ", ".join(f"{count} under '{protocol}'" for protocol, count in made) or "none"
    return (
        Paragraph(
            f"Size of this study: images in grey at {height} x {width} pixels for networks and {fine[0]} x {fine[1]}"
            f" for linear models; exciting inputs for {units} in each"
            f" session ({sizes} in all, the most reliable first); {recipe.network_count} networks of all units under"
            f" 'rigorous' and one for each of those units under 'published', at most {recipe.most_epochs} epochs;"
            f" {recipe.steps('rigorous')} steps from {recipe.starts('rigorous')} noise starts, and"
            f" {recipe.steps('published')} from one under 'published'."
        ),
        Paragraph(
            f"Responses: spikes from {recipe.start_s:g} s after onset to {stop}, both ends included, as the AllenSDK"
            " counts them. Oracle: correlation of a trial with the mean of the other trials of its image, over all"
            " trials, zeros kept, without the blank; split halves: 100 random halvings; intervals by bootstrap over"
            " images. Explainable variance after Cadena et al. (2019)."
        ),
        Paragraph(
            "Networks: a convolutional core (three layers of 64 channels, batch norm, ELU, average pooling after the"
            " first; Laplace smoothness on input kernels, group sparsity on hidden ones) and a readout for each unit."
            f" Rigorous: one core for all units, {_readout(recipe)}, ELU + 1 at the output, Poisson loss."
            " Published (after Walker et al. 2019): a network for each unit, pyramid readout, linear output, squared"
            " error."
        ),
        Paragraph(
            "Most exciting inputs: gradient ascent through the network. Rigorous: images that could be shown, with no"
            " more energy than a natural patch, blurred less and less. Published: raw steps of 0.1, the source's blur"
            " and contrast penalty, stretched to black and white after every step, and frequency weights that leave out"
            " negative vertical frequencies. Its mean of top Gabors takes the row before each best one, as its indexing"
            " is off by one; 'rigorous' takes the best ones, as they were shown."
        ),
    )


def _readout(recipe: CodingRecipe) -> str:
    if recipe.readout != BY_VALIDATION:
        return f"{recipe.readout} readout"
    return f"of {len(READOUT_NAMES)} kinds of readout the one of the lowest loss on validation images (see the notes)"


def _headed(title: str, table: ReportTable) -> tuple[Block, ...]:
    return (Heading(title), table) if table.rows else ()
