"""A switch on the host platform under load, beside ``kill the old one; start the new one``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.machine import ROOT
from bench.numbers import Row, Section, series
from bench.shop import NEW, OLD, call, free_port
from examples.client import Client
from examples.make_repository import make
from runwright.platforms.host import SLOTS, Host
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.loader import load
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version

RATE = 40.0
AT_MOST_SECONDS = 120.0
READY_SECONDS = 60.0
BEFORE_AND_AFTER_SECONDS = 1.0


class World:
    """The shop's two versions as folders, and one database that both can work with."""

    def __init__(self, folder: Path) -> None:
        self.commits = make(folder / "repository")
        self.trees = {version: folder / version for version in (OLD, NEW)}
        for version, tree in self.trees.items():
            words = ("worktree", "add", "-q", "--detach", str(tree), self.commits[version])
            call("git", "-C", str(folder / "repository"), *words)
        self.root = folder / "root"
        (self.root / "data").mkdir(parents=True)
        self.environment = {**os.environ, "DATABASE_URL": f"sqlite:///{self.root}/data/shop.db"}
        call(sys.executable, "-m", "alembic", "upgrade", "head", cwd=self.trees[NEW], env=self.environment)
        place = load(ROOT / "examples" / "shop.yaml").runbook.environments["local"]
        assert isinstance(place.target, HostTarget) and place.router is not None
        self.do = Direct()
        self.host = Host(place.target, self.root, {}, sys.executable)
        self.router = CaddyRouter(place.router, self.root / "caddy", sys.executable)

    def release(self, version: str, slot: str, name: str) -> None:
        """Start ``version`` in ``slot``, send the users there, end the other one: Runwright's own drivers."""
        artifact = Artifact("web", str(self.trees[version]), self.commits[version])
        given = Version("shop", "local", version, self.commits[version], (artifact,))
        self.host.start(self.do, given, slot, name, name)
        self.router.ensure(self.do, name)
        upstream = self.host.upstream(self.do, slot)
        assert upstream is not None
        self.router.switch(self.do, upstream, name)
        for other in SLOTS:
            if other != slot:
                self.host.stop(self.do, other, name)

    def end(self) -> None:
        """End everything."""
        self.router.stop(self.do, "end")
        for slot in SLOTS:
            self.host.stop(self.do, slot, "end")

    def front(self) -> str:
        """Where the front door listens."""
        return self.router.facts(self.do).front


class Shell:
    """One process on one port: what a person does without Runwright."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self.front = f"http://127.0.0.1:{self._port}"

    def release(self, version: str) -> None:
        """``kill old; start new``, and wait until it is ready."""
        self.end()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "shop", "--port", str(self._port)],
            cwd=self._world.trees[version],
            env=self._world.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + READY_SECONDS
        while not _ready(self.front):
            assert time.monotonic() < until, "it does not get ready"
            time.sleep(0.05)

    def end(self) -> None:
        """End it and wait until it has ended."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(READY_SECONDS)
            self._child = None


def measure(rounds: int, folder: Path, say: Callable[[str], None]) -> Section:
    """Switch ``rounds`` times with each, by turns, under ``RATE`` requests a second."""
    world = World(folder)
    shell = Shell(world)
    lost: dict[str, list[float]] = {"shell": [], "runwright": []}
    gap: dict[str, list[float]] = {"shell": [], "runwright": []}
    took: dict[str, list[float]] = {"shell": [], "runwright": []}
    try:
        world.release(OLD, SLOTS[0], "first")
        shell.release(OLD)
        for number in range(rounds):
            version, slot = (NEW, OLD)[number % 2], SLOTS[(number + 1) % 2]
            for name, front, go in (
                ("shell", shell.front, lambda v=version: shell.release(v)),
                ("runwright", world.front(), lambda v=version, s=slot, n=number: world.release(v, s, f"round{n}")),
            ):
                with _loaded(front) as counts:
                    began = time.monotonic()
                    go()
                    took[name].append(time.monotonic() - began)
                lost[name].append(counts["failed"])
                gap[name].append(counts["worst_gap_seconds"])
                say(f"host: round {number + 1}, {name}: {counts}")
    finally:
        shell.end()
        world.end()
    return Section(
        "One switch on the host platform, at 40 requests a second",
        (
            Row("requests lost", series(lost["runwright"], ""), series(lost["shell"], ""), "none", not any(lost["runwright"])),
            Row("longest time without an answer", series(gap["runwright"]), series(gap["shell"]), "no longer",
                series(gap["runwright"]).median <= series(gap["shell"]).median),
            Row("start, switch, end of the old one", series(took["runwright"]), series(took["shell"])),
        ),
        ("Runwright starts the new version beside the old one; a shell on one port cannot.",),
    )  # fmt: skip


@contextmanager
def _loaded(front: str) -> Iterator[dict[str, Any]]:
    counts: dict[str, Any] = {}
    client = Client(f"{front}/items", seconds=AT_MOST_SECONDS, rate=RATE).start()
    try:
        time.sleep(BEFORE_AND_AFTER_SECONDS)
        yield counts
        time.sleep(BEFORE_AND_AFTER_SECONDS)
    finally:
        counts |= client.stop()


def _ready(front: str) -> bool:
    try:
        return httpx.get(f"{front}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
