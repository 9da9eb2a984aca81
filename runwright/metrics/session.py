"""A session of the library `requests` whose every request is an action: one deadline, an end to its size, and a cut line.

By itself `requests` has a time limit for each read only, so that a server that drips holds its caller for hours.
"""

from __future__ import annotations

import io
from typing import Any

import requests
from requests.adapters import BaseAdapter

from runwright.engine.actions import Do, Http, Reply
from runwright.errors import ObservationError

MAX_ANSWER_BYTES = 8 * 2**20
"""So much of an answer is read at most: one of that size was cut off."""
MAX_REDIRECTS = 3


def through(session: requests.Session, url: str, do: Do, says: str, deadline_seconds: float) -> None:
    """Make ``session``, which asks ``url``, do it by ``do``. Its requests then raise what ``do`` raises, and ObservationError
    for an answer that is too long."""
    session.trust_env = False  # no proxy and no .netrc that the runbook does not name
    session.max_redirects = MAX_REDIRECTS
    adapter = _Actions(do, says, deadline_seconds)
    for prefix in (url, "http://", "https://"):  # the latter two for where it redirects to
        session.mount(prefix, adapter)


class _Actions(BaseAdapter):
    def __init__(self, do: Do, says: str, deadline_seconds: float) -> None:
        super().__init__()
        self._do = do
        self._says = says
        self._deadline_seconds = deadline_seconds

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        reply = self._do(
            Http(
                says=self._says,
                method=request.method or "GET",
                url=request.url or "",
                # which encodings can be read is for the one to say who reads them
                headers={
                    name: str(value) for name, value in request.headers.items() if name.lower() != "accept-encoding"
                },
                ok=None,
                parse=_whole,
                deadline_seconds=self._deadline_seconds,
            )
        )
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = io.BytesIO(reply.body)
        response.request = request
        response.url = request.url or ""
        return response

    def close(self) -> None:
        """Nothing is held open."""


def _whole(reply: Reply) -> Reply:
    if len(reply.body) >= MAX_ANSWER_BYTES:
        raise ObservationError(
            f"The answer is longer than {MAX_ANSWER_BYTES // 2**20} MiB and was not read to its end.",
            state="Nothing was decided from it.",
            next="Aggregate in the query, for example with sum(...) or max(...).",
        )
    return reply
