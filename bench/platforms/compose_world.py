"""Two copies of the example shop under Docker Compose, both at its old version: one for the script, one for Runwright."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.machine import ROOT
from bench.shop import LOGIN, NEW, OLD, call, free_port
from examples.make_repository import make

ENVIRONMENT = "compose"
SERVICES = ("web", "scheduler")
WITH_HEALTHCHECK = 3
PATIENCE_SECONDS = 180.0
RUNBOOK = """
system: {system}
source: {{repo: {repo}}}
components:
  web: {{services: [web, scheduler]}}
environments:
  compose:
    tier: development
    refs: tag:v*
    target: {{platform: compose, project: {project}, directory: {directory}, files: [docker-compose.yml], ready_timeout: 120s}}
    urls: {{front: "{front}"}}
    database: {{kind: postgres, service: db, name: shop, user: shop}}
    config: {{required: [POSTGRES_PASSWORD]}}
gates:
  - {{id: disk, disk: {{path: /, gigabytes: 1}}}}
  - {{id: database, database: true, on_fail: warn}}
  - {{id: baseline, baseline: true, on_fail: warn}}
backup: {{directory: {backups}, when: always}}
migrate: {{tool: alembic, component: web, timeout: 2m}}
verify:
  deadline: 1m
  health:
    - {{id: ready, get: "{front}/readyz", json: {{status: ok}}, within: 60s}}
  smoke:
    - {{id: page, get: "{front}/", contains: Shop}}
    - {{id: items, get: "{front}/items"}}
watch:
  duration: 30m
  every: 2s
  rules:
    - {{id: down, probe: ready, failures: 3}}
"""


@dataclass(frozen=True)
class Copy:
    """One copy of the shop: its Compose project, the folder that it is run from, and the port of its front door."""

    project: str
    directory: Path
    port: int

    @property
    def front(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env_file(self) -> Path:
        """Its env file."""
        return self.directory / ".env"

    def make(self) -> None:
        """Make the folder and the env file."""
        self.directory.mkdir(parents=True)
        self.env_file.write_text(f"POSTGRES_PASSWORD={secrets.token_hex(12)}\nSHOP_PORT={self.port}\n")

    def compose(self, tree: Path, *words: str) -> str:
        """Call Docker Compose with the files of ``tree``, in the way that the script does."""
        return call("docker", "compose", "-p", self.project, "--env-file", str(self.env_file), *words, cwd=tree)

    def sql(self, statement: str) -> None:
        """Change the database by hand."""
        here = ("docker", "compose", "-p", self.project, "exec", "-T", "db")
        call(*here, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", "shop", "-d", "shop", "-c", statement, cwd=Path("/"))

    def old_schema(self) -> None:
        """Put the schema back to the old version's."""
        self.sql("ALTER TABLE items DROP COLUMN IF EXISTS note; UPDATE alembic_version SET version_num = '0001_items'")

    def version(self) -> str:
        """Return the version that answers, "" if none does."""
        try:
            return "v" + str(httpx.get(f"{self.front}/healthz", timeout=5, trust_env=False).json()["version"])
        except (httpx.HTTPError, ValueError, KeyError):
            return ""

    def wait_until_healthy(self) -> None:
        """Wait until no service is starting up. Raise TimeoutError if one stays so."""
        until = time.monotonic() + PATIENCE_SECONDS
        label = f"label=com.docker.compose.project={self.project}"
        states: list[str] = []
        while time.monotonic() < until:
            ids = call("docker", "ps", "-q", "--filter", label, cwd=Path("/")).split()
            given = "{{if .State.Health}}{{.Name}}:{{.State.Health.Status}}{{end}}"
            states = call("docker", "inspect", "-f", given, *ids, cwd=Path("/")).split() if ids else []
            if len(states) == WITH_HEALTHCHECK and all(state.endswith(":healthy") for state in states):
                return
            time.sleep(0.2)
        raise TimeoutError(f"{self.project} does not get healthy: {', '.join(states)}")

    def remove(self) -> None:
        """Remove its containers, its volumes and its images."""
        label = f"label=com.docker.compose.project={self.project}"
        for kind, ask, end in (
            ("container", ("ls", "-aq"), ("rm", "-fv")),
            ("volume", ("ls", "-q"), ("rm", "-f")),
            ("network", ("ls", "-q"), ("rm",)),
        ):
            found = call("docker", kind, *ask, "--filter", label, cwd=Path("/")).split()
            if found:
                call("docker", kind, *end, *found, cwd=Path("/"))


class World:
    """Both copies, the repository, and what Runwright keeps."""

    def __init__(self, folder: Path) -> None:
        name = f"rw-bench-{secrets.token_hex(3)}"
        self.folder = folder
        self.system = name
        self.home = folder / "home"
        self.repository = folder / "repository"
        self.trees = {version: folder / "trees" / version for version in (OLD, NEW)}
        self.shell = Copy(f"{name}-shell", folder / "shell", free_port())
        self.runwright = Copy(f"{name}-runwright", folder / "runwright", free_port())

    def make(self) -> None:
        """Make the repository, both folders and the runbook, and start the script's copy at the old version."""
        commits = make(self.repository)
        for version, tree in self.trees.items():
            call("git", "-C", str(self.repository), "worktree", "add", "-q", "--detach", str(tree), commits[version])
        for copy in (self.shell, self.runwright):
            copy.make()
        systems = self.folder / "systems"
        systems.mkdir()
        text = RUNBOOK.format(
            system=self.system,
            repo=self.repository,
            project=self.runwright.project,
            directory=self.runwright.directory,
            front=self.runwright.front,
            backups=self.folder / "backups",
        )
        (systems / f"{self.system}.yaml").write_text(text)
        (self.folder / "backups").mkdir()
        self.shell.compose(self.trees[NEW], "build", "-q", *SERVICES)  # so that the measured build finds its layers
        self.shell.compose(self.trees[OLD], "build", "-q", *SERVICES)
        for copy in (self.shell, self.runwright):
            copy.compose(self.trees[OLD], "up", "-d", "db")
        self.shell.compose(self.trees[OLD], "run", "--rm", "-T", "web", "alembic", "upgrade", "head")
        self.shell.compose(self.trees[OLD], "up", "-d")

    def environment(self, api_url: str) -> dict[str, str]:
        """Return the environment of Runwright's own processes."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RUNWRIGHT_"))}
        return kept | {
            "PREFECT_API_URL": api_url,
            "PREFECT_API_AUTH_STRING": LOGIN,
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "RUNWRIGHT_HOME": str(self.home),
            "RUNWRIGHT_SYSTEMS": str(self.folder / "systems"),
        }

    def deploy(self, version: str, api_url: str) -> list[dict[str, Any]]:
        """Deploy with Runwright's own flow and return its trace."""
        trace = self.folder / f"trace-{version}.jsonl"
        words = (sys.executable, "-m", "bench.traced", str(trace), self.system, ENVIRONMENT, version)
        call(*words, cwd=ROOT, env=self.environment(api_url))
        return [json.loads(line) for line in trace.read_text().splitlines()]

    def keep_ledger(self) -> None:
        """Keep the ledger as it is now, with the old version proven."""
        shutil.copy(self.home / "ledger.db", self.folder / "ledger-before.db")

    def restore_ledger(self) -> None:
        """Put it back, with nobody using it."""
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (self.home / name).unlink(missing_ok=True)
        shutil.copy(self.folder / "ledger-before.db", self.home / "ledger.db")

    def forget_build(self) -> None:
        """Take away the tags of the new version's image: it is built again, from cached layers, as the script does."""
        tags = call("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"runwright/{self.system}-web")
        for tag in tags.split():
            if tag.endswith((NEW, self.commit(NEW)[:12])):
                call("docker", "image", "rm", "--no-prune", tag)

    def commit(self, version: str) -> str:
        """Return the commit of a version."""
        return call("git", "-C", str(self.repository), "rev-parse", f"{version}^{{commit}}").strip()

    def remove(self) -> None:
        """Remove all that was made in Docker."""
        for copy in (self.shell, self.runwright):
            copy.remove()
        names = [f"runwright/{self.system}-web", *(f"{self.shell.project}-{service}" for service in SERVICES)]
        for name in names:
            tags = call("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name).split()
            if tags:
                call("docker", "image", "rm", "-f", "--no-prune", *tags)
