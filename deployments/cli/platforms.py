"""What `init` and `check` ask of the platforms: each knows where its applications are."""

from __future__ import annotations

from pathlib import Path

from runwright import registry
from runwright.engine.actions import Do
from runwright.engine.there.place import at
from runwright.errors import InputError, UnreachableError
from runwright.platforms.shape import Drafted, Kind, Seen
from runwright.policy.support import unsupported
from runwright.runbook.model import Runbook


def drafted(do: Do, directory: Path, files: tuple[str, ...], env_file: str) -> Drafted:
    """Return a runbook for the application in ``directory``, by the first platform that has one there; else by one that has one
    above it.

    files, env_file: what a person named of it. Raise InputError, as that platform says it, if none has.
    """
    refused: InputError | None = None
    above: Drafted | None = None
    for name in registry.PLATFORMS.names:
        try:
            kind: Kind = registry.PLATFORMS.driver(name)
            if found := kind.drafted(do, directory, files, env_file):
                if found.here:
                    return found
                above = above or found
        except InputError as error:
            refused = refused or error
    if above is not None:
        return above
    raise refused or InputError(
        f"No platform drafts a runbook for {directory}.", next="Write it by hand: `runwright docs`."
    )


def checked(do: Do, book: Runbook) -> Seen:
    """Return what the platforms find of every environment that can be released, each thing once."""
    mistakes: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for name, place in book.environments.items():
        if unsupported(book, name):
            continue
        kind: Kind = registry.PLATFORMS.driver(place.target.platform)
        with at(place.target.host()) as login:
            try:
                if login is not None:
                    login.home  # noqa: B018 - nothing there can be looked at if nobody can log in
                seen = kind.checked(do, book, name)
            except UnreachableError as error:
                seen = Seen(warnings=(f"{name}: it was not looked at. {error.what} {error.next}",))
        mistakes |= dict.fromkeys(seen.mistakes)
        warnings |= dict.fromkeys(seen.warnings)
    return Seen(tuple(mistakes), tuple(warnings))
