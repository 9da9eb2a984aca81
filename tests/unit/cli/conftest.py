"""What the command line's tests share: a ledger with releases, a runbook, and a way to call commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployments.cli.main import app
from runwright.ledger import Ledger, Release, open_ledger
from runwright.ledger.states import FORWARD, ReleaseState
from runwright.versions import Artifact, Version
from tests.fixtures.surroundings import FakeClock

Call = Callable[..., Result]
Opened = Callable[..., Release]

SHOP = """\
system: shop
source: {repo: shop}
components: {web: {}}
environments:
  development:
    tier: development
    target: {platform: compose, project: shop, directory: /opt/shop}
    urls: {web: "http://localhost:8000"}
  production:
    tier: production
    target: {platform: compose, project: shop, directory: /opt/shop}
    urls: {web: "https://shop.example.com"}
  later:
    tier: staging
    target: {platform: ecs}
    urls: {web: "https://later.example.com"}
gates:
  - {id: go-no-go, attest: GO_NO_GO.md says GO, environments: [production]}
  - {id: team, attest: The team knows, environments: [production]}
verify:
  health:
    - {id: ready, get: "${url.web}/readyz"}
"""


@pytest.fixture
def call() -> Call:
    """``call("status", "--json")`` runs a command and returns its exit code and its two streams."""
    runner = CliRunner()

    def work(*words: str) -> Result:
        return runner.invoke(app, list(words))

    return work


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shipped runbooks: reading all five for each of some hundred commands takes minutes."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr("runwright.runbook.finding.SHIPPED", folder)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runbook of the system ``shop``, found beside the shipped ones."""
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", str(folder))
    return folder / "shop.yaml"


@pytest.fixture
def ledger(runwright_home: Path, clock: FakeClock) -> Iterator[Ledger]:
    """The ledger that commands find, empty; it goes by ``clock``."""
    with open_ledger(clock=clock) as opened:
        yield opened


def version_of(ref: str, **others: Any) -> Version:
    """A version that could be deployed."""
    identity = f"sha256:{sum(map(ord, ref)):064x}"
    return Version(
        "shop", "production", ref, f"{sum(map(ord, ref)):040x}", (Artifact("web", identity, identity),), **others
    )


@pytest.fixture
def opened(ledger: Ledger, clock: FakeClock) -> Opened:
    """``opened("v1", to=...)`` opens a release of shop/production and brings it to a state, ten seconds a step."""
    numbers = count(1)

    def work(ref: str = "v1", *, to: ReleaseState = ReleaseState.PREPARING, **others: Any) -> Release:
        recorded = {k: others.pop(k) for k in ("level", "previous_id", "schema_before", "schema_after") if k in others}
        values: dict[str, Any] = {"procedure": "deploy", "run_id": f"run-{next(numbers)}", "deployer": "ada"}
        values |= {"runbook": {"system": "shop"}, "parameters": {}, **others}
        release = ledger.releases.open("shop", values.pop("environment", "production"), ref, **values)
        ledger.releases.record(release.id, version=version_of(ref), **recorded)
        for state in path_to(to):
            clock.advance(10)
            ledger.releases.advance(release.id, state, f"it came to {state}")
        return ledger.releases.get(release.id)

    return work


def path_to(state: ReleaseState) -> tuple[ReleaseState, ...]:
    """The states between ``preparing`` and ``state``."""
    S = ReleaseState
    if state in FORWARD:
        return FORWARD[1 : FORWARD.index(state) + 1]
    before = FORWARD[1 : FORWARD.index(S.WATCHING) + 1]
    ways = {
        S.FAILING: (*before, S.FAILING),
        S.FROZEN: (*before, S.FROZEN),
        S.ROLLING_BACK: (*before, S.FAILING, S.ROLLING_BACK),
        S.ROLLED_BACK: (*before, S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK),
        S.ABANDONED: (S.ABANDONED,),
    }
    return ways[state]
