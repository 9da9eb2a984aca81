"""The fence: whether a token is still the current one of its environment, asked inside of the writer's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select

from runwright.errors import FencedError, LapsedError
from runwright.ledger.plain import Row
from runwright.ledger.store import Store
from runwright.ledger.tables import leases

_NEXT = "Nothing needs to be done here: who holds it now goes on. `runwright status` shows who."


def check_token(store: Store, connection: Connection, system: str, environment: str, token: int) -> None:
    """Return if ``token`` is current and has not expired; nobody can take the lease until the transaction ends.

    Raise LapsedError if it has only expired, FencedError if it is somebody else's.
    """
    row = locked_lease(connection, system, environment)
    refuse_if(why_lost(row, token), system, environment, token)
    if row and row["expires_at"] <= store.now(connection):
        why = f"it expired at {row['expires_at']:%H:%M:%S} UTC and was not renewed in time"
        raise LapsedError(
            _lost(why, system, environment, token),
            next="Nobody has taken it: the rollback that follows looks, and decides.",
        )


def check_not_taken(connection: Connection, system: str, environment: str, token: int) -> None:
    """As ``check_token``, but a lease that has expired and that nobody took will do: for what has begun already."""
    refuse_if(why_lost(locked_lease(connection, system, environment), token), system, environment, token)


def locked_lease(connection: Connection, system: str, environment: str) -> Row | None:
    """Return the lease's row; until the transaction ends nobody else can change it, though others may read it so."""
    of = (leases.c.system == system) & (leases.c.environment == environment)
    return connection.execute(select(leases).where(of).with_for_update(read=True)).mappings().one_or_none()


def why_lost(row: Row | None, token: int) -> str:
    """Return why ``token`` is not the current one of a lease, or "" if it is. Time is not asked."""
    if row is None:
        return "it was never taken"
    if row["token"] != token:
        return (
            f"{row['holder']} took it at {row['taken_at']:%H:%M:%S} UTC for {row['procedure']} (token {row['token']})"
        )
    return f"it was given back at {row['released_at']:%H:%M:%S} UTC" if row["released_at"] else ""


def refuse_if(why: str, system: str, environment: str, token: int) -> None:
    """Raise FencedError if there is a reason."""
    if why:
        raise FencedError(_lost(why, system, environment, token), next=_NEXT)


def _lost(why: str, system: str, environment: str, token: int) -> str:
    return f"The lease of {system}/{environment} (token {token}) is not held by this process any more: {why}."
