"""What `make calibrate` found: how often each test calls an effect, without one and with one."""

from importlib.resources import files

import polars as pl

_KEY = ("contrast", "test", "protocol", "intraclass_correlation")


def calibration_table() -> pl.DataFrame:
    """False-positive rate of each test at 5 %: one row per contrast, test and intraclass correlation.

    Columns contrast, test, protocol ('rigorous' draws conclusions from it, 'published' is what the source study did,
    'neither' is shown to say why not), intraclass_correlation, false_positive_rate and its standard_error (shares),
    data_sets.
    """
    found = _called().filter(pl.col("effect_dff") == 0)
    return found.select(*_KEY, pl.col("called_share").alias("false_positive_rate"), "standard_error", "data_sets")


def power_table() -> pl.DataFrame:
    """Power of each test of `rigorous`: as `calibration_table`, with effect_dff (dF/F) and power (share)."""
    found = _called().filter(pl.col("effect_dff") > 0)
    return found.select(*_KEY, "effect_dff", pl.col("called_share").alias("power"), "standard_error", "data_sets")


def _called() -> pl.DataFrame:
    return pl.read_csv((files("models") / "calibrated.csv").read_bytes())
