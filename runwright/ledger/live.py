"""What is live in each environment, found by as many queries for a thousand of them as for one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, select

from runwright.ledger.release import Release, release_of
from runwright.ledger.states import ReleaseState
from runwright.ledger.store import Store
from runwright.ledger.tables import environments, releases

Where = tuple[str, str]
"""A system and one of its environments."""

ENDS = frozenset({ReleaseState.PROVEN, ReleaseState.ROLLED_BACK})
"""After these another version may serve than before."""


def there(table: Table, system: str | None, environment: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a row is of a system and an environment, without those that are not asked for."""
    asked = ((table.c.system, system), (table.c.environment, environment))
    return [column == value for column, value in asked if value is not None]


def note_place(store: Store, connection: Connection, system: str, environment: str) -> None:
    """Write down that an environment has a release."""
    connection.execute(store.insert_if_new(environments, {"system": system, "environment": environment}))


def note_end(store: Store, connection: Connection, release: Release) -> None:
    """Write down that nothing of its environment has come to an end after ``release``."""
    place = {"system": release.system, "environment": release.environment}
    connection.execute(store.upsert(environments, place, {"last_end": release.id}))


def live(connection: Connection, system: str | None = None, environment: str | None = None) -> dict[Where, Release]:
    """Return the release that should serve, of each environment that has one."""
    here = there(environments, system, environment)
    ended = select(releases).join(environments, environments.c.last_end == releases.c.id).where(*here)
    last = releases.alias("last")
    behind = (
        select(releases)
        .join(last, last.c.previous_id == releases.c.id)
        .join(environments, environments.c.last_end == last.c.id)
        .where(*here, last.c.state != str(ReleaseState.PROVEN))
    )
    earlier = {row["id"]: release_of(row) for row in connection.execute(behind).mappings()}
    found: dict[Where, Release] = {}
    for row in connection.execute(ended).mappings():
        serves = _serves(connection, release_of(row), earlier)
        if serves is not None:
            found[serves.system, serves.environment] = serves
    return found


def _serves(connection: Connection, last: Release, earlier: dict[str, Release]) -> Release | None:
    if last.state is ReleaseState.PROVEN:
        return last
    if last.previous_id:
        return earlier[last.previous_id]
    # nobody wrote down what was there before it: what was proven before it
    number = select(releases.c.number).where(releases.c.id == last.id).scalar_subquery()
    proven = releases.c.state == str(ReleaseState.PROVEN)
    query = select(releases).where(*there(releases, last.system, last.environment), proven, releases.c.number < number)
    row = connection.execute(query.order_by(releases.c.number.desc()).limit(1)).mappings().one_or_none()
    return release_of(row) if row else None
