"""The AllenSDK's own cutting of traces around events, in its environment; prints seconds for one cell and event.

What `swdb.save_flash_response_df.get_flash_response_df` does for each pair; that module itself can't be imported from
AllenSDK 2.16.2, since it asks for `session_apis`, which is gone.
"""

import sys
import time

import numpy as np
from allensdk.brain_observatory.behavior.swdb.analysis_tools import get_mean_in_window, get_trace_around_timepoint

RATE_HZ = 31.0


def main() -> None:
    n_cells, n_frames, n_events = map(int, sys.argv[1:])
    rng = np.random.default_rng(0)
    dff = rng.standard_normal((n_cells, n_frames), dtype=np.float32)
    frame_s = np.arange(n_frames) / RATE_HZ
    onset_s = np.sort(rng.uniform(5, frame_s[-1] - 5, n_events))
    began = time.perf_counter()
    for trace in dff:
        for onset in onset_s:
            response, _ = get_trace_around_timepoint(trace, onset, frame_s, [-1.0, 2.0], RATE_HZ)
            get_mean_in_window(response, [1.0, 1.75], RATE_HZ)
            get_mean_in_window(response, [0.0, 1.0], RATE_HZ)
    print((time.perf_counter() - began) / (n_cells * n_events))


if __name__ == "__main__":
    main()
