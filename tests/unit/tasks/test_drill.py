"""How a drill begins, and what is kept of how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runwright.errors import InputError, RefusedError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState as S
from runwright.policy.drills import Drill
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from runwright.versions import Artifact, Version
from tasks.begin import may_be_drilled
from tasks.drill import keep_drill, unnoticed
from tasks.notify import ended
from tasks.work import at_work

BOOK = {
    "system": "shop",
    "source": {"repo": "/nowhere"},
    "components": {"web": {}},
    "environments": {
        "staging": {"tier": "development", "target": {"platform": "compose", "project": "s", "directory": "/s"}},
        "production": {"tier": "production", "target": {"platform": "compose", "project": "p", "directory": "/p"}},
    },
}
ENDS = {
    "noticed": ((S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK), "down was breached", False, "came_back"),
    "not noticed": ((S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK), "the watch did not notice", True, "unnoticed"),
    "died": ((S.ROLLING_BACK, S.ROLLED_BACK), "", False, "interrupted"),
    "frozen": ((S.FAILING, S.FROZEN), "down was breached", False, "not_back"),
}


def runbook(**more: Any) -> Runbook:
    return Runbook.model_validate({**BOOK, **more})


def released(ledger: Ledger, environment: str = "staging", **more: Any) -> Release:
    """A proven release of v1."""
    values = {
        "procedure": "deploy",
        "run_id": "run-1",
        "runbook": to_json(runbook()),
        "deployer": "ada",
        "parameters": {},
    }
    release = ledger.releases.open("shop", environment, "v1", **{**values, **more})
    ledger.releases.record(
        release.id,
        commit="c" * 40,
        version=Version("shop", environment, "v1", "c" * 40, (Artifact("web", "w", "i" * 40),)),
    )
    return ledger.releases.get(release.id)


def advanced(ledger: Ledger, release: Release, *states: S) -> None:
    for state in states:
        ledger.releases.advance(release.id, state, f"it came to {state}")


@pytest.fixture
def ledger(runwright_home: Path) -> Any:
    with open_ledger() as opened:
        yield opened


def test_production_is_never_drilled(ledger: Ledger) -> None:
    """Whoever asks, and whatever the runbook says."""
    live = released(ledger, "production")
    with pytest.raises(RefusedError, match="shop/production is production"):
        may_be_drilled(ledger, runbook(), "production", live, "kill")


def test_what_cannot_be_released_again_is_not_drilled(ledger: Ledger) -> None:
    """An empty environment, and one whose version was not released by us."""
    with pytest.raises(RefusedError, match="nothing was released there"):
        may_be_drilled(ledger, runbook(), "staging", None, "")
    version = Version("shop", "staging", "adopted", "", (Artifact("web", "w", "i" * 40),))
    found = ledger.releases.adopt("shop", "staging", version, runbook=to_json(runbook()), deployer="ada")
    with pytest.raises(RefusedError, match="was not released by Runwright"):
        may_be_drilled(ledger, runbook(), "staging", found, "")


def test_a_way_that_there_is_not_is_refused_with_those_that_there_are(ledger: Ledger) -> None:
    """A drill that breaks nothing would always pass."""
    with pytest.raises(InputError) as caught:
        may_be_drilled(ledger, runbook(), "staging", released(ledger), "fire")
    assert caught.value.next == "There are kill, errors, latency."


def test_without_a_wish_the_runbooks_ways_take_turns(ledger: Ledger) -> None:
    """The way that was not tried for longest; what is asked for goes before that."""
    live, book = released(ledger), runbook(drill={"by": ["latency", "errors"]})
    assert may_be_drilled(ledger, book, "staging", live, "")[1] == "latency"
    ledger.drills.keep(Drill(live.id, "shop", "staging", "latency", live.created_at, None, "", None, "not_back"))
    assert may_be_drilled(ledger, book, "staging", live, "")[1] == "errors"
    assert may_be_drilled(ledger, book, "staging", live, "kill")[1] == "kill"


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ended_is_read_from_the_release(ledger: Ledger, end: str) -> None:
    """Noticed and put back is good; put back for another reason, or not at all, is not."""
    states, breach, not_seen, outcome = ENDS[end]
    release = released(ledger, procedure="drill", parameters={"drill": "errors"})
    advanced(ledger, release, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING)
    with at_work(release.id) as work:
        assert keep_drill(work) is None, "nothing was broken yet"
        work.write_down("drill", {"by": "errors", "broken_at": release.created_at.isoformat()})
        advanced(ledger, release, S.WATCHING)
        if not_seen:
            error = unnoticed(work, 60.0)
            assert "within 60 s" in error.what and "error_ratio" in error.next
        advanced(ledger, release, *states)
        if breach:
            work.write_down("breach", breach)
        work.refresh()
        found = keep_drill(work)
        told = ended(work)
    assert found is not None
    assert (found.outcome, found.broken_by) == (outcome, "errors")
    assert (found.noticed_at is not None) == (end in ("noticed", "frozen"))
    assert (found.back_at is not None) == (end != "frozen")
    assert ledger.drills.of_release(release.id) == found
    assert told.startswith("shop/staging waits for a person" if end == "frozen" else f"Drill of shop/staging: {found}")
