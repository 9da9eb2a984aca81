"""`canary`: say by hand what becomes of a canary that is under way."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from deployments.cli.options import Json, PlaceArgument, Plain, named
from deployments.cli.output import Output


def canary(
    place: PlaceArgument,
    what: Annotated[
        str,
        typer.Argument(
            metavar="[share|on|promote|back]",
            help="share: set the share to SHARE. on: go on to the next one. promote: all users to the new version. back: all "
            "users back. Without it: show the share.",
            show_default=False,
        ),
    ] = "",
    share: Annotated[
        int | None, typer.Argument(metavar="[SHARE]", help="In percent, from 1 to 99.", show_default=False)
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept with the release.")] = "",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Who says so. Default: this user.", show_default=False),
    ] = None,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Say by hand what becomes of a canary.

    The run of its release does it within a second or two. Who said so, and why, is kept.
    """
    from deployments.cli.ledgers import the_ledger
    from deployments.cli.places import known
    from deployments.cli.redacting import written_about
    from runwright.release import by_hand

    out = Output(as_json=as_json, as_plain=plain)
    wanted = by_hand.checked(what, share) if what else None
    who, reason = named(name or getpass.getuser(), "--name"), named(why, "--why", empty=True)
    with the_ledger() as ledger:
        where = known(place, ledger)
        release, now = by_hand.under_way(ledger, where.system, where.environment)
        text = f"{release.ref} has {now} % of the users in {where}."
        if wanted is not None:
            clean = written_about(release)
            asked = by_hand.ask(ledger, release, wanted, share, clean(who), clean(reason))
            text = by_hand.answer(ledger, release, asked)
    if out.as_json:
        out.document({"release": release.id, "share": share if wanted == "share" else now, "did": wanted, "text": text})
    else:
        out.line(text)
