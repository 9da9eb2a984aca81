"""One row after the other: what of it a run does again that is started again."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.release import cutover, rungs
from runwright.release.work import Work
from tests.unit.release.conftest import Opener

ALL_OF_IT = [
    ("send", 25), ("start", 50), ("ask", 50), ("send", 50), ("start", 75), ("ask", 75), ("send", 75), ("start", 100), ("ask", 100),
]  # fmt: skip


class Rows:
    """What takes the place of the cutover: users reach ``now`` percent, and a row is asked at the door of the last one started."""

    grows = True

    def __init__(self, now: int) -> None:
        self.now, self.newest, self.did = now, max(now, 25), list[tuple[str, int]]()

    def shares(self, _do: Any) -> dict[str, int]:
        return {"green": self.now} if self.now else {}

    def start(self, _work: Work, _do: Any, _version: Any, _slot: str, share: int) -> None:
        self.did.append(("start", share))
        self.newest = share

    def ask(self, _work: Work) -> None:
        self.did.append(("ask", self.newest))

    def send(self, _work: Work, _do: Any, _version: Any, _slot: str, share: int) -> None:
        assert share <= self.newest, "users are sent to a row that was never started"
        self.did.append(("send", share))


@pytest.mark.parametrize(
    ("now", "did"),
    [
        (0, ALL_OF_IT),
        (25, ALL_OF_IT),  # sent again: it may have died before the old row was stopped
        (50, ALL_OF_IT[3:]),
        (75, ALL_OF_IT[6:]),
    ],
)
def test_a_roll_goes_on_where_it_was(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, now: int, did: list[tuple[str, int]]
) -> None:
    """The row that users reach is not asked at the door before the next one is there, and no row is passed over."""
    rows = Rows(now)
    monkeypatch.setattr(Work, "cutover", rows)
    monkeypatch.setattr(cutover, "shares", lambda _work: [25, 50, 75])
    monkeypatch.setattr(cutover, "grow", rows.start)
    monkeypatch.setattr(cutover, "shift", rows.send)
    monkeypatch.setattr(rungs, "verify_staged", rows.ask)
    monkeypatch.setattr(rungs, "renewed", lambda _id: None)
    rungs.climb(opened(), "green")
    assert rows.did == did
