"""A process that was stopped after its last look at the lease wakes up: what it meant to do does not happen any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runwright.engine.effects.fences import highest
from runwright.engine.recovery import still_running
from runwright.errors import RunwrightError
from runwright.ledger import open_ledger
from runwright.ledger.journal import Entry
from runwright.release import decide
from runwright.release.work import Work, at_work
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.model import Runbook
from runwright.runbook.routers.caddy import Caddy
from runwright.runbook.snapshot import to_json
from runwright.testing.direct import Direct
from runwright.traffic import Upstream
from runwright.versions import Artifact, Version
from tasks.lease import holding
from tasks.run import RUN

BLUE, GREEN = Upstream("blue", "127.0.0.1", 4001), Upstream("green", "127.0.0.1", 4002)
FAULTS = "RUNWRIGHT_FAULTS"

HOLDER = """
import sys
from runwright.engine.actions import Command
from runwright.errors import RunwrightError
from runwright.release import lease
from runwright.release.work import at_work
from tests.fixtures.stopping import stop_between_transactions
from tasks.lease import holding
from tasks.run import RUN
from tests.integration.test_fencing import GREEN

stop_between_transactions()
lease.TTL_SECONDS, lease.BEAT_SECONDS = 1.5, 0.3
release_id, what = sys.argv[1:]
try:
    with holding(release_id, "deploy"), at_work(release_id, RUN) as work:
        if what == "switch":
            work.router.switch(work.do, GREEN, "deploy/switch")
        else:
            words = ("sh", "-c", "sleep 600")
            work.do(Command(argv=words, says="sleep", key="deploy/sleep", deadline_seconds=700.0))
except RunwrightError as error:
    print(type(error).__name__, error.what, flush=True)
    sys.exit(3)
"""


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def release_id(tmp_path: Path, runwright_home: object) -> str:
    """A release of a system on the host platform, that has a version."""
    directory = str(tmp_path / "run")
    place = {
        "tier": "development",
        "target": {"platform": "host", "directory": directory, "process": {"command": ["{python}"]}},
        "router": {"kind": "caddy"},
    }
    book = {"system": "shop", "source": {"repo": str(tmp_path)}, "components": {"web": {}}}
    runbook = to_json(Runbook.model_validate({**book, "environments": {"local": place}}))
    with open_ledger() as ledger:
        release = ledger.releases.open(
            "shop", "local", "v1", procedure="deploy", run_id="run", runbook=runbook, parameters={}, deployer="somebody"
        )
        version = Version("shop", "local", "v1", "a" * 40, (Artifact("web", str(tmp_path / "web"), "b" * 40),))
        ledger.releases.record(release.id, version=version)
    return release.id


@pytest.fixture
def router(tmp_path: Path, release_id: str) -> Iterator[CaddyRouter]:
    """The environment's front door, which serves blue."""
    router = CaddyRouter(Caddy(kind="caddy"), tmp_path / "run" / "caddy", sys.executable)
    (tmp_path / "run").mkdir()
    router.ensure(Direct(), "start")
    router.switch(Direct(), BLUE, "first")
    yield router
    router.stop(Direct(), "end")


@pytest.fixture
def stopped(release_id: str) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """Start a process that takes the lease and is stopped by SIGSTOP at a point of a change; return it, stopped."""
    started: list[subprocess.Popen[str]] = []

    def start(what: str, fault: str) -> subprocess.Popen[str]:
        environment = {**os.environ, FAULTS: fault}
        words = [sys.executable, "-c", HOLDER, release_id, what]
        child = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(child)
        until(lambda: child.poll() is not None or state(child.pid) == "T")
        assert child.poll() is None, child.communicate()
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def woken(child: subprocess.Popen[str]) -> tuple[int, str]:
    """Let it go on; return its exit code and what it said."""
    os.kill(child.pid, signal.SIGCONT)
    said, _ = child.communicate(timeout=60)
    return child.returncode, said


def entries(work: Work, key: str) -> list[Entry]:
    return [entry for entry in work.ledger.journal(work.id).entries() if entry.key == key]


def test_traffic_is_not_moved_by_who_was_stopped_right_before_it(
    release_id: str, router: CaddyRouter, stopped: Callable[[str, str], subprocess.Popen[str]]
) -> None:
    """Given a run that is stopped between its last look at the lease and its change of the target, and a rollback that
    takes over and looks: the run wakes up, is refused by the front door, and traffic stays where the rollback saw it."""
    child = stopped("switch", "stop@checked:deploy/switch/put")
    with holding(release_id, "rollback", wait=True), at_work(release_id, RUN) as work:
        decide.recover(work)
        assert work.router is not None and work.router.target(work.do) == BLUE
        code, said = woken(child)
        assert (code, said.split()[0]) == (3, "FencedError"), said
        lease = work.ledger.leases.holder("shop", "local")
        assert lease is not None and f"taken over by token {lease.token}" in said
        facts = router.facts(Direct())
        assert (facts.serving, facts.written, facts.agreed) == (BLUE, BLUE, True)
        assert [entry.state for entry in entries(work, "deploy/switch/put")] == ["ended"]
        assert [entry.state for entry in entries(work, f"fence{lease.token}/router")] == ["done"]
        work.router.switch(work.do, GREEN, f"back{lease.token}/switch")  # who took over may do what it wants
    assert router.target(Direct()) == GREEN


# whether it first sees that its program was ended or that its lease is gone is a matter of a moment
@pytest.mark.parametrize(("point", "kinds"), [("checked", {"FencedError"}), ("during", {"ActionError", "FencedError"})])
def test_what_a_stopped_run_started_does_not_outlive_it(
    release_id: str, stopped: Callable[[str, str], subprocess.Popen[str]], point: str, kinds: set[str]
) -> None:
    """Given a run that is stopped right before, or after, it starts a program: whoever takes over ends what runs, and
    what is started after that is ended at once by the one that wakes up."""
    child = stopped("sleep", f"stop@{point}:deploy/sleep")
    with holding(release_id, "rollback", wait=True), at_work(release_id, RUN) as work:
        (entry,) = entries(work, "deploy/sleep")
        assert len(still_running(release_id, entry)) >= (point == "during")
        decide.recover(work)
        assert still_running(release_id, entry) == []
        code, said = woken(child)
        assert code == 3 and said.split()[0] in kinds, said
        assert still_running(release_id, entry) == []
        assert [e.state for e in entries(work, "deploy/sleep")] == ["ended"]


def test_who_only_looks_announces_nothing(release_id: str, router: CaddyRouter) -> None:
    """Given a step that holds no lease, recovery leaves the front door's fence as it is."""
    with at_work(release_id, RUN) as work:
        decide.recover(work)
        assert work.router is not None and work.router.target(work.do) == BLUE
    assert highest(router.log.parent / "fence") == 0


def test_who_was_overtaken_itself_does_not_decide(release_id: str, router: CaddyRouter) -> None:
    """Given a process that lost the lease before it announced its token, it is refused and looks no further."""
    with holding(release_id, "rollback", wait=True), at_work(release_id, RUN) as work:
        lease = work.ledger.leases.holder("shop", "local")
        assert lease is not None
        newer = CaddyRouter(Caddy(kind="caddy"), router.log.parent, sys.executable, lease.token + 8)
        newer.announce(Direct(), "newer")
        with pytest.raises(RunwrightError, match=f"token {lease.token + 8}"):
            decide.recover(work)


def test_a_ledger_that_begins_anew_is_not_locked_out(release_id: str, router: CaddyRouter, tmp_path: Path) -> None:
    """Given a front door that knows 57 leases and a ledger that knows none (new, moved, or restored from an older copy):
    a release and a way back under its first lease move traffic as ever, and a ledger begun after it as well."""
    for token in (57, int(time.time()) - 60):  # as tokens were counted once, and as they are given now
        CaddyRouter(Caddy(kind="caddy"), router.log.parent, sys.executable, token).announce(Direct(), "old")
    with holding(release_id, "rollback", wait=True), at_work(release_id, RUN) as work:
        decide.recover(work)
        assert work.router is not None
        work.router.switch(work.do, GREEN, "back/switch")
    assert router.target(Direct()) == GREEN
    with open_ledger(f"sqlite:///{tmp_path}/another.db") as ledger:
        who = {"holder": "ada", "run_id": "run-2", "procedure": "deploy", "release_id": None}
        token = ledger.leases.take("shop", "local", **who).token
    CaddyRouter(Caddy(kind="caddy"), router.log.parent, sys.executable, token).announce(Direct(), "new")
    assert highest(router.log.parent / "fence") == token
