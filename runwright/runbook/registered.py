"""The models of what is registered: a part of a runbook is of one of the kinds that its room has."""

from __future__ import annotations

from typing import Annotated, Any, Union, get_args

from pydantic import BeforeValidator, Field

from runwright.errors import InputError
from runwright.registry import Room
from runwright.runbook.base import Registered

_unusable: dict[tuple[str, str], str] = {}
"""Why what packages bring cannot be used, by key and name."""


def one_of(room: Room, later: type[Registered] | None = None) -> Any:
    """Return the type of a part of a runbook that is one of what ``room`` has, of other packages too, told apart by its key.

    later: the model of what is planned. What cannot be used is left out: it spoils no runbook that does not name it.
    """
    models = []
    for name in room.names:
        try:
            models.append(model_of(room, name))
        except InputError as error:  # `mistakes.py` tells why, if a runbook names it
            _unusable[room.key, name] = f"{error.what} {error.next}"
    if later is not None and room.later:
        models.append(later)
    told_apart = Field(discriminator=room.key) if len(models) > 1 else Field()
    found: Any = Annotated[Union[tuple(models)], told_apart]  # noqa: UP007 - as many as there are
    return Annotated[found, BeforeValidator(lambda value: _as_called_now(value, room))] if room.formerly else found


def model_of(room: Room, name: str) -> type[Registered]:
    """Return the model of ``name``. Raise InputError if it is none, or not of that name."""
    found = room.model(name)
    if not (isinstance(found, type) and issubclass(found, Registered)):
        raise room.unusable(name, f"{found!r} is no runwright.runbook.base.Registered")
    key = found.model_fields.get(room.key)
    if key is None or get_args(key.annotation) != (name,):
        raise room.unusable(name, f"the key `{room.key}` of {found.__name__} must be a Literal[{name!r}]")
    return found


def why_not(key: str, kind: object) -> str:
    """Return why ``kind`` cannot be used, though a package brings it; "" if none does. key: what tells the kinds apart."""
    return _unusable.get((key, str(kind)), "")


def _as_called_now(value: Any, room: Room) -> Any:
    """Runbooks, and those that the ledger keeps of earlier releases, may use a name that something had before."""
    if isinstance(value, dict) and value.get(room.key) in room.formerly:
        return {**value, room.key: room.formerly[value[room.key]]}
    return value
