"""What a flow raises at its end when some of its steps failed, so that Prefect shows the run as failed."""

from tasks.present import NightSummary, StudySummary


class Incomplete(Exception):
    """Some steps failed; what was computed is in the lake, and the next run goes on from there."""

    def __init__(self, summary: NightSummary | StudySummary) -> None:
        super().__init__("; ".join(summary.failures))
        self.summary = summary
