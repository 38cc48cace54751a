"""Tables of what was computed per unit or event."""

from dataclasses import replace

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
        Column("missing_count", "integer", "events left out for missing frames, in this unit", at_least=0),
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

_FEATURE_COLUMNS = RESPONSE_FEATURES.columns[4:]

EVENT_FEATURES = Table(
    "derived.event_features",
    "The sixteen features of each unit's response to each single event; measured on request.",
    key=("study_id", "session_id", "unit_id", "event_id"),
    replaced_by=("study_id", "session_id"),
    columns=(STUDY, SESSION, UNIT, Column("event_id", "bigint", "the event in recorded.events"), *_FEATURE_COLUMNS),
    parents={"recorded.units": ("session_id", "unit_id"), "recorded.events": ("session_id", "event_id")},
)

MEAN_SPIKE_PROB = Table(
    "derived.mean_spike_prob",
    "As derived.mean_responses, of inferred spike probability.",
    key=("study_id", "session_id", "unit_id", "condition", "sample"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        CONDITION,
        Column("sample", "integer", "sample of the window, from 0", at_least=0),
        Column("time_s", "double", "time from event onset", unit="s"),
        Column("mean_spike_prob", "real", "mean over events; NULL without events", unit="spikes/frame", nullable=True),
        Column("sem_spike_prob", "real", "standard error over events", unit="spikes/frame", nullable=True),
        Column("event_count", "integer", "events averaged", at_least=0),
        Column("dropped_count", "integer", "events too near the recording's edge", at_least=0),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

SPIKE_FEATURES = Table(
    "derived.spike_features",
    "The sixteen features of each unit's mean spike probability, and its response magnitude.",
    key=("study_id", "session_id", "unit_id", "condition"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        CONDITION,
        *(
            replace(
                column,
                name=column.name.replace("_dff", "_spike_prob"),
                unit=column.unit and column.unit.replace("dF/F", "spikes/frame"),
            )
            for column in _FEATURE_COLUMNS
        ),
        Column(
            "response_magnitude_spike_prob",
            "double",
            "mean of 0 to 1 s minus mean of -1 to 0 s",
            unit="spikes/frame",
            nullable=True,
        ),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

BEHAVIOR_RESPONSES = Table(
    "derived.behavior_responses",
    "Running speed, pupil and other signals of the animal around events, mean over events.",
    key=("study_id", "session_id", "signal", "condition", "sample"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        Column("signal", "text", "as in recorded.behavior_signals, its unit as suffix"),
        CONDITION,
        Column("sample", "integer", "sample of the window, from 0", at_least=0),
        Column("time_s", "double", "time from event onset", unit="s"),
        Column("mean", "double", "mean over events, baseline not subtracted", nullable=True),
        Column("sem", "double", "standard error over events; NULL with fewer than two", nullable=True),
        Column("event_count", "integer", "events averaged", at_least=0),
        Column("dropped_count", "integer", "events too near the signal's edge", at_least=0),
        Column("missing_count", "integer", "events left out for missing samples", at_least=0),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

UNIT_SCORES = Table(
    "derived.unit_scores",
    "Numbers that describe a unit over a whole study: indices, places on maps, motif, noise.",
    key=("study_id", "session_id", "unit_id", "score"),
    replaced_by=("study_id",),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column(
            "score",
            "text",
            "'omission_index': (O-P)/(O+P) of peaks; 'novelty_index', 'novelty_index_omitted': (N-F)/(N+F) of a cell's "
            "peaks to images, and to omissions, at its first novel session (peaks below 0 count as 0); 'pc_1', 'pc_2', "
            "'umap_1', 'umap_2', 'tsne_1', 'tsne_2': places on maps of mean responses, each in its own s.d.; 'motif': "
            "cluster, 0 the largest; 'motif_silhouette': -1 to 1, how well the unit lies in it; 'noise_level': of "
            "dF/F, in % Hz^-1/2; 'mean_spike_prob_hz': expected spikes per second",
        ),
        Column("value", "double", "as the score's name says, else unitless; NULL where undefined", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

EVENT_RESPONSES = Table(
    "derived.event_responses",
    "Response of each unit to each single event, as a source gives it, or measured on request.",
    key=("study_id", "session_id", "unit_id", "event_id"),
    replaced_by=("study_id", "session_id"),
    columns=(
        STUDY,
        SESSION,
        UNIT,
        Column("event_id", "bigint", "the event in recorded.events", at_least=0),
        Column("mean_dff", "double", "mean over [0, 0.75) s, or the source's window", unit="dF/F", nullable=True),
        Column("baseline_dff", "double", "mean over the window before onset", unit="dF/F", nullable=True),
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
