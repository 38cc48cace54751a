"""One question per file: `queries/` asked by name, `checks/` for rows that break a rule, `views/` and `macros/` for
whoever asks.
"""

import re
from graphlib import TopologicalSorter
from importlib.resources import files

_HERE = files(__name__)


def query(name: str) -> str:
    """Text of sql/queries/<name>.sql. Raises KeyError, naming what there is, when there is no such question."""
    return _text("queries", name)


def check(name: str) -> str:
    """Text of sql/checks/<name>.sql. Raises KeyError when there is no such check."""
    return _text("checks", name)


def views() -> dict[str, str]:
    """Text of every sql/views file by name, each after those that it reads."""
    texts = {name: _text("views", name) for name in names("views")}
    reads = {
        name: {other for other in texts if re.search(rf"\b{other}\b", text)} - {name} for name, text in texts.items()
    }
    return {name: texts[name] for name in TopologicalSorter(reads).static_order()}


def macros() -> dict[str, str]:
    """Text of every sql/macros file by name: the statement that makes it."""
    return {name: _text("macros", name) for name in names("macros")}


def names(folder: str) -> list[str]:
    """Names of the files in ``queries``, ``checks``, ``views`` or ``macros``, sorted."""
    return sorted(file.name.removesuffix(".sql") for file in (_HERE / folder).iterdir() if file.name.endswith(".sql"))


def _text(folder: str, name: str) -> str:
    if name not in names(folder):
        raise KeyError(f"no {name!r} in sql/{folder}; there are {names(folder)}")
    return (_HERE / folder / f"{name}.sql").read_text()
