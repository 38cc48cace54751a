"""A flow of many small tasks at once: `python tests/platform/many_tasks.py 400`. Prints the sum of what they return."""

import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE


@task(cache_policy=NO_CACHE)
def one(number: int) -> int:
    return number


@flow(name="many-tasks")
def many_tasks(count: int) -> int:
    return sum(one.map(range(count)).result())


if __name__ == "__main__":
    print(many_tasks(int(sys.argv[1])))
