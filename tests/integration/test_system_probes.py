"""What is asked of a real system from inside of it: its services that stay, its database, its cache, what it prints."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from runwright.platforms.compose import Compose
from runwright.probes.asking import ask
from runwright.probes.shape import ProbeResult, World
from runwright.probes.values import Values
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

COMPOSE = """
services:
  web:
    image: python:3.11-slim
    stop_signal: SIGKILL
    working_dir: /etc/ssl
    command: [sh, -c, "echo starting; echo 'WARN cache is cold'; exec python3 -m http.server 80"]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: geheim-4321, POSTGRES_USER: shop, POSTGRES_DB: shop}
    tmpfs: [/var/lib/postgresql/data]
    command: [postgres, -c, fsync=off]
    healthcheck: {test: [CMD, pg_isready, -U, shop], interval: 1s}
  redis:
    image: redis:7
    command: [redis-server, --requirepass, geheim-1234, --save, ""]
    stop_signal: SIGKILL
"""


@pytest.fixture(scope="module")
def system(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """A web server that is released, and a database and a cache that stay."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "compose.yaml").write_text(COMPOSE)
    project = f"rwt-system-{os.getpid()}"
    words = ["docker", "compose", "-p", project, "-f", str(folder / "compose.yaml")]
    try:
        subprocess.run([*words, "up", "-d", "--wait", "--quiet-pull"], check=True, capture_output=True)
        target = ComposeTarget(platform="compose", project=project, directory=str(folder))
        yield Compose(target, {"web": "web"}, folder, folder, system="shop", environment="test")
    finally:
        subprocess.run([*words, "down", "-v", "-t", "0"], check=False, capture_output=True)


def asked(system: Compose, **given: Any) -> ProbeResult:
    world = World(lambda service: system.inside(Direct(), service, ""))
    values = Values(secrets={"password": "geheim-1234"})
    return ask(Direct(), Probe.model_validate({"id": "p", **given}), values, lambda: datetime.now(UTC), world=world)


def test_the_services_that_stay_are_told_with_what_their_healthchecks_said(system: Compose) -> None:
    """Those that are released are none of them."""
    facts = {fact.service: fact for fact in system.staying(Direct())}
    assert set(facts) == {"db", "redis"} and all(fact.running for fact in facts.values())
    assert (facts["db"].healthy, facts["redis"].healthy) == (True, None)
    log = system.health_log(Direct(), [fact.instance for fact in facts.values()])
    assert set(log) == {facts["db"].instance}
    assert log[facts["db"].instance][-1].code == 0 and "accepting connections" in log[facts["db"].instance][-1].said


def test_a_page_that_only_the_inside_reaches_is_asked_there(system: Compose) -> None:
    """By the Python that its image has; a service without a client says so."""
    found = asked(system, get="http://web/", inside="web", contains="openssl.cnf")
    assert (found.state, found.reason) == ("pass", "answered 200") and "dns" in found.phases
    assert "one of python3, curl and node is needed" in asked(system, get="http://web/", inside="redis").reason
    gone = asked(system, get="http://web/", inside="nobody")
    assert gone.state == "blind" and "could not be asked from inside" in gone.reason
