"""One question per file: `queries/` are asked by name, `checks/` return the rows that break a rule."""

from importlib.resources import files

_HERE = files(__name__)


def query(name: str) -> str:
    """Text of sql/queries/<name>.sql. Raises KeyError, naming what there is, when there is no such question."""
    return _text("queries", name)


def check(name: str) -> str:
    """Text of sql/checks/<name>.sql. Raises KeyError when there is no such check."""
    return _text("checks", name)


def names(folder: str) -> list[str]:
    """Names of the files in ``queries`` or ``checks``, sorted."""
    return sorted(file.name.removesuffix(".sql") for file in (_HERE / folder).iterdir() if file.name.endswith(".sql"))


def _text(folder: str, name: str) -> str:
    if name not in names(folder):
        raise KeyError(f"no {name!r} in sql/{folder}; there are {names(folder)}")
    return (_HERE / folder / f"{name}.sql").read_text()
