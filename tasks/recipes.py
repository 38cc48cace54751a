"""What decides a computation's values besides its input; raise a number when the same input would give others."""

from dataclasses import dataclass

from models.event_responses import Window

WINDOW = Window(start_s=-1.0, stop_s=2.0, n_samples=90)


@dataclass(frozen=True)
class Recipe:
    """How responses are measured, and whether those to single events are kept too."""

    window: Window = WINDOW
    per_event: bool = False

    @property
    def responses(self) -> str:
        """Names what a session's responses are measured by."""
        return f"2 {self.window}{' per event' if self.per_event else ''}"

    @property
    def study(self) -> str:
        """Names what a study is concluded by."""
        return "2"


DEFAULT_RECIPE = Recipe()
