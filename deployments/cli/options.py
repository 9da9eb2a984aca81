"""The arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated

import typer

from runwright.errors import InputError

if TYPE_CHECKING:
    from runwright.runbook.model import Runbook

PlaceArgument = Annotated[
    str, typer.Argument(metavar="SYSTEM/ENVIRONMENT", help="The system and its environment, such as shop/production.")
]
OptionalPlaceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SYSTEM/ENVIRONMENT]", help="The system and its environment. Default: all.", show_default=False
    ),
]
ReleaseArgument = Annotated[
    str, typer.Argument(metavar="RELEASE", help="The id of a release; `runwright history` lists them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and everything else on stderr.")]
Plain = Annotated[bool, typer.Option("--plain", help="Print plain lines on a terminal too.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept with the release.")]
Deployer = Annotated[
    str | None,
    typer.Option("--deployer", metavar="NAME", help="Who asks for it. Default: this user.", show_default=False),
]
Follow = Annotated[
    bool, typer.Option("--follow/--no-follow", help="Follow the run to its end, or return as soon as it is started.")
]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COMPONENTS",
        help="Release only these components of the runbook, such as web,worker; the others stay as they are.",
    ),
]

_LONGEST_NAME = 200


def components(runbook: Runbook, given: list[str] | None) -> list[str]:
    """Return the components of `--only`, none of all. Raise InputError, which lists them, if one is unknown."""
    from runwright.release.partial import chosen

    if given and not all(name.strip() for text in given for name in text.split(",")):
        raise InputError(
            "--only: names of components are meant, with commas between.",
            next=f"{runbook.system} has {', '.join(runbook.components)}.",
        )
    return chosen(runbook, (name for text in given or () for name in text.split(",")))


def named(text: str, option: str, *, empty: bool = False) -> str:
    """Return ``text`` if it can be kept as somebody's name or reason. Raise InputError if it can not."""
    text = text.strip()
    hidden = any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    if hidden or len(text) > _LONGEST_NAME or not (text or empty):
        raise InputError(f"{option}: one line of 1 to {_LONGEST_NAME} characters is meant.")
    return text
