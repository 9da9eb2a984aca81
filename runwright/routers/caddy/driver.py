"""Caddy as the front door of a host: a process of ours, told by a file that is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from runwright.engine.actions import Command, Do, Process, Read, Spawn, Stop, Wait
from runwright.engine.effects import fences
from runwright.engine.effects.processes import alive, recorded
from runwright.errors import ActionError, CancelledError, DeadlineError, VerificationError
from runwright.routers.base import POLL_SECONDS, TargetFile
from runwright.routers.caddy import configuration, fault, predecessor, program, state
from runwright.routers.caddy.target import line
from runwright.routers.target import Target
from runwright.runbook.drill import Break, require_way
from runwright.runbook.routers.caddy import Caddy
from runwright.traffic import Counted, Upstream

START_SECONDS = 20.0
GRACE_SECONDS = 15.0  # more than Caddy itself gives to requests in flight


class CaddyRouter(TargetFile):
    """A Caddy whose files are in ``folder``, which is absolute and this router's alone; ``python`` runs its drills."""

    breaks: ClassVar[frozenset[Break]] = frozenset({"errors", "latency"})

    def __init__(self, spec: Caddy, folder: Path, python: str, token: int | None = None) -> None:
        super().__init__(spec.drain_timeout, folder / "fence", token)
        self._spec = spec
        self._folder = folder
        self._python = python
        self._pid_file = folder / "pid.json"
        self.log = folder / "caddy.log"

    # ------------------------------------------------------------------------------------------------------- reading

    @property
    def target_file(self) -> Path:
        """The file that names the target."""
        return self._folder / configuration.TARGET

    def named(self) -> Target | None:
        """Return what the target file names."""
        return state.named(self.target_file)

    def content(self, target: Target) -> bytes:
        """Return the content of the target file."""
        return line(target)

    def served(self) -> Target | None:
        """Return what Caddy says that it serves."""
        return state.served(self._folder)

    def count(self) -> dict[str, Counted]:
        """Return what it counted since it was started."""
        return state.counted(self._folder)

    def shares(self) -> bool:
        """Return whether it can share requests among two slots."""
        return state.shares(self._folder, sticky=self._spec.sticky)

    def front(self, do: Do) -> str:
        """Return the address that clients use, "" if it never ran."""
        return do(Read(says="read where clients come in", function=lambda: state.url(self._folder), assume=""))

    def _targets(
        self, do: Do, assume: Target | None, *, untouched: bool = False
    ) -> tuple[bool, Target | None, Target | None]:
        says = "see who serves here"
        do(Read(says=says, function=lambda: predecessor.require_none(self._folder), assume=None, untouched=untouched))
        return super()._targets(do, assume, untouched=untouched)

    # ------------------------------------------------------------------------------------------------------ changing

    def door(self, do: Do, slot: str) -> Upstream | None:  # noqa: ARG002
        """Return None: what it serves listens on this machine itself."""
        return None

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """Start it if it does not run. It comes back with the target of its file; ``first`` if it was never told any.

        Raise VerificationError if it ends, ActionError if its port is taken, or if its process is there and does not answer:
        that may be busy, and is never ended to find out.
        """
        says = "see whose folder it is"
        private = do(Read(says=says, function=lambda: state.private(self._folder), untouched=True))
        if self._targets(do, None, untouched=True)[0]:
            return
        before = do(Read(says="read which process it was", function=self._recorded, untouched=True))
        if before is not None and alive(before):
            self._await(do, f"wait until the front door (process {before.pid}) answers")
            return
        again = f"-after-{before.pid}" if before else ""  # a second start in one release is a change of its own
        if not private:
            words = ("install", "-d", "-m", "700", str(self._folder))
            do(Command(argv=words, says=f"make the folder {self._folder}", key=f"{key}/folder"))
        self.announce(do, f"{key}/fence")
        self._configure(do, f"{key}/config{again}")
        self.begin_with(do, first, key)
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

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Answer 500 for ``slot``, or let it answer late, for so many ``seconds``. Raise ActionError if it does not run."""
        require_way(self.breaks, by)
        self.announce(do, f"{key}/fence")
        served = self._targets(do, None)[1]
        spoilt = served.at(slot) if served is not None else None
        if spoilt is None:
            raise ActionError(
                f"The front door does not serve {slot}: nothing can be broken.", state="Nothing was broken."
            )
        permit = None if self._token is None else fences.permit(self._fence, self._token)
        fault.begin(do, self._folder, fault.Spoilt(spoilt, by, seconds, permit), self._python, key)

    def stop(self, do: Do, key: str) -> None:
        """Stop it; its target file stays."""
        self.end_faults(do, tuple(configuration.MARKS), f"{key}/unspoilt")
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

    def _configure(self, do: Do, key: str) -> None:
        """Write down where it listens: on the port that is asked for, else on the one it had, else on a free one."""

        def where() -> tuple[str, int]:
            kept = state.address(self._folder)
            port = self._spec.listen or (kept[1] if kept else 0)
            return self._spec.host, state.free_port(self._spec.host, port)

        found = do(Read(says="find where clients come in", function=where, untouched=True))
        content, file = configuration.configuration(*found, sticky=self._spec.sticky), self._folder / configuration.FILE
        same = Read(says="compare it", function=lambda: file.exists() and file.read_bytes() == content, untouched=True)
        if not do(same):
            says = f"note that clients come in at {found[0]}:{found[1]}"
            do(self._write(file, content, says=says, key=key))

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

    def end_faults(self, do: Do, slots: tuple[str, ...], key: str) -> None:
        """End what a drill spoils of ``slots``, if it still does."""
        fault.end(do, self._folder, slots, key)
