"""A Compose application of which one component is released at a time, as the flows do: the other one is not even started anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.engine import Docker
from tests.fixtures.ports import lasting_port

pytestmark = pytest.mark.docker

COMPOSE = """
services:
  web: {build: ./web, init: true, ports: ["127.0.0.1:PORT:8000"], volumes: ["./web/settings:/settings:ro"]}
  jobs: {build: ./jobs, init: true, volumes: ["./jobs/settings:/settings:ro"], environment: {MODE: OF_JOBS}}
"""
RUNBOOK = """
system: NAME
source: {repo: FOLDER/repo}
components: {web: {}, jobs: {}}
environments:
  test:
    tier: development
    target: {platform: compose, project: NAME, directory: FOLDER/opt, settle: 0.5s}
    urls: {web: "http://127.0.0.1:PORT"}
verify: {deadline: 30s, health: [{id: page, get: "${url.web}/VERSION"}]}
watch: {duration: 1s, every: 1s}
"""


class Shop:
    """The application's repository, and the folder that it is run from: nothing runs yet."""

    def __init__(self, docker: Docker, name: str, folder: Path) -> None:
        self.docker, self.name, self.folder, repo, port = docker, name, folder, folder / "repo", str(lasting_port())
        for part in ("web", "jobs"):
            (repo / part).mkdir(parents=True)
            (repo / part / "settings").write_text("a=1")
            (repo / part / "Dockerfile").write_text(
                'FROM python:3.11-slim\nCOPY VERSION /VERSION\nCMD ["python3", "-m", "http.server", "8000"]\n'
            )
        self.git("init", "-q", "-b", "main")
        for version in ("v1", "v2", "v3", "v4"):
            (repo / "compose.yaml").write_text(
                COMPOSE.replace("OF_JOBS", "other" if version == "v4" else "one").replace("PORT", port)
            )
            for part in ("web", "jobs"):
                (repo / part / "VERSION").write_text(f"{version} {name}")
            self.git("add", "-A")
            self.git("commit", "-qm", version)
            self.git("tag", version)
        subprocess.run(["git", "clone", "-q", str(repo), str(folder / "opt")], check=True)
        (folder / "systems").mkdir()
        text = RUNBOOK.replace("NAME", name).replace("FOLDER", str(folder)).replace("PORT", port)
        (folder / "systems" / f"{name}.yaml").write_text(text)
        self.env = {**os.environ, "RUNWRIGHT_SYSTEMS": str(folder / "systems"), "RUNWRIGHT_HOME": str(folder / "home")}

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", "-C", str(self.folder / "repo"), *own, *words], check=True)

    def release(self, *versions: str) -> list[dict[str, Any]]:
        """Release ``versions`` one after the other; return what the ledger says of each."""
        words = [sys.executable, "-m", "tests.conformance.releasing", self.name, "test", *versions]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runs(self) -> tuple[str, str]:
        """Return the versions of web and of jobs, as their containers have them."""
        web, jobs = (self.docker.run("exec", f"{self.name}-{part}-1", "cat", "/VERSION") for part in ("web", "jobs"))
        return web.split()[0], jobs.split()[0]

    def container(self, part: str) -> str:
        """Return which container runs ``part``, and since when."""
        return self.docker.run("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"{self.name}-{part}-1")

    def status(self) -> str:
        """Return what `runwright status` prints of it."""
        words = [str(Path(sys.executable).with_name("runwright")), "status", f"{self.name}/test", "--plain"]
        return subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[Shop]:
    name = f"rwt-some-{os.getpid()}"
    try:
        yield Shop(docker, name, tmp_path)
    finally:
        label = f"label=com.docker.compose.project={name}"
        if ids := docker.run("ps", "-aq", "--filter", label).split():
            docker.run("rm", "-f", *ids)
        for network in docker.run("network", "ls", "-q", "--filter", label).split():
            docker.run("network", "rm", network)
        images = docker.run("image", "ls", "-q", "--filter", f"label=runwright.system={name}").split()
        if images:
            docker.run("image", "rm", "-f", *dict.fromkeys(images))


@pytest.mark.story  # what is left out of a release is tried in tests/unit/release/test_partial.py
@pytest.mark.timeout(300)
def test_one_component_is_released_and_the_other_runs_on(shop: Shop) -> None:
    """What serves then is a mixture: it is told, nothing of it is drift, the next release replaces it, and it is a way back."""
    (first, whole) = shop.release("v2:web", "v1")
    assert first["state"] == "refused" and "Nothing was released" in first["error"] and whole["state"] == "proven", (
        whole
    )
    jobs = shop.container("jobs")
    (some,) = shop.release("v2:web")
    assert some["state"] == "proven", some
    assert shop.runs() == ("v2", "v1") and shop.container("jobs") == jobs
    assert not any("build/jobs" in key for key in some["journal"])
    told = shop.status()
    assert "v2, with jobs of v1 (" in told and "v2: jobs, web" in told, told
    after, back, refused = shop.release("v3:jobs", "back", "v4:web")
    assert (after["state"], back["state"]) == ("proven", "rolled_back"), (after, back)
    assert refused["state"] == "abandoned" and "jobs is left out, and what the Compose files say" in refused["error"]
    assert shop.runs() == ("v2", "v1")
