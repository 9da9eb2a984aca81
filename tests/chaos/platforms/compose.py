"""The shop as containers of a Compose project of its own: replaced in place, with PostgreSQL behind and Caddy before."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from pathlib import Path
from typing import Any

from runwright.platforms.compose import Compose
from runwright.runbook.loader import load
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.direct import Direct
from runwright.versions import Version
from tests.chaos.world import World
from tests.fixtures.example import exchanged
from tests.fixtures.ports import lasting_port

DOCKER_SECONDS = 120.0
KEPT = ("db", "proxy")
"""Services that no release replaces: they stay up from one case to the next."""
_RESTORE = """
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database
WHERE NOT datistemplate AND datname <> 'postgres' \\gexec
CREATE DATABASE shop;
\\connect shop
"""
_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
)


class ComposeWorld(World):
    """Its data are kept as a dump; only the application's containers are replaced from one case to the next."""

    environment = "compose"
    switched = "deploy/up"
    not_switched = "break@unsettled:deploy/up"
    needs_docker = True
    sample = frozenset(
        {
            "kill-during-deploy/migrate",
            "kill-during-deploy/up",
        }
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.system = f"shop-{secrets.token_hex(3)}"  # its images' names begin so: nobody else's are touched
        self.project = f"rwt-chaos-{self.system}"
        self.watched = f".runwright/systems/{self.system}/compose/state"
        self.port = lasting_port()
        self._label = f"label=com.docker.compose.project={self.project}"
        self._tags: set[str] = set()
        self._as_started: dict[str, Any] = {}

    def runbook(self, text: str) -> str:
        """Return it with a project and a port of this world's own, and put the env file where it runs."""
        directory = self.home / "example" / "compose"
        directory.mkdir(parents=True)
        env = directory / ".env"
        env.write_text(f"POSTGRES_PASSWORD={secrets.token_hex(12)}\nSHOP_PORT={self.port}\n")
        env.chmod(0o600)
        for old, new in (
            ("system: shop", f"system: {self.system}"),
            ("project: runwright-example-shop", f"project: {self.project}"),
            ("tier: staging", "tier: development"),  # which needs no credentials in Prefect
            ("ready_timeout: 60s", "ready_timeout: 120s"),
            ("http://127.0.0.1:8080", self.front_url()),
        ):
            text = exchanged(text, old, new)
        return text

    def keep(self) -> None:
        """Dump the database beside the files that are kept, and remember which images there are."""
        dump = self.docker("exec", self.container("db"), "pg_dump", "-U", "shop", "-d", "shop")
        (self.root / "shop.sql").write_text(dump)
        self._tags = self._images()

    def put_right(self, *, empty: bool) -> None:
        """Remove images of versions that are to be built again, and, if they were touched, the application's containers."""
        if empty or not self._untouched():
            self._as_started = {}
            while found := self._containers("-a", kept=False):
                with contextlib.suppress(AssertionError):  # a job that has just ended removes itself
                    self.docker("rm", "--force", "--volumes", *found)
        if empty:
            self.clear()
        if self._tags and (new := self._images() - self._tags):
            self.docker("image", "rm", "--no-prune", *new)

    def start_again(self) -> None:
        """Start the database if it is gone, put its data back, and start the live version."""
        if self._as_started:
            return
        do, compose, live = self._data_again()
        compose.start(do, live, "", "again", self.live().id)
        if not self.container("proxy"):
            compose.start_rest(do, live, "again")
        self._as_started = self._told()

    def _data_again(self) -> tuple[Direct, Compose, Version]:
        """Start the database if it is gone, put its data back, and return what starts the live version."""
        live = self.live().version
        assert live is not None
        do, compose = Direct(), self._compose(live)
        compose.start_dependencies(do, live, "again")
        words = ("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "shop", "-d", "postgres")
        dump = _RESTORE + (self.root / "shop.sql").read_text()
        self.docker("exec", "-i", self.container("db"), *words, stdin=dump)
        return do, compose, live

    def _untouched(self) -> bool:
        """Whether the target is as it was when it was started last: most faults strike before anything is changed."""
        return bool(self._as_started) and self._as_started == self._told()

    def _told(self) -> dict[str, Any]:
        """Return what runs, and what the database holds."""
        databases = self._sql("SELECT datname FROM pg_database ORDER BY datname")
        return {"running": self.running(), "databases": databases, "revision": self.revision(), "schema": self.schema()}

    def clear(self) -> None:
        """Remove the project: containers, volumes, networks."""
        if found := self._containers("-a", kept=True):
            self.docker("rm", "--force", "--volumes", *found)
        for kind in ("volume", "network"):
            if found := self.docker(kind, "ls", "-q", "--filter", self._label).split():
                self.docker(kind, "rm", *found)

    def end(self) -> None:
        """Remove the project and its images."""
        super().end()
        if found := self._images():
            self.docker("image", "rm", "--force", "--no-prune", *found)

    def cool(self) -> None:
        """Remove the new version's containers, as somebody would by hand, and kill the front door: Docker restarts it."""
        self.docker("rm", "--force", *self._containers(kept=False))
        self.docker("restart", "--time", "0", self.container("proxy"))

    def _compose(self, live: Version) -> Compose:
        book = load(self.root / "examples" / "shop.yaml").runbook
        target = book.environments[self.environment].target
        assert isinstance(target, ComposeTarget)
        state = self.root / self.watched
        return Compose(
            target,
            book.services(),
            self.root,
            state,
            {},
            system=self.system,
            environment=self.environment,
            version=live,
        )

    # ------------------------------------------------------------------------------------------------------- looking

    @property
    def serves(self) -> bool:
        """Whether any container of the application runs."""
        return bool(self._containers(kept=False))

    def running(self) -> dict[str, Any]:
        """Return the project's containers: which they are, of which image, in which state, since when."""
        ids = self._containers("-a", kept=True)
        form = "{{json .Name}} {{json .Id}} {{json .Image}} {{json .State.Status}} {{json .State.StartedAt}}"
        lines = self.docker("inspect", "--format", form, *ids).splitlines() if ids else []
        return {line.split(" ", 1)[0]: line for line in lines}

    def front_url(self) -> str:
        """Return the address that Caddy is published at."""
        return f"http://127.0.0.1:{self.port}"

    def revision(self) -> str:
        """Return the revision, as psql tells it."""
        return self._sql("SELECT version_num FROM alembic_version")

    def schema(self) -> dict[str, list[str]]:
        """Return {table: columns}, as psql tells them."""
        found: dict[str, list[str]] = {}
        for line in self._sql(_COLUMNS).splitlines():
            table, column = line.split("|")
            found.setdefault(table, []).append(column)
        return found

    def _sql(self, query: str) -> str:
        return self.docker("exec", self.container("db"), "psql", "-XAt", "-U", "shop", "-d", "shop", "-c", query)

    def container(self, service: str) -> str:
        """Return the id of the container of a service, "" if there is none."""
        return self.docker(
            "ps", "-q", "--filter", self._label, "--filter", f"label=com.docker.compose.service={service}"
        )

    def _containers(self, *flags: str, kept: bool) -> list[str]:
        """Return the ids of the project's containers; ``kept``: also of services that no release replaces."""
        form = '{{.ID}} {{.Label "com.docker.compose.service"}}'
        lines = self.docker(
            "container", "ls", "--no-trunc", *flags, "--filter", self._label, "--format", form
        ).splitlines()
        return [one for one, _, service in (line.partition(" ") for line in lines) if kept or service not in KEPT]

    def _images(self) -> set[str]:
        name = f"runwright/{self.system}-*"
        return set(self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name).split())

    def docker(self, *words: str, stdin: str | None = None) -> str:
        """Run ``docker WORDS`` and return what it printed. Fails the test, with the engine's words, if it fails."""
        done = subprocess.run(
            ["docker", *words], input=stdin, capture_output=True, text=True, timeout=DOCKER_SECONDS, check=False
        )
        assert done.returncode == 0, f"docker {' '.join(words[:6])}: {done.stderr.strip()}"
        return done.stdout.strip()
