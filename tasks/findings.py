"""What a study found, in plain sentences under headings, written from its rows alone."""

from dataclasses import dataclass

from tasks.sentences_brief import brief_sentences
from tasks.sentences_decoding import decoder_sentences, time_sentences
from tasks.sentences_effects import mixed_sentences, novelty_sentences, omission_sentences, published_sentences
from tasks.sentences_explore import exploration_sentences
from tasks.study_rows import StudyRows

_IN_SHORT = "In short"


@dataclass(frozen=True)
class Finding:
    """Sentences on one question; ``is_brief`` where they are the answer in short, with details below."""

    heading: str
    sentences: tuple[str, ...]
    is_brief: bool = False


def findings(rows: StudyRows) -> tuple[Finding, ...]:
    """Findings in the order in which a reader asks for them; headings without a sentence are left out."""
    registered = rows.promotion["decoder"] if rows.promotion else None
    by_heading = {
        _IN_SHORT: brief_sentences(rows),
        "Omission against presentation": omission_sentences(rows.contrasts, rows.sessions),
        "Novelty and cell type": novelty_sentences(rows.contrasts),
        "Mixed models": mixed_sentences(rows.mixed_effects, rows.contrasts),
        "Decoders of response features": decoder_sentences(
            rows.decoders, rows.decoder_tests, rows.predictions, rows.protocol, registered
        ),
        "When an omission can be read out": time_sentences(rows.time_decoding),
        "Cells and motifs": exploration_sentences(rows.unit_scores, rows.sessions),
        "The same on inferred spikes": omission_sentences(rows.contrasts, rows.sessions, of_spikes=True),
        "The published tests over cells": published_sentences(rows.anova, rows.group_tests),
    }
    said = {heading: tuple(sentences) for heading, sentences in by_heading.items()}
    return tuple(
        Finding(heading, sentences, is_brief=heading == _IN_SHORT) for heading, sentences in said.items() if sentences
    )
