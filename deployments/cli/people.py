"""`clear`, `accept` and `abandon`: what a person decides about a release, kept with their name and their reason."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import Json, Plain, ReleaseArgument, Why, named
from deployments.cli.output import Output
from deployments.cli.redacting import written_about
from runwright.errors import LeaseHeldError, RefusedError

if TYPE_CHECKING:
    from runwright.ledger import Ledger, Release
    from runwright.ledger.states import ReleaseState

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Who says so; it is kept with the release.")]
OptionalName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Who says so. Default: this user.", show_default=False),
]


def clear(
    release: ReleaseArgument, why: Why, name: OptionalName = None, as_json: Json = False, plain: Plain = False
) -> None:
    """Let a version be released again.

    One that was taken back is in quarantine. Who let it out, and why, is kept.
    """
    from deployments.cli.ledgers import the_ledger

    out = Output(as_json=as_json, as_plain=plain)
    reason, who = named(why, "--why"), named(name or getpass.getuser(), "--name")
    with the_ledger() as ledger:
        found = ledger.releases.get(release)
        held = ledger.releases.quarantined(found.system, found.environment, found.commit)
        if held is None:
            raise RefusedError(
                f"{found.ref} is not in quarantine in {found.system}/{found.environment}.",
                state="Nothing was done: it may be released.",
            )
        clean = written_about(held)
        ledger.releases.clear_quarantine(held.id, clean(who), clean(reason))
        _tell(
            out,
            ledger.releases.get(held.id),
            f"{found.ref} may be released to {found.system}/{found.environment} again.",
        )


def accept(release: ReleaseArgument, why: Why, name: Name, as_json: Json = False, plain: Plain = False) -> None:
    """Call a frozen release proven.

    A person has judged it; it is the way back of the next one. Who, and why, is kept.
    """
    from runwright.ledger.states import ReleaseState

    _decide(Output(as_json=as_json, as_plain=plain), release, ReleaseState.PROVEN, "accepted it", why, name)


def abandon(
    release: ReleaseArgument, why: Why, name: OptionalName = None, as_json: Json = False, plain: Plain = False
) -> None:
    """Close a frozen release, or one whose way back fails again and again.

    One of which nothing is left, or which was put right by hand. Who said so, and why, is kept.
    """
    from runwright.ledger.states import ReleaseState

    who = name or getpass.getuser()
    stuck = (ReleaseState.FAILING, ReleaseState.ROLLING_BACK)
    _decide(Output(as_json=as_json, as_plain=plain), release, ReleaseState.ABANDONED, "abandoned it", why, who, stuck)


def _decide(
    out: Output,
    release_id: str,
    to: ReleaseState,
    did: str,
    why: str,
    name: str,
    besides: tuple[ReleaseState, ...] = (),
) -> None:
    """Bring a frozen release, or one in a state of ``besides`` on which nobody works, to the state ``to``."""
    from deployments.cli.ledgers import the_ledger
    from runwright.ledger.states import ReleaseState

    reason, who = named(why, "--why"), named(name, "--name")
    with the_ledger() as ledger:
        found = ledger.releases.get(release_id)
        if found.is_drill and to is ReleaseState.PROVEN:
            raise RefusedError(
                f"{found.id} is a drill: what it released was broken on purpose, and is never proven.",
                state="Nothing was done.",
                next=f"`runwright rollback {found.system}/{found.environment} --release {found.id} --yes` takes it back.",
            )
        states = {ReleaseState.FROZEN, *besides}
        _check_left(ledger, found, states)
        clean = written_about(found)
        who, reason = clean(who), clean(reason)
        because = f"{who} {did}: {reason}"
        after = ledger.releases.advance(found.id, to, because, expect=states)
        ledger.records.add_approval(found.id, "frozen", name=who, text=f"{did}: {reason}", plan_hash=found.plan_hash)
        _tell(out, after, f"{found.ref} in {found.system}/{found.environment} is {after.state}: {because}")


def _check_left(ledger: Ledger, release: Release, states: set[ReleaseState]) -> None:
    """Raise RefusedError if a release is in none of ``states``, LeaseHeldError if somebody works in its environment."""
    where = f"{release.system}/{release.environment}"
    if release.state not in states:
        raise RefusedError(
            f"{release.id} is {release.state}, and not frozen: there is nothing for a person to decide.",
            state="Nothing was done.",
            next=f"`runwright status {where}` shows where it stands.",
        )
    lease = ledger.leases.holder(release.system, release.environment)
    if lease is not None:
        raise LeaseHeldError(f"{where} is held by {lease.holder}.", next="Wait until it is done, then decide.")


def _tell(out: Output, release: Release, text: str) -> None:
    from deployments.cli.history import as_data

    if out.as_json:
        out.document(as_data(release))
    else:
        out.line(text)
