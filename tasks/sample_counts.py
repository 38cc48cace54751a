"""On how many animals a test stands, and what stands against taking each cell as one."""

import polars as pl


def sample_counts(rows: pl.DataFrame) -> dict[str, int | None]:
    """Cells, mice and events behind rows of `features_of_project`.

    A ``unit_id`` that comes back in another session of its mouse is the same cell. An event is counted once, however
    many cells met it; None where features came ready-made, without their events.
    """
    events = rows.group_by("session_id", "condition").agg(pl.col("event_count").max())["event_count"]
    return {
        "cell_count": rows.select("mouse_id", "unit_id").n_unique(),
        "mouse_count": rows["mouse_id"].n_unique(),
        "event_count": None if events.null_count() else int(events.sum()),
    }


def independence_warning(rows: pl.DataFrame, residual_dof: float | None) -> str | None:
    """A warning in words when a test has more residual degrees of freedom than mice minus groups of mice.

    Mice are grouped by cre line, the one factor that doesn't vary within a mouse. ``residual_dof`` is None for a
    Wald z, which reckons with infinitely many.
    """
    counts = sample_counts(rows)
    allowed = counts["mouse_count"] - rows["cre_line"].n_unique()
    if residual_dof is not None and residual_dof <= allowed:
        return None
    found = "infinitely many" if residual_dof is None else f"{residual_dof:.0f}"
    return (
        f"takes {counts['cell_count']} cells of {counts['mouse_count']} mice as independent: "
        f"{found} residual degrees of freedom where the animals allow {allowed}"
    )
