"""Refusals of a recording in several files, each naming the file before the place in it."""

from storage.readers.given import Given
from storage.readers.recording import Refusal, Refused


def refused_in(given: Given, name: str) -> Refusal:
    """``given.refused`` for what is read from the file of that name: field ``shape`` becomes ``<name> shape``."""

    def refused(*, field: str, found: str, expected: str) -> Refused:
        place = f"{name} {field.removeprefix('file').strip()}".strip()
        return given.refused(field=place, found=found, expected=expected)

    return refused
