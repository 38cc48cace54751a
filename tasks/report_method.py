"""The method section: protocols, windows, matched events, which tests are relied on and how often they err."""

import json
from collections.abc import Mapping

import polars as pl

from tasks.report_sections import Block, Heading, Paragraph, Section
from tasks.report_tables import NONE, ReportTable, whole
from tasks.sentences import percent, term_name
from tasks.study_rows import StudyRows

_PROTOCOL_ORDER = ("rigorous", "published", "neither")
_ALLOWED = (0.03, 0.07)  # false-positive rates of a test of level .05 that count as calibrated
_PROTOCOLS = (
    "Two protocols stand side by side. Published: as the source study did it, to be compared with its numbers; cells"
    " count as independent, identifiers serve as features, rows are split at random, and a window over the recording's"
    " edge is filled with the edge's value. Rigorous, from which conclusions are drawn: omission varies within a mouse"
    " and its effect varies between mice, so that mice are what is counted; no identifiers, whole mice held out,"
    " everything fitted inside the training fold, chance by permutation, intervals over mice, corrected p values, and"
    " windows over the edge dropped."
)
_CONCLUSIONS = (
    "Conclusions about omission, novelty and cell type are drawn from the contrasts over mice: t on mice minus one"
    " degrees of freedom (Welch's between lines), with Holm's correction over the study's contrasts; permutation of"
    " whole mice and a studentised bootstrap over mice stand beside it. About decoding through time, from the cluster"
    " test by permutation; about decoders of features, from accuracy on left-out mice against permuted labels. From"
    " tests over cells, from Wald z and from anything that a warning stands beside, none are drawn."
)


def method_section(rows: StudyRows, calibration: pl.DataFrame, power: pl.DataFrame) -> Section:
    """How the numbers came about. ``calibration`` and ``power`` are those of `tasks.calibration`."""
    return Section(
        "method",
        "Method",
        (
            Paragraph(_PROTOCOLS),
            Paragraph(_windows(rows)),
            Paragraph(_matching(rows)),
            Paragraph(_CONCLUSIONS),
            *_calibration(calibration, power),
        ),
    )


def _windows(rows: StudyRows) -> str:
    parameters = _parameters(rows)
    window = parameters.get("window")
    if rows.responses.is_empty():
        start = "Features came ready-made; which window they were measured in, the source knows."
        return f"{start} Decoding through time, behaviour and spikes need the traces, which this project didn't bring."
    times_s = rows.responses["time_s"]
    count = rows.responses["time_s"].n_unique()
    if isinstance(window, Mapping):
        span = f"from {window['start_s']:g} to {window['stop_s']:g} s, {window['n_samples']} samples"
    else:
        span = f"from {times_s.min():.2f} to {times_s.max():.2f} s, {count} samples"
    return (
        f"Responses are dF/F around each image's onset or an omitted image's due time ({span}, by linear"
        " interpolation), less the mean before 0 s, then averaged over events in each cell. Sixteen features are"
        " measured on each mean response. Windows overlap, as images come every 0.75 s. Events too near the"
        " recording's edge, and frames that are missing, are counted in the table of sessions."
    )


def _matching(rows: StudyRows) -> str:
    if rows.responses.is_empty():
        return "How many events each mean response rests on is not known, since features came ready-made."
    if rows.protocol == "published":
        return (
            "This study averages all events: about twenty times as many images as omissions. The peak of a mean over"
            " few events is higher by noise alone, so that omissions look larger; the rigorous protocol matches events."
        )
    return (
        "This study averages equally many images and omissions in each session, drawn at random with a fixed seed: the"
        " peak of a mean over few events is higher by noise alone, and one omission in twenty images would look like an"
        " effect of omission."
    )


def _calibration(calibration: pl.DataFrame, power: pl.DataFrame) -> tuple[Block, ...]:
    if calibration.is_empty():
        return ()
    table = ReportTable(
        "How often each test finds an effect at p < .05 where there is none on average: simulated data sets of 6 mice a"
        " group and 60 cells a mouse, in which the effect varies between mice. ICC: how alike cells of one mouse are."
        " An honest test errs in 5 %. Power: how often it finds an effect of the size above, tests of the rigorous"
        " protocol only.",
        ("contrast and protocol", "test", "ICC", "false positives", "standard error", "data sets", *_effects(power)),
        tuple(_calibrated_cells(row, power) for row in _in_order(calibration)),
        text_columns=2,
        grouped=True,
        shown=calibration.filter(protocol=_PROTOCOL_ORDER[0]).height,
    )
    return (Heading("How often the tests err"), Paragraph(_said(calibration)), table)


def _in_order(calibration: pl.DataFrame) -> list[dict]:
    return sorted(
        calibration.to_dicts(),
        key=lambda row: (
            _PROTOCOL_ORDER.index(row["protocol"]), row["contrast"], row["test"], row["intraclass_correlation"]
        ),
    )  # fmt: skip


def _effects(power: pl.DataFrame) -> list[str]:
    return [f"power at {effect:g} dF/F" for effect in power["effect_dff"].unique().sort()]


def _calibrated_cells(row: Mapping, power: pl.DataFrame) -> tuple[str, ...]:
    at = {name: row[name] for name in ("contrast", "test", "protocol", "intraclass_correlation")}
    found = dict(power.filter(**at).select("effect_dff", "power").iter_rows())
    return (
        f"{row['contrast']}, {'rejected' if row['protocol'] == 'neither' else row['protocol']}",
        term_name(row["test"]),
        f"{row['intraclass_correlation']:g}",
        _rate(row["false_positive_rate"]),
        _rate(row["standard_error"]),
        whole(row["data_sets"]),
        *(_rate(found.get(effect)) for effect in power["effect_dff"].unique().sort()),
    )


def _said(calibration: pl.DataFrame) -> str:
    """Whether the tests that conclusions rest on keep their level, and what the others do."""
    low, high = _ALLOWED
    rigorous, published = (calibration.filter(protocol=p) for p in ("rigorous", "published"))
    parts = []
    if len(rigorous):
        rates = rigorous["false_positive_rate"]
        off = rigorous.filter(~pl.col("false_positive_rate").is_between(low, high))["test"].unique().sort().to_list()
        bounds = f"{percent(low)} to {percent(high)}"
        verdict = f"; outside {bounds}: {', '.join(off)}" if off else f", within {bounds}"
        parts.append(
            f"Where there is no effect, the tests of the rigorous protocol find one in {_rate(rates.min())} to"
            f" {_rate(rates.max())} of simulated data sets{verdict}."
        )
    if len(published):
        rates = published["false_positive_rate"]
        parts.append(
            f"Those of the published protocol find one in {_rate(rates.min())} to {_rate(rates.max())}, which is why"
            " nothing is concluded from them."
        )
    return " ".join(parts)


def _rate(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _parameters(rows: StudyRows) -> Mapping:
    try:
        found = json.loads(rows.study["parameters"])
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
