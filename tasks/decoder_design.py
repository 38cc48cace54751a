"""What decoders of response features learn from: rows, the columns that a protocol lets them see, and labels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import polars as pl

from models.decoders import CATEGORICAL, IDENTIFIERS, Protocol, design_columns
from models.response_features import FEATURES

Target = Literal["condition", "cre_line"]
TARGETS: tuple[Target, ...] = ("condition", "cre_line")
PROTOCOLS: tuple[Protocol, ...] = ("published", "rigorous")

# The column that is 1 where a row has label 1.
LABEL_COLUMN: dict[Target, str] = {"condition": "omitted", "cre_line": "second_cre_line"}


@dataclass(frozen=True, eq=False)
class Design:
    """One row per cell, session and condition; ``labels`` are the names of label 0 and label 1.

    ``rows`` keep each mouse's name as ``subject_id``, whatever its ``mouse_id`` serves as.
    """

    target: Target
    protocol: Protocol
    rows: pl.DataFrame
    columns: tuple[str, ...]
    categorical: tuple[str, ...]
    labels: tuple[str, str]

    @property
    def X(self) -> pd.DataFrame:  # noqa: N802 - the field's name for a design matrix
        return self.rows.select(self.columns).to_pandas()

    @property
    def y(self) -> np.ndarray:
        return self.rows[LABEL_COLUMN[self.target]].to_numpy()  # (n_rows,), 0 or 1

    @property
    def mouse_id(self) -> np.ndarray:
        return self.rows["subject_id"].to_numpy()  # (n_rows,), text

    @property
    def cre_line(self) -> np.ndarray:
        return self.rows["cre_line"].to_numpy()


def design(features: pl.DataFrame, protocol: Protocol, target: Target = "condition") -> Design:
    """The rows with every feature present, as the protocol shows them; what is told is never among the columns.

    To tell the condition, `published` takes the numbers of cells and mice as numeric features, as its source did:
    raises ValueError where mice have no numbers. Cre lines are told without either, since a line is a property of
    the mouse: raises ValueError unless there are two.
    """
    rows = features.drop_nulls([*FEATURES, *CATEGORICAL]).with_columns(pl.col("zero_crossings").cast(pl.Float64))
    if rows.is_empty():
        raise ValueError("no row has every feature, a cre line and an exposure level")
    if not np.isfinite(rows.select(FEATURES).to_numpy()).all():
        raise ValueError("features must be finite numbers")
    if target == "condition":
        labels, identifiers, categorical = ("presented", "omitted"), IDENTIFIERS, CATEGORICAL
    else:
        labels, identifiers, categorical = _two_lines(rows), (), ("exposure_level", "condition")
    columns = design_columns(protocol, FEATURES, identifiers, categorical)
    rows = rows.with_columns(pl.col("mouse_id").alias("subject_id"))
    if "mouse_id" in columns:
        if not rows["mouse_id"].str.contains(r"^\d{1,15}$").all():
            raise ValueError("the published protocol takes mouse numbers as a feature, and these mice have names")
        rows = rows.with_columns(pl.col("mouse_id", "unit_id").cast(pl.Float64))
    label = (pl.col(target) == labels[1]).cast(pl.Int64).alias(LABEL_COLUMN[target])
    return Design(target, protocol, rows.with_columns(label), columns, categorical, labels)


def _two_lines(rows: pl.DataFrame) -> tuple[str, str]:
    lines = rows["cre_line"].unique().sort().to_list()
    if len(lines) != 2:
        raise ValueError(f"cell types are told apart where there are two cre lines, found {lines}")
    return lines[0], lines[1]
