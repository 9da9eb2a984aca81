"""`up`, `down` and `register`: what a single machine needs, and what Prefect is told of the runbooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.exits import Exit
from deployments.cli.options import Json, Plain
from deployments.cli.output import Output
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.specs import Spec


def up(as_json: Json = False, plain: Plain = False) -> None:
    """Start what one machine needs.

    A Prefect server, if none is configured, and a worker; then all runbooks are registered. Twice is as once.
    """
    out = Output(as_json=as_json, as_plain=plain)
    from deployments.server import connect, start

    out.line("Starting what does not run yet; the first time this takes up to a minute.")
    running = start()
    names, broken = _register(out, connect())
    if out.as_json:
        data = {"ui": running.ui_url, "api": running.api_url, "server": running.server is not None}
        out.document({**data, "deployments": names, "broken": broken})
    else:
        out.line(f"{len(names)} deployments are registered.", style="ok")
        out.line(f"Prefect: {running.ui_url}")
        out.line(
            "Next: `runwright deploy SYSTEM/ENVIRONMENT VERSION`, or start a run there. `runwright down` ends it all."
        )
    if broken:
        raise typer.Exit(Exit.INPUT)


def down(as_json: Json = False, plain: Plain = False) -> None:
    """End what `up` started.

    The server and the worker. What was released goes on serving.
    """
    from deployments.server import end

    out = Output(as_json=as_json, as_plain=plain)
    ended = end()
    if out.as_json:
        out.document({"ended": ended})
    else:
        out.line(f"Ended: {', '.join(ended)}." if ended else "Nothing that `runwright up` started here is running.")


def register(
    write: Annotated[
        bool,
        typer.Option("--write", help="Write prefect.yaml from the shipped runbooks instead, for `prefect deploy`."),
    ] = False,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Tell Prefect of all runbooks.

    Their deployments, schedules, and the automations that start rollbacks.
    """
    out = Output(as_json=as_json, as_plain=plain)
    if write:
        path, count = write_prefect_yaml()
        if out.as_json:
            out.document({"written": str(path), "deployments": count})
        else:
            out.line(f"Wrote {path}: {count} deployments.")
        return
    from deployments.cli.connecting import connected

    with connected() as prefect:
        names, broken = _register(out, prefect.url)
    if out.as_json:
        out.document({"deployments": names, "broken": broken})
    else:
        out.line(f"{len(names)} deployments are registered.", style="ok")
    if broken:
        raise typer.Exit(Exit.INPUT)


def _register(out: Output, url: str) -> tuple[list[str], list[str]]:
    """Register what can be read with Prefect at ``url``, say what cannot, and return the names of both."""
    specs, broken = all_specs(out)
    from deployments import apply
    from deployments.cli.prefect_api import translated
    from deployments.server import environment

    with translated(url):
        return apply.register(specs, environment=environment()), broken


def all_specs(out: Output) -> tuple[list[Spec], list[str]]:
    """Return the deployments of all runbooks that can be read, and the files of those that cannot, which are told."""
    from deployments.specs import specs_of
    from runwright.runbook.loader import find, load

    specs: list[Spec] = []
    broken: list[str] = []
    for path in find().values():
        try:
            specs += specs_of(load(path).runbook)
        except RunwrightError as error:
            out.warn(error)
            broken.append(str(path))
    return specs, broken


def write_prefect_yaml() -> tuple[Path, int]:
    """Write prefect.yaml from the runbooks in deployments/systems; return its path and how many deployments it has."""
    from deployments.prefect_yaml import prefect_yaml
    from deployments.server import ROOT
    from deployments.specs import specs_of
    from runwright.effects.files import write_file
    from runwright.runbook.loader import SHIPPED, find, load

    paths = [path for path in find().values() if path.parent == SHIPPED]
    specs = [spec for path in paths for spec in specs_of(load(path).runbook)]
    write_file(ROOT / "prefect.yaml", prefect_yaml(specs).encode(), 0o644)
    return ROOT / "prefect.yaml", len(specs)
