"""`rollback`: show what a system can be put back to, or do it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.exits import Exit
from deployments.cli.options import Deployer, Follow, Json, PlaceArgument, Plain, named
from deployments.cli.output import Output
from runwright.errors import InputError, RefusedError

if TYPE_CHECKING:
    from deployments.cli.candidates import Candidate
    from deployments.cli.places import Place
    from runwright.ledger import Ledger, Release


def rollback(
    place: PlaceArgument,
    to: Annotated[
        str | None, typer.Option("--to", metavar="RELEASE", help="Go back to this release.", show_default=False)
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release", metavar="ID", help="Take this release back. Default: the newest.", show_default=False
        ),
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept with the release.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it: go back to the usual release.")] = False,
    accept_level: Annotated[
        str | None,
        typer.Option(
            "--accept-level",
            metavar="LEVEL",
            help="Go back although the migrations are of this level (L3): you know that the old version runs on the schema.",
            show_default=False,
        ),
    ] = None,
    follow: Follow = True,
    deployer: Deployer = None,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Put a system back.

    Without --to or --yes it shows what the system can be put back to, and what each means for the data.
    """
    from deployments.cli import candidates
    from deployments.cli.ledgers import the_ledger
    from deployments.cli.places import known
    from deployments.cli.releasing import start_and_follow
    from runwright.ledger.states import ReleaseState

    out = Output(as_json=as_json, as_plain=plain)
    _check_level(accept_level)
    with the_ledger() as ledger:
        where = known(place, ledger)
        taken_back = _to_take_back(ledger, where, release)
        if not to and not yes:
            show_candidates(out, ledger, where, taken_back)
            raise typer.Exit(Exit.INPUT)
        if to:
            _check_cost(candidates.chosen(ledger, taken_back, to), accept_level)
        elif taken_back.state is ReleaseState.PROVEN:  # of one that did not end well the run looks what was migrated
            for candidate in candidates.candidates(ledger, taken_back):
                if candidate.usual:
                    _check_cost(candidate, accept_level)
    parameters: dict[str, Any] = {
        "release": taken_back.id,
        "reason": named(why, "--why", empty=True),
        "deployer": named(deployer or getpass.getuser(), "--deployer"),
    }
    more = {"to": to, "accept_level": accept_level}
    parameters |= {name: value for name, value in more.items() if value}
    start_and_follow(out, "rollback", where, parameters, follow=follow, release=taken_back)


def _to_take_back(ledger: Ledger, where: Place, release_id: str | None) -> Release:
    from runwright.ledger import way_back

    if release_id is None:
        return way_back.to_take_back(ledger, where.system, where.environment)
    release = ledger.releases.get(release_id)
    if (release.system, release.environment) != (where.system, where.environment):
        raise InputError(f"{release.id} is a release of {release.system}/{release.environment}, not of {where}.")
    return release


def _check_level(given: str | None) -> None:
    from runwright.policy.levels import Level

    if given is not None and given not in Level.__members__:
        raise InputError(f"--accept-level {given!r}: there is no such level.", next=f"There are {', '.join(Level)}.")


def _check_cost(candidate: Candidate, accepted: str | None) -> None:
    from runwright.policy.levels import Level

    if candidate.level >= Level.L3 and (accepted is None or Level(accepted) < candidate.level):
        raise RefusedError(
            f"Going back to {candidate.release.ref} is of level {candidate.level}: {candidate.for_data}.",
            state="Nothing was done.",
            next="Read what it means for your data. If you know that the old version runs on the schema as it is: "
            f"add --accept-level {candidate.level}.",
        )


def show_candidates(out: Output, ledger: Ledger, where: Place, taken_back: Release) -> None:
    """Print what the system can be put back to, and the command that does it."""
    from deployments.cli import candidates
    from deployments.cli.wording import moment

    found = candidates.candidates(ledger, taken_back)
    backup = ledger.records.last_backup(where.system, where.environment)
    command = f"runwright rollback {where} --release {taken_back.id}"
    if out.as_json:
        out.document(
            {
                "place": str(where),
                "taken_back": {"release": taken_back.id, "version": taken_back.ref, "state": taken_back.state},
                "candidates": [
                    {
                        "release": c.release.id,
                        "version": c.release.ref,
                        "at": c.release.changed_at,
                        "level": c.level,
                        "for_data": c.for_data,
                        "releases_between": c.between,
                        "kept": c.kept,
                        "usual": c.usual,
                        "command": f"{command} --to {c.release.id}{_accepting(c)}",
                    }
                    for c in found
                ],
                "last_backup": None if backup is None else {"at": backup.created_at, "location": backup.location},
            }
        )
        return
    out.line(f"{taken_back.ref} ({taken_back.id}, {taken_back.state}) would be taken back from {where}.")
    if not found:
        out.line("Nothing was proven before it: a rollback stops it, if nothing ran before, or asks a person.")
    else:
        out.line()
        rows = [
            (
                c.release.id + (" *" if c.usual else ""),
                c.release.ref,
                moment(c.release.changed_at),
                c.level,
                c.kept,
                c.for_data,
            )
            for c in found
        ]
        out.table(("back to", "version", "proven", "level", "kept", "for the data"), rows)
        out.line()
        if any(c.usual for c in found):
            out.line("* is where a rollback goes to unless it is told otherwise.")
    if backup is not None:
        out.line(f"Last backup: {moment(backup.created_at)}, {backup.location}")
    out.line()
    out.line("Nothing was done. To do it:")
    usual = next((c for c in found if c.usual), None)
    out.line(f"    {command} --yes{_accepting(usual)}")
    for candidate in found:
        if not candidate.usual:
            out.line(f"    {command} --to {candidate.release.id}{_accepting(candidate)}")
    if any(_accepting(candidate) for candidate in found):
        out.line("--accept-level says that you know that the old version runs on the schema as it is now: no migration")
        out.line("is undone. If you do not, release a fixed version instead.")


def _accepting(candidate: Candidate | None) -> str:
    from runwright.policy.levels import Level

    needed = candidate is not None and candidate.level >= Level.L3
    return f" --accept-level {candidate.level}" if candidate is not None and needed else ""
