"""What is kept beside a release: backups, measurements, gate results, approvals, and the notes of its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select, update

from runwright.errors import InputError
from runwright.ledger.live import Where, note_place, there
from runwright.ledger.names import new_id
from runwright.ledger.plain import as_dataclass, columns_of, finite
from runwright.ledger.store import Store
from runwright.ledger.tables import approvals, backups, environments, gate_results, measurements, notes

T = TypeVar("T")


@dataclass(frozen=True)
class Backup:
    """A backup that was taken. ``proof`` holds what was seen when it was restored, ``proven_at`` when.

    revisions: the schema revisions in it, None if unknown. removed_at: when its file was removed.
    """

    id: str
    system: str
    environment: str
    release_id: str | None
    location: str
    bytes: int
    sha256: str
    seconds: float
    engine: str
    revisions: list[str] | None
    created_at: datetime
    proven_at: datetime | None = None
    proof: dict[str, Any] | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True)
class Measurement:
    """One answer to one rule of the watch. ``value`` and ``requests`` are None where there was no answer."""

    rule: str
    at: datetime
    state: str
    value: float | None
    requests: float | None
    reason: str


@dataclass(frozen=True)
class GateResult:
    """What one gate of the checklist said."""

    gate: str
    state: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Approval:
    """What a person stated (an attestation of a gate) or allowed (a plan), bound to the plan that they saw."""

    gate: str
    name: str
    text: str
    plan_hash: str | None
    at: datetime
    expires_at: datetime | None

    def holds(self, plan_hash: str | None, now: datetime) -> bool:
        """Return whether it is of this plan (or of no plan in particular) and has not expired."""
        return self.plan_hash in (None, plan_hash) and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class Note:
    """One line of a release's log."""

    at: datetime
    kind: str
    text: str


class Records:
    """What is only ever added to. Everything is returned oldest first, but ``backups`` newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_backup(
        self,
        system: str,
        environment: str,
        *,
        release_id: str | None,
        location: str,
        bytes: int,
        sha256: str,
        seconds: float,
        engine: str,
        revisions: Iterable[str] | None,
        created_at: datetime | None = None,
    ) -> Backup:
        """Keep that a backup was taken, and return it."""
        at = created_at or self._store.clock()
        row: dict[str, Any] = {"system": system, "environment": environment, "release_id": release_id}
        row |= {"location": location, "bytes": bytes, "sha256": sha256, "seconds": seconds, "engine": engine}
        row |= {"revisions": None if revisions is None else list(revisions), "created_at": at}

        def work(connection: Connection) -> Backup:
            named = row | {"id": new_id(f"{system}-{environment}-backup", at)}
            connection.execute(backups.insert().values(**named))
            note_place(self._store, connection, system, environment)
            return Backup(**named)

        return self._store.write(work)

    def prove_backup(self, backup_id: str, proof: dict[str, Any]) -> Backup:
        """Keep that a backup was restored and what was seen; return it. Raise InputError if there is none."""
        return self._set_backup(backup_id, proof=proof, proven_at=self._store.clock())

    def remove_backup(self, backup_id: str) -> Backup:
        """Keep that the file of a backup was removed; return it. Raise InputError if there is none."""
        return self._set_backup(backup_id, removed_at=self._store.clock())

    def backups(
        self, system: str, environment: str, limit: int = 100, *, removed: bool = False, release_id: str | None = None
    ) -> list[Backup]:
        """Return the newest backups, newest first: those that are there, or also those that were ``removed``."""
        query = select(backups).where(backups.c.system == system, backups.c.environment == environment)
        if not removed:
            query = query.where(backups.c.removed_at.is_(None))
        if release_id is not None:
            query = query.where(backups.c.release_id == release_id)
        query = query.order_by(backups.c.number.desc()).limit(limit)
        return self._store.read(lambda c: [as_dataclass(Backup, row) for row in c.execute(query).mappings()])

    def last_backup(self, system: str, environment: str) -> Backup | None:
        """Return the newest backup that is there, or None."""
        return next(iter(self.backups(system, environment, limit=1)), None)

    def last_backups(self, system: str | None = None, environment: str | None = None) -> dict[Where, Backup]:
        """Return what ``last_backup`` returns, of every environment that has one."""
        # of each environment by the index: to group a million backups takes a hundred times as long
        of = (backups.c.system == environments.c.system) & (backups.c.environment == environments.c.environment)
        newest = select(func.max(backups.c.number)).where(of, backups.c.removed_at.is_(None)).correlate(environments)
        numbers = (
            select(newest.scalar_subquery()).select_from(environments).where(*there(environments, system, environment))
        )
        found = self._backups(select(backups).where(backups.c.number.in_(numbers)))
        return {(backup.system, backup.environment): backup for backup in found}

    def last_proven_backup(self, system: str, environment: str) -> Backup | None:
        """Return the newest backup that is there and was proven, or None."""
        query = self._kept(system, environment).where(backups.c.proven_at.is_not(None))
        query = query.order_by(backups.c.number.desc()).limit(1)
        return next(iter(self._backups(query)), None)

    def backups_before(self, system: str, environment: str, before: datetime) -> list[Backup]:
        """Return all backups that are there and were taken before a moment, oldest first."""
        query = self._kept(system, environment).where(backups.c.created_at < before)
        return self._backups(query.order_by(backups.c.number))

    def add_measurements(self, release_id: str, items: Iterable[Measurement]) -> None:
        """Keep answers to rules, in one transaction. NaN becomes "no value"."""
        rows = [{**columns_of(item), "value": finite(item.value), "requests": finite(item.requests)} for item in items]
        self._add(measurements, release_id, rows)

    def measurements(self, release_id: str, rule: str | None = None) -> list[Measurement]:
        """Return the answers to one rule, or to all."""
        where = None if rule is None else measurements.c.rule == rule
        return self._of(measurements, Measurement, release_id, where)

    def add_gate_results(self, release_id: str, items: Iterable[GateResult]) -> None:
        """Keep what gates said, in one transaction."""
        self._add(gate_results, release_id, [dict(columns_of(item)) for item in items])

    def gate_results(self, release_id: str) -> list[GateResult]:
        """Return all that the gates of a release ever said."""
        return self._of(gate_results, GateResult, release_id)

    def add_approval(
        self,
        release_id: str,
        gate: str,
        *,
        name: str,
        text: str,
        plan_hash: str | None = None,
        expires_at: datetime | None = None,
    ) -> Approval:
        """Keep what ``name`` stated or allowed, and return it."""
        approval = Approval(gate, name, text, plan_hash, self._store.clock(), expires_at)
        self._add(approvals, release_id, [dict(columns_of(approval))])
        return approval

    def approvals(self, release_id: str, gate: str | None = None) -> list[Approval]:
        """Return what was stated and allowed, whether it still holds or not."""
        return self._of(approvals, Approval, release_id, None if gate is None else approvals.c.gate == gate)

    def add_note(self, release_id: str, kind: str, text: str) -> Note:
        """Add a line to a release's log, and return it."""
        note = Note(self._store.clock(), kind, text)
        self._add(notes, release_id, [dict(columns_of(note))])
        return note

    def notes(self, release_id: str) -> list[Note]:
        """Return a release's log."""
        return self._of(notes, Note, release_id)

    def _set_backup(self, backup_id: str, **values: Any) -> Backup:
        this = backups.c.id == backup_id

        def work(connection: Connection) -> Backup:
            connection.execute(update(backups).where(this).values(**values))
            row = connection.execute(select(backups).where(this)).mappings().one_or_none()
            if row is None:
                raise InputError(f"There is no backup {backup_id!r}.", next="`runwright history` lists them.")
            return as_dataclass(Backup, row)

        return self._store.write(work)

    def _kept(self, system: str, environment: str) -> Select[Any]:
        of_environment = (backups.c.system == system, backups.c.environment == environment)
        return select(backups).where(*of_environment, backups.c.removed_at.is_(None))

    def _backups(self, query: Select[Any]) -> list[Backup]:
        return self._store.read(lambda c: [as_dataclass(Backup, row) for row in c.execute(query).mappings()])

    def _add(self, table: Table, release_id: str, rows: list[dict[str, Any]]) -> None:
        named = [{"release_id": release_id, **row} for row in rows]
        if named:
            self._store.write(lambda connection: connection.execute(table.insert(), named))

    def _of(self, table: Table, kind: type[T], release_id: str, where: ColumnElement[bool] | None = None) -> list[T]:
        query = select(table).where(table.c.release_id == release_id).order_by(table.c.number)
        if where is not None:
            query = query.where(where)
        return self._store.read(lambda c: [as_dataclass(kind, row) for row in c.execute(query).mappings()])
