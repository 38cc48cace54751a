"""Columns that many tables share: who, which unit, which study, under which protocol, on how many animals."""

from storage.declaration import Column

SESSION = Column("session_id", "text", "<source>-<native id>; the session's name from the file to the registry")
UNIT = Column("unit_id", "bigint", "cell or unit, unique within its session")
STUDY = Column(
    "study_id", "text", "the findings.studies row behind this; 'source:<sha256>' if the file brought it ready-made"
)
CONDITION = Column("condition", "text", "which events were averaged", one_of=("presented", "omitted"))
PROTOCOL = Column(
    "protocol",
    "text",
    "'rigorous': no leakage, nothing extrapolated; 'published': as the source did it",
    one_of=("rigorous", "published"),
)
EXPOSURES = ("familiar", "novel")
CELLS = Column("cell_count", "integer", "cells", at_least=1)
MICE = Column("mouse_count", "integer", "mice", at_least=1)
EVENTS_BEHIND = Column(
    "event_count", "bigint", "events behind the rows; NULL where features came ready-made", nullable=True, at_least=0
)
WARNING = Column("warning", "text", "what stands against taking this at its word", nullable=True)
