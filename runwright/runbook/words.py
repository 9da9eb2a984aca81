"""The schema of a runbook seen from outside: what a type is called, which keys a model has, where a path leads."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from runwright.runbook.base import Words

Path = tuple[str | int, ...]
"""Where something is in a runbook: keys and positions, as written in the file."""

_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Any: "anything"}


def dotted(path: Path) -> str:
    """Return a path as people write it: environments.production.target.project, gates[2].ci."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the whole file"


@dataclass(frozen=True)
class Key:
    """One key of a model: how it is written, the attribute that holds it, and its pydantic field."""

    name: str
    attribute: str
    field: FieldInfo

    @property
    def type(self) -> Any:
        """Its type, with all that is annotated."""
        return (
            Annotated[(self.field.annotation, *self.field.metadata)] if self.field.metadata else self.field.annotation
        )

    @property
    def example(self) -> Any:
        """Its example, as plain values."""
        return (self.field.examples or [None])[0]

    @property
    def apart(self) -> bool:
        """Whether its example can not stand together with its neighbours'."""
        return isinstance(self.field.json_schema_extra, dict) and "apart" in self.field.json_schema_extra


@cache
def keys(model: type[BaseModel]) -> dict[str, Key]:
    """Return the keys of ``model`` as they are written in a file, its own before those of what it is a kind of."""
    own = model.__annotations__
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] not in own)
    return {field.alias or name: Key(field.alias or name, name, field) for name, field in fields}


def bare(annotation: Any) -> Any:
    """Return the type without ``Annotated`` and without "or nothing"."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
            continue
        several = alternatives(annotation)
        if len(several) == 1 and several[0] is not annotation:
            annotation = several[0]
            continue
        return annotation


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the types that ``annotation`` allows, without "nothing"; itself alone if it is no union."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(a for a in get_args(annotation) if a is not type(None))
    return (annotation,)


def is_model(annotation: Any) -> bool:
    """Return whether the bare type is a model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return {kind: model} if the type is one of several models told apart by a key, else nothing."""
    models = alternatives(bare(annotation))
    if not all(is_model(m) for m in models) or len(models) < 2:
        return {}
    return {kind: model for model in models for kind in get_args(model.model_fields[discriminator(model)].annotation)}


def discriminator(model: type[BaseModel]) -> str:
    """Return the key by which ``model`` is told apart from its alternatives."""
    return next(name for name, field in model.model_fields.items() if get_origin(field.annotation) is Literal)


def is_built(model: type[BaseModel]) -> bool:
    """Return whether what the model is of can be released; if not, its runbooks load all the same."""
    return bool(getattr(model, "built", True))


def words(annotation: Any, *, short: bool = False) -> str:
    """Return what values of this type are, for somebody who knows neither Python nor the schema."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        named = [(m.short if short else "") or m.text for m in metadata if isinstance(m, Words)]
        return named[-1] if named else words(inner, short=short) + _bounds(metadata)
    several = alternatives(annotation)
    if len(several) > 1 and kinds(annotation):
        return "one of the kinds " + ", ".join(kinds(annotation))
    if len(several) > 1 or several[0] is not annotation:
        return ", or ".join(words(a, short=short) for a in several)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(map(str, args[:-1])) + (" or " if len(args) > 1 else "") + str(args[-1])
    if origin is list:
        each = words(args[0], short=short)
        return "a list" if is_model(bare(args[0])) or kinds(args[0]) else f"a list, each {each}"
    if origin is dict:
        each = words(args[1], short=short)
        return "named entries" if is_model(bare(args[1])) else f"names, each with {each}"
    if is_model(annotation):
        return "a group of keys"
    return _PLAIN.get(annotation, "a value")


def _bounds(metadata: Sequence[Any]) -> str:
    found: list[Any] = []
    for item in metadata:
        found += getattr(item, "metadata", None) or [item]
    names = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    said = [f"{name} {getattr(item, key)}" for item in found for key, name in names.items() if hasattr(item, key)]
    return ", " + ", ".join(said) if said else ""


@dataclass(frozen=True)
class Place:
    """Where pydantic's location leads: the path as written, the key and type there, and the model that has the key."""

    path: Path
    type: Any
    key: Key | None
    owner: type[BaseModel] | None


def follow(model: type[BaseModel], location: Sequence[str | int]) -> Place:
    """Return where ``location`` leads. A path from a file will do too.

    What pydantic adds (kinds, names of types, "[key]") is left out of the path.
    """
    place = Place((), model, None, None)
    for part, after in zip_longest(location, location[1:]):
        if after == "[key]":  # not the value is wrong, but the name that it has
            return Place((*place.path, part), get_args(bare(place.type))[0], place.key, None)
        place = _step(place, part)
    return place


def _step(place: Place, part: str | int) -> Place:
    here = bare(place.type)
    of_kind = kinds(here)
    if str(part) in of_kind:
        return Place(place.path, of_kind[str(part)], place.key, place.owner)
    for model in of_kind.values():
        if part in keys(model):
            here = model
            break
    if is_model(here):
        key = keys(here).get(str(part))
        return Place((*place.path, part), key.type if key else None, key, here)
    origin, args = get_origin(here), get_args(here)
    if origin is dict:
        return Place((*place.path, part), args[1], place.key, None)
    if origin in (list, tuple) and isinstance(part, int):
        return Place((*place.path, part), args[0], place.key, None)
    return place


def belongs_to(model: type[BaseModel], name: str, above: Path = ()) -> Iterator[Path]:
    """Yield the paths under which a key called ``name`` exists, with <name> for what the file names itself."""
    for key in keys(model).values():
        if key.name == name and above:
            yield above
        yield from _inside(key.type, name, (*above, key.name))


def _inside(annotation: Any, name: str, above: Path) -> Iterator[Path]:
    here = bare(annotation)
    for inner in kinds(here).values() if kinds(here) else [here]:
        if is_model(inner):
            yield from belongs_to(inner, name, above)
        elif get_origin(inner) is dict:
            yield from _inside(get_args(inner)[1], name, (*above, "<name>"))
        elif get_origin(inner) is list:
            yield from _inside(get_args(inner)[0], name, above)
