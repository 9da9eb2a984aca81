"""`up`, `down` and `register`: what a single machine needs, and what Prefect is told of the runbooks."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.exits import Exit
from deployments.cli.options import Json, Plain
from deployments.cli.output import Output
from deployments.cli.systems import DRAFTS_ONE, Chosen, choose, none_of_yours
from runwright.errors import LedgerError, RefusedError
from runwright.home import home
from runwright.plural import plural

if TYPE_CHECKING:
    from deployments.specs import Spec


WORKER_SECONDS = 60.0
"""How long a worker may take until the server has heard of it; some five seconds on an idle machine."""

Systems = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SYSTEM]...",
        help="Whose runbooks. Default: all of your own; without any, the shipped ones that can be released.",
        show_default=False,
    ),
]


def up(system: Systems = None, as_json: Json = False, plain: Plain = False) -> None:
    """Start what one machine needs.

    A Prefect server, if none is configured, and a worker; then runbooks are registered. Twice is as once. What no longer
    answers, or is not as it would be started now, is started anew; the latter not while something is released.
    """
    out = Output(as_json=as_json, as_plain=plain)
    chosen = choose(system or ())
    from deployments.own_server import PROFILES_VARIABLE, login_file, profiles_file
    from deployments.server import connect, start

    out.line("Starting what does not run yet; the first time this takes up to a minute.")
    running = start(_held, out.warn)
    names = _register(out, connect(), chosen)
    _await_worker(out)
    if out.as_json:
        data = {"ui": running.ui_url, "api": running.api_url, "server": running.server is not None}
        out.document({**data, "deployments": names, "broken": [str(path) for path in chosen.broken]})
    else:
        _tell(out, names, chosen)
        out.line(f"Prefect: {running.ui_url}")
        if running.server is not None:
            out.line(f"It asks for a login: `cat {shlex.quote(str(login_file()))}` shows it.")
            out.line(
                f"For `prefect` in this or another shell: `export {PROFILES_VARIABLE}={shlex.quote(str(profiles_file()))}`"
            )
        places = [f"{one.loaded.runbook.system}/{name}" for one in chosen.systems for name in one.environments]
        where = places[0] if len(places) == 1 else "SYSTEM/ENVIRONMENT"
        out.line(f"Next: `runwright plan {where} VERSION --build` shows what a release would do, `deploy` does it.")
        out.line("`runwright down` ends Prefect and the worker.")
    if chosen.broken:
        raise typer.Exit(Exit.INPUT)


def down(
    force: Annotated[
        bool,
        typer.Option("--force", help="Also while something is released or put back: it then stops where it is."),
    ] = False,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """End what `up` started.

    The server and the worker. What was released goes on serving. Refused while something is released or put back.
    """
    from deployments.server import end, running_here

    out = Output(as_json=as_json, as_plain=plain)
    if running_here() and not force:
        _refuse_while_at_work()
    ended = end()
    if out.as_json:
        out.document({"ended": ended})
    else:
        out.line(f"Ended: {', '.join(ended)}." if ended else "Nothing that `runwright up` started here is running.")


def _refuse_while_at_work() -> None:
    """Return if no procedure needs Prefect now. Raise RefusedError, which names those that do."""
    forced = (
        "`runwright down --force` ends Prefect all the same; what is unfinished then stays so until `runwright up`."
    )
    try:
        at_work = _at_work()
    except LedgerError as error:
        raise RefusedError(
            f"Whether something is being released is not known. {error.what}", state="Nothing was ended.", next=forced
        ) from error
    if at_work:
        raise RefusedError(
            f"Prefect is needed: {'; '.join(at_work)}.",
            state="Nothing was ended.",
            next=f"Wait until it is done (`runwright status` shows it), or cancel its run. {forced}",
        )


def _await_worker(out: Output) -> None:
    """Return when the worker of this machine is seen by the server. One that lives and is not seen is started anew, once."""
    from deployments.cli.connecting import connected
    from deployments.server import renew_worker

    with connected() as prefect:
        if not prefect.sees_own_worker(WORKER_SECONDS) and not _held():
            renew_worker(prefect.url)
        if not prefect.sees_own_worker(WORKER_SECONDS):
            out.warn("The worker is not seen by the server. Its log says why: " + str(home() / "logs" / "worker.log"))


def _held() -> list[str]:
    """Return the procedures that hold an environment, as words: they run, and would be lost with their worker."""
    from deployments.cli.ledgers import ledger_if_any

    with ledger_if_any() as ledger:
        held = ledger.leases.held() if ledger else []
    return [f"{one.system}/{one.environment} is held for {one.procedure} (run {one.run_id})" for one in held]


def _at_work() -> list[str]:
    """Return the procedures that hold an environment and the releases that have not come to rest, each as words."""
    from deployments.cli.ledgers import ledger_if_any
    from runwright.ledger.states import ENDED, ReleaseState

    with ledger_if_any() as ledger:
        if ledger is None:
            return []
        # one that is frozen waits for a person, not for a run
        states = frozenset(ReleaseState) - ENDED - {ReleaseState.FROZEN}
        unfinished = ledger.releases.find(limit=None, states=states, without=("plan",))
    return [
        *_held(),
        *(f"{one.ref} of {one.system}/{one.environment} is {one.state} ({one.id})" for one in unfinished),
    ]


def register(
    system: Systems = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write prefect.yaml from the shipped runbooks instead, for `prefect deploy`."),
    ] = False,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Tell Prefect of runbooks.

    Their deployments, schedules, and the automations that start rollbacks.
    """
    out = Output(as_json=as_json, as_plain=plain)
    if write:
        path, count = write_prefect_yaml()
        if out.as_json:
            out.document({"written": str(path), "deployments": count})
        else:
            out.line(f"Wrote {path}: {plural(count, 'deployment')}.")
        return
    chosen = choose(system or ())
    from deployments.cli.connecting import connected

    with connected() as prefect:
        names = _register(out, prefect.url, chosen)
    if out.as_json:
        out.document({"deployments": names, "broken": [str(path) for path in chosen.broken]})
    else:
        _tell(out, names, chosen)
    if chosen.broken:
        raise typer.Exit(Exit.INPUT)


def _register(out: Output, url: str, chosen: Chosen) -> list[str]:
    """Register what is chosen with Prefect at ``url``, say which runbooks have mistakes, and return the full names."""
    for error in chosen.broken.values():
        out.warn(error)
    from deployments import apply
    from deployments.cli.prefect_api import translated
    from deployments.server import environment

    with translated(url):
        return apply.register(specs_of_chosen(chosen), environment=environment())


def _tell(out: Output, names: list[str], chosen: Chosen) -> None:
    if not chosen.own:
        out.warn(f"{none_of_yours()} {DRAFTS_ONE} Registered are the shipped ones that can be released:")
    for one in chosen.systems:
        out.line(f"{one.loaded.runbook.system}: {', '.join(one.environments)} ({one.loaded.path})")
    out.line(f"{plural(len(names), 'deployment is', 'deployments are')} registered.", style="ok")


def specs_of_chosen(chosen: Chosen) -> list[Spec]:
    """Return the deployments of the environments that are chosen."""
    from deployments.specs import specs_of

    return [
        spec
        for one in chosen.systems
        for spec in specs_of(one.loaded.runbook)
        if spec.parameters["environment"] in one.environments
    ]


def write_prefect_yaml() -> tuple[Path, int]:
    """Write prefect.yaml from the runbooks in deployments/systems; return its path and how many deployments it has."""
    from deployments.prefect_yaml import prefect_yaml
    from deployments.server import ROOT
    from deployments.specs import specs_of
    from runwright.engine.effects.files import write_file
    from runwright.runbook.finding import shipped
    from runwright.runbook.loader import load

    specs = [spec for path in shipped().values() for spec in specs_of(load(path).runbook)]
    write_file(ROOT / "prefect.yaml", prefect_yaml(specs).encode(), 0o644)
    return ROOT / "prefect.yaml", len(specs) + 1  # and the supervisor, which is no system's
