"""Reader of sorted spikes as Kilosort writes them and phy curates them: a folder of arrays and tables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.readers.about import about_of, native_id
from storage.readers.given import Given
from storage.readers.pipelines.kilosort_spikes import IN_SECONDS, OF_SPIKES, counted, spike_rows, spikes_of
from storage.readers.pipelines.kilosort_tables import FILES, channels_of, clusters_of, settings_of, unit_row
from storage.readers.recording import Recording
from storage.row_files import RowBlocks
from storage.tables import SPIKES

NAME = "kilosort"
VERSION = 1
KNOWS = "Kilosort and phy: a folder with spike_times.npy and spike_clusters.npy"
FORM = "folder"
SUFFIXES = ()


def recognises(path: Path) -> bool:
    """Whether it has two of the three files in which Kilosort names the spikes."""
    return sum(os.path.isfile(path / name) for name in OF_SPIKES) >= 2


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The files that are read, as far as they are there."""
    names = (*OF_SPIKES, *IN_SECONDS, "amplitudes.npy", *FILES)
    return [path / name for name in names if os.path.lexists(path / name)]


def read(given: Given) -> Recording:
    """One session: the clusters that aren't labelled noise, and their spikes in seconds.

    Times come from a file in seconds where there is one, else they are samples over the rate that params.py or the
    owner says. A cluster without spikes is a unit where phy lists it. Raises Refused for spikes out of order, before
    0, or of another number than their clusters or amplitudes, and for a sample rate that nobody says.
    """
    about = about_of(given)
    settings = settings_of(given)
    spikes = spikes_of(given, about, settings)
    counts, template_of = counted(spikes)
    clusters = clusters_of(given)
    channels = channels_of(given, template_of)
    every = sorted(set(counts) | clusters.listed)
    quality = {cluster: clusters.quality(cluster) for cluster in every}
    kept = [cluster for cluster in every if quality[cluster] != "noise"]
    if not kept:
        raise given.refused(field="clusters", found=f"{len(every)} clusters, all noise", expected="a unit")
    session_id = given.session_id(about.session or native_id(given.path), "session")
    session = given.session(
        session_id,
        unit_count=len(kept),
        unit_filter=f"{len(kept)} of {len(every)} clusters: not noise" if len(kept) < len(every) else None,
        metadata={
            "clock": spikes.clock,
            "params": settings,
            "spikes_of_noise": sum(counts.get(cluster, 0) for cluster in every if quality[cluster] == "noise"),
        },
        **about.session_facts,
    )
    units = [
        {"session_id": session_id} | unit_row(one, clusters.said.get(one, {}), quality[one], channels, given)
        for one in kept
    ]
    of_units = {cluster: counts[cluster] for cluster in kept if cluster in counts}
    return given.recording(
        [session], units, blocks=[RowBlocks(SPIKES, lambda: spike_rows(session_id, spikes, of_units))]
    )
