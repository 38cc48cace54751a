from pathlib import Path

import pandas as pd
import pytest

from models.response_features import FEATURES

TABLE = Path(__file__).resolve().parents[3] / "shared/recordings/visual_behavior/response_features.csv"


@pytest.fixture(scope="session")
def published_table():
    """The omission study's own table, two rows per cell and session, its columns under our names."""
    if not TABLE.is_file():
        pytest.skip(f"the study's table is not on this machine: {TABLE}")
    table = pd.read_csv(TABLE)
    theirs = list(table.columns[5:])
    return table.rename(columns={"cell_specimen_id": "unit_id", **dict(zip(theirs, FEATURES, strict=True))})
