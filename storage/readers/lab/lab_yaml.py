"""YAML from strangers: one mapping of texts, lists and mappings, and the line on which each key stands."""

from pathlib import Path
from typing import Any

import yaml

from storage.readers.foreign.declared_sizes import shown
from storage.readers.recording import Refusal, Refused

MOST_BYTES = 2**18
Keys = tuple[str | int, ...]
"""The way to a value: ``("events", "kinds", "LICK")``, a number for a place in a list."""

_NOTHING = ("", "~", "null", "Null", "NULL")


def yaml_mapping(path: Path, refused: Refusal) -> tuple[dict[str, Any], dict[Keys, int]]:
    """The file's mapping, every value as it is written ('007' stays so), and the line of each key in it.

    Raises what ``refused`` makes for text that isn't UTF-8, that is over 256 KiB or no mapping, and for what YAML has
    beyond plain values: anchors, aliases, tags, a key that stands twice.
    """
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise refused(field="file", found=f"more than {MOST_BYTES} bytes", expected="a description of a few lines")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} on line {line}"
        raise refused(field="encoding", found=found, expected="UTF-8") from error
    lines: dict[Keys, int] = {}
    try:
        # Composed, not constructed: no tag is ever looked up, and numbers aren't read twice, by YAML and by us.
        node = _PlainLoader(text).get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise refused(field="file", found="no mapping", expected="lines such as `format: matrix`")
        return _plain(node, (), lines, refused), lines
    except Refused:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" on line {mark.line + 1}" if mark else ""
        raise refused(field="file", found=f"{error.problem or error.context}{where}", expected="YAML") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise refused(field="file", found=shown(error), expected="YAML, a few levels deep") from error


class _PlainLoader(yaml.BaseLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        explicit = getattr(event, "tag", None) not in (None, "!")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or explicit:
            what = "a tag" if explicit else "an anchor or alias"
            raise yaml.composer.ComposerError(None, None, what, event.start_mark)
        return super().compose_node(parent, index)


def _plain(node: yaml.Node, keys: Keys, lines: dict[Keys, int], refused: Refusal) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return None if node.style is None and node.value in _NOTHING else node.value
    if isinstance(node, yaml.SequenceNode):
        for place, one in enumerate(node.value):
            lines[*keys, place] = one.start_mark.line + 1
        return [_plain(one, (*keys, place), lines, refused) for place, one in enumerate(node.value)]
    mapping: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise refused(field="file", found=f"a key that is no text on line {line}", expected="`key: value`")
        if key.value in mapping:
            found = f"{key.value} again on line {line}, as on line {lines[*keys, key.value]}"
            raise refused(field=".".join(map(str, (*keys, key.value))), found=found, expected="each key once")
        lines[*keys, key.value] = line
        mapping[key.value] = _plain(value, (*keys, key.value), lines, refused)
    return mapping
