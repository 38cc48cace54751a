"""Every table of the lake, each declared once: DDL, Arrow schemas, comments, checks and the dictionary follow."""

from storage.declaration import Table
from storage.decoding_tables import (
    DECODER_SCORES,
    DECODER_TESTS,
    FEATURE_IMPORTANCE,
    PREDICTIONS,
    SPLITS,
    TIME_DECODING,
    TIME_GENERALISATION,
)
from storage.derived_tables import (
    BEHAVIOR_RESPONSES,
    EVENT_FEATURES,
    EVENT_RESPONSES,
    MEAN_RESPONSES,
    MEAN_SPIKE_PROB,
    RESPONSE_FEATURES,
    SPIKE_COUNTS,
    SPIKE_FEATURES,
    UNIT_SCORES,
)
from storage.effect_tables import ANOVA, CONTRASTS, GROUP_TESTS, MIXED_EFFECTS
from storage.findings_tables import PROMOTIONS, STUDIES
from storage.recorded_tables import (
    BEHAVIOR_SIGNALS,
    EVENTS,
    FRAME_LABELS,
    FRAMES,
    IMAGES,
    REJECTED,
    SESSIONS,
    SNIPPETS,
    SPIKES,
    TRACES,
    TRIALS,
    UNITS,
)

TABLES: tuple[Table, ...] = (
    SESSIONS,
    UNITS,
    TRACES,
    FRAMES,
    FRAME_LABELS,
    SNIPPETS,
    SPIKES,
    EVENTS,
    TRIALS,
    BEHAVIOR_SIGNALS,
    IMAGES,
    REJECTED,
    MEAN_RESPONSES,
    RESPONSE_FEATURES,
    EVENT_RESPONSES,
    EVENT_FEATURES,
    MEAN_SPIKE_PROB,
    SPIKE_FEATURES,
    BEHAVIOR_RESPONSES,
    UNIT_SCORES,
    SPIKE_COUNTS,
    STUDIES,
    ANOVA,
    CONTRASTS,
    GROUP_TESTS,
    MIXED_EFFECTS,
    DECODER_SCORES,
    DECODER_TESTS,
    FEATURE_IMPORTANCE,
    SPLITS,
    PREDICTIONS,
    TIME_DECODING,
    TIME_GENERALISATION,
    PROMOTIONS,
)
TABLE_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
