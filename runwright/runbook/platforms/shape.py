"""What every platform says of itself in a runbook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runwright import registry
from runwright.runbook.base import Registered, example
from runwright.runbook.document import Mistake
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment
    from runwright.runbook.model import Runbook

    Planned = str
else:
    Planned = Literal[registry.PLATFORMS.later]


class Target(Registered):
    """Where an environment runs. ``platform`` is a `Literal` of one name in each."""

    enters: ClassVar[bool] = True
    """Whether a program can be run where one of its services runs: then a database may be a service of it."""

    own_jobs: ClassVar[bool] = False
    """Whether a version's own files may say how a one-off job is run: then `migrate` may name such a job as its `service`."""

    platform: str

    @property
    def routed(self) -> bool:
        """Whether users are sent to one of two versions by the environment's ``router``; if not, it has none."""
        return False

    @property
    def climbs(self) -> bool:
        """Whether a new version gets its users share by share."""
        return bool(getattr(registry.cutover(str(getattr(self, "strategy", ""))), "climbs", False))

    def host(self) -> str | None:
        """Return the address for ssh of the host that it runs on; None: the one that Runwright runs on, or no host at all."""
        return None

    def service_names(self, book: Runbook) -> list[str]:
        """Return the names of what runs here, as other parts of the runbook may name them."""
        return list(book.services())

    def own_urls(self) -> tuple[str, ...]:
        """Return the names of addresses that are there by themselves, besides those of the environment's ``urls``."""
        return ()

    def mistakes(self, book: Runbook, place: Environment, path: Path) -> Iterator[Mistake]:  # noqa: ARG002
        """Yield what does not fit together between the target of ``place``, which is at ``path``, and the rest of ``book``."""
        yield from ()


class LaterTarget(Target):
    """A platform whose runbooks load and are checked but for its settings, and whose deploys are refused until it is built."""

    platform: Planned
    settings: dict[str, Any] = example({"namespace": "shop"}, "What the platform will need; not checked yet.", {})
    built: ClassVar[bool] = False
