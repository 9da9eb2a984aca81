"""The way to Prefect, taken only by the commands that need it: it takes a second or two to import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    from deployments.server import connect

    return connect()
