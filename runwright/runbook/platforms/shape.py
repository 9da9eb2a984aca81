"""What every platform says of itself in a runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runwright import registry
from runwright.runbook.base import Registered, example

if TYPE_CHECKING:
    Planned = str
else:
    Planned = Literal[registry.PLATFORMS.later]


class Target(Registered):
    """Where an environment runs. ``platform`` is a `Literal` of one name in each."""

    platform: str


class LaterTarget(Target):
    """A platform whose runbooks load and are checked but for its settings, and whose deploys are refused until it is built."""

    platform: Planned
    settings: dict[str, Any] = example({"namespace": "shop"}, "What the platform will need; not checked yet.", {})
    built: ClassVar[bool] = False
