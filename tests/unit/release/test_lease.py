"""An environment is held by one procedure, and a process that lost it learns so before it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from runwright.errors import ActionError, FencedError, LeaseHeldError
from runwright.ledger import Ledger, open_ledger
from runwright.release import lease
from runwright.release.lease import held, renewed
from tasks.lease import holding
from tasks.put_back import in_hand


@pytest.fixture
def ledger(runwright_home: object) -> Iterator[Ledger]:
    with open_ledger() as opened:
        yield opened


@pytest.fixture
def release_id(ledger: Ledger) -> str:
    return ledger.releases.open(
        "shop", "test", "v1", procedure="deploy", run_id="run-1", runbook={}, parameters={}, deployer="somebody"
    ).id


def taken_over(ledger: Ledger, release_id: str) -> None:
    """Let another process take the lease, as it may when this one has slept for too long."""
    mine = held(release_id)
    assert mine is not None
    ledger.leases.release(mine.lease)
    ledger.leases.take("shop", "test", holder="b", run_id="2", procedure="rollback", release_id=release_id)


def test_the_lease_is_held_as_long_as_the_procedure_works(ledger: Ledger, release_id: str) -> None:
    """Given a procedure, its environment is held until it ends, however it ends."""
    with pytest.raises(KeyboardInterrupt), holding(release_id, "deploy"):
        holder = ledger.leases.holder("shop", "test")
        assert holder is not None
        assert holder.release_id == release_id
        raise KeyboardInterrupt
    assert ledger.leases.holder("shop", "test") is None
    assert held(release_id) is None


def test_two_procedures_without_a_run_do_not_share_a_lease(release_id: str) -> None:
    """Given two processes that no run of Prefect started, they are not taken for one that starts again."""
    with holding(release_id, "deploy"), pytest.raises(LeaseHeldError), holding(release_id, "deploy"):
        pass


def test_it_is_renewed_while_it_is_held(ledger: Ledger, release_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a procedure that takes longer than the lease lives, it holds the environment all the same."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    with holding(release_id, "deploy"):
        mine = held(release_id)
        assert mine is not None
        first, until = mine.lease.expires_at, time.monotonic() + 20
        while mine.lease.expires_at <= first:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_who_lost_it_learns_so_before_it_goes_on(ledger: Ledger, release_id: str) -> None:
    """Given another process that took over, renewing says so, and every action after it is told."""
    with holding(release_id, "deploy"):
        mine = held(release_id)
        assert mine is not None
        renewed(release_id)
        taken_over(ledger, release_id)
        with pytest.raises(FencedError):
            renewed(release_id)
        assert isinstance(mine.lost, FencedError)


def test_without_a_lease_there_is_nothing_to_renew(release_id: str) -> None:
    """Given a release that is being prepared, nothing is asked."""
    renewed(release_id)


def test_who_lost_it_does_not_deal_with_its_own_failure(ledger: Ledger, release_id: str) -> None:
    """Given a run that fails after another process took over, it decides nothing: the other one does."""
    with pytest.raises(FencedError), in_hand(release_id):
        taken_over(ledger, release_id)
        raise ActionError("What it saw was the work of the other one.")
    assert ledger.releases.facts(release_id) == {}


def test_who_waits_gets_it_when_it_is_given_back(release_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a rollback that meets a run that is about to end, it waits for it."""
    inside, go, got = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        with holding(release_id, "rollback", wait=True):
            got.set()
            go.wait(20)

    with holding(release_id, "deploy"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert inside.wait(20)
    assert got.wait(20)
    go.set()
    waiting.join(20)
