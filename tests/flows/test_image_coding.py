"""The flow of image coding: its form, its command line, and a run of it that a second run finds nothing to add to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows.deploy import DEPLOYMENTS
from flows.image_coding import ImageCodingChoice, recipes_of
from flows.image_coding_command import _PAIRS, _parser
from storage.lake import open_lake
from storage.settings import Settings
from tasks.image_coding_recipe import CodingRecipe
from tests.tasks.planted_images import put_images, simulated

SCHEMA = ImageCodingChoice.model_json_schema()


def test_every_field_of_the_form_has_its_help_and_its_place() -> None:
    fields = SCHEMA["properties"]
    assert all(field["description"] for field in fields.values())
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
    assert "required" not in SCHEMA


def test_four_units_without_a_gpu_as_in_the_source_and_all_with_one() -> None:
    choice = ImageCodingChoice()
    assert choice.recipe("cpu") == CodingRecipe()
    assert choice.recipe("cpu").unit_count == 4
    assert choice.recipe("cuda").unit_count is None
    assert ImageCodingChoice(unit_count=7).recipe("cuda").unit_count == 7


def test_what_is_chosen_is_what_is_computed() -> None:
    chosen = ImageCodingChoice(
        selection="percentiles", image_height_px=32, image_width_px=48, network_count=3, step_count=9, seed=5
    ).recipe("cpu")
    assert (chosen.image_shape, chosen.network_count, chosen.seed) == ((32, 48), 3, 5)
    assert chosen.chooses_by_percentile("rigorous")
    assert chosen.steps("published") == 9
    for wrong in ({"network_count": 0}, {"image_height_px": 4}, {"device": "tpu"}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            ImageCodingChoice(**wrong)


def test_each_choice_makes_a_study_of_its_own_and_no_more_than_it_decides() -> None:
    usual = recipes_of(CodingRecipe())
    others = {
        "stop_s": (recipes_of(CodingRecipe(stop_s=0.1)), (True, True, True)),
        "networks": (recipes_of(CodingRecipe(network_count=3)), (False, True, True)),
        "steps": (recipes_of(CodingRecipe(step_count=9)), (False, False, True)),
    }
    for name, (one, (responses, training, inputs)) in others.items():
        assert (one.responses != usual.responses) == responses, name
        assert (one.training["rigorous"] != usual.training["rigorous"]) == training, name
        assert (one.inputs["rigorous"] != usual.inputs["rigorous"]) == inputs, name
    assert recipes_of(CodingRecipe(network_count=3)).training["published"] == usual.training["published"]


def test_every_option_of_the_command_line_is_a_field_of_the_form() -> None:
    options = {action.dest for action in _parser()._actions} - {"help"}
    fields = {field for option in options for field in _PAIRS.get(option, (option,))}
    assert fields == set(SCHEMA["properties"])


def test_the_deployment_runs_where_the_gpu_is_on_what_the_form_takes() -> None:
    deployments = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())["deployments"]
    [ours] = [one for one in deployments if one["name"] == "image-coding"]
    assert ours["entrypoint"] == "flows.image_coding.image_coding"
    assert ours["work_pool"]["name"] == "gpu"
    assert ImageCodingChoice(**ours["parameters"]["choice"]) == ImageCodingChoice()
    assert ours["schedules"][0]["cron"].endswith("* * 0")


@pytest.mark.platform
@pytest.mark.xdist_group("nights")
def test_a_run_from_the_command_line_and_a_second_that_does_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", threads=1)
    with open_lake(settings) as lake:
        put_images(lake, "a", simulated(), gabors=True)

    def run(*arguments: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
        environment |= {"NEUROLAKE_HOME": str(settings.home), "NEUROLAKE_THREADS": "1", "COLUMNS": "200"}
        command = [sys.executable, "-m", "flows.image_coding_command", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    small = ("--size", "16", "24", "--units", "2", "--epochs", "2", "--steps", "3", "--starts", "2", "--device", "cpu")
    status, said = run(*small)
    assert status == 0, said
    assert "answer images reliably enough" in said
    [report] = settings.reports_folder.glob("*.html")
    assert str(report) in said
    with open_lake(settings, read_only=True) as lake:
        snapshot = lake.snapshot_id
        assert lake.query("SELECT count(*) FROM findings.studies WHERE flow_run_id IS NOT NULL").item() == 6
    written_at = report.stat().st_mtime_ns
    status, said = run(*small)
    assert status == 0, said
    assert report.stat().st_mtime_ns == written_at
    with open_lake(settings, read_only=True) as lake:
        assert lake.snapshot_id == snapshot
    status, said = run("--project", "mice")
    assert (status, "has no project 'mice'; it has planted" in said) == (2, True)
