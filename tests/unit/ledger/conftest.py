"""What the ledger's tests share: releases to work on, leases to take, and time that passes on both databases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from runwright.ledger import Lease, Ledger, Release
from runwright.ledger.states import FORWARD, ReleaseState
from runwright.versions import Artifact, Version

Open = Callable[..., Release]
Take = Callable[..., Lease]


def version_of(ref: str, **others: Any) -> Version:
    """A version that could be deployed: its commit follows from ``ref``."""
    commit = f"{sum(map(ord, ref)):040x}"
    image = f"sha256:{commit}"
    return Version("shop", "production", ref, commit, (Artifact("web", image, image),), ("a1",), **others)


@pytest.fixture
def opened(ledger: Ledger) -> Open:
    """``opened("v1")`` opens a release; ``to=`` brings it that far on the way forward, with its version recorded."""
    numbers = count(1)

    def work(ref: str = "v1", *, to: ReleaseState = ReleaseState.PREPARING, **others: Any) -> Release:
        values: dict[str, Any] = {"procedure": "deploy", "run_id": f"run-{next(numbers)}", "deployer": "ada"}
        values |= {"system": "shop", "environment": "production", "runbook": {"system": "shop"}, "parameters": {}}
        values |= others
        release = ledger.releases.open(values.pop("system"), values.pop("environment"), ref, **values)
        ledger.releases.record(release.id, version=version_of(ref))
        for state in FORWARD[1 : FORWARD.index(to) + 1]:
            ledger.releases.advance(release.id, state, f"it came to {state}")
        return ledger.releases.get(release.id)

    return work


@pytest.fixture
def take(ledger: Ledger) -> Take:
    """``take("run-1")`` takes the lease of shop/production for that run."""

    def work(run_id: str = "run-1", environment: str = "production", **others: Any) -> Lease:
        values: dict[str, Any] = {"holder": f"worker of {run_id}", "procedure": "deploy", "release_id": None} | others
        return ledger.leases.take("shop", environment, run_id=run_id, **values)

    return work
