"""What the deployment log and the way back show of a release."""

from __future__ import annotations

import pytest

from runwright.policy.rollback import Cause, Decision, Serving, Situation, Way
from runwright.probes.shape import ProbeResult
from runwright.release import pages as page
from runwright.release.verify import keep
from tests.unit.release.conftest import Opener, token


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What would be shown in the UI, by kind."""
    found: dict[str, str] = {}
    monkeypatch.setattr(page, "show", lambda _work, kind, markdown, _description: found.update({kind: markdown}))
    return found


def test_only_who_told_the_team_is_said_to_have_told_it(opened: Opener, pages: dict[str, str]) -> None:
    """A name under a checklist is no notification; what else was stated is in the notes."""
    work = opened()
    for gate, text in (("list", "RELEASE.md is completed"), ("team", "The team knows of the window")):
        work.ledger.records.add_approval(work.id, gate, name="Ada", text=text)
    page.show_log(work)
    assert "- [x] Team notified: Ada: The team knows of the window\n" in pages["log"]
    assert "- Stated by Ada: RELEASE.md is completed" in pages["log"].replace("\\", "")


def test_a_team_that_nobody_spoke_of_was_not_notified(opened: Opener, pages: dict[str, str]) -> None:
    """No statement, no tick."""
    work = opened()
    work.ledger.records.add_approval(work.id, "list", name="Ada", text="It is done")
    page.show_log(work)
    assert "- [ ] Team notified" in pages["log"]


@pytest.mark.parametrize(
    ("probe", "line"),
    [
        ({"id": "live", "get": "http://localhost/livez"}, "not asked"),
        ({"id": "ready", "get": "http://localhost/health"}, "ready pass (answered 200)"),
        ({"id": "web", "get": "http://localhost/readyz"}, "web pass (answered 200)"),
    ],
)
def test_readiness_is_what_a_health_probe_of_it_found(
    opened: Opener, pages: dict[str, str], probe: dict[str, str], line: str
) -> None:
    """The template has a line for it; where no probe asks for it, it was not asked, however healthy everything is."""
    work = opened(verify={"health": [probe]})
    keep(work, [ProbeResult(probe["id"], "pass", "answered 200")])
    page.show_log(work)
    assert f"Readiness check: {line}\n" in pages["log"].replace("\\", "")


def test_the_code_is_called_updated_when_its_commit_was_found(opened: Opener, pages: dict[str, str]) -> None:
    """Not when the release was asked for, which may have waited for the repository."""
    work = opened()
    page.show_log(work)
    assert "Code updated: not done" in pages["log"]
    work.write_down("resolved_at", "2026-11-21T09:24:35+00:00")
    page.show_log(work)
    assert "Code updated: 2026-11-21 09:24:35" in pages["log"]


def test_the_way_back_shows_who_saw_what_failed_and_what_had_been_changed(
    opened: Opener, pages: dict[str, str]
) -> None:
    """What failed before a watch is no evidence of the watch; preparation is no change."""
    work = opened()
    journal = work.ledger.journal(work.id)
    journal.intend("prepare/fetch", "fetch the repository", None, repeatable=True, safe_point=False)
    journal.intend("deploy/up", "start web", token(work), repeatable=True, safe_point=False)
    now = Situation(Cause.FAILED, changed=True, serving=Serving.NEW, breach="web ended (exit code 1).", previous="v0")
    page.show_decision(work, now, Decision(Way.PUT_BACK, "web ended (exit code 1). v0 is the way back."))
    text = pages["rollback"].replace("<br>", " ").replace("\\", "")
    assert "| the run | it failed: web ended (exit code 1). |" in text
    assert "| the watch | it was not watched |" in text
    assert "1. start web: intended" in text
    assert "fetch the repository" not in text


def test_what_no_gate_of_the_runbook_asked_for_is_a_line_too(opened: Opener, pages: dict[str, str]) -> None:
    """It is found in any release, and stops it: who reads the checklist has to see why."""
    work = opened()
    work.write_down(
        "checklist", [("in use elsewhere", "fail", "It is another project's."), ("router", "warn", "Slow.")]
    )
    page.show_checklist(work)
    assert "It is another project" in pages["checklist"] and "Slow." in pages["checklist"]
