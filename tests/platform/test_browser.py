"""A scientist's afternoon: a study run from the form in Prefect's page, its findings, its model, its rows."""

import re
from urllib.parse import urlsplit

import pytest

from flows.omission_study import OmissionChoice
from tests.flows.running_platform import completed_run
from tests.platform.browsing import Browsing
from tests.platform.lab import ENDED_WITHIN_S, Lab

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

MODEL = "omitted-or-presented-lab-rigorous"
FORM = OmissionChoice.model_json_schema()
# Prefect's page asks for the settings of its analytics even where the server says that they are off.
PREFECT_ANALYTICS = "sr-client-cfg.amplitude.com"


def label(name: str) -> str:
    """What stands above a field of the form."""
    return FORM["properties"][name]["title"] + ("" if name in FORM["required"] else " (Optional)")


def field(browser: Browsing, name: str):
    """A field of the form with its help and its input."""
    heading = browser.page.locator("form").get_by_text(label(name), exact=True)
    return heading.locator("xpath=ancestor::div[contains(@class, 'group')][1]")


def open_form(browser: Browsing, lab: Lab) -> None:
    """From the first page to the form of the omission study, by what can be clicked."""
    page = browser.page
    page.goto(lab.prefect_page)
    page.get_by_role("link", name="Deployments").click()
    page.get_by_role("link", name="omission-study").first.wait_for()
    browser.picture("1-deployments")
    page.get_by_role("link", name="omission-study").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    field(browser, "per_event").wait_for()


@pytest.fixture(scope="module")
def study(browser: Browsing, lab: Lab) -> dict:
    """The run that was started from the form, once it has completed on the worker."""
    page = browser.page
    open_form(browser, lab)
    page.get_by_label("Run Name").fill("both-lines-by-hand")
    field(browser, "project").get_by_role("textbox").fill("lab")
    lines = field(browser, "cre_lines")
    for number, line in enumerate(("Sst-IRES-Cre", "Vip-IRES-Cre")):
        lines.get_by_role("button", name="Add item").click()
        lines.get_by_role("textbox").nth(number).fill(line)
    field(browser, "sample_count").get_by_role("spinbutton").fill("61")
    browser.picture("3-form-filled")
    page.get_by_role("button", name="Submit").click()

    page.get_by_role("link", name="both-lines-by-hand").first.click()
    page.wait_for_url(re.compile("/runs/flow-run/"))
    run_id = urlsplit(page.url).path.rsplit("/", 1)[-1]
    run = completed_run(dict(lab.environment), run_id, ENDED_WITHIN_S)
    page.get_by_text("Completed", exact=True).first.wait_for()
    browser.picture("4-run")
    return run


def test_the_form_shows_each_field_with_its_help_and_keeps_its_limits(browser: Browsing, lab: Lab) -> None:
    open_form(browser, lab)
    browser.picture("2-form")
    for name, declared in FORM["properties"].items():
        shown = field(browser, name)
        assert declared["description"] in shown.inner_text()
        for attribute, limit in (("min", "minimum"), ("max", "maximum")):
            if limit in declared:
                assert float(shown.get_by_role("spinbutton").get_attribute(attribute)) == declared[limit]

    # Prefect keeps the schema in Postgres, which orders keys by their length.
    heights = [field(browser, name).bounding_box()["y"] for name in FORM["properties"]]
    assert heights == sorted(heights)

    deployment = lab.ask("/deployments/name/omission_study/omission-study")["id"]
    runs_before = lab.ask("/flow_runs/count", {"deployments": {"id": {"any_": [deployment]}}})
    samples = field(browser, "sample_count").get_by_role("spinbutton")
    samples.fill("5")
    browser.page.get_by_role("button", name="Submit").click()
    assert samples.evaluate("box => box.validationMessage") == "Value must be greater than or equal to 12."
    assert browser.page.url.split("?")[0].endswith("/run")
    assert lab.ask("/flow_runs/count", {"deployments": {"id": {"any_": [deployment]}}}) == runs_before


def test_the_run_has_what_was_filled_in_and_its_rows_are_in_the_lake(study: dict, lab: Lab) -> None:
    wanted = OmissionChoice(project="lab", cre_lines=["Sst-IRES-Cre", "Vip-IRES-Cre"], sample_count=61)
    assert study["parameters"]["choice"] == wanted.model_dump()
    with lab.lake as lake:
        kinds = lake.query(
            "SELECT kind, count(*) AS n FROM findings.studies WHERE flow_run_id = $run GROUP BY kind", run=study["id"]
        )
        scores = lake.query(
            """SELECT count(*) FROM findings.decoder_scores
               JOIN findings.studies USING (study_id) WHERE flow_run_id = $run""",
            run=study["id"],
        )
    assert dict(kinds.iter_rows())["omission"] == 1
    assert scores.item() > 0


def test_the_run_page_shows_what_the_study_found_and_leads_to_its_model(
    study: dict, browser: Browsing, lab: Lab
) -> None:
    page = browser.page
    page.goto(f"{lab.prefect_page}/v2/runs/flow-run/{study['id']}")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("omission-study", exact=True).last.wait_for()
    page.get_by_text("study-lab", exact=True).wait_for()
    browser.picture("5-artifacts")
    page.get_by_text("study-lab", exact=True).click()
    page.locator("[data-testid^=timeline-card]").first.get_by_role("link").first.click()
    found = page.get_by_test_id("markdown-display")
    found.get_by_text("lab, rigorous protocol").wait_for()
    found.get_by_text("omitted minus presented").first.wait_for()
    assert found.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 200
    browser.picture("6-study")

    version = lab.version_trained_by(study["id"])
    link = found.get_by_role("link", name=f"the model {MODEL}, version {version}")
    page.goto(link.get_attribute("href"))
    page.get_by_role("heading", name=f"Version {version}").wait_for()
    page.get_by_text("challenger").first.wait_for()
    browser.picture("7-model-version")


def test_the_registry_shows_the_model_with_every_version(study: dict, browser: Browsing, lab: Lab) -> None:
    page = browser.page
    page.goto(f"{lab.mlflow_page}/#/models/{MODEL}")
    page.get_by_role("link", name="Version 1", exact=True).wait_for()
    page.get_by_role("link", name="Version 2", exact=True).wait_for()
    browser.picture("8-model")


def test_the_pages_work_without_any_other_machine_and_without_an_error(study: dict, browser: Browsing) -> None:
    assert {urlsplit(address).hostname for address in browser.asked_elsewhere} <= {PREFECT_ANALYTICS}
    assert browser.errors == []
