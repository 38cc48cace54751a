"""Tables of what the experiment gave."""

from storage.declaration import Column, Table
from storage.shared_columns import EXPOSURES, SESSION, UNIT

_EVENT = Column("event_id", "bigint", "number of the event in its session, from 0", at_least=0)
_ATTRIBUTES = Column("attributes", "text", "JSON of whatever else the source says of it", nullable=True)

SESSIONS = Table(
    "recorded.sessions",
    "One row per recording session, with where it came from.",
    key=("session_id",),
    replaced_by=("session_id",),
    columns=(
        SESSION,
        Column("project", "text", "the collection that is analysed together; the source's name in sources.yaml"),
        Column(
            "subject_id", "text", "the animal; NULL for a set of images, or if the source names none", nullable=True
        ),
        Column("cre_line", "text", "driver line of the recorded cells", nullable=True),
        Column("genotype", "text", "full genotype as the file gives it", nullable=True),
        Column("sex", "text", "as the file gives it", nullable=True),
        Column("age_days", "double", "age on the day of the recording", unit="days", nullable=True, at_least=0),
        Column("exposure_level", "text", "image set seen before, or new", nullable=True, one_of=EXPOSURES),
        Column("experience_level", "text", "as the source puts it: 'Familiar', 'Novel 1', 'Novel >1'", nullable=True),
        Column("indicator", "text", "calcium indicator", nullable=True),
        Column("location", "text", "brain area that was recorded", nullable=True),
        Column("imaging_depth_um", "double", "depth of the imaging plane below the pia", unit="um", nullable=True),
        Column("started_at", "timestamptz", "start of the recording", nullable=True),
        Column("simulated", "boolean", "true when no animal was recorded"),
        Column("unit_count", "integer", "units in recorded.units", at_least=0),
        Column("unit_filter", "text", "which of the source's units went in, NULL for all", nullable=True),
        Column("signals", "text", "signals in recorded.traces, by name, with commas between", nullable=True),
        Column("frame_count", "integer", "frames of the trace, NULL without traces", nullable=True, at_least=1),
        Column("rate_hz", "double", "median frame rate, NULL without traces", unit="Hz", nullable=True, above=0),
        Column("metadata", "text", "JSON of whatever else the source says of the session", nullable=True),
        Column("source_uri", "text", "the file or folder that was read"),
        Column("content_sha256", "text", "SHA-256 of that file's bytes; of a folder, of its files' names and hashes"),
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
        SESSION,
        UNIT,
        Column("name", "text", "what the source calls it, where that is no number", nullable=True),
        Column("structure", "text", "brain structure that it lies in, as the source abbreviates it", nullable=True),
        Column("quality", "text", "the sorter's or curator's label: 'good', 'mua', 'unsorted'", nullable=True),
        Column("x_px", "double", "centre of the ROI, across", unit="px", nullable=True),
        Column("y_px", "double", "centre of the ROI, down", unit="px", nullable=True),
        Column("area_px", "double", "pixels in the ROI", unit="px", nullable=True, above=0),
        Column("rate_hz", "double", "mean firing rate as the source gives it", unit="Hz", nullable=True, at_least=0),
        Column("snr", "double", "signal to noise of the waveform", nullable=True),
        Column("isi_violations", "double", "rate of refractory violations, relative", nullable=True, at_least=0),
        Column("presence_ratio", "double", "share of the session with spikes", nullable=True, at_least=0),
        Column("amplitude_cutoff", "double", "estimated share of spikes missed", nullable=True, at_least=0),
        _ATTRIBUTES,
    ),
    parents={"recorded.sessions": ("session_id",)},
)

SIGNALS = (
    "dff",  # change over baseline, a fraction
    "fluorescence",  # of the ROI, as it left the camera
    "neuropil",  # of the ROI's surround
    "demixed",  # overlapping ROIs separated
    "corrected",  # neuropil subtracted
    "denoised",  # a model's calcium
    "deconvolved",  # a model's activity
    "events",  # inferred events
    "filtered_events",  # those, smoothed
    "spike_prob",  # expected spikes per frame, inferred
)

TRACES = Table(
    "recorded.traces",
    "Continuous signals of every unit, long: one row per unit and frame.",
    key=("session_id", "signal", "unit_id", "frame"),
    replaced_by=("session_id",),
    partition=("session_id", "signal"),
    road="files",
    columns=(
        SESSION,
        Column("signal", "text", "what was measured", one_of=SIGNALS),
        UNIT,
        Column("frame", "integer", "frame number from 0, timed in recorded.frames", at_least=0),
        Column("value", "real", "a fraction for 'dff', else in the source's unit; NULL where missing", nullable=True),
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
        SESSION,
        Column("frame", "integer", "frame number from 0", at_least=0),
        Column("time_s", "double", "when the frame was taken", unit="s"),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

FRAME_LABELS = Table(
    "recorded.frame_labels",
    "What the animal did at each frame, as the source labels it.",
    key=("session_id", "frame"),
    replaced_by=("session_id",),
    columns=(
        SESSION,
        Column("frame", "integer", "frame number from 0, timed in recorded.frames", at_least=0),
        Column("label", "integer", "the source's number, 0 for none"),
        Column("label_name", "text", "its meaning: 'none', 'contralateral', 'ipsilateral'", nullable=True),
    ),
    parents={"recorded.frames": ("session_id", "frame")},
)

SNIPPETS = Table(
    "recorded.snippets",
    "Traces that the source cut out around events, long: one row per unit, event and sample.",
    key=("session_id", "unit_id", "event_id", "sample"),
    replaced_by=("session_id",),
    partition=("session_id",),
    road="files",
    columns=(
        SESSION,
        UNIT,
        _EVENT,
        Column("sample", "integer", "sample of the snippet, from 0", at_least=0),
        Column("time_s", "real", "time from event onset", unit="s"),
        Column("value", "real", "dF/F as a fraction; NULL where missing", unit="dF/F", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id"), "recorded.events": ("session_id", "event_id")},
)

SPIKES = Table(
    "recorded.spikes",
    "One row per spike, in order of time within its unit.",
    key=("session_id", "unit_id", "spike"),
    replaced_by=("session_id",),
    partition=("session_id",),
    road="files",
    columns=(
        SESSION,
        UNIT,
        Column("spike", "integer", "number of the spike in its unit, from 0", at_least=0),
        Column("time_s", "double", "when it was fired, on the session's clock", unit="s"),
        Column("amplitude", "real", "in the source's unit", nullable=True),
    ),
    parents={"recorded.units": ("session_id", "unit_id")},
)

EVENTS = Table(
    "recorded.events",
    "What happened at a time: stimuli, omissions, licks, rewards, marks of a log.",
    key=("session_id", "event_id"),
    replaced_by=("session_id",),
    columns=(
        SESSION,
        _EVENT,
        Column(
            "kind",
            "text",
            "what happened; 'stimulus': of a kind that name tells, 'mark': an entry of a log",
            one_of=("image", "omission", "stimulus", "lick", "reward", "optotagging", "mark"),
        ),
        Column("name", "text", "what the source calls it: 'drifting_gratings', 'TONE_RW'", nullable=True),
        Column("source_id", "bigint", "its number in the source's own table", nullable=True),
        Column(
            "onset_s",
            "double",
            "when it began; for an omission, when the image was due; NULL if the source cut its traces out",
            unit="s",
            nullable=True,
        ),
        Column("offset_s", "double", "when it ended; its onset if it has no length", unit="s", nullable=True),
        Column("image_name", "text", "the image shown, NULL for an omission", nullable=True),
        Column("is_change", "boolean", "the image differs from the one before", nullable=True),
        _ATTRIBUTES,
    ),
    parents={"recorded.sessions": ("session_id",)},
)

TRIALS = Table(
    "recorded.trials",
    "One row per trial, with its outcome.",
    key=("session_id", "trial_id"),
    replaced_by=("session_id",),
    columns=(
        SESSION,
        Column("trial_id", "bigint", "the source's number of the trial, or its place from 0", at_least=0),
        Column("start_s", "double", "when it began", unit="s"),
        Column("stop_s", "double", "when it ended", unit="s", nullable=True),
        Column(
            "outcome",
            "text",
            "what came of it",
            nullable=True,
            one_of=(
                "hit",
                "miss",
                "false_alarm",
                "correct_reject",
                "aborted",
                "auto_rewarded",
                "correct",
                "incorrect",
            ),
        ),
        Column("change_s", "double", "when the stimulus changed", unit="s", nullable=True),
        Column("response_s", "double", "when the animal answered", unit="s", nullable=True),
        Column("reward_s", "double", "when it was rewarded", unit="s", nullable=True),
        Column("initial_image_name", "text", "image before the change", nullable=True),
        Column("change_image_name", "text", "image after the change", nullable=True),
        _ATTRIBUTES,
    ),
    parents={"recorded.sessions": ("session_id",)},
)

BEHAVIOR_SIGNALS = Table(
    "recorded.behavior_signals",
    "Signals of the animal, each on its own times, long: one row per signal and sample.",
    key=("session_id", "signal", "sample"),
    replaced_by=("session_id",),
    partition=("session_id",),
    road="files",
    columns=(
        SESSION,
        Column("signal", "text", "what was measured, its unit as suffix: 'running_speed_cm_per_s', 'pupil_area_px2'"),
        Column("sample", "integer", "sample number from 0", at_least=0),
        Column("time_s", "double", "when it was measured", unit="s"),
        Column("value", "double", "in the unit that signal ends with; NULL where missing", nullable=True),
    ),
    parents={"recorded.sessions": ("session_id",)},
)

IMAGES = Table(
    "recorded.images",
    "Pictures: stimuli as the animal saw them, and projections of the imaging plane.",
    key=("session_id", "kind", "image_name"),
    replaced_by=("session_id",),
    columns=(
        SESSION,
        Column("kind", "text", "what it shows", one_of=("stimulus", "projection")),
        Column("image_name", "text", "as in recorded.events for a stimulus"),
        Column("image_index", "integer", "its number in the source's set", nullable=True, at_least=0),
        Column("height_px", "integer", "rows of pixels", unit="px", at_least=1),
        Column("width_px", "integer", "columns of pixels", unit="px", at_least=1),
        Column("channel_count", "integer", "1 for grey, 3 for red, green, blue", at_least=1, at_most=4),
        Column("pixel_type", "text", "type of one value", one_of=("uint8", "uint16", "float32", "float64")),
        Column("pixels", "blob", "values, little-endian, rows down, then columns, then channels"),
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
