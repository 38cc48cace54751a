"""The steps of a night that are spread over sessions, as a flow of their own; and a step that ends its workers.

    python tests/flows/session_steps.py FOLDER [--deadly]

Prints JSON: the failures, the result of each step, and the states of all task runs as the server knows them.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from flows.prefect_settings import configure_prefect
from storage.settings import Settings

PROTOCOL = "rigorous"


def main() -> None:
    """Run it, with the settings of the environment."""
    Settings().home.mkdir(parents=True, exist_ok=True)
    configure_prefect(Settings())
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
    from prefect.context import FlowRunContext

    from flows.progress import StepProgress
    from storage.due import new_files, responses_due
    from storage.lake import open_lake
    from storage.sources import load_sources
    from tasks.ingest import ingest_file
    from tasks.per_session import PER_SESSION
    from tasks.recipes import Recipe
    from tasks.respond import measure_responses

    @task(tags=[PER_SESSION])
    def survive(number: int) -> int:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    @flow
    def session_steps(sources: str) -> dict:
        recipe, said = Recipe(), {}
        with StepProgress() as steps:
            with open_lake() as lake:
                files = new_files(lake, load_sources(sources)).new
            read = steps.each("read", ingest_file, files, name=lambda file: Path(file.path).name)
            said["read"] = [Path(file.path).name for file in read]
            with open_lake() as lake:
                due = responses_due(lake, PROTOCOL, recipe.responses)
            measured = steps.each(
                "responses", measure_responses, due, PROTOCOL, None, recipe, name=lambda due: due.session_id
            )
            said["measured"] = len(measured)
            if "--deadly" in sys.argv:
                said["survived"] = steps.each("survive", survive, [0, 1, 2], name=str)
        return said | {"failures": steps.failures, "flow_run": str(FlowRunContext.get().flow_run.id)}

    said = session_steps(sys.argv[1])
    of_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[said.pop("flow_run")]))
    with get_client(sync_client=True) as client:
        give_up_at = time.monotonic() + 90
        while True:  # what a task run came to reaches the server late
            states = Counter(run.state_name for run in client.read_task_runs(task_run_filter=of_run))
            if not states.keys() & {"Running", "Pending"} or time.monotonic() > give_up_at:
                break
            time.sleep(0.5)
    print(json.dumps(said | {"states": states}))


if __name__ == "__main__":
    main()
