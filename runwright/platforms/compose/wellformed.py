"""Where a Compose file is no YAML: Compose itself names neither the file nor always the right line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import yaml

from runwright.engine.there.paths import Path


def yaml_mistakes(files: Iterable[Path]) -> list[str]:
    """Return the mistakes of those ``files`` that are there, as FILE:LINE:COLUMN and what is wrong; no value is quoted."""
    found: list[str] = []
    for file in files:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError):
            continue
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            twice = list(_twice(node, set())) if node is not None else []
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
            about = f", {error.context}" if error.context else ""
            found.append(f"{file}:{at}: this is no YAML: {error.problem}{about}.")
        except yaml.YAMLError:
            found.append(f"{file}: this is no YAML: it holds a character that is not allowed.")
        except RecursionError:
            found.append(f"{file}: the nesting is too deep.")
        else:
            found += [f"{file}:{at}" for at in twice]
    return found


def _twice(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    """Yield where a key is written twice in one mapping; Compose refuses that.

    seen: the ids of the nodes that were looked at: a few lines of aliases name the same one billions of times.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from _twice(one, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in lines:
                yield f"{line}:{column}: `{key.value}` is written twice, first in line {lines[key.value]}."
            lines.setdefault(key.value, line)
        yield from _twice(value, seen)
