"""Under the lease, before the first change, it is asked again whether this is the time for a release."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from runwright.errors import RefusedError
from runwright.ledger.states import ReleaseState
from runwright.release import look_again as module
from runwright.release.look_again import require_window
from tasks.look_again import look_again
from tests.unit.release.conftest import Opener

EVERY_DAY = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
WINDOW: dict[str, Any] = {"timezone": "UTC", "days": EVERY_DAY, "from": "10:00", "to": "14:00"}
GATE: dict[str, Any] = {"id": "low-traffic", "window": WINDOW}
LOCAL: dict[str, Any] = {
    "tier": "development",
    "target": {"platform": "host", "directory": "run", "process": {"command": ["{python}"]}},
    "router": {"kind": "caddy"},
}
NEEDS_NINE_MINUTES: dict[str, Any] = {"verify": {"deadline": "4m"}, "rollback": {"target": "5m"}}


def at(text: str) -> datetime:
    """A time of a Tuesday."""
    return datetime.fromisoformat(f"2026-03-03T{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("13:50", ""),
        ("13:51", ""),
        (
            "13:52",
            "closes at Tue 2026-03-03 14:00 UTC, in 8m; 9m are needed; it opens next at Wed 2026-03-04 10:00 UTC",
        ),
        ("14:01", "closed at Tue 2026-03-03 14:01 UTC; it opens next at Wed 2026-03-04 10:00 UTC"),
    ],
)
def test_a_release_begins_to_change_things_only_if_it_can_be_put_back_before_the_window_closes(
    opened: Opener, now: str, said: str
) -> None:
    """It was asked when the checklist was, and the build may have taken half an hour since."""
    work = opened(gates=[GATE], **NEEDS_NINE_MINUTES)
    if not said:
        require_window(work, at(now))
        return
    with pytest.raises(RefusedError) as error:
        require_window(work, at(now))
    assert error.value.what == f"It is too late for this release: the window of the gate low-traffic {said}."
    assert error.value.state == "Nothing was changed."


def test_a_window_of_another_environment_or_one_that_only_warns_stops_nothing(opened: Opener) -> None:
    """As in the checklist."""
    other = {**GATE, "id": "elsewhere", "environments": ["production"]}
    work = opened(
        gates=[{**GATE, "on_fail": "warn"}, other],
        environments=dict.fromkeys(("local", "production"), LOCAL),
        **NEEDS_NINE_MINUTES,
    )
    require_window(work, at("20:00"))


def test_what_is_too_late_stays_planned(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step refuses it before anything is changed; a release in time is approved."""
    never = {**GATE, "window": {**WINDOW, "days": ["MO"], "except_dates": [], "from": "00:00", "to": "00:01"}}
    work = opened(gates=[never])
    work.ledger.releases.advance(work.id, ReleaseState.PLANNED, "it is planned")
    monkeypatch.setattr(module, "seen_now", lambda _: None)
    with pytest.raises(RefusedError, match="too late"):
        look_again.fn(work.id)
    work.refresh()
    assert work.release.state is ReleaseState.PLANNED
    monkeypatch.setattr(module, "fits", lambda *_: SimpleNamespace(open=True))
    look_again.fn(work.id)
    work.refresh()
    assert work.release.state is ReleaseState.APPROVED
