"""The flow of response types: its form, its command line, and a run of it that a second run finds nothing to add to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows.deploy import DEPLOYMENTS
from flows.response_types import ResponseTypesChoice
from flows.response_types_command import _parser
from models.simulate_response_types import ResponseTypesPlan
from samples.write_recordings import write_recordings
from storage.due import NewFile
from storage.lake import open_lake
from storage.settings import Settings
from tasks.ingest import read_into_lake
from tasks.response_type_recipe import TypesRecipe

SCHEMA = ResponseTypesChoice.model_json_schema()


def test_every_field_of_the_form_has_its_help_and_its_place() -> None:
    fields = SCHEMA["properties"]
    assert all(field["description"] for field in fields.values())
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
    assert "required" not in SCHEMA


def test_what_is_chosen_is_what_is_computed_and_the_default_is_the_recipes() -> None:
    assert ResponseTypesChoice(project="lab").recipe == TypesRecipe()
    chosen = ResponseTypesChoice(project="lab", events=["lick", "image"], behavior=[], tau_s=2.0, cluster_count=4)
    assert chosen.recipe.event_kinds == ("lick", "image")
    assert (chosen.recipe.behavior, chosen.recipe.tau_s, chosen.recipe.cluster_count) == ((), 2.0, 4)
    for wrong in ({"tau_s": 0}, {"fdr": 1}, {"events": ["snack"]}, {"cluster_count": 1}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            ResponseTypesChoice(project="lab", **wrong)


def test_ward_linkage_of_correlation_distances_is_refused() -> None:
    with pytest.raises(ValidationError, match="ward linkage takes Euclidean distances"):
        ResponseTypesChoice(project="lab", cluster_method="ward")


def test_every_option_of_the_command_line_is_a_field_of_the_form() -> None:
    assert {action.dest for action in _parser()._actions} - {"help"} == set(SCHEMA["properties"])


def test_the_deployment_starts_on_what_the_form_takes() -> None:
    deployments = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())["deployments"]
    [ours] = [one for one in deployments if one["name"] == "response-types"]
    assert ours["entrypoint"] == "flows.response_types.response_types"
    assert ResponseTypesChoice(**ours["parameters"]["choice"]) == ResponseTypesChoice()
    assert ours["schedules"][0]["cron"].endswith("* * 0")


@pytest.mark.platform
@pytest.mark.xdist_group("nights")
def test_a_run_from_the_command_line_and_a_second_that_does_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", threads=1)
    plan = ResponseTypesPlan(
        regions=("left_tectum", "right_tectum"), rois_per_class=4, noise_rois=8, snr=2.0, repeats=6
    )
    folders = write_recordings(plan, tmp_path / "fish")
    open_lake(settings).close()
    for folder in folders:
        file = NewFile("fish", None, str(folder / f"{folder.name}.yaml"), str(tmp_path / "fish"))
        assert read_into_lake(file, settings).refusal is None

    def run(*arguments: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
        environment |= {"NEUROLAKE_HOME": str(settings.home), "NEUROLAKE_THREADS": "1", "COLUMNS": "200"}
        command = [sys.executable, "-m", "flows.response_types_command", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
        return done.returncode, done.stdout + done.stderr

    status, said = run("--tau", "1.5", "--csv")
    assert status == 0, said
    assert "follow the regressors" in said
    [report] = settings.reports_folder.glob("*.html")
    assert str(report) in said
    assert (report.with_suffix("") / "response_types.csv").exists()
    with open_lake(settings, read_only=True) as lake:
        snapshot = lake.snapshot_id
        assert lake.query("SELECT count(*) FROM findings.studies WHERE flow_run_id IS NOT NULL").item() == 5
        found = lake.query("SELECT response_type, roi_count FROM findings.response_types WHERE protocol = 'published'")
        assert {"prey", "looming", "dimming"} <= set(found["response_type"])
    written_at = report.stat().st_mtime_ns
    status, said = run("--tau", "1.5", "--csv")
    assert status == 0, said
    assert report.stat().st_mtime_ns == written_at
    with open_lake(settings, read_only=True) as lake:
        assert lake.snapshot_id == snapshot
    status, said = run("--project", "mice")
    assert (status, "has no project 'mice'; it has fish" in said) == (2, True)
