"""Where environments stand, as the ledger knows it: asked in a few questions, however many environments there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments.cli.places import Place
from runwright.ledger import Lease, Ledger, Release
from runwright.ledger.records import Backup
from runwright.ledger.states import ENDED, ReleaseState
from runwright.policy.drills import Drill
from runwright.policy.supervision import STARTED_AGAIN

UNFINISHED = frozenset(ReleaseState) - ENDED


@dataclass(frozen=True)
class Unfinished:
    """A release that has not ended: the run that worked on it last, how far its watch is, and what was decided about it."""

    release: Release
    run: str | None
    watch: Any = None
    decision: Any = None


@dataclass(frozen=True)
class Standing:
    """Where one environment stands. meanwhile: what died of ``live`` and was started again, newest last. drills: the newest one and the newest that came back, newest first."""

    live: Release | None = None
    meanwhile: tuple[dict[str, Any], ...] = ()
    way_back: Release | None = None
    unfinished: tuple[Unfinished, ...] = ()
    lease: Lease | None = None
    backup: Backup | None = None
    drills: tuple[Drill, ...] = ()


def standings(ledger: Ledger, place: Place | None = None) -> dict[Place, Standing]:
    """Return where ``place`` stands, or else every environment that has a release, sorted."""
    system, environment = (place.system, place.environment) if place else (None, None)
    places = [place] if place else [Place(*pair) for pair in ledger.releases.places()]
    live = ledger.releases.all_live(system, environment)
    ways = ledger.releases.several(release.previous_id for release in live.values() if release.previous_id)
    again = ledger.releases.facts_of((release.id for release in live.values()), STARTED_AGAIN)
    unfinished: dict[Place, list[Unfinished]] = {}
    open_ones = ledger.releases.find(system, environment, limit=None, states=UNFINISHED, without=("plan",))
    for one in _unfinished(ledger, open_ones):
        unfinished.setdefault(Place(one.release.system, one.release.environment), []).append(one)
    leases = {(lease.system, lease.environment): lease for lease in ledger.leases.held()}
    backups, drills = ledger.records.last_backups(system, environment), ledger.drills.newest(system, environment)
    found: dict[Place, Standing] = {}
    for spot in places:
        key = (spot.system, spot.environment)
        serves = live.get(key)
        found[spot] = Standing(
            live=serves,
            meanwhile=tuple(again.get(serves.id, {}).get("said", ())) if serves else (),
            way_back=ways.get(serves.previous_id or "") if serves else None,
            unfinished=tuple(unfinished.get(spot, ())),
            lease=leases.get(key),
            backup=backups.get(key),
            drills=tuple(drills.get(key, ())),
        )
    return found


def _unfinished(ledger: Ledger, releases: Sequence[Release]) -> list[Unfinished]:
    ids = [release.id for release in releases]
    runs, asked = ledger.releases.last_runs(ids), ledger.releases.facts_of
    watches, decisions = asked(ids, "watch"), asked(ids, "decision")
    return [Unfinished(r, runs.get(r.id), watches.get(r.id), decisions.get(r.id)) for r in releases]
