"""`history` and `show`: what was released, when, by whom, and what exactly was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.options import Json, OptionalPlaceArgument, Plain, ReleaseArgument
from deployments.cli.output import Output

if TYPE_CHECKING:
    from runwright.ledger import Ledger, Release
    from runwright.policy.drills import Drill

_MOST = 1000
NO_RELEASE = ("backup", "plan")
"""Procedures that open a release in the ledger and release nothing."""


def history(
    place: OptionalPlaceArgument = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="How many, at most.")] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="List what was no release too: runs that only took a backup, or only planned.")
    ] = False,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """List releases, the newest first.

    With version, state, why, how long it took, and who asked for it.
    """
    from deployments.cli.ledgers import address, ledger_if_any
    from deployments.cli.places import known

    out = Output(as_json=as_json, as_plain=plain)
    with ledger_if_any() as ledger:
        where = known(place, ledger) if place is not None else None
        found: list[Release] = []
        if ledger is not None:
            system, environment = (where.system, where.environment) if where else (None, None)
            without = () if everything else NO_RELEASE
            found = ledger.releases.find(system, environment, limit=limit, without=without)
    if out.as_json:
        out.document({"ledger": address(), "releases": [as_data(release) for release in found]})
        return
    if not found:
        out.line(f"The ledger {address()} holds no release{f' of {where}' if where else ''}.")
        return
    _print_list(out, found, everywhere=where is None)


def as_data(release: Release) -> dict[str, Any]:
    """Return what people ask about a release, as JSON values."""
    return {
        "release": release.id,
        "place": f"{release.system}/{release.environment}",
        "procedure": release.procedure,
        "version": release.ref,
        "components": release.parameters.get("components") or None,
        "left_out": release.version.left_out if release.version else {},
        "commit": release.commit,
        "state": release.state,
        "because": release.because,
        "level": release.level,
        "adopted": release.adopted,
        "previous": release.previous_id,
        "deployer": release.deployer,
        "created_at": release.created_at,
        "changed_at": release.changed_at,
        "seconds": _seconds(release),
        "cleared_by": release.cleared_by,
        "cleared_because": release.cleared_because,
    }


def _seconds(release: Release) -> float | None:
    if not release.ended or release.adopted:
        return None
    return max(0.0, (release.changed_at - release.created_at).total_seconds())


def _version(release: Release) -> str:
    if release.is_drill:
        return f"{release.ref} (drill)"
    some = release.parameters.get("components")
    return f"{release.ref} (only {', '.join(some)})" if some else release.ref


def _print_list(out: Output, found: list[Release], *, everywhere: bool) -> None:
    from deployments.cli.wording import length, moment

    rows = []
    for r in found:
        row = [
            r.id,
            _version(r),
            str(r.state),
            moment(r.created_at),
            length(_seconds(r)),
            r.deployer,
            out.cell(r.because, 80),
        ]
        rows.append([*([f"{r.system}/{r.environment}"] if everywhere else []), *row])
    columns = ["release", "version", "state", "begun", "took", "by", "why"]
    out.table([*(["where"] if everywhere else []), *columns], rows)


def show(release: ReleaseArgument, as_json: Json = False, plain: Plain = False) -> None:
    """Show one release.

    Every state that it was in, every change that was made, what the gates and people said.
    """
    from deployments.cli.ledgers import the_ledger

    out = Output(as_json=as_json, as_plain=plain)
    with the_ledger() as ledger:
        found = ledger.releases.get(release)
        data = details(ledger, found)
    if out.as_json:
        out.document(data)
    else:
        _print_details(out, data)


def details(ledger: Ledger, release: Release) -> dict[str, Any]:
    """Return all that the ledger keeps of a release and a person may want to read, as JSON values."""
    records, id = ledger.records, release.id
    return as_data(release) | {
        "artifacts": {a.component: a.identity for a in release.version.artifacts} if release.version else {},
        "schema_before": release.schema_before,
        "schema_after": release.schema_after,
        "runs": [{"run": r.run_id, "procedure": r.procedure, "at": r.at} for r in ledger.releases.runs(id)],
        "transitions": [
            {"at": t.at, "before": t.before, "state": t.after, "because": t.because}
            for t in ledger.releases.transitions(id)
        ],
        "journal": [
            {
                "key": e.key,
                "attempt": e.attempt,
                "says": e.says,
                "state": e.state,
                "at": e.intent_at,
                "seconds": e.seconds,
                "under_lease": e.token is not None,
                "error": e.error,
            }
            for e in ledger.journal(id).entries()
        ],
        "gates": [{"gate": g.gate, "state": g.state, "reason": g.reason, "at": g.at} for g in records.gate_results(id)],
        "approvals": [{"gate": a.gate, "name": a.name, "text": a.text, "at": a.at} for a in records.approvals(id)],
        "notes": [{"kind": n.kind, "text": n.text, "at": n.at} for n in records.notes(id)],
        "drill": _drill(ledger, id),
        "backups": [
            {"at": b.created_at, "location": b.location, "bytes": b.bytes, "removed_at": b.removed_at}
            for b in records.backups(release.system, release.environment, removed=True, release_id=id)
        ],
    }


def _drill(ledger: Ledger, release_id: str) -> dict[str, Any] | None:
    drill = ledger.drills.of_release(release_id)
    return None if drill is None else drill_as_data(drill)


def drill_as_data(drill: Drill) -> dict[str, Any]:
    """Return a drill as JSON values."""
    return {
        "release": drill.release_id,
        "text": str(drill),
        "broken_by": drill.broken_by,
        "broken_at": drill.broken_at,
        "outcome": drill.outcome,
        "noticed_by": drill.noticed_by,
        "seconds_until_noticed": drill.seconds_until_noticed,
        "seconds_until_back": drill.seconds_until_back,
    }


def _print_details(out: Output, data: dict[str, Any]) -> None:
    from deployments.cli.wording import length, moment, one_line

    out.line(f"{data['release']}: {data['version']} to {data['place']}", style="title")
    names = ("state", "because", "commit", "level", "previous", "deployer", "cleared_by", "cleared_because")
    out.pairs([(name.replace("_", " "), data[name]) for name in names])
    if data["drill"]:
        noticed = data["drill"]["noticed_by"]
        out.pairs([("drill", data["drill"]["text"]), *([("noticed", noticed)] if noticed else [])])
    left = data["left_out"]
    shown = {
        name: f"{identity} of {left[name]}" if name in left else identity
        for name, identity in data["artifacts"].items()
    }
    out.pairs([(f"artifact {name}", identity) for name, identity in shown.items()])
    tables: tuple[tuple[str, tuple[str, ...], list[list[object]]], ...] = (
        (
            "states",
            ("at", "state", "because"),
            [[moment(t["at"]), t["state"], t["because"]] for t in data["transitions"]],
        ),
        ("gates", ("gate", "", "why"), [[g["gate"], g["state"], one_line(g["reason"])] for g in data["gates"]]),
        (
            "changes",
            ("at", "what", "", "took", "error"),
            [
                [
                    moment(e["at"]),
                    one_line(e["says"]),
                    e["state"],
                    length(e["seconds"]),
                    out.cell(e["error"] or "", 200),
                ]
                for e in data["journal"]
            ],
        ),
        (
            "people",
            ("at", "gate", "who", "said"),
            [[moment(a["at"]), a["gate"], a["name"], a["text"]] for a in data["approvals"]],
        ),
        ("notes", ("at", "about", "text"), [[moment(n["at"]), n["kind"], n["text"]] for n in data["notes"]]),
        ("backups", ("at", "where", "bytes"), [[moment(b["at"]), b["location"], b["bytes"]] for b in data["backups"]]),
        ("runs", ("at", "procedure", "run"), [[moment(r["at"]), r["procedure"], r["run"]] for r in data["runs"]]),
    )
    for title, columns, rows in tables:
        if rows:
            out.line()
            out.line(title, style="title")
            out.table(columns, rows)
