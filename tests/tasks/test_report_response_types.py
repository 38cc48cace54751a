"""The report of response types stands alone, and holds every ROI's trace for its viewer."""

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from storage.due import Selection
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tasks import roi_viewer
from tasks.figures_response_types import around_events, type_colors
from tasks.figures_rois import draw_tree
from tasks.present_response_types import present_types, types_page
from tasks.report_response_types import TypesContent, render_types
from tasks.response_type_recipe import TypesRecipe
from tasks.response_types_rows import TypesRows, types_rows
from tasks.response_types_traces import ShownSession, shown_sessions
from tasks.roi_viewer import as_script_json, packed, viewer_data
from tasks.sentences_response_types import types_findings
from tests.tasks.planted_types import DECAY_S, put_types
from tests.tasks.test_response_types import study

WRITTEN_AT = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)


class Study:
    """Two sessions of two regions, a third that doesn't fit, and their report."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        rng = np.random.default_rng(3)
        with open_lake(settings) as lake:
            put_types(lake, "a", rng, per_class=2, noise=4)
            put_types(lake, "b", rng, per_class=1, noise=4, location="VISl")
            put_types(lake, "silent", rng, onsets={}, per_class=0, noise=3)
            self.rows: TypesRows = study(lake, TypesRecipe(tau_s=DECAY_S, slowest_s=None), chosen=Selection("lab"))
            self.shown: list[ShownSession] = shown_sessions(lake, self.rows)
            self.values = lake.traces("a").values
        self.html = render_types(TypesContent(self.rows, self.shown, WRITTEN_AT, {"ask the lake in SQL": "make sql"}))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    settings = Settings(home=tmp_path_factory.mktemp("report"), threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLAKE_HOME", str(settings.home))
        yield Study(settings)


def element(html: str, opening: str) -> str:
    return html.split(opening, 1)[1].split("</script>", 1)[0]


def samples(one: dict) -> np.ndarray:
    whole = np.frombuffer(base64.b64decode(one["values"]), "<i2")
    return np.where(whole == -32768, np.nan, one["offset"] + one["scale"] * whole)


def test_the_page_asks_for_nothing_and_runs_its_own_program_alone(lab: Study):
    addresses = re.findall(r"""(?:src|href|srcset|action)=["']([^"']*)""", lab.html)
    assert all(address.startswith(("#", "data:image/png")) for address in addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", lab.html)
    script = element(lab.html, "<script>")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in lab.html
    assert "default-src 'none'" in lab.html
    assert lab.html.count("<script") == 2
    assert len(lab.html) < 5_000_000


def test_the_page_holds_every_trace_with_its_fit(lab: Study):
    data = json.loads(element(lab.html, '<script type="application/json" id="viewer-data">'))
    assert sorted(session["name"] for session in data["sessions"]) == ["a", "b"]
    session = next(one for one in data["sessions"] if one["name"] == "a")
    by_id = {roi["id"]: roi for roi in session["rois"]}
    assert len(by_id) == len(lab.values)
    for place, values in enumerate(lab.values):
        found, spread = samples(by_id[10 + place]), np.nan_to_num(np.nanmax(values) - np.nanmin(values))
        assert found == pytest.approx(values.astype(float), abs=spread / 60_000 + 1e-12, nan_ok=True)
    chosen = lab.rows.of("rigorous").filter(session_id="a", response_type="image").row(0, named=True)
    roi = by_id[chosen["unit_id"]]
    assert (roi["type"], roi["other"], roi["r2"]) == ("image", "image", chosen["r2"])
    regressors = np.stack([samples(one) for one in session["regressors"]])
    fit = roi["intercept"] + np.array(roi["coefficients"]) @ regressors
    residual = samples(roi) - fit
    assert 1 - residual.var() / samples(roi).var() == pytest.approx(chosen["r2"], abs=1e-3)


def test_what_is_too_much_for_a_page_is_left_out_and_said(lab: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roi_viewer, "_MOST_FRAMES", 300)
    monkeypatch.setattr(roi_viewer, "_MOST_SAMPLES", 2 * 5 * 233)
    data = viewer_data(lab.rows, lab.shown, type_colors(lab.rows))
    assert [(len(one["rois"]), one["joined"]) for one in data["sessions"]] == [(5, 3), (5, 3)]
    said = roi_viewer.left_out_said(data, lab.shown)
    assert any("the 5 ROIs of largest r2 of 16" in one for one in said)
    assert any("3 frames are joined into one" in one for one in said)


def test_a_name_from_a_file_can_not_end_the_script(lab: Study):
    text = as_script_json({"name": "</script><script>alert(1)</script>&"})
    assert "<" not in text
    assert json.loads(text)["name"] == "</script><script>alert(1)</script>&"


def test_missing_samples_stay_missing_and_a_flat_trace_is_kept():
    assert samples(packed(np.array([0.0, np.nan, 1.0]))) == pytest.approx([0.0, np.nan, 1.0], abs=1e-4, nan_ok=True)
    assert samples(packed(np.full(3, 0.25))).tolist() == [0.25] * 3


def test_sections_findings_and_reasons_are_on_the_page(lab: Study):
    headings = re.findall(r"<h2>([^<]*)</h2>", lab.html)
    assert headings == [
        "What was found", "Looking through ROIs", "What went in", "Response types", "ROIs, clusters and places",
        "Method", "How it was made",
    ]  # fmt: skip
    assert "no stimulus: none of its events" in lab.html
    assert "Simulated sessions" in lab.html
    for title in (
        "Heatmap of all ROIs, a",
        "Where the types lie, a",
        "How many clusters, a",
        "Mean response to each event",
    ):
        assert title in lab.html
    brief = types_findings(lab.rows)[0].sentences
    rois = lab.rows.of("rigorous")
    assert brief[0].startswith(f"{rois['selected'].sum()} ROIs of {len(rois)} follow the regressors")


def test_a_study_without_sessions_has_a_report_that_says_why(lake: Lake):
    put_types(lake, "silent", np.random.default_rng(3), onsets={}, per_class=0, noise=3)
    rows = study(lake, TypesRecipe(tau_s=DECAY_S), chosen=Selection("lab"))
    html = render_types(TypesContent(rows, shown_sessions(lake, rows), WRITTEN_AT))
    assert "No session could take part" in html
    assert "no stimulus: none of its events" in html
    assert "viewer-data" not in html


def test_the_report_is_written_once_and_csv_files_on_request(lab: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEUROLAKE_HOME", str(lab.settings.home))
    study_id = lab.rows.study["study_id"]
    first = Path(present_types.fn(study_id).report)
    written_at = first.stat().st_mtime_ns
    presented = present_types.fn(study_id, with_csv=True)
    assert (Path(presented.report), first.stat().st_mtime_ns) == (first, written_at)
    with open(first.with_suffix("") / "roi_types.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(lab.rows.rois)
    assert {"study_id", "session_id", "unit_id", "r2", "response_type"} <= set(found[0])
    assert not list(first.parent.rglob(".*"))


def test_each_statement_on_the_page_of_a_run_gives_rows(lab: Study):
    page = types_page(lab.rows, Path("/reports/x.html"))
    statements = [line.strip() for line in page.splitlines() if line.startswith("    FROM ")]
    assert len(statements) == 4
    with open_lake(lab.settings, read_only=True) as asked:
        for statement in statements:
            assert len(asked.query(statement)), statement


def test_each_sql_of_the_report_gives_rows(lab: Study):
    asked_for = re.findall(r"python -m storage.ask &#39;(.*?)&#39;</code>", lab.html)
    assert len(asked_for) >= 5
    with open_lake(lab.settings, read_only=True) as lake:
        for statement in asked_for:
            plain = statement.replace("&#39;&#34;&#39;&#34;&#39;", "'").replace("&#34;", '"').replace("&gt;", ">")
            assert len(lake.query(plain)), plain


def test_the_mean_around_events_is_of_those_whose_window_is_recorded():
    dff = np.arange(20.0)[None] ** 2
    found = around_events(dff, np.array([1, 5, 10, 19]), before=2, after=3)
    assert found[0].tolist() == [(n**2 + (n + 5) ** 2) / 2 for n in range(3, 9)]
    assert np.isnan(around_events(dff, np.array([0]), 2, 3)).all()


def test_a_tree_of_thousands_of_leaves_in_a_chain_is_drawn_with_its_joints_in_the_middle():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    n_leaves = 3000
    chain = np.array([[n + n_leaves - 1 if n else 0, n + 1, n + 1.0, n + 2] for n in range(n_leaves - 1)])
    draw_tree(axes, chain, np.arange(n_leaves))
    [lines] = axes.collections
    assert lines.get_segments()[0].tolist() == [[0, 0.5], [1, 0.5], [1, 1.5], [0, 1.5]]
    assert lines.get_segments()[1][0].tolist() == [1, 1.0]  # the first joint, between leaves 0 and 1


def test_a_study_that_the_lake_has_not_is_refused(lab: Study):
    with open_lake(lab.settings, read_only=True) as lake, pytest.raises(ValueError, match="holds no study 'types-x'"):
        types_rows(lake, "types-x")
