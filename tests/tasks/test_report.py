import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure

from storage.tables import ANOVA, CONTRASTS
from tasks.figures import ReportFigure, as_png
from tasks.report import ReportContent, ask_command, render, write_report

HOSTILE = "<script>alert('x')</script>"


def content() -> ReportContent:
    group = {"study_id": "omission-1", "measure": "peak_dff", "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar"}
    contrast = group | {
        "difference": -0.0413, "ci_low": -0.0662, "ci_high": -0.0181, "t": -4.53, "dof": 6, "p": 0.001,
        "p_holm": 0.0043, "p_sign_flip": 0.016, "mouse_count": 7, "cell_count": 61, "excluded_cell_count": 2,
    }  # fmt: skip
    term = {"study_id": "omission-1", "measure": "peak_dff", "sum_sq": 0.0301, "cell_count": 240, "mouse_count": 13}
    score = {"decoder": "XGB", "test_accuracy": 0.691, "test_f1": 0.7, "test_roc_auc": 0.75, "fold_count": 13}
    return ReportContent(
        study={
            "study_id": "omission-1",
            "kind": "omission",
            "project": "visual-behavior",
            "session_id": None,
            "protocol": "rigorous",
            "parameters": '{"recipe": "1", "project": "visual-behavior"}',
            "inputs": '["responses-1"]',
            "code_version": "0.1.0",
            "snapshot_id": 57,
            "flow_run_id": None,
            "notes": None,
            "finished_at": datetime(2026, 11, 21, 2, 14, tzinfo=UTC),
        },
        sessions=pl.DataFrame(
            {
                "project": ["visual-behavior"],
                "cre_line": ["Vip-IRES-Cre"],
                "exposure_level": ["familiar"],
                "session_count": [7],
                "mouse_count": [7],
                "unit_count": [1061],
            }
        ),
        rejected=pl.DataFrame(
            {
                "source_uri": ["/data/mouse_412.nwb"],
                "reader": [None],
                "field": ["timestamps"],
                "found": ["run backwards at frame 8,114"],
                "expected": ["increasing seconds"],
            }
        ),
        contrasts=pl.from_arrow(CONTRASTS.rows([contrast])),
        anova=pl.from_arrow(
            ANOVA.rows(
                [
                    term | {"term": "cre_line x omitted", "dof": 1.0, "f": 21.35, "p": 0.0001},
                    term | {"term": "residual", "dof": 472.0, "f": None, "p": None},
                    term | {"measure": "peak_latency_s", "term": "residual", "dof": 470.0, "f": None, "p": None},
                ]
            )
        ),
        decoders=pl.DataFrame(
            [
                score | {"protocol": "published", "lomo_accuracy": 0.8129},
                score | {"protocol": "rigorous", "lomo_accuracy": 0.7144},
                score | {"protocol": "rigorous", "decoder": "LR", "lomo_accuracy": 0.6},
            ]
        ),
        predictions=pl.DataFrame(),
        promotion={
            "model_name": "omitted-or-presented",
            "model_version": 3,
            "decoder": "XGB",
            "mlflow_run_id": "5f0c",
            "accuracy": 0.7144,
            "champion_version": 2,
            "champion_accuracy": 0.702,
            "promoted": True,
        },
        simulated=True,
        written_at=datetime(2026, 11, 21, 2, 15, tzinfo=UTC),
        figures=(ReportFigure("Mean responses", "mean and s.e.m.", as_png(Figure(figsize=(4, 1)))),),
        sql={
            "contrasts": "SELECT * FROM findings.contrasts WHERE study_id = 'omission-1';",
            "sessions": "SELECT * FROM recorded.sessions",
            "held-out rows": "SELECT * FROM findings.predictions",
        },
        links={"models page": "make models", "Prefect run": "http://127.0.0.1:4200/runs/1"},
    )


def nothing() -> ReportContent:
    """A study in which nothing could be computed."""
    full = content()
    frames = ("sessions", "rejected", "contrasts", "anova", "decoders")
    return replace(
        full, **{name: getattr(full, name).clear() for name in frames}, promotion=None, simulated=False, figures=(),
        sql={}, links={}, study=full.study | {"notes": "ANOVA: exposure_level must have at least two levels"},
    )  # fmt: skip


class _Page(HTMLParser):
    """Tags that were opened, addresses named, rows of tables, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "data", "srcset")]
        if tag not in ("meta", "img", "link", "br", "hr"):
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag

    def handle_data(self, data):
        if self.unclosed and self.unclosed[-1] != "style":
            self.text += data
        if self.unclosed and self.unclosed[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.unclosed and self.unclosed[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data


def page(given: ReportContent) -> _Page:
    found = _Page(render(given).replace("\N{NO-BREAK SPACE}", " "))
    assert found.unclosed == []
    return found


def test_every_section_stands_in_order():
    assert page(content()).headings == [
        "Omission responses: visual-behavior", "What was found", "What went in", "Left out", "Figures",
        "Mean responses", "Tables", "Contrasts over mice", "Decoders", "ANOVA over cells", "How it was made",
        "The same rows again", "Parameters", "Inputs",
    ]  # fmt: skip


def test_findings_stand_above_the_tables_with_true_minus_signs():
    text = page(content()).text
    assert "omission minus presentation −0.041 dF/F peak (95 % CI −0.066 to −0.018 over 7 mice" in text
    assert text.index("−0.041 dF/F") < text.index("Contrasts over mice")


def test_simulated_sessions_are_announced():
    banner = "Simulated sessions: no animal was recorded"
    assert banner in page(content()).text
    assert banner not in page(replace(content(), simulated=False)).text


def test_tables_show_the_rows():
    rows = page(content()).rows
    assert ["VIP", "familiar", "7", "7", "1,061"] in rows
    assert ["/data/mouse_412.nwb", "timestamps", "run backwards at frame 8,114", "increasing seconds", "-"] in rows
    contrast = ["peak (dF/F)", "VIP", "familiar", "−0.041", "−0.066 to −0.018", "−4.53 (6)", ".001", ".004", ".016"]
    assert [*contrast, "7", "61", "2"] in rows
    assert ["peak (dF/F)", "cre line x omitted", "0.0301", "1", "21.35", "< .001"] in rows


def test_both_protocols_stand_side_by_side():
    rows = page(content()).rows
    assert ["", "published, 13 folds", "rigorous, 13 folds"] in rows
    assert ["XGB (registered)", "0.813", "0.691", "0.700", "0.750", "0.714", "0.691", "0.700", "0.750"] in rows
    assert ["LR", "-", "-", "-", "-", "0.600", "0.691", "0.700", "0.750"] in rows


def test_the_choice_of_the_registered_decoder_is_explained_where_it_was_rigorous():
    note = "(scheme 'test') took no part in the choice."
    assert note in page(content()).text
    published = replace(content(), study=content().study | {"protocol": "published"})
    assert note not in page(published).text


def test_the_anova_has_its_warning_beside_it_and_other_measures_fold_away():
    text = page(content()).text
    assert text.index("its p values are as a rule too small. It is here") > text.index("ANOVA over cells")
    assert "1 more" in text


def test_how_it_was_made_names_study_snapshot_code_and_model():
    text = page(content()).text
    made = text[text.index("How it was made") :]
    for said in ("omission-1", "57", "0.1.0", "version 3", "5f0c", "ahead of version 2 (0.702 on the same folds)"):
        assert said in made
    assert '"recipe": "1"' in made
    assert "make models" in made
    behind = replace(content(), promotion=content().promotion | {"promoted": False})
    assert "Version 2 stays champion" in page(behind).text


def test_each_table_has_the_command_that_gives_its_rows():
    text = page(content()).text
    assert "python -m storage.ask \"SELECT * FROM findings.contrasts WHERE study_id = 'omission-1'\"" in text
    assert 'python -m storage.ask --snapshot 57 "SELECT * FROM recorded.sessions"' in text
    assert "held-out rows" in text


@pytest.mark.parametrize("statement", ['SELECT "a" FROM t', "SELECT '$x'", "SELECT `a`", "SELECT 1 -- it's !"])
def test_a_statement_reaches_the_shell_as_it_is(statement):
    assert shlex.split(ask_command(statement, 1))[-1] == statement


def test_hostile_text_stays_text():
    full = content()
    text = pl.lit(HOSTILE)
    found = page(
        replace(
            full,
            study=full.study | {"project": HOSTILE, "notes": HOSTILE, "study_id": HOSTILE, "parameters": HOSTILE},
            rejected=full.rejected.with_columns(source_uri=text, field=text, found=text, expected=text, reader=text),
            contrasts=full.contrasts.with_columns(cre_line=text),
            sessions=full.sessions.with_columns(cre_line=text),
            anova=full.anova.with_columns(term=text),
            decoders=full.decoders.with_columns(decoder=text),
            promotion=full.promotion | {"model_name": HOSTILE},
            figures=(ReportFigure(HOSTILE, f'"{HOSTILE}', full.figures[0].png),),
            sql={"contrasts": HOSTILE, HOSTILE: HOSTILE},
            links={HOSTILE: "javascript:alert(1)"},
        )
    )
    assert "script" not in found.tags
    assert HOSTILE in found.text
    assert not [address for address in found.addresses if not address.startswith("data:image/png;base64,")]


def test_the_page_asks_nothing_of_the_network():
    html = render(content())
    found = page(content())
    assert set(found.tags).isdisjoint({"script", "link", "iframe", "object", "base", "form"})
    assert not [a for a in found.addresses if not a.startswith(("data:image/png", "http://127.0.0.1:4200/runs/1"))]
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_figures_have_width_and_alternative_text():
    assert re.search(r'<img src="data:image/png;base64,[^"]+" width="400" alt="Mean responses\.', render(content()))


def test_a_study_without_any_result_still_has_its_page():
    found = page(nothing())
    assert "No session of this project is in the lake." in found.text
    assert "exposure_level must have at least two levels" in found.text
    assert "No file was refused." in found.text
    assert "none was registered" in found.text


def test_the_file_is_named_by_date_project_and_study_and_stands_alone(tmp_path: Path):
    path = write_report(content(), tmp_path / "reports")
    assert path.name == "2026-11-21-visual-behavior-omission-1.html"
    assert path.read_text(encoding="utf-8") == render(content())
    assert list(path.parent.iterdir()) == [path]
    hostile = replace(content(), study=content().study | {"project": "../../a b"})
    assert write_report(hostile, tmp_path / "reports").parent == tmp_path / "reports"


def test_a_report_that_fails_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_report(content(), tmp_path)
    monkeypatch.setattr("tasks.report.render", lambda _: "\ud800")  # no UTF-8 for this
    with pytest.raises(UnicodeEncodeError):
        write_report(content(), tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == render(content())
