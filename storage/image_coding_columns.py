"""Columns and parents that tables of image coding share."""

from storage.declaration import Column

OF_UNITS = {"recorded.units": ("session_id", "unit_id"), "findings.studies": ("study_id",)}
OF_SESSIONS = {"recorded.sessions": ("session_id",), "findings.studies": ("study_id",)}
MODEL = Column("model", "text", "what predicts: 'network 1', 'mean of 2 networks', 'ridge on pixels'")


def correlation(name: str, meaning: str) -> Column:
    """A correlation, which may be undefined."""
    return Column(name, "double", meaning, nullable=True, at_least=-1, at_most=1)


def number(name: str, meaning: str, unit: str | None = None, at_least: float | None = None) -> Column:
    """A number that may be undefined."""
    return Column(name, "double", meaning, unit=unit, nullable=True, at_least=at_least)
