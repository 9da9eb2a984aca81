"""A YAML file as plain values, with the line and column of everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from runwright.errors import RunbookError
from runwright.runbook.finding import MAX_BYTES
from runwright.runbook.words import Path

MAX_VALUES = 20_000  # after aliases are followed: a few short lines of aliases can stand for billions of values
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a runbook.

    path: where. what: what is wrong and what is meant, in sentences. example: YAML lines that would be right.
    needs: the sections that were searched in vain; a mistake inside of one of them makes this one doubtful.
    meant: the keys that a misspelt one was probably meant to be.
    place: line and column, both from 1, where they are known already.
    """

    path: Path
    what: str
    example: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    place: tuple[int, int] | None = None


@dataclass
class Document:
    """What a file says: plain values, where each one stands, and how the scalars were written."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    values: int = 0

    def place(self, path: Path) -> tuple[int, int]:
        """Return (line, column) of ``path``, or of the nearest thing around it that is in the file."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read(text: bytes, path: FilePath) -> Document:
    """Return the document that ``text`` holds. Raise RunbookError if it is not one YAML mapping.

    YAML 1.2: only true and false are booleans. Aliases and merge keys are followed; keys given twice, tags and
    whatever else a runbook may not hold are in ``mistakes``.
    """
    node = _compose(text, path)
    if node is None:
        raise _refused(path, 1, 1, "the file is empty.")
    if not isinstance(node, MappingNode):
        given = "a list" if isinstance(node, SequenceNode) else "one value"
        raise _refused(path, *_mark(node), f"a runbook is a mapping (`key: value` lines), and this is {given}.")
    document = Document()
    try:
        document.data = _Builder(document).mapping(node, (), 0)
    except _TooMuchError as error:
        raise _refused(path, *_mark(node), str(error)) from None
    return document


def _compose(text: bytes, path: FilePath) -> Node | None:
    if len(text) > MAX_BYTES:
        raise _refused(path, 1, 1, f"the file is longer: a runbook has at most {MAX_BYTES:,} bytes.")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        column = error.start - (text.rfind(b"\n", 0, error.start) + 1) + 1
        what = f"the file is not UTF-8 (byte 0x{text[error.start]:02x}). Save it as UTF-8."
        raise _refused(path, line, column, what) from None
    loader = YAML(typ="safe", pure=True)  # which keeps no comments, and so takes less time
    loader.version = "1.2"
    try:
        return loader.compose(decoded)  # type: ignore[no-any-return]
    except ReaderError as error:
        line = decoded[: error.position].count("\n") + 1
        what = f"the character {chr(error.character)!r} may not stand in a YAML file."
        raise _refused(path, line, 1, what) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _refused(path, line, column, _syntax(error, decoded.splitlines(), line)) from None
    except (YAMLError, RecursionError, ValueError) as error:
        what = "the nesting is too deep." if isinstance(error, RecursionError) else f"this is no YAML: {error}"
        raise _refused(path, 1, 1, what) from None


def _syntax(error: MarkedYAMLError, lines: list[str], line: int) -> str:
    """Return what the YAML parser stumbled over, in the words of somebody who writes runbooks."""
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    problem = str(error.problem or "this is no YAML")
    if "\t" in here and ("\\t" in problem or "tab" in problem):
        return "YAML is indented with spaces, and there is a tab here."
    if "another document" in problem:
        return "there is a second document (`---`) here; a file holds one runbook."
    if "undefined alias" in problem:
        return f"{problem}: the anchor (`&name`) has to stand above it in the same file."
    if "duplicate anchor" in problem:
        return problem
    if "mapping values are not allowed" in problem:
        return 'a `: ` too many, or a wrong indentation. A text with a colon in it needs quotes: "like: this".'
    if "${" in here and ("{" in here.replace("${", "") or "[" in here):
        return 'between { } or [ ] a reference needs quotes: {get: "${url.api}/readyz"}.'
    if "end of stream" in problem or "<stream end>" in problem:
        opened = error.context_mark.line + 1 if error.context_mark else line
        return f"the file ends inside of something that begins in line {opened}: a closing quote or bracket is missing."
    if "cannot start any token" in problem:
        return f"{problem}. A text that begins with it needs quotes."
    context = f" ({error.context})" if error.context else ""
    return f"this is no YAML: {problem}{context}."


def _mark(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _refused(path: FilePath, line: int, column: int, what: str) -> RunbookError:
    return RunbookError(
        f"{path}:{line}:{column}: {what}", next="Correct the file. `runwright docs` shows what a runbook holds."
    )


class _TooMuchError(Exception):
    """The document is too large or too deep once aliases are followed."""


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self._said: set[tuple[tuple[int, int], str]] = set()

    def value(self, node: Node, path: Path, depth: int) -> Any:
        if isinstance(node, MappingNode):
            return self.mapping(node, path, depth)
        self._count(depth)
        if isinstance(node, SequenceNode):
            self._tagged(node, path, "seq")
            return [self._item(inner, (*path, i), depth) for i, inner in enumerate(node.value)]
        return self._scalar(node, path)

    def _count(self, depth: int) -> None:
        self.document.values += 1
        if self.document.values > MAX_VALUES:
            raise _TooMuchError(f"the file stands for more than {MAX_VALUES:,} values once its aliases are followed.")
        if depth > MAX_DEPTH:
            raise _TooMuchError(f"the nesting is deeper than {MAX_DEPTH} levels, or an alias holds itself.")

    def _say(self, path: Path, what: str, place: tuple[int, int]) -> None:
        # what an alias repeats is said once
        if (place, what) not in self._said:
            self._said.add((place, what))
            self.document.mistakes.append(Mistake(path, what, place=place))

    def _item(self, node: Node, path: Path, depth: int) -> Any:
        self.document.places.setdefault(path, _mark(node))
        return self.value(node, path, depth + 1)

    def mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, Any]:
        self._count(depth)
        self._tagged(node, path, "map")
        found: dict[str, Any] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged.append(value_node)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in found:
                line = self.document.places[inner][0]
                what = f"`{key}` is given twice; the first one is in line {line}."
                self._say(inner, what, _mark(key_node))
                continue
            self.document.places[inner] = _mark(key_node)
            found[key] = self.value(value_node, inner, depth + 1)
        for source in self._merged(merged, path):
            for key, value in self.mapping(source, path, depth + 1).items():
                found.setdefault(key, value)
        return found

    def _merged(self, nodes: list[Node], path: Path) -> Iterator[MappingNode]:
        for node in nodes:
            for source in node.value if isinstance(node, SequenceNode) else [node]:
                if isinstance(source, MappingNode):
                    yield source
                else:
                    what = "`<<:` merges mappings: the alias of one (`<<: *name`), or a list of them."
                    self._say(path, what, _mark(source))

    def _key(self, node: Node, path: Path) -> str | None:
        if isinstance(node, ScalarNode) and (node.tag == _TAG + "str" or node.tag == _TAG + "timestamp"):
            return str(node.value).strip()
        shown = f"`{node.value}` is" if isinstance(node, ScalarNode) else "this is"
        what = f"{shown} no key: keys are text; put it in quotes if it is meant."
        self._say(path, what, _mark(node))
        return None

    def _tagged(self, node: Node, path: Path, usual: str) -> None:
        if node.tag != _TAG + usual:
            what = f"a tag ({node.tag}) has no meaning in a runbook; leave it out."
            self._say(path, what, _mark(node))

    def _scalar(self, node: Node, path: Path) -> Any:
        text = str(node.value)
        self.document.written[path] = text
        kind = str(node.tag).removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            return _BOOLEANS.get(text.lower(), text)
        if kind in ("int", "float"):
            return _number(text)
        if kind not in ("str", "timestamp"):
            self._tagged(node, path, "str")
        return text


def _number(text: str) -> int | float | str:
    bare = text.replace("_", "")
    try:
        return int(bare, 0) if not bare.lstrip("+-").isdigit() else int(bare)
    except ValueError:
        pass
    try:
        return float(bare)
    except ValueError:
        return text  # .inf and .nan: no number that a runbook could mean
