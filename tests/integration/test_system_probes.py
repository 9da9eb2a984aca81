"""What is asked of a real system from inside of it: its services that stay, its database, its cache, what it prints."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runwright.databases.postgres import Postgres
from runwright.platforms.compose import Compose
from runwright.probes.asking import ask
from runwright.probes.shape import Logged, ProbeResult, Told, World
from runwright.probes.values import Values
from runwright.runbook.databases.postgres import PostgresDatabase
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
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1, -U, shop], interval: 1s, retries: 60}
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
    since = datetime.now(UTC) - timedelta(minutes=10)

    def query(text: str, seconds: float, says: str, parse: Any) -> Any:
        found = PostgresDatabase(kind="postgres", name="shop", user="shop", service="db")
        database = Postgres(found, system.exec_argv("db"), None)
        return database.question(text, seconds, says, lambda *told: parse(Told(*told)), None)

    def log(services: Any, says: str, parse: Any) -> Any:
        return system.lines(
            Direct(), services, "", since, says=says, parse=lambda lines: parse(Logged(lines, 600.0)), assume=None
        )

    world = World(lambda service: system.inside(Direct(), service, ""), query, log)
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


def test_a_redis_answers_by_its_own_client_with_a_password_that_nobody_sees(system: Compose) -> None:
    """A PING must be a PONG; an answer is text for `numbers`; a wrong login is our own fault."""
    redis = {"service": "redis", "password": "${secret.password}"}
    assert asked(system, redis=redis).state == "pass"
    memory = {"memory": {"text": "used_memory:([0-9]+)", "at_least": 1}}
    info = asked(system, redis={**redis, "command": ["INFO", "memory"]}, numbers=memory)
    assert info.state == "pass" and info.numbers["memory"] > 1000
    full = asked(system, redis={**redis, "command": ["DBSIZE"]}, json={"$": {"gt": 5}})
    assert (full.state, full.reason) == ("fail", "body: $ is 0, expected above 5")
    assert asked(system, redis={"service": "redis"}).reason == "the login was refused"
    wrong = asked(system, redis={**redis, "command": ["LLEN"]})
    assert wrong.state == "fail" and "it refused the command: ERR wrong number of arguments" in wrong.reason
    assert asked(system, redis={"service": "web"}).state == "blind"  # there is no redis-cli
    assert asked(system, redis={"service": "nobody"}).state == "blind"


def test_a_redis_answers_over_the_network(system: Compose, docker: Docker) -> None:
    """The same answers, and a server that is not there is evidence against the system."""
    name = next(fact.instance for fact in system.staying(Direct()) if fact.service == "redis")
    address = docker.run("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
    redis = {"url": f"redis://{address}:6379/0", "password": "${secret.password}"}
    assert asked(system, redis=redis).state == "pass"
    info = asked(system, redis={**redis, "command": ["INFO"]}, contains="redis_version:7")
    assert info.state == "pass" and 0 < (info.seconds or 0) < 5
    assert asked(system, redis={**redis, "command": ["LLEN"]}).state == "fail"
    assert asked(system, redis={"url": redis["url"]}).reason == "the login was refused"
    away = asked(system, redis={"url": f"redis://{address}:1/0"})
    assert (away.state, away.reason, away.answered) == ("fail", "it could not be reached", False)
    unknown = asked(system, redis={"url": "redis://nowhere.invalid:1/0"})
    assert (unknown.state, unknown.reason) == ("blind", "its name could not be resolved")


def test_a_query_of_the_database_only_reads_and_has_a_bound(system: Compose) -> None:
    """Rows are JSON; what the database refuses fails, what cannot be asked is blind."""
    rows = "SELECT n, n * 1.5 AS more, 'a\"b' AS text, NULL AS none FROM generate_series(1, 300) AS n;"
    found = asked(
        system, sql=rows, json={"[0].n": 1, "[1].more": 3.0, "[99].text": 'a"b', "[0].none": {"exists": True}}
    )
    assert found.state == "pass", found.reason
    assert asked(system, sql=rows, json={"[100].n": {"exists": False}}).state == "pass"
    assert asked(system, sql="SELECT 1 AS n -- one", json={"[0].n": 1}).state == "pass"
    empty = asked(system, sql="SELECT 1 AS n WHERE false", json={"[0].n": 1})
    assert empty.reason == "body: [0].n is missing, expected 1"
    missing = asked(system, sql="SELECT * FROM nothing_of_that_name")
    assert missing.state == "fail" and 'relation "nothing_of_that_name" does not exist' in missing.reason
    late = asked(system, sql="SELECT pg_sleep(20)", timeout="300ms")
    assert late.state == "fail" and "statement timeout" in late.reason
    writes = asked(
        system,
        sql="SELECT nextval(pg_get_serial_sequence('x', 'y')), set_config('transaction_read_only', 'off', false)",
    )
    assert writes.state == "fail"
    assert asked(system, sql="SELECT 1); DROP TABLE x; SELECT (2").state == "fail"


def test_what_services_printed_is_judged_by_patterns(system: Compose) -> None:
    """Since a moment; what is to be ignored, and how many are right, is for the runbook to say."""
    logs = {"services": ["web"], "match": ["WARN|ERROR"]}
    found = asked(system, logs=logs)
    assert found.state == "fail" and "1 line of " in found.reason and "WARN cache is cold" in found.reason
    assert asked(system, logs={**logs, "ignore": ["cache is cold"]}).state == "pass"
    assert asked(system, logs={**logs, "at_most": 1}, numbers={"n": {"json": "matching"}}).numbers == {"n": 1.0}
    assert asked(system, logs={"match": ["x"], "services": ["nobody"]}).state == "blind"


def test_a_program_inside_of_a_service_says_how_it_is(system: Compose) -> None:
    """Its exit code counts; a program that is not there, or cannot tell, is blind."""
    ready = asked(system, command={"argv": ["pg_isready", "-U", "shop"]}, inside="db", contains="accepting connections")
    assert ready.state == "pass" and (ready.seconds or 0) > 0
    wrong = asked(system, command={"argv": ["sh", "-c", "echo no >&2; exit 3"]}, inside="db")
    assert (wrong.state, wrong.reason) == ("fail", "exit code 3: no")
    assert asked(system, command={"argv": ["no-such-program"]}, inside="db").state == "blind"
    assert asked(system, command={"argv": ["sh", "-c", "exit 75"]}, inside="db").state == "blind"
