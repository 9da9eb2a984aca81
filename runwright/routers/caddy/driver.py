"""Caddy as a router: started, asked, and told by a file that is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from runwright.engine.actions import UNKNOWN, Command, Do, Fence, Process, Read, Spawn, Stop, Wait, WriteFile
from runwright.engine.effects import fences
from runwright.engine.effects.processes import alive, recorded
from runwright.errors import ActionError, CancelledError, DeadlineError, VerificationError
from runwright.routers.caddy import configuration, fault, predecessor, program, state
from runwright.routers.caddy.state import ASK_SECONDS, Counted
from runwright.routers.shape import RouterFacts
from runwright.runbook.drill import Break, require_way
from runwright.runbook.targets import Caddy
from runwright.traffic import Upstream

START_SECONDS = 20.0
GRACE_SECONDS = 15.0  # more than Caddy itself gives to requests in flight
FAULT_GRACE_SECONDS = 2.0  # for answers that a drill holds back
POLL_SECONDS = 0.1


class CaddyRouter:
    """A Caddy whose files are in ``folder``, which is absolute and this router's alone; ``python`` runs its drills.

    token: the fencing token of the lease under which it is changed; None where there is no lease: then nothing is fenced.
    """

    breaks: ClassVar[frozenset[Break]] = frozenset({"errors", "latency"})

    def __init__(self, spec: Caddy, folder: Path, python: str, token: int | None = None) -> None:
        self._spec = spec
        self._folder = folder
        self._python = python
        self._token = token
        self._fence = folder / "fence"
        self._pid_file = folder / "pid.json"
        self.log = folder / "caddy.log"

    # ------------------------------------------------------------------------------------------------------- reading

    def facts(self, do: Do) -> RouterFacts:
        """Return what it serves and what its target file names. Down is a fact; a file that cannot be read is an error."""
        return self._facts(do, None)

    def target(self, do: Do) -> Upstream | None:
        """Return what it serves now; what it would come back with if it is down; None if it was never told."""
        facts = self.facts(do)
        return facts.serving if facts.running else facts.written

    def in_flight(self, do: Do, slot: str) -> int:
        """Return how many requests ``slot`` is answering now (without open websockets). Raise ActionError if down."""
        return self.counted(do)[slot].in_flight

    def counted(self, do: Do) -> dict[str, Counted]:
        """Return what it counted since it was started, by slot. Raise ActionError if it is down."""
        return do(self._count())

    def _count(self) -> Read[dict[str, Counted]]:
        return Read(
            says="ask the front door what is in flight",
            function=lambda: state.counted(self._folder),
            deadline_seconds=2 * ASK_SECONDS,
            asks=True,
            assume={},
        )

    def _facts(self, do: Do, assume: Upstream | None) -> RouterFacts:
        do(Read(says="see who serves here", function=lambda: predecessor.require_none(self._folder), assume=None))
        written = do(Read(says="read the target file", function=lambda: state.named(self._folder), assume=assume))
        front = do(Read(says="read where clients come in", function=lambda: state.url(self._folder), assume=""))
        asked: Read[Upstream | None] = Read(
            says="ask the front door what it serves",
            function=lambda: state.served(self._folder),
            deadline_seconds=2 * ASK_SECONDS,
            asks=True,
            assume=assume,
        )
        try:
            return RouterFacts(True, do(asked), written, front)
        except CancelledError:
            raise
        except ActionError:
            return RouterFacts(False, None, written, front)

    # ------------------------------------------------------------------------------------------------------ changing

    def announce(self, do: Do, key: str) -> None:
        """From here on, refuse whoever holds a lower token: a process that was stopped right before it moves traffic.

        Raise FencedError if our own token is the lower one.
        """
        if self._token is None:
            return
        highest = Read(says="read the front door's fence", function=lambda: fences.highest(self._fence), assume=0)
        if (known := do(highest)) > self._token:
            raise fences.fenced(self._fence, self._token)
        if known < self._token:
            says = f"tell the front door that the lease has token {self._token} now"
            do(Fence(path=self._fence, token=self._token, says=says, key=key))

    def door(self, do: Do, slot: str) -> Upstream | None:  # noqa: ARG002
        """Return None: what it serves listens on this machine itself."""
        return None

    def ensure(self, do: Do, key: str) -> None:
        """Start it if it does not run. It comes back with the target of its file.

        Raise VerificationError if it ends, ActionError if its port is taken, or if its process is there and does not answer:
        that may be busy, and is never ended to find out.
        """
        private = do(Read(says="see whose folder it is", function=lambda: state.private(self._folder), assume=False))
        if self._facts(do, None).running:
            return
        before = do(Read(says="read which process it was", function=self._recorded, assume=None))
        if before is not None and alive(before):
            self._await(do, f"wait until the front door (process {before.pid}) answers")
            return
        again = f"-after-{before.pid}" if before else ""  # a second start in one release is a change of its own
        if not private:
            words = ("install", "-d", "-m", "700", str(self._folder))
            do(Command(argv=words, says=f"make the folder {self._folder}", key=f"{key}/folder"))
        self.announce(do, f"{key}/fence")
        self._configure(do, f"{key}/config{again}")
        caddy = do(Read(says="see which Caddy is used", function=program.find, assume="caddy"))
        places = {name: str(self._folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        do(
            Spawn(
                argv=(caddy, "run", "--config", configuration.FILE),
                env=places,
                cwd=self._folder,
                log=self.log,
                pid_file=self._pid_file,
                says="start the front door",
                key=f"{key}/start{again}",
            )
        )
        self._await(do, "wait until the front door listens")

    def switch(self, do: Do, to: Upstream, key: str) -> int:
        """Send every new request to ``to`` and wait for those in flight elsewhere, up to the drain timeout.

        Return how many of those are still in flight; they are left to finish. Raise VerificationError if it is not seen to
        serve ``to`` afterwards, FencedError if another process took over.
        """
        self.announce(do, f"{key}/fence")
        self._end_fault(do, to.slot, f"{key}/unspoilt")
        if self._facts(do, None).written != to:
            do(self.written(to, f"{key}/put"))
        after = self._facts(do, to)
        if not after.agreed or after.serving != to:
            raise VerificationError(
                f"The front door was told to serve {to.slot} ({to.host}:{to.port}) and is not seen to. {after.problem}",
                state="Both versions still run; nothing was stopped.",
                next=f"Look at {self.log}, then run it again: the target is absolute, so repeating it is safe.",
            )
        for slot in configuration.MARKS:
            self._end_fault(do, slot, f"{key}/unspoilt")
        return self._drain(do, to)

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Answer 500 for ``slot``, or let it answer late, for so many ``seconds``. Raise ActionError if it does not run."""
        require_way(self.breaks, by)
        self.announce(do, f"{key}/fence")
        served = self._facts(do, None).serving
        if served is None or served.slot != slot:
            raise ActionError(
                f"The front door does not serve {slot}: nothing can be broken.", state="Nothing was broken."
            )
        self._end_fault(do, slot, f"{key}/before")
        how = "500" if by == "errors" else f"{fault.DELAY_SECONDS:g} s late"
        permit = () if self._token is None else ("--permit", str(fences.permit(self._fence, self._token)))
        do(
            Spawn(
                argv=(
                    self._python,
                    "-P",
                    "-m",
                    fault.__name__,
                    slot,
                    by,
                    f"{seconds:g}",
                    served.host,
                    str(served.port),
                    *permit,
                ),
                cwd=self._folder,
                log=self._folder / "fault.log",
                pid_file=fault.pid_file(self._folder, slot),
                says=f"answer {how} for {slot}, on purpose",
                key=f"{key}/spoil",
            )
        )
        there = Read(says="see whether it is broken", function=lambda: fault.stands(self._folder, slot), assume=True)
        says = f"wait until {slot} is broken"
        do(
            Wait(
                read=there,
                until=bool,
                every_seconds=POLL_SECONDS,
                deadline_seconds=START_SECONDS,
                says=says,
                assume=True,
            )
        )

    def stop(self, do: Do, key: str) -> None:
        """Stop it; its target file stays."""
        for slot in configuration.MARKS:
            self._end_fault(do, slot, f"{key}/unspoilt")
        process = do(Read(says="read which process the front door is", function=self._recorded, assume=None))
        if process is not None and alive(process):
            do(
                Stop(
                    process=process,
                    grace_seconds=GRACE_SECONDS,
                    deadline_seconds=GRACE_SECONDS + 10,
                    says="stop the front door",
                    key=f"{key}/stop",
                )
            )

    # ------------------------------------------------------------------------------------------------------- helpers

    def _recorded(self) -> Process | None:
        return recorded(self._pid_file)

    def written(self, to: Upstream, key: str = "put") -> WriteFile:
        """Return the change that sends every new request to ``to``."""
        says = f"send traffic to {to.slot} ({to.host}:{to.port})"
        return self._write(configuration.TARGET, state.line(to), says=says, key=key)

    def _write(self, name: str, content: bytes, *, says: str, key: str) -> WriteFile:
        permit = None if self._token is None else fences.permit(self._fence, self._token)
        return WriteFile(path=self._folder / name, content=content, mode=0o600, permit=permit, says=says, key=key)

    def _configure(self, do: Do, key: str) -> None:
        """Write down where it listens: on the port that is asked for, else on the one it had, else on a free one."""

        def where() -> tuple[str, int]:
            kept = state.address(self._folder)
            port = self._spec.listen or (kept[1] if kept else 0)
            return self._spec.host, state.free_port(self._spec.host, port)

        found = do(Read(says="find where clients come in", function=where, assume=(self._spec.host, self._spec.listen)))
        content, file = configuration.configuration(*found), self._folder / configuration.FILE
        same = Read(says="compare it", function=lambda: file.exists() and file.read_bytes() == content, assume=False)
        if not do(same):
            says = f"note that clients come in at {found[0]}:{found[1]}"
            do(self._write(configuration.FILE, content, says=says, key=key))

    def _await(self, do: Do, says: str) -> None:
        answers = Read(says="see whether the front door answers", function=self._started, asks=True, assume=True)
        wait = Wait(
            read=answers, until=bool, every_seconds=POLL_SECONDS, deadline_seconds=START_SECONDS, says=says, assume=True
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise DeadlineError(
                error.what,
                state="Its process was left alone: it may be busy, and what serves is not ended to find out.",
                next=f"Look at {self.log}. If it hangs, end the process whose id is in {self._pid_file}, and run it again.",
            ) from error

    def _started(self) -> bool:
        process = self._recorded()
        if process is not None and not alive(process):
            raise VerificationError(
                "The front door ended at once.",
                state="It does not run; nothing answers at the address that clients use.",
                next=f"Why is in the last lines of {self.log}. Then run it again.",
            )
        state.ask(self._folder, configuration.TARGET)
        return True

    def _end_fault(self, do: Do, slot: str, key: str) -> None:
        """End what a drill spoils of ``slot``, if it still does."""
        file = fault.pid_file(self._folder, slot)
        process = do(Read(says=f"see whether {slot} is broken", function=lambda: recorded(file), assume=None))
        if process is not None and alive(process):
            says = f"let {slot} answer as it does"
            do(Stop(process=process, grace_seconds=FAULT_GRACE_SECONDS, says=says, key=f"{key}-{process.pid}"))

    def _drain(self, do: Do, to: Upstream) -> int:
        wait = Wait(
            read=self._count(),
            until=lambda found: not _elsewhere(found, to.slot),
            every_seconds=POLL_SECONDS,
            deadline_seconds=self._spec.drain_timeout,
            says=f"wait until nothing is in flight but on {to.slot}",
            assume=UNKNOWN,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError:
            return _elsewhere(self.counted(do), to.slot)
        return 0


def _elsewhere(found: dict[str, Counted], slot: str) -> int:
    return sum(counted.in_flight for other, counted in found.items() if other != slot)
