"""The model registry: MLflow runs with the rows that made each model, skops files, challenger and champion.

`python -m storage.registry` opens the registry's page.
"""

import argparse
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from filelock import FileLock
from PIL import Image

from storage.settings import Settings

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from sklearn.pipeline import Pipeline

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

# What a stored decoder may hold beyond skops' own list. The list inside a model is not believed.
TRUSTED_TYPES = (
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)
EXPERIMENT = "omission decoders"


@dataclass(frozen=True)
class Training:
    """What is kept of one training: the rows, their SQL and snapshot, the fitted decoder, its scores and figures.

    ``rows`` are what the decoder was fitted on, with ``target`` among the columns; ``columns`` those it reads;
    ``fold_metrics`` a value per fold under each metric's name; ``figures`` PNG bytes under file names.
    """

    model_name: str
    study_id: str
    decoder: "Pipeline"
    rows: pl.DataFrame
    columns: Sequence[str]
    target: str
    snapshot_id: int
    statement: str
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    fold_metrics: Mapping[str, Sequence[float]]
    figures: Mapping[str, bytes]


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: int
    run_id: str


class Registry:
    """MLflow as the settings say: a server's address, or SQLite and a folder of artifacts."""

    def __init__(self, settings: Settings, experiment: str = EXPERIMENT) -> None:
        import mlflow

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        # Its warning that the example can't be served is ours by choice: serving would unpickle.
        logging.getLogger("mlflow.models.model").setLevel(logging.ERROR)
        self._mlflow = mlflow
        self.address = settings.mlflow_address
        local = settings.mlflow is None
        if local:
            settings.mlflow_folder.mkdir(parents=True, exist_ok=True)
        lock_file = (settings.mlflow_folder if local else settings.cache_folder) / "migration.lock"
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        # The first client of a database migrates it, and two at once break each other's migration.
        with FileLock(lock_file):
            mlflow.set_tracking_uri(self.address)
            self._client = mlflow.MlflowClient(self.address)
            found = self._client.get_experiment_by_name(experiment)
            artifacts = (settings.mlflow_folder / "artifacts").as_uri() if local else None
            self._experiment_id = (
                found.experiment_id
                if found
                else self._client.create_experiment(experiment, artifact_location=artifacts)
            )

    def register(self, training: Training) -> ModelVersion:
        """Log a training and register its decoder as a new version with the alias ``challenger``.

        A study registers once: its version is returned when there is one already.
        """
        if known := self.version_of_study(training.model_name, training.study_id):
            return known
        self._end_those_left_by(training.study_id)
        from mlflow.data.code_dataset_source import CodeDatasetSource

        mlflow = self._mlflow
        example = training.rows.select(training.columns).head(5).to_pandas()
        tags = {"study_id": training.study_id, "lake_snapshot": str(training.snapshot_id)}
        with mlflow.start_run(experiment_id=self._experiment_id, run_name=training.study_id, tags=tags) as run:
            mlflow.log_params(dict(training.parameters) | {"lake_snapshot": training.snapshot_id})
            source = CodeDatasetSource({"sql": training.statement, "lake_snapshot": str(training.snapshot_id)})
            rows = mlflow.data.from_polars(
                training.rows, source=source, targets=training.target, name="response features"
            )
            mlflow.log_input(rows, context="training")
            mlflow.log_text(training.statement, "rows.sql")
            mlflow.log_metrics(dict(training.metrics))
            for name, values in training.fold_metrics.items():
                for fold, value in enumerate(values):
                    mlflow.log_metric(name, value, step=fold)
            for name, png in training.figures.items():
                mlflow.log_image(image_of(png), artifact_file=f"figures/{name}.png")
            logged = mlflow.sklearn.log_model(
                training.decoder,
                name="decoder",
                serialization_format="skops",
                skops_trusted_types=list(TRUSTED_TYPES),
                signature=mlflow.models.infer_signature(example, training.decoder.predict(example)),
                input_example=example,
                pip_requirements=[f"{name}=={version_of(name)}" for name in ("scikit-learn", "skops", "xgboost-cpu")],
            )
        return self._challenger(training.model_name, training.study_id, logged, run.info.run_id)

    def version_of_study(self, model_name: str, study_id: str) -> ModelVersion | None:
        """The version that a study registered, if it did."""
        for found in self._client.search_model_versions(f"name = '{model_name}'"):
            if found.tags.get("study_id") == study_id:
                return ModelVersion(model_name, int(found.version), found.run_id)
        return None

    def champion(self, model_name: str) -> ModelVersion | None:
        """The version with the alias ``champion``, if there is one."""
        with self._unless("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            found = self._client.get_model_version_by_alias(model_name, "champion")
            return ModelVersion(model_name, int(found.version), found.run_id)
        return None

    def _challenger(self, model_name: str, study_id: str, logged: "ModelInfo", run_id: str) -> ModelVersion:
        """A logged model as a new version with the alias ``challenger``."""
        with self._unless("RESOURCE_ALREADY_EXISTS"):
            self._client.create_registered_model(model_name)
        version = self._client.create_model_version(
            model_name, logged.model_uri, run_id, tags={"study_id": study_id}, model_id=logged.model_id
        )
        self._client.set_registered_model_alias(model_name, "challenger", version.version)
        return ModelVersion(model_name, int(version.version), run_id)

    def _end_those_left_by(self, study_id: str) -> None:
        """A training that was killed leaves its run open for ever."""
        left = f"tags.study_id = '{study_id}' and attributes.status = 'RUNNING'"
        for run in self._client.search_runs([self._experiment_id], left):
            self._client.set_terminated(run.info.run_id, "KILLED")

    @contextmanager
    def _unless(self, *codes: str) -> Iterator[None]:
        """Pass over MLflow's answers with these error codes, and no others: an outage isn't an answer."""
        try:
            yield
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code not in codes:
                raise

    def crown(self, model: ModelVersion) -> None:
        """Give a version the alias ``champion``, taking it from the one that had it."""
        self._client.set_registered_model_alias(model.name, "champion", str(model.version))

    def decoder(self, model: ModelVersion) -> "Pipeline":
        """The stored pipeline, loaded by skops with our own list of trusted types.

        Raises skops.io.exceptions.UntrustedTypesFoundException when the file holds anything else.
        """
        import skops.io  # which takes six seconds to import, and most runs load no decoder

        return skops.io.load(next(self.folder(model).glob("*.skops")), trusted=list(TRUSTED_TYPES))

    def folder(self, model: ModelVersion) -> Path:
        """Folder with the version's files, downloaded when the registry is a server."""
        return Path(self._mlflow.artifacts.download_artifacts(f"models:/{model.name}/{model.version}"))


def version_of(distribution: str) -> str:
    return metadata.version(distribution)


def image_of(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def main() -> None:
    """Open the registry's page and stay until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m storage.registry", description=main.__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")
    port = parser.parse_args().port
    settings = Settings()
    if settings.mlflow is not None:
        print(f"the registry is at {settings.mlflow}")
        return
    Registry(settings)
    print(f"models   http://127.0.0.1:{port}   (stop with Ctrl-C)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", settings.mlflow_address, "--workers", "1"]
    command += ["--default-artifact-root", (settings.mlflow_folder / "artifacts").as_uri()]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
