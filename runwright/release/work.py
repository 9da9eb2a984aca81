"""Everything that a step works with, made anew for each step from the release's id.

Its secrets live in here, and with the lease while this process holds one: they are read from Prefect once then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from runwright.cutovers.shape import DRAIN_KEY, Cutover
from runwright.databases.shape import Database
from runwright.engine.actions import Action, Stop
from runwright.engine.executor import Executor
from runwright.engine.performer import Performer
from runwright.engine.there.place import at
from runwright.errors import NotBuiltError, RefusedError
from runwright.ledger import Ledger, Patience, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState, reached
from runwright.platforms.shape import Platform
from runwright.policy.staying import Stays, judged
from runwright.policy.support import unsupported
from runwright.policy.watch import with_probe_rules, with_staying_rule
from runwright.probes.values import Values
from runwright.release import drivers
from runwright.release.lease import held, taken_up_again
from runwright.release.redacting import Redaction
from runwright.release.run import Run
from runwright.routers.shape import Router
from runwright.runbook.checks import Rule
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import from_json
from runwright.site import SSH_KEY, Folders, Site
from runwright.testing.faults import from_environment
from runwright.traffic import Upstream
from runwright.versions import Version

BREAK_KEY = "drill"
"""What the keys of a drill's changes that break what it released begin with."""


STAYING = "staying"
"""The fact with how the services that stay fared before the release."""
LOGS_BEFORE = "logs-before"
"""The fact with what was usual in the log before the release: lines a minute, by the probe's id."""
REVISION_TABLES = "revision-tables"
TOLD_LATELY = 5
"""How many releases back it is looked where the database keeps its revisions: the newest that came to its plan knows."""


@dataclass
class Work:
    """One release, opened.

    run: which works on it. do: performs actions; changes are journaled and fenced.
    """

    run: Run
    release: Release
    ledger: Ledger
    site: Site
    performer: Performer
    redaction: Redaction
    do: Executor

    @property
    def id(self) -> str:
        """The release's id."""
        return self.release.id

    @property
    def say(self) -> Callable[..., None]:
        """Tells the run's log a sentence."""
        return self.run.say

    @property
    def runbook(self) -> Runbook:
        """The runbook, as it was when the release began."""
        return self.site.book

    @property
    def place(self) -> Environment:
        """The environment's part of the runbook."""
        return self.site.place

    @property
    def folders(self) -> Folders:
        """Where the environment's files are."""
        return self.site.folders

    @property
    def secrets(self) -> dict[str, str]:
        """The environment's secrets, in clear."""
        return self.site.secrets

    @property
    def platform(self) -> Platform:
        """Where the system runs."""
        return drivers.platform(self.site, self.before, self.release.version)

    @property
    def router(self) -> Router | None:
        """Who sends it traffic, under the lease of this process if it holds one; None where the platform replaces in place."""
        return drivers.router(self.site, self.do.token, self.platform)

    @property
    def cutover(self) -> Cutover:
        """How the version gets the users of the one before, under the lease of this process if it holds one."""
        where, token = self.platform, self.do.token
        if not drivers.runs_two(self.site) and (before := self._release_before) is not None:
            found = drivers.out_of_slots(self.site, where, before, token)
            if found is not None:
                return found
        return drivers.cutover(self.site, where, token)

    @property
    def database(self) -> Database | None:
        """What holds its data."""
        return drivers.database(self.site, self.values().fill, self.revision_tables())

    def revision_tables(self) -> list[tuple[str | None, str]]:
        """Return where the database keeps its revisions, (schema, table) each, as this release or the newest before it was told."""
        own = self.fact(REVISION_TABLES)
        if own is None:
            newest = self.ledger.releases.find(self.release.system, self.release.environment, limit=TOLD_LATELY)
            own = next((f for r in newest if (f := self.ledger.releases.fact(r.id, REVISION_TABLES)) is not None), [])
        return [(schema, table) for schema, table in own]

    @property
    def version(self) -> Version:
        """The version that is released. Raise RefusedError if it is not resolved yet."""
        if self.release.version is None:
            raise RefusedError(f"The release {self.id} has no version yet.", next="Start the deploy again.")
        return self.release.version

    @property
    def previous(self) -> Version | None:
        """The way back: the version of the release that was proven (or adopted) before this one."""
        if self.release.previous_id is None:
            return None
        return self.ledger.releases.get(self.release.previous_id).version

    @property
    def versions(self) -> list[Version]:
        """The version that is released, if it is resolved, and the way back: what may run."""
        return [version for version in (self.release.version, self.previous) if version is not None]

    @property
    def before(self) -> Version | None:
        """What is replaced: the way back, or, as long as that is not settled, what was proven last."""
        found = self._release_before
        return found.version if found is not None else None

    @property
    def _release_before(self) -> Release | None:
        if self.release.previous_id is not None:
            return self.ledger.releases.get(self.release.previous_id)
        live = self.ledger.releases.live(self.release.system, self.release.environment)
        return live if live is not None and live.id != self.id else None

    @property
    def at_the_door(self) -> tuple[str, ...]:
        """The names of the addresses that mean a candidate, at its own door, while it is staged."""
        return drivers.kind(self.site).doors(self.place)

    def values(self, upstream: Upstream | None = None) -> Values:
        """What the references of the runbook mean; with ``upstream``: as seen by the test route to a staged version."""
        urls = dict(self.place.urls)
        # what the runbook itself calls so is what users reach, whatever stands before the services
        if "front" not in urls and (door := upstream or drivers.front(self.site, self.do)) is not None:
            urls["front"] = door.url
        facts = {"id": self.id, "version": self.release.ref, "commit": self.release.commit or ""}
        found = Values(urls, self.secrets, facts, clean=self.redaction.clean)
        if upstream is not None:
            for name in self.at_the_door:
                found = found.rebased(name, upstream.url) if name in self.place.urls else found
        return found

    def probing(self, upstream: Upstream | None = None) -> Values:
        """`values` for probes: what they are answered may hold any secret of the application. Which there are is read
        now, and not while an answer is waited for."""
        return replace(self.values(upstream), clean=self.redaction.known())

    def fact(self, name: str) -> Any:
        """Return what an earlier step wrote down, or None."""
        return self.ledger.releases.fact(self.id, name)

    def write_down(self, name: str, value: Any) -> None:
        """Write down a small fact for later steps and for reports."""
        self.ledger.releases.set_fact(self.id, name, value)

    def forward(self, to: ReleaseState, because: str) -> None:
        """Move the release on to ``to``, unless it has come that far: a run that is started again passes by here."""
        if not reached(self.release.state, to):
            self.release = self.ledger.releases.advance(self.id, to, because)

    def refresh(self) -> None:
        """Read the release again."""
        self.release = self.ledger.releases.get(self.id)


@contextmanager
def at_work(release_id: str, run: Run) -> Iterator[Work]:
    """Open a release for one step of ``run``. While the ledger is away, the step holds: what serves goes on serving."""
    ledger = open_ledger(patience=Patience(run.say, back=lambda: taken_up_again(release_id)))
    with ExitStack() as opened:
        opened.callback(ledger.close)
        release = ledger.releases.get(release_id)
        runbook = from_json(release.runbook)
        place = runbook.environments[release.environment]
        if sentence := unsupported(runbook, release.environment):
            raise NotBuiltError(sentence)
        lease = held(release_id)
        secrets = lease.secrets if lease is not None else None
        if secrets is None:
            secrets = run.secrets(runbook.block_of(release.environment), place.tier)
        if lease is not None:
            lease.secrets = secrets
        opened.enter_context(at(place.target.host(), secrets.get(SSH_KEY, "")))
        folders = Folders.of(release.system, release.environment, release.id)
        site = Site(runbook, release.environment, folders, secrets)
        redaction = Redaction(site, lambda: work.versions)
        performer = Performer(
            redaction.clean, lost=lambda: lease.lost if lease else None, clean_printed=redaction.clean_printed
        )
        # its executor is made below: what it guards is the work itself
        work = Work(run, release, ledger, site, performer, redaction, do=None)  # type: ignore[arg-type]
        work.do = Executor(
            ledger.journal(release_id),
            performer,
            token=lease.lease.token if lease else None,
            faults=from_environment(),
            guard=lambda action: _spare_the_live_one(work, action),
            says=lambda text: run.say(performer.clean(text)),
            renew=lambda: taken_up_again(release_id),
        )
        yield work


def _spare_the_live_one(work: Work, action: Action[Any]) -> None:
    """Refuse to end the process that the router names now."""
    if (
        isinstance(action, Stop)
        # on purpose: by a drill, and before migrations that what serves may not meet
        and not (action.key or "").startswith((f"{BREAK_KEY}/", f"{DRAIN_KEY}/"))
        and not work.fact("may-stop-live")
        and action.process == drivers.live_process(work.site, work.do)
    ):
        raise RefusedError(
            "It would end the process that the router sends traffic to.",
            state="Nothing was ended.",
            next="Switch the traffic first.",
        )


def with_version(work: Work, **changes: Any) -> Version:
    """Change the release's version, write it down, and return it."""
    version = replace(work.version, **changes)
    work.ledger.releases.record(work.id, version=version)
    work.refresh()
    return version


def watch_seconds(work: Work) -> float:
    """Return how long this release is watched: as the runbook says, unless the run was started with something else."""
    minutes = work.release.parameters.get("watch_minutes")
    return work.runbook.watch_seconds(work.release.environment) if minutes is None else float(minutes) * 60


def watch_rules(work: Work) -> list[Rule]:
    """Return the rules that a release is watched by: the runbook's, and one for each health probe, and for the services
    that stay, if there is none."""
    environment = work.release.environment
    health = [p for p in work.runbook.probes_of(environment) if p in work.runbook.verify.health]
    rules = with_probe_rules(work.runbook.rules_of(environment), health)
    before = {name: Stays.from_json(name, data) for name, data in (work.fact(STAYING) or {}).items()}
    return with_staying_rule(rules, judged(before, work.runbook.verify.staying))
