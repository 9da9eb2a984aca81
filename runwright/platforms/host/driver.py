"""Processes on this machine, in two colours: the new version is started beside the old one, and takes over when it is ready."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from runwright.artifacts import note_of
from runwright.engine.actions import Action, Command, Do, Output, Process, Read, Spawn, Stop, Wait, WriteFile, nothing
from runwright.errors import ActionError, CancelledError, DeadlineError, InputError, RefusedError, VerificationError
from runwright.platforms.host import environment, leftovers
from runwright.platforms.host.leftovers import file_name
from runwright.platforms.host.ports import free_port, preferred
from runwright.platforms.host.slots import Answer, Seen, Slot, ask, boot, last_lines, see
from runwright.platforms.shape import MOST_LINES, Beside, Kept, KeysSeen, Observed, Platform, ServiceFact, T
from runwright.plural import plural
from runwright.runbook.drill import Break, require_way
from runwright.runbook.platforms.host import HostTarget
from runwright.site import Folders
from runwright.traffic import LOOPBACK, Upstream
from runwright.versions import Artifact, Version

SLOTS = ("blue", "green")
GRACE_SECONDS = 15.0  # for requests in flight, when a process is asked to end
POLL_SECONDS = 0.2
ASK_SECONDS = 10.0
"""A process that is asked how it is and drips its answer is asked again after this time."""


class Host(Platform):
    """The host platform. See runwright.platforms.shape.Platform for what each method promises.

    target: its part of the runbook. root: the absolute folder for slots, logs and data. env: more variables for every
    process, which may be secrets. folders: where what is built lies, for `tidy`. python: what ``{python}`` means; its folder comes first on PATH.

    In the command and in the values of the runbook's ``env``, ``{root}`` is the data folder; in the command ``{port}``
    is the port and ``{python}`` the Python. Every process gets RUNWRIGHT_RELEASE, _COMMIT, _VERSION, _SLOT and _ROOT.
    """

    breaks: ClassVar[frozenset[Break]] = frozenset({"kill"})
    tells_since = False
    slots = SLOTS
    artifacts = "folder"

    def __init__(
        self, target: HostTarget, root: Path, env: Mapping[str, str], python: str, folders: Folders | None = None
    ) -> None:
        self._target = target
        self.health_path = target.process.health
        self._folders = folders
        self._root = root
        self._env = dict(env)
        self.python = python

    # ------------------------------------------------------------------------------------------------------ observing

    def observe(self, do: Do) -> Observed:
        """Return what each slot runs, or ran last. A process that is gone, also by a reboot, is not running."""
        return do(Read(says=f"look at what runs in {self._root}", function=self._observe))

    def upstream(self, do: Do, slot: str) -> Upstream | None:
        """Return where ``slot`` serves, or None if it does not run."""
        assumed = Upstream(slot, LOOPBACK, preferred(f"{self._root}/{slot}"))

        def where() -> Upstream | None:
            seen = see(self._file(slot))
            return Upstream(slot, LOOPBACK, seen.slot.port) if seen is not None and seen.runs else None

        read: Read[Upstream | None] = Read(says=f"read where {slot} serves", function=where, assume=assumed)
        return do(read)

    def ours_to_start(self, do: Do, slot: str) -> bool:
        """Return whether what was meant to run in ``slot`` was started on this machine."""
        seen = do(self._see(slot))
        return seen is not None and seen.process is not None and seen.process.host == socket.gethostname()

    def process(self, do: Do, slot: str) -> Process | None:
        """Return the process that runs in ``slot``, None if none does."""
        seen = do(self._see(slot))
        return seen.process if seen is not None and seen.runs else None

    def keys_seen(self, do: Do, service: str) -> tuple[KeysSeen, ...]:
        """Return which variables each running process of ``service`` sees, by name. Raise ObservationError."""
        says = f"read the names of the variables that {service} sees"
        return do(Read(says=says, function=lambda: environment.keys_seen(self._root, service, SLOTS), assume=()))

    def carried(self, do: Do, names: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Return what the running processes carry of the variables ``names``. May hold secrets. Raise ObservationError."""
        says = "read what processes carry of the variables that may be secret"
        return do(Read(says=says, function=lambda: environment.carried(self._root, SLOTS, names), assume=()))

    def lines(
        self,
        do: Do,  # noqa: ARG002
        services: Sequence[str],  # noqa: ARG002 - a process is all of the application
        slot: str,
        since: datetime,  # noqa: ARG002 - a log begins when its process does
        *,
        says: str,
        parse: Callable[[tuple[str, ...]], T],
        assume: Any,
    ) -> Action[T]:
        """Return the read of what the process in ``slot`` (or in any) printed since it was started."""
        return Read(says=says, function=lambda: parse(self._said(slot)), assume=assume)

    def _said(self, slot: str) -> tuple[str, ...]:
        logs = [seen.slot.log for name in SLOTS if slot in ("", name) and (seen := see(self._file(name))) is not None]
        if not logs:
            raise ActionError("Nothing was ever started here.", state="Nothing was asked.")
        return tuple(line for log in logs for line in last_lines(Path(log)))[-MOST_LINES:]

    def adopt(self, do: Do, prefix: str, slot: str = "") -> Version | None:  # noqa: ARG002 - it is kept already
        """Return what runs (in ``slot``, if one is given) as a version that can be started again, or None.

        Raise RefusedError if both slots run and none is given: only the router knows which of them serves.
        """
        running = [seen for name in SLOTS if slot in ("", name) and (seen := do(self._see(name))) and seen.runs]
        if len(running) > 1:
            raise RefusedError(
                "Both slots run, and which of them serves is not for the platform to say.",
                state="Nothing was changed.",
                next="Ask the router which slot it serves and adopt that one.",
            )
        return replace(Version.from_json(running[0].slot.version), adopted=True) if running else None

    # ------------------------------------------------------------------------------------------------------- changing

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Prove that the version's folder is there, whole, and is what its identity says; make the folder for data.

        Raise ActionError if the artifact is not there.
        """
        artifact = self._artifact(version)
        folder = Path(artifact.reference)
        note = do(Read(says=f"see whether {folder} is whole", function=lambda: _tree(folder), assume=artifact.identity))
        if note != artifact.identity:
            raise ActionError(
                f"The artifact of {version.name} is not there: {folder} "
                + (
                    "is missing or not whole."
                    if not note
                    else f"holds the tree {note[:12]}, not {artifact.identity[:12]}."
                ),
                state="What runs was not touched.",
                next="Run the release again; the artifact is built anew from its commit.",
            )
        keep = self._root / "data" / ".keep"
        if not do(Read(says=f"see whether {keep.parent} is there", function=keep.exists, assume=True)):
            do(WriteFile(path=keep, content=b"", says=f"make the folder {keep.parent}", key=f"{prefix}/data"))
        return version

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
        """Run ``argv`` in the version's folder with the environment of its process; return its standard output.

        With a key it is a change: a cancel waits for it, it is never repeated by itself, and b"" is returned.
        """
        artifact = self._artifact(version, service)
        words = tuple(word.replace("{python}", self.python).replace("{root}", str(self._root)) for word in argv)
        job: Command[bytes | None] = Command(
            argv=words,
            env=self._environment(version, release_id, ""),
            cwd=Path(artifact.reference),
            parse=nothing if key else _stdout,
            deadline_seconds=deadline_seconds,
            repeatable=key is None,
            safe_point=key is not None,
            says=says,
            key=key,
        )
        return do(job) or b""

    def start(
        self,
        do: Do,
        version: Version,
        slot: str,
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,  # noqa: ARG002 - what runs of it is never started anew
        anew: bool = False,  # noqa: ARG002 - a slot that users do not reach is cleared before
        beside: Beside | None = None,  # noqa: ARG002
    ) -> None:
        """Make ``version`` run in ``slot`` and wait until it is healthy. What else runs in the slot is ended first.

        Raise DeadlineError if it does not get healthy in time, VerificationError as soon as its process ends.
        """
        artifact = self._artifact(version)
        seen = do(self._see(slot))
        if seen is not None and seen.runs and seen.slot.is_of(version, artifact.component, artifact.identity):
            self._await(do, seen.slot)
            return
        base = f"{prefix}/{slot}"
        if seen is not None and seen.runs:
            self._end(do, seen, f"{base}/clear", f"end what ran in {slot} before")
        wanted = self._wanted(do, version, artifact, slot, release_id, seen)
        if seen is None or seen.slot != wanted:
            do(
                WriteFile(
                    path=self._file(slot),
                    content=wanted.content(),
                    mode=0o600,
                    says=f"note that {slot} shall run {version.name} on port {wanted.port}",
                    key=f"{base}/slot{wanted.suffix}",
                )
            )
        do(
            Spawn(
                argv=self._words(wanted.port),
                env=self._environment(version, release_id, slot),
                cwd=Path(artifact.reference),
                log=Path(wanted.log),
                pid_file=Path(wanted.pid_file),
                says=f"start {artifact.component} {version.name} in {slot} on port {wanted.port}",
                key=f"{base}/start{wanted.suffix}",
            )
        )
        self._await(do, wanted)

    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """End what runs in ``slot``; nothing if nothing does. Raise ActionError if it cannot be ended."""
        seen = do(self._see(slot))
        if seen is not None and seen.runs:
            self._end(do, seen, f"{prefix}/{slot}/stop{seen.slot.suffix}", f"stop {slot}")

    def inject(self, do: Do, slot: str, by: Break, prefix: str) -> None:
        """Kill what runs in ``slot`` without a word of warning, as the kernel does where memory is short."""
        require_way(self.breaks, by)
        seen = do(self._see(slot))
        if seen is None or not seen.runs:
            raise ActionError(f"Nothing runs in {slot}: there is nothing to break.", state="Nothing was broken.")
        assert seen.process is not None
        says = f"kill what runs in {slot} (process {seen.process.pid}), on purpose"
        do(Stop(process=seen.process, grace_seconds=0.0, says=says, key=f"{prefix}/{slot}/kill{seen.slot.suffix}"))

    def tidy(self, do: Do, kept: Kept, prefix: str) -> None:
        """Remove built folders, logs and worktrees that no release needs."""
        find = Read(says="look for what earlier releases left", function=lambda: self.leftovers(kept))
        if paths := do(find):
            says = f"remove {plural(len(paths), 'file or folder', 'files and folders')} that no release needs"
            mark = hashlib.sha256("\n".join(map(str, paths)).encode()).hexdigest()[:12]
            argv = ("rm", "-rf", "--", *map(str, paths))
            do(Command(says=says, key=f"{prefix}/{mark}", argv=argv, deadline_seconds=600.0))

    def leftovers(self, kept: Kept) -> list[Path]:
        """Return what may go, of this environment and of the folders that the system's environments share."""
        found, folders = leftovers.written(self._root, SLOTS, kept), self._folders
        if folders is None:
            return found
        return [
            *leftovers.built(folders.artifacts, kept),
            *found,
            *leftovers.checked_out(folders.tree.parent.parent, kept),
        ]

    # -------------------------------------------------------------------------------------------------------- helpers

    def _file(self, slot: str) -> Path:
        if slot not in SLOTS:
            raise InputError(f"{slot!r} is no slot of this platform.", next=f"It has {' and '.join(SLOTS)}.")
        return self._root / "slots" / f"{slot}.json"

    def _see(self, slot: str) -> Read[Seen | None]:
        file = self._file(slot)
        return Read(says=f"look at what runs in {slot}", function=lambda: see(file), assume=None)

    def _observe(self) -> Observed:
        found = [seen for slot in SLOTS if (seen := see(self._file(slot))) is not None]
        return Observed(tuple(self._fact(seen) for seen in found))

    def _fact(self, seen: Seen) -> ServiceFact:
        slot = seen.slot
        return ServiceFact(
            service=slot.component,
            instance=f"{slot.component}-{slot.slot}",
            identity=slot.identity,
            running=seen.runs,
            healthy=ask(seen, self._target.process.health).ready if seen.runs else None,
            slot=slot.slot,
            commit=slot.commit,
            release=slot.release,
            port=slot.port,
        )

    def _artifact(self, version: Version, service: str = "") -> Artifact:
        """Return the artifact that runs: the one of ``service`` if there is one, else the first."""
        if not version.artifacts:
            raise InputError(f"{version.name} has no artifact.", next="Build it first.")
        return next((a for a in version.artifacts if a.component == service), version.artifacts[0])

    def _wanted(
        self, do: Do, version: Version, artifact: Artifact, slot: str, release_id: str, seen: Seen | None
    ) -> Slot:
        """Return what to write down for this start: what is written already, if it was for it and never started."""
        now = do(Read(says="see which start of the machine this is", function=boot, assume=""))
        same = seen is not None and seen.slot.release == release_id
        fits = same and seen is not None and seen.slot.is_of(version, artifact.component, artifact.identity)
        if fits and seen is not None and seen.process is None and seen.slot.boot == now:
            return seen.slot
        attempt = seen.slot.attempt + 1 if same and seen is not None else 1
        name = f"{file_name(release_id)}-{attempt}"
        return Slot(
            slot=slot,
            port=self._port(do, slot, seen),
            component=artifact.component,
            identity=artifact.identity,
            release=release_id,
            attempt=attempt,
            boot=now,
            pid_file=str(self._root / "slots" / slot / f"{name}.pid"),
            log=str(self._root / "logs" / slot / f"{name}.log"),
            version=version.as_json(),
        )

    def _port(self, do: Do, slot: str, seen: Seen | None) -> int:
        name = f"{self._root}/{slot}"
        others = [found.slot.port for other in SLOTS if other != slot and (found := do(self._see(other)))]
        first = [seen.slot.port] if seen is not None else []
        return do(
            Read(
                says=f"find a free port for {slot}",
                function=lambda: free_port(name, first, others),
                assume=preferred(name),
            )
        )

    def _words(self, port: int) -> tuple[str, ...]:
        known = {"{port}": str(port), "{python}": self.python, "{root}": str(self._root)}
        return tuple(
            re.sub(r"\{(port|python|root)\}", lambda found: known[found[0]], word)
            for word in self._target.process.command
        )

    def _environment(self, version: Version, release_id: str, slot: str) -> dict[str, str]:
        """Return the variables of a process: the runbook's, the caller's, then ours, which nobody overrides."""
        return {
            "PATH": os.pathsep.join((str(Path(self.python).parent), os.environ.get("PATH", os.defpath))),
            "PYTHONUNBUFFERED": "1",
            **{name: value.replace("{root}", str(self._root)) for name, value in self._target.process.env.items()},
            **self._env,
            "RUNWRIGHT_RELEASE": release_id,
            "RUNWRIGHT_COMMIT": version.commit,
            "RUNWRIGHT_VERSION": version.ref,
            "RUNWRIGHT_SLOT": slot,
            "RUNWRIGHT_ROOT": str(self._root),
        }

    def _await(self, do: Do, slot: Slot) -> None:
        file, path = self._file(slot.slot), self._target.process.health

        def answer() -> Answer:
            seen = see(file)
            if seen is None or not seen.runs:
                raise VerificationError(
                    f"The process of {slot.slot} has ended before it was ready.",
                    state="Traffic was not touched.",
                    next=f"Why it ended is in the last lines of {slot.log}.",
                )
            return ask(seen, path)

        wait = Wait(
            read=Read(says=f"ask {slot.slot} for {path}", function=answer, deadline_seconds=ASK_SECONDS, asks=True),
            until=lambda given: given.ready,
            every_seconds=POLL_SECONDS,
            deadline_seconds=self._target.ready_timeout,
            says=f"wait until {slot.slot} answers 200 to {path} on port {slot.port}",
            assume=Answer(200, True),
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise DeadlineError(
                error.what,
                state=f"The process of {slot.slot} runs and is not ready. Traffic was not touched.",
                next=f"What it waits for is in the last lines of {slot.log}.",
            ) from error

    def _end(self, do: Do, seen: Seen, key: str, says: str) -> None:
        assert seen.process is not None  # it runs
        do(
            Stop(
                process=seen.process,
                grace_seconds=GRACE_SECONDS,
                deadline_seconds=GRACE_SECONDS + 15,
                says=f"{says} (process {seen.process.pid})",
                key=key,
            )
        )
        after = do(self._see(seen.slot.slot))
        if after is not None and after.process == seen.process and after.runs:
            raise ActionError(
                f"Process {seen.process.pid} in {seen.slot.slot} could not be ended.",
                state="It still runs.",
                next=f"Look at it (ps -fp {seen.process.pid}); a process in state D waits for its disk.",
            )


def _tree(folder: Path) -> str:
    note = note_of(folder)
    return note.tree if note else ""


def _stdout(output: Output) -> bytes | None:
    return output.stdout
