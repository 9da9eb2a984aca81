"""The services that stay, around a release: what they were, and what becomes of it if one is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from runwright.errors import ActionError, VerificationError
from runwright.platforms.host.driver import Host
from runwright.platforms.shape import Checked, ServiceFact
from runwright.release import staying
from runwright.release.watch import Watcher
from runwright.release.work import watch_rules
from tests.unit.release.conftest import Opener

Shows = Callable[..., None]


def db(*, running: bool = True, healthy: bool | None = True, restarts: int = 0) -> ServiceFact:
    return ServiceFact("db", "shop-db-1", "sha256:1", running, healthy, restarts)


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Shows:
    """A function that says what the platform shows from now on, look after look; the last one for ever."""
    monkeypatch.setattr(staying, "LOOK_AGAIN_SECONDS", 0.01)

    def show(*looks: ServiceFact | Exception | None) -> None:
        given: Iterator[ServiceFact | Exception | None] = iter(looks)
        last: list[ServiceFact | Exception | None] = [None]

        def stays(*_: object) -> tuple[ServiceFact, ...]:
            last[0] = next(given, last[0])
            if isinstance(last[0], Exception):
                raise last[0]
            return (last[0],) if last[0] is not None else ()

        monkeypatch.setattr(Host, "staying", stays)

    return show


def test_a_database_that_got_ill_with_a_release_fails_its_verification(opened: Opener, shows: Shows) -> None:
    """It is waited for as long as there is time, and what was ill before is not its fault."""
    work = opened()
    shows(db())
    staying.remember(work)
    shows(db(healthy=False), db(running=False), db())
    assert staying.verify(work, 5.0) == "db runs, and none is unhealthy"
    shows(db(running=False))
    with pytest.raises(VerificationError, match="db does not run"):
        staying.verify(work, 0.05)
    staying.remember(work)  # once: what a release broke is no baseline
    assert staying.before(work)["db"].running


def test_a_restart_during_the_release_is_told(opened: Opener, shows: Shows) -> None:
    """Whether it goes on is for the watch to see."""
    work = opened()
    shows(db(restarts=1))
    staying.remember(work)
    shows(db(restarts=2))
    assert staying.verify(work, 5.0).endswith("; since the release began db was restarted 1 time")


def test_what_was_ill_before_is_not_judged(opened: Opener, shows: Shows) -> None:
    """And where nothing stays, no rule of the watch is made up."""
    work = opened()
    shows(db(healthy=False))
    staying.remember(work)
    assert staying.verify(work, 0.05) == "" and watch_rules(work) == []


def test_what_is_named_is_judged_whatever_it_was(opened: Opener, shows: Shows) -> None:
    """Also at a first release, before which nothing ran."""
    work = opened(verify={"staying": ["db"]})
    shows(db(healthy=False))
    with pytest.raises(VerificationError, match="db is not healthy"):
        staying.verify(work, 0.05)


def test_the_watch_looks_at_them_and_three_failures_in_a_row_breach(opened: Opener, shows: Shows) -> None:
    """A restart is one failure; one that goes on is many. Nobody who can tell is blind, and no breach."""
    work = opened()
    shows(db())
    staying.remember(work)
    watcher = Watcher(work)
    (rule,) = watcher.rules
    assert (rule.id, rule.staying, rule.failures, rule.purpose) == ("staying", ["db"], 3, "rollback")
    shows(db(), db(restarts=1), db(restarts=1), db(restarts=2), None, ActionError("Docker does not answer."), db())
    samples = [watcher._measured(rule, {}) for _ in range(7)]
    assert [(s.state, s.value, s.reason) for s in samples] == [
        ("ok", 0.0, ""),
        ("ok", 1.0, "db was restarted 1 time"),
        ("ok", 0.0, ""),
        ("ok", 1.0, "db was restarted 1 time"),
        ("ok", 1.0, "db does not run"),
        ("blind", None, "Docker does not answer."),
        ("ok", 0.0, ""),
    ]


def test_a_rule_of_the_runbook_takes_the_place_of_the_implied_one(opened: Opener, shows: Shows) -> None:
    """Somebody may want to be called for it, and nothing put back."""
    work = opened(watch={"rules": [{"id": "rest", "staying": "all", "failures": 2, "purpose": "page"}]})
    shows(db())
    staying.remember(work)
    assert [rule.id for rule in watch_rules(work)] == ["rest"]


def test_what_healthchecks_said_is_kept_without_secrets(
    opened: Opener, shows: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As evidence; that it cannot be read fails no release."""
    work = opened()
    shows(db())
    runs = tuple(Checked(f"2026-03-01T12:00:0{n}Z", 0, f"accepting\n\x1b[2J connections {n}") for n in range(8))
    monkeypatch.setattr(Host, "health_log", lambda *_: {"shop-db-1": runs})
    staying.keep_health_log(work)
    kept = work.fact(staying.HEALTH_LOG)["shop-db-1"]
    assert len(kept) == 5 and kept[-1] == ["2026-03-01T12:00:07Z", 0, "accepting \\x1b[2J connections 7"]

    def fails(*_: object) -> None:
        raise ActionError("Docker does not answer.")

    monkeypatch.setattr(Host, "health_log", fails)
    staying.keep_health_log(work)
