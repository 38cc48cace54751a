"""Networks in the model registry: weights as safetensors and their configuration as JSON; nothing pickled is loaded.

A version also holds a small program of ours that serves it (MLflow's models from code), which `NetworkRegistry.network`
never runs.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from storage.registry import ModelVersion, Registry, image_of, version_of
from storage.settings import Settings

EXPERIMENT = "image coding"
WEIGHTS, CONFIGURATION = "weights.safetensors", "configuration.json"


@dataclass(frozen=True, eq=False)
class NetworkTraining:
    """What is kept of one training of networks: rows, their SQL and snapshot, weights, curves, scores and figures.

    ``configuration`` is JSON that, with ``weights`` (safetensors), makes the model again; ``served_by`` the Python file
    that serves it. ``example`` (n, height, width) are images that it takes, and ``predicted`` (n, n_units) what it says
    of them. ``curves`` a value per epoch under each metric's name; ``figures`` PNG bytes under file names.
    """

    model_name: str
    study_id: str
    configuration: Mapping[str, object]
    weights: bytes
    served_by: Path
    example: NDArray[np.float32]
    predicted: NDArray[np.float64]
    rows: pl.DataFrame
    snapshot_id: int
    statement: str
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    figures: Mapping[str, bytes]


@dataclass(frozen=True, eq=False)
class NetworkFiles:
    """A registered network as it stands in the registry."""

    configuration: Mapping
    weights: bytes


class NetworkRegistry(Registry):
    """The registry of encoding models, in an experiment of their own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, EXPERIMENT)

    def register_network(self, training: NetworkTraining) -> ModelVersion:
        """Log a training and register its network as a new version with the alias ``challenger``.

        A study registers once: its version is returned when there is one already.
        """
        if known := self.version_of_study(training.model_name, training.study_id):
            return known
        self._end_those_left_by(training.study_id)
        from mlflow.data.code_dataset_source import CodeDatasetSource

        mlflow = self._mlflow
        tags = {"study_id": training.study_id, "lake_snapshot": str(training.snapshot_id)}
        with (
            tempfile.TemporaryDirectory() as folder,
            mlflow.start_run(experiment_id=self._experiment_id, run_name=training.study_id, tags=tags) as run,
        ):
            mlflow.log_params(dict(training.parameters) | {"lake_snapshot": training.snapshot_id})
            source = CodeDatasetSource({"sql": training.statement, "lake_snapshot": str(training.snapshot_id)})
            mlflow.log_input(mlflow.data.from_polars(training.rows, source=source, name="images"), context="training")
            mlflow.log_text(training.statement, "rows.sql")
            mlflow.log_metrics({name: value for name, value in training.metrics.items() if np.isfinite(value)})
            for name, values in training.curves.items():
                for step, value in enumerate(values, start=1):
                    if np.isfinite(value):
                        mlflow.log_metric(name, value, step=step)
            for name, png in training.figures.items():
                mlflow.log_image(image_of(png), artifact_file=f"figures/{name}.png")
            files = {"weights": Path(folder) / WEIGHTS, "configuration": Path(folder) / CONFIGURATION}
            files["weights"].write_bytes(training.weights)
            files["configuration"].write_text(json.dumps(training.configuration), encoding="utf-8")
            logged = mlflow.pyfunc.log_model(
                name="network",
                python_model=str(training.served_by),
                artifacts={name: str(path) for name, path in files.items()},
                signature=mlflow.models.infer_signature(training.example, training.predicted),
                input_example=training.example,
                pip_requirements=[f"{name}=={version_of(name)}" for name in ("torch", "safetensors", "neurolake")],
            )
        return self._challenger(training.model_name, training.study_id, logged, run.info.run_id)

    def network(self, model: ModelVersion) -> NetworkFiles:
        """Configuration and weights of a version, as bytes and JSON: no code of the version is run.

        Raises FileNotFoundError when the version holds no network of ours.
        """
        folder = self.folder(model)
        found = {name: next(folder.rglob(name), None) for name in (WEIGHTS, CONFIGURATION)}
        if missing := [name for name, path in found.items() if path is None]:
            raise FileNotFoundError(f"{model.name}, version {model.version}, holds no {' and no '.join(missing)}")
        configuration = json.loads(found[CONFIGURATION].read_text(encoding="utf-8"))
        return NetworkFiles(configuration, found[WEIGHTS].read_bytes())
