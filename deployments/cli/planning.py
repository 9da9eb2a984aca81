"""`plan`: what a release would do, to the letter, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.options import Json, Only, PlaceArgument, Plain, components
from deployments.cli.output import Output
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.cli.places import Place


def plan(
    place: PlaceArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A tag, a branch or a commit.")],
    build: Annotated[
        bool, typer.Option("--build", help="Build the version first, so that its migrations are known.")
    ] = False,
    only: Only = None,
    as_json: Json = False,
    plain: Plain = False,
) -> None:
    """Show what a release would do.

    Its gates, its migrations, the way back, and every command. Nothing is released.
    """
    from deployments.cli.places import with_runbook
    from runwright.versions import checked_ref

    out = Output(as_json=as_json, as_plain=plain)
    where, loaded = with_runbook(place)
    released = components(loaded.runbook, only)
    checked_ref(version)
    _connect()
    from runwright.release.preview import plan_only
    from tasks.run import RUN

    made = plan_only(RUN, where.system, where.environment, version, build=build, components=released)
    if out.as_json:
        out.document(made)
    else:
        show(out, where, version, made)


def _connect() -> None:
    """Find the Prefect server before Prefect is imported. A plan needs it only for secrets, and says so itself."""
    from deployments.cli.connecting import api_url

    try:
        api_url()
    except RunwrightError:
        return


def show(out: Output, where: Place, version: str, made: dict[str, Any]) -> None:
    """Print a plan for people."""
    from deployments.cli.wording import one_line
    from runwright.reports.markdown import command

    title = "Provisional plan" if made["provisional"] else "Plan"
    out.line(f"{title}: {version} to {where}", style="title")
    artifacts = ", ".join(f"{name} {identity[:19]}" for name, identity in (made["artifacts"] or {}).items())
    out.pairs(
        [
            ("commit", made["commit"]),
            ("artifacts", artifacts),
            ("way back", _way_back(made)),
            ("hash", made["hash"]),
        ]
    )
    for note in made.get("notes") or ():
        out.line()
        out.line(note, style="warn")
    if made["gates"]:
        out.line()
        out.table(("gate", "", "why"), [(g, s, one_line(why)) for g, s, why in made["gates"]])
    _show_migrations(out, made["migrations"])
    if made["steps"]:
        out.line()
        out.line("Changes, in this order:")
        for number, (_, says, exact) in enumerate(made["steps"], 1):
            out.line(f"{number:>3}. {says}")
            if exact and exact != says:
                out.line("     " + command(str(exact)).replace("\n", "\n     "), style="quiet")
    if made["depends"]:
        out.line()
        out.line(made["depends"])


def _way_back(made: dict[str, Any]) -> str:
    if made["level"] is None:
        return ""
    from runwright.policy.levels import Level

    back = f"to {_named(made['previous'])}" if made["previous"] else "nothing was released before: it is stopped"
    return f"{back} (level {made['level']}: {Level(made['level']).meaning})"


def _named(release_id: str) -> str:
    """Return the version of a release and its id; what was adopted is what ran when Runwright first looked."""
    from deployments.cli.ledgers import the_ledger

    with the_ledger() as ledger:
        release = ledger.releases.get(release_id)
    return f"{'what runs now' if release.adopted else release.ref} ({release.id})"


def _show_migrations(out: Output, migrations: dict[str, Any] | None) -> None:
    pending = (migrations or {}).get("pending") or []
    if not pending:
        return
    out.line()
    rows = [
        (
            m["revision"],
            m.get("level", ""),
            m.get("title", ""),
            "; ".join((*(m.get("operations") or ()), *(m.get("reasons") or ()))),
        )
        for m in pending
    ]
    out.table(("migration", "level", "title", "does"), rows)
