"""The forwarder that ships with Runwright, as a router: started, asked and told through its own small API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from runwright.actions import UNKNOWN, Do, Http, Process, Read, Reply, Spawn, Stop, Wait, WriteFile
from runwright.effects.processes import alive
from runwright.errors import (
    ActionError,
    CancelledError,
    DeadlineError,
    FencedError,
    VerificationError,
)
from runwright.routers.board import MOST_SPOILT_SECONDS
from runwright.routers.fence import Fence, fence_file, named_target, read_fence
from runwright.routers.forwarder_door import ASSUMED, PID_FILE, Door, find_door, find_front, named, served
from runwright.routers.shape import RouterFacts
from runwright.runbook.drill import Break, require_way
from runwright.runbook.targets import Forwarder
from runwright.traffic import Upstream

START_SECONDS = 20.0
GRACE_SECONDS = 15.0  # more than the forwarder itself gives to requests in flight
ASK_SECONDS = 5.0
POLL_SECONDS = 0.1
SPOILT_DELAY_SECONDS = 10.0
"""How late answers are in a drill: longer than a probe waits, and users too."""
_ANSWERS = frozenset({200, 409})  # 409: it refuses, and says why
_OR_UNKNOWN = _ANSWERS | {404}  # one of an older version does not know what it is told


class ForwarderRouter:
    """A forwarder whose files are in ``state``, an absolute folder; ``python`` runs it.

    token: the fencing token of the lease under which it is changed; None where there is no lease: then nothing is fenced.
    """

    breaks: ClassVar[frozenset[Break]] = frozenset({"errors", "latency"})

    def __init__(self, spec: Forwarder, state: Path, python: str, token: int | None = None) -> None:
        self._spec = spec
        self._state = state
        self._python = python
        self._token = token
        self._target_file = state / "target.json"
        self._pid_file = state / PID_FILE
        self.log = state / "forwarder.log"

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
        return _in_flight(self.status(do), slot)

    def status(self, do: Do) -> dict[str, Any]:
        """Return what it counted: ``slots`` (in_flight, upgraded, requests, errors), ``unserved`` by status, target."""
        return do(self._status(self._open_door(do)))

    def _facts(self, do: Do, assume: Upstream | None) -> RouterFacts:
        written = do(Read(says="read the forwarder's target file", function=lambda: named(self._state), assume=assume))
        door = do(self._see_door())
        front = do(Read(says="read where the forwarder listens", function=lambda: find_front(self._state), assume=""))
        if door is None:
            return RouterFacts(False, None, written, front)
        ask = Http(
            method="GET",
            url=f"{door.url}/target",
            headers=door.headers,
            parse=served,
            deadline_seconds=ASK_SECONDS,
            says="ask the forwarder what it serves",
            assume=assume,
        )
        try:
            return RouterFacts(True, do(ask), written, front)
        except CancelledError:
            raise
        except ActionError:
            return RouterFacts(False, None, written, front)  # its process is there, but it does not answer

    def _see_door(self) -> Read[Door | None]:
        return Read(says="see whether the forwarder runs", function=lambda: find_door(self._state), assume=ASSUMED)

    def _open_door(self, do: Do) -> Door:
        door = do(self._see_door())
        if door is None:
            raise ActionError(
                "The forwarder does not run.",
                state="Nothing answers at the address that clients use.",
                next=f"Run the release again, which starts it; why it ended is in {self.log}.",
            )
        return door

    def _status(self, door: Door) -> Http[dict[str, Any]]:
        return Http(
            method="GET",
            url=f"{door.url}/status",
            headers=door.headers,
            parse=lambda reply: json.loads(reply.body),
            deadline_seconds=ASK_SECONDS,
            says="ask the forwarder what is in flight",
            assume={"slots": {}},
        )

    # ------------------------------------------------------------------------------------------------------ changing

    def announce(self, do: Do, key: str) -> None:
        """From here on, refuse whoever holds a lower token: a process that was stopped right before it moves traffic.

        Raise FencedError if our own token is the lower one. One that is down, or does not answer, finds it when it does.
        """
        if self._token is None:
            return
        says = f"tell the forwarder that the lease has token {self._token} now"
        door = do(self._see_door())
        if door is not None and self._facts(do, None).running:
            do(self._told(door, "fence", {}, says=says, key=key, ok=_OR_UNKNOWN))
            return
        known = do(Read(says="read the forwarder's fence", function=self._fence, assume=Fence()))
        if known.token > self._token:
            raise self._fenced(known.token)
        content = Fence(self._token, known.target).content()
        do(WriteFile(path=fence_file(self._state), content=content, says=says, key=key))

    def ensure(self, do: Do, key: str) -> None:
        """Start it if it does not run. It comes back with the target of its file. Raise VerificationError if it ends."""
        if self._facts(do, None).running:
            return
        before = do(Read(says="read which process it was", function=self._recorded, assume=None))
        if before is not None and alive(before):
            do(Stop(process=before, says="end the forwarder that does not answer", key=f"{key}/clear"))
        again = f"-after-{before.pid}" if before else ""  # a second start in one release is a change of its own
        words = ("--state", str(self._state), "--host", self._spec.host, "--listen", str(self._spec.listen))
        do(
            Spawn(
                argv=(self._python, "-P", "-m", "runwright.routers.forwarder_server", *words),
                env={"PYTHONUNBUFFERED": "1"},
                cwd=self._state.parent,
                log=self.log,
                pid_file=self._pid_file,
                says="start the forwarder",
                key=f"{key}/start{again}",
            )
        )
        answers = Read(says="see whether the forwarder answers", function=self._started, assume=True)
        do(
            Wait(
                read=answers,
                until=bool,
                every_seconds=POLL_SECONDS,
                deadline_seconds=START_SECONDS,
                says=f"wait until the forwarder listens (its log: {self.log})",
                assume=True,
            )
        )

    def switch(self, do: Do, to: Upstream, key: str) -> int:
        """Send every new request to ``to`` and wait for those in flight elsewhere, up to the drain timeout.

        Return how many of those are still in flight; they are left to finish. Raise VerificationError if it is not
        seen to serve ``to`` afterwards, ActionError if it does not run or its target was changed by somebody else,
        FencedError if another process took over and announced it.
        """
        before = self._facts(do, None)
        if before.written != to:
            fence = {} if self._token is None else {"fence": self._token}
            content = json.dumps(asdict(to) | fence).encode() + b"\n"
            do(WriteFile(path=self._target_file, content=content, says=f"note {to.slot} as target", key=f"{key}/file"))
        if before.serving != to or not before.running:
            self._put(do, to, before.serving, key)
        after = self._facts(do, to)
        if not after.running or after.serving != to or after.written != to:
            raise VerificationError(
                f"The forwarder was told to serve {to.slot} ({to.host}:{to.port}) and is not seen to. {after.problem}",
                state="Both versions still run; nothing was stopped.",
                next=f"Look at {self.log}, then run it again: the target is absolute, so repeating it is safe.",
            )
        return self._drain(do, to)

    def spoil(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Answer 500 for ``slot``, or let it answer late, for so many ``seconds``. Raise ActionError if it does not run."""
        require_way(self.breaks, by)
        delay = SPOILT_DELAY_SECONDS if by == "latency" else 0.0
        body = {"slot": slot, "errors": by == "errors", "delay_seconds": delay}
        body["seconds"] = min(seconds, MOST_SPOILT_SECONDS)
        says = f"answer {'500' if by == 'errors' else f'{delay:g} s late'} for {slot}, on purpose"
        do(
            self._told(
                self._open_door(do), "spoilt", body, says=says, key=f"{key}/spoil", ok=_OR_UNKNOWN, parse=self._spoilt
            )
        )

    def stop(self, do: Do, key: str) -> None:
        """Stop it; its target file stays."""
        process = do(Read(says="read which process the forwarder is", function=self._recorded, assume=None))
        if process is not None and alive(process):
            do(
                Stop(
                    process=process,
                    grace_seconds=GRACE_SECONDS,
                    deadline_seconds=GRACE_SECONDS + 10,
                    says="stop the forwarder",
                    key=f"{key}/stop",
                )
            )

    def _put(self, do: Do, to: Upstream, expected: Upstream | None, key: str) -> None:
        body = {**asdict(to), "expect": asdict(expected) if expected else None}
        says = f"send traffic to {to.slot} ({to.host}:{to.port})"
        do(self._told(self._open_door(do), "target", body, says=says, key=f"{key}/put"))

    def _told(
        self,
        door: Door,
        what: str,
        body: dict[str, Any],
        *,
        says: str,
        key: str,
        ok: frozenset[int] = _ANSWERS,
        parse: Callable[[Reply], None] | None = None,
    ) -> Http[None]:
        """Return the request that tells it something, under our token if we have one. Its refusals are for ``parse``."""
        fence = {} if self._token is None else {"fence": self._token}
        return Http(
            method="PUT",
            url=f"{door.url}/{what}",
            headers=door.headers,
            body=json.dumps(body | fence).encode(),
            ok=ok,
            parse=parse or self._accepted,
            deadline_seconds=ASK_SECONDS,
            says=says,
            key=key,
        )

    def _accepted(self, reply: Reply) -> None:
        if reply.status != 409:
            return
        answer = json.loads(reply.body)
        if "fence" in answer:
            raise self._fenced(int(answer["fence"]))
        raise ActionError(
            f"The forwarder refused to change its target: {answer['error']}.",
            state="It serves what it served before.",
            next="Somebody else changed it meanwhile; run it again, which looks first.",
        )

    def _spoilt(self, reply: Reply) -> None:
        if reply.status == 404:
            raise ActionError(
                "The forwarder that runs is of an older Runwright, which cannot spoil what it serves.",
                state="It serves as before.",
                next=f"End its process (its id is in {self._pid_file}) when that suits: the next release starts this one.",
            )
        self._accepted(reply)

    def _fenced(self, highest: int) -> FencedError:
        return FencedError(
            f"The forwarder refused this process: its lease (token {self._token}) was taken over by token {highest}.",
            next="Nothing needs to be done here: who holds the lease now goes on. `runwright status` shows who.",
        )

    def _fence(self) -> Fence:
        """Return the token that is known, and what the forwarder would come back with now."""
        return Fence(read_fence(self._state).token, named_target(self._state))

    def _drain(self, do: Do, to: Upstream) -> int:
        door = self._open_door(do)
        wait = Wait(
            read=self._status(door),
            until=lambda status: not _elsewhere(status, to.slot),
            every_seconds=POLL_SECONDS,
            deadline_seconds=self._spec.drain_timeout,
            says=f"wait until nothing is in flight but on {to.slot}",
            assume=UNKNOWN,
        )
        try:
            do(wait)
        except DeadlineError:
            return _elsewhere(self.status(do), to.slot)
        return 0

    def _recorded(self) -> Process | None:
        try:
            return Process(**json.loads(self._pid_file.read_bytes()))
        except FileNotFoundError:
            return None

    def _started(self) -> bool:
        process = self._recorded()
        if process is not None and not alive(process):
            raise VerificationError(
                "The forwarder ended at once.",
                state="It does not run; nothing answers at the address that clients use.",
                next=f"Why is in {self.log}; often its port is taken by another program. Then run it again.",
            )
        return find_door(self._state) is not None


def _in_flight(status: dict[str, Any], slot: str) -> int:
    return int(status["slots"].get(slot, {}).get("in_flight", 0))


def _elsewhere(status: dict[str, Any], slot: str) -> int:
    return sum(_in_flight(status, other) for other in status["slots"] if other != slot)
