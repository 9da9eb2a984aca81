"""The application in one place: its repository, its Compose project, and, where there is one, the team's own proxy before it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

from bench.machine import ROOT
from bench.shop import call, free_port
from bench.zero.fronts import Front

APP = Path(__file__).with_name("app")
READY_SECONDS = 60.0
_WEB = """\
  web:
    build: .
    image: {project}-web
    healthcheck:
      test: [CMD, python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
      interval: 1s
      timeout: 3s
      retries: 30
"""
RUNBOOK = """\
system: {project}
source: {{repo: {repo}}}
components: {{web: {{services: [web]}}}}
environments:
  bench:
    tier: development
    target: {{platform: compose, project: {project}, directory: {directory}{strategy}}}
{router}    urls: {{web: "{url}"}}
verify:
  deadline: 60s
  health: [{{id: ready, get: "${{url.web}}/healthz"}}]
  smoke: [{{id: judged, get: "${{url.web}}/judged"}}]
{canary}watch:
  duration: {watch}
  every: 1s
  rules: [{{id: bad, probe: judged, failures: 2}}]
"""
CANARY = "canary: {hold: 3s, min_requests: 20, slower: 20}\n"
"""A busy machine makes one of two versions slower by chance, which is not what is measured here."""


@dataclass
class Place:
    """One copy of the application, and who stands before it."""

    folder: Path
    front: Front
    project: str = field(default_factory=lambda: f"rw-bench-{secrets.token_hex(3)}")
    port: int = field(default_factory=free_port)

    @property
    def repo(self) -> Path:
        """Its git repository, with a tag for each version."""
        return self.folder / "repo"

    @property
    def opt(self) -> Path:
        """The folder that it is run from by hand."""
        return self.folder / "opt"

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def make(self, versions: int) -> None:
        """Make the repository, with ``versions`` versions that differ by their number, and start the first one by hand."""
        copytree(APP, self.repo)
        file = self.front.compose(self.port).format(web=_WEB.format(project=self.project))
        (self.repo / "compose.yaml").write_text(file)
        for name, text in self.front.files.items():
            (path := self.repo / "front" / name).parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git = ("git", "-C", str(self.repo), "-c", "user.name=Bench", "-c", "user.email=bench@example.com")
        call(*git, "init", "-q", "-b", "main")
        for number in range(1, versions + 1):
            (self.repo / "VERSION").write_text(f"v{number}\n")
            call(*git, "add", "-A")
            call(*git, "commit", "-q", "-m", f"v{number}")
            call(*git, "tag", f"v{number}")
        call("git", "clone", "-q", str(self.repo), str(self.opt))
        self.checkout("v1")
        self.compose("up", "-d", "--build", "--wait")
        self.wait()

    def checkout(self, version: str) -> None:
        """Put the files of ``version`` where it is run from."""
        call("git", "-C", str(self.opt), "checkout", "-q", version)

    def compose(self, *words: str) -> str:
        """Call Docker Compose as a person does there."""
        return call("docker", "compose", "-p", self.project, *words, cwd=self.opt)

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + READY_SECONDS
        while True:
            done = subprocess.run(["curl", "-sfo", "/dev/null", "--noproxy", "*", self.url], check=False)
            if not done.returncode:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"{self.url} does not answer")
            time.sleep(0.2)

    def spoil(self) -> None:
        """Make the version that serves bad: it goes on to answer, but whoever judges it sees that."""
        call("curl", "-sf", "--noproxy", "*", "-X", "POST", f"{self.url}/spoil")

    def runbook(self, strategy: str, watch: str) -> None:
        """Write how Runwright releases it."""
        systems = self.folder / "systems"
        systems.mkdir(exist_ok=True)
        routed = bool(strategy)
        text = RUNBOOK.format(
            project=self.project,
            repo=self.repo,
            directory=self.opt,
            url=self.url,
            watch=watch,
            strategy=f", strategy: {strategy}, traffic: {{web: {{port: 8000}}}}" if routed else "",
            router=f"    router: {self.front.said(str(self.opt), self.project, self.url)}\n" if routed else "",
            canary=CANARY if routed else "",
        )
        (systems / f"{self.project}.yaml").write_text(text)

    def release(self, version: str, log: Path) -> subprocess.Popen[str]:
        """Start a release by Runwright; what it prints are marks."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RUNWRIGHT_"))}
        home = {"RUNWRIGHT_HOME": str(self.folder / "home"), "RUNWRIGHT_SYSTEMS": str(self.folder / "systems")}
        words = (sys.executable, "-m", "bench.zero.released", self.project, "bench", version)
        with log.open("a") as file:
            return subprocess.Popen(
                words, cwd=ROOT, env=kept | home, stdout=subprocess.PIPE, stderr=file, text=True, bufsize=1
            )

    def remove(self) -> None:
        """Remove all that was made in Docker."""
        mine = [f"label=com.docker.compose.project={self.project}", f"label=runwright.switch={self.project}"]
        for label in mine:
            if found := call("docker", "ps", "-aq", "--filter", label).split():
                call("docker", "rm", "-fv", *found)
        if found := call("docker", "network", "ls", "-q", "--filter", f"name={self.project}").split():
            call("docker", "network", "rm", *found)
        for name in (f"runwright/{self.project}-web", f"{self.project}-web"):
            tags = call("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name).split()
            if tags:
                call("docker", "image", "rm", "-f", "--no-prune", *tags)


@contextmanager
def clients(port: int, folder: Path) -> Iterator[list[list[Any]]]:
    """Let clients ask meanwhile; afterwards the list holds what they found, see ``bench.zero.load``."""
    found: list[list[Any]] = []
    file = folder / f"found-{secrets.token_hex(3)}.json"
    words = [sys.executable, "-m", "bench.zero.load", str(port), str(file)]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        yield found
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        found += json.loads(file.read_text())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
