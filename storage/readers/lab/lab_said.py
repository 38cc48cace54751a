"""A description as it was written made into one that is sound, or refused with the key and its line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from storage.readers.lab.lab_description import FORMATS, LabDescription
from storage.readers.lab.lab_yaml import Keys
from storage.readers.recording import Refusal, Refused

_NOT_OURS = re.compile("^(Value error, |Input should be )")


def described(said: Mapping[str, Any], lines: Mapping[Keys, int], refused: Refusal) -> LabDescription:
    """The description that the mapping is. Raises what ``refused`` makes, with the key, its line and what it may be."""
    kind = FORMATS.get(str(said.get("format")))
    if kind is None:
        found = f"{said['format']!r}{_on_line(('format',), lines)}" if "format" in said else "no key format"
        raise refused(field="format", found=found, expected=f"one of {', '.join(FORMATS)}")
    try:
        description = kind.model_validate(dict(said))
    except ValidationError as error:
        raise _refusal(error, kind, said, lines, refused) from error
    if wrong := description.contradiction():
        key, found, expected = wrong
        raise refused(field=key, found=found + _on_line(tuple(key.split(".")), lines), expected=expected)
    return description


def _refusal(
    error: ValidationError,
    kind: type[LabDescription],
    said: Mapping[str, Any],
    lines: Mapping[Keys, int],
    refused: Refusal,
) -> Refused:
    # The deepest tells most: what might be one of several things is wrong as each of them.
    first, *others = sorted(error.errors(), key=lambda one: (-len(_keys(one, said)), one["type"] != "extra_forbidden"))
    keys = _keys(first, said)
    field, where = ".".join(map(str, keys)) or "description", _on_line(keys, lines)
    model = _model_at(first["loc"], kind)
    if first["type"] == "extra_forbidden":
        expected = f"one of {', '.join(name for name in model.model_fields if name != 'sample_rate_hz')}"
        return refused(field=field, found=f"the unknown key {keys[-1]}{where}", expected=expected)
    if first["type"] == "missing":
        told = model.model_fields[str(keys[-1])].description
        return refused(field=field, found=f"no key {keys[-1]}{where}", expected=told or f"the key {keys[-1]}")
    same = [one for one in others if _keys(one, said) == keys]
    expected = "; or ".join(dict.fromkeys(_NOT_OURS.sub("", one["msg"]) for one in (first, *same)))
    return refused(field=field, found=f"{first['input']!r}"[:200] + where, expected=expected[:300])


def _keys(error: Mapping[str, Any], said: Any) -> Keys:
    """The keys among pydantic's steps to an error, which also name models and types."""
    keys: list[str | int] = []
    for step in error["loc"]:
        there = step in said if isinstance(said, Mapping) else isinstance(said, list | tuple) and isinstance(step, int)
        if there:
            keys.append(step)
            said = said[step]
    return (*keys, error["loc"][-1]) if error["type"] == "missing" else tuple(keys)


def _model_at(loc: Sequence[str | int], kind: type[BaseModel]) -> type[BaseModel]:
    """The model that the last of pydantic's steps is a key of."""
    model, near = kind, {}
    for step in loc[:-1]:
        if step in near:
            model = near[step]
        elif step in model.model_fields:
            near = {one.__name__: one for one in _models_in(model.model_fields[str(step)].annotation)}
            model = next(iter(near.values())) if len(near) == 1 else model
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _on_line(keys: Keys, lines: Mapping[Keys, int]) -> str:
    near = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), None)
    return f" on line {near}" if near else ""
