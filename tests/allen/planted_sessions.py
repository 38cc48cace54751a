"""Write an NWB file with the AllenSDK's own code from planted values, and show it as the AllenSDK's objects do.

    python tests/allen/planted_sessions.py --kind visual_behavior --out planted.nwb --cells 12 --minutes 3 --dump shown

Runs in the allen environment only. The same arguments give the same values.
"""

import argparse
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=FutureWarning)


def main(arguments: list[str] | None = None) -> int:
    """Write one file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kind", choices=("visual_behavior", "neuropixels"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="NWB file to write")
    parser.add_argument("--cells", type=int, default=12, help="cells, or units of a neuropixels session")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--passive", action="store_true", help="visual_behavior: no licks, no rewards, images B")
    parser.add_argument("--scientifica", action="store_true", help="visual_behavior: one plane at 31 Hz")
    parser.add_argument("--whole-images", action="store_true", help="visual_behavior: image templates of release size")
    parser.add_argument("--needed-signals", action="store_true", help="visual_behavior: no demixed and neuropil traces")
    parser.add_argument("--dump", type=Path, help="folder for what the AllenSDK shows of the file")
    parser.add_argument("--everything", action="store_true", help="dump invalid ROIs and units past the filters too")
    chosen = parser.parse_args(arguments)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    if chosen.kind == "visual_behavior":
        from planted_visual_behavior import PlantedExperiment, write_experiment
        from sdk_views import show_experiment as show

        kind: dict = {"session_type": "OPHYS_5_images_B_passive"} if chosen.passive else {}
        if chosen.scientifica:
            kind |= {"equipment_name": "CAM2P.3", "imaging_plane_group": None, "project_code": "VisualBehavior"}
        sizes = {"cells": chosen.cells, "minutes": chosen.minutes, "seed": chosen.seed}
        kind |= {"whole_images": chosen.whole_images, "needed_signals": chosen.needed_signals}
        write_experiment(PlantedExperiment(**sizes, **kind), chosen.out)
    else:
        from planted_neuropixels import PlantedSession, write_session
        from sdk_views import show_session as show

        write_session(PlantedSession(units=chosen.cells, minutes=chosen.minutes, seed=chosen.seed), chosen.out)
    if chosen.dump:
        show(chosen.out, chosen.dump, everything=chosen.everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
