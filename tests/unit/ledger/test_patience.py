"""How long a run holds for a ledger that is away, and what it does before it goes on."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from runwright.errors import FencedError, LedgerError
from runwright.ledger import patience
from runwright.ledger.patience import Patience


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.01)


class Away:
    """A ledger that answers after so many tries."""

    def __init__(self, tries: int, error: LedgerError | None = None) -> None:
        self.left = tries
        self.asked = 0
        self.error = error or LedgerError("It is away.")

    def __call__(self) -> str:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "here"


def test_it_says_once_that_it_holds_and_once_that_it_goes_on() -> None:
    """However many tries it takes; and nothing at all if the ledger answers at once."""
    said: list[str] = []
    assert Patience(said.append)(Away(0)) == "here" and said == []
    assert Patience(said.append)(Away(5)) == "here"
    assert [sentence.split()[0] for sentence in said] == ["holding", "the"] and "It is away." in said[0]


def test_when_it_is_over_the_error_is_that_of_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    minutes = count()
    clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes), sleep=lambda _: None)
    monkeypatch.setattr(patience, "time", clock)
    away = Away(10_000)
    with pytest.raises(LedgerError, match="It is away"):
        Patience(lambda _: None)(away)
    assert away.asked == 3, "at once, after one minute, and after two"


def test_what_lasts_is_told_at_once() -> None:
    """A wrong password is no better in two minutes."""
    away = Away(10_000, LedgerError.for_good("The password is wrong."))
    with pytest.raises(LedgerError, match="password"):
        Patience(lambda _: None)(away)
    assert away.asked == 1


def test_the_lease_is_renewed_before_anything_is_asked_again() -> None:
    """It may have expired meanwhile. While that does not answer either, nothing is asked."""
    renewing, away = Away(3), Away(1)

    def renew() -> None:
        renewing()

    assert Patience(lambda _: None, back=renew)(away) == "here"
    assert (renewing.asked, away.asked) == (4, 2)


def test_who_was_overtaken_meanwhile_does_not_go_on() -> None:
    """Another process took the lease while this one held: it ends there."""
    away = Away(1)

    def overtaken() -> None:
        raise FencedError("Somebody took it.")

    with pytest.raises(FencedError):
        Patience(lambda _: None, back=overtaken)(away)
    assert away.asked == 1
