"""One lease per environment: the token decides who holds it."""

from __future__ import annotations

import pytest

from runwright.errors import FencedError, LeaseHeldError, LedgerError
from runwright.ledger import Ledger
from tests.fixtures.ledgers import PassTime
from tests.fixtures.surroundings import FakeClock
from tests.unit.ledger.conftest import Take


def test_a_free_environment_is_taken(ledger: Ledger, take: Take) -> None:
    """The ledger tells who holds it."""
    lease = take("run-1", release_id="shop-1")
    assert (lease.run_id, lease.release_id) == ("run-1", "shop-1")
    assert (lease.expires_at - lease.taken_at).total_seconds() == 30
    assert ledger.leases.holder("shop", "production") == lease
    assert ledger.leases.held() == [lease] and ledger.leases.lost() == []
    ledger.leases.check(lease)


def test_nobody_else_gets_a_lease_that_is_held(ledger: Ledger, take: Take) -> None:
    """The refusal says who, for what, since when, until when, and what to do."""
    lease = take("run-1", release_id="shop-1")
    with pytest.raises(LeaseHeldError) as refusal:
        take("run-2")
    said = str(refusal.value)
    for part in ("shop/production", "worker of run-1", "deploy of shop-1", "run run-1", "Nothing was done."):
        assert part in said
    assert f"{lease.taken_at:%Y-%m-%d %H:%M:%S} UTC" in said and f"{lease.expires_at:%H:%M:%S} UTC" in said
    assert "the lease ends by itself in" in refusal.value.next
    assert ledger.leases.holder("shop", "production") == lease


def test_a_new_ledger_gives_no_token_that_an_older_one_may_have_given(
    ledger: Ledger, take: Take, pass_time: PassTime
) -> None:
    """What a target remembers of a ledger that is gone is lower: tokens begin at the time, and always grow."""
    first = take("run-1")
    assert first.token == int(first.taken_at.timestamp()), "not 1: somebody had that before, in the ledger before"
    tokens = [first.token, *(take("run-1").token for _ in range(3))]
    assert tokens == sorted(set(tokens)), "several in one second"
    pass_time(3600)
    assert take("run-2").token > tokens[-1]


def test_environments_do_not_disturb_each_other(ledger: Ledger, take: Take) -> None:
    """Each has a lease of its own."""
    production, staging = take("run-1"), take("run-2", "staging")
    assert ledger.leases.held() == [production, staging]


def test_what_was_given_back_is_taken_with_the_next_token(ledger: Ledger, take: Take) -> None:
    """A token is never given twice."""
    first = take("run-1")
    ledger.leases.release(first)
    assert ledger.leases.holder("shop", "production") is None
    assert ledger.leases.expire_in("shop", "production") is None
    assert take("run-2").token > first.token


def test_giving_back_twice_is_giving_back_once(ledger: Ledger, take: Take) -> None:
    """The second time changes nothing, not even for who took it meanwhile."""
    first = take("run-1")
    ledger.leases.release(first)
    second = take("run-2")
    ledger.leases.release(first)
    assert ledger.leases.holder("shop", "production") == second


def test_an_expired_lease_is_taken_and_its_holder_is_fenced(ledger: Ledger, take: Take, pass_time: PassTime) -> None:
    """Who lost it can neither renew nor pass the check, and is told who has it now."""
    first = take("run-1")
    pass_time(31)
    assert ledger.leases.lost()[0].token == first.token and ledger.leases.held() == []
    second = take("run-2")
    assert second.token > first.token
    for attempt in (ledger.leases.beat, ledger.leases.check):
        with pytest.raises(FencedError, match="worker of run-2 took it"):
            attempt(first)
    ledger.leases.check(second)


def test_renewing_keeps_it(ledger: Ledger, take: Take, pass_time: PassTime) -> None:
    """A lease that is renewed in time never expires."""
    first = lease = take("run-1")
    for _ in range(4):
        pass_time(20)
        lease = ledger.leases.beat(lease)
    with pytest.raises(LeaseHeldError):
        take("run-2")
    assert lease.token == first.token


def test_an_expired_lease_fails_the_check_until_it_is_renewed(ledger: Ledger, take: Take, pass_time: PassTime) -> None:
    """One that nobody took is ours again with the next heartbeat: nothing happened in between."""
    lease = take("run-1")
    pass_time(31)
    with pytest.raises(FencedError, match="expired at"):
        ledger.leases.check(lease)
    ledger.leases.check(ledger.leases.beat(lease))


def test_a_lease_that_was_given_back_is_not_renewed(ledger: Ledger, take: Take) -> None:
    """A heartbeat that comes late must not bring a lease back."""
    lease = take("run-1")
    ledger.leases.release(lease)
    for attempt in (ledger.leases.beat, ledger.leases.check):
        with pytest.raises(FencedError, match="given back"):
            attempt(lease)


def test_a_run_that_starts_again_takes_over_from_itself(ledger: Ledger, take: Take) -> None:
    """The new process gets a new token at once; the old one, should it still live, is fenced."""
    old = take("run-1")
    new = take("run-1")
    assert new.token > old.token
    with pytest.raises(FencedError):
        ledger.leases.check(old)


def test_a_lease_of_nobody_is_not_held(ledger: Ledger) -> None:
    """An environment that was never leased has no holder and can be taken now."""
    assert ledger.leases.holder("shop", "production") is None
    assert ledger.leases.expire_in("shop", "production") is None


def test_how_long_a_lease_still_lives(ledger: Ledger, take: Take, pass_time: PassTime) -> None:
    """From its length down to None, when it may be taken."""
    take("run-1")
    pass_time(20)
    left = ledger.leases.expire_in("shop", "production")
    assert left is not None and 0 < left <= 10
    pass_time(10)
    assert ledger.leases.expire_in("shop", "production") is None


def test_a_clock_that_went_back_does_not_keep_a_dead_holder_alive(
    ledger: Ledger, take: Take, pass_time: PassTime
) -> None:
    """When the clock is set back an hour, the lease of a dead holder ends after one more length of it."""
    first = take("run-1")
    pass_time(-3600)
    assert ledger.leases.expire_in("shop", "production") == pytest.approx(30)
    with pytest.raises(LeaseHeldError, match="until"):
        take("run-2")
    pass_time(31)
    assert take("run-2").token > first.token, "also by a clock that was set back"


def test_a_clock_that_went_back_takes_nothing_from_a_living_holder(
    ledger: Ledger, take: Take, pass_time: PassTime
) -> None:
    """The token says who holds it, whatever the time."""
    lease = take("run-1")
    pass_time(-3600)
    ledger.leases.check(ledger.leases.beat(lease))


def test_several_machines_go_by_the_database_s_clock(ledger: Ledger, take: Take, clock: FakeClock) -> None:
    """On PostgreSQL a machine whose clock is ahead cannot take what is held; on SQLite there is one machine."""
    first = take("run-1")
    clock.advance(3600)
    if ledger.store.on_sqlite:
        assert take("run-2").token > first.token
    else:
        with pytest.raises(LeaseHeldError):
            take("run-2")


def test_a_clock_without_a_zone_is_refused(ledger: Ledger, take: Take, clock: FakeClock) -> None:
    """A time that could mean several moments is never kept."""
    clock.now = clock.now.replace(tzinfo=None)
    with pytest.raises(LedgerError, match="time zone"):
        ledger.check()
