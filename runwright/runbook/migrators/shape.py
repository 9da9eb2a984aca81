"""What every migrator says of itself in a runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from runwright import registry
from runwright.runbook.base import Duration, Name, Registered, ServiceName, Words, example

if TYPE_CHECKING:
    Planned = str
else:
    Planned = Literal[registry.MIGRATORS.later]

PathInImage = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._/-]+$"), Words("a path of letters, digits and . _ / -", "a path")
]


class Migrate(Registered):
    """What moves the database's schema. ``tool`` is a `Literal` of one name in each."""

    asks_database: ClassVar[bool] = True
    """Whether the environment's database tells what it has done. If not, it needs none that the runbook names."""

    tool: str
    component: Name | None = example("api", "The component whose code holds the migrations. Default: the first.", None)
    service: ServiceName | None = example(
        "api", "The service whose configuration the one-off job gets. Default: the component's first.", None
    )
    timeout: Duration = example("10m", "How long all migrations together may take.", 600.0)


class LaterMigrate(Migrate):
    """A tool that is not built yet."""

    built: ClassVar[bool] = False

    tool: Planned
    settings: dict[str, Any] = example({"locations": ["db/migration"]}, "What the tool will need; not checked yet.", {})
