"""Perform an Http action with httpx."""

from __future__ import annotations

import functools
import ssl
import time
from pathlib import Path
from typing import Any

import httpx

from runwright.actions import Http, Reply
from runwright.errors import ActionError, DeadlineError

MAX_BODY_BYTES = 8 * 2**20
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class NoAnswer(ActionError):
    """The server gave no HTTP answer at all: refused, reset, unknown name, TLS failure."""


def request(action: Http[Any]) -> Reply:
    """Return the server's answer, whatever its status. Raise NoAnswer or DeadlineError if there is none.

    The whole exchange has one deadline, not one for each byte: a server that drips is ended as well.
    """
    until = time.monotonic() + action.deadline_seconds
    begun = time.monotonic()
    try:
        with (
            httpx.Client(
                verify=_trusted(action.ca_file),
                timeout=action.deadline_seconds,
                trust_env=False,
                follow_redirects=False,
            ) as client,
            client.stream(
                action.method, action.url, headers=dict(action.headers), content=action.body, auth=action.auth
            ) as answer,
        ):
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_BODY_BYTES or time.monotonic() > until:
                    break
            if time.monotonic() > until:
                raise httpx.ReadTimeout("it answered too slowly")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status_code, headers, bytes(body[:MAX_BODY_BYTES]), time.monotonic() - begun)
    except httpx.TimeoutException as error:
        raise DeadlineError(
            f"No answer within {action.deadline_seconds:g} s: {action.says}.",
            next="Look at whether the server is overloaded or unreachable.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
        raise NoAnswer(
            f"No answer ({_short(error)}): {action.says}.",
            next="Check the address, and that something listens there.",
        ) from error


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    return _usual() if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


@functools.cache
def _usual() -> ssl.SSLContext:
    """Reading the usual authorities takes longer than most requests; a watch makes thousands of them."""
    return httpx.create_ssl_context(trust_env=False)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
