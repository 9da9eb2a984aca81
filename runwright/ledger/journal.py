"""The journal of a release: the intent before each change, its outcome after it, by key and attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from runwright.engine.actions import Process
from runwright.errors import FencedError, InDoubtError, InputError
from runwright.ledger.fence import check_not_taken, check_token
from runwright.ledger.plain import as_dataclass
from runwright.ledger.states import ENDED
from runwright.ledger.store import Store
from runwright.ledger.tables import journal, releases

EntryState = Literal["intended", "running", "done", "failed", "ended"]
"""intended: about to be done. running: its process was seen. done, failed: its outcome, as its own process saw it.
ended: its outcome is not known; what still ran of it was ended or awaited by who came after."""

OPEN: tuple[EntryState, ...] = ("intended", "running")
"""An entry whose outcome is not known: in doubt, if its process is not alive."""


@dataclass(frozen=True)
class Entry:
    """One attempt at one change. ``token`` is None if no lease was held: users cannot have noticed that change.

    seconds: how long it took, None while it is open. detail: what recovery needs to know of the action.
    """

    key: str
    attempt: int
    says: str
    state: EntryState
    token: int | None
    repeatable: bool
    safe_point: bool
    intent_at: datetime
    started_at: datetime | None = None
    outcome_at: datetime | None = None
    host: str | None = None
    pid: int | None = None
    pid_started: int | None = None
    detail: dict[str, Any] | None = None
    result: Any = None
    error: str | None = None

    @property
    def seconds(self) -> float | None:
        """From its start (its intent, if it had no process) to its outcome. Never negative, though clocks go back."""
        if self.outcome_at is None:
            return None
        return max(0.0, (self.outcome_at - (self.started_at or self.intent_at)).total_seconds())


class Journal:
    """The journal of the release ``release_id``."""

    def __init__(self, store: Store, release_id: str) -> None:
        self.release_id = release_id
        self._store = store

    def find(self, key: str) -> Entry | None:
        """Return the latest attempt at ``key``, or None if it was never intended."""
        return self._store.read(lambda connection: self._latest(connection, key))

    def entries(self) -> list[Entry]:
        """Return all attempts, oldest first."""
        query = select(journal).where(journal.c.release_id == self.release_id).order_by(journal.c.number)
        return self._store.read(lambda c: [as_dataclass(Entry, row) for row in c.execute(query).mappings()])

    def changed(self, *, under_lease: bool = False) -> bool:
        """Return whether any change was intended at all; ``under_lease``: any that users could have noticed."""
        query = select(journal.c.number).where(journal.c.release_id == self.release_id).limit(1)
        if under_lease:
            query = query.where(journal.c.token.is_not(None))
        return self._store.read(lambda c: c.execute(query).first() is not None)

    def intend(
        self,
        key: str,
        says: str,
        token: int | None,
        *,
        repeatable: bool,
        safe_point: bool,
        detail: dict[str, Any] | None = None,
    ) -> Entry:
        """Write down that ``key`` is about to be done, as the attempt after the last one, and return that entry.

        With a ``token`` the lease is checked in the same transaction: a process that lost it cannot intend anything.
        Without one, the release must not have ended: who ended it was somebody else, and this process slept meanwhile.
        Raise FencedError if the lease is lost or the release has ended, InDoubtError if an earlier attempt is running,
        InputError if there is no such release.
        """
        values: dict[str, Any] = {"key": key, "says": says, "token": token, "state": "intended"}
        values |= {"repeatable": repeatable, "safe_point": safe_point, "detail": detail}

        def work(connection: Connection) -> Entry:
            self._check_held(connection, token)
            last = self._latest(connection, key)
            if last is not None:
                self._supersede(connection, last)
            row = values | {"attempt": last.attempt + 1 if last else 1, "intent_at": self._store.clock()}
            connection.execute(journal.insert().values(release_id=self.release_id, **row))
            return Entry(**row)

        return self._store.write(work)

    def check(self, entry: Entry) -> None:
        """Return if ``entry`` may still be done. Raise FencedError if its lease is lost, or another process closed it."""

        def work(connection: Connection) -> None:
            self._check_held(connection, entry.token)
            last = self._latest(connection, entry.key)
            if last is None or last.attempt != entry.attempt or last.state not in OPEN:
                raise FencedError(f"Attempt {entry.attempt} at {entry.key} was closed by another process.")

        self._store.read(work)

    def started(self, entry: Entry, process: Process) -> Entry:
        """Write down which process does it, as soon as there is one.

        Raise FencedError if another process took the lease since the intent, or closed the entry: then end it.
        """
        values = {"host": process.host, "pid": process.pid, "pid_started": process.started}

        def work(connection: Connection) -> Entry:
            if entry.token is not None:
                release = self._release(connection)
                check_not_taken(connection, release.system, release.environment, entry.token)
            return self._move(connection, entry, "running", values | {"started_at": self._store.clock()})

        return self._store.write(work)

    def settle(self, entry: Entry, result: Any = None) -> Entry:
        """Write down that it was done, and its result: plain JSON, small, and no secret.

        An outcome is a fact: it is kept even if the lease was lost meanwhile. Raise FencedError if another process has
        closed the entry.
        """
        values = {"result": result, "outcome_at": self._store.clock()}
        return self._store.write(lambda connection: self._move(connection, entry, "done", values))

    def fail(self, entry: Entry, error: str, *, ended: bool = False) -> Entry:
        """Write down that it failed and why; ``ended``: that its outcome is not known and nothing of it runs any more.

        Raise FencedError if another process has closed the entry.
        """
        values = {"error": error, "outcome_at": self._store.clock()}
        after: EntryState = "ended" if ended else "failed"
        return self._store.write(lambda connection: self._move(connection, entry, after, values))

    def _check_held(self, connection: Connection, token: int | None) -> None:
        """Return if the release may be changed: under a lease that is held, or without one while it is prepared."""
        release = self._release(connection)
        if token is not None:
            check_token(self._store, connection, release.system, release.environment, token)
        elif release.state in ENDED:
            raise FencedError(
                f"The release {self.release_id} was ended by another process: it is {release.state.replace('_', ' ')}.",
                state="This process changed nothing after that.",
                next="Nothing needs to be done here. If it is still wanted, deploy it again.",
            )

    def _release(self, connection: Connection) -> Row[tuple[str, str, str]]:
        query = select(releases.c.system, releases.c.environment, releases.c.state)
        row = connection.execute(query.where(releases.c.id == self.release_id)).one_or_none()
        if row is None:
            raise InputError(f"There is no release {self.release_id!r}.", next="`runwright history` lists them.")
        return row

    def _latest(self, connection: Connection, key: str) -> Entry | None:
        mine = (journal.c.release_id == self.release_id) & (journal.c.key == key)
        query = select(journal).where(mine).order_by(journal.c.attempt.desc()).limit(1)
        row = connection.execute(query).mappings().one_or_none()
        return as_dataclass(Entry, row) if row else None

    def _supersede(self, connection: Connection, last: Entry) -> None:
        if last.state == "running":
            raise InDoubtError(
                f"An earlier attempt at {last.key} has a process and no outcome: {last.says}.",
                state="Nothing was done.",
                next="It must be ended or awaited first; `runwright rollback` does that.",
            )
        if last.state == "intended":  # written by a commit whose answer was lost, or by a process that died at once
            values = {"error": f"superseded by attempt {last.attempt + 1}", "outcome_at": self._store.clock()}
            self._move(connection, last, "ended", values)

    def _move(self, connection: Connection, entry: Entry, after: EntryState, values: dict[str, Any]) -> Entry:
        """Compare and set. The same outcome again changes nothing: the answer to the first may have been lost."""
        mine = (journal.c.release_id == self.release_id) & (journal.c.key == entry.key)
        mine &= journal.c.attempt == entry.attempt
        found = connection.execute(select(journal).where(mine).with_for_update()).mappings().one_or_none()
        if found is None:
            raise InputError(f"The journal of {self.release_id} has no attempt {entry.attempt} at {entry.key!r}.")
        if found["state"] not in OPEN:
            if found["state"] == after:
                return as_dataclass(Entry, found)
            raise FencedError(
                f"Attempt {entry.attempt} at {entry.key} was closed as {found['state']} by another process"
                f"{': ' + found['error'] if found['error'] else ''}; it cannot become {after}."
            )
        connection.execute(update(journal).where(mine).values(state=after, **values))
        return as_dataclass(Entry, {**found, **values, "state": after})
