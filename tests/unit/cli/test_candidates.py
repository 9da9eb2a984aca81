"""What a system can be put back to, and what it means for the data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.cli.candidates import candidates, chosen, kept
from runwright.errors import InputError
from runwright.ledger import Ledger, Release
from runwright.ledger.states import ReleaseState as S
from runwright.ledger.way_back import level_between, to_take_back
from runwright.policy.levels import Level
from runwright.versions import Artifact, Version
from tests.unit.cli.conftest import Call, Opened, version_of


def test_only_what_was_proven_before_is_a_way_back(ledger: Ledger, opened: Opened) -> None:
    """Newest first; what failed or was abandoned is none, and neither is what came later."""
    first = opened("v1", to=S.PROVEN, level="L0")
    opened("v2", to=S.ROLLED_BACK, level="L0")
    opened("v3", to=S.ABANDONED)
    second = opened("v4", to=S.PROVEN, level="L0", previous_id=first.id)
    taken = opened("v5", to=S.PROVEN, level="L0", previous_id=second.id)
    later = opened("v6", to=S.PROVEN, level="L0", previous_id=taken.id)
    found = candidates(ledger, taken)
    assert [c.release.id for c in found] == [second.id, first.id]
    assert [c.usual for c in found] == [True, False]
    assert later.id not in {c.release.id for c in found}


def test_the_level_is_the_worst_of_all_that_lies_between(ledger: Ledger, opened: Opened) -> None:
    """Going two releases back undoes the migrations of both."""
    opened("v1", to=S.PROVEN, level="L0")
    opened("v2", to=S.PROVEN, level="L3")
    opened("v3", to=S.PROVEN, level="L0")
    taken = opened("v4", to=S.PROVEN, level="L1")
    levels = {c.release.ref: (c.level, c.between) for c in candidates(ledger, taken)}
    assert levels == {"v3": (Level.L1, 1), "v2": (Level.L1, 2), "v1": (Level.L3, 3)}


def test_a_schema_that_stayed_after_a_rollback_lies_between_too(ledger: Ledger, opened: Opened) -> None:
    """A release that was taken back may have left its additions."""
    opened("v1", to=S.PROVEN, level="L0")
    opened("v2", to=S.ROLLED_BACK, level="L1", schema_before=["a"], schema_after=["b"])
    taken = opened("v3", to=S.PROVEN, level="L0")
    assert [c.level for c in candidates(ledger, taken)] == [Level.L1]


@pytest.mark.parametrize(("level", "expected"), [(None, Level.L3), ("L9", Level.L3), ("L2", Level.L2)])
def test_a_level_that_nobody_knows_counts_as_l3(opened: Opened, level: str | None, expected: Level) -> None:
    """What is not known may lose data."""
    release = opened("v1", to=S.PROVEN, **({"level": level} if level else {}))
    assert level_between([release]) is expected


def test_the_release_that_is_taken_back_is_the_newest_that_may_have_changed_something(
    ledger: Ledger, opened: Opened
) -> None:
    """Not a plan, a backup, what was abandoned, or what was taken back already."""
    with pytest.raises(InputError):
        to_take_back(ledger, "shop", "production")
    ledger.releases.adopt("shop", "production", version_of("v0"), runbook={}, deployer="ada")
    with pytest.raises(InputError):
        to_take_back(ledger, "shop", "production")
    proven = opened("v1", to=S.PROVEN)
    opened("v2", to=S.ROLLED_BACK)
    opened("v3", to=S.ABANDONED)
    opened("backup", procedure="backup")
    opened("v4", procedure="plan")
    assert to_take_back(ledger, "shop", "production").id == proven.id


def test_what_was_not_proven_or_is_elsewhere_is_refused_as_a_way_back(ledger: Ledger, opened: Opened) -> None:
    """With the ones that there are."""
    first = opened("v1", to=S.PROVEN, level="L0")
    failed = opened("v2", to=S.ROLLED_BACK, level="L0")
    elsewhere = opened("v1", to=S.PROVEN, environment="staging")
    taken = opened("v3", to=S.WATCHING, level="L0")
    assert chosen(ledger, taken, first.id).release.id == first.id
    for other in (failed, elsewhere, taken):
        with pytest.raises(InputError) as found:
            chosen(ledger, taken, other.id)
        assert other is elsewhere or first.id in found.value.next


def with_artifact(ledger: Ledger, release: Release, reference: str) -> Release:
    """Return the release with one artifact of that reference."""
    version = Version("shop", "production", "v1", "0" * 40, (Artifact("web", reference, reference),))
    return ledger.releases.record(release.id, version=version)


def test_a_folder_that_is_gone_is_no_longer_kept(ledger: Ledger, opened: Opened, tmp_path: Path) -> None:
    """On the host platform an artifact is a folder of this machine."""
    release = with_artifact(ledger, opened("v1", to=S.PROVEN), str(tmp_path))
    assert kept(release) == "yes"
    assert kept(with_artifact(ledger, release, str(tmp_path / "gone"))) == "no"
    assert kept(with_artifact(ledger, release, "--help")) == "not looked at"


def test_rollback_shows_the_candidates_and_does_nothing(call: Call, opened: Opened, shop: Path) -> None:
    """It has not done what rollback says, and its exit code says so."""
    first = opened("v1", to=S.PROVEN, level="L0")
    second = opened("v2", to=S.PROVEN, level="L0", previous_id=first.id)
    found = call("rollback", "shop/production")
    assert found.exit_code == 2
    assert f"runwright rollback shop/production --release {second.id} --yes" in found.stdout
    assert Level.L0.meaning in found.stdout
    data = json.loads(call("rollback", "shop/production", "--json").stdout)
    assert [c["release"] for c in data["candidates"]] == [first.id]
    assert data["candidates"][0]["command"].endswith(f"--to {first.id}")


def test_taking_back_what_is_proven_needs_its_level_accepted_too(call: Call, opened: Opened, shop: Path) -> None:
    """Before a run is started; what is shown beforehand is the command that works, and `status` does not call it easy."""
    first = opened("v1", to=S.PROVEN, level="L0")
    second = opened("v2", to=S.PROVEN, level="L3", previous_id=first.id)
    found = call("rollback", "shop/production", "--yes")
    assert found.exit_code == 3
    assert "--accept-level L3" in found.stderr
    shown = call("rollback", "shop/production")
    assert f"--release {second.id} --yes --accept-level L3" in shown.stdout
    assert "no migration" in shown.stdout
    assert "level L3: a person decides" in call("status", "shop/production").stdout


@pytest.mark.parametrize(
    ("more", "code"), [((), 3), (("--yes",), 3), (("--accept-level", "L1"), 3), (("--accept-level", "L9"), 2)]
)
def test_a_way_back_that_may_lose_data_needs_its_level_accepted(
    call: Call, opened: Opened, shop: Path, more: tuple[str, ...], code: int
) -> None:
    """By its name, before anything is asked of Prefect; a plain yes is said too easily."""
    first = opened("v1", to=S.PROVEN, level="L0")
    opened("v2", to=S.PROVEN, level="L3", previous_id=first.id)
    found = call("rollback", "shop/production", "--to", first.id, *more)
    assert found.exit_code == code
    assert "L3" in found.stderr


def test_a_level_that_is_accepted_is_asked_of_prefect(
    call: Call, opened: Opened, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no server here: that it is missed says that the level no longer stands in the way."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    first = opened("v1", to=S.PROVEN, level="L0")
    opened("v2", to=S.PROVEN, level="L3", previous_id=first.id)
    found = call("rollback", "shop/production", "--to", first.id, "--accept-level", "L3")
    assert found.exit_code == 1
    assert "cannot be reached" in found.stderr


def test_a_release_of_another_environment_is_not_taken_back(call: Call, opened: Opened, shop: Path) -> None:
    """A slip in the id must not put production back."""
    opened("v1", to=S.PROVEN)
    other = opened("v1", to=S.PROVEN, environment="development")
    found = call("rollback", "shop/production", "--release", other.id, "--yes")
    assert found.exit_code == 2
    assert "shop/development" in found.stderr
