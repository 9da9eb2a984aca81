"""Gates and ways to tell people that packages of somebody else's bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from runwright import registry
from runwright.errors import ActionError
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateState
from runwright.registry import Line
from runwright.release.check import asked
from runwright.release.notify import notify
from runwright.runbook import crosscheck
from runwright.runbook.base import Registered
from runwright.runbook.builders import Builder
from tests.unit.release.conftest import Opener


class Freeze(Registered):
    """Settings of a gate."""

    kind: Literal["freeze"]
    calendar: str


class Pager(Registered):
    """Settings of a way to tell people."""

    kind: Literal["pager"]
    key: str


SENT: list[tuple[str, str]] = []


def answer(asking: Asking, settings: Freeze) -> Answer:
    """Say no for one calendar, nothing for another."""
    if settings.calendar == "broken":
        raise ZeroDivisionError("of its own")
    if settings.calendar == "refused":
        raise ActionError(f"GET https://cal.test/?key={asking.secrets['k']} answered 403.")
    free = settings.calendar == "free"
    return (GateState.PASS if free else GateState.FAIL), f"{settings.calendar} in {asking.environment}"


def send(_do: Any, settings: Pager, secrets: Mapping[str, str], text: str) -> None:
    """Keep what is told."""
    SENT.append((secrets[settings.key], text))


class Point:
    """An entry point of an installed package."""

    dist, value = None, "acme:LINE"

    def __init__(self, name: str, line: Line) -> None:
        self.name, self.line = name, line

    def load(self) -> Line:
        return self.line


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there."""
    here = __name__
    for room, name, model, function in (
        (registry.OTHER_GATES, "freeze", "Freeze", "answer"),
        (registry.OTHER_NOTIFIERS, "pager", "Pager", "send"),
    ):
        point = Point(name, Line(f"{here}:{model}", f"{here}:{function}"))
        monkeypatch.setitem(room.__dict__, "theirs", {name: point})


@pytest.mark.parametrize(
    ("settings", "state", "reason"),
    [
        ({"calendar": "free"}, GateState.PASS, "free in local"),
        ({"calendar": "frozen"}, GateState.FAIL, "frozen in local"),
        ({"calendar": "broken"}, GateState.BLIND, "ZeroDivisionError: of its own"),
        ({}, GateState.BLIND, "its settings are wrong: calendar"),
    ],
)
def test_a_gate_of_a_package_is_asked_as_others_are(
    opened: Opener, settings: dict[str, str], state: GateState, reason: str
) -> None:
    """With its settings as its own model has them; a fault of its own is no answer, and never a pass."""
    work = opened(gates=[{"id": "it", "package": {"kind": "freeze", "settings": settings}}])
    (result,) = asked(work).results
    assert result.state is state and reason in result.reason


def test_people_are_told_by_a_package_and_a_fault_of_it_stops_nothing(opened: Opener) -> None:
    """It gets the secrets of the environment; what it cannot do is said in the run's log."""
    work = opened(notify={"packages": [{"kind": "pager", "settings": {"key": "k"}}]})
    assert not notify(work, "before the secret is there")
    work.secrets["k"] = "pager-key-1234"
    SENT.clear()
    assert notify(work, "shop is frozen") and SENT == [("pager-key-1234", "shop is frozen")]


def test_what_a_gate_says_when_it_fails_is_cleaned_of_secrets(opened: Opener) -> None:
    """An error of ours is shown as it is; this one was made by somebody who is given the secrets."""
    work = opened(gates=[{"id": "it", "package": {"kind": "freeze", "settings": {"calendar": "refused"}}}])
    work.secrets["k"] = "calendar-key-1234"
    (result,) = asked(work).results
    assert result.state is GateState.BLIND and "answered 403" in result.reason
    assert "calendar-key-1234" not in result.reason


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [("freeze", {}, "its settings are wrong"), ("thaw", {}, "There is no gate of a package 'thaw'. There are freeze.")],
)
def test_what_is_wrong_with_it_is_a_mistake_of_the_runbook(
    opened: Opener, kind: str, settings: dict[str, str], told: str
) -> None:
    """Told with all others, before anything is released."""
    book = opened(gates=[{"id": "it", "package": {"kind": kind, "settings": settings}}]).runbook
    assert any(told in mistake.what for mistake in crosscheck.mistakes(book))


def test_a_builder_is_of_the_room_of_builders() -> None:
    """Ours are there by name; a package adds its own."""
    assert registry.BUILDERS.names[:2] == ("docker", "folder")
    assert all(issubclass(registry.BUILDERS.model(name), Builder) for name in ("docker", "folder"))
    assert {registry.BUILDERS.driver(name).makes for name in ("docker", "folder")} == {"image", "folder"}
