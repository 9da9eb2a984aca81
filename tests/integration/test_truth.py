"""What the checker sees of a Compose target: real containers, a real PostgreSQL, a real answer at the front door."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runwright.runbook.loader import load
from runwright.runbook.model import Runbook
from runwright.testing.truth import Truth, look
from tests.fixtures.engine import Docker

RUNBOOK = Path(__file__).resolve().parents[2] / "examples" / "shop.yaml"
COMMIT = "c" * 40

pytestmark = pytest.mark.docker


class Containers:
    """Containers that carry the labels that Compose gives, of a project of this test's own."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        self.project = f"rwt-truth-{secrets.token_hex(4)}"
        self._ids: list[str] = []

    def run(self, service: str, *words: str, image: str, command: tuple[str, ...] = (), **labels: str) -> str:
        """Start one and return its id."""
        given = {"com.docker.compose.project": self.project, "com.docker.compose.service": service}
        given |= {name.replace("_", "."): value for name, value in labels.items()}
        flags = [flag for name, value in given.items() for flag in ("--label", f"{name}={value}")]
        name = f"{self.project}-{service}-{len(self._ids) + 1}"
        self._ids.append(self.docker.run("run", "--detach", "--name", name, *flags, *words, image, *command))
        return self._ids[-1]

    def sql(self, container: str, statement: str) -> None:
        """Run a statement, as soon as the database takes it: while it makes itself it listens on no port."""
        ready = "until pg_isready --quiet --host 127.0.0.1 --username shop; do sleep 0.1; done"
        self.docker.run("exec", container, "sh", "-c", ready)
        self.docker.run("exec", container, "psql", "-U", "shop", "-d", "shop", "-qc", statement)

    def remove(self) -> None:
        """End and remove all of them."""
        if self._ids:
            self.docker.run("rm", "--force", "--volumes", *self._ids)


@pytest.fixture
def containers(docker: Docker) -> Iterator[Containers]:
    made = Containers(docker)
    yield made
    made.remove()


@pytest.fixture
def front() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a small server, and what it answers: a status and a body, which the test may change."""
    answer: dict[str, Any] = {"status": 200, "body": json.dumps({"status": "ok", "commit": COMMIT}).encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answer
    server.shutdown()
    server.server_close()


def runbook(project: str, front: str) -> Runbook:
    book = load(RUNBOOK).runbook
    place = book.environments["compose"]
    target = place.target.model_copy(update={"project": project})
    place = place.model_copy(update={"target": target, "urls": {"front": front}})
    return book.model_copy(update={"environments": {"compose": place}})


def seen(containers: Containers, front: str) -> Truth:
    return look(runbook(containers.project, front), "compose", frozenset())


def test_a_compose_target_is_seen_as_it_is(containers: Containers, front: tuple[str, dict[str, Any]]) -> None:
    """Given an application, a database and a job, each is told apart; the revision is what psql says."""
    environment = ("--env", "POSTGRES_PASSWORD=rwt-truth", "--env", "POSTGRES_USER=shop")
    database = containers.run("db", *environment, "--tmpfs", "/var/lib/postgresql/data", image="postgres:15")
    web = containers.run("web", image="redis:7", runwright_commit=COMMIT)
    job = {"com_docker_compose_oneoff": "True", "runwright_release": "r1", "runwright_key": "deploy/migrate"}
    containers.run("web", image="redis:7", command=("sleep", "600"), **job)
    containers.sql(
        database, "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('r7')"
    )
    truth = seen(containers, front[0])
    assert (truth.status, truth.commit, truth.revisions) == (200, COMMIT, ("r7",))
    image = containers.docker.run("inspect", "--format", "{{.Image}}", web)
    by_name = {(one.service, one.job): one for one in truth.running}
    assert set(by_name) == {("db", False), ("web", False), ("web", True)}
    assert (by_name["web", False].identity, by_name["web", False].commit) == (image, COMMIT)
    assert by_name["web", True].mark == "r1/deploy/migrate"


def test_where_nothing_runs_nothing_is_made_up(containers: Containers, front: tuple[str, dict[str, Any]]) -> None:
    """Given no container, no commit in the answer, and a front door that refuses, that is what is seen."""
    address, answer = front
    answer.update(status=503, body=b"not json")
    truth = seen(containers, address)
    assert (truth.status, truth.commit, truth.running, truth.revisions) == (503, "", (), None)
    assert seen(containers, "http://127.0.0.1:1").status is None
