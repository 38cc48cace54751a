"""What decides a response-type study besides its recordings; raise a number when the same input would give others."""

from dataclasses import dataclass

from models.indicator_kernels import TECTUM_LIST_DECAY_S

EVENT_KINDS = ("image", "omission", "stimulus", "lick", "reward")
RUNNING = "running_speed_cm_per_s"
PROTOCOLS = ("rigorous", "published")
# Bleaching and other drift pass for responses to stimuli that are not spread evenly over the recording.
SLOWEST_S = 200.0
AMBIGUOUS_TYPE, NO_TYPE = "ambiguous", "none"  # beside the regressors' names


@dataclass(frozen=True)
class TypesRecipe:
    """How ROIs are fitted, selected, assigned and clustered, and which regions are compared.

    ``signal`` is one of `recorded.traces`; one that is no dF/F is put over its ``baseline``: 'own percentile' or
    'running percentile' of each ROI under 'rigorous', and under 'published' the percentile across ROIs in each frame.
    ``tau_s`` decides the kernel of both protocols; where it is None, 'published' takes the source's 1.5 s, 'rigorous'
    what ``kernel_from`` says: the ``indicator``'s in the literature (None: as the session names it), the decay of its
    traces 'between events', or the 'best fit'. ``slowest_s``: changes of longer periods are taken out of traces and
    regressors under 'rigorous'; None: nothing is.
    ``event_kinds`` and ``behavior`` are taken as far as a session has them; ``each_image`` gives each image a regressor
    of its own. ``regions`` empty: all. ``cluster_count`` None: by silhouette and stability.
    """

    signal: str = "dff"
    baseline: str = "own percentile"
    kernel_from: str = "indicator"
    indicator: str | None = None
    tau_s: float | None = None
    with_rise: bool = False
    slowest_s: float | None = SLOWEST_S
    event_kinds: tuple[str, ...] = EVENT_KINDS
    each_image: bool = False
    behavior: tuple[str, ...] = (RUNNING,)
    smallest_r2: float = 0.05
    fdr: float = 0.05
    margin_level: float = 0.05
    response_frames: int = 5
    method: str = "average"
    distance: str = "correlation"
    cluster_count: int | None = None
    most_clustered: int = 2000
    regions: tuple[str, ...] = ()

    def fits(self, protocol: str) -> str:
        """Names what a session's ROIs are fitted by under a protocol."""
        shared = [self.signal, self.event_kinds, self.each_image, self.behavior, self.response_frames]
        shared += [self.method, self.distance, self.cluster_count, self.most_clustered]
        kernel = [self.kernel_from, self.indicator, self.tau_s, self.with_rise]
        own = {
            "published": [self.tau_s or TECTUM_LIST_DECAY_S, self.smallest_r2],
            "rigorous": [self.baseline, *kernel, self.slowest_s, self.fdr, self.margin_level],
        }
        return f"1 {shared} {own[protocol]}"

    @property
    def by_protocol(self) -> dict[str, str]:
        """Those names of both protocols: a report shows them side by side."""
        return {protocol: self.fits(protocol) for protocol in PROTOCOLS}

    @property
    def study(self) -> str:
        """Names what a study is concluded by."""
        return f"1 {sorted(self.regions)}"


DEFAULT_RECIPE = TypesRecipe()
