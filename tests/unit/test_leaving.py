"""From two slots into one place: what is taken away, in which order, and where the way back leads from wherever it was broken off."""

from __future__ import annotations

import pytest

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.leaving import Leaving
from runwright.errors import RefusedError
from runwright.platforms.shape import Going
from runwright.versions import Version
from tests.unit.test_blue_green import OLD, Target

NEW = Version("shop", "test", "v2", "b" * 40)
GOING = Going("r2", None, previous=OLD)  # type: ignore[arg-type]


class Place(Target):
    """The platform as it is without slots, in the same list of what was done."""

    slots = ()  # type: ignore[assignment]

    def __init__(self, old: Target) -> None:
        super().__init__(plain=False)
        self.did = old.did


def leaving(*, told: str = "", leaves: bool = True) -> tuple[Leaving, list[str]]:
    """Return the cutover out of the slots, and what it does. told: the slot that users are sent to."""
    old = Target(plain=False, told=told, blue=True)
    old.leaves = leaves  # type: ignore[attr-defined]
    return Leaving(Place(old), BlueGreen(old, old)), old.did  # type: ignore[arg-type]


def test_users_are_without_service_for_no_longer_than_it_takes() -> None:
    """What lives beside is looked at before the router goes, and the slots are stopped before the one place is started: two versions
    never run."""
    cutover, did = leaving(told="blue")
    assert cutover.served(None) == "blue"  # type: ignore[arg-type]
    cutover.shift(None, NEW, "", GOING, "deploy")  # type: ignore[arg-type]
    assert did == ["beside", "leave", "stop blue", "stop green", "start"]


@pytest.mark.parametrize(
    ("told", "home", "did"),
    [
        # the router stands, or was removed and still knows where it sent users: as it was, from wherever it was broken off
        ("blue", "blue", ["start blue", "make_way", "ensure", "switch", "leave", "replace_others"]),
        # it has forgotten: the old version in the one place
        ("", "", ["leave", "stop blue", "stop green", "beside", "start"]),
    ],
)
def test_the_way_back_is_to_the_slots_until_the_router_has_forgotten_them(told: str, home: str, did: list[str]) -> None:
    """There is no moment from which there is none."""
    cutover, done = leaving(told=told)
    found = cutover.home(None, OLD, "")  # type: ignore[arg-type]
    assert found == home
    cutover.back(None, OLD, found, GOING, "back")  # type: ignore[arg-type]
    assert done == did


def test_a_router_that_is_not_ours_is_not_taken_away() -> None:
    """It would go on to send users to what is gone: that is refused while nothing is changed."""
    with pytest.raises(RefusedError, match="a router of your own"):
        leaving(told="blue", leaves=False)[0].require(None)  # type: ignore[arg-type]
    leaving(told="", leaves=False)[0].require(None)  # type: ignore[arg-type]  # it sends nobody there any more
    leaving(told="blue")[0].require(None)  # type: ignore[arg-type]
