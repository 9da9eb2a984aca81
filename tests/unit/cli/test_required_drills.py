"""How often an environment has to be drilled, as `status` finds it without reading runbooks that ask for no drill."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.cli.places import Place
from deployments.cli.required_drills import RequiredDrills
from runwright.ledger.states import ReleaseState
from runwright.runbook import loader
from runwright.runbook.snapshot import to_json
from tests.unit.cli.conftest import Opened

DAY = 86400.0
DRILLED = "drill: {every: 30d}\n"


def every(environment: str = "development", **others: object) -> float | None:
    return RequiredDrills().every(Place("shop", environment), others.get("live"))  # type: ignore[arg-type]


def test_the_runbook_as_it_is_now_says_so(shop: Path) -> None:
    """Never of production, and of no system that has none."""
    assert every() is None
    shop.write_text(shop.read_text() + DRILLED)
    assert every() == 30 * DAY
    assert every("production") is None
    assert RequiredDrills().every(Place("bank", "development"), None) is None


def test_a_runbook_that_asks_for_no_drill_is_not_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of them would take minutes; one that asks is read once for all its environments."""
    read: list[Path] = []
    load = loader.load
    monkeypatch.setattr(loader, "load", lambda path: read.append(path) or load(path))
    assert every() is None and read == []
    shop.write_text(shop.read_text() + DRILLED)
    required = RequiredDrills()
    assert [required.every(Place("shop", name), None) for name in ("development", "later")] == [30 * DAY, 30 * DAY]
    assert read == [shop]


@pytest.mark.parametrize("gone", [True, False])
def test_where_it_cannot_be_read_the_last_release_says_so(shop: Path, opened: Opened, gone: bool) -> None:
    """The runbook is on another machine, or somebody is changing it."""
    shop.write_text(shop.read_text() + DRILLED)
    kept = to_json(loader.load(shop).runbook)
    live = opened("v1", to=ReleaseState.PROVEN, environment="development", runbook=kept)
    if gone:
        shop.unlink()
    else:
        shop.write_text(shop.read_text() + "no-such-key: 1\n")
    assert every(live=live) == 30 * DAY
