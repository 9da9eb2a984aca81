"""What a runbook says of something that a package of somebody else's brings: a gate, a way to tell people."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from runwright.registry import Room
from runwright.runbook.base import FROM_A_FILE, Model, Name, Registered, example
from runwright.runbook.registered import model_of


class Packaged(Model):
    """Something that a package brings by an entry point of this name."""

    kind: Name = example("change-freeze", "The name of the entry point.")
    settings: dict[str, Any] = example(
        {"calendar": "production"}, "What the package wants to know; it says itself what that is.", {}
    )


def settings_of(room: Room, said: Packaged) -> Registered:
    """Return the settings as the package's own model has them. Raise InputError if there is none of that kind, or they are wrong."""
    if said.kind not in room.names:
        room.driver(said.kind)  # which says what there is
    try:
        return model_of(room, said.kind).model_validate({room.key: said.kind, **said.settings}, context=FROM_A_FILE)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise room.unusable(said.kind, f"its settings are wrong: {where}: {first['msg']}") from None
