"""What every database says of itself in a runbook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runwright import registry
from runwright.runbook.base import Registered, example
from runwright.runbook.document import Mistake
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment

    Planned = str
else:
    Planned = Literal[registry.DATABASES.later]


class Database(Registered):
    """What holds an environment's data. ``kind`` is a `Literal` of one name in each."""

    by_us: ClassVar[bool] = False
    """Whether Runwright itself opens it, and no program that can be run where it is."""

    kind: str

    @property
    def in_server(self) -> str | None:
        """Return the name that it has in its server, where one server may hold several."""
        return None

    def mistakes(self, place: Environment, path: Path) -> Iterator[Mistake]:  # noqa: ARG002
        """Yield what does not fit together in the database of ``place``, which is at ``path``."""
        yield from ()


class LaterDatabase(Database):
    """A database whose backups are not built yet."""

    kind: Planned
    settings: dict[str, Any] = example(
        {"instance": "shop-production"}, "What the driver will need; not checked yet.", {}
    )
    built: ClassVar[bool] = False
