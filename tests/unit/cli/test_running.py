"""What really runs, in words: as it was released, or where it differs."""

from __future__ import annotations

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


def test_what_cannot_be_looked_at_is_told_and_stops_nothing(opened: Opened) -> None:
    """The runbook of an old release may not be understood any more: the rest of the status is shown all the same."""
    found = what_runs(opened(to=S.PROVEN))
    assert (found["release"], found["seen"]) == (None, False)
    assert found["text"].startswith("could not be looked at: ")
