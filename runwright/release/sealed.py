"""No error leaves a step with a secret in it, and no foreign error with its text."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from runwright.engine.visible import visible
from runwright.errors import RunwrightError
from runwright.release.work import Work


def without_secrets(work: Work, function: Callable[[Work], Any]) -> Any:
    """Call ``function(work)``; let no error leave with a secret in it, and no foreign error with its text."""
    clean, clean_printed = work.performer.clean, work.performer.clean_printed
    try:
        return function(work)
    except RunwrightError as error:
        told = [visible(clean(text), lines=True) for text in (error.what, error.state, error.next)]
        raise type(error)(told[0], state=told[1], next=told[2]) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold a secret
        work.say(clean_printed("".join(traceback.format_exception(error))), level="debug")
        raise RunwrightError(
            f"Something happened that Runwright did not expect: {visible(clean_printed(f'{type(error).__name__}: {error}'))[:400]}",
            state="The step ended there; the journal says what was changed.",
            next="The debug log of the run holds the traceback. Please report it.",
        ) from None
