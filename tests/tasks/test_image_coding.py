"""The study of image coding on planted sessions: every part has its rows, what doesn't fit is left out with words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.image_coding import recipes_of
from models.encoding_model import predict, rebuilt
from models.image_reliability import oracle_correlation
from models.image_responses import trials_by_image
from models.image_splits import split_images
from storage import exciting_input_tables, image_coding_tables
from storage.check import all_checks, run_check
from storage.declaration import Table
from storage.due import Selection
from storage.image_coding_due import coding_concluded, coding_due, image_responses_due, inputs_due, training_due
from storage.lake import Lake, open_lake
from storage.model_files import CONFIGURATION, WEIGHTS, NetworkRegistry
from storage.settings import Settings
from tasks.conclude_images import conclude_images
from tasks.image_coding_recipe import READOUT_NAMES, CodingRecipe
from tasks.image_coding_rows import CodingRows, coding_rows
from tasks.image_sessions import image_session, session_pictures
from tasks.make_inputs import make_inputs
from tasks.measure_images import measure_images
from tasks.present_images import images_found_lines, present_images
from tasks.register_network import network_name
from tasks.session_models import rigorous_models
from tasks.train_networks import train_networks
from tests.tasks.planted_images import PLAN, RECIPE, put_images, simulated, with_gabor_spikes

LAB = Selection("planted")
OURS = tuple(
    f"{table.name}{mark}"
    for mark in (":", ".")
    for module in (image_coding_tables, exciting_input_tables)
    for table in vars(module).values()
    if isinstance(table, Table)
)

FIGURES = (
    "Raster of a", "Likeness of units", "Entropy, variance and oracle", "Oracle correlation", "Firing around onset",
    "How well units are predicted", "Learning curves", "Predicted and measured responses",
    "Inputs of each unit, rigorous", "Inputs of each unit, published", "The way up", "From other starts",
    "Diverse exciting inputs", "Most exciting input and Gabor, rigorous", "Most exciting input and Gabor, published",
    "Pixels of one row", "own Gabors", "All models side by side", "In short",
)  # fmt: skip


def study(lake: Lake, recipe: CodingRecipe, chosen: Selection = LAB, protocol: str = "rigorous") -> CodingRows:
    """Compute whatever is due, conclude, and read what was found."""
    recipes = recipes_of(recipe)
    for due in image_responses_due(lake, recipes, chosen):
        measure_images.fn(due, None, recipe)
    for due in training_due(lake, recipes, chosen):
        train_networks.fn(due, None, recipe, "cpu")
    for due in inputs_due(lake, recipes, chosen):
        make_inputs.fn(due, None, recipe, "cpu")
    for due in coding_due(lake, protocol, recipes, chosen):
        conclude_images.fn(due, protocol, None, recipe)
    [study_id] = coding_concluded(lake, protocol, recipes, chosen)
    return coding_rows(lake, study_id)


@dataclass(frozen=True, eq=False)
class Planted:
    lake: Lake
    rows: CodingRows
    report: str


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """One session with spikes and Gabors, and one that has neither spikes nor counts: concluded on, and reported."""
    settings = Settings(home=tmp_path_factory.mktemp("coding"), threads=1)
    with pytest.MonkeyPatch.context() as patch, open_lake(settings) as lake:
        patch.setenv("NEUROLAKE_HOME", str(settings.home))
        patch.setenv("NEUROLAKE_THREADS", "1")
        put_images(lake, "a", with_gabor_spikes(simulated()), gabors=True)
        put_images(lake, "b", simulated(), spikes=False)
        rows = study(lake, RECIPE)
        presented = present_images.fn(rows.study["study_id"])
        yield Planted(lake, rows, Path(presented.report).read_text(encoding="utf-8"))


@pytest.fixture
def home(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks open the planted lake."""
    monkeypatch.setenv("NEUROLAKE_HOME", str(planted.lake.settings.home))
    monkeypatch.setenv("NEUROLAKE_THREADS", "1")


def test_every_table_of_the_study_has_rows_and_breaks_no_rule(planted: Planted) -> None:
    rows = planted.rows
    for name in ("units", "orders", "psths", "models", "curves", "scores", "predictions", "inputs", "steps",
                 "patterns", "comparisons", "summary"):  # fmt: skip
        assert len(getattr(rows, name)), name
    assert {"rigorous", "published"} == set(rows.summary["protocol"]) == set(rows.comparisons["protocol"])
    ours = [check for check in all_checks() if "." not in check.name or check.name.startswith(OURS)]
    broken = {check.name: found for check in ours if len(found := run_check(planted.lake, check).offending)}
    assert broken == {}


def test_reliability_is_that_of_the_numerics_and_a_silent_unit_is_named(planted: Planted) -> None:
    session = simulated()
    trials = trials_by_image(session.counts, session.image, 24)
    found = planted.rows.units.sort("unit_id")
    assert np.allclose(found["oracle"].cast(float).to_numpy(), oracle_correlation(trials), equal_nan=True)
    [silent] = found.filter(spike_count=0).to_dicts()
    assert silent["unit_id"] == session.unit_id[session.truth.kind == "silent"].item()
    assert silent["note"] == "it fired no spike in any window"
    assert not silent["chosen_by_percentile"]
    assert not silent["chosen_by_reliability"]
    assert silent["oracle"] is None


def test_a_session_without_spikes_is_left_out_once_with_its_reason(planted: Planted) -> None:
    [left_out] = planted.rows.excluded.to_dicts()
    assert (left_out["session_id"], left_out["kind"]) == ("b", "image_responses")
    assert left_out["notes"] == "it has neither spikes nor spike counts"
    assert "it has neither spikes nor spike counts" in planted.report


def test_all_units_share_networks_and_the_chosen_have_one_each_as_published(planted: Planted) -> None:
    models = planted.rows.models
    assert set(models.filter(protocol="rigorous")["model"]) == {
        "ridge on pixels", "ridge on Gabor energy", "linear-nonlinear", "network 1", "network 2", "mean of 2 networks",
    }  # fmt: skip
    assert models.filter(protocol="rigorous")["unit_count"].unique().to_list() == [5]
    [published] = models.filter(protocol="published").to_dicts()
    assert (published["model"], published["unit_count"]) == ("a network for each unit", 2)
    counts = models.select("train_count", "validation_count", "test_count").unique().rows()
    assert counts == [(17, 3, 4)]
    best = planted.rows.curves.filter("is_best").group_by("protocol", "network").len()
    assert best["len"].to_list() == [1] * 4


def test_the_registered_network_predicts_what_the_lake_says_and_no_code_of_it_was_run(planted: Planted) -> None:
    registry = NetworkRegistry(planted.lake.settings)
    version = registry.champion(network_name("a", "rigorous"))
    files = {path.name for path in registry.folder(version).rglob("*") if path.is_file()}
    assert {WEIGHTS, CONFIGURATION} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth", ".joblib"))]
    kept = registry.network(version)
    session = image_session(planted.lake, "a", RECIPE)
    pictures = session_pictures(planted.lake, session, RECIPE.image_shape)
    model = rebuilt(kept.configuration["model"], kept.weights)
    held_out = kept.configuration["image_names"]["test"]
    predicted = predict(model, pictures.grey[[session.image_name.index(name) for name in held_out]])
    said = planted.rows.predictions.filter(model="mean of 2 networks").sort("unit_id", "image_name")
    order = np.argsort(held_out)
    assert np.allclose(predicted.T[:, order].ravel(), said["predicted"].to_numpy(), atol=1e-5)


def test_the_program_in_the_registry_serves_the_same_predictions(planted: Planted) -> None:
    import mlflow

    registry = NetworkRegistry(planted.lake.settings)
    version = registry.champion(network_name("a", "published"))
    kept = registry.network(version)
    images = np.random.default_rng(0).uniform(0, 255, (3, *RECIPE.image_shape)).astype(np.float32)
    served = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}").predict(images)
    assert np.allclose(served, predict(rebuilt(kept.configuration["model"], kept.weights), images))


def test_exciting_inputs_keep_their_pixels_and_their_way(planted: Planted) -> None:
    rows = planted.rows
    best = rows.inputs.with_row_index("place").filter(protocol="rigorous", kind="exciting", is_best=True)
    assert len(best) == RECIPE.unit_count
    for row in best.to_dicts():
        image = rows.images[row["place"]]
        assert image.shape == RECIPE.image_shape
        assert 0 <= image.min() <= image.max() <= 1
        assert row["contrast"] == pytest.approx(image.std(ddof=1), rel=1e-4)
        own = {name: row[name] for name in ("protocol", "session_id", "unit_id")}
        assert row["response"] == pytest.approx(rows.comparisons.filter(**own)["mei_response"].item())
        steps = rows.steps.filter(**own, start="noise", seed=row["seed"]).sort("step")
        assert steps["step"].to_list() == list(range(row["step_count"] + 1))
        assert steps["response"][-1] == pytest.approx(row["response"])
    kinds = rows.inputs.group_by("protocol").agg(pl.col("kind").unique().sort()).sort("protocol")
    assert dict(kinds.rows()) == {
        "published": ["exciting", "top gabors"],
        "rigorous": ["best gabor", "diverse", "exciting", "inhibiting", "second network", "top gabors"],
    }


def test_the_report_has_every_figure_and_table_and_the_sql_of_each_table_runs(planted: Planted) -> None:
    report = planted.report
    for title in FIGURES:
        assert title in report, title
    assert report.count("data:image/png") >= 19
    assert "Simulated sessions" in report
    asked = re.findall(r"python -m storage\.ask &#39;(.*?)&#39;(?:\n|<)", report, flags=re.DOTALL)
    assert len(asked) > 8
    with open_lake(planted.lake.settings, read_only=True) as reader:  # which has the views
        for statement in asked:
            plain = statement.replace("&#39;&#34;&#39;&#34;&#39;", "'").replace("&#34;", '"').replace("&lt;", "<")
            reader.query(plain)


def test_a_second_run_finds_nothing_to_do(planted: Planted, home: None) -> None:
    snapshot, report = planted.lake.snapshot_id, present_images.fn(planted.rows.study["study_id"]).report
    written_at = Path(report).stat().st_mtime_ns
    recipes = recipes_of(RECIPE)
    assert image_responses_due(planted.lake, recipes, LAB) == training_due(planted.lake, recipes, LAB) == []
    assert inputs_due(planted.lake, recipes, LAB) == coding_due(planted.lake, "rigorous", recipes, LAB) == []
    assert planted.lake.snapshot_id == snapshot
    present_images.fn(planted.rows.study["study_id"])
    assert Path(report).stat().st_mtime_ns == written_at


def test_without_a_project_only_sessions_with_spikes_take_part(planted: Planted) -> None:
    other = recipes_of(replace(RECIPE, stop_s=0.2))
    assert [one.session_id for one in image_responses_due(planted.lake, other, LAB)] == ["a", "b"]
    assert [one.session_id for one in image_responses_due(planted.lake, other)] == ["a"]


def test_a_challenger_is_held_against_the_champion_on_images_that_neither_learned_from(
    planted: Planted, home: None
) -> None:
    recipe = replace(RECIPE, most_epochs=3)
    [due] = [one for one in training_due(planted.lake, recipes_of(recipe), LAB) if one.protocol == "published"]
    train_networks.fn(due, None, recipe, "cpu")
    asked = "SELECT * FROM findings.encoding_models WHERE study_id = $id AND model_name IS NOT NULL"
    [row] = planted.lake.query(asked, id=due.study_id).to_dicts()
    assert (row["model_version"], row["champion_version"]) == (2, 1)
    assert row["promoted"] == (row["score"] > row["champion_score"])
    first = planted.rows.models.filter(protocol="published")["score"].item()
    assert row["champion_score"] == pytest.approx(first)  # the same split: the same images are held out
    champion = NetworkRegistry(planted.lake.settings).champion(row["model_name"])
    assert champion.version == (2 if row["promoted"] else 1)


def test_the_pyramid_readout_is_the_published_one_with_counts_of_at_least_zero() -> None:
    session = simulated()
    trials, grey = trials_by_image(session.counts, session.image, 24), session.images.astype(np.float32)
    recipe = replace(RECIPE, readout="pyramid", network_count=1)
    found = rigorous_models(grey, grey, trials, split_images(np.arange(24)), recipe, "cpu")
    choice = found.kept.models[0].choice
    assert (choice.readout, choice.readout_penalty, choice.output) == ("pyramid", 0.0, "elu_plus_one")
    assert found.kept_name == "network 1"
    assert min(one.predicted.min() for one in found.predictors if one.kind == "network") >= 0


def test_the_readout_kept_is_the_one_that_predicts_validation_images_best_and_test_images_have_no_say() -> None:
    session = simulated()
    trials, grey = trials_by_image(session.counts, session.image, 24), session.images.astype(np.float32)
    split = split_images(np.arange(24))
    alone = {
        name: rigorous_models(grey, grey, trials, split, replace(RECIPE, readout=name, network_count=1), "cpu")
        for name in READOUT_NAMES
    }
    losses = {name: one.curves["network 1"].validation_loss for name, one in alone.items()}
    best = min(losses, key=losses.__getitem__)
    assert len(set(losses.values())) == len(READOUT_NAMES)
    other = trials.copy()
    other[:, split.test] = np.random.default_rng(0).poisson(9.0, other[:, split.test].shape)
    for seen in (trials, other):
        found = rigorous_models(grey, grey, seen, split, RECIPE, "cpu")
        assert [one.choice.readout for one in found.kept.models] == [best, best]
        assert found.curves["network 1"].validation_loss == losses[best]
        assert not np.array_equal(*(predict(one, grey) for one in found.kept.models))
        assert f"{best} readout, of the lowest loss on validation images" in " ".join(found.notes)


def test_images_without_repeats_are_measured_as_far_as_they_can_be(lake: Lake) -> None:
    session = simulated(replace(PLAN, n_repeats=1, n_blocks=1))
    put_images(lake, "once", session)
    recipes = recipes_of(RECIPE)
    [due] = image_responses_due(lake, recipes, LAB)
    measure_images.fn(due, None, RECIPE)
    found = lake.query("SELECT * FROM derived.unit_reliability ORDER BY unit_id")
    assert found["oracle"].null_count() == len(found)
    assert found["variance"].null_count() == 0
    changing = found.filter(pl.col("variance") > 0)
    assert changing["chosen_by_reliability"].sum() >= len(changing) // 2
    notes = lake.query("SELECT notes FROM findings.studies").item()
    assert "reliability is not measured, and units are chosen by their variance" in notes


def test_grey_pictures_leave_networks_out_and_responses_in(lake: Lake) -> None:
    put_images(lake, "grey", simulated(), pictures=[np.full((16, 24), 127)] * 24)
    rows = study(lake, RECIPE)
    assert len(rows.units) == 5
    assert rows.scores.is_empty()
    assert {(one["kind"], one["protocol"]) for one in rows.excluded.to_dicts()} == {
        ("encoding_models", "rigorous"),
        ("encoding_models", "published"),
    }
    assert all("all pixels of all 24 images are 127" in one for one in rows.excluded["notes"])
    assert any("No model could be trained" in line for line in images_found_lines(rows))


def test_counts_of_a_source_give_all_but_what_needs_spike_times(lake: Lake) -> None:
    put_images(lake, "counts", simulated(), spikes=False, counts=True)
    recipes = recipes_of(RECIPE)
    [due] = image_responses_due(lake, recipes, LAB)
    measure_images.fn(due, None, RECIPE)
    assert lake.query("SELECT count(*) FROM derived.unit_reliability").item() == 5
    assert lake.query("SELECT count(*) FROM derived.spike_counts WHERE NOT starts_with(study_id, 'source')").item() == 0
    assert lake.query("SELECT count(*) FROM derived.raster_order").item() == 0
    assert "no rasters, no PSTHs" in lake.query("SELECT notes FROM findings.studies").item()
    assert [one.protocol for one in training_due(lake, recipes, LAB)] == ["rigorous", "published"]
