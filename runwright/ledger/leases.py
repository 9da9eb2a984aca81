"""One lease per environment: who holds it may change the target, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from runwright.errors import LeaseHeldError
from runwright.ledger.fence import check_token, refuse_if, why_lost
from runwright.ledger.plain import Row, as_dataclass
from runwright.ledger.store import Store
from runwright.ledger.tables import leases

TTL_SECONDS = 30.0
"""A lease is renewed every 5 s: it survives five renewals that failed, and a dead holder delays the way back by 30 s."""


@dataclass(frozen=True)
class Lease:
    """The right to change one environment. ``token`` grows with every taking, and is never given twice.

    It is at least the time of its taking, in seconds since 1970: what a target remembers of a ledger that was lost, left
    for a new one or restored from an older copy does not lock out the ledger that came after it.
    """

    system: str
    environment: str
    token: int
    holder: str
    run_id: str
    procedure: str
    release_id: str | None
    taken_at: datetime
    expires_at: datetime


class Leases:
    """The leases of all environments. The token decides who holds one; time only decides who may take one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(
        self,
        system: str,
        environment: str,
        *,
        holder: str,
        run_id: str,
        procedure: str,
        release_id: str | None,
        ttl_seconds: float = TTL_SECONDS,
    ) -> Lease:
        """Return the lease with a new token, if it is free, has expired, or is held by an earlier process of this run.

        Whoever held it before is fenced from then on. Raise LeaseHeldError, which names the holder, if it is held.
        """
        who = {"holder": holder, "run_id": run_id, "procedure": procedure, "release_id": release_id}

        def work(connection: Connection) -> Lease | LeaseHeldError:
            row = self._locked(connection, system, environment)
            now = self._store.now(connection)
            if _is_held(row, now) and row["run_id"] != run_id:
                return self._refusal(connection, row, now)
            values = {
                **who,
                "token": max(row["token"] + 1, int(now.timestamp())),
                "taken_at": now,
                "released_at": None,
                **_renewed(now, ttl_seconds),
            }
            connection.execute(update(leases).where(_of(system, environment)).values(**values))
            return as_dataclass(Lease, row, **values)

        result = self._store.write(work)
        if isinstance(result, LeaseHeldError):
            raise result
        return result

    def beat(self, lease: Lease, ttl_seconds: float = TTL_SECONDS) -> Lease:
        """Renew it and return it with its new expiry. One that has expired and that nobody took is ours again.

        Raise FencedError if somebody else took it, or it was given back.
        """

        def work(connection: Connection) -> Lease:
            row = self._locked(connection, lease.system, lease.environment)
            refuse_if(why_lost(row, lease.token), lease.system, lease.environment, lease.token)
            values = _renewed(self._store.now(connection), ttl_seconds)
            connection.execute(update(leases).where(_of(lease.system, lease.environment)).values(**values))
            return as_dataclass(Lease, row, **values)

        return self._store.write(work)

    def release(self, lease: Lease) -> None:
        """Give it back. Does nothing if it was given back before or is somebody else's now."""

        def work(connection: Connection) -> None:
            ours = (
                _of(lease.system, lease.environment) & (leases.c.token == lease.token) & leases.c.released_at.is_(None)
            )
            connection.execute(update(leases).where(ours).values(released_at=self._store.now(connection)))

        self._store.write(work)

    def check(self, lease: Lease) -> None:
        """Return if it is held and has not expired. Raise FencedError if not."""
        self._store.read(
            lambda connection: check_token(self._store, connection, lease.system, lease.environment, lease.token)
        )

    def holder(self, system: str, environment: str) -> Lease | None:
        """Return the lease that is held and has not expired, or None."""
        return next(iter(self._all(_of(system, environment), held=True)), None)

    def expire_in(self, system: str, environment: str) -> float | None:
        """Return in how many seconds it may be taken if its holder is dead, or None if it may be taken now."""

        def work(connection: Connection) -> float | None:
            row = connection.execute(select(leases).where(_of(system, environment))).mappings().one_or_none()
            now = self._store.now(connection)
            if row is None or not _is_held(row, now):
                return None
            # never more than it lives: after the clock went back, the next `take` sets it to that
            left: timedelta = min(row["expires_at"] - now, _ttl(row))
            return left.total_seconds()

        return self._store.read(work)

    def held(self) -> list[Lease]:
        """Return all leases that are held and have not expired."""
        return self._all(leases.c.released_at.is_(None), held=True)

    def lost(self) -> list[Lease]:
        """Return all leases that were never given back and have expired: their holders have died or are cut off."""
        return self._all(leases.c.released_at.is_(None), held=False)

    def _all(self, where: ColumnElement[bool], *, held: bool) -> list[Lease]:
        def work(connection: Connection) -> list[Lease]:
            query = select(leases).where(where).order_by(leases.c.system, leases.c.environment)
            rows = connection.execute(query).mappings().all()
            now = self._store.now(connection)
            return [as_dataclass(Lease, row) for row in rows if _is_held(row, now) is held]

        return self._store.read(work)

    def _locked(self, connection: Connection, system: str, environment: str) -> dict[str, Any]:
        """Return the environment's row, made if there is none, and locked until the transaction ends."""
        now = self._store.now(connection)
        free: dict[str, Any] = {"system": system, "environment": environment, "token": 0}
        free |= {"holder": "", "run_id": "", "procedure": "", "release_id": None}
        free |= {"taken_at": now, "beaten_at": now, "expires_at": now, "released_at": now}
        connection.execute(self._store.insert_if_new(leases, free))
        query = select(leases).where(_of(system, environment)).with_for_update()
        return dict(connection.execute(query).mappings().one())

    def _refusal(self, connection: Connection, row: dict[str, Any], now: datetime) -> LeaseHeldError:
        if now < row["beaten_at"]:
            # The clock went back (an hour, perhaps). A holder that lives renews the lease; of one that is dead nobody
            # can tell when it died, so its lease lives once more from now, and not until the clock has caught up.
            values = _renewed(now, _ttl(row).total_seconds())
            connection.execute(update(leases).where(_of(row["system"], row["environment"])).values(**values))
            row = row | values
        where = f"{row['system']}/{row['environment']}"
        what = row["procedure"] + (f" of {row['release_id']}" if row["release_id"] else "")
        seconds = max(1, round((row["expires_at"] - now).total_seconds()))
        return LeaseHeldError(
            f"{where} is held by {row['holder']} for {what} (run {row['run_id']}), since "
            f"{row['taken_at']:%Y-%m-%d %H:%M:%S} UTC, until {row['expires_at']:%H:%M:%S} UTC unless it is renewed.",
            next=f"Wait until it is done: `runwright status` shows it. If its process is dead, the lease ends by itself "
            f"in {seconds} s, and the rollback that follows puts things in order.",
        )


def _of(system: str, environment: str) -> ColumnElement[bool]:
    return (leases.c.system == system) & (leases.c.environment == environment)


def _renewed(now: datetime, ttl_seconds: float) -> dict[str, Any]:
    return {"beaten_at": now, "expires_at": now + timedelta(seconds=ttl_seconds)}


def _is_held(row: Row, now: datetime) -> bool:
    return row["released_at"] is None and row["expires_at"] > now


def _ttl(row: Row) -> timedelta:
    ttl: timedelta = row["expires_at"] - row["beaten_at"]
    return ttl
