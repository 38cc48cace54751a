"""Every table of the lake, each declared once: DDL, Arrow schemas, comments, checks and the dictionary follow."""

from storage.declaration import Table
from storage.derived_tables import EVENT_RESPONSES, MEAN_RESPONSES, RESPONSE_FEATURES, SPIKE_COUNTS
from storage.findings_tables import ANOVA, CONTRASTS, DECODER_SCORES, PREDICTIONS, PROMOTIONS, STUDIES
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
    SPIKE_COUNTS,
    STUDIES,
    ANOVA,
    CONTRASTS,
    DECODER_SCORES,
    PREDICTIONS,
    PROMOTIONS,
)
TABLE_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
