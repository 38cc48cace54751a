"""Tables of the study of response types: what drives each ROI, which ROIs respond, and how they group."""

from storage.declaration import Column, Table
from storage.shared_columns import PROTOCOL, SESSION, STUDY, UNIT, WARNING

_REGRESSOR = Column("regressor", "text", "what may drive the ROI: 'image', 'prey', 'running_speed_cm_per_s'")
_SCOPE = Column("scope", "text", "which ROIs were clustered", one_of=("all", "selected"))
_TYPE = Column(
    "response_type",
    "text",
    "the regressor that drives the ROI most; 'ambiguous': no event clearly more than others; 'none': not selected",
)
_REGION = Column("region", "text", "brain structure of the unit, or else of the session; 'not given' where neither")

REGRESSORS = Table(
    "derived.regressors",
    "The regressors of each session: which events or signal, and through which kernel of the indicator.",
    key=("study_id", "session_id", "regressor"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        _REGRESSOR,
        Column("place", "integer", "its place among the session's regressors, from 0", at_least=0),
        Column("kind", "text", "a train of events, or a signal of the animal", one_of=("events", "signal")),
        Column("kernel", "text", "shape of the indicator's kernel and where its times come from"),
        Column("rise_s", "double", "rise time constant; NULL for decay alone", unit="s", nullable=True, above=0),
        Column("tau_s", "double", "decay time constant; NULL for a signal", unit="s", nullable=True, above=0),
        Column("event_count", "integer", "events within the recording; NULL for a signal", nullable=True, at_least=0),
        Column("outside_count", "integer", "events outside it, left out", nullable=True, at_least=0),
    ),
    parents={"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)},
)

REGRESSOR_FITS = Table(
    "derived.regressor_fits",
    "Linear regression of each ROI on all regressors of its session at once: one row per ROI and regressor.",
    key=("study_id", "session_id", "unit_id", "regressor"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        _REGRESSOR,
        Column("coefficient", "double", "of the regressor; NULL where the ROI can't be fitted", nullable=True),
        Column("standard_error", "double", "of it, robust to autocorrelation", nullable=True, at_least=0),
        Column(
            "mean_response",
            "double",
            "mean of the ROI's signal over the first frames of each event; NULL for signals of the animal",
            nullable=True,
        ),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "findings.studies": ("study_id",)},
)

ROI_TYPES = Table(
    "derived.roi_types",
    "Whether each ROI follows the regressors, by how much, and which of them most.",
    key=("study_id", "session_id", "unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("r2", "double", "share of variance that the fit explains, in sample", nullable=True, at_most=1),
        Column("r2_held_out", "double", "the same on blocks of time held out; NULL under 'published'", nullable=True),
        Column("p", "double", "by circular shifts; NULL under 'published'", nullable=True, at_least=0, at_most=1),
        Column("q", "double", "p corrected for the session's ROIs", nullable=True, at_least=0, at_most=1),
        Column("selected", "boolean", "it follows the regressors by the protocol's rule"),
        _TYPE,
        Column("margin", "double", "largest coefficient minus the second; NULL under 'published'", nullable=True),
        Column("margin_z", "double", "that, in its standard errors", nullable=True),
        Column("note", "text", "why it could not be fitted", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "findings.studies": ("study_id",)},
)

CHANCE_R2 = Table(
    "derived.chance_r2",
    "In-sample r2 under circular shifts of the regressors, pooled over a session's ROIs, as a histogram.",
    key=("study_id", "session_id", "bin"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        Column("bin", "integer", "its number, from 0", at_least=0),
        Column("r2_low", "double", "where it begins", at_least=0, at_most=1),
        Column("r2_high", "double", "where it ends", at_least=0, at_most=1),
        Column("share", "double", "share of the shifts of all ROIs", at_least=0, at_most=1),
    ),
    parents={"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)},
)

ROI_CLUSTERS = Table(
    "derived.roi_clusters",
    "Hierarchical clustering of a session's ROIs by their traces: cluster and place of each.",
    key=("study_id", "session_id", "scope", "unit_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        _SCOPE,
        UNIT,
        Column("cluster", "integer", "number of its cluster, from 1", at_least=1),
        Column("leaf", "integer", "its place in the order of leaves, from 0", at_least=0),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "findings.studies": ("study_id",)},
)

ROI_MERGES = Table(
    "derived.roi_merges",
    "The tree of that clustering, as SciPy's linkage gives it: leaf i is the ROI of the i-th smallest unit_id that "
    "was clustered, n + k the cluster that merge k made.",
    key=("study_id", "session_id", "scope", "merge"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        _SCOPE,
        Column("merge", "integer", "its number, from 0, nearest first", at_least=0),
        Column("first", "integer", "one of the two that were merged", at_least=0),
        Column("second", "integer", "the other", at_least=0),
        Column("distance", "double", "between the two, by the study's metric", nullable=True),
        Column("roi_count", "integer", "ROIs in the new cluster", at_least=2),
    ),
    parents={"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)},
)

CLUSTER_COUNTS = Table(
    "derived.cluster_counts",
    "How well each number of clusters describes a session's ROIs, and which was taken.",
    key=("study_id", "session_id", "scope", "cluster_count"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        _SCOPE,
        Column("cluster_count", "integer", "number of clusters", at_least=1),
        Column("silhouette", "double", "mean over ROIs", nullable=True, at_least=-1, at_most=1),
        Column(
            "stability",
            "double",
            "mean adjusted Rand index with clusterings of draws of the ROIs",
            nullable=True,
            at_most=1,
        ),
        Column("chosen", "boolean", "this number was taken"),
    ),
    parents={"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)},
)

RESPONSE_TYPES = Table(
    "findings.response_types",
    "How many ROIs of each brain region respond, and to what.",
    key=("study_id", "protocol", "region", "response_type"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _REGION,
        _TYPE,
        Column("roi_count", "integer", "ROIs of the type", at_least=0),
        Column("region_roi_count", "integer", "ROIs of the region", at_least=1),
        Column("share", "double", "the first as a share of the second", at_least=0, at_most=1),
        Column("mean_r2", "double", "mean in-sample r2 of the type's ROIs", nullable=True, at_most=1),
        Column("session_count", "integer", "sessions of the region", at_least=1),
        Column("animal_count", "integer", "animals of the region; a session without one counts as one", at_least=1),
    ),
    parents={"findings.studies": ("study_id",)},
)

RESPONSE_TYPE_TESTS = Table(
    "findings.response_type_tests",
    "Whether two brain regions have different shares of ROIs of a type.",
    key=("study_id", "protocol", "response_type", "region_a", "region_b"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        PROTOCOL,
        _TYPE,
        Column("region_a", "text", "one region"),
        Column("region_b", "text", "the other"),
        Column("test", "text", "what was computed", one_of=("welch over animals", "fisher over ROIs")),
        Column("difference", "double", "share in region_a minus share in region_b", at_least=-1, at_most=1),
        Column("ci_low", "double", "lower end of the 95 % interval; NULL where there is none", nullable=True),
        Column("ci_high", "double", "upper end of it", nullable=True),
        Column("p", "double", "two-sided", nullable=True, at_least=0, at_most=1),
        Column("p_holm", "double", "Holm's, over the study's tests of the protocol", nullable=True, at_least=0,
               at_most=1),
        Column("animals_a", "integer", "animals of region_a", at_least=1),
        Column("animals_b", "integer", "animals of region_b", at_least=1),
        WARNING,
    ),
    parents={"findings.studies": ("study_id",)},
)  # fmt: skip
