"""The command line: `runwright`. It starts quickly; what a command needs is imported when the command runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from deployments.cli import (
    by_hand,
    deploying,
    doctor,
    drilling,
    history,
    people,
    planning,
    rolling_back,
    run_commands,
    runbook_commands,
    secrets,
    server_commands,
    status,
)
from deployments.cli.guard import Guarded

app = typer.Typer(
    name="runwright",
    cls=Guarded,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carries out deployment runbooks, and puts the system back when something fails.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"runwright {version('runwright')}")
        raise typer.Exit


@app.callback()
def runwright(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Carries out deployment runbooks, and puts the system back when something fails."""


_COMMANDS: dict[str, Callable[..., None]] = {
    "init": runbook_commands.init,
    "check": runbook_commands.check,
    "docs": runbook_commands.docs,
    "up": server_commands.up,
    "plan": planning.plan,
    "deploy": deploying.deploy,
    "follow": run_commands.follow_run,
    "cancel": run_commands.cancel,
    "rollback": rolling_back.rollback,
    "canary": by_hand.canary,
    "drill": drilling.drill,
    "status": status.status,
    "history": history.history,
    "show": history.show,
    "clear": people.clear,
    "accept": people.accept,
    "abandon": people.abandon,
    "doctor": doctor.doctor,
    "register": server_commands.register,
    "down": server_commands.down,
}
for _name, _function in _COMMANDS.items():
    app.command(_name)(_function)
app.add_typer(secrets.app, name="secrets")
