"""The repeat on spike probability, on sessions that are simulated, and on those that have none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import polars as pl
import pytest

from models.event_responses import Window, mean_response
from models.response_features import response_features
from models.simulate import ChangeDetectionPlan, SimulatedSession, simulate_change_detection
from models.spike_noise import mean_rate_hz, noise_level
from storage import tables as t
from storage.lake import Lake, open_lake
from storage.row_files import RowBlocks
from storage.settings import Settings
from storage.traces import TraceMatrix
from tasks.figures_spikes import (
    magnitude_figure,
    mean_spike_figure,
    noise_and_rate_figure,
    raster_figure,
    spike_figures,
)
from tasks.spike_repeat import MEASURES, spike_measure, spike_repeat
from tasks.study_part import StudyPart

PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=4, duration_s=90, omitted_fraction=0.2)
WINDOW = Window()


def write(lake: Lake, session: SimulatedSession, signals: tuple[str, ...] = ("dff", "spike_prob")) -> str:
    """The session in the lake with its mean spike probability and features, as a study of its own."""
    name, study = f"lab-{session.session_name}", f"responses-{session.session_name}"
    keys = [{"study_id": study, "session_id": name, "unit_id": int(unit)} for unit in session.unit_id]
    kinds = np.where(session.omitted, "omission", "image")
    features, spike_features, spike_means = [], [], []
    for condition in ("presented", "omitted"):
        of_condition = session.onset_s[session.omitted == (condition == "omitted")]
        mean = mean_response(session.spike_prob, session.frame_s, of_condition, WINDOW).mean
        found = response_features(mean, WINDOW.times_s)
        for unit, key in enumerate(keys):
            values = {column: float(of_units[unit]) for column, of_units in found.items()}
            features.append(key | values | {"condition": condition})
            renamed = {column.replace("_dff", "_spike_prob"): value for column, value in values.items()}
            spike_features.append(key | renamed | {"condition": condition, "response_magnitude_spike_prob": unit / 100})
            spike_means += [
                key | {"condition": condition, "sample": sample, "time_s": time_s, "mean_spike_prob": value}
                | {"event_count": len(of_condition), "dropped_count": 0}
                for sample, (time_s, value) in enumerate(zip(WINDOW.times_s, mean[unit], strict=True))
            ]  # fmt: skip
    rows = {
        t.SESSIONS: [
            {"session_id": name, "project": "lab", "subject_id": session.subject_id, "cre_line": session.cre_line}
            | {"exposure_level": session.exposure_level, "simulated": True, "unit_count": len(keys)}
            | {"signals": ",".join(signals) or None, "frame_count": len(session.frame_s), "rate_hz": PLAN.frame_rate_hz}
            | {"source_uri": name, "content_sha256": name, "reader": "nwb", "reader_version": 1}
        ],
        t.UNITS: [{"session_id": name, "unit_id": key["unit_id"]} for key in keys],
        t.FRAMES: [{"session_id": name, "frame": n, "time_s": s} for n, s in enumerate(session.frame_s)],
        t.EVENTS: [
            {"session_id": name, "event_id": n, "kind": kind, "onset_s": onset_s}
            for n, (kind, onset_s) in enumerate(zip(kinds, session.onset_s, strict=True))
        ],
        t.RESPONSE_FEATURES: features,
        t.STUDIES: [
            {"study_id": study, "kind": "responses", "project": "lab", "session_id": name, "protocol": "rigorous"}
            | {"parameters": "{}", "inputs": "[]", "code_version": "0", "snapshot_id": 0}
            | {"finished_at": datetime.now(UTC)}
        ],
    }
    if "spike_prob" in signals:
        rows |= {t.MEAN_SPIKE_PROB: spike_means, t.SPIKE_FEATURES: spike_features}
    lake.replace(
        {table: table.rows(of_table) for table, of_table in rows.items()},
        traces=[TraceMatrix(name, signal, session.unit_id, getattr(session, signal)) for signal in signals],
        blocks=[] if signals else [_snippets(name, int(session.unit_id[0]))],
        message="by hand",
    )
    return study


def _snippets(session_id: str, unit_id: int) -> RowBlocks:
    rows = [
        {"session_id": session_id, "unit_id": unit_id, "event_id": 0, "sample": n, "time_s": n / 31, "value": 0.0}
        for n in range(85)
    ]
    return RowBlocks(t.SNIPPETS, partial(iter, [t.SNIPPETS.rows(rows)]))


@pytest.fixture(scope="module")
def sessions() -> list[SimulatedSession]:
    return list(simulate_change_detection(PLAN))


@dataclass(frozen=True)
class Repeated:
    lake: Lake
    studies: list[str]
    part: StudyPart


@pytest.fixture(scope="module")
def repeated(sessions, tmp_path_factory) -> Iterator[Repeated]:
    """Eight sessions of four mice in a lake, and the repeat on them."""
    with open_lake(Settings(home=tmp_path_factory.mktemp("spikes"), threads=1)) as lake:
        studies = [write(lake, session) for session in sessions]
        yield Repeated(lake, studies, spike_repeat(lake, "lab", studies, "omission-1"))


def test_spikes_get_the_tests_of_dff_under_names_of_their_own(repeated):
    tables = {table: pl.from_arrow(table.rows(rows)) for table, rows in repeated.part.rows.items()}
    assert set(tables[t.ANOVA]["measure"]) == {spike_measure(name) for name in MEASURES}
    contrasts = tables[t.CONTRASTS].filter(contrast="omitted - presented", measure="auc_spike_prob_s")
    by_group = {(row["cre_line"], row["exposure_level"]): row["difference"] for row in contrasts.to_dicts()}
    assert by_group["Vip-IRES-Cre", "familiar"] > 0 > by_group["Sst-IRES-Cre", "familiar"]
    for table in (t.ANOVA, t.CONTRASTS, t.GROUP_TESTS, t.MIXED_EFFECTS):
        assert all("spike_prob" in measure for measure in tables[table]["measure"])
        assert tables[table].select(table.key).is_unique().all()


def test_noise_and_rate_are_those_of_the_traces(repeated, sessions):
    scores = pl.DataFrame(repeated.part.rows[t.UNIT_SCORES]).filter(session_id=f"lab-{sessions[0].session_name}")
    for score, expected in (
        ("noise_level", noise_level(sessions[0].dff, PLAN.frame_rate_hz)),
        ("mean_spike_prob_hz", mean_rate_hz(sessions[0].spike_prob, PLAN.frame_rate_hz)),
    ):
        np.testing.assert_allclose(scores.filter(score=score).sort("unit_id")["value"], expected)


def test_figures_are_drawn_from_the_lake(repeated):
    scores = t.UNIT_SCORES.rows(repeated.part.rows[t.UNIT_SCORES])
    repeated.lake.replace({t.UNIT_SCORES: scores}, message="scores")
    figures = spike_figures(repeated.lake, "lab", repeated.studies, "omission-1")
    assert [figure.title for figure in figures] == [
        "Noise and rates", "Spike probability over a session", "Mean spike probability", "Response magnitude",
    ]  # fmt: skip
    assert all(figure.png.startswith(b"\x89PNG") for figure in figures)


def test_a_raster_shows_each_cell_of_the_largest_session_and_its_omissions(lake, sessions):
    studies = [write(lake, session) for session in sessions[:1]]
    figure = raster_figure(lake, lake.answer("spike_signals", studies=studies))
    raster, below = figure.axes[:2]
    assert raster.get_title() == "VIP, familiar: lab-900001_familiar"
    assert raster.images[0].get_array().shape == (4, round(60 * PLAN.frame_rate_hz))
    shown = sessions[0].onset_s[sessions[0].omitted]
    assert len(raster.lines) == ((shown > 15) & (shown < 75)).sum()
    assert "PC 1" in below.get_ylabel()


def test_snippets_are_refused_with_the_reason(lake, sessions):
    studies = [write(lake, sessions[0], signals=()), write(lake, sessions[1], signals=("dff",))]
    part = spike_repeat(lake, "lab", studies, "omission-1")
    assert part.rows == {}
    assert part.notes == (
        "spike probability: 2 of 2 sessions have none inferred; 1 of these have snippets only, which can't carry it:"
        " a 64-frame window leaves 22 valid frames of 85",
    )
    assert spike_figures(lake, "lab", studies, "omission-1") == ()


def test_one_mouse_gives_notes_and_figures_and_no_exception(lake, sessions):
    studies = [write(lake, sessions[0])]
    part = spike_repeat(lake, "lab", studies, "omission-1")
    assert all(note.startswith("spike probability: ") for note in part.notes)
    assert part.notes
    lake.replace({t.UNIT_SCORES: t.UNIT_SCORES.rows(part.rows[t.UNIT_SCORES])}, message="scores")
    assert len(spike_figures(lake, "lab", studies, "omission-1")) == 4


def test_without_rows_the_figures_say_so(lake):
    for figure in (
        noise_and_rate_figure(pl.DataFrame()),
        mean_spike_figure(pl.DataFrame()),
        magnitude_figure(pl.DataFrame()),
        raster_figure(lake, lake.answer("spike_signals", studies=[])),
    ):
        assert figure.texts[0].get_text().startswith("No session")
        assert not figure.axes


def test_measures_are_told_from_those_of_dff():
    assert [spike_measure(name) for name in MEASURES] == [
        "peak_spike_prob", "spike_prob_peak_latency_s", "auc_spike_prob_s", "response_magnitude_spike_prob",
    ]  # fmt: skip
    assert spike_measure("peak_spike_prob + peak_latency_s") == "peak_spike_prob + spike_prob_peak_latency_s"
