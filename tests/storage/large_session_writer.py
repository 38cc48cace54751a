"""A writer that tests start as a process of its own, to be killed while it sends 40 MB in parts, in place of lab-1."""

import numpy as np

from storage.lake import open_lake
from storage.traces import TraceStream
from tests.storage.writer_process import session_rows


def _zeros(start: int, stop: int) -> np.ndarray:
    return np.zeros((10, stop - start), np.float32)


if __name__ == "__main__":
    with open_lake() as lake:
        large = TraceStream("lab-1", "dff", np.arange(10), 1_000_000, _zeros)
        lake.replace(session_rows("lab-1", 9), traces=[large], message="large")
