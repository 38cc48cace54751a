"""Tables of what was concluded."""

from storage.declaration import Column, Table
from storage.shared_columns import CONDITION, EXPOSURES, PROTOCOL, SESSION, STUDY, UNIT

STUDIES = Table(
    "findings.studies",
    "One row per computation: what ran, on which rows of the lake, with which parameters.",
    key=("study_id",),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        Column("kind", "text", "what was computed", one_of=("responses", "omission")),
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

ANOVA = Table(
    "findings.anova",
    "Three-way ANOVA (type II, sum contrasts) over cells: cre line x omitted x exposure.",
    key=("study_id", "measure", "term"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        Column("measure", "text", "column of derived.response_features"),
        Column("term", "text", "factor or interaction; 'residual' for the rest"),
        Column("sum_sq", "double", "sum of squares, in the measure's unit squared", nullable=True),
        Column("dof", "double", "degrees of freedom", at_least=0),
        Column("f", "double", "F statistic", nullable=True),
        Column("p", "double", "p value; takes cells of one mouse as independent", nullable=True, at_least=0, at_most=1),
        Column("cell_count", "integer", "cells", at_least=1),
        Column("mouse_count", "integer", "mice", at_least=1),
    ),
    parents={"findings.studies": ("study_id",)},
)

CONTRASTS = Table(
    "findings.contrasts",
    "Omitted minus presented within each mouse, tested over mice.",
    key=("study_id", "measure", "cre_line", "exposure_level"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        Column("measure", "text", "column of derived.response_features"),
        Column("cre_line", "text", "driver line"),
        Column("exposure_level", "text", "image set seen before, or new", one_of=EXPOSURES),
        Column("difference", "double", "mean over mice of omitted minus presented, in the measure's unit"),
        Column("ci_low", "double", "95 % interval over mice (t), lower end"),
        Column("ci_high", "double", "95 % interval over mice (t), upper end"),
        Column("t", "double", "t statistic on mice", nullable=True),
        Column("dof", "integer", "mice minus one", at_least=1),
        Column("p", "double", "two-sided p of that t", nullable=True, at_least=0, at_most=1),
        Column("p_holm", "double", "p after Holm over all contrasts", nullable=True, at_least=0, at_most=1),
        Column("p_sign_flip", "double", "p by flipping the signs of whole mice", at_least=0, at_most=1),
        Column("mouse_count", "integer", "mice", at_least=2),
        Column("cell_count", "integer", "cells with both conditions", at_least=1),
        Column("excluded_cell_count", "integer", "cells with one condition only", at_least=0),
    ),
    parents={"findings.studies": ("study_id",)},
)

DECODER_SCORES = Table(
    "findings.decoder_scores",
    "How well each classifier tells omitted from presented, by fold.",
    key=("study_id", "protocol", "decoder", "scheme", "fold"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        Column("decoder", "text", "classifier", one_of=("LR", "DT", "RF", "SVM", "KNN", "GB", "XGB")),
        Column(
            "scheme",
            "text",
            "'leave_one_mouse_out'; 'selection': the same within the training mice, to choose by; 'test': held out",
            one_of=("leave_one_mouse_out", "selection", "test"),
        ),
        Column("fold", "text", "the mouse left out, or 'test'"),
        Column("train_count", "integer", "rows learned from", at_least=1),
        Column("test_count", "integer", "rows predicted", at_least=1),
        Column("accuracy", "double", "share of right answers", at_least=0, at_most=1),
        Column("f1", "double", "F1 of 'omitted'", nullable=True, at_least=0, at_most=1),
        Column("roc_auc", "double", "area under the ROC; NULL with one class", nullable=True, at_least=0, at_most=1),
    ),
    parents={"findings.studies": ("study_id",)},
)

PREDICTIONS = Table(
    "findings.predictions",
    "What each classifier said of each held-out row.",
    key=("study_id", "protocol", "decoder", "scheme", "session_id", "unit_id", "condition"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        Column("decoder", "text", "classifier"),
        Column("scheme", "text", "as in findings.decoder_scores"),
        Column("fold", "text", "the fold that held the row out"),
        SESSION,
        UNIT,
        CONDITION,
        Column("predicted", "text", "the classifier's answer", one_of=("presented", "omitted")),
        Column("score", "double", "larger means 'omitted'; probability, or distance for SVM"),
    ),
    parents={"findings.studies": ("study_id",)},
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
