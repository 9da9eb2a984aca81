"""The one place where errors leave the command line: in plain words, with an exit code that tells the truth."""

from __future__ import annotations

import io
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from deployments.cli.exits import Exit, code_of
from deployments.cli.wording import visible
from runwright.errors import RunwrightError

# what typer raises to end a command or to say that it was called wrongly: it prints these itself
_CLICKS: Any = typer.BadParameter.__mro__[2]
_TYPERS_OWN = (typer.Exit, typer.Abort, _CLICKS, BrokenPipeError, EOFError)


class Guarded(TyperGroup):
    """The group of all commands: no error passes it as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to fail
        try:
            return super().invoke(ctx)
        except _TYPERS_OWN:
            raise
        except KeyboardInterrupt:
            say("Interrupted.")
            raise typer.Exit(Exit.INTERRUPTED) from None
        except RunwrightError as error:
            say(str(error))
            _say_no_room(str(error))
            raise typer.Exit(code_of(type(error))) from None
        except Exception as error:  # noqa: BLE001 - the last one who can say something
            say(unexpected(error))
            _say_no_room("")
            raise typer.Exit(Exit.UNEXPECTED) from None


def say(text: str) -> None:
    """Print text about an error to stderr."""
    sys.stderr.write(visible(text, lines=True) + "\n")


def _say_no_room(said: str) -> None:
    """Tell that the disk is full, if it is and nobody has: hardly any program says so itself."""
    from runwright.home import no_room

    if (full := no_room()) and full not in said:
        say(f"{full} Make room there first.")


def unexpected(error: BaseException) -> str:
    """Keep the traceback of ``error`` in a file that only this user can read; return the sentence that names it."""
    from runwright.engine.effects.files import write_file
    from runwright.engine.redaction import Redactor
    from runwright.home import home

    clean = Redactor({}).clean  # the passwords of URLs; a traceback holds no values besides
    path: Path = home() / "logs" / f"error-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
    what = f"Something happened that Runwright did not expect ({type(error).__name__})"
    try:
        write_file(path, clean("".join(traceback.format_exception(error))).encode("utf-8", "replace"), 0o600)
    except RunwrightError:
        return f"{what}: {clean(str(error))[:400]}. Its traceback could not be written to {path}. Please report it."
    return f"{what}. {path} holds the traceback; please report it."
