"""How many threads torch takes in a task, so that workers don't fight over cores."""

import torch


def use_threads(threads: int) -> None:
    """Take as many as the settings give DuckDB."""
    torch.set_num_threads(threads)
