"""What a person fills in to start a run, as Prefect's page shows it."""

from typing import Any


def as_form(schema: dict[str, Any]) -> None:
    """Give each field its place, and name its limits in its help; for ``json_schema_extra`` of a flow's choice.

    Prefect keeps schemas in Postgres, which orders keys by their length, and its page shows limits only once broken.
    """
    for place, field in enumerate(schema["properties"].values()):
        field["position"] = place
        if "minimum" in field and "maximum" in field:
            field["description"] += f"; from {field['minimum']:g} to {field['maximum']:g}"
