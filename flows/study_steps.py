"""The steps that bring studies up to date, shared by the night and by a study that is run alone."""

from flows.progress import StepProgress
from storage.due import EVERYTHING, Selection, reports_due, responses_due, studies_due
from storage.lake import open_lake
from tasks.conclude import STUDY_PARTS, conclude_study
from tasks.present import Presented, present_study
from tasks.recipes import Recipe
from tasks.respond import measure_responses


def study_steps(
    steps: StepProgress,
    protocol: str,
    recipe: Recipe,
    flow_run_id: str | None,
    chosen: Selection = EVERYTHING,
    again: bool = False,
) -> list[Presented]:
    """Measure, conclude and report whatever of the choice is due; ``again`` also shows what was concluded before."""
    with open_lake() as lake:
        sessions = responses_due(lake, protocol, recipe.responses, chosen)
    steps.each("responses", measure_responses, sessions, protocol, flow_run_id, recipe, name=lambda due: due.session_id)

    with open_lake() as lake:
        studies = studies_due(lake, protocol, recipe.responses, recipe.study, chosen)
    steps.each(
        "studies",
        conclude_study,
        studies,
        protocol,
        flow_run_id,
        recipe,
        name=lambda due: due.project,
        parts=STUDY_PARTS,
    )

    with open_lake() as lake:
        reports = reports_due(lake, protocol, recipe.responses, recipe.study, chosen, again)
    return steps.each("reports", present_study, reports, name=str)
