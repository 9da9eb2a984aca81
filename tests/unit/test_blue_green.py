"""The way back of a release that was broken off while it moved what ran before there were slots into one of them."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.cutovers.blue_green import BlueGreen
from runwright.platforms.shape import Going, Observed, ServiceFact
from runwright.traffic import Upstream
from runwright.versions import Version

OLD = Version("shop", "test", "v1", "a" * 40)


class Target:
    """A platform and its router: what was done to them, in order, and what they say."""

    slots = ("blue", "green")

    def __init__(self, *, plain: bool, told: str = "", blue: bool = False) -> None:
        self.is_plain, self.told, self.blue, self.did = plain, told, blue, list[str]()

    def plain(self, do: Any, *, running: bool = True) -> bool:
        return self.is_plain

    def observe(self, do: Any) -> Observed:
        slots = [*([""] if self.is_plain else []), *(["blue"] if self.blue else [])]
        return Observed(tuple(ServiceFact("web", f"web-{s}", "i", True, slot=s, commit="a" * 40) for s in slots))

    def expected(self, version: Version) -> dict[str, str]:
        return {"web": "i"}

    def upstream(self, do: Any, slot: str) -> Upstream:
        return Upstream(slot, f"web-{slot}", 8000)

    def target(self, do: Any) -> Upstream | None:
        return self.upstream(do, self.told) if self.told else None

    def __getattr__(self, verb: str) -> Any:
        def done(*words: Any, **_: Any) -> int:
            at = next((w for w in words if w in self.slots), "")
            self.did.append(f"{verb} {at}".strip())
            return 0

        return done


@pytest.mark.parametrize(
    ("target", "home", "did"),
    [
        # killed while the second copy was started, or before what ran was stopped: it serves on as it did
        (Target(plain=True), "", ["stop blue", "stop green"]),
        (Target(plain=True, blue=True), "", ["stop blue", "stop green"]),
        # killed after that: the copy serves, and what may be left of the other is ended
        (Target(plain=False, blue=True), "blue", ["start blue", "make_ready", "make_way", "ensure", "switch", "leave", "replace_others"]),
        (Target(plain=True, blue=True, told="blue"), "blue", ["start blue", "make_way", "ensure", "switch", "leave", "replace_others"]),
    ],
)  # fmt: skip
def test_it_ends_wherever_it_was_broken_off(target: Target, home: str, did: list[str]) -> None:
    """Nobody is left beside the switch, no port stays taken, and nothing is started anew that serves already."""
    cutover = BlueGreen(target, target)  # type: ignore[arg-type]
    found = cutover.home(None, OLD, "green")  # type: ignore[arg-type]
    assert found == home
    cutover.back(None, OLD, found, Going("r1", None), "back")  # type: ignore[arg-type]
    assert target.did == did
