"""A canary goes up by itself, and does what a person asks for in the ledger at its next look."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import ActionError, BreachError, InputError, RefusedError, VerificationError
from runwright.ledger.states import ReleaseState
from runwright.release import by_hand, canary, cutover
from runwright.release.work import Work
from runwright.runbook.canary import Canary
from runwright.traffic import Counted
from tests.unit.release.conftest import Opener


class Traffic:
    """What takes the place of the cutover: it counts as many requests as are asked for at each look, and knows who was asked for what."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, work: Work, *rungs: int, asks: dict[int, Any] | None = None
    ) -> None:
        self.looks, self.shifts, self._asks, self._work = 0, list[tuple[int, str]](), asks or {}, work
        monkeypatch.setattr(cutover, "shares", lambda _work: list(rungs))
        monkeypatch.setattr(cutover, "shift", lambda _w, _do, _v, _slot, share, key: self.shifts.append((share, key)))
        monkeypatch.setattr(Work, "cutover", self)
        monkeypatch.setattr(canary, "EVERY_SECONDS", 0.0)

    def counted(self, _do: Any) -> dict[str, Counted]:
        self.looks += 1
        if (ask := self._asks.pop(self.looks, None)) is not None:
            release = self._work.ledger.releases.get(self._work.id)
            self.asked = by_hand.ask(self._work.ledger, release, ask[0], ask[1], "Ada", "as I see it")
        return {"blue": Counted(requests=100 * self.looks), "green": Counted(requests=100 * self.looks)}


@pytest.fixture
def work(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> Work:
    return _work(opened)


def _work(opened: Opener, **wanted: Any) -> Work:
    work = opened(canary={"hold": 0.0, "min_requests": 50, **wanted})
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.STAGING, ReleaseState.SWITCHING):
        work.ledger.releases.advance(work.id, state, "so it went")
    return work


def shares(work: Work) -> list[int]:
    return [rung["share"] for rung in work.fact(canary.FACT)]


def test_it_goes_up_by_itself(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each share is set once, judged and noted."""
    traffic = Traffic(monkeypatch, work, 10, 50)
    canary.climb(work, "green")
    assert traffic.shifts == [(10, "deploy"), (50, "deploy")] and shares(work) == [10, 50]
    assert work.fact(by_hand.AT) is None


@pytest.mark.parametrize(
    ("ask", "shifts", "passed"),
    [
        (("share", 30), [10, 30, 50], [30, 50]),
        (("share", 5), [10, 5, 10, 50], [5, 10, 50]),
        (("share", 60), [10, 60], [60]),
        (("on", None), [10, 50], [10, 50]),
        (("promote", None), [10], [10]),
    ],
)
def test_a_person_sets_the_share_or_lets_it_go_on(
    opened: Opener,
    monkeypatch: pytest.MonkeyPatch,
    ask: tuple[by_hand.What, int | None],
    shifts: list[int],
    passed: list[int],
) -> None:
    """Each change has a key of its own, also where the same share is set twice; who asked is kept."""
    work = _work(opened, min_requests=150)  # so that it is held for a look or two
    traffic = Traffic(monkeypatch, work, 10, 50, asks={3: ask})
    canary.climb(work, "green")
    assert [share for share, _ in traffic.shifts] == shifts and shares(work) == passed
    assert len({(share, key) for share, key in traffic.shifts}) == len(shifts)
    assert by_hand.answer(work.ledger, work.release, traffic.asked, 0.0).startswith("v1: Ada ")
    assert [a.name for a in work.ledger.records.approvals(work.id, "canary")] == ["Ada"]
    assert any("as I see it" in note.text for note in work.ledger.records.notes(work.id))


def test_back_by_hand_is_the_way_back(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, whatever the numbers say."""
    work = _work(opened, min_requests=10_000)
    Traffic(monkeypatch, work, 10, asks={4: ("back", None)})
    with pytest.raises(BreachError, match=r"With 10 % of the users, Ada sent all users back: as I see it"):
        canary.climb(work, "green")


def test_where_a_person_decides_it_waits_for_one(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share is passed, and nothing goes on by itself; people are told once."""
    work = _work(opened, manual=[10])
    told: list[str] = []
    monkeypatch.setattr(canary, "notify", lambda _work, text: told.append(text))
    traffic = Traffic(monkeypatch, work, 10, 50, asks={9: ("on", None)})
    canary.climb(work, "green")
    assert traffic.looks > 9 and shares(work) == [10, 50]
    assert len(told) == 1 and "`runwright canary shop/local on`" in told[0]


def test_a_run_that_is_started_again_goes_on_with_what_was_set_by_hand(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the share of the rung that it was on: the router has the other one."""
    work = _work(opened, min_requests=10_000)
    traffic = Traffic(monkeypatch, work, 10, 50, asks={3: ("share", 30), 5: ("back", None)})
    with pytest.raises(BreachError):
        canary.climb(work, "green")
    work.write_down("canary-taken", {"id": traffic.asked.id, "what": "share", "share": 30, "by": "Ada", "why": ""})
    monkeypatch.setattr(work.runbook, "__dict__", {**work.runbook.__dict__, "canary": Canary(hold=0.0, min_requests=1)})
    again = Traffic(monkeypatch, work, 10, 50)
    canary.climb(work, "green")
    assert [share for share, _ in again.shifts] == [30, 50]


def test_a_request_that_nobody_takes_up_is_withdrawn(work: Work) -> None:
    """A run that lives again later must not do what was expected long ago."""
    work.write_down(by_hand.AT, 10)
    release, share = by_hand.under_way(work.ledger, "shop", "local")
    asked = by_hand.ask(work.ledger, release, "promote", None, "Ada", "")
    with pytest.raises(RefusedError, match="Nothing came of it"):
        by_hand.answer(work.ledger, release, asked, 0.0)
    assert share == 10 and by_hand.taken(work) is None


def test_without_a_canary_nothing_can_be_asked(work: Work) -> None:
    """Of what does not share its users there is nothing to set."""
    with pytest.raises(RefusedError, match="No canary is under way in shop/local"):
        by_hand.under_way(work.ledger, "shop", "local")


@pytest.mark.parametrize(("what", "share"), [("share", None), ("share", 0), ("share", 100), ("on", 10), ("up", None)])
def test_what_makes_no_sense_is_refused(what: str, share: int | None) -> None:
    """All users and none have words of their own."""
    with pytest.raises(InputError):
        by_hand.checked(what, share)


def counting(monkeypatch: pytest.MonkeyPatch, work: Work, *looks: Any) -> None:
    """Let the router count so at each look, and at the last one for ever; an error is raised."""
    Traffic(monkeypatch, work, 10)
    left = list(looks)

    def counted(_self: Any, _do: Any) -> dict[str, Counted]:
        seen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(seen, Exception):
            raise seen
        return {"blue": Counted(requests=seen[0], errors=0), "green": Counted(requests=seen[1], errors=seen[2])}

    monkeypatch.setattr(Traffic, "counted", counted)


AWAY = ActionError("The front door does not answer.")


def test_a_router_that_does_not_answer_holds_the_share(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no evidence against a version; once it answers again the share is judged by all that was seen."""
    counting(monkeypatch, work, (500, 0, 0), (500, 0, 0), AWAY, AWAY, (530, 30, 0), AWAY, (600, 60, 0))
    canary.climb(work, "green")
    assert shares(work) == [10] and "0.0% of 60" in work.fact(canary.FACT)[0]["reason"]


def test_where_nobody_can_tell_for_too_long_it_is_taken_back(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no traffic: a share that nobody can judge is not held for ever."""
    work = _work(opened, wait=0.05)
    counting(monkeypatch, work, (500, 0, 0), AWAY)
    with pytest.raises(VerificationError, match="could not be judged: who sends the users does not answer"):
        canary.climb(work, "green")


def test_a_router_that_is_started_anew_forgets_and_the_share_does_not(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had counted before counts, and what it counts from nothing is no less."""
    counting(monkeypatch, work, (500, 100, 0), (500, 100, 0), (540, 140, 0), (9, 5, 0), (40, 15, 3))
    with pytest.raises(BreachError, match=r"5\.5% of 55 of the new version's requests failed"):
        canary.climb(work, "green")


def test_a_request_that_another_one_took_the_place_of_is_refused_also_once_that_is_withdrawn(work: Work) -> None:
    """Then nothing waits to be taken up at all."""
    work.write_down(by_hand.AT, 10)
    release, _ = by_hand.under_way(work.ledger, "shop", "local")
    first = by_hand.ask(work.ledger, release, "on", None, "Ada", "")
    second = by_hand.ask(work.ledger, release, "back", None, "Bob", "")
    for asked in (second, first):
        with pytest.raises(RefusedError, match="Nothing came of it"):
            by_hand.answer(work.ledger, release, asked, 0.0)


def test_a_breach_comes_before_what_a_person_asked_for(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who said so has not seen it: nobody gets more of a version that is known to be bad."""
    work = _work(opened)
    traffic = Traffic(monkeypatch, work, 10, 50, asks={2: ("promote", None)})
    counted = traffic.counted

    def failing(do: Any) -> dict[str, Counted]:
        return {**counted(do), "green": Counted(requests=100 * traffic.looks, errors=100 * traffic.looks)}

    monkeypatch.setattr(traffic, "counted", failing)
    with pytest.raises(BreachError, match="requests failed"):
        canary.climb(work, "green")
    assert by_hand.taken(work) is not None  # it was never taken up
