"""What decides a computation's values besides its input; raise a number when the same input would give others."""

from models.event_responses import Window

WINDOW = Window(start_s=-1.0, stop_s=2.0, n_samples=90)
RESPONSES_RECIPE = f"1 {WINDOW}"
STUDY_RECIPE = "1"
