"""What really runs, in words: as it was released, or where it differs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deployments.cli.running import differences, what_runs
from runwright.ledger.states import ReleaseState as S
from runwright.platforms.shape import ServiceFact
from tests.unit.cli.conftest import Opened

OLD, NEW = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def fact(service: str, identity: str = NEW, *, running: bool = True, healthy: bool | None = True) -> ServiceFact:
    return ServiceFact(service, f"{service}-1", identity, running, healthy)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([fact("api"), fact("jobs", healthy=None), fact("other", OLD)], []),
        ([fact("api", OLD), fact("jobs")], [f"api runs {OLD[:19]}, and {NEW[:19]} was released"]),
        ([fact("api"), fact("api", OLD), fact("jobs")], [f"api runs {OLD[:19]}, and {NEW[:19]} was released"]),
        ([fact("api", running=False), fact("jobs", healthy=False)], ["api does not run", "jobs is unhealthy"]),
        ([fact("jobs")], ["api does not run"]),
    ],
)
def test_each_service_that_differs_is_named(facts: list[ServiceFact], expected: list[str]) -> None:
    """By what it runs, if it runs; others of the same project are nobody's business."""
    assert differences(facts, {"api": NEW, "jobs": NEW}) == expected


def test_a_release_that_is_only_prepared_hides_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it could run yet: it is no explanation for what does not run."""
    live, preparing = opened("v1", to=S.PROVEN), opened("v2")
    monkeypatch.setattr("deployments.cli.running._look", lambda _: ([fact("web", OLD, running=False)], ""))
    monkeypatch.setattr("deployments.cli.running._site", lambda release: release)
    released = {live.id: {"web": OLD}, preparing.id: {}}
    monkeypatch.setattr(
        "runwright.release.drivers.platform", lambda release: SimpleNamespace(expected=lambda _: released[release.id])
    )
    found = what_runs(live, [preparing])
    assert (found["release"], found["seen"], found["text"]) == (None, True, "web does not run")
    released[live.id] = {}
    assert "not known in enough detail" in what_runs(live, [preparing])["text"]


def test_a_router_that_does_not_run_is_told_beside_what_does(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version runs, and no user reaches it."""
    live = opened("v1", to=S.PROVEN)
    monkeypatch.setattr("deployments.cli.running._look", lambda _: ([fact("web", OLD)], "The router does not run."))
    monkeypatch.setattr("deployments.cli.running._wanted", lambda _: {live.id: {"web": OLD}})
    assert what_runs(live)["text"] == "The router does not run. v1: web"


def test_what_cannot_be_looked_at_is_told_and_stops_nothing(opened: Opened) -> None:
    """The runbook of an old release may not be understood any more: the rest of the status is shown all the same."""
    found = what_runs(opened(to=S.PROVEN))
    assert (found["release"], found["seen"]) == (None, False)
    assert found["text"].startswith("could not be looked at: ")
