"""What every database says of itself in a runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runwright import registry
from runwright.runbook.base import Registered, example

if TYPE_CHECKING:
    Planned = str
else:
    Planned = Literal[registry.DATABASES.later]


class Database(Registered):
    """What holds an environment's data. ``kind`` is a `Literal` of one name in each."""

    kind: str


class LaterDatabase(Database):
    """A database whose backups are not built yet."""

    kind: Planned
    settings: dict[str, Any] = example(
        {"instance": "shop-production"}, "What the driver will need; not checked yet.", {}
    )
    built: ClassVar[bool] = False
