"""What every platform offers, and the facts that it observes.

A platform is one folder: its driver, which is a `Platform`, and a `Kind`, which is what `runwright.registry` names. What a
platform has nothing to say about, it leaves as it is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from runwright.engine.actions import Action, Do, Process
from runwright.errors import ActionError, RunwrightError
from runwright.recipes import Recipes
from runwright.routing import Router
from runwright.runbook.drill import Break
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.site import Site
from runwright.traffic import Stand, Upstream
from runwright.variables import env_files_in
from runwright.versions import Version

if TYPE_CHECKING:
    from runwright.testing.truth import Truth

T = TypeVar("T")
MOST_LINES = 20_000
"""Of more lines than these the last ones are read."""
Variables = Iterable[tuple[str, str]]
"""(name, value) of environment variables; may hold secrets."""


@dataclass(frozen=True)
class ServiceFact:
    """One running (or stopped) instance of a service, as the platform sees it.

    identity: the artifact that it really runs (image id, git tree). healthy: None if it has no healthcheck.
    restarts: how often it was restarted by itself. release: the release that started it, "" if we did not.
    mounts: what is mounted into it, as (where it comes from, path inside of it). seen: what only the platform understands.
    """

    service: str
    instance: str
    identity: str
    running: bool
    healthy: bool | None = None
    restarts: int = 0
    slot: str = ""
    commit: str = ""
    release: str = ""
    port: int | None = None
    mounts: tuple[tuple[str, str], ...] = ()
    seen: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Observed:
    """What a platform sees of a system, at one moment. ``services`` holds the application's services only."""

    services: tuple[ServiceFact, ...]

    @property
    def running(self) -> tuple[ServiceFact, ...]:
        """The instances that run."""
        return tuple(s for s in self.services if s.running)

    def identities(self, slot: str = "") -> dict[str, str]:
        """Return {service: identity} of what runs, in ``slot`` if one is given: with what does not run in slots."""
        within = {s.service: s.identity for s in self.running if not slot or s.slot == slot}
        slotted = {s.service for s in self.services if s.slot}
        beside = {s.service: s.identity for s in self.running if not s.slot and s.service not in slotted}
        return {**beside, **within}


@dataclass(frozen=True)
class KeysSeen:
    """Which environment variables one running instance sees, by name (those that are set to nothing are left out), and
    since when: what was changed later it cannot see."""

    names: frozenset[str]
    since: datetime


@dataclass(frozen=True)
class Claim:
    """What somebody else has of what a system would take where it runs, as a sentence, and what to do.

    stops: whether nothing may be started beside it. project: the name under which the same application runs, "" if it is
    not about that.
    """

    says: str
    next: str
    stops: bool = True
    project: str = ""


@dataclass(frozen=True)
class Checked:
    """One run of a healthcheck. at: when it ended, as the platform writes it. code: what it exited with. said: what it printed."""

    at: str
    code: int
    said: str


State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, whether it is right, what was found, and what to do."""

    about: str
    state: State
    text: str
    next: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"about": self.about, "state": self.state, "found": self.text, "next": self.next}


@dataclass(frozen=True)
class Seen:
    """What `check` sees of an environment where its application is: what is wrong, and what is worth a second look."""

    mistakes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drafted:
    """A runbook that was drafted for an application. text: the file. says: of what, as a phrase. remarks: how it was found.

    here: whether its files are in the folder itself that was named, and not above it.
    """

    text: str
    says: str
    remarks: tuple[str, ...] = ()
    here: bool = True


@dataclass(frozen=True)
class Beside:
    """What lives beside the services that are replaced. says: what becomes of it, a sentence each. what: for the platform.

    refuses: why the version could not start beside that, or would leave users with nobody; a way back goes on all the same.
    dark: when users are not served for it, as a phrase; "" if that is not so.
    """

    says: tuple[str, ...] = ()
    dark: str = ""
    refuses: RunwrightError | None = None
    what: Any = None


@dataclass(frozen=True)
class Usage:
    """What one running instance uses: percent of one core, percent of its memory limit; and how often it was restarted."""

    cpu_percent: float
    memory_percent: float
    restarts: int


@dataclass(frozen=True)
class Kept:
    """What nothing may be removed of: these commits, these releases, and these artifacts by identity; and of which commits
    something may be removed at all."""

    commits: frozenset[str]
    releases: frozenset[str]
    identities: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Going:
    """One release on its way, as a cutover needs to know it.

    release_id: is left on what is started. previous: what serves, None if nothing ran before. anew: what runs is replaced although it may be of the
    right version. reads: asks for real, also where only the plan is written.
    """

    release_id: str
    reads: Do
    previous: Version | None = None
    anew: bool = False


@dataclass(frozen=True)
class Rows:
    """What runs in a slot, row by row: a row is one instance of each service, as far as that has so many.

    count: how many there are. row: the one that is meant. each: {service: its number of instances}. old_apart: whether what
    runs beside can be sent users, and stopped, row by row as well; else it goes as a whole when all rows are there.
    """

    count: int = 1
    row: int = 1
    each: Mapping[str, int] = field(default_factory=dict)
    old_apart: bool = True


def reading(do: Do, reads: Do) -> Do:
    """Return what performs actions by ``do``, and asks by ``reads`` before the first change: for a plan that comes to what no
    change before it has touched."""
    ask = reads

    def perform(action: Action[T]) -> T:
        nonlocal ask
        ask = do if action.key is not None else ask
        return ask(action)

    return perform


class Platform(ABC):
    """Where a system runs. All methods aim at an absolute target: done twice, they change nothing the second time.

    ``prefix`` starts the keys of the changes that a method makes ("deploy", "rollback"), so that they are unique in a
    release. ``release_id`` is left on what is started, so that it can be recognised. A ``slot`` is one of ``slots``, "" on a
    platform that has none.
    """

    breaks: ClassVar[frozenset[Break]] = frozenset()
    """The ways in which it can break what it runs, for a drill."""
    tells_since: ClassVar[bool] = True
    """Whether `lines` knows when each was printed; else it gives all since the process was started."""
    slots: tuple[str, ...] = ()
    """The places in which two versions can run side by side."""
    rows_apart: ClassVar[bool] = False
    """Whether there may be several rows in a slot (see `Rows`)."""
    artifacts: Literal["image", "folder"] = "image"
    """What it runs, and so what has to be built for it."""
    python: str = "python"
    """The Python of a one-off job."""
    health_path: str | None = None
    """The path at which the front door answers 200 when what is behind it serves; None: not known."""

    # ------------------------------------------------------------------------------------------------------- observing

    @abstractmethod
    def observe(self, do: Do) -> Observed:
        """Return what runs now."""

    def expected(self, version: Version) -> dict[str, str]:
        """Return {service: identity} that `observe` shows when ``version``, which was prepared, runs."""
        return {artifact.component: artifact.identity for artifact in version.artifacts}

    def unplanned(self, version: Version, fact: ServiceFact) -> tuple[str, ...]:  # noqa: ARG002
        """Return, as phrases, what of an instance of ``version`` is not as the version was prepared to be."""
        return ()

    def strange(self, version: Version, fact: ServiceFact) -> tuple[str, ...]:
        """Return, as phrases, what of a running instance is not ``version``: another artifact, or what is laid over it.

        A service that ``version`` does not have is none of its.
        """
        wanted = self.expected(version).get(fact.service)
        if wanted is None:
            return ()
        if fact.identity != wanted:
            return (f"{fact.service} runs {fact.identity[:19]}, and {version.name} is {wanted[:19]}",)
        return self.unplanned(version, fact)

    def upstream(self, do: Do, slot: str) -> Upstream | None:  # noqa: ARG002
        """Return where ``slot`` serves, or None if it does not run (or users are not sent there by a router)."""
        return None

    def stand(self) -> Stand | None:
        """Return where a router of ours has to stand to serve this; None: on this machine, as a process."""
        return None

    def own_router(self, token: int | None) -> Router | None:  # noqa: ARG002
        """Return who sends users to one slot or the other where that is a part of the platform, and no router is named; None if
        nothing is. token: the fencing token of the lease under which it is changed, if it is."""
        return None

    def process(self, do: Do, slot: str) -> Process | None:  # noqa: ARG002
        """Return the process of this machine that serves in ``slot``, None if there is none."""
        return None

    def ours_to_start(self, do: Do, slot: str) -> bool:  # noqa: ARG002
        """Return whether what is meant to run in ``slot`` was started on this machine, and nobody but us starts it again."""
        return False

    def others(self, do: Do) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of what runs of the system besides the application's own services."""
        return ()

    def staying(self, do: Do) -> tuple[ServiceFact, ...]:  # noqa: ARG002
        """Return the instances of the system's services that no release replaces (database, cache, proxy), stopped ones too."""
        return ()

    def health_log(self, do: Do, instances: Sequence[str]) -> dict[str, tuple[Checked, ...]]:  # noqa: ARG002
        """Return what the last runs of the healthchecks of ``instances`` said, by name, oldest first. May hold secrets."""
        return {}

    def beside(self, do: Do, version: Version) -> Beside:  # noqa: ARG002
        """Return what lives beside the services of ``version``, which was prepared, and what becomes of it."""
        return Beside()

    def staged(self, do: Do, version: Version) -> Beside:  # noqa: ARG002
        """Return what a person should know of running ``version``, which was prepared, in a slot beside what serves."""
        return Beside()

    def by_hand(self, do: Do, version: Version) -> tuple[str, ...]:  # noqa: ARG002
        """Return, as phrases, what others have set of what ``version``, which was prepared, is to replace: gone with it, unless a
        person decides otherwise."""
        return ()

    def claims(self, do: Do) -> tuple[Claim, ...]:  # noqa: ARG002
        """Return who else has what the system would take."""
        return ()

    def answers(self, do: Do) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return what was looked at of where the system runs before anything is changed, a line of the checklist each: what fails
        stops the release."""
        return ()

    def is_new(self, do: Do, service: str, *, prepared: bool = False) -> bool:  # noqa: ARG002
        """Return whether the database ``service`` of the system was never started here. Unless that is known: no.

        prepared: a job of ours ran here before, and what that leaves behind says nothing.
        """
        return False

    def usage(self, do: Do, instances: Sequence[str]) -> dict[str, Usage] | None:  # noqa: ARG002
        """Return what ``instances`` use now, by name; one that is gone is left out. None: this platform cannot tell."""
        return None

    def keys_seen(self, do: Do, service: str) -> tuple[KeysSeen, ...]:  # noqa: ARG002
        """Return which variables each running instance of ``service`` sees, by name; nothing if none runs."""
        return ()

    def printed(self, do: Do, release_id: str) -> str:  # noqa: ARG002
        """Return what the instances that ``release_id`` started printed last, "" if nothing. May hold secrets."""
        return ""

    def variables(self, do: Do, versions: Iterable[Version]) -> Variables:  # noqa: ARG002
        """Return the variables that ``versions`` are configured with, as far as they are not in a file of `env_files`."""
        return ()

    def carried(self, do: Do, names: Collection[str]) -> Variables:  # noqa: ARG002
        """Return what runs carries of the variables ``names``: an env file may say something else by now."""
        return ()

    # -------------------------------------------------------------------------------------------------------- changing

    @abstractmethod
    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Put in place what ``version`` needs and prove that its artifacts exist; stop nothing.

        Return the version with what is needed to start it again (``extra``). Raise ActionError if an artifact is missing.
        """

    @abstractmethod
    def run_job(
        self,
        do: Do,
        version: Version,
        argv: tuple[str, ...],
        *,
        service: str,
        key: str | None,
        says: str,
        release_id: str,
        deadline_seconds: float,
    ) -> bytes:
        """Run a one-off job of ``version``'s own artifact, with its configuration; return its standard output.

        With a key it is a change that a cancel waits for, is never repeated by itself, and returns b"".
        Without a key it only reads. Raise ActionError if it exits non-zero.
        """

    def exec_argv(self, service: str) -> tuple[str, ...]:
        """Return the words before a program that is to run where ``service`` runs; stdin is passed on.

        Raise ActionError if no program can be run there.
        """
        raise ActionError(
            f"No program can be run inside of {service}: its platform offers no way in.", state="Nothing was changed."
        )

    def inside(self, do: Do, service: str, slot: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return the words before a program that is to run where an instance of ``service`` runs now: the one in ``slot`` if it
        runs in slots, and one is given. Raise ActionError if no program can be run there."""
        return self.exec_argv(service)

    def lines(
        self,
        do: Do,  # noqa: ARG002
        services: Sequence[str],  # noqa: ARG002
        slot: str,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        *,
        says: str,  # noqa: ARG002
        parse: Callable[[tuple[str, ...]], T],  # noqa: ARG002
        assume: Any,  # noqa: ARG002
    ) -> Action[T]:
        """Return the read that gives ``parse`` the last `MOST_LINES` lines that ``services`` (none: all of the application's)
        printed ``since`` then, in ``slot`` if one is given. Raise ActionError if that cannot be known."""
        raise ActionError("This platform cannot tell what services printed.", state="Nothing was asked.")

    @abstractmethod
    def start(
        self,
        do: Do,
        version: Version,
        slot: str,
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,
        beside: Beside | None = None,
    ) -> None:
        """Make ``version`` run and wait until it is healthy: in ``slot`` beside the other one, or ("") in place of what runs.

        keep: what runs of ``version`` already, and ``release_id`` did not start, stays as it is. anew: it is replaced all the
        same, but for what is kept. beside: as `beside` returned it. Raise DeadlineError if it does not get healthy.
        """

    def rows(self, do: Do, version: Version, slot: str, release_id: str) -> Rows:  # noqa: ARG002
        """Return the rows that ``version`` has, or gets, in ``slot``."""
        return Rows()

    def start_row(self, do: Do, version: Version, slot: str, rows: Rows, prefix: str, release_id: str) -> None:  # noqa: ARG002
        """Make one row of ``version`` run in ``slot`` and wait until it is healthy; those before it run."""
        self.start(do, version, slot, prefix, release_id)

    def stop_rows(self, do: Do, reads: Do, slot: str, rows: Rows, prefix: str, seconds: float) -> int | None:  # noqa: ARG002
        """Stop the rows of ``slot`` up to the one that is meant, which get no new requests, as soon as nothing is open on them; at
        the latest after ``seconds``. Return how many connections were open then, None if that is not known.

        reads: asks for real, also where only the plan is written.
        """
        self.stop(reading(do, reads), slot, prefix)
        return None

    def plain(self, do: Do, *, running: bool = True) -> bool:  # noqa: ARG002
        """Return whether something serves as it did before there were slots: then it is moved into one first.

        running: without it, also what was stopped counts.
        """
        return False

    def stop_beside(self, do: Do, prefix: str) -> None:  # noqa: B027
        """Stop what of the application does not run in slots."""

    def make_way(self, do: Do, prefix: str) -> None:  # noqa: B027
        """Stop what holds a port that a router of ours takes over."""

    def leave(self, do: Do, version: Version, prefix: str) -> None:  # noqa: B027
        """Remove what ran of ``version`` before there were slots, once its slot serves."""

    def replace_others(  # noqa: B027
        self, do: Do, version: Version, prefix: str, release_id: str, *, keep: bool = False, anew: bool = False
    ) -> None:
        """Replace in place what belongs to ``version`` and does not run in slots. keep, anew: as for `start`."""

    def start_dependencies(self, do: Do, version: Version, prefix: str) -> None:  # noqa: B027 - most have nothing to do here
        """Start what the application depends on (its database, above all) if it does not run. A first release needs it."""

    def start_rest(self, do: Do, version: Version, prefix: str) -> None:  # noqa: B027 - most have nothing to do here
        """Start what was never started besides the application; only a first release does."""

    @abstractmethod
    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """Stop what runs in ``slot``; on a platform without slots all of the application's services."""

    def inject(self, do: Do, slot: str, by: Break, prefix: str) -> None:  # noqa: ARG002
        """Break what runs in ``slot`` (or the application's services) on purpose, in one of the ways in ``breaks``.

        Starting a version there again, in place of it, ends that. Raise ActionError if there is nothing to break.
        """
        raise ActionError(f"What runs here cannot be broken by {by}.", state="Nothing was broken.")

    @abstractmethod
    def adopt(self, do: Do, prefix: str, slot: str = "") -> Version | None:
        """Return what runs now (in ``slot``, if one is given) as a version that can be started again, its artifacts kept.

        None if nothing runs.
        """

    def recipes(self) -> Recipes | None:
        """Return how its images are built, if files of its own say so."""
        return None

    def tidy(self, do: Do, kept: Kept, prefix: str) -> None:  # noqa: B027 - most have nothing to do here
        """Remove what earlier releases left and nobody needs; nothing of what is ``kept``, and nothing that is not ours."""


class Kind:
    """What a platform is registered as: it makes its driver, and says what it has to say before there is one."""

    name: str
    """As the runbook names it."""
    strategies: tuple[str, ...]
    """How one version gets the users of another here; the first one is the default."""
    called: ClassVar[Mapping[str, str]] = {}
    """Which of the common cutovers a strategy means here, where that is one of another name."""

    def made(
        self, site: Site, env: Mapping[str, str], before: Version | None = None, version: Version | None = None
    ) -> Platform:
        """Return the driver for an environment.

        env: the application's secrets, and what programs that are started need. before, version: what ``version`` replaces.
        """
        raise NotImplementedError

    def own_cutovers(self) -> Mapping[str, Callable[[Any, Any, Sequence[int]], Any]]:
        """Return the strategies that only this platform has, by name: each takes the driver, the router (or None) and the
        shares that the target names (`rungs`, mostly none), and returns a `Cutover`."""
        return {}

    def env_files(self, site: Site) -> Iterator[Path]:
        """Yield the files in which the application's variables may be."""
        yield from env_files_in(site.root)

    def env_file(self, site: Site) -> Path | None:  # noqa: ARG002
        """Return the file whose keys the checklist asks for, None if there is none."""
        return None

    def settings(self, site: Site) -> Variables:  # noqa: ARG002
        """Return the variables that the runbook itself gives to the application."""
        return ()

    def doors(self, place: Environment) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of addresses whose requests end at the services that run in slots: a candidate is asked at its own
        door in their place. Probes of other addresses are asked live only."""
        return ("front",)

    def needed(self, site: Site) -> Kept:  # noqa: ARG002
        """Return what an environment runs, or ran last, without its driver: also of one that is not ours to change."""
        return Kept(frozenset(), frozenset())

    # ------------------------------------------------------------------------------------- before there is a release

    def drafted(self, do: Do, directory: Path, files: tuple[str, ...], env_file: str) -> Drafted | None:  # noqa: ARG002
        """Return a runbook for the application in ``directory``; None if runbooks of this platform are written by hand.

        files, env_file: what a person named of it. Raise InputError if there is no such application.
        """
        return None

    def checked(self, do: Do, book: Runbook, environment: str) -> Seen:  # noqa: ARG002
        """Return what `check` finds where the application of ``environment`` is, as far as that is on this machine."""
        return Seen()

    def claimed(self, do: Do, book: Runbook, environment: str) -> tuple[Claim, ...]:  # noqa: ARG002
        """Return who else has what ``environment`` would take; nothing of what does not run on this machine."""
        return ()

    def examined(self, do: Do, *, needed: bool) -> Iterator[Finding]:  # noqa: ARG002
        """Yield what `doctor` finds that this platform needs here. needed: whether a system is to be released with it."""
        yield from ()

    def keeps(self, do: Do, reference: str) -> bool | None:  # noqa: ARG002
        """Return whether an artifact of an earlier release, which is no folder, is still there; None if this machine cannot tell in a moment."""
        return None

    # --------------------------------------------------------------------------------------------------- for the tests

    def truth(self, book: Runbook, environment: str, releases: frozenset[str]) -> Truth | None:  # noqa: ARG002
        """Return what the target of ``environment`` really shows, asked by plain means and through no driver of ours.

        releases: ids whose marks are looked for. None: nobody has written that down.
        """
        return None
