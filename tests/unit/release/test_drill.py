"""How a drill begins, and what is kept of how it ended."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect import Task

from flows.deploy import deploy
from flows.drill import drill
from runwright.engine.actions import WriteFile
from runwright.errors import ActionError, InputError, RefusedError, VerificationError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState as S
from runwright.platforms.host import Host
from runwright.platforms.shape import Observed, ServiceFact
from runwright.policy.drills import Drill
from runwright.policy.watch import Conclusion
from runwright.release.begin import may_be_drilled
from runwright.release.check import asked
from runwright.release.drill import advice, keep_drill, noticed, unnoticed
from runwright.release.notify import ended
from runwright.release.pages import lines
from runwright.release.watch import PACED_BY, Watcher
from runwright.release.work import at_work
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from runwright.versions import Artifact, Version
from tasks.drill import came_back
from tasks.run import RUN
from tests.unit.release.conftest import Opener

BOOK = {
    "system": "shop",
    "source": {"repo": "/nowhere"},
    "components": {"web": {}},
    "environments": {
        "staging": {"tier": "development", "target": {"platform": "compose", "project": "s", "directory": "/s"}},
        "production": {"tier": "production", "target": {"platform": "compose", "project": "p", "directory": "/p"}},
    },
}
BACK = (S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK)
ENDS = {
    "noticed": (BACK, "came_back"),
    "not noticed": (BACK, "unnoticed"),
    "not clear": (BACK, "unclear"),
    "another error": (BACK, "interrupted"),
    "died": ((S.ROLLING_BACK, S.ROLLED_BACK), "interrupted"),
    "frozen": ((S.FAILING, S.FROZEN), "not_back"),
}


def runbook(**more: Any) -> Runbook:
    return Runbook.model_validate({**BOOK, **more})


def released(ledger: Ledger, environment: str = "staging", **more: Any) -> Release:
    """A release of v1 that has just begun."""
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


def proven(ledger: Ledger, environment: str = "staging") -> Release:
    """A release of v1 that is live."""
    release = released(ledger, environment)
    advanced(ledger, release, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN)
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
    proven(ledger, "production")
    with pytest.raises(RefusedError, match="shop/production is production"):
        may_be_drilled(ledger, runbook(), "production", "kill")


def test_what_cannot_be_released_again_is_not_drilled(ledger: Ledger) -> None:
    """An empty environment, and one whose version was not released by us."""
    with pytest.raises(RefusedError, match="there is nothing to drill"):
        may_be_drilled(ledger, runbook(), "staging", "")
    version = Version("shop", "staging", "adopted", "", (Artifact("web", "w", "i" * 40),))
    ledger.releases.adopt("shop", "staging", version, runbook=to_json(runbook()), deployer="ada")
    with pytest.raises(RefusedError, match="was not released by Runwright"):
        may_be_drilled(ledger, runbook(), "staging", "")


def test_a_way_that_there_is_not_is_refused_with_those_that_there_are(ledger: Ledger) -> None:
    """A drill that breaks nothing would always pass."""
    proven(ledger)
    with pytest.raises(InputError) as caught:
        may_be_drilled(ledger, runbook(), "staging", "fire")
    assert caught.value.next == "There are kill, errors, latency."


def test_without_a_wish_the_runbooks_ways_take_turns(ledger: Ledger) -> None:
    """The way that was not tried for longest; what is asked for goes before that."""
    live, book = proven(ledger), runbook(drill={"by": ["latency", "errors"]})
    assert may_be_drilled(ledger, book, "staging", "") == (live, "latency")
    ledger.drills.keep(Drill(live.id, "shop", "staging", "latency", live.created_at, None, "", None, "not_back"))
    assert may_be_drilled(ledger, book, "staging", "")[1] == "errors"
    assert may_be_drilled(ledger, book, "staging", "kill")[1] == "kill"


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ended_is_read_from_the_release(ledger: Ledger, tmp_path: Path, end: str) -> None:
    """Noticed by the watch and put back is good; put back for another reason, or not at all, is not."""
    states, outcome = ENDS[end]
    release = released(ledger, procedure="drill", parameters={"drill": "errors"})
    advanced(ledger, release, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING)
    with at_work(release.id, RUN) as work:
        assert keep_drill(work) is None, "nothing was broken yet"
        work.write_down("drill", {"by": "errors", "broken_at": release.created_at.isoformat()})
        work.do(WriteFile(says="break it", key="drill/spoil", path=tmp_path / "broken", content=b""))
        advanced(ledger, release, S.WATCHING)
        work.refresh()
        if end in ("noticed", "frozen"):
            noticed(work, "rule down is breached")
        if end == "not noticed":
            error = unnoticed(work, Conclusion("proven", "all is well"), 60.0)
            assert "within 60 s" in error.what
        if end == "not clear":
            assert "rule errors is blind" in unnoticed(work, Conclusion("freeze", "rule errors is blind"), 60.0).what
        work.write_down("breach", "whatever went wrong")
        advanced(ledger, release, *states[:-1])
        work.refresh()
        assert keep_drill(work) is None, "it has not ended: the way back may still succeed"
        advanced(ledger, release, states[-1])
        work.refresh()
        found = keep_drill(work)
        told = ended(work)
    assert found is not None
    assert (found.outcome, found.broken_by) == (outcome, "errors")
    assert (found.noticed_at is not None) == (end in ("noticed", "frozen"))
    assert (found.back_at is not None) == (end != "frozen")
    assert ledger.drills.of_release(release.id) == found
    assert ("error_ratio" in advice(found)) == (end == "not noticed")
    assert bool(advice(found)) == (end in ("not noticed", "not clear"))
    assert told.startswith("shop/staging waits for a person" if end == "frozen" else f"shop/staging: {found}")


def test_a_drill_says_nothing_about_its_version(ledger: Ledger) -> None:
    """Taken back, it puts the version into no quarantine; nor does it take one out of it."""
    drill = released(ledger, procedure="drill", run_id="run-2")
    advanced(ledger, drill, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING, S.WATCHING, *BACK)
    assert ledger.releases.quarantined("shop", "staging", "c" * 40) is None
    bad = released(ledger, run_id="run-3")
    advanced(ledger, bad, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING, S.WATCHING, *BACK)
    again = released(ledger, procedure="drill", run_id="run-4")
    advanced(ledger, again, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING, S.WATCHING, *BACK)
    found = ledger.releases.quarantined("shop", "staging", "c" * 40)
    assert found is not None and found.id == bad.id


def test_a_round_that_took_minutes_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow answers make the pace slower, for as long as they are slow; a process that was stopped does not."""
    watcher = Watcher.__new__(Watcher)
    watcher.every, watcher.rounds = 2.0, deque(maxlen=PACED_BY)
    clock = iter([0.0, 2.0, 19.0, 400.0, 402.0])
    monkeypatch.setattr("runwright.release.watch.time.monotonic", lambda: next(clock))
    assert [watcher._paced() for _ in range(5)] == [2.0, 2.0, 17.0, 17.0, 17.0]


def test_the_way_back_never_leads_to_what_the_release_itself_started(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a drill releases is of the same commit as what it goes back to; both run, and the first slot is the drill's."""
    work = opened()
    work.write_down("slot", "blue")
    both = tuple(ServiceFact("web", f"web-{s}", "b" * 40, True, slot=s, commit="a" * 40) for s in ("blue", "green"))
    monkeypatch.setattr(Host, "_observe", lambda _: Observed(both))
    assert work.cutover.home(work.do, work.version, "blue") == "green"
    work.write_down("slot", "green")
    assert work.cutover.home(work.do, work.version, "green") == "blue"


def test_what_could_not_be_broken_is_no_drill(ledger: Ledger, tmp_path: Path) -> None:
    """It failed and was put back: that says nothing about the watch."""
    release = released(ledger, procedure="drill", parameters={"drill": "errors"})
    advanced(ledger, release, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING)
    with at_work(release.id, RUN) as work:
        work.write_down("drill", {"by": "errors", "broken_at": release.created_at.isoformat()})
        with pytest.raises(ActionError):
            work.do(WriteFile(says="break it", key="drill/spoil", path=Path("/proc/nothing"), content=b""))
        advanced(ledger, release, *BACK)
        work.refresh()
        assert keep_drill(work) is None
    assert ledger.drills.of_release(release.id) is None


def test_a_drill_that_is_not_put_back_yet_says_so(ledger: Ledger) -> None:
    """The rollback that follows tries again: that it ended before anything was broken would be a lie."""
    release = released(ledger, procedure="drill", parameters={"drill": "errors"})
    advanced(ledger, release, S.PLANNED, S.APPROVED, S.STAGING, S.SWITCHING, S.VERIFYING, S.WATCHING, *BACK[:2])
    with pytest.raises(VerificationError, match="it is not put back yet") as caught, at_work(release.id, RUN) as work:
        came_back.fn.__wrapped__(work)
    assert release.id in caught.value.next
    advanced(ledger, release, S.ROLLED_BACK)
    with (
        pytest.raises(VerificationError, match="it ended before anything was broken"),
        at_work(release.id, RUN) as work,
    ):
        came_back.fn.__wrapped__(work)


def test_nobody_is_said_to_have_attested_a_drill(opened: Opener) -> None:
    """The checklist's page says that nothing was asked, as the gate did."""
    gates = [{"id": "go", "attest": "GO_NO_GO.md says GO"}]
    work = opened(gates=gates)
    work.release = replace(work.release, procedure="drill")
    work.write_down("checklist", [(r.id, r.state.value, r.reason) for r in asked(work).results])
    assert [(line.state, line.evidence) for line in lines(work)] == [("pass", "Not asked of a drill.")]
    assert work.ledger.records.approvals(work.id) == []


def test_a_drill_does_what_a_deploy_does_and_breaks_it_before_the_watch() -> None:
    """A step that a deploy gets, a drill gets too, in its place; or it would try another way than the one that is taken."""
    steps = {
        flow.name: [name for name in flow.fn.__code__.co_names if isinstance(flow.fn.__globals__.get(name), Task)]
        for flow in (deploy, drill)
    }
    expected = [step for step in steps["deploy"] if step != "publish"]  # what serves has its tags already
    expected.insert(expected.index("watch"), "break_it")
    assert steps["drill"] == [*expected, "came_back"]
