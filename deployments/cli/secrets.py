"""`runwright secrets`: sets, lists and takes away what an environment's block holds. Values are never shown."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from deployments.cli.output import Output
from runwright.engine.redaction import MIN_SECRET_CHARACTERS
from runwright.errors import InputError, RunwrightError

MAX_BYTES = 64 * 1024

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The secrets of an environment, in its Prefect block. Runbooks use them as ${secret.NAME}.",
)

Where = Annotated[
    str,
    typer.Argument(metavar="SYSTEM/ENVIRONMENT", help="The environment, such as shop/production, or its block's name."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret's name, such as database_password.")]
# takes what must not be there, so that it is refused without being repeated
Extra = Annotated[list[str] | None, typer.Argument(hidden=True)]

_BLOCK = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


@dataclass(frozen=True)
class Target:
    """The block that holds an environment's secrets, and whether short ones are accepted in it."""

    block: str
    development: bool


# an unknown option may be a value that begins with a dash: it would be repeated in the message
@app.command("set", context_settings={"ignore_unknown_options": True})
def set_(where: Where, name: Name, extra: Extra = None) -> None:
    """Set one secret. Its value is read from standard input; on a terminal it is asked for and not shown.

    For example: pass show shop/db | runwright secrets set shop/production database_password
    """
    if extra or "=" in name:
        raise InputError(
            "A value on the command line can be read by others (ps, the shell's history), and was not used.",
            next="Change it if it is in use already. Give the new one on standard input: "
            "runwright secrets set SYSTEM/ENVIRONMENT NAME < FILE",
        )
    target = target_of(where)
    from deployments.cli.connecting import connected

    with connected() as prefect:
        from blocks.environment import PLAIN_FIELDS
        from blocks.storing import put
        from deployments.cli.prefect_api import translated

        checked_name(name)
        value = read_value(name)
        check_value(name, value, development=target.development or name in PLAIN_FIELDS)
        with translated(prefect.url):
            made = put(prefect.client, target.block, name, value)
    Output().line(f"{name} is set in the block {target.block}{', which was created' if made else ''}.", "ok")


@app.command("list")
def list_(where: Where, as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False) -> None:
    """List the names of the secrets that are set. Values are never shown."""
    target = target_of(where)
    from deployments.cli.connecting import connected

    with connected() as prefect:
        from blocks.storing import names
        from deployments.cli.prefect_api import translated

        with translated(prefect.url):
            found = names(prefect.client, target.block)
    output = Output(as_json=as_json)
    if as_json:
        output.document({"block": target.block, "names": list(found)})
    else:
        output.table(["name", "value"], [[name, "set"] for name in found])


@app.command("unset")
def unset(where: Where, name: Name) -> None:
    """Take one secret away."""
    target = target_of(where)
    from deployments.cli.connecting import connected

    with connected() as prefect:
        from blocks.storing import remove
        from deployments.cli.prefect_api import translated

        with translated(prefect.url):
            remove(prefect.client, target.block, name)
    Output().line(f"{name} is no longer in the block {target.block}.", "ok")


def target_of(where: str) -> Target:
    """Return the block that ``where`` means: SYSTEM/ENVIRONMENT by its runbook, or a block's name.

    A block that no runbook names gets the rules of production. Raise InputError if it can be neither.
    """
    if "/" in where:
        from deployments.cli.places import parse
        from runwright.runbook.loader import load_system
        from runwright.runbook.model import environment

        place = parse(where)
        runbook = load_system(place.system).runbook
        tier = environment(runbook, place.environment).tier
        return Target(runbook.block_of(place.environment), tier == "development")
    if not _BLOCK.fullmatch(where):
        raise InputError(
            "That is neither SYSTEM/ENVIRONMENT nor the name of a block.",
            next="A block's name has lower-case letters, digits and dashes, for example shop-production.",
        )
    tiers = _tiers_of_block(where)
    return Target(where, bool(tiers) and tiers == {"development"})


def _tiers_of_block(block: str) -> set[str]:
    from runwright.runbook.finding import find
    from runwright.runbook.loader import load

    tiers: set[str] = set()
    for path in find().values():
        try:
            runbook = load(path).runbook
        except RunwrightError:
            continue  # `runwright check` says what is wrong with it
        tiers |= {place.tier for name, place in runbook.environments.items() if runbook.block_of(name) == block}
    return tiers


def checked_name(name: str) -> str:
    """Return ``name`` if a runbook can write it. Raise InputError if not; it is not repeated, it may be a value."""
    from blocks.environment import NAME

    if not NAME.fullmatch(name) or name == "application":
        raise InputError(
            "That is no name for a secret.",
            next="Use letters, digits, dots, dashes and underscores, at most 128, for example database_password.",
        )
    return name


def read_value(name: str) -> str:
    """Return the value on standard input, without the line end after it. On a terminal it is asked for, unseen.

    Raise InputError if it is no text or too long.
    """
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"{name} (it is not shown): ")
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"The value of {name} has more than {MAX_BYTES // 1024} KiB.", next="Set the secret alone.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(f"The value of {name} is no UTF-8 text.", next="Encode it first, for example with base64.")
    return text.removesuffix("\n").removesuffix("\r")


def check_value(name: str, value: str, *, development: bool) -> None:
    """Raise InputError, which never holds the value, if it cannot be a secret: empty, masked, or too short."""
    length = len(value.strip())
    if not length:
        raise InputError(f"The value of {name} is empty.", next=f"To take it away: runwright secrets unset … {name}")
    if set(value.strip()) == {"*"}:
        raise InputError(
            f"The value of {name} is nothing but asterisks: that is how a masked secret is shown.",
            next="Copy the secret itself.",
        )
    if length < MIN_SECRET_CHARACTERS and not development:
        raise InputError(
            f"The value of {name} has {length} characters; outside development a secret has at least "
            f"{MIN_SECRET_CHARACTERS}.",
            next="Set a longer one, for example from: openssl rand -hex 32",
        )
