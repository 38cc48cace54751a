"""Tables of what was computed per unit or event."""

from storage.declaration import Column, Table
from storage.shared_columns import CONDITION, SESSION, STUDY, UNIT

MEAN_RESPONSES = Table(
    "derived.mean_responses",
    "Event-locked mean response per unit and condition, baseline (mean before 0) subtracted; under 'rigorous' over as "
    "many presented events as omitted ones, since the peak of a mean over few events is higher by noise alone.",
    key=("study_id", "session_id", "unit_id", "condition", "sample"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        CONDITION,
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
        STUDY,
        SESSION,
        UNIT,
        CONDITION,
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

EVENT_RESPONSES = Table(
    "derived.event_responses",
    "Response of each unit to each single event.",
    key=("study_id", "session_id", "unit_id", "event_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("event_id", "bigint", "the event in recorded.events", at_least=0),
        Column("mean_dff", "double", "mean in the window after onset", unit="dF/F", nullable=True),
        Column("baseline_dff", "double", "mean in the window before onset", unit="dF/F", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "recorded.events": ("session_id", "event_id")},
)

SPIKE_COUNTS = Table(
    "derived.spike_counts",
    "Spikes of each unit in a window after each event.",
    key=("study_id", "session_id", "unit_id", "event_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("event_id", "bigint", "the event in recorded.events", at_least=0),
        Column("start_s", "double", "start of the window from onset; NULL if the source doesn't tell", nullable=True),
        Column("stop_s", "double", "end of the window from onset; NULL if the source doesn't tell", nullable=True),
        Column("width_s", "double", "length of the window", unit="s", above=0),
        Column("spike_count", "integer", "spikes in it", at_least=0),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "recorded.events": ("session_id", "event_id")},
)
