"""The way to Prefect, taken only by the commands that need it: it takes a second or two to import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.cli.prefect_api import Prefect


@contextmanager
def connected() -> Iterator[Prefect]:
    """Give a connection to the Prefect server. Raise RunwrightError if there is none or it cannot be reached."""
    url = api_url()  # before Prefect is imported: it reads its settings then
    from deployments.cli.prefect_api import Prefect

    with Prefect(url) as prefect:
        yield prefect


def api_url() -> str:
    """Return the address of the Prefect server, and let this process use it. Raise RunwrightError if there is none."""
    from deployments.server import connect, state_file

    try:
        return connect()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunwrightError(
            f"What `runwright up` remembered in {state_file()} cannot be read ({type(error).__name__}).",
            state="Nothing was done.",
            next="Look at the file and its folder. Without the file, `runwright up` starts anew.",
        ) from None
