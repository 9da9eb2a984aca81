"""Start a run and follow it to its end: what `deploy`, `rollback` and `follow` share."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import typer

from deployments.cli.exits import Exit
from deployments.cli.output import Output
from deployments.cli.places import Place
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.cli.following import Runs
    from deployments.cli.outcomes import Wanted
    from deployments.cli.prefect_api import Prefect
    from runwright.ledger import Ledger, Release


WRITTEN = ("attestations", "reason", "deployer")
"""Parameters that hold what a person wrote."""


def start_and_follow(
    out: Output,
    flow: Wanted,
    place: Place,
    parameters: dict[str, Any],
    *,
    follow: bool,
    release: Release | None = None,
) -> None:
    """Start the run of ``flow`` for ``place`` and follow it. Ends the command with the exit code of what came out.

    ``release`` is the one that the run is about, if it is there already.
    """
    from deployments.cli.connecting import connected

    with connected() as prefect:
        from deployments.cli.prefect_api import PrefectRuns, address_of

        registered = prefect.the(f"{flow}/{place.deployment}")
        need_a_worker(prefect, registered.work_pool)
        parameters = without_secrets(parameters, place, release)
        run_id = prefect.start(registered, parameters)
        started(out, flow, place, run_id, address_of(run_id))
        if follow:
            follow_to_the_end(out, PrefectRuns(prefect, registered.work_pool), run_id, flow, release)


def without_secrets(parameters: dict[str, Any], place: Place, release: Release | None) -> dict[str, Any]:
    """Return ``parameters`` without secrets in what a person has written: Prefect shows them to everybody."""
    from deployments.cli.redacting import written, written_about
    from runwright.runbook.loader import load_system

    typed = {name: value for name in WRITTEN if (value := parameters.get(name)) and value != getpass.getuser()}
    if not typed:
        return parameters
    clean = written_about(release) if release else written(load_system(place.system).runbook, place.environment)
    return parameters | {
        name: {key: clean(text) for key, text in value.items()} if isinstance(value, dict) else clean(value)
        for name, value in typed.items()
    }


def need_a_worker(prefect: Prefect, pool: str) -> None:
    """Return if a worker is there. Raise RunwrightError if none is: a run that starts by surprise later helps nobody."""
    if prefect.is_paused(pool):
        raise RunwrightError(
            f"The work pool {pool} is paused, so nothing would happen.",
            state="Nothing was done: no run was created.",
            next=f"`prefect work-pool resume {pool}` lets its workers take runs again.",
        )
    if prefect.online(pool):
        return
    seen = prefect.workers_of(pool)
    last = (
        f" The last one, {seen[0].name}, was seen {seen[0].seconds_ago:.0f} s ago."
        if seen and seen[0].seconds_ago
        else ""
    )
    raise RunwrightError(
        f"No worker is online in the work pool {pool}, so nothing would happen.{last}",
        state="Nothing was done: no run was created.",
        next="`runwright up` starts one here; on another machine: "
        f"`prefect worker start --pool {pool}`. `runwright doctor` shows more.",
    )


def started(out: Output, flow: str, place: Place, run_id: str, address: str) -> None:
    """Say which run was started, and where it can be seen."""
    if out.as_json:
        out.event({"event": "started", "flow": flow, "place": str(place), "run": run_id, "url": address})
    else:
        out.line(f"{flow} of {place}: {address}")


def follow_to_the_end(out: Output, runs: Runs, run_id: str | None, wanted: Wanted, release: Release | None) -> None:
    """Follow a run (or a release by the ledger alone) and end the command with the exit code of what came out."""
    from deployments.cli.ledgers import opened_anyway

    with opened_anyway() as ledger:
        try:
            code = followed(out, ledger, runs, run_id, wanted, release)
        except KeyboardInterrupt:
            out.warn(interrupted(run_id, release))
            raise typer.Exit(Exit.INTERRUPTED) from None
    raise typer.Exit(code)


def followed(
    out: Output, ledger: Ledger, runs: Runs, run_id: str | None, wanted: Wanted, release: Release | None
) -> Exit:
    """Show what happens until it has ended, then how it ended; return the exit code."""
    from deployments.cli.closing import closing, show_closing
    from deployments.cli.following import Follower, follow
    from deployments.cli.showing import shown

    follower = Follower(ledger, runs, run_id, wanted, release)
    if release is not None:
        follower.skip_past()
    with shown(out) as show:
        outcome = follow(follower, show)
    closed = closing(ledger, outcome, follower.release, follower.run)
    show_closing(out, closed, follower.release, run_id)
    return closed.code


def interrupted(run_id: str | None, release: Release | None) -> str:
    """Return what is said when somebody stops following."""
    name = run_id or (release.id if release else "")
    return (
        "The run goes on; only following it has ended.\n"
        f"To follow it again: `runwright follow {name}`. To cancel it: `runwright cancel {name}`."
    )
