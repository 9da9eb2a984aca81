"""Drills: that the way back works is tried before it is needed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from runwright.errors import InputError
from runwright.runbook.base import Duration, Model, Name, example

Break = Literal["kill", "errors", "latency"]
"""kill: what was released is killed. errors: users get errors. latency: users wait."""

BREAKS: tuple[Break, ...] = get_args(Break)


class Drills(Model):
    """Drills: the current version is released again, broken on purpose, and has to come back by itself."""

    every: Duration = example(
        "35d", "How long the last good drill may be ago; `status` shows one that is overdue.", 7776000.0
    )
    environments: list[Name] = example(["staging"], "Where. Never production. Default: all others.", [], apart=True)
    by: list[Break] = example(
        ["kill", "errors"],
        "How it is broken: a drill takes what was not tried for longest. Default: all ways.",
        list(BREAKS),
    )
    watch: Duration | None = example(
        "5m", "How long the watch has to notice it. Default: as long as the environment is watched.", None
    )


def require_way(ways: Collection[Break], by: Break) -> None:
    """Raise InputError if ``by`` is not one of the ``ways`` in which something can be broken."""
    if by not in ways:
        raise InputError(
            f"It cannot be broken by {by!r} here.", next=f"It can by {', '.join(sorted(ways)) or 'nothing'}."
        )
