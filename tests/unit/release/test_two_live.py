"""Two versions live on one schema only if what happens to it only adds, or a person says so by name."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import ActionError, RefusedError
from runwright.policy.levels import Level
from runwright.release import two_live
from runwright.release.work import Work
from tests.unit.release.conftest import Opener
from tests.unit.release.test_migrate import planned

RECREATE: dict[str, Any] = {
    "target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"},
    "router": None,
    "database": {"kind": "sqlite", "path": "data.db"},
}


def release(opened: Opener, level: Level, **how: Any) -> tuple[Work, Any]:
    """Return a release with a way back and a migration of ``level``."""
    work = opened(migrate={"tool": "alembic"}, **{"local": {"database": {"kind": "sqlite", "path": "data.db"}}, **how})
    old = work.ledger.releases.adopt("shop", "local", work.version, runbook=work.release.runbook, deployer="a")
    work.ledger.releases.record(work.id, previous_id=old.id)
    work.refresh()
    return work, planned(work, level)


def test_what_only_adds_runs_beside_what_serves(opened: Opener) -> None:
    """Nobody is asked, and nothing is stopped."""
    work, plan = release(opened, Level.L1)
    assert two_live.require(work, plan) == [] and not two_live.goes_dark(work, plan)


def test_anything_else_is_refused_with_the_ways_out(opened: Opener) -> None:
    """Split it, say that both can live with it, or say that users may be without service: each with its command."""
    work, plan = release(opened, Level.L3)
    with pytest.raises(RefusedError, match="its migrations do more than add") as caught:
        two_live.require(work, plan)
    assert "Split it" in caught.value.next
    for statement in ("both-versions", "downtime"):
        assert f"`runwright deploy shop/local v1 --attest {statement}=NAME`" in caught.value.next


@pytest.mark.parametrize(
    ("statement", "dark", "level"), [("downtime", True, Level.L3), ("both-versions", False, Level.L1)]
)
def test_a_person_decides_by_name(opened: Opener, statement: str, dark: bool, level: Level) -> None:
    """Who takes the downtime has what serves stopped first; who says that both live with it has a way back that is free."""
    work, plan = release(opened, Level.L3, parameters={"attestations": {statement: "Ada"}})
    (said,) = two_live.require(work, plan)
    assert said.startswith("Stated by name") and two_live.goes_dark(work, plan) is dark
    assert two_live.level(work, Level.L3) is level
    assert [a.name for a in work.ledger.records.approvals(work.id, statement)] == ["Ada"]


def test_what_is_replaced_in_place_is_stopped_without_asking(opened: Opener) -> None:
    """It is dark anyway while it is replaced; the plan says since when."""
    work, plan = release(opened, Level.L3, local=RECREATE)
    assert two_live.require(work, plan) == [] and two_live.goes_dark(work, plan)


@pytest.mark.parametrize(
    ("changed", "refused"),
    [(["VERSION", "app.py"], False), (["VERSION", "migrations/002.sql"], True), (None, True)],
)
def test_a_service_that_runs_once_before_the_others_may_migrate(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, changed: list[str] | None, refused: bool
) -> None:
    """No release runs it as a side effect, so where what it may do changed, or nobody knows, a person decides."""
    work, _ = release(opened, Level.L1)

    def differ(*_: object) -> list[str]:
        if changed is None:
            raise ActionError("git knows no such commit")
        return changed

    monkeypatch.setattr(two_live.source, "changed_between", differ)
    work.version.extra["run_once"] = ["migrate"]
    if not refused:
        assert two_live.require(work, None) == []
        return
    with pytest.raises(RefusedError, match="migrate runs once before the others, may migrate"):
        two_live.require(work, None)
