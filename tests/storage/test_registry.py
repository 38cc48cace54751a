"""The model registry: real MLflow on SQLite, skops files, aliases."""

import io

import numpy as np
import polars as pl
import pytest
import skops.io
from PIL import Image
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io.exceptions import UntrustedTypesFoundException

from models.decoders import CLASSIFIERS, build_decoder
from storage.registry import TRUSTED_TYPES, Registry, Training
from storage.settings import Settings

COLUMNS = ("peak_dff", "auc_dff_s", "cre_line", "exposure_level")


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "peak_dff": rng.normal(size=80),
            "auc_dff_s": rng.normal(size=80),
            "cre_line": ["Vip-IRES-Cre", "Sst-IRES-Cre"] * 40,
            "exposure_level": ["familiar", "novel", "novel", "familiar"] * 20,
            "omitted": rng.integers(0, 2, 80),
        }
    )


def training(rows: pl.DataFrame, decoder: str, study_id: str) -> Training:
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    return Training(
        model_name="decoder-under-test",
        study_id=study_id,
        decoder=build_decoder(decoder, COLUMNS).fit(rows.to_pandas(), rows["omitted"].to_numpy()),
        rows=rows,
        columns=COLUMNS,
        target="omitted",
        snapshot_id=7,
        statement="SELECT 1 AS omitted",
        parameters={"protocol": "rigorous"},
        metrics={"leave_one_mouse_out_accuracy": 0.75},
        fold_metrics={"fold_accuracy": [0.5, 1.0]},
        figures={"roc": png.getvalue()},
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(Settings(home=tmp_path_factory.mktemp("registry")))


@pytest.mark.parametrize("decoder", CLASSIFIERS)
def test_each_decoder_comes_back_with_the_same_answers(registry: Registry, rows: pl.DataFrame, decoder: str) -> None:
    logged = training(rows, decoder, f"study-{decoder}")
    loaded = registry.decoder(registry.register(logged))
    X = rows.to_pandas()
    assert (loaded.predict(X) == logged.decoder.predict(X)).all()


def test_a_run_keeps_what_made_its_model(registry: Registry, rows: pl.DataFrame) -> None:
    model = registry.register(training(rows, "LR", "study-traced"))
    run = registry._client.get_run(model.run_id)
    assert run.data.tags["study_id"] == "study-traced"
    assert run.data.params["lake_snapshot"] == "7"
    assert run.data.params["protocol"] == "rigorous"
    assert [m.value for m in registry._client.get_metric_history(model.run_id, "fold_accuracy")] == [0.5, 1.0]
    source = run.inputs.dataset_inputs[0].dataset
    assert "SELECT 1 AS omitted" in source.source
    assert {file.path for file in registry._client.list_artifacts(model.run_id)} >= {"rows.sql", "figures"}


def test_a_study_registers_once(registry: Registry, rows: pl.DataFrame) -> None:
    first = registry.register(training(rows, "LR", "study-once"))
    assert registry.register(training(rows, "DT", "study-once")) == first


def test_the_newest_version_is_challenger_and_the_crowned_one_champion(registry: Registry, rows: pl.DataFrame) -> None:
    first = registry.register(training(rows, "LR", "study-first"))
    registry.crown(first)
    second = registry.register(training(rows, "DT", "study-second"))
    assert registry.champion("decoder-under-test") == first
    challenger = registry._client.get_model_version_by_alias("decoder-under-test", "challenger")
    assert int(challenger.version) == second.version
    assert registry.champion("no-such-model") is None


def test_a_model_file_with_another_type_is_refused(registry: Registry, rows: pl.DataFrame) -> None:
    model = registry.register(training(rows, "LR", "study-tampered"))
    stored = next(registry.folder(model).glob("*.skops"))
    skops.io.dump(Pipeline([("run", FunctionTransformer(func=np.testing.assert_equal))]), stored)
    with pytest.raises(UntrustedTypesFoundException):
        registry.decoder(model)


def test_the_trusted_types_are_those_that_the_decoders_need(rows: pl.DataFrame) -> None:
    needed: set[str] = set()
    for name in CLASSIFIERS:
        fitted = build_decoder(name, COLUMNS).fit(rows.to_pandas(), rows["omitted"].to_numpy())
        needed |= set(skops.io.get_untrusted_types(data=skops.io.dumps(fitted)))
    assert needed == set(TRUSTED_TYPES)
