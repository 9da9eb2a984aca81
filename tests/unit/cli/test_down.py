"""`down` ends what `up` started, unless a release would be left half-way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from deployments import server
from deployments.cli.exits import Exit
from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, this_process
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ReleaseState as S
from tests.unit.cli.conftest import Call, Opened


@pytest.fixture
def worker() -> Iterator[Process]:
    """A process that `up` is said to have started, in a session of its own."""
    words = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    child = subprocess.Popen(words, start_new_session=True)
    process = this_process(child.pid)
    server.state_file().parent.mkdir(parents=True, exist_ok=True)
    running = server.Running("http://127.0.0.1:4/api", None, process)
    server.state_file().write_text(json.dumps(asdict(running)))
    yield process
    child.kill()
    child.wait()


def test_it_is_refused_in_the_middle_of_a_release(call: Call, opened: Opened, worker: Process) -> None:
    """The release is named, nothing is ended, and the way to insist is told."""
    release = opened("v2", to=S.SWITCHING)
    refused = call("down")
    assert refused.exit_code == Exit.REFUSED
    said = " ".join(refused.stderr.split())
    for part in ("v2 of shop/production is switching", release.id, "Nothing was ended.", "down --force"):
        assert part in said
    assert alive(worker)
    assert server.read_running() is not None, "what runs is not forgotten"


def test_it_is_refused_while_an_environment_is_held(call: Call, opened: Opened, worker: Process) -> None:
    """Also by a late rollback of a release that was proven long ago, or by a backup."""
    opened("v1", to=S.PROVEN)
    with open_ledger() as now:  # leases go by the time of the command
        who = {"holder": "a worker", "run_id": "run-9", "procedure": "backup", "release_id": None}
        lease = now.leases.take("shop", "production", **who)
        refused = call("down")
        assert refused.exit_code == Exit.REFUSED and alive(worker)
        assert "shop/production is held for backup (run run-9)" in " ".join(refused.stderr.split())
        now.leases.release(lease)
    assert call("down").exit_code == Exit.DONE
    assert not alive(worker)


def test_who_insists_gets_it(call: Call, opened: Opened, worker: Process) -> None:
    """It is said what was ended."""
    opened("v2", to=S.SWITCHING)
    done = call("down", "--force", "--json")
    assert done.exit_code == Exit.DONE
    assert json.loads(done.stdout) == {"ended": [f"worker (process {worker.pid})"]}
    assert not alive(worker)


@pytest.mark.parametrize("state", [S.PROVEN, S.ROLLED_BACK, S.ABANDONED, S.FROZEN])
def test_a_release_at_rest_needs_no_prefect(call: Call, opened: Opened, worker: Process, state: S) -> None:
    """It has ended, or waits for a person and for no run."""
    opened("v1", to=state)
    assert call("down").exit_code == Exit.DONE
    assert not alive(worker)


def test_a_plan_is_no_release(call: Call, opened: Opened, worker: Process) -> None:
    """It changes nothing that would be left half-way."""
    opened("v2", to=S.PLANNED, procedure="plan")
    assert call("down").exit_code == Exit.DONE


def test_a_ledger_that_cannot_be_read_is_no_permission(
    call: Call, ledger: Ledger, worker: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether something is being released is not known then."""
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", f"sqlite:///{server.state_file()}")
    refused = call("down")
    assert refused.exit_code == Exit.REFUSED and alive(worker)
    assert "is not known" in refused.stderr and "--force" in refused.stderr
    assert call("down", "--force").exit_code == Exit.DONE
    assert not alive(worker)


def test_without_anything_to_end_there_is_nothing_to_refuse(call: Call, opened: Opened) -> None:
    """A release that another machine carries out is no concern of this one."""
    opened("v2", to=S.SWITCHING)
    done = call("down")
    assert done.exit_code == Exit.DONE
    assert "Nothing that `runwright up` started here is running." in done.stdout
