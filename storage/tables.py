"""Every table of the lake, declared once: DDL, Arrow schemas, comments, checks and the data dictionary follow."""

from storage.declaration import Column, Table

_SESSION = Column("session_id", "text", "<source>-<native id>; the session's name from the file to the registry")
_UNIT = Column("unit_id", "bigint", "cell or unit, unique within its session")
_STUDY = Column(
    "study_id", "text", "the findings.studies row behind this; 'source:<sha256>' if the file brought it ready-made"
)
_CONDITION = Column("condition", "text", "which events were averaged", one_of=("presented", "omitted"))
_PROTOCOL = Column(
    "protocol",
    "text",
    "'rigorous': no leakage, nothing extrapolated; 'published': as the source did it",
    one_of=("rigorous", "published"),
)
_EXPOSURES = ("familiar", "novel")

SESSIONS = Table(
    "recorded.sessions",
    "One row per recording session, with where it came from.",
    key=("session_id",),
    replaced_by=("session_id",),
    columns=(
        _SESSION,
        Column("project", "text", "the collection that is analysed together; the source's name in sources.yaml"),
        Column("subject_id", "text", "the animal"),
        Column("cre_line", "text", "driver line of the recorded cells", nullable=True),
        Column("genotype", "text", "full genotype as the file gives it", nullable=True),
        Column("sex", "text", "as the file gives it", nullable=True),
        Column("exposure_level", "text", "image set seen before, or new", nullable=True, one_of=_EXPOSURES),
        Column("indicator", "text", "calcium indicator", nullable=True),
        Column("location", "text", "brain area that was imaged", nullable=True),
        Column("started_at", "timestamptz", "start of the recording", nullable=True),
        Column("simulated", "boolean", "true when no animal was recorded"),
        Column("unit_count", "integer", "units in recorded.units", at_least=0),
        Column("frame_count", "integer", "frames of the trace, NULL without traces", nullable=True, at_least=1),
        Column("rate_hz", "double", "median frame rate, NULL without traces", unit="Hz", nullable=True, above=0),
        Column("source_uri", "text", "the file that was read"),
        Column("content_sha256", "text", "SHA-256 of that file's bytes"),
        Column("reader", "text", "module of storage/readers that read it"),
        Column("reader_version", "integer", "raised when that reader reads differently", at_least=1),
    ),
)

UNITS = Table(
    "recorded.units",
    "One row per cell or unit of a session.",
    key=("session_id", "unit_id"),
    replaced_by=("session_id",),
    columns=(
        _SESSION,
        _UNIT,
        Column("x_px", "double", "centre of the ROI, across", unit="px", nullable=True),
        Column("y_px", "double", "centre of the ROI, down", unit="px", nullable=True),
        Column("area_px", "double", "pixels in the ROI", unit="px", nullable=True, above=0),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

TRACES = Table(
    "recorded.traces",
    "Continuous signals of every unit, long: one row per unit and frame.",
    key=("session_id", "signal", "unit_id", "frame"),
    replaced_by=("session_id",),
    partition=("session_id", "signal"),
    road="files",
    columns=(
        _SESSION,
        Column("signal", "text", "what was measured", one_of=("dff",)),
        _UNIT,
        Column("frame", "integer", "frame number from 0, timed in recorded.frames", at_least=0),
        Column("value", "real", "dF/F as a fraction; NULL where missing", unit="dF/F", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

FRAMES = Table(
    "recorded.frames",
    "Time of each frame on the session's own clock.",
    key=("session_id", "frame"),
    replaced_by=("session_id",),
    partition=("session_id",),
    columns=(
        _SESSION,
        Column("frame", "integer", "frame number from 0", at_least=0),
        Column("time_s", "double", "when the frame was taken", unit="s"),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

EVENTS = Table(
    "recorded.events",
    "Stimulus presentations and omissions.",
    key=("session_id", "event_id"),
    replaced_by=("session_id",),
    columns=(
        _SESSION,
        Column("event_id", "bigint", "number of the event in its session, from 0", at_least=0),
        Column("kind", "text", "what happened", one_of=("image", "omission")),
        Column("onset_s", "double", "when it began; for an omission, when the image was due", unit="s"),
        Column("offset_s", "double", "when it ended", unit="s"),
        Column("image_name", "text", "the image shown, NULL for an omission", nullable=True),
        Column("is_change", "boolean", "the image differs from the one before", nullable=True),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

REJECTED = Table(
    "recorded.rejected",
    "Files that could not go in, and why; a file leaves this table when it is read.",
    key=("source_uri",),
    replaced_by=("source_uri",),
    columns=(
        Column("source_uri", "text", "the file"),
        Column("content_sha256", "text", "SHA-256 of its bytes, NULL when they could not be read", nullable=True),
        Column("reader", "text", "reader that refused it, NULL when none knows the format", nullable=True),
        Column("reader_version", "integer", "that reader's version", nullable=True),
        Column("field", "text", "where in the file"),
        Column("found", "text", "what stands there"),
        Column("expected", "text", "what should"),
        Column("rejected_at", "timestamptz", "when it was refused"),
    ),
)

MEAN_RESPONSES = Table(
    "derived.mean_responses",
    "Event-locked mean response per unit and condition, baseline (mean before 0) subtracted; under 'rigorous' over as "
    "many presented events as omitted ones, since the peak of a mean over few events is higher by noise alone.",
    key=("study_id", "session_id", "unit_id", "condition", "sample"),
    replaced_by=("study_id", "session_id"),
    columns=(
        _STUDY,
        _SESSION,
        _UNIT,
        _CONDITION,
        Column("sample", "integer", "sample of the window, from 0", at_least=0),
        Column("time_s", "double", "time from event onset", unit="s"),
        Column("mean_dff", "real", "mean over events; NULL where no event had data", unit="dF/F", nullable=True),
        Column("sem_dff", "real", "standard error over events; NULL with fewer than two", unit="dF/F", nullable=True),
        Column("event_count", "integer", "events averaged", at_least=0),
        Column("dropped_count", "integer", "events too near the recording's edge", at_least=0),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

RESPONSE_FEATURES = Table(
    "derived.response_features",
    "Sixteen features of each unit's mean response, from 1 s before to 2 s after onset.",
    key=("study_id", "session_id", "unit_id", "condition"),
    replaced_by=("study_id", "session_id"),
    columns=(
        _STUDY,
        _SESSION,
        _UNIT,
        _CONDITION,
        Column("auc_dff_s", "double", "Simpson integral over the window", unit="dF/F s", nullable=True),
        Column("peak_dff", "double", "largest value", unit="dF/F", nullable=True),
        Column("peak_latency_s", "double", "time of the largest value from onset", unit="s", nullable=True),
        Column("trough_dff", "double", "smallest value", unit="dF/F", nullable=True),
        Column("trough_latency_s", "double", "time of the smallest value from onset", unit="s", nullable=True),
        Column("peak_to_trough_dff", "double", "largest minus smallest value", unit="dF/F", nullable=True),
        Column("slope_dff_per_s", "double", "least-squares slope over 0-0.2 s", unit="dF/F / s", nullable=True),
        Column("fwhm_s", "double", "last minus first time at or above half the peak", unit="s", nullable=True),
        Column("energy_dff2", "double", "sum of squares over the samples", unit="(dF/F)^2", nullable=True),
        Column("mean_0_500ms_dff", "double", "mean over [0, 0.5) s", unit="dF/F", nullable=True),
        Column("mean_500_1000ms_dff", "double", "mean over [0.5, 1.0) s", unit="dF/F", nullable=True),
        Column("skewness", "double", "biased skewness of the samples", nullable=True),
        Column("kurtosis", "double", "biased excess kurtosis (Fisher) of the samples", nullable=True),
        Column("zero_crossings", "integer", "changes of sign between samples", nullable=True, at_least=0),
        Column("rise_time_s", "double", "first time at 90 % minus first at 10 % of the range", unit="s", nullable=True),
        Column("decay_time_s", "double", "from the peak to half of it; 0 if never reached", unit="s", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

STUDIES = Table(
    "findings.studies",
    "One row per computation: what ran, on which rows of the lake, with which parameters.",
    key=("study_id",),
    replaced_by=("study_id",),
    columns=(
        _STUDY,
        Column("kind", "text", "what was computed", one_of=("responses", "omission")),
        Column("project", "text", "the collection of sessions"),
        Column("session_id", "text", "the session, where the study is about one", nullable=True),
        _PROTOCOL,
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
        _STUDY,
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
        _STUDY,
        Column("measure", "text", "column of derived.response_features"),
        Column("cre_line", "text", "driver line"),
        Column("exposure_level", "text", "image set seen before, or new", one_of=_EXPOSURES),
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
        _STUDY,
        _PROTOCOL,
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
        _STUDY,
        _PROTOCOL,
        Column("decoder", "text", "classifier"),
        Column("scheme", "text", "as in findings.decoder_scores"),
        Column("fold", "text", "the fold that held the row out"),
        _SESSION,
        _UNIT,
        _CONDITION,
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
        _STUDY,
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

TABLES: tuple[Table, ...] = (
    SESSIONS,
    UNITS,
    TRACES,
    FRAMES,
    EVENTS,
    REJECTED,
    MEAN_RESPONSES,
    RESPONSE_FEATURES,
    STUDIES,
    ANOVA,
    CONTRASTS,
    DECODER_SCORES,
    PREDICTIONS,
    PROMOTIONS,
)
TABLE_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
