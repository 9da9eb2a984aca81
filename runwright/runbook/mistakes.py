"""From what the schema refuses to what somebody who writes a runbook can act on: no jargon, one entry a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from runwright.runbook.base import FROM_A_FILE
from runwright.runbook.document import Mistake
from runwright.runbook.nearest import nearest
from runwright.runbook.registered import why_not
from runwright.runbook.words import (
    Key,
    Path,
    Place,
    alternatives,
    bare,
    belongs_to,
    discriminator,
    follow,
    is_built,
    is_model,
    keys,
    kinds,
    words,
)
from runwright.runbook.yamltext import entry

_SECRET_KEYS = {"basic", "bearer", "password", "body", "send_headers", "token"}
_USER_IN_URL = re.compile(r"//[^/@\s]+@")
_HIDDEN = "a value (not shown, it may be a secret)"
_LONGEST_SHOWN = 60
MOST = 100
"""How many mistakes of a file are told: nobody reads more, and finding the words for thousands takes half a minute."""


def mistakes_in(
    data: Any,
    model: type[BaseModel],
    written: Mapping[Path, str] | None = None,
    order: Callable[[Path], Any] | None = None,
) -> tuple[list[Mistake], int]:
    """Return the first ``MOST`` of what ``model`` refuses in ``data``, and how many more there are; nothing if it is right.

    written: how scalars stand in the file. order: what paths are sorted by. Of what is not told, no words are made.
    """
    try:
        model.model_validate(data, context=FROM_A_FILE)
    except ValidationError as error:
        # of what several types say of the same value, "not my type" says least
        details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"].endswith("_type"))
        refused: dict[Path, Any] = {}
        for detail in details:
            if detail["type"] != "default_factory_not_called":  # what it depends on is wrong, and is told
                refused.setdefault(follow(model, detail["loc"]).path, detail)
        return _told(refused, sorted(refused, key=order) if order else list(refused), model, written or {})
    return [], 0


def _told(
    refused: Mapping[Path, Any], ordered: list[Path], model: type[BaseModel], written: Mapping[Path, str]
) -> tuple[list[Mistake], int]:
    made: dict[Path, Mistake] = {}
    around = {path[:length] for path in ordered for length in range(len(path))}
    strange: dict[Path, list[Path]] = {}
    for path in ordered:
        if refused[path]["type"] == "extra_forbidden":
            strange.setdefault(path[:-1], []).append(path)

    def mistake(path: Path) -> Mistake:
        return made.setdefault(path, made.get(path) or _mistake(refused[path], model, written))

    def said_already(path: Path) -> bool:
        """Whether another entry says it better: what is in ``path``, or the misspelt name of what is missing."""
        if path in around and "stands here" in mistake(path).what:
            return True
        misspelt = strange.get(path[:-1], [])[:MOST] if path and refused[path]["type"] == "missing" else []
        return any(path[-1] in mistake(other).meant for other in misspelt)

    told: list[Mistake] = []
    for number, path in enumerate(ordered):
        if len(told) == MOST:
            return told, len(ordered) - number
        if not said_already(path):
            told.append(mistake(path))
    return told, 0


def _mistake(detail: Any, model: type[BaseModel], written: Mapping[Path, str]) -> Mistake:
    kind, place = detail["type"], follow(model, detail["loc"])
    path = place.path
    if kind == "extra_forbidden":
        return _unknown(str(path[-1]), place, model)
    if kind == "missing":
        return Mistake(path, f"`{path[-1]}` is missing.", _example(place.key))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_kind(place, detail)
    given = _given(detail["input"], path, written)
    if kind in ("value_error", "assertion_error"):
        said = str(detail["ctx"]["error"])
        about = given if place.key is not None and not isinstance(detail["input"], dict) else ""
        return Mistake(path, _sentence(f"{about}{': ' if about else ''}{said}"), _example(place.key if about else None))
    return Mistake(path, _meant(kind, detail, place, given, written), _example(place.key))


def _unknown(name: str, place: Place, model: type[BaseModel]) -> Mistake:
    known = list(keys(place.owner)) if place.owner else []
    near = nearest(name, known)
    if near:
        hint = " or ".join(f"`{n}`" for n in near)
        return Mistake(place.path, f"`{name}` is no key here. Did you mean {hint}?", meant=tuple(near))
    homes = ["`" + ".".join(map(str, home)) + "`" for home in belongs_to(model, name)]
    where = f" There is one in {' and in '.join(homes)}." if 0 < len(homes) <= 3 else ""
    return Mistake(place.path, f"`{name}` is no key here.{where} Here are: {', '.join(known)}.")


def _unknown_kind(place: Place, detail: Any) -> Mistake:
    of_kind = kinds(place.type)
    key = discriminator(next(iter(of_kind.values())))
    built = ", ".join(k for k, model in of_kind.items() if is_built(model))
    later = ", ".join(k for k, model in of_kind.items() if not is_built(model))
    there_are = f"There are {built}" + (f"; planned, and refused until then: {later}." if later else ".")
    given = detail["input"].get(key) if isinstance(detail["input"], dict) else None
    if given is None:
        return Mistake(
            place.path, f"`{key}` is missing: it says of which kind this is. {there_are}", _example(place.key)
        )
    if broken := why_not(key, given):
        return Mistake((*place.path, key), broken)
    near = nearest(str(given), list(of_kind))
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return Mistake((*place.path, key), f"{_shown(given)} is no {key}.{hint} {there_are}")


def _meant(kind: str, detail: Any, place: Place, given: str, written: Mapping[Path, str]) -> str:
    meant, value = words(place.type), detail["input"]
    if value is None:
        return f"nothing stands here; {meant} is meant. Fill it in, or leave the key out."
    if kind == "too_short":
        return "this must not be empty."
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        quoted = "" if given == _HIDDEN else f': "{written.get(place.path, value)}"'
        return f"{given} is a number here; {meant} is meant. Put it in quotes{quoted}."
    if kind == "string_type" and isinstance(value, bool):
        return f"{given} is true or false here; {meant} is meant. Put it in quotes."
    if kind == "bool_type" and str(value).lower() in ("yes", "no", "on", "off", "y", "n"):
        return f"{given} is text in YAML 1.2; true or false is meant."
    if kind in ("float_type", "int_type") and isinstance(value, str) and value.strip(" %").replace(".", "").isdigit():
        return f"{given} is text; {meant} is meant. Leave out the quotes{' and the %' if '%' in value else ''}."
    if kind == "literal_error":
        near = nearest(str(value), [str(a) for a in _literals(place.type)])
        return f"{given} is none of {meant.replace(' or ', ', ')}." + (f" Did you mean {near[0]}?" if near else "")
    if is_model(bare(place.type)) or kinds(place.type) or kind in ("dict_type", "model_type"):
        return f"{given} stands here; a group of keys is meant (`key: value` lines, indented)."
    if kind == "list_type":
        return f"{given} stands here; {meant} is meant. Put a dash before it, or brackets around it."
    return f"{given} stands here; {meant} is meant."


def _literals(annotation: Any) -> Iterator[Any]:
    for one in alternatives(bare(annotation)):
        yield from getattr(bare(one), "__args__", ())


def _given(value: Any, path: Path, written: Mapping[Path, str]) -> str:
    if _SECRET_KEYS & set(path):
        return _HIDDEN if isinstance(value, str | int | float) else _shown(value)
    if not isinstance(value, str) and path in written:
        return written[path]
    return _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = _USER_IN_URL.sub("//…@", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else text + "."


def _example(key: Key | None) -> tuple[str, ...]:
    return tuple(entry(key.name, key.example)) if key is not None else ()
