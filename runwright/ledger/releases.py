"""Releases: what was asked, where each stands and why, what it deployed, and which one is the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, select, update

from runwright.errors import InputError
from runwright.ledger.fence import check_token
from runwright.ledger.live import ENDS, Where, live, note_end, note_place, there
from runwright.ledger.names import new_id
from runwright.ledger.plain import as_dataclass, as_json
from runwright.ledger.release import Release, Run, Transition, check_move, release_of, transition_of
from runwright.ledger.states import ReleaseState
from runwright.ledger.store import Store
from runwright.ledger.tables import environments, facts, notes, releases, runs, transitions
from runwright.versions import Version

# What `record` may set. State and reason only `advance` sets; what was asked is never changed.
RECORDABLE = frozenset(
    {
        "commit",
        "version",
        "previous_id",
        "level",
        "plan_hash",
        "schema_before",
        "schema_after",
        "watch_started_at",
        "watch_elapsed_seconds",
    }
)
# A version in one of these states did not do what it should, or was taken back: it is not released again by itself.
_QUARANTINE = frozenset(
    {ReleaseState.FAILING, ReleaseState.ROLLING_BACK, ReleaseState.ROLLED_BACK, ReleaseState.FROZEN}
)
AT_ONCE = 500
"""So many ids fit into one question, on either database."""
PAGE = 20
"""Who looks back has mostly seen enough after a few releases; each carries its runbook."""
_LAST = 2**62


class Releases:
    """All releases. The newest is the one that was opened last, whatever clocks said."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(
        self,
        system: str,
        environment: str,
        ref: str,
        *,
        procedure: str,
        run_id: str,
        runbook: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deployer: str,
    ) -> Release:
        """Return the release of ``run_id``: a new one in ``preparing``, or the one that this run opened before.

        Raise InputError if the run belongs to a release of another environment.
        """
        values: dict[str, Any] = {"system": system, "environment": environment, "ref": ref, "deployer": deployer}
        values |= {"procedure": procedure, "run_id": run_id, "runbook": dict(runbook), "parameters": dict(parameters)}

        def work(connection: Connection) -> Release:
            known = self._of_run(connection, run_id)
            if known is None:
                because = f"{deployer} asked for {ref}"
                known = self._insert(connection, values, ReleaseState.PREPARING, because)
                self._attach(connection, known.id, run_id, procedure)
            elif (known.system, known.environment) != (system, environment):
                raise InputError(
                    f"The run {run_id} belongs to {known.id}; it cannot release {system} to {environment} too.",
                    next="Start a new run.",
                )
            return known

        return self._store.write(work)

    def adopt(
        self,
        system: str,
        environment: str,
        version: Version,
        *,
        runbook: Mapping[str, Any],
        deployer: str,
        because: str = "it was running before Runwright's first release here",
    ) -> Release:
        """Return a proven release of what was found running, so that there is a way back to it.

        If what is live in the ledger is that same version, return that.
        """
        values: dict[str, Any] = {
            "system": system,
            "environment": environment,
            "ref": version.ref,
            "commit": version.commit,
        }
        values |= {"procedure": "adopt", "run_id": None, "deployer": deployer, "runbook": dict(runbook)}
        values |= {"parameters": {}, "version": version.as_json(), "adopted": True}

        def work(connection: Connection) -> Release:
            now = live(connection, system, environment).get((system, environment))
            if now is not None and now.version and as_json(now.version.as_json()) == as_json(version.as_json()):
                return now
            return self._insert(connection, values, ReleaseState.PROVEN, because)

        return self._store.write(work)

    def attach(self, release_id: str, run_id: str, procedure: str) -> None:
        """Write down that a run works on a release. Raise InputError if it works on another one already."""

        def work(connection: Connection) -> None:
            known = self._of_run(connection, run_id)
            if known is None:
                self._one(connection, release_id)
                self._attach(connection, release_id, run_id, procedure)
            elif known.id != release_id:
                raise InputError(f"The run {run_id} works on {known.id}; it cannot work on {release_id} too.")

        self._store.write(work)

    def get(self, release_id: str) -> Release:
        """Return a release. Raise InputError if there is none."""
        return self._store.read(lambda connection: self._one(connection, release_id))

    def of_run(self, run_id: str) -> Release | None:
        """Return the release that a run works on, or None."""
        return self._store.read(lambda connection: self._of_run(connection, run_id))

    def several(self, release_ids: Iterable[str]) -> dict[str, Release]:
        """Return releases by their ids; without those that there are not."""
        query = select(releases).where(releases.c.id.in_(bindparam("ids", expanding=True)))
        return {r.id: r for r in map(release_of, self._by_ids(query, release_ids))}

    def runs(self, release_id: str) -> list[Run]:
        """Return the runs that worked on a release, oldest first."""
        query = select(runs).where(runs.c.release_id == release_id).order_by(runs.c.number)
        return self._store.read(lambda c: [as_dataclass(Run, row) for row in c.execute(query).mappings()])

    def find(
        self,
        system: str | None = None,
        environment: str | None = None,
        limit: int | None = 20,
        states: Iterable[ReleaseState] | None = None,
        without: Iterable[str] = (),
        commit: str | None = None,
    ) -> list[Release]:
        """Return the newest releases, newest first: of one system and environment, or of all.

        limit: None of no limit. without: the procedures whose releases are left out. commit: the only one that is meant.
        """
        query = select(releases).where(*there(releases, system, environment))
        query = query.order_by(releases.c.number.desc()).limit(limit)
        if states is not None:
            query = query.where(releases.c.state.in_([str(state) for state in states]))
        if commit is not None:
            query = query.where(releases.c.commit == commit)
        if without:
            query = query.where(releases.c.procedure.not_in(list(without)))
        return self._store.read(lambda c: [release_of(row) for row in c.execute(query).mappings()])

    def walk(self, system: str, environment: str) -> Iterator[Release]:
        """Yield the releases of an environment, newest first: some at a time, for whoever looks back until it has seen enough."""
        query = select(releases).where(*there(releases, system, environment), releases.c.number < bindparam("before"))
        query = query.order_by(releases.c.number.desc()).limit(PAGE)
        last = _LAST
        while page := self._page(query, last):
            yield from map(release_of, page)
            last = page[-1]["number"]

    def commits(self, system: str) -> set[str]:
        """Return the commits that were ever released of a system."""
        query = select(releases.c.commit).where(releases.c.system == system, releases.c.commit != "").distinct()
        return self._store.read(lambda c: set(c.execute(query).scalars()))

    def advance(
        self,
        release_id: str,
        to: ReleaseState,
        because: str,
        expect: Iterable[ReleaseState] | None = None,
        *,
        token: int | None = None,
    ) -> Release:
        """Move a release to ``to`` and write down why; return it.

        The same state for the same reason changes nothing, nor does the state in which it has ended. Raise RefusedError
        if the table of transitions, or ``expect``, does not allow it, FencedError if ``token`` is given and is lost.
        """
        expected = None if expect is None else frozenset(expect)

        def work(connection: Connection) -> Release:
            if token is not None:
                found = self._one(connection, release_id)
                check_token(self._store, connection, found.system, found.environment, token)
            before = self._one(connection, release_id, lock=True)
            if before.state == to and (before.because == because or before.ended):
                return before
            check_move(before, to, expected)
            now = self._store.clock()
            values: dict[str, Any] = {"state": str(to), "because": because}
            if before.state != to:
                values["changed_at"] = now
            connection.execute(update(releases).where(releases.c.id == release_id).values(**values))
            self._transition(connection, before, now, before.state, to, because)
            return self._one(connection, release_id)

        return self._store.write(work)

    def last_runs(self, release_ids: Iterable[str]) -> dict[str, str]:
        """Return the id of the newest run that worked on each of several releases, by their ids."""
        query = select(runs).where(runs.c.release_id.in_(bindparam("ids", expanding=True))).order_by(runs.c.number)
        return {row["release_id"]: row["run_id"] for row in self._by_ids(query, release_ids)}

    def transitions(self, release_id: str) -> list[Transition]:
        """Return the steps of a release, oldest first."""
        query = select(transitions).where(transitions.c.release_id == release_id).order_by(transitions.c.number)
        return self._store.read(lambda c: [transition_of(row) for row in c.execute(query).mappings()])

    def live(self, system: str, environment: str) -> Release | None:
        """Return the release that should serve there, which is the way back of the next one: the last that was proven or
        adopted, or the one that the last rollback went back to. None if there is none."""
        return self.all_live(system, environment).get((system, environment))

    def all_live(self, system: str | None = None, environment: str | None = None) -> dict[Where, Release]:
        """Return what ``live`` returns, of every environment that has one."""
        return self._store.read(lambda c: live(c, system, environment))

    def places(self) -> list[Where]:
        """Return the system and environment of every place that has a release, sorted."""
        query = select(environments.c.system, environments.c.environment)
        return sorted(
            (system, environment) for system, environment in self._store.read(lambda c: c.execute(query).all())
        )

    def record(self, release_id: str, *, token: int | None = None, **columns: Any) -> Release:
        """Set what became known of a release (``RECORDABLE``), and return it. A version brings its commit with it.

        Raise InputError if there is no such release or column, FencedError if ``token`` is given and is lost.
        """
        if unknown := set(columns) - RECORDABLE:
            raise InputError(f"A release has no {', '.join(sorted(unknown))} that could be set.")
        values = dict(columns)
        if isinstance(version := values.get("version"), Version):
            values = {"commit": version.commit} | values | {"version": version.as_json()}

        def work(connection: Connection) -> Release:
            release = self._one(connection, release_id)
            if token is not None:
                check_token(self._store, connection, release.system, release.environment, token)
            if values:
                connection.execute(update(releases).where(releases.c.id == release_id).values(**values))
            return self._one(connection, release_id)

        return self._store.write(work)

    def quarantined(self, system: str, environment: str, commit: str) -> Release | None:
        """Return the release because of which ``commit`` is not released there again, or None.

        It is the last one of that commit that came far enough to be judged, if it failed or was taken back and nobody
        has cleared it since. A drill says nothing about its version: it was broken on purpose.
        """
        judged = [str(state) for state in _QUARANTINE | {ReleaseState.PROVEN}]
        query = select(releases).where(*there(releases, system, environment), releases.c.commit == commit)
        query = query.where(releases.c.state.in_(judged), releases.c.procedure != "drill")
        newest = query.order_by(releases.c.number.desc()).limit(1)
        last = self._store.read(lambda connection: _first(connection, newest)) if commit else None
        return last if last and last.state in _QUARANTINE and last.cleared_at is None else None

    def clear_quarantine(self, release_id: str, who: str, why: str) -> Release:
        """Let the version of a release be released again; who said so, and why, is kept. Return the release."""

        def work(connection: Connection) -> Release:
            self._one(connection, release_id, lock=True)
            now = self._store.clock()
            values = {"cleared_at": now, "cleared_by": who, "cleared_because": why}
            connection.execute(update(releases).where(releases.c.id == release_id).values(**values))
            text = f"{who} cleared it from quarantine: {why}"
            connection.execute(notes.insert().values(release_id=release_id, at=now, kind="quarantine", text=text))
            return self._one(connection, release_id)

        return self._store.write(work)

    def fact(self, release_id: str, name: str) -> Any | None:
        """Return a fact of a release (JSON), or None."""
        return self.facts(release_id).get(name)

    def facts(self, release_id: str) -> dict[str, Any]:
        """Return all facts of a release, by name."""
        query = select(facts.c.name, facts.c.value).where(facts.c.release_id == release_id).order_by(facts.c.name)
        return self._store.read(lambda c: {row.name: row.value for row in c.execute(query)})

    def facts_of(self, release_ids: Iterable[str], name: str) -> dict[str, Any]:
        """Return the fact ``name`` of several releases, by their ids; without those that have none."""
        query = select(facts).where(facts.c.release_id.in_(bindparam("ids", expanding=True)), facts.c.name == name)
        return {row["release_id"]: row["value"] for row in self._by_ids(query, release_ids)}

    def set_fact(self, release_id: str, name: str, value: Any) -> None:
        """Keep a fact (plain JSON, small) in place of the one of that name. Raise InputError if there is no release."""
        fact = {"value": value, "at": self._store.clock()}
        upsert = self._store.upsert(facts, {"release_id": release_id, "name": name}, fact)

        def work(connection: Connection) -> None:
            self._one(connection, release_id)
            connection.execute(upsert)

        self._store.write(work)

    # ------------------------------------------------------------------------------------------ inside a transaction

    def _by_ids(self, query: Select[Any], release_ids: Iterable[str]) -> list[RowMapping]:
        ids = sorted(set(release_ids))
        parts = [ids[i : i + AT_ONCE] for i in range(0, len(ids), AT_ONCE)]
        return self._store.read(lambda c: [row for part in parts for row in c.execute(query, {"ids": part}).mappings()])

    def _page(self, query: Select[Any], before: int) -> Sequence[RowMapping]:
        return self._store.read(lambda c: c.execute(query, {"before": before}).mappings().all())

    def _insert(self, connection: Connection, values: dict[str, Any], state: ReleaseState, because: str) -> Release:
        now = self._store.clock()
        release_id = new_id(f"{values['system']}-{values['environment']}", now)
        row = {"commit": "", "adopted": False} | values
        row |= {"id": release_id, "state": str(state), "because": because, "created_at": now, "changed_at": now}
        connection.execute(releases.insert().values(**row))
        note_place(self._store, connection, values["system"], values["environment"])
        release = self._one(connection, release_id)
        self._transition(connection, release, now, None, state, because)
        return release

    def _attach(self, connection: Connection, release_id: str, run_id: str, procedure: str) -> None:
        row = {"run_id": run_id, "release_id": release_id, "procedure": procedure, "at": self._store.clock()}
        connection.execute(runs.insert().values(**row))

    def _transition(
        self,
        connection: Connection,
        release: Release,
        at: datetime,
        before: ReleaseState | None,
        after: ReleaseState,
        because: str,
    ) -> None:
        row = {"release_id": release.id, "at": at, "before": before and str(before), "after": str(after)}
        connection.execute(transitions.insert().values(**row, because=because))
        if after in ENDS:
            note_end(self._store, connection, release)

    def _one(self, connection: Connection, release_id: str, *, lock: bool = False) -> Release:
        query = select(releases).where(releases.c.id == release_id)
        found = _first(connection, query.with_for_update() if lock else query)
        if found is None:
            raise InputError(f"There is no release {release_id!r}.", next="`runwright history` lists them.")
        return found

    def _of_run(self, connection: Connection, run_id: str) -> Release | None:
        query = select(releases).join(runs, runs.c.release_id == releases.c.id).where(runs.c.run_id == run_id)
        return _first(connection, query)


def _first(connection: Connection, query: Select[Any]) -> Release | None:
    row = connection.execute(query).mappings().one_or_none()
    return release_of(row) if row else None
