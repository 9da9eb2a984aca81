"""`follow` and `cancel`: runs that were started before."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import Json, Plain
from deployments.cli.output import Output
from runwright.errors import InputError, RefusedError, RunwrightError

if TYPE_CHECKING:
    from deployments.cli.outcomes import Wanted
    from runwright.ledger import Ledger, Release

RunOrRelease = Annotated[str, typer.Argument(metavar="RELEASE|RUN", help="The id of a release, or of a run.")]


def follow_run(run: RunOrRelease, as_json: Json = False, plain: Plain = False) -> None:
    """Follow a release to its end.

    Again, or from another machine. Ctrl-C ends the following, not the release.
    """
    from deployments.cli.connecting import connected
    from deployments.cli.ledgers import the_ledger
    from deployments.cli.releasing import follow_to_the_end

    out = Output(as_json=as_json, as_plain=plain)
    with the_ledger() as ledger:
        release, run_id, procedure = found_run(ledger, run)
    with connected() as prefect:
        from deployments.cli.prefect_api import PrefectRuns
        from deployments.specs import WORK_POOL

        if release is None:
            prefect.run_state(run)  # raises if there is no such run either
        elif not out.as_json:
            out.line(f"{release.ref} to {release.system}/{release.environment}: {release.id} is {release.state}")
        drilled = release is not None and release.is_drill
        wanted: Wanted = "rollback" if procedure == "rollback" else "drill" if drilled else "deploy"
        follow_to_the_end(out, PrefectRuns(prefect, WORK_POOL), run_id, wanted, release)


def found_run(ledger: Ledger, given: str) -> tuple[Release | None, str | None, str]:
    """Return the release, the run and the procedure that ``given``, the id of a release or a run, means.

    Of a release it is its newest run; a rollback that an automation started for a deploy is still that deploy's story.
    """
    release = ledger.releases.of_run(given)
    if release is not None:
        procedure = next((r.procedure for r in ledger.releases.runs(release.id) if r.run_id == given), "")
        return release, given, procedure
    try:
        release = ledger.releases.get(given)
    except InputError:
        if is_run_id(given):
            return None, given, ""
        raise
    runs = ledger.releases.runs(release.id)
    return release, runs[-1].run_id if runs else None, "deploy"


def is_run_id(text: str) -> bool:
    """Return whether ``text`` could be the id of a run in Prefect."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def cancel(run: RunOrRelease, as_json: Json = False, plain: Plain = False) -> None:
    """Cancel a run.

    What it has changed by then is put back by the rollback, which starts by itself.
    """
    from deployments.cli.connecting import connected
    from deployments.cli.ledgers import ledger_if_any

    out = Output(as_json=as_json, as_plain=plain)
    release, run_id, procedure = None, run, ""
    with ledger_if_any() as ledger:
        if ledger is not None:
            release, found, _ = found_run(ledger, run)
            if release is not None and found is None:
                raise InputError(f"{release.id} has no run that could be cancelled.")
            run_id = found or run
            runs = ledger.releases.runs(release.id) if release else []
            procedure = next((r.procedure for r in runs if r.run_id == run_id), "")
    if not is_run_id(run_id):
        raise InputError(f"{run_id!r} is the id of neither a release nor a run.", next="`runwright status` shows both.")
    with connected() as prefect:
        before = prefect.run_state(run_id)
        if before.terminal:
            raise RunwrightError(f"The run has ended already: it is {before.name}.", state="Nothing was done.")
        if procedure == "rollback":
            raise RefusedError(
                "This run puts the system back; cancelled half-way it would leave it between two versions.",
                state="It goes on.",
                next=f"`runwright follow {run_id}` shows how far it is.",
            )
        state = prefect.cancel(run_id)
    if out.as_json:
        out.document({"run": run_id, "release": release.id if release else None, "state": state})
        return
    after = " What it has changed is put back" if release else " If it has changed something, that is put back"
    out.line(f"The run is {state.lower()}.{after}; `runwright follow {run}` shows it.")
