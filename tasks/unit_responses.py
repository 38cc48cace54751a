"""Mean responses of the lake as matrices: a row for each unit in a session, presented and omitted side by side."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

ABOUT = ("session_id", "unit_id", "mouse_id", "cre_line", "exposure_level")


@dataclass(frozen=True, eq=False)
class UnitResponses:
    """Mean responses on one grid of times.

    ``units`` has a row for each unit in a session (a cell seen in two sessions has two), with the columns ``ABOUT``;
    ``times_s`` (n_samples,), seconds from onset; ``presented`` and ``omitted`` (n_units, n_samples), dF/F or whatever
    was averaged. ``left_out_count``: units without both conditions, with a sample missing, or on another grid.
    """

    units: pl.DataFrame
    times_s: NDArray[np.float64]
    presented: NDArray[np.float64]
    omitted: NDArray[np.float64]
    left_out_count: int

    @property
    def rows(self) -> NDArray[np.float64]:
        """Presented and omitted one after the other, (n_units, 2 * n_samples)."""
        return np.concatenate([self.presented, self.omitted], axis=1)


def unit_responses(responses: pl.DataFrame, value: str = "mean_dff") -> UnitResponses:
    """Those units of an answer of `unit_mean_responses` that have every sample of both conditions.

    Sessions of snippets may stand on other times than the rest: the grid that most units have is the one that counts.
    """
    if responses.is_empty():
        return UnitResponses(pl.DataFrame(schema=dict.fromkeys(ABOUT, pl.String)), *np.zeros((3, 0, 0)), 0)
    traces = (
        responses.sort("session_id", "unit_id", "condition", "sample")
        .group_by(*ABOUT, "condition", maintain_order=True)
        .agg(
            pl.col("time_s"),
            pl.col(value).cast(pl.Float64).alias("trace"),
            whole=pl.col(value).is_not_null().all(),
            grid=pl.concat_str(pl.len(), pl.col("time_s").first().round(3), pl.col("time_s").last().round(3)),
        )
    )
    asked = traces.select("session_id", "unit_id").n_unique()
    presented, omitted = (
        traces.filter("whole", pl.col("condition") == condition).drop("condition", "whole")
        for condition in ("presented", "omitted")
    )
    both = presented.join(
        omitted.select("session_id", "unit_id", "grid", omitted="trace"),
        on=["session_id", "unit_id", "grid"],
        maintain_order="left",
    )
    if len(both):
        commonest = both["grid"].value_counts().sort(["count", "grid"], descending=True)["grid"][0]
        both = both.filter(grid=commonest)
    n_samples = len(both["time_s"][0]) if len(both) else 0
    times_s = both["time_s"][0].to_numpy() if len(both) else np.zeros(0)
    matrices = (_matrix(both[name], n_samples) for name in ("trace", "omitted"))
    return UnitResponses(both.select(ABOUT), times_s, *matrices, asked - len(both))


def _matrix(traces: pl.Series, n_samples: int) -> NDArray[np.float64]:
    return traces.explode().to_numpy().reshape(len(traces), n_samples) if len(traces) else np.zeros((0, n_samples))
