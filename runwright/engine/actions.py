"""The few kinds of thing that can be done to the world, as values.

A driver is plain functions that take ``do`` and call ``do(action)``: the executor performs the action and returns its
typed result. An action without a ``key`` only reads. An action with a ``key`` changes something; the key is stable and
unique in a release (``migrate/api``), is what the journal records, and lets a run that starts again skip what is settled.

A driver never branches on what a change returned: it reads afterwards. What a change returns (``parse``) is journaled
as JSON, so it is a small fact (an id, a size, a pid), never raw output and never a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


PATIENCE_SECONDS = 60.0
"""How long whoever is asked may be away: a server that is started again is back before that."""


class _Unknown:
    """Says that a read has no typed guess for the plan: the plan stops there and says what it depends on."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, kw_only=True)
class Action(Generic[T]):
    """One thing to do. Use one of the kinds below.

    says: the action as a sentence in the imperative, without secrets ("start api at sha256:12ab…").
    key: stable and unique in a release if the action changes anything; None if it only reads.
    deadline_seconds: after this the executor ends it, and everything that it started.
    repeatable: whether it may be done again when it failed or when nobody knows whether it took effect.
    safe_point: a cancel or a lost lease waits for the end of this action instead of ending it (a migration).
    on: the host that it is done on ("local", or "ssh://user@host"); None: wherever things are done now.
    assume: what a read returns in plan mode once a change came before it.
    untouched: no change that comes before a read in a release touches what it reads: a plan asks for real.
    """

    says: str
    key: str | None = None
    deadline_seconds: float = 30.0
    repeatable: bool = True
    safe_point: bool = False
    on: str | None = None
    assume: T | _Unknown = UNKNOWN
    untouched: bool = False

    @property
    def reads(self) -> bool:
        """Whether this action only reads."""
        return self.key is None


@dataclass(frozen=True)
class Output:
    """What a command left: its exit code and its two streams, as bytes (stdout is empty if it went to a file), and how long it
    took."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")


def nothing(_: Any) -> Any:
    """The ``parse`` of an action whose result nobody needs."""
    return None


@dataclass(frozen=True)
class Elsewhere:
    """What a command starts outside of its own process group, such as a one-off container.

    Each is an argv. ``running`` prints something if it still runs, nothing if it does not, and fails if that cannot be known;
    ``wait`` returns when it has ended, ``end`` ends and removes it and succeeds if there is none.
    """

    running: tuple[str, ...]
    wait: tuple[str, ...]
    end: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Command(Action[T]):
    """Run a program. Never a shell: ``argv`` is a list of words.

    env: added to a minimal environment (PATH, HOME, LANG, DOCKER_*); its values may be secrets.
    stdin / stdin_from: bytes or a file that are its standard input (otherwise empty).
    stdout_to: a file that its standard output is written to, instead of memory.
    ok: the exit codes that are no failure.
    unreached: whether what it left says that it never reached whom it asks: then nothing was done, and as long as it has time it is
    tried again for `PATIENCE_SECONDS`. None: it asks nobody.
    last: of what it prints only the end is wanted, however much it is. So it is of everything that changes something.
    parse: from what it left to the small typed fact that is wanted. Its errors become ObservationError.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    stdin: bytes | None = field(default=None, repr=False)
    stdin_from: Path | None = None
    stdout_to: Path | None = None
    ok: frozenset[int] = frozenset({0})
    unreached: Callable[[Output], bool] | None = None
    last: bool = False
    parse: Callable[[Output], T] = nothing
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True)
class Reply:
    """What an HTTP server answered. Header names are in lower case.

    phases: seconds by part of the request: dns, connect, tls, first_byte (after the request was sent), total. A part that
    there was not (no name to look up, no TLS) is left out.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Http(Action[T]):
    """Ask a server. Redirects are not followed. ``headers``, ``body`` and ``auth`` may hold secrets.

    ok: the statuses that are no failure; None accepts every answer (and leaves the judgement to ``parse``).
    ca_file: a certificate authority to trust besides the machine's own.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    ok: frozenset[int] | None = frozenset({200})
    parse: Callable[[Reply], T] = nothing
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Read(Action[T]):
    """Read something through a Python library: a file, a database, a certificate. It changes nothing.

    asks: whether it asks somebody who may never answer, such as a server. Then its deadline holds: it runs on a thread of
    its own and is given up. Otherwise it is only run, which is what reading a file costs.
    """

    function: Callable[[], T]
    asks: bool = False


@dataclass(frozen=True, kw_only=True)
class WriteFile(Action[None]):
    """Write a whole file: beside it, synced, then renamed over it. Its folder is made if it is not there.

    permit: a folder of runwright.engine.effects.fences that it is written in first. Whoever took it away refuses the write.
    """

    path: Path
    content: bytes = field(repr=False)
    mode: int = 0o644
    permit: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Fence(Action[None]):
    """From here on refuse files that are written under a lower token than ``token``: see runwright.engine.effects.fences."""

    path: Path
    token: int


@dataclass(frozen=True, kw_only=True)
class Wait(Action[T]):
    """Repeat a read until it answers so, and return that answer. ``says`` tells what is waited for.

    A read that fails (ActionError, ObservationError) counts as "not yet"; any other error ends the wait at once, so a
    read that sees that waiting is in vain raises VerificationError. On the deadline the DeadlineError tells the last
    answer or error.
    tells: an answer as a sentence, for whoever waits: each new one is told as it comes. It may hold secrets.
    """

    read: Action[T]
    until: Callable[[T], bool]
    every_seconds: float = 1.0
    tells: Callable[[T], str] | None = None

    @property
    def reads(self) -> bool:
        return True


@dataclass(frozen=True)
class Process:
    """A process: its machine, its id, and when it started (clock ticks since boot), so that a reused id is seen.

    host: the name of the machine that we ran on, or the address of another one ("ssh://user@host").
    """

    host: str
    pid: int
    started: int


@dataclass(frozen=True, kw_only=True)
class Spawn(Action[Process]):
    """Start a program that stays: in a session of its own, its output appended to ``log``.

    The Process is written as JSON to ``pid_file`` before the program runs, so that it can always be found again.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    log: Path
    pid_file: Path


@dataclass(frozen=True, kw_only=True)
class Stop(Action[None]):
    """End a process that Spawn started, with everything in its session: asked first, killed after ``grace_seconds``.

    A process that has ended, or an id that now belongs to another one, is left alone and counts as ended.
    """

    process: Process
    grace_seconds: float = 10.0


class Do(Protocol):
    """Performs one action and returns its typed result."""

    def __call__(self, action: Action[T]) -> T: ...


@dataclass(frozen=True, kw_only=True)
class Branch(Generic[T_co]):
    """One branch of Together: a name, which starts the keys of all its changes, and what it does."""

    name: str
    run: Callable[[Do], T_co]


@dataclass(frozen=True, kw_only=True)
class Together(Action[tuple[Any, ...]]):
    """Run branches that share nothing at the same time. All end before an error of any is raised."""

    branches: tuple[Branch[Any], ...]

    @property
    def reads(self) -> bool:
        return True  # it is not journaled itself: the actions of its branches are
