"""Mean responses and features as the lake answers them, with shapes that are known."""

import numpy as np
import polars as pl

TIMES_S = np.linspace(-1, 2, 90)
RAMP = np.clip(TIMES_S, 0, 0.75) * (TIMES_S < 0.8)
FLASHES = 0.4 * np.exp(-(((TIMES_S % 0.75) - 0.15) ** 2) / 0.01)
FLASHES_BUT_ONE = FLASHES * ((TIMES_S < 0) | (TIMES_S > 0.7))
LINES = ("Vip-IRES-Cre", "Sst-IRES-Cre")


def planted_responses(mice: int = 2, cells: int = 8, lines: tuple[str, ...] = LINES) -> pl.DataFrame:
    """As `unit_mean_responses` answers, two sessions a mouse.

    VIP cells ramp through omissions, SST cells follow images.
    """
    rng = np.random.default_rng(4)
    frames = []
    for line in lines:
        for mouse in range(mice):
            for level in ("familiar", "novel"):
                for condition in ("presented", "omitted"):
                    ramps, follows = 0.1 * FLASHES, FLASHES
                    if condition == "omitted":
                        ramps, follows = RAMP, FLASHES_BUT_ONE
                    shape = ramps if line == "Vip-IRES-Cre" else follows
                    traces = rng.uniform(0.5, 2, (cells, 1)) * (shape + rng.normal(0, 0.05, (cells, 90)))
                    frames.append(
                        pl.DataFrame(
                            {
                                "unit_id": np.repeat(np.arange(cells) + 100 * mouse, 90),
                                "sample": np.tile(np.arange(90), cells),
                                "time_s": np.tile(TIMES_S, cells),
                                "mean_dff": traces.ravel().astype(np.float32),
                            }
                        ).with_columns(
                            session_id=pl.lit(f"{line[:3]}-{mouse}-{level}"),
                            mouse_id=pl.lit(f"{line[:3]}-{mouse}"),
                            cre_line=pl.lit(line),
                            exposure_level=pl.lit(level),
                            condition=pl.lit(condition),
                        )
                    )
    return pl.concat(frames)


def peaks_of(responses: pl.DataFrame) -> pl.DataFrame:
    """Their peaks, as `features_of_project` answers."""
    by = ("session_id", "unit_id", "mouse_id", "cre_line", "exposure_level", "condition")
    return responses.group_by(by, maintain_order=True).agg(peak_dff=pl.col("mean_dff").max().cast(pl.Float64))
