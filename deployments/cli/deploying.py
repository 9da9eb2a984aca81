"""`deploy`: check what was given, start the run, and follow it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.options import Deployer, Follow, Json, Only, PlaceArgument, Plain, components, named
from deployments.cli.output import Output
from runwright.errors import InputError

if TYPE_CHECKING:
    from deployments.cli.places import Place
    from runwright.runbook.model import Runbook


def deploy(
    place: PlaceArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A tag, a branch or a commit.")],
    attest: Annotated[
        list[str] | None,
        typer.Option("--attest", metavar="GATE=NAME", help="State that a gate is met, by name. May be repeated."),
    ] = None,
    watch_minutes: Annotated[
        float | None,
        typer.Option(
            "--watch-minutes", metavar="N", help="Watch for so long instead; in production never less than 30."
        ),
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take what runs now as the way back, although the ledger says otherwise.")
    ] = False,
    only: Only = None,
    follow: Follow = True,
    deployer: Deployer = None,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Release a version.

    It is checked, built, backed up, migrated, switched to, verified and watched; the old one is put back if it fails.
    """
    from deployments.cli.places import with_runbook
    from deployments.cli.releasing import start_and_follow
    from runwright.versions import checked_ref

    out = Output(as_json=as_json, as_plain=plain)
    where, loaded = with_runbook(place)
    parameters: dict[str, Any] = {
        "version": checked_ref(version),
        "attestations": attestations(loaded.runbook, where, attest or []),
        "deployer": named(deployer or getpass.getuser(), "--deployer"),
    }
    if watch_minutes is not None:
        parameters["watch_minutes"] = checked_minutes(loaded.runbook, where, watch_minutes)
    if released := components(loaded.runbook, only):
        parameters["components"] = released
    if adopt:
        parameters["adopt"] = True
    start_and_follow(out, "deploy", where, parameters, follow=follow)


def attestations(runbook: Runbook, where: Place, given: list[str]) -> dict[str, str]:
    """Return {gate: name} of GATE=NAME. Raise InputError, which lists the gates that are attested, if one is wrong."""
    from runwright.policy.gates import STATEMENTS

    gates = {gate.id: str(gate.attest) for gate in runbook.gates_of(where.environment) if gate.attest}
    asked_for = [*gates, *STATEMENTS]
    there = "; ".join(f"{id} ({text})" for id, text in gates.items())
    listed = f"Gates that a person attests in {where}: {there or 'none'}."
    found: dict[str, str] = {}
    for text in given:
        gate, separator, name = text.partition("=")
        if not separator or not name.strip():
            raise InputError(f"--attest {text!r}: GATE=NAME is meant, such as go-no-go='Ada Lovelace'.", next=listed)
        if gate not in asked_for:
            raise InputError(f"--attest {text!r}: there is no gate {gate!r} that a person attests.", next=listed)
        if gate in found:
            raise InputError(f"--attest: {gate} is given twice.", next="Name one person who states it.")
        found[gate] = named(name, "--attest")
    return found


def checked_minutes(runbook: Runbook, where: Place, minutes: float) -> float:
    """Return ``minutes`` if a release may be watched for so long there. Raise InputError if not."""
    from runwright.runbook.model import PRODUCTION_WATCH_SECONDS

    if not 0 <= minutes <= 7 * 24 * 60:  # also refuses NaN
        raise InputError(f"--watch-minutes {minutes:g}: a number from 0 to 10080 (a week) is meant.")
    production = runbook.environments[where.environment].tier == "production"
    if production and minutes * 60 < PRODUCTION_WATCH_SECONDS:
        raise InputError(
            f"--watch-minutes {minutes:g}: production is watched for thirty minutes or more.",
            next="Leave it out to watch as long as the runbook says.",
        )
    return minutes
