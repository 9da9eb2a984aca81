"""A platform to be tried: how one is made, and what is asked of it over and over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runwright.artifacts import Note, note_file
from runwright.engine.actions import Do
from runwright.platforms.shape import Observed, Platform, ServiceFact
from runwright.testing.conformance.trial import FIRST, only_reads
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version

JOB_SECONDS = 61.5


@dataclass(frozen=True)
class PlatformCase:
    """A platform to be tried, in a place where nothing of its system runs.

    make: a new driver of that place, as another process would make it. versions: two that are built, and not prepared.
    service: where jobs run; default: the first component's name. echo, fails: the words of a job that prints what follows,
    and of one that ends with another code than 0. outside: what can be seen of the place by other means than the driver,
    so that a read that changes something is found out; default: what it observes. check_out: puts the source of a version
    where the platform looks for it while it prepares that version, if it does.
    """

    make: Callable[[], Platform]
    versions: tuple[Version, Version]
    service: str = ""
    echo: tuple[str, ...] = ("echo",)
    fails: tuple[str, ...] = ("false",)
    outside: Callable[[], object] | None = None
    check_out: Callable[[Version], object] = lambda _: None

    @property
    def slots(self) -> tuple[str, ...]:
        """Where versions run: the platform's slots, or its one place."""
        return self.make().slots or ("",)

    def look(self) -> object:
        """Return what is to be seen of the place."""
        return self.outside() if self.outside is not None else self.observed()

    def observed(self) -> Observed:
        """Return what a new driver observes; observing changes nothing."""
        return only_reads(self.make().observe, self.outside or (lambda: None))

    def running(self, slot: str) -> list[ServiceFact]:
        """Return what runs in a slot."""
        return [fact for fact in self.observed().running if fact.slot == slot or not slot]

    def prepared(self, do: Do, number: int, prefix: str) -> Version:
        """Prepare a version, and return it as the ledger keeps it."""
        self.check_out(self.versions[number])
        return as_kept(self.make().prepare(do, self.versions[number], prefix))

    def started(self, number: int, slot: str, release_id: str = FIRST, prefix: str = "deploy") -> Version:
        """Prepare and start a version in ``slot``, and return it."""
        do = Direct()
        version = self.prepared(do, number, prefix)
        self.make().start(do, version, slot, prefix, release_id)
        return version

    def job(self, do: Do, version: Version, *argv: str, key: str | None = None) -> bytes:
        """Run a job."""
        service = self.service or self.versions[0].artifacts[0].component
        return self.make().run_job(
            do,
            version,
            argv,
            service=service,
            key=key,
            says="run a job",
            release_id=FIRST,
            deadline_seconds=JOB_SECONDS,
        )


def as_kept(version: Version) -> Version:
    """Return a version as the ledger gives it back."""
    found = Version.from_json(json.loads(json.dumps(version.as_json())))
    assert found == version, "its `extra` is not what JSON keeps: lists and plain values only"
    return found


def built(folder: Path, number: int, files: Mapping[str, str]) -> Version:
    """Build a version for a platform that runs folders: one component, ``web``, of ``files``, and the note that it is whole."""
    commit, tree = f"{number:040x}", f"{number:08x}" * 5
    into = folder / "built" / "web" / commit
    into.mkdir(parents=True)
    for name, text in files.items():
        (into / name).write_text(text)
    note_file(into).write_bytes(Note("web", commit, tree).content())
    return Version("shop", "test", f"v{number}", commit, (Artifact("web", str(into), tree),))
