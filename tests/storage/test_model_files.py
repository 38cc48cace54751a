"""Networks in the registry: as bytes and JSON, once for each study, with what made them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load, save

from storage.model_files import NetworkRegistry, NetworkTraining
from storage.settings import Settings

SERVED = """
import mlflow
import numpy as np
from mlflow.pyfunc import PythonModel


class Mean(PythonModel):
    def predict(self, context, model_input: np.ndarray) -> np.ndarray:
        return model_input.mean(axis=(1, 2))[:, None].astype(float)


mlflow.models.set_model(Mean())
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> NetworkRegistry:
    return NetworkRegistry(Settings(home=tmp_path_factory.mktemp("registry"), threads=1))


def training(folder: Path, study_id: str, value: float = 1.0) -> NetworkTraining:
    served = folder / "served.py"
    served.write_text(SERVED)
    example = np.full((2, 3, 4), 2.0, np.float32)
    return NetworkTraining(
        model_name="net",
        study_id=study_id,
        configuration={"unit_id": [1, 2]},
        weights=save({"weight": torch.full((2,), value)}),
        served_by=served,
        example=example,
        predicted=example.mean(axis=(1, 2))[:, None].astype(float),
        rows=pl.DataFrame({"image_name": ["a", "b"], "side": ["train", "test"]}),
        snapshot_id=3,
        statement="SELECT 1",
        parameters={"protocol": "rigorous"},
        metrics={"score": 0.5, "undefined": float("nan")},
        curves={"loss": [2.0, 1.0]},
        figures={},
    )


def test_weights_and_configuration_come_back_and_a_study_registers_once(
    registry: NetworkRegistry, tmp_path: Path
) -> None:
    first = registry.register_network(training(tmp_path, "study-1", 1.5))
    assert registry.register_network(training(tmp_path, "study-1")) == first
    kept = registry.network(first)
    assert kept.configuration == {"unit_id": [1, 2]}
    assert load(kept.weights)["weight"].tolist() == [1.5, 1.5]
    second = registry.register_network(training(tmp_path, "study-2"))
    assert second.version == first.version + 1
    assert registry.champion("net") is None
    registry.crown(first)
    assert registry.champion("net") == first
    run = registry._client.get_run(first.run_id)
    assert run.data.params == {"protocol": "rigorous", "lake_snapshot": "3"}
    assert run.data.metrics["score"] == 0.5
    assert "undefined" not in run.data.metrics
    assert [point.value for point in registry._client.get_metric_history(first.run_id, "loss")] == [2.0, 1.0]
    source = json.loads(run.inputs.dataset_inputs[0].dataset.source)
    assert source["tags"] == {"sql": "SELECT 1", "lake_snapshot": "3"}


def test_a_version_without_our_files_is_refused(registry: NetworkRegistry, tmp_path: Path) -> None:
    version = registry.register_network(training(tmp_path, "study-3"))
    next(registry.folder(version).rglob("weights.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no weights\.safetensors"):
        registry.network(version)
