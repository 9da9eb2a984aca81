"""The reference of runbooks, from the models: each example is documentation and valid at once."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from runwright.errors import InputError
from runwright.runbook.base import as_duration
from runwright.runbook.model import Runbook
from runwright.runbook.nearest import unknown
from runwright.runbook.words import Key, bare, belongs_to, discriminator, is_built, is_model, keys, kinds, words
from runwright.runbook.yamltext import entry, scalar

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
_WIDTH = 100
INTRODUCTION = """\
One YAML file (1.2) says how one system is released. What follows is all of it, as one example that is valid as it
stands. Lines that begin with `#` and a letter right after it are alternatives, which can not stand together with the
lines around them.

- Durations have a unit: `500ms`, `30s`, `5m`, `24h`, `30d`.
- `${url.NAME}` is an address of the environment, `${secret.NAME}` a secret of its block, `${release.id}`,
  `${release.version}` and `${release.commit}` are facts of the release, `${saved.NAME}` is what an earlier probe saved.
  Between { } or [ ] they need quotes.
- Top-level keys that begin with `x-` are yours: for anchors (`&name`) that are used elsewhere (`*name`, `<<: *name`).
- Relative paths on this machine are seen from the file's own folder.
- Secrets never stand in a runbook."""


def sections() -> dict[str, str]:
    """Return {top-level key: one sentence about it}, in the order of a runbook."""
    return {key.name: key.field.description or "" for key in keys(Runbook).values()}


def reference(section: str = "") -> str:
    """Return the reference of ``section`` as commented YAML: all of a runbook, a key (``watch``) or a part of one
    (``watch.rules``, ``environments.target.host``, or just ``rules``). Raise InputError, which lists what there is, if it is unknown."""
    if not section:
        return "\n\n".join("\n".join(_key(key, set())) for key in keys(Runbook).values()) + "\n"
    found = _find(section)
    lines = _key(found, set()) if isinstance(found, Key) else [*_comment(found.__doc__ or ""), *_model(found, {found})]
    return "\n".join(lines) + "\n"


def text(section: str = "") -> str:
    """Return what ``runwright docs`` prints: the reference of ``section``, or of everything with an introduction."""
    if section:
        return reference(section)
    return f"{INTRODUCTION}\n\n{reference()}"


def markdown() -> str:
    """Return the reference as a page: docs/reference/runbook.md."""
    head = "<!-- Written from the models: python -m runwright.runbook.describe -->\n\n# Runbooks\n\n"
    parts = [f"## {name}\n\n{about}\n\n```yaml\n{reference(name)}```" for name, about in sections().items()]
    return f"{head}{INTRODUCTION}\n\n" + "\n\n".join(parts) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema for editors: docs/reference/runbook.schema.json."""
    found = Runbook.model_json_schema(by_alias=True)
    _strip(found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "patternProperties": {"^x-": {"description": "Yours, for anchors."}},
    }


def write(folder: Path = DOCS) -> None:
    """Write the page and the schema into ``folder``."""
    (folder / "runbook.md").write_text(markdown(), "utf-8")
    (folder / "runbook.schema.json").write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _strip(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("apart") is True:
            del node["apart"]
        for inner in node.values():
            _strip(inner)
    elif isinstance(node, list):
        for inner in node:
            _strip(inner)


def _find(section: str) -> Key | type[BaseModel]:
    place: Any = Runbook
    found: Key | type[BaseModel] = Runbook
    parts = section.split(".")
    homes = [] if parts[0] in keys(Runbook) else list(belongs_to(Runbook, parts[0]))
    full = list(dict.fromkeys(".".join([str(p) for p in home if p != "<name>"] + parts) for home in homes))
    if len(full) > 1:
        raise InputError(f"There are several sections `{section}`.", next=f"Name one of: {', '.join(full)}.")
    parts = full[0].split(".") if full else parts
    for i, part in enumerate(parts):
        models = kinds(place) or {"": place}
        there = {k: v for model in models.values() if is_model(model) for k, v in keys(model).items()}
        if part in models:
            found = place = models[part]
        elif part in there:
            found, place = there[part], _inner(there[part].type)
        else:
            named = ".".join(parts[:i]) or "a runbook"
            names = [*(k for k in models if k), *there]
            raise InputError(f"In {named} {unknown('section', part, names)}", next="`runwright docs` prints all of it.")
    return found


def _inner(annotation: Any) -> Any:
    """Return the type of one entry, if the type is a list or has named entries."""
    here = bare(annotation)
    return _inner(get_args(here)[-1]) if get_origin(here) in (list, dict) else here


# -------------------------------------------------------------------------------------------------- one key


def _key(key: Key, seen: set[type[BaseModel]]) -> Iterator[str]:
    yield from _comment(f"{key.field.description} ({_kind_and_default(key)})")
    lines = _value(key, seen)
    yield from (f"#{line}" for line in lines) if key.apart else lines


def _value(key: Key, seen: set[type[BaseModel]]) -> Iterator[str]:
    here = bare(key.type)
    inner = _inner(here)
    models = kinds(inner) or ({"": inner} if is_model(inner) else {})
    if not models or set(models.values()) & seen:
        yield from entry(key.name, key.example)
        return
    seen |= {base for model in models.values() for base in model.__mro__}
    yield f"{key.name}:"
    depth = "  "
    if get_origin(here) is dict:
        yield f"  {next(iter(key.example))}:"
        depth = "    "
    lines = _kinds(models, key.example, seen) if "" not in models else _model(models[""], seen)
    if get_origin(here) is list:
        yield "  -"
        depth = "    "
    yield from (depth + line for line in lines)


def _kinds(models: dict[str, type[BaseModel]], given: Any, seen: set[type[BaseModel]]) -> Iterator[str]:
    """Yield the kind of the example, then the others as comments."""
    marker = discriminator(next(iter(models.values())))
    chosen = given[marker]
    later = [kind for kind, model in models.items() if not is_built(model)]
    for kind in sorted((k for k in models if k not in later), key=lambda k: k != chosen):
        lines = _model(models[kind], seen)
        if kind == chosen:
            yield from lines
        else:
            yield f"# Or {marker} {kind}:"
            yield from (f"#{line}" for line in lines)
    if later:
        yield from _comment(
            f"Or, planned and refused until then: {', '.join(later)}; what they will need is in `settings`."
        )


def _model(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    for key in keys(model).values():
        if key.example is None:  # what tells kinds apart
            yield from _comment(model.__doc__ or "")
            yield f"{key.name}: {scalar(get_args(key.type)[0])}"
        else:
            yield from _key(key, seen)


def _kind_and_default(key: Key) -> str:
    inner, field = _inner(key.type), key.field
    meant = [] if is_model(inner) or kinds(inner) else [words(key.type, short=True)]
    default = field.default
    if field.is_required():
        return "; ".join([*meant, "required"])
    if field.default_factory is not None or "Default" in (field.description or ""):
        return "; ".join(meant)
    if default is None or default in ({}, [], "") or isinstance(default, BaseModel):
        return "; ".join([*meant, "optional"])
    shown = as_duration(default) if meant == ["a duration"] else _flow(default)
    return "; ".join([*meant, f"default {shown}"])


def _flow(value: Any) -> str:
    return next(iter(entry("x", value))).removeprefix("x: ")


def _comment(sentence: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(sentence.split()), _WIDTH - 2, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"


if __name__ == "__main__":
    write()
