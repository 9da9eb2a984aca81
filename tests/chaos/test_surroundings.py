"""What a release stands on gives way: the clock, the disk, the ledger, the memory, the engine, the neighbour."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml

from runwright.ledger.states import ReleaseState
from runwright.testing.invariants import violations
from tests.chaos.choice import DOCKER_SECONDS, EVERYTHING, SLOW, on
from tests.chaos.judging import judged
from tests.chaos.platforms.compose import ComposeWorld
from tests.chaos.scenes import KILLED, reason
from tests.chaos.started import Started
from tests.chaos.world import NEW, OLD, World
from tests.fixtures.engine import Docker
from tests.fixtures.example import exchanged

HOUR = 3600.0
DISK_MEGABYTES = 48
RESTART_DOCKER = "RUNWRIGHT_RESTART_DOCKER"
PUT_RIGHT = (ReleaseState.ROLLED_BACK, ReleaseState.ABANDONED)


def stopped(world: World, at: str) -> Started:
    """Return a deploy that stands still at a change."""
    deploy = world.deploy(NEW, f"stop@{at}")
    world.await_stopped(deploy)
    return deploy


def let_go_on(deploy: Started) -> int:
    """Let a deploy that stands still go on, and return how it ended."""
    os.kill(deploy.pid, signal.SIGCONT)
    return deploy.ended()


def put_right(world: World, deploy: Started) -> None:
    """With what was taken away given back, the run goes on and is proven, or the rollback puts things right."""
    code, began, after = deploy.ended(), time.monotonic(), []
    if code:
        assert not deploy.report.error.startswith("not one of ours"), deploy.log
        after = [world.rollback(deploy, reason(code))]
        assert after[0].ended() == 0, f"{after[0].report}\n{after[0].log}"
    outcome = judged(world, began, deploy, *after)
    assert outcome.state in (PUT_RIGHT if code else (ReleaseState.PROVEN,)), deploy.log


# ------------------------------------------------------------------------------------------------------------ the clock


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "back"])
def test_a_clock_that_jumps_by_an_hour_stops_no_release(world: World, seconds: float) -> None:
    """Given a clock that is set an hour ahead or back in mid-release, the run goes on, for nobody else took its lease."""
    deploy = stopped(world, "before:deploy/green/start")
    world.set_clock(seconds)
    assert let_go_on(deploy) == 0, f"{deploy.report}\n{deploy.log}"
    assert judged(world, time.monotonic(), deploy).state is ReleaseState.PROVEN


def test_a_lease_from_the_future_holds_up_nobody_for_an_hour(world: World) -> None:
    """Given a run that died with a clock an hour ahead, and the clock set right, the rollback waits for no hour."""
    world.set_clock(HOUR)
    deploy = world.deploy(NEW, "kill@before:deploy/switch/put")
    assert deploy.ended() == KILLED, deploy.log
    world.set_clock(0)
    rollback = world.rollback(deploy, reason(KILLED))
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    outcome = judged(world, time.monotonic(), deploy, rollback, times_tell=False)
    assert outcome.state is ReleaseState.ROLLED_BACK


# ------------------------------------------------------------------------------------------------ the disk, the ledger


def _mount(*words: str) -> None:
    """Mount something. Skips the test, with what mount said, where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(world: World) -> Iterator[World]:
    """The world, put back on a small disk of its own."""
    world.end_everything()
    _mount("-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(world.root))
    try:
        shutil.copytree(world.base, world.root, symlinks=True, dirs_exist_ok=True)
        world.start_again()
        yield world
    finally:
        world.end_everything()
        subprocess.run(["umount", "--lazy", str(world.root)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk that ``folder`` is on, to the last byte, and return the file that does."""
    file = folder / "filler"
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
        for size in (2**20, 2**10, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(b"\0" * size)
    return file


def await_trouble(world: World, deploy: Started) -> None:
    """Wait until the run has met what was taken away from it: it has failed, or says that it holds."""
    until = time.monotonic() + 60
    while deploy.process.exitcode is None and "holding" not in deploy.log:
        assert time.monotonic() < until, deploy.log
        deploy.process.join(0.1)
    assert deploy.process.exitcode != 0, f"it met no trouble:\n{deploy.log}"
    assert httpx.get(f"{world.front_url()}/items", trust_env=False, timeout=20).status_code == 200


@pytest.mark.parametrize("at", ["before:deploy/switch/put", *(["before:deploy/migrate"] if EVERYTHING else [])])
def test_a_disk_that_is_full_in_mid_release_takes_nobody_down(small_disk: World, at: str) -> None:
    """Given a disk that fills up, the run fails or holds, the shop serves, and with space again all is put right."""
    deploy = stopped(small_disk, at)
    filler = fill(small_disk.home)
    os.kill(deploy.pid, signal.SIGCONT)
    await_trouble(small_disk, deploy)
    filler.unlink()
    put_right(small_disk, deploy)


@contextlib.contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Let nobody open a file for writing any more. (A process that has it open goes on writing, whoever it is.)"""
    if os.geteuid() != 0:
        file.chmod(0o444)
        yield
        file.chmod(0o644)
        return
    _mount("--bind", str(file), str(file))
    try:
        _mount("-o", "remount,bind,ro", str(file))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(file)], check=True)


def test_a_ledger_that_becomes_read_only_stops_a_release(world: World) -> None:
    """Given a ledger that cannot be opened for writing any more, the run fails or holds; then all is put right."""
    deploy = stopped(world, "after:prepare/build/web/web")
    with read_only(world.home / "ledger.db"):
        os.kill(deploy.pid, signal.SIGCONT)
        await_trouble(world, deploy)
    put_right(world, deploy)


@pytest.mark.docker
@pytest.mark.timeout(DOCKER_SECONDS)
@pytest.mark.parametrize(
    "at",
    ["before:deploy/switch/put", *(["after:deploy/migrate", "unsettled:deploy/green/start"] if EVERYTHING else [])],
)
def test_a_ledger_whose_server_is_killed_in_mid_release_holds_it_until_it_is_back(
    world_as_it_is: World, docker: Docker, lasting_postgres: tuple[str, str], at: str
) -> None:
    """Given a PostgreSQL that is killed, and started again, the run holds with the old version serving, and is proven."""
    world, (name, url) = world_as_it_is, lasting_postgres
    world.restore(empty=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    world.ledger_url, world.patience_seconds = url, 120.0
    first = world.deploy(OLD)
    assert first.ended() == 0, f"{first.report}\n{first.log}"
    deploy = stopped(world, at)
    docker.run("kill", "--signal", "KILL", name)
    os.kill(deploy.pid, signal.SIGCONT)
    await_trouble(world, deploy)
    docker.run("start", name)
    assert deploy.ended() == 0, f"{deploy.report}\n{deploy.log}"
    assert judged(world, time.monotonic(), deploy).state is ReleaseState.PROVEN


# -------------------------------------------------------------------------------------------------------- the neighbour


def test_two_environments_of_one_system_do_not_disturb_each_other(world: World) -> None:
    """Given a crash in one environment while the other is released, that one is proven and the first is put right."""
    file = world.root / "examples" / "shop.yaml"
    book = yaml.safe_load(file.read_text())
    home = world.home / "example" / "second"
    target = {**book["environments"]["local"]["target"], "directory": str(home)}
    router = {**book["environments"]["local"]["router"], "listen": 0}
    book["environments"]["second"] = {**book["environments"]["local"], "target": target, "router": router}
    file.write_text(yaml.safe_dump(book, sort_keys=False))
    assert world.deploy(OLD, environment="second").ended() == 0

    crashed, other = world.deploy(NEW, "kill@during:deploy/migrate"), world.deploy(NEW, environment="second")
    assert crashed.ended() == KILLED, crashed.log
    began = time.monotonic()
    rollback = world.rollback(crashed, reason(KILLED))
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    assert other.ended() == 0, f"{other.report}\n{other.log}"
    assert judged(world, began, crashed, rollback).state is ReleaseState.ROLLED_BACK
    with world.ledger() as ledger:
        assert violations(ledger, world.system, "second") == []
        live = ledger.releases.live(world.system, "second")
    assert live is not None and (live.ref, live.state) == (NEW, ReleaseState.PROVEN)


# --------------------------------------------------------------------------------------------------- memory, the engine

ON_COMPOSE = [on("compose", id="compose")]
EAT = "open('/proc/1/oom_score_adj', 'w').write('1000'); found = [bytearray(2**20) for _ in range(4096)]"


@SLOW
@pytest.mark.parametrize("platform", ON_COMPOSE)
def test_a_container_that_runs_out_of_memory_in_the_watch_is_seen_and_put_back(world: World) -> None:
    """Given a container that the kernel kills in the watch, its restart breaches the rule, and the old version serves."""
    assert isinstance(world, ComposeWorld)
    file = world.root / "examples" / "shop.yaml"
    rule = "    - {id: down, probe: ready, failures: 3}\n"
    restarts = f"{rule}    - {{id: restarts, stats: restarts, above: 0}}\n"
    file.write_text(exchanged(file.read_text(), rule, restarts))
    deploy = world.deploy(NEW, watch_minutes=2)
    world.await_watch(deploy)
    began = time.monotonic()
    web = world.container("web")
    world.docker("update", "--memory", "128m", "--memory-swap", "128m", web)
    subprocess.run(["docker", "exec", web, "python", "-c", EAT], capture_output=True, timeout=60, check=False)
    assert deploy.ended() == 1, f"{deploy.report}\n{deploy.log}"
    assert "restarts" in deploy.report.error, deploy.report
    rollback = world.rollback(deploy, reason(1))
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    assert judged(world, began, deploy, rollback).state is ReleaseState.ROLLED_BACK


@pytest.mark.skipif(
    RESTART_DOCKER not in os.environ, reason=f"{RESTART_DOCKER} names no command that restarts the Docker engine"
)
@pytest.mark.parametrize("platform", ON_COMPOSE)
def test_an_engine_that_is_restarted_in_mid_release_is_survived(world: World) -> None:
    """Given an engine that is restarted while the services are replaced, the release or the rollback comes to an end."""
    command = os.environ[RESTART_DOCKER]
    assert isinstance(world, ComposeWorld)
    deploy = stopped(world, f"during:{world.switched}")
    began = time.monotonic()
    subprocess.run(shlex.split(command), timeout=180, check=True)
    while subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        assert time.monotonic() < began + 180, "the engine does not come back"
        time.sleep(1)
    after = []
    if code := let_go_on(deploy):
        after = [world.rollback(deploy, reason(code))]
        assert after[0].ended() == 0, f"{after[0].report}\n{after[0].log}"
    assert judged(world, began, deploy, *after).state is (PUT_RIGHT[0] if code else ReleaseState.PROVEN)
