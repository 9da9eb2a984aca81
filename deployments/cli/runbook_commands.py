"""`init`, `check` and `docs`: writing a runbook."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli.exits import Exit
from deployments.cli.options import Json, Plain
from deployments.cli.output import Output
from runwright.errors import InputError, RunwrightError
from runwright.plural import plural

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Runbooks. Default: all of your own.", show_default=False),
]


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIRECTORY]", help="The folder with the Compose file.")
    ] = Path(),
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = Path(
        "runwright.yaml"
    ),
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="NAME",
            help="A Compose file in it; may be repeated. The first one's folder is the application's.",
            show_default=False,
        ),
    ] = None,
    env_file: Annotated[str, typer.Option("--env-file", metavar="NAME", help="The env file, if it is not .env.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    plain: Plain = False,
) -> None:
    """Draft a runbook for a Compose application.

    From its files, healthchecks, migrations and git remote; then it is checked.
    """
    from deployments.cli.looking import Looking
    from deployments.cli.platforms import drafted
    from runwright.engine.effects.files import write_file
    from runwright.runbook.finding import SYSTEMS_VARIABLE

    out = Output(as_plain=plain)
    path = Path(os.path.normpath(output.expanduser().absolute()))
    if path.exists() and not force:
        raise InputError(f"{path} is there already.", next="Name another file with --output, or add --force.")
    found = drafted(Looking(), directory.expanduser().resolve(), tuple(file or ()), env_file)
    write_file(path, found.text.encode(), 0o644)
    out.line(f"Wrote {path}: {found.says}.")
    for remark in found.remarks:
        out.warn(remark)
    _guesses(out, path, found.text)
    if not _check_one(out, path)["ok"]:
        raise typer.Exit(Exit.INPUT)
    out.line()
    out.line("Next: read it, correct what is guessed, then")
    if places := places_with(path):
        out.line(f"    export {SYSTEMS_VARIABLE}={places}")
    out.line("    runwright check && runwright up")


def _guesses(out: Output, path: Path, text: str) -> None:
    guesses = [(f"{path.name}:{number}", said) for number, said in guesses_in(text)]
    if guesses:
        out.line()
        out.line("Guessed; please look:")
        out.table(("where", "what"), guesses)
        out.line()


def guesses_in(text: str) -> list[tuple[int, str]]:
    """Return (line, what is said) of every comment with `check:`; one that goes on in the next lines is whole."""
    found: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(text.splitlines(), 1):
        comment = line.partition(" # ")[2] or (line.strip()[1:].strip() if line.strip().startswith("#") else "")
        if "check: " in comment and not line.startswith("# How"):
            found.append((number, comment.replace("check: ", "", 1)))
        elif goes_on and line.strip().startswith("#"):
            found[-1] = (found[-1][0], f"{found[-1][1]} {comment}")
            continue
        goes_on = "check: " in comment and line.strip().startswith("#")
    return found


def places_with(path: Path) -> str:
    """Return what RUNWRIGHT_SYSTEMS must hold so that ``path`` is found, and what was found before; "" if it is found.

    Another file of the same system is left out, and so is what is not there.
    """
    from runwright.runbook.finding import own_places, system_of

    places = [place for place in own_places() if place.exists()]
    if path in places or (path.is_file() and path.parent in places):
        return ""
    others = [p for p in places if p.is_dir() or not path.is_file() or system_of(p) != system_of(path)]
    return shlex.quote(os.pathsep.join(map(str, [*others, path])))


def check(file: Files = None, as_json: Json = False, plain: Plain = False) -> None:
    """Check runbooks.

    All mistakes at once, what is worth a second look, and what cannot be released yet.
    """
    from deployments.cli.systems import none_of_yours
    from runwright.runbook.finding import own

    out = Output(as_json=as_json, as_plain=plain)
    paths = file or list(own().values())
    if not paths:
        raise InputError(none_of_yours(), next="Name a file, or let `runwright init` draft one.")
    found = [_check_one(out, path) for path in paths]
    if out.as_json:
        out.document({"runbooks": found})
    if not all(one["ok"] for one in found):
        raise typer.Exit(Exit.INPUT)


def _check_one(out: Output, path: Path) -> dict[str, Any]:
    """Check one runbook and tell what was found; return it as JSON values."""
    from deployments.cli.looking import Looking
    from deployments.cli.platforms import checked
    from runwright.errors import RunbookError
    from runwright.policy.support import unsupported
    from runwright.runbook.loader import load

    try:
        loaded = load(os.path.normpath(path.absolute()))
        seen = checked(Looking(), loaded.runbook)
        if seen.mistakes:
            count = plural(len(seen.mistakes), "mistake")
            raise RunbookError(
                "\n\n".join([f"{path} has {count}, seen with the files of its application:", *seen.mistakes])
            )
    except RunwrightError as error:
        out.warn(str(error))
        return {"path": str(path), "ok": False, "mistakes": error.what, "next": error.next}
    warnings = [*loaded.warnings, *seen.warnings]
    later = {name: why for name in loaded.runbook.environments if (why := unsupported(loaded.runbook, name))}
    if not out.as_json:
        out.line(f"{path}: {loaded.runbook.system}, {', '.join(loaded.runbook.environments)}: no mistakes", style="ok")
        for warning in warnings:
            out.line(f"    worth a look: {warning}", style="warn")
        for name, why in later.items():
            out.line(f"    {name}: {why}", style="warn")
    return {
        "path": str(path),
        "ok": True,
        "system": loaded.runbook.system,
        "environments": list(loaded.runbook.environments),
        "warnings": warnings,
        "not_supported": later,
    }


def docs(
    section: Annotated[
        str, typer.Argument(metavar="[SECTION]", help="A key of a runbook, such as watch or environments.database.")
    ] = "",
) -> None:
    """Print the reference of runbooks.

    Of all of it or of one section: every key with what it means and an example.
    """
    from runwright.runbook.describe import text

    Output(as_plain=True).line(text(section).rstrip("\n"))
