import re
import shlex
from dataclasses import fields, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from tasks.report import ReportContent, ask_command, render, write_report
from tasks.report_effect_tables import (
    anova_table,
    contrasts_table,
    mixed_tables,
    omission_slopes_table,
    published_tables,
    side_by_side_table,
)
from tasks.report_tables import ReportTable, mark
from tasks.study_rows import StudyRows
from tests.tasks.planted_study import STUDY, WARNING, planted_rows

HOSTILE = "<script>alert('x')</script>"
WRITTEN_AT = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)
FRAMES = [field.name for field in fields(StudyRows) if field.name not in ("study", "simulated", "promotion")]

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> StudyRows:
    return planted_rows(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def html(rows: StudyRows) -> str:
    return render(content(rows))


@pytest.fixture(scope="module")
def whole(html: str) -> "_Page":
    return page(html)


def content(rows: StudyRows) -> ReportContent:
    links = {"models page": "make models", "Prefect run": "http://127.0.0.1:4200/runs/1"}
    return ReportContent(rows, WRITTEN_AT, links=links)


def without(rows: StudyRows, *names: str) -> StudyRows:
    """The same study with some frames empty."""
    return replace(rows, **{name: getattr(rows, name).clear() for name in names})


class _Page(HTMLParser):
    """Tags that were opened, addresses named, rows of tables, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.anchors: list[str] = []
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "data", "srcset")]
        self.anchors += [value for name, value in attributes if name == "id"]
        if tag not in ("meta", "img", "link", "br", "hr"):
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag

    def handle_data(self, data):
        if self.unclosed and self.unclosed[-1] != "style":
            self.text += data
        if "tr" in self.unclosed and ("td" in self.unclosed or "th" in self.unclosed):
            self.rows[-1][-1] += data
        if self.unclosed and self.unclosed[-1] in ("h1", "h2"):
            self.headings[-1] += data


def page(html: str) -> _Page:
    found = _Page(html.replace("\N{NO-BREAK SPACE}", " "))
    assert found.unclosed == []
    return found


def test_every_section_stands_in_order_and_in_the_table_of_contents(whole: _Page):
    assert whole.headings == [
        "Omission responses: planted", "What was found", "What went in", "Responses", "Effects of omission", "Decoders",
        "Decoding through time", "Cells, maps and motifs", "The same on inferred spikes", "Method", "How it was made",
    ]  # fmt: skip
    assert [a.removeprefix("#") for a in whole.addresses if a.startswith("#")] == whole.anchors


def test_findings_stand_above_the_tables_with_true_minus_signs(rows: StudyRows):
    lowered = replace(rows, contrasts=rows.contrasts.with_columns(difference=pl.lit(-0.0413), ci_low=pl.lit(-0.0662)))
    text = page(render(content(without(lowered, *FRAMES_WITH_FIGURES)))).text
    assert "omission minus presentation −0.041 dF/F peak (95 % CI −0.066 to" in text
    assert text.index("−0.041 dF/F") < text.index("Over mice and over cells, side by side")


FRAMES_WITH_FIGURES = (
    "features", "responses", "behavior", "unit_responses", "unit_scores", "predictions", "time_decoding",
    "time_generalisation", "importance",
)  # fmt: skip


def test_simulated_sessions_are_announced(whole: _Page, rows: StudyRows):
    banner = "Simulated sessions: no animal was recorded"
    assert banner in whole.text
    recorded = replace(without(rows, *FRAMES), simulated=False)
    assert banner not in page(render(content(recorded))).text


def test_what_went_in_has_its_mice_cells_and_events_and_what_did_not_its_reason(whole: _Page):
    # 4 mice of 3 cells in each group; 20 events of either kind in each of 4 sessions, 1 of each dropped.
    assert ["VIP", "familiar", "4", "4", "12", "80", "80", "8", "0"] in whole.rows
    assert ["s-vip0-novel", "20", "VIP", "novel", "3", "20", "20", "2", "0"] in whole.rows
    assert ["s-silent", "99", "no omissions"] in whole.rows
    assert [
        "/data/mouse_412.nwb",
        "timestamps",
        "run backwards at frame 8,114",
        "increasing seconds",
        "-",
    ] in whole.rows


def test_both_protocols_stand_side_by_side(whole: _Page):
    assert ["", "rigorous: over mice", "published: over cells"] in whole.rows
    over_mice = ["+0.041", "0.018 to 0.066", ".004", "1.71", "7", "61", "8,140"]
    over_cells = ["Welch", "3.31 (94)", ".001", ".20", "0.944", "96", "8"]
    assert ["VIPa", "familiar", *over_mice, *over_cells] in whole.rows
    scores = ["0.730", "0.680 to 0.780", ".010", "0.80", "0.730", "0.700", "0.750"]
    assert ["XGB (registered)", *scores, *scores] in whole.rows
    assert ["", "rigorous, 8 folds, 96 rows", "published, 8 folds, 96 rows"] in whole.rows


def test_the_second_notebook_has_its_table_and_no_dummy(whole: _Page):
    assert ["XGB", "0.9766", "0.7000", "0.7500", "12"] in whole.rows
    assert ["dummy", "0.9766", "0.7000", "0.7500", "12"] not in whole.rows


def test_time_courses_have_their_first_cluster_windows_and_n(whole: _Page):
    row = next(row for row in whole.rows if row[:3] == ["logistic", "VIP", "familiar"])
    assert whole.rows[whole.rows.index(row) - 1] == ["rigorous, single trial"]
    assert row[3:5] == ["0.720", "0.70"]
    assert row[8:12] == ["0.20 to 1.20", ".002", "11", "0.20 to 1.20"]
    assert row[12:] == ["4", "499", "6", "960", "80"]


@pytest.mark.parametrize("table", [side_by_side_table, contrasts_table, omission_slopes_table, anova_table])
def test_every_table_of_effects_says_its_n(rows: StudyRows, table):
    headings = table(rows).headings
    assert {"mice", "cells", "events"} <= set(headings)


def test_every_published_test_says_its_n_and_shows_its_warning(rows: StudyRows):
    found = dict(published_tables(rows))
    assert len(found) == 6
    for table in found.values():
        assert {"rows", "mice", "cells", "events"} <= set(table.headings)
        assert table.noted
        assert {row[-1] for row in table.rows} == {WARNING}


def test_a_warning_stands_once_below_its_table_and_rows_bear_its_mark(whole: _Page):
    warned = f"a what stands against it: {WARNING}"
    anova = whole.text.index("ANOVA over cells", whole.text.index("Three-way") - 500)
    assert whole.text.index("residuala", anova) < whole.text.index(warned, anova)
    shown = whole.text[whole.text.index("residuala", anova) : whole.text.index("more", anova)]
    assert shown.count(WARNING) == 1


def test_marks_go_on_after_z():
    assert [mark(number) for number in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]


def test_only_rows_with_a_doubt_bear_a_mark():
    table = ReportTable("", ("group", "cells", "doubt"), (("g", "VIP", "why"), ("g", "SST", "-")), grouped=True,
                        noted=True, spans=(("left", 2), ("right", 1)))  # fmt: skip
    assert table.noted_texts == ("why",)
    assert (table.headings[table.columns], table.column_spans) == (("cells",), (("left", 1), ("right", 0)))


def test_the_anova_has_its_warning_above_it_and_other_measures_fold_away(rows: StudyRows):
    table = anova_table(rows)
    assert "its p values are as a rule too small" in table.warning
    assert (table.shown, len(table.rows)) == (5, 15)


def test_a_fit_that_did_not_converge_says_so(rows: StudyRows):
    unsure = replace(rows, mixed_effects=rows.mixed_effects.with_columns(converged=pl.lit(False)))
    assert all("the fit did not converge" in row[-1] for row in omission_slopes_table(unsure).rows)
    assert all("the fit did not converge" in row[-1] for _, table in mixed_tables(unsure) for row in table.rows)


def test_what_the_fit_says_of_itself_is_not_said_twice(rows: StudyRows):
    doubt = pl.lit("the fit did not reach a maximum")
    unsure = replace(rows, mixed_effects=rows.mixed_effects.with_columns(converged=pl.lit(False), warning=doubt))
    assert {row[-1] for row in omission_slopes_table(unsure).rows} == {"the fit did not reach a maximum"}


def test_effects_of_omission_stand_in_order_and_every_other_term_folds_away(rows: StudyRows):
    slopes, others = omission_slopes_table(rows), [table for _, table in mixed_tables(rows)]
    groups = list(dict.fromkeys(row[1:3] for row in slopes.rows))
    assert groups == sorted(groups, key=lambda group: (group[0] != "VIP", group[1]))
    of_dff = rows.mixed_effects.filter(~pl.col("measure").str.contains("spike_prob"))
    assert len(slopes.rows) + sum(len(table.rows) for table in others) == len(of_dff)
    assert not any(row[1].startswith("omitted in") for table in others for row in table.rows)


def test_a_note_stays_whole_and_names_lines_as_they_are_spoken_of(rows: StudyRows):
    notes = "too few mice (Vip-IRES-Cre, familiar; Sst-IRES-Cre, novel)\nANOVA: one level"
    noted = replace(without(rows, *FRAMES), study=rows.study | {"notes": notes})
    assert noted.notes == notes.split("\n")
    text = page(render(content(noted))).text
    assert "Not computed, and cautions" in text
    assert "too few mice (VIP, familiar; SST, novel)" in text


def test_spikes_and_dff_are_in_tables_of_their_own(rows: StudyRows):
    of_spikes, of_dff = (side_by_side_table(rows, kind) for kind in (True, False))
    assert {row[0] for row in of_spikes.rows} == {"peak (spikes/frame)"}
    assert {row[0] for row in of_dff.rows} == {"peak (dF/F)", "peak latency (s)", "response area (dF/F s)"}


def test_a_table_refuses_rows_that_do_not_fit_its_headings():
    with pytest.raises(ValueError, match="2 headings over rows of"):
        ReportTable("", ("a", "b"), (("1",),))


def test_the_method_prints_how_often_each_test_errs(whole: _Page):
    method = whole.text[whole.text.index("How often the tests err") :]
    assert re.search(
        r"tests of the rigorous protocol find one in \d+\.\d % to \d+\.\d % of simulated data sets", method
    )
    assert "which is why nothing is concluded from them" in method
    assert any(row[0] == "t over mice" for row in whole.rows)
    assert ["omitted - presented, rigorous"] in whole.rows
    assert "equally many images and omissions" in whole.text


def test_how_it_was_made_names_study_snapshot_code_and_model(whole: _Page, rows: StudyRows):
    made = whole.text[whole.text.index("How it was made", whole.text.index("Method")) :]
    for said in (STUDY, "0.2.0", "version 3", "5f0c", "ahead of version 2 (0.702 on the same folds)"):
        assert said in made
    assert '"recipe": "2"' in made
    assert "make models" in made
    behind = replace(without(rows, *FRAMES), promotion=rows.promotion | {"promoted": False})
    assert "Version 2 stays champion" in page(render(content(behind))).text


def test_each_table_has_the_command_that_gives_its_rows(whole: _Page):
    for table in ("contrasts", "anova", "mixed_effects", "decoder_tests", "time_decoding", "group_tests"):
        assert f"python -m storage.ask \"SELECT * FROM findings.{table} WHERE study_id = '{STUDY}'" in whole.text
    assert 'python -m storage.ask --snapshot 1 "SELECT * FROM recorded.sessions' in whole.text


@pytest.mark.parametrize("statement", ['SELECT "a" FROM t', "SELECT '$x'", "SELECT `a`", "SELECT 1 -- it's !"])
def test_a_statement_reaches_the_shell_as_it_is(statement):
    assert shlex.split(ask_command(statement, 1))[-1] == statement


def test_hostile_text_stays_text(rows: StudyRows):
    text = pl.lit(HOSTILE)
    hostile = replace(
        without(rows, "features", "responses", "behavior", "unit_responses", "unit_scores", "time_generalisation"),
        study=rows.study | {"project": HOSTILE, "notes": HOSTILE, "study_id": HOSTILE, "parameters": HOSTILE},
        promotion=rows.promotion | {"model_name": HOSTILE},
        sessions=rows.sessions.with_columns(session_id=text, mouse_id=text, cre_line=text),
        excluded=rows.excluded.with_columns(session_id=text, reason=text),
        rejected=rows.rejected.with_columns(source_uri=text, field=text, found=text, expected=text, reader=text),
        contrasts=rows.contrasts.with_columns(cre_line=text),
        group_tests=rows.group_tests.with_columns(within=text, warning=text, correction=text),
        mixed_effects=rows.mixed_effects.with_columns(term=text, warning=text),
        anova=rows.anova.with_columns(term=text, warning=text),
        decoders=rows.decoders.with_columns(decoder=text),
        importance=rows.importance.with_columns(feature=text),
        time_decoding=rows.time_decoding.with_columns(cre_line=text),
        predictions=rows.predictions.clear(),
    )
    found = page(render(replace(content(hostile), links={HOSTILE: "javascript:alert(1)"})))
    assert "script" not in found.tags
    assert HOSTILE in found.text
    assert not [one for one in found.addresses if not one.startswith(("data:image/png;base64,", "#"))]


def test_the_page_asks_nothing_of_the_network(html: str, whole: _Page):
    assert set(whole.tags).isdisjoint({"script", "link", "iframe", "object", "base", "form"})
    assert not [a for a in whole.addresses if not a.startswith(("data:image/png", "#", "http://127.0.0.1:4200/runs/1"))]
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_figures_have_width_height_and_alternative_text_and_the_page_stays_small(html: str):
    assert re.search(r'<img src="data:image/png;base64,[^"]+" width="960" height="\d+" alt="Mean responses\.', html)
    assert len(html) < 6_000_000


@pytest.mark.parametrize("name", FRAMES)
def test_the_page_stands_on_any_part_alone(rows: StudyRows, name: str):
    alone = without(rows, *(other for other in FRAMES if other != name))
    assert page(render(content(alone))).headings[-1] == "How it was made"


@pytest.mark.parametrize("name", ["sessions", "anova", "decoders", "decoder_tests", "mixed_effects"])
def test_the_page_stands_without_any_part_that_others_lean_on(rows: StudyRows, name: str):
    most = without(rows, name, *FRAMES_WITH_FIGURES, "group_tests")
    assert page(render(content(most))).headings[-1] == "How it was made"


def test_a_study_without_any_result_still_has_its_page(rows: StudyRows):
    notes = "ANOVA: exposure_level must have at least two levels\ndecoders: too few mice"
    nothing = replace(without(rows, *FRAMES), promotion=None, study=rows.study | {"notes": notes})
    found = page(render(content(nothing)))
    assert found.headings[1:] == ["What was found", "What went in", "Method", "How it was made"]
    assert "No session of this project has responses to omissions." in found.text
    assert "ANOVA: exposure_level must have at least two levels" in found.text
    assert "No file was refused." in found.text
    assert "none was registered" in found.text


def test_ready_made_features_have_no_time_no_behaviour_and_no_maps(tmp_path: Path):
    ready = planted_rows(tmp_path, ready_made=True, mice=3, cells=2)
    found = page(render(content(without(ready, "predictions", "group_tests"))))
    assert found.headings[2:-2] == [
        "What went in", "Responses", "Effects of omission", "Decoders", "The same on inferred spikes",
    ]  # fmt: skip
    assert "Features came ready-made" in found.text
    assert "need the traces, which this project didn't bring" in found.text
    assert ["VIP", "familiar", "3", "3", "6", "-", "-", "0", "-"] in found.rows


def test_one_mouse_of_one_line_is_enough_for_a_page(tmp_path: Path):
    alone = planted_rows(tmp_path, mice=1, cells=1, tested=False)
    text = page(render(content(without(alone, "unit_responses")))).text
    assert "not tested (1 mouse, 1 cell); it takes 2 mice" in text
    assert "decoders: too few mice" in text


def test_the_file_is_named_by_date_project_and_study_and_stands_alone(rows: StudyRows, tmp_path: Path):
    bare = content(without(rows, *FRAMES))
    path = write_report(bare, tmp_path / "reports")
    assert path.name == "2026-11-21-planted-omission-1.html"
    assert path.read_text(encoding="utf-8") == render(bare)
    assert list(path.parent.iterdir()) == [path]
    hostile = replace(bare, rows=replace(bare.rows, study=bare.rows.study | {"project": "../../a b"}))
    assert write_report(hostile, tmp_path / "reports").parent == tmp_path / "reports"


def test_a_report_that_fails_leaves_the_older_one(rows: StudyRows, tmp_path: Path):
    bare = content(without(rows, *FRAMES))
    path = write_report(bare, tmp_path)
    unencodable = replace(bare, rows=replace(bare.rows, study=bare.rows.study | {"notes": "\ud800"}))
    with pytest.raises(UnicodeEncodeError):  # no UTF-8 for this
        write_report(unencodable, tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == render(bare)
