"""Tables of what excites units, as the report of image coding shows them."""

from collections.abc import Mapping

import polars as pl

from tasks.image_coding_rows import CodingRows
from tasks.image_coding_tables import number, of_parts, with_ends
from tasks.report_tables import ReportTable
from tasks.sentences import PROTOCOLS


def inputs_table(rows: CodingRows) -> ReportTable:
    """What networks predict for the inputs that were made, unit by unit."""
    columns = ("blank_response", "natural_response", "mii_response", "top_gabors_response", "best_gabor_response")
    rest = ("seed_agreement", "start_agreement", "diverse_likeness", "phase_modulation")
    return ReportTable(
        "Predicted mean counts, with the interval over noise starts; agreement: correlation over pixels between starts;"
        " phase: F1 / F0 over the best Gabor's phase, below 1 for a complex cell.",
        ("protocol", "unit", "most exciting (95 %)", "grey", "best image", "most inhibiting", "top three Gabors",
         "best Gabor", "agreement of noise starts", "of all starts", "likeness of diverse", "phase"),
        tuple(
            (
                row["protocol"],
                f"{row['unit_id']}",
                with_ends(row["mei_response"], row["mei_low"], row["mei_high"]),
                *(number(row[name]) for name in (*columns, *rest)),
            )
            for row in _by_protocol(rows.comparisons)
        ),
        text_columns=2,
        grouped=True,
        shown=24,
        sql=of_parts(rows, "findings.input_comparisons"),
    )  # fmt: skip


def gabor_table(rows: CodingRows) -> ReportTable:
    """Most exciting input against the Gabor: light, contrast, symmetry, frequency, likeness."""
    pairs = ("luminance", "contrast", "one_fold", "two_fold", "cycles_per_px")
    return ReportTable(
        "Most exciting input (MEI) against the Gabor: the mean of the three that the unit fired most for, or the best"
        " one found through the network where none were shown. Published: the source's discs of 12 pixels and spectra"
        " with the zero frequency; rigorous: discs of the images' own energy and spectra without their mean.",
        ("protocol", "unit", *("MEI", "Gabor") * len(pairs), "correlation of the two"),
        tuple(
            (
                row["protocol"],
                f"{row['unit_id']}",
                *(number(row[f"{of}_{name}"]) for name in pairs for of in ("mei", "gabor")),
                number(row["gabor_r"]),
            )
            for row in _by_protocol(rows.comparisons)
        ),
        text_columns=2,
        grouped=True,
        shown=24,
        spans=(("", 2), ("luminance", 2), ("contrast", 2), ("1-fold symmetry", 2), ("2-fold symmetry", 2),
               ("cycles/px", 2), ("", 1)),
        sql=of_parts(rows, "findings.input_comparisons"),
    )  # fmt: skip


def second_table(rows: CodingRows) -> ReportTable:
    """What a second, independently trained network makes of the first one's most exciting inputs."""
    found = rows.comparisons.drop_nulls("second_response")
    return ReportTable(
        "The first network's most exciting inputs, shown to the second one: its response, that to the image that it"
        " found itself, the first above grey as a share of the second, the share of the session's images that it"
        " responds less to, and how alike the two images are.",
        ("unit", "session", "response", "to its own", "share", "images below", "correlation over pixels"),
        tuple(
            (
                f"{row['unit_id']}",
                row["session_id"],
                *(number(row[name]) for name in ("second_response", "second_own_response", "second_share",
                                                 "second_above", "second_r")),
            )
            for row in found.to_dicts()
        ),
        text_columns=2,
        shown=24,
        sql=of_parts(rows, "findings.input_comparisons"),
    )  # fmt: skip


def patterns_table(rows: CodingRows) -> ReportTable:
    """Predicted against measured responses to the session's own Gabors and gratings."""
    found = rows.comparisons.drop_nulls("pattern_r")
    return ReportTable(
        "Correlation of predicted and measured mean counts over the session's own Gabors or gratings, which no network"
        " learned from.",
        ("protocol", "unit", "session", "correlation"),
        tuple(
            (row["protocol"], f"{row['unit_id']}", row["session_id"], number(row["pattern_r"]))
            for row in _by_protocol(found)
        ),
        text_columns=3,
        grouped=True,
        shown=24,
        sql=of_parts(rows, "derived.pattern_responses"),
    )


def _by_protocol(frame: pl.DataFrame) -> list[Mapping]:
    rank = {name: place for place, name in enumerate(PROTOCOLS)}
    return sorted(frame.to_dicts(), key=lambda row: (rank[row["protocol"]], row["session_id"], row["unit_id"]))
