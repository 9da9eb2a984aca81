"""A release of some components: which ones, what the others stay, and when that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runwright.errors import InputError, RefusedError
from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from runwright.release import partial, two_live
from runwright.release.work import Work, with_version
from runwright.versions import Artifact, Version
from tests.unit.release.conftest import Opener

BOOK: dict[str, Any] = {"components": {"web": {}, "worker": {}, "api": {}}, "migrate": {"tool": "alembic"}}
LIVE = Version(
    "shop", "local", "v0", "c" * 40, tuple(Artifact(name, f"/{name}", f"old-{name}") for name in ("web", "worker"))
)


def pending(level: Level | None, *, versioned: bool = True) -> MigrationPlan:
    some = (Migration("b2", ("a1",), "", "b2.py", level, (), ()),) if level is not None else ()
    return MigrationPlan(("b2",) if versioned else (), ("a1",), some)


def release(opened: Opener, *released: str, live: Version | None = LIVE) -> Work:
    """Return a release of ``released`` after ``live``."""
    work = opened(parameters={"components": list(released)}, **BOOK)
    if live is not None:
        work.ledger.releases.adopt("shop", "local", live, runbook=work.release.runbook, deployer="a")
    return work


def mixture(opened: Opener, *released: str) -> Work:
    """Return a release whose version has what is left out as it was."""
    work = release(opened, *released)
    mine = [Artifact(name, f"/new-{name}", f"new-{name}") for name in released]
    left = [replace(a, ref="v0", commit="c" * 40) for a in LIVE.artifacts if a.component not in released]
    with_version(work, artifacts=(*mine, *left))
    return work


@pytest.mark.parametrize(
    ("given", "released"),
    [
        (None, []),
        ([], []),
        (["worker", "web"], ["web", "worker"]),
        ([" web "], ["web"]),
        (["api", "web", "worker"], []),
    ],
)
def test_what_is_released_is_named_as_in_the_runbook(
    opened: Opener, given: list[str] | None, released: list[str]
) -> None:
    """In its order; all of them are no choice."""
    assert partial.chosen(opened(**BOOK).runbook, given) == released


@pytest.mark.parametrize("given", [["wbe"], ["web", ""]])
def test_an_unknown_name_is_refused_with_those_that_there_are(opened: Opener, given: list[str]) -> None:
    """A slip must not release everything."""
    with pytest.raises(InputError, match="has no component") as caught:
        partial.chosen(opened(**BOOK).runbook, given)
    assert "web, worker, api" in caught.value.next


def test_what_is_left_out_stays_what_was_recorded_of_it(opened: Opener) -> None:
    """Also if that was left out before: it is still of the version that it was built of."""
    before = replace(LIVE, artifacts=(LIVE.artifacts[0], replace(LIVE.artifacts[1], ref="v-1", commit="d" * 40)))
    found = partial.left_out(release(opened, "api", live=before))
    assert {name: (a.identity, a.ref, a.commit[:1]) for name, a in found.items()} == {
        "web": ("old-web", "v0", "c"), "worker": ("old-worker", "v-1", "d"),
    }  # fmt: skip


def test_a_release_of_everything_leaves_nothing_out(opened: Opener) -> None:
    """Whatever serves."""
    assert partial.left_out(release(opened)) == {}


@pytest.mark.parametrize(
    ("live", "told"), [(None, "Nothing was released to shop/local yet"), (LIVE, "api was not part of v0")]
)
def test_what_was_never_released_cannot_stay(opened: Opener, live: Version | None, told: str) -> None:
    """A first release brings everything, and a new component is released before it can be left out."""
    work = release(opened, "web", live=live)
    with pytest.raises(RefusedError, match=told):
        partial.require_recorded(work.ledger, work.runbook, "local", ["web"])


def test_what_another_release_replaced_meanwhile_stops_this_one(opened: Opener) -> None:
    """It would bring back the old one by the way."""
    work = mixture(opened, "web")
    live = work.ledger.releases.live("shop", "local")
    partial.require_current(work, live)
    assert live is not None and live.version is not None
    now = replace(live.version, artifacts=(live.version.artifacts[0], Artifact("worker", "/x", "newer")))
    with pytest.raises(RefusedError, match="worker was released by another release"):
        partial.require_current(work, replace(live, version=now))


@pytest.mark.parametrize(
    ("files", "found", "told"),
    [
        (["migrations/0002.py"], pending(None), "migrations/0002.py changed since v0"),
        ([], pending(Level.L1), "b2 is pending"),
        (None, pending(None), "which migrations came since v0 .* is not known"),
        ([], pending(None), ""),
        ([], pending(Level.L3, versioned=False), ""),
    ],
)
def test_migrations_of_what_is_left_out_stop_the_release(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, files: list[str] | None, found: MigrationPlan, told: str
) -> None:
    """Its image does not have the new ones, and nobody else runs them; without any there is nothing to run."""
    work = mixture(opened, "worker")
    monkeypatch.setattr(two_live, "changed_since", lambda _work, _commits: files)
    if told:
        with pytest.raises(RefusedError, match=f"web, which is left out, moves the schema, and {told}"):
            partial.migrations(work, found)
    else:
        assert partial.migrations(work, found) == (found if found.versioned else None)


@pytest.mark.parametrize(
    ("level", "stated", "refused"),
    [(Level.L1, {}, False), (Level.L3, {}, True), (Level.L3, {"both-versions": "Ada"}, False)],
)
def test_what_is_left_out_lives_with_migrations_that_only_add(
    opened: Opener, level: Level, stated: dict[str, str], refused: bool
) -> None:
    """It is not replaced; with more than that it can live only if somebody says so by name."""
    work = mixture(opened, "web")
    work.release.parameters["attestations"] = stated
    if refused:
        with pytest.raises(RefusedError, match="worker, which is left out, would live with them"):
            partial.migrations(work, pending(level))
    else:
        assert partial.migrations(work, pending(level)) is not None


def test_plan_and_ledger_say_what_stays(opened: Opener) -> None:
    """By name and version; a release of everything says nothing of it."""
    work = mixture(opened, "web")
    assert partial.notes(work.version) == ["Only web is released: worker stays v0 (cccccccc), old-worker."]
    assert work.ledger.releases.get(work.id).whole == "v1, with worker of v0 (cccccccc)"
    assert partial.notes(LIVE) == []
