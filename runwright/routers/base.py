"""What routers have in common that are told by a file which is replaced whole: it is written first, and what they do is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from runwright.engine.actions import UNKNOWN, Do, Fence, Read, Wait, WriteFile
from runwright.engine.effects import fences
from runwright.errors import ActionError, CancelledError, DeadlineError, InputError, VerificationError
from runwright.routers.shape import RouterFacts
from runwright.routers.target import ALL, Target
from runwright.traffic import Counted, Upstream

ASK_SECONDS = 5.0
POLL_SECONDS = 0.1


class TargetFile(ABC):
    """A router, or several that act as one, whose target is in a file.

    drain_seconds: how long those in flight elsewhere are waited for. fence: the folder that says who may write the file, on
    the same file system. token: the fencing token of the lease under which it is changed; None where there is no lease: then nothing is fenced.
    """

    log: Path
    """Where it says what went wrong."""
    slots: tuple[str, ...] = ("blue", "green")
    parts: ClassVar[bool] = False
    leaves: ClassVar[bool] = False
    mode = 0o600
    """Of the files that it reads."""

    def __init__(self, drain_seconds: float, fence: Path, token: int | None = None) -> None:
        self.drain_seconds = drain_seconds
        self._token = token
        self._fence = fence
        self._told: Target | None = None  # what a plan has written into the target file
        self._announced = 0  # what a plan has announced

    # ------------------------------------------------------------------------------------------- what differs by where

    @property
    @abstractmethod
    def target_file(self) -> Path:
        """The file that names the target."""

    @abstractmethod
    def named(self) -> Target | None:
        """Return what the target file names. Raise ObservationError if it is not understood."""

    @abstractmethod
    def served(self) -> Target | None:
        """Return what Caddy says that it serves. Raise ActionError if it does not answer."""

    @abstractmethod
    def count(self) -> dict[str, Counted]:
        """Return what it counted since it was started, by slot. Raise ActionError if it does not answer."""

    @abstractmethod
    def shares(self) -> bool:
        """Return whether it can share requests among two slots. Raise ActionError if it does not answer."""

    @abstractmethod
    def front(self, do: Do) -> str:
        """Return the address that clients use, "" if it never ran."""

    @abstractmethod
    def content(self, target: Target) -> bytes:
        """Return the content of the target file that says so."""

    def end_faults(self, do: Do, slots: tuple[str, ...], key: str) -> None:  # noqa: B027 - most spoil nothing
        """End what a drill spoils of ``slots``, if it still does."""

    def await_ready(self, do: Do, target: Target) -> None:  # noqa: B027 - some ask each container as it comes
        """Wait until it can reach whom it is to send requests to. Raise VerificationError if it cannot; nothing was changed then."""

    def tell(self, do: Do, target: Target, key: str) -> None:  # noqa: B027 - some look at the file for each request
        """Let it do what the file says now, if it does not by itself."""

    # ------------------------------------------------------------------------------------------------------- reading

    def facts(self, do: Do) -> RouterFacts:
        """Return what it serves and what its target file names. Down is a fact; a file that cannot be read is an error."""
        return self._facts(do, None, self.front(do))

    def target(self, do: Do) -> Upstream | None:
        """Return what it serves now; what it would come back with if it is down; None if it was never told."""
        facts = self._facts(do, None)
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
            function=self.count,
            deadline_seconds=2 * ASK_SECONDS,
            asks=True,
            assume={},
        )

    def _targets(
        self, do: Do, assume: Target | None, *, untouched: bool = False
    ) -> tuple[bool, Target | None, Target | None]:
        """Return whether it answers, what it serves, and what is written. untouched: nothing has changed it before."""
        read = Read(says="read the target file", function=self.named, assume=assume, untouched=untouched)
        written = do(read)
        asked: Read[Target | None] = Read(
            says="ask the front door what it serves",
            function=self.served,
            deadline_seconds=2 * ASK_SECONDS,
            asks=True,
            assume=assume,
            untouched=untouched,
        )
        try:
            return True, do(asked), written
        except CancelledError:
            raise
        except ActionError:
            return False, None, written

    def _facts(self, do: Do, assume: Target | None, front: str = "") -> RouterFacts:
        running, served, written = self._targets(do, assume)
        return RouterFacts(
            running,
            served.main if served else None,
            written.main if written else None,
            front,
            served.shares if served else {},
            written.shares if written else {},
        )

    # ------------------------------------------------------------------------------------------------------ changing

    def require(self, do: Do) -> None:  # noqa: B027 - what we start has what it needs
        """Raise RefusedError if it does not have what it needs, ActionError if it does not answer."""

    def make_ready(self, do: Do, key: str) -> None:  # noqa: B027 - most have nothing to make
        """Make what it needs to be started, so that `ensure` has but to start it."""

    def leave(self, do: Do, key: str) -> None:  # noqa: ARG002
        """Raise InputError: what sends users elsewhere one day has to be told so by who started it."""
        raise InputError("This router cannot be taken away by a release.", next="Name another `strategy`.")

    def announce(self, do: Do, key: str) -> None:
        """From here on, refuse whoever holds a lower token: a process that was stopped right before it moves traffic.

        Raise FencedError if our own token is the lower one.
        """
        if self._token is None:
            return
        says, assume = "read the front door's fence", self._announced
        highest = Read(says=says, function=lambda: fences.highest(self._fence), assume=assume)
        if (known := do(highest)) > self._token:
            raise fences.fenced(self._fence, self._token)
        if known < self._token:
            says = f"tell the front door that the lease has token {self._token} now"
            do(Fence(path=self._fence, token=self._token, says=says, key=key))
            self._announced = self._token

    def switch(self, do: Do, to: Upstream, key: str, share: int = ALL, stays: Upstream | None = None) -> int:
        """Send ``share`` percent of the new requests to ``to``, the rest to ``stays``; with 100 wait for those in flight
        elsewhere, up to the drain timeout.

        Return how many of those are still in flight; they are left to finish. Raise VerificationError if it is not seen to
        do so afterwards, FencedError if another process took over, ActionError if it cannot share.
        """
        wanted = self.known(Target.of(to, share, stays))
        self.announce(do, f"{key}/fence")
        self.end_faults(do, (to.slot,), f"{key}/unspoilt")
        if wanted.stays is not None:
            self._require_shares(do)
        self.await_ready(do, wanted)
        if self._targets(do, self._told)[2] != wanted:
            do(self.written(wanted, f"{key}/put"))
        self._told = wanted
        self.tell(do, wanted, key)
        running, served, written = self._targets(do, wanted)
        if not running or served != wanted or written != wanted:
            raise VerificationError(
                f"The front door was told to send {wanted} and is not seen to. {self._facts(do, wanted).problem}",
                state="Both versions still run; nothing was stopped.",
                next=f"Look at {self.log}, then run it again: the target is absolute, so repeating it is safe.",
            )
        if wanted.stays is not None:
            return 0
        self.end_faults(do, self.slots, f"{key}/unspoilt")
        return self._drain(do, wanted.to)

    def begin_with(self, do: Do, first: Upstream | None, key: str) -> None:
        """Name ``first`` in the target file if that names nothing yet: nobody is to be told that nothing is served."""
        read = Read(says="read the target file", function=self.named, untouched=True)
        if first is not None and do(read) is None:
            self._told = self.known(Target(first))
            do(self.written(self._told, f"{key}/first"))

    def known(self, target: Target) -> Target:
        """Return ``target`` as it is read again from the file."""
        return target

    def _require_shares(self, do: Do) -> None:
        says = "see whether the front door can share requests"
        if not do(Read(says=says, function=self.shares, asks=True, deadline_seconds=2 * ASK_SECONDS, assume=True)):
            raise ActionError(
                "The front door was started by an earlier Runwright, or by another runbook, and cannot share users among two versions as this one says.",
                state="It serves on as before; nothing was changed.",
                next="Stop it when a moment without service suits, and run it again: it is started as it must be.",
            )

    def written(self, to: Target | Upstream, key: str = "put") -> WriteFile:
        """Return the change that sends every new request to ``to``, or shares them."""
        target = to if isinstance(to, Target) else Target(to)
        return self._write(self.target_file, self.content(target), says=f"send traffic to {target}", key=key)

    def _write(self, file: Path, content: bytes, *, says: str, key: str) -> WriteFile:
        permit = None if self._token is None else fences.permit(self._fence, self._token)
        return WriteFile(path=file, content=content, mode=self.mode, permit=permit, says=says, key=key)

    def _drain(self, do: Do, to: Upstream) -> int:
        wait = Wait(
            read=self._count(),
            until=lambda found: not _elsewhere(found, to.slot),
            every_seconds=POLL_SECONDS,
            deadline_seconds=self.drain_seconds,
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
