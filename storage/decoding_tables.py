"""Tables of decoders: their scores, what they said of each held-out row, and decoding through time."""

from storage.declaration import Column, Table
from storage.shared_columns import CONDITION, EVENTS_BEHIND, EXPOSURES, MICE, PROTOCOL, SESSION, STUDY, UNIT

CLASSIFIER_NAMES = ("dummy", "LR", "DT", "RF", "SVM", "KNN", "GB", "XGB")
_TARGET = Column("target", "text", "what is told: 'condition' or 'cre_line'", one_of=("condition", "cre_line"))
_DECODER = Column("decoder", "text", "classifier; 'dummy' knows only how frequent labels are", one_of=CLASSIFIER_NAMES)
_SCHEME = Column(
    "scheme",
    "text",
    "'leave_one_mouse_out'; 'selection': the same within the training mice, to choose by; 'test': held out; "
    "'notebook_2': the source's second notebook",
    one_of=("leave_one_mouse_out", "selection", "test", "notebook_2"),
)
_FOLD = Column("fold", "text", "the mouse left out, or 'test'")
_LEVEL = Column(
    "level",
    "text",
    "'single_trial': each row one cell's response to one event; 'population': each row all cells of a session",
    one_of=("single_trial", "population"),
)
_TIME_DECODER = Column("decoder", "text", "classifier at each time point", one_of=("logistic", "lda"))
_CRE_LINE = Column("cre_line", "text", "driver line")
_EXPOSURE = Column("exposure_level", "text", "image set seen before, or new", one_of=EXPOSURES)

DECODER_SCORES = Table(
    "findings.decoder_scores",
    "How well each classifier tells conditions, or cre lines, apart, by fold.",
    key=("study_id", "protocol", "target", "decoder", "scheme", "fold"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TARGET,
        _DECODER,
        _SCHEME,
        _FOLD,
        Column("train_count", "integer", "rows learned from", at_least=1),
        Column("test_count", "integer", "rows predicted", at_least=1),
        Column("accuracy", "double", "share of right answers", at_least=0, at_most=1),
        Column("f1", "double", "F1 of label 1", nullable=True, at_least=0, at_most=1),
        Column("roc_auc", "double", "area under the ROC; NULL with one class", nullable=True, at_least=0, at_most=1),
        Column("brier", "double", "mean squared error of probabilities", nullable=True, at_least=0, at_most=1),
        Column("tuned", "text", "JSON of what nested tuning chose within the training mice", nullable=True),
    ),
    parents={"findings.studies": ("study_id",)},
)

DECODER_TESTS = Table(
    "findings.decoder_tests",
    "Each classifier's leave-one-mouse-out score with its interval over mice, against chance by permutation.",
    key=("study_id", "protocol", "target", "decoder"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TARGET,
        _DECODER,
        Column("accuracy", "double", "mean over mice left out", at_least=0, at_most=1),
        Column("ci_low", "double", "95 % bootstrap interval over mice, lower end", nullable=True),
        Column("ci_high", "double", "95 % bootstrap interval over mice, upper end", nullable=True),
        Column("chance_accuracy", "double", "mean over permutations of labels", nullable=True, at_least=0, at_most=1),
        Column(
            "p_permutation", "double", "share of permutations at least as good", nullable=True, at_least=0, at_most=1
        ),
        Column("permutation_count", "integer", "permutations", at_least=0),
        Column("calibration_slope", "double", "of log odds; 1 is calibrated, below 1 too sure", nullable=True),
        Column("calibration_intercept", "double", "of log odds; 0 is calibrated", nullable=True),
        MICE,
        Column("row_count", "integer", "rows predicted", at_least=1),
        Column("notes", "text", "why a number is missing", nullable=True),
    ),
    parents={"findings.studies": ("study_id",)},
)

FEATURE_IMPORTANCE = Table(
    "findings.feature_importance",
    "What held-out accuracy loses when a feature is shuffled in the mouse left out; for lines, drawn from all mice.",
    key=("study_id", "protocol", "target", "decoder", "feature"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TARGET,
        _DECODER,
        Column("feature", "text", "column that the classifier sees"),
        Column("importance", "double", "mean over mice of the loss of accuracy"),
        Column("sd_between_mice", "double", "s.d. of that loss", nullable=True, at_least=0),
        MICE,
    ),
    parents={"findings.studies": ("study_id",)},
)

SPLITS = Table(
    "findings.splits",
    "Whose rows each fold learned from and was tested on.",
    key=("study_id", "protocol", "target", "scheme", "fold", "subject_id", "side"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TARGET,
        _SCHEME,
        _FOLD,
        Column("subject_id", "text", "the mouse"),
        Column("side", "text", "learned from, or tested on", one_of=("train", "test")),
        Column("row_count", "integer", "its rows on that side", at_least=1),
    ),
    parents={"findings.studies": ("study_id",)},
)

PREDICTIONS = Table(
    "findings.predictions",
    "What each classifier said of each held-out row.",
    key=("study_id", "protocol", "target", "decoder", "scheme", "session_id", "unit_id", "condition"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TARGET,
        _DECODER,
        _SCHEME,
        Column("fold", "text", "the fold that held the row out"),
        SESSION,
        UNIT,
        CONDITION,
        Column("truth", "text", "the row's label"),
        Column("predicted", "text", "the classifier's answer"),
        Column("score", "double", "larger means label 1: 'omitted', or the second cre line by alphabet"),
    ),
    parents={"findings.studies": ("study_id",)},
)

TIME_DECODING = Table(
    "findings.time_decoding",
    "Omitted against presented by a decoder of its own at each time point around onset.",
    key=("study_id", "protocol", "level", "decoder", "cre_line", "exposure_level", "time_s"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _LEVEL,
        _TIME_DECODER,
        _CRE_LINE,
        _EXPOSURE,
        Column("time_s", "double", "time from onset", unit="s"),
        Column("auc", "double", "area under the ROC on held-out rows, mean over folds or mice", at_least=0, at_most=1),
        Column("auc_sem", "double", "standard error over folds or mice", nullable=True, at_least=0),
        Column("accuracy", "double", "share of right answers, mean over folds or mice", at_least=0, at_most=1),
        Column("accuracy_sem", "double", "standard error over folds or mice", nullable=True, at_least=0),
        Column("chance_accuracy", "double", "share of the commoner condition among the rows", at_least=0.5, at_most=1),
        Column(
            "p_max",
            "double",
            "p of AUC against the permutations' largest over time",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column("cluster", "integer", "run of points above the cluster threshold, from 0", nullable=True, at_least=0),
        Column(
            "p_cluster",
            "double",
            "p of that run's mass against the permutations' largest",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column("permutation_count", "integer", "permutations behind both p", at_least=0),
        Column("fold_count", "integer", "folds", at_least=2),
        Column("row_count", "integer", "rows decoded", at_least=2),
        MICE,
        EVENTS_BEHIND,
    ),
    parents={"findings.studies": ("study_id",)},
)

TIME_GENERALISATION = Table(
    "findings.time_generalisation",
    "Decoders learned at one time and tested at another.",
    key=("study_id", "protocol", "level", "decoder", "cre_line", "exposure_level", "train_s", "test_s"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _LEVEL,
        _TIME_DECODER,
        _CRE_LINE,
        _EXPOSURE,
        Column("train_s", "double", "time from onset that it learned at", unit="s"),
        Column("test_s", "double", "time from onset that it was tested at", unit="s"),
        Column("auc", "double", "area under the ROC on held-out rows, mean over folds or mice", at_least=0, at_most=1),
    ),
    parents={"findings.studies": ("study_id",)},
)
