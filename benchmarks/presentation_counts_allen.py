"""The AllenSDK's own counting of spikes per presentation, in its environment; prints the seconds that each call took.

    python presentation_counts_allen.py IN.npz OUT.npy [CALLS]

IN.npz has ``time_s`` (n_spikes,), ``ends`` (n_units,), ``onset_s`` (n_presentations,) and ``edges_s`` (n_bins + 1,);
counts, (n_presentations, n_bins, n_units), go to OUT.npy. It calls what `EcephysSession.presentationwise_spike_counts`
calls; selecting rows before and labelling axes after, by pandas and xarray, is left out.
"""

import sys
import time

import numpy as np
from allensdk.brain_observatory.ecephys.ecephys_session import build_spike_histogram, build_time_window_domain


def main() -> None:
    with np.load(sys.argv[1]) as given:
        time_s, ends, onset_s, edges_s = (given[name] for name in ("time_s", "ends", "onset_s", "edges_s"))
    spike_times = dict(enumerate(np.split(time_s, ends[:-1])))
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
        began = time.perf_counter()
        domain = build_time_window_domain(edges_s, onset_s)
        counts = build_spike_histogram(domain, spike_times, np.arange(len(ends)))
        print(time.perf_counter() - began)
    np.save(sys.argv[2], counts)


if __name__ == "__main__":
    main()
