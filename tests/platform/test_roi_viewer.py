"""Looking through ROIs in the report, as a scientist does: by mouse and arrow keys, from a file, without a server."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from storage.lake import open_lake
from storage.settings import Settings
from tasks.report_response_types import TypesContent, write_types_report
from tasks.response_type_recipe import TypesRecipe
from tasks.response_types_traces import shown_sessions
from tests.platform.browsing import Browsing
from tests.tasks.planted_types import DECAY_S, put_types
from tests.tasks.test_response_types import study

pytestmark = pytest.mark.platform

INK_IN_TRACE = """canvas => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let n = 0; n < pixels.length; n += 4) if (pixels[n + 3]) sum += (n % 9973) + pixels[n];
    return sum;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(home=tmp_path_factory.mktemp("viewer"), threads=1)
    with pytest.MonkeyPatch.context() as patch, open_lake(settings) as lake:
        patch.setenv("NEUROLAKE_HOME", str(settings.home))
        rng = np.random.default_rng(3)
        put_types(lake, "a", rng)
        put_types(lake, "b", rng, per_class=2)
        rows = study(lake, TypesRecipe(tau_s=DECAY_S, fdr=0.01))
        content = TypesContent(rows, shown_sessions(lake, rows), datetime(2026, 11, 21, tzinfo=UTC))
        return write_types_report(content, settings.reports_folder)


def test_a_scientist_looks_through_rois(report: Path, browser: Browsing) -> None:
    page = browser.page
    page.unroute("**/*")  # a file asks for itself; whatever else it asked for is found below
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    part = {name: page.locator(f"#viewer [data-part={name}]") for name in
            ("session", "type", "order", "trace", "plane", "place", "said", "legend")}  # fmt: skip
    assert part["type"].locator("option:checked").inner_text() == "image (4)"
    first, shown = part["place"].inner_text(), part["trace"].evaluate(INK_IN_TRACE)
    assert first.endswith("1 of 4")
    assert "published: image" in part["said"].inner_text()

    page.locator("#viewer").focus()
    page.keyboard.press("ArrowRight")
    assert part["place"].inner_text().endswith("2 of 4")
    assert part["trace"].evaluate(INK_IN_TRACE) != shown
    page.keyboard.press("ArrowLeft")
    assert part["place"].inner_text() == first
    assert part["trace"].evaluate(INK_IN_TRACE) == shown
    page.keyboard.press("ArrowDown")
    assert part["type"].locator("option:checked").inner_text() == "omission (4)"
    page.keyboard.press("ArrowUp")

    part["legend"].get_by_role("checkbox").first.uncheck()
    without = part["trace"].evaluate(INK_IN_TRACE)
    assert without != shown
    part["legend"].get_by_role("checkbox").first.check()
    box = part["trace"].bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
    page.mouse.up()
    browser.picture("viewer-closer")
    assert part["trace"].evaluate(INK_IN_TRACE) != shown
    page.keyboard.press("Escape")
    assert part["trace"].evaluate(INK_IN_TRACE) == shown

    part["session"].select_option(label="b")
    assert part["type"].locator("option:checked").inner_text() == "image (2)"
    plane = part["plane"].bounding_box()
    before = part["place"].inner_text() + part["type"].input_value()
    for share in (0.2, 0.5, 0.8):
        page.mouse.click(plane["x"] + share * plane["width"], plane["y"] + 0.2 * plane["height"])
    assert part["place"].inner_text() + part["type"].input_value() != before

    data = json.loads(page.locator("#viewer-data").text_content())
    assert {one["name"] for one in data["sessions"]} == {"a", "b"}
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}
    assert browser.errors == []
    browser.picture("viewer")
