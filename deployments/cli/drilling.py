"""`drill`: release the current version again, break it on purpose, and see it come back."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from deployments.cli.options import Deployer, Follow, Json, PlaceArgument, Plain, named
from deployments.cli.output import Output


def drill(
    place: PlaceArgument,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="WAY",
            help="How it is broken: kill, errors or latency. Default: what was not tried for longest.",
            show_default=False,
        ),
    ] = None,
    watch_minutes: Annotated[
        float | None,
        typer.Option("--watch-minutes", metavar="N", help="How long the watch has to notice it.", show_default=False),
    ] = None,
    follow: Follow = True,
    deployer: Deployer = None,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Try that the way back works.

    The current version is released again, broken on purpose, and has to be put back by itself. Never in production.
    """
    from deployments.cli.deploying import checked_minutes
    from deployments.cli.places import with_runbook
    from deployments.cli.releasing import start_and_follow
    from runwright.policy.drilling import checked_way, refuse_production

    out = Output(as_json=as_json, as_plain=plain)
    where, loaded = with_runbook(place)
    refuse_production(loaded.runbook, where.environment)
    parameters: dict[str, Any] = {"deployer": named(deployer or getpass.getuser(), "--deployer")}
    if by is not None:
        parameters["by"] = checked_way(by)
    if watch_minutes is not None:
        parameters["watch_minutes"] = checked_minutes(loaded.runbook, where, watch_minutes)
    start_and_follow(out, "drill", where, parameters, follow=follow)
