"""Tables of what was concluded: the studies themselves, and the models that they registered."""

from storage.declaration import Column, Table
from storage.shared_columns import PROTOCOL, STUDY

STUDIES = Table(
    "findings.studies",
    "One row per computation: what ran, on which rows of the lake, with which parameters.",
    key=("study_id",),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        Column(
            "kind",
            "text",
            "what was computed",
            one_of=(
                "responses",
                "omission",
                "regressors",
                "response_types",
                "image_responses",
                "encoding_models",
                "exciting_inputs",
                "image_coding",
            ),
        ),
        Column("project", "text", "the collection of sessions"),
        Column("session_id", "text", "the session, where the study is about one", nullable=True),
        PROTOCOL,
        Column("parameters", "text", "JSON of every parameter"),
        Column("inputs", "text", "JSON list of the study_ids whose rows it read, or of content hashes"),
        Column("code_version", "text", "version of neurolake that ran"),
        Column("snapshot_id", "bigint", "lake snapshot that it read", at_least=0),
        Column("flow_run_id", "text", "Prefect flow run, NULL outside a flow", nullable=True),
        Column("notes", "text", "what could not be computed, and why", nullable=True),
        Column("finished_at", "timestamptz", "when its rows were written"),
    ),
)

PROMOTIONS = Table(
    "findings.promotions",
    "Each model registered, and whether it became champion.",
    key=("study_id",),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        Column("model_name", "text", "name in the MLflow registry"),
        Column("model_version", "integer", "version in the registry", at_least=1),
        Column("decoder", "text", "classifier"),
        Column("mlflow_run_id", "text", "training run"),
        Column("accuracy", "double", "leave-one-mouse-out accuracy on this study's folds", at_least=0, at_most=1),
        Column("champion_version", "integer", "champion it was held against, NULL if none", nullable=True),
        Column("champion_accuracy", "double", "that champion's accuracy on the same folds", nullable=True),
        Column("promoted", "boolean", "it is champion now"),
    ),
    parents={"findings.studies": ("study_id",)},
)
