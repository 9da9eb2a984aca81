"""`status`: what is live, what is unfinished and what to do about it, as the ledger knows it; of one place: what runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deployments.cli.options import Json, OptionalPlaceArgument, Plain
from deployments.cli.output import Output
from deployments.cli.required_drills import RequiredDrills

if TYPE_CHECKING:
    from deployments.cli.places import Place
    from deployments.cli.standing import Standing, Unfinished
    from runwright.ledger import Lease, Release

_FEW = 20
"""Of so many environments at most it is looked whether the way back is still there: the container engine is asked each time."""


def status(place: OptionalPlaceArgument = None, as_json: Json = False, plain: Plain = False) -> None:
    """Show what is live and what is going on.

    What is frozen and what to do about it, who holds the environment, the last backup, and the way back. Of one
    SYSTEM/ENVIRONMENT also what really runs, where this machine can see it.
    """
    from deployments.cli.ledgers import address, ledger_if_any
    from deployments.cli.places import known
    from deployments.cli.standing import Standing, standings
    from runwright.home import no_room

    out = Output(as_json=as_json, as_plain=plain)
    with ledger_if_any() as ledger:
        where = known(place, ledger) if place is not None else None
        stand = standings(ledger, where) if ledger is not None else {where: Standing()} if where is not None else {}
    now = datetime.now(UTC)
    drills = RequiredDrills()
    few = len(stand) <= _FEW
    found = [_as_data(one, standing, drills, now, look=where is not None, few=few) for one, standing in stand.items()]
    if out.as_json:
        out.document({"ledger": address(), "environments": found})
        return
    if not found:
        out.line(f"Nothing was released yet: the ledger {address()} holds no release.")
        out.line("`runwright deploy SYSTEM/ENVIRONMENT VERSION` releases; `runwright check` lists the runbooks.")
    for number, one in enumerate(found):
        if number:
            out.line()
        _print(out, one, now)
    if full := no_room():
        out.warn(f"{full} Make room there: what is unfinished holds until then.")


def _as_data(
    place: Place, standing: Standing, required: RequiredDrills, now: datetime, *, look: bool, few: bool
) -> dict[str, Any]:
    """Return the status of one environment as JSON values; with ``look``: also of what runs there."""
    from deployments.cli.running import what_runs

    live, lease, backup = standing.live, standing.lease, standing.backup
    others = [unfinished.release for unfinished in standing.unfinished]
    return {
        "place": str(place),
        "live": None if live is None else _live(live, standing.way_back, few=few),
        "meanwhile": list(standing.meanwhile),
        "runs": what_runs(live, others) if look and live is not None else None,
        "unfinished": [_unfinished(unfinished, lease) for unfinished in standing.unfinished],
        "held_by": None
        if lease is None
        else {
            "holder": lease.holder,
            "procedure": lease.procedure,
            "release": lease.release_id,
            "run": lease.run_id,
            "since": lease.taken_at,
            "until": lease.expires_at,
        },
        "drill": _drill_as_data(standing, required.every(place, live), now),
        "last_backup": None
        if backup is None
        else {
            "at": backup.created_at,
            "age_seconds": max(0.0, (now - backup.created_at).total_seconds()),
            "location": backup.location,
            "bytes": backup.bytes,
            "proven": backup.proven_at is not None or backup.proof is not None,
        },
    }


def _drill_as_data(standing: Standing, every: float | None, now: datetime) -> dict[str, Any] | None:
    """Return how the newest drill ended, and whether the next one is overdue; None where none is asked for or was done."""
    from deployments.cli.history import drill_as_data
    from runwright.policy.drills import due

    newest = standing.drills
    if every is None and not newest:
        return None
    found = None if every is None else due(newest, every, now)
    return {
        "newest": drill_as_data(newest[0]) if newest else None,
        "overdue": found is not None and found.overdue,
        "due": found.since if found is not None else None,
    }


def _live(live: Release, way: Release | None, *, few: bool) -> dict[str, Any]:
    from deployments.cli.candidates import kept

    return {
        "release": live.id,
        "version": live.ref,
        "whole": live.whole,
        "left_out": live.version.left_out if live.version else {},
        "commit": live.commit,
        "since": live.changed_at,
        "adopted": live.adopted,
        "by": live.deployer,
        "way_back": None
        if way is None or way.version is None
        else {
            "release": way.id,
            "version": way.ref,
            "kept": kept(way) if few else "not looked at",
            "level": live.level,
        },
    }


def _unfinished(unfinished: Unfinished, lease: Lease | None) -> dict[str, Any]:
    from deployments.cli.following import watch_progress

    release = unfinished.release
    return {
        "release": release.id,
        "version": release.ref,
        "procedure": release.procedure,
        "state": release.state,
        "because": release.because,
        "since": release.changed_at,
        "by": release.deployer,
        "run": unfinished.run,
        "watch": watch_progress(unfinished.watch),
        "next": _next_of(unfinished, lease),
    }


def _next_of(unfinished: Unfinished, lease: Lease | None) -> str:
    """Return what can be done about a release that has not ended."""
    from deployments.cli.closing import frozen_next
    from runwright.ledger.states import ReleaseState

    release = unfinished.release
    if release.state is ReleaseState.FROZEN:
        return frozen_next(release, unfinished.decision)
    if lease is not None and lease.release_id == release.id:
        return f"It is being worked on: `runwright follow {release.id}`."
    follow = f"`runwright follow {release.id}` shows whether its run goes on."
    if not release.deploys:
        return follow
    place = f"{release.system}/{release.environment}"
    again = f"{follow} If nobody works on it: `runwright rollback {place} --release {release.id} --yes`."
    if release.state in (ReleaseState.FAILING, ReleaseState.ROLLING_BACK):
        again += f" If that fails too: put it right by hand, then `runwright abandon {release.id} --why TEXT`."
    return again


def _print(out: Output, one: dict[str, Any], now: datetime) -> None:
    from deployments.cli.following import watch_words
    from deployments.cli.wording import ago, moment

    out.line(one["place"], style="title")
    pairs: list[tuple[str, object]] = []
    live, held, backup = one["live"], one["held_by"], one["last_backup"]
    if live is None:
        pairs.append(("  live", "nothing that the ledger knows of"))
    else:
        adopted = ", adopted" if live["adopted"] else ""
        pairs.append(("  live", f"{live['whole']} since {moment(live['since'])} ({live['release']}{adopted})"))
        if one["runs"] is not None:
            pairs.append(("  runs", one["runs"]["text"]))
        for died in one["meanwhile"]:
            pairs.append(("  meanwhile", f"{ago(datetime.fromisoformat(died['at']), now)}: {died['text']}"))
        pairs.append(("  way back", _way_back(live["way_back"])))
    for unfinished in one["unfinished"]:
        words = (
            f"{unfinished['version']} is {unfinished['state']} for {ago(unfinished['since'], now).removesuffix(' ago')}"
        )
        pairs.append(("  unfinished", f"{words} ({unfinished['release']})\n{unfinished['because']}"))
        if unfinished["watch"] and str(unfinished["state"]) == "watching":
            pairs.append(("  watch", watch_words(unfinished["watch"])))
        pairs.append(("  next", unfinished["next"]))
    if held is not None:
        pairs.append(("  held by", f"{held['holder']} since {moment(held['since'])} ({held['procedure']})"))
    if one["drill"] is not None:
        pairs.append(("  drill", _drill(one["drill"], one["place"], now)))
    if backup is None:
        pairs.append(("  last backup", "none that the ledger knows of"))
    else:
        proven = "proven" if backup["proven"] else "not proven"
        pairs.append(("  last backup", f"{ago(backup['at'], now)}, {proven}: {backup['location']}"))
    out.pairs(pairs)


def _drill(drill: dict[str, Any], place: str, now: datetime) -> str:
    from deployments.cli.wording import ago

    newest = drill["newest"]
    last = f"{ago(newest['broken_at'], now)}: {newest['text']}" if newest else "never"
    return f"{last}; overdue: `runwright drill {place}`" if drill["overdue"] else last


def _way_back(way: dict[str, Any] | None) -> str:
    if way is None:
        return "none: nothing was proven before it"
    kept = {"yes": "ready", "no": "its artifacts are gone", "not looked at": "known"}[way["kept"]]
    costs = way["level"] in ("L3", "L4")
    level = f", level {way['level']}: a person decides, `runwright rollback` says about what" if costs else ""
    return f"{way['version']} ({way['release']}): {kept}{level}"
