"""`doctor`: look at everything that a release needs, and say what to do about what is missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from deployments.cli.exits import Exit
from deployments.cli.options import Json, OptionalPlaceArgument, Plain
from deployments.cli.output import Output
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.cli.findings import Wanted
    from runwright.platforms.shape import Finding


def doctor(place: OptionalPlaceArgument = None, as_json: Json = False, plain: Plain = False) -> None:
    """Look at all that a release needs.

    Prefect, the worker, deployments, blocks, the ledger, Docker, git, disk, ports and the clock.
    """
    from deployments.cli import examining
    from deployments.cli.ledgers import ledger_if_any

    out = Output(as_json=as_json, as_plain=plain)
    wanted, found = _wanted(place)
    try:
        with ledger_if_any() as ledger:
            found += examining.machine(wanted, ledger)
    except RunwrightError as error:
        found += [*examining.machine(wanted, None), examining.failed("ledger", error)]
    found += _prefect(wanted)
    if out.as_json:
        out.document({"ok": not any(f.state == "fail" for f in found), "findings": [f.as_json() for f in found]})
    else:
        _print(out, found)
    if any(f.state == "fail" for f in found):
        raise typer.Exit(Exit.FAILED)


def _wanted(place: str | None) -> tuple[list[Wanted], list[Finding]]:
    """Return the environments to look at (of all runbooks, or the one that is named), and what is wrong with runbooks."""
    from deployments.cli.findings import Wanted, listed
    from deployments.cli.places import Place, with_runbook
    from deployments.cli.systems import DRAFTS_ONE, choose, none_of_yours
    from runwright.platforms.shape import Finding

    if place is not None:
        where, loaded = with_runbook(place)
        return [Wanted(where, loaded.runbook, named=True)], [Finding("runbook", "ok", f"{where}: no mistakes")]
    chosen = choose()
    wanted = [
        Wanted(Place(one.loaded.runbook.system, name), one.loaded.runbook, named=False)
        for one in chosen.systems
        for name in one.environments
    ]
    found = [
        Finding("runbook", "fail", f"{path} has mistakes", f"`runwright check {path}` lists them.")
        for path in chosen.broken
    ]
    if chosen.own:
        found.append(Finding("runbooks", "ok", listed([str(w.place) for w in wanted])))
    else:
        text = f"none of yours; looked at are the shipped ones that can be released: {listed([str(w.place) for w in wanted])}"
        found.append(Finding("runbooks", "warn", text, f"{none_of_yours()} {DRAFTS_ONE}"))
    return wanted, found


def _prefect(wanted: list[Wanted]) -> list[Finding]:
    from deployments.cli.connecting import connected
    from runwright.platforms.shape import Finding

    try:
        with connected() as prefect:
            from deployments.cli import examining_prefect

            return examining_prefect.all_of(prefect, wanted)
    except RunwrightError as error:
        return [Finding("prefect", "fail", error.what, error.next)]


def _print(out: Output, found: list[Finding]) -> None:
    out.table(("", "what", "found"), [(f.state, f.about, f.text) for f in found], style_by=0)
    advice = [(f"{f.about}", f.next) for f in found if f.state != "ok" and f.next]
    if advice:
        out.line()
        out.line("What to do:")
        out.pairs(list(dict.fromkeys(advice)))
    out.line()
    counts = Counter(f.state for f in found)
    out.line(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} wrong.")
