"""How MLflow serves a registered encoding model: the program that stands beside its weights in the registry.

Takes grey images (n, height, width), 0 to 255, and gives predicted mean counts (n, n_units).
"""

import json
from pathlib import Path

import mlflow
import numpy as np
from mlflow.pyfunc import PythonModel

from models.encoding_model import predict, rebuilt


class ServedNetwork(PythonModel):
    """An encoding model made again from safetensors and JSON."""

    def load_context(self, context) -> None:
        """Read both files."""
        said = json.loads(Path(context.artifacts["configuration"]).read_text(encoding="utf-8"))
        self._model = rebuilt(said["model"], Path(context.artifacts["weights"]).read_bytes())

    def predict(self, context, model_input: np.ndarray) -> np.ndarray:
        """Mean counts (n, n_units) for grey images (n, height, width)."""
        return predict(self._model, np.asarray(model_input, np.float32))


mlflow.models.set_model(ServedNetwork())
