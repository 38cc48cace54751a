"""What decides an image-coding study besides its recordings; raise a number when the same input would give others."""

from dataclasses import dataclass

PROTOCOLS = ("rigorous", "published")
READOUT_NAMES = ("factorised", "gaussian", "pyramid")
BY_VALIDATION = "by validation"  # whichever of them predicts the validation images best
SOURCE_UNIT_COUNT = 4  # units that the source made networks and most exciting inputs for
_SOURCE_STEPS, _STEPS = 1000, 200
_SOURCE_RADIUS_PX, _SOURCE_SHAPE = 12.0, (60, 96)
_LINEAR_SIDE_PX = 56  # linear models of smaller images predict less, and cost little


@dataclass(frozen=True)
class CodingRecipe:
    """How responses are counted, units chosen, networks trained and exciting inputs made.

    Spikes are counted from ``start_s`` to ``stop_s`` after onset; None: to the end of the presentation. ``selection``:
    'by protocol' ('published' by percentiles of oracle and variance, 'rigorous' by the oracle's interval), or one of
    the two for both. ``unit_count`` of the chosen units get most exciting inputs, and under 'published' a network
    each; None: all. Under 'rigorous' one network of all units is trained, ``network_count`` times from other seeds,
    with the ``readout`` of that name or the one that predicts validation images best. ``start_count`` noise starts;
    ``step_count`` None: 200, and 1000 under 'published'. ``seed`` splits the images 70/15/15 and begins training.
    ``most_epochs`` ends training at the latest; training images are moved by up to ``shift_px``. The best Gabor is
    sought on a grid of ``gabor_grid_px``. ``screen_deg`` is what images cover.
    """

    start_s: float = 0.0
    stop_s: float | None = None
    image_shape: tuple[int, int] = _SOURCE_SHAPE
    selection: str = "by protocol"
    unit_count: int | None = SOURCE_UNIT_COUNT
    network_count: int = 2
    readout: str = BY_VALIDATION
    shift_px: int = 2
    most_epochs: int = 200
    start_count: int = 4
    step_count: int | None = None
    diverse_count: int = 6
    gabor_grid_px: float = 8.0
    seed: int = 0
    screen_deg: tuple[float, float] = (120.0, 95.0)

    @property
    def radius_px(self) -> float:
        """The source's disc of 12 pixels of 60 x 96, at the size of these images."""
        return _SOURCE_RADIUS_PX * min(
            own / source for own, source in zip(self.image_shape, _SOURCE_SHAPE, strict=True)
        )

    @property
    def linear_shape(self) -> tuple[int, int]:
        """What linear models see: the images of the networks, as many times finer as makes them 56 pixels a side."""
        times = -(-_LINEAR_SIDE_PX // min(self.image_shape))
        return self.image_shape[0] * times, self.image_shape[1] * times

    def steps(self, protocol: str) -> int:
        return self.step_count or (_SOURCE_STEPS if protocol == "published" else _STEPS)

    def starts(self, protocol: str) -> int:
        """Noise starts: the source had one."""
        return 1 if protocol == "published" else self.start_count

    def chooses_by_percentile(self, protocol: str) -> bool:
        return self.selection == "percentiles" or (self.selection == "by protocol" and protocol == "published")

    @property
    def responses(self) -> str:
        """Names what a session's responses are measured by."""
        return f"1 {self.start_s:g} {self.stop_s} {self.seed}"

    def training(self, protocol: str) -> str:
        """Names what a session's models are trained by under a protocol."""
        shared = [self.responses, self.image_shape, self.most_epochs, self.seed]
        own = {
            "published": [self.chooses_by_percentile(protocol), self.unit_count],
            "rigorous": [self.network_count, self.readout, self.shift_px],
        }
        return f"1 {shared} {own[protocol]}"

    def inputs(self, protocol: str) -> str:
        """Names what a session's exciting inputs are made by under a protocol."""
        own = [self.chooses_by_percentile(protocol), self.unit_count, self.steps(protocol), self.starts(protocol)]
        return f"1 {self.training(protocol)} {own} {self.diverse_count} {self.gabor_grid_px} {self.screen_deg}"

    @property
    def study(self) -> str:
        """Names what a study is concluded by."""
        return "1"


DEFAULT_RECIPE = CodingRecipe()
