"""Judge an HTTP answer, or the lack of one: pure functions that end in a short reason without secrets."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from runwright.engine.visible import visible
from runwright.errors import ActionError, DeadlineError, UnreachableError
from runwright.probes.matchers import find, judged, mismatch, shown
from runwright.probes.numbers import Found, numbers_in, out_of_bounds
from runwright.probes.shape import Answer
from runwright.probes.values import Values
from runwright.runbook.base import as_duration
from runwright.runbook.numbers import Phase
from runwright.runbook.probes import Expectation, Probe

MAX_BODY_BYTES = 2**20
"""An answer to a probe is small; of a longer one only so much is read."""
SHOWN_MISMATCHES = 3
PHASES: dict[Phase, str] = {
    "dns": "finding the address",
    "connect": "connecting",
    "tls": "agreeing on TLS",
    "first_byte": "the first byte",
    "total": "all of it",
}

_OUR_NETWORK = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE})


def mismatches(probe: Probe, answer: Answer, values: Values, now: datetime) -> list[str]:
    """Return what is wrong with ``answer``; empty if it is as the probe expects.

    Of several expected answers (``expect_any``) one must match, besides what the probe itself expects of the body. A
    status that an alternative gives counts in place of the probe's.
    """
    body, unread = _json(answer)
    common = [
        *answer.wrong,
        *_body_mismatches(probe, answer, body, unread, values, now),
        *out_of_bounds(probe.numbers, numbers_of(probe, answer)),
        *_late(probe, answer),
    ]
    if not probe.expect_any:
        return [*_status_mismatch(answer, probe.status), *common]
    tried: list[list[str]] = []
    for one in probe.expect_any:
        status = one.status if "status" in one.model_fields_set else probe.status
        tried.append([*_status_mismatch(answer, status), *_body_mismatches(one, answer, body, unread, values, now)])
    if all(tried):
        alternatives = "; or ".join(", ".join(wrong) for wrong in tried)
        return [f"none of {len(tried)} right answers: {alternatives}", *common]
    return common


def numbers_of(probe: Probe, answer: Answer) -> Found:
    """Return the numbers that the probe names, whether the answer is right or not: a pool that is full is often the reason."""
    if not probe.numbers:
        return Found({}, {})
    return numbers_in(probe.numbers, _text(answer), *_json(answer))


def reason_of(wrong: list[str], answer: Answer, values: Values) -> str:
    """Return the reason of a failure in one line, redacted: "answered 503, expected 200; body: ok is false, expected true"."""
    more = f"; and {len(wrong) - SHOWN_MISMATCHES} more" if len(wrong) > SHOWN_MISMATCHES else ""
    to = ""
    if 300 <= (answer.status or 0) < 400 and (place := answer.headers.get("location")):
        parts = urlsplit(place)  # its query may carry a token
        to = f" (it redirects to {parts.scheme + '://' + parts.netloc if parts.netloc else ''}{parts.path})"
    status = "" if answer.status is None or any("answered " in one for one in wrong) else f"answered {answer.status}; "
    return visible(values.redact(status + "; ".join(wrong[:SHOWN_MISMATCHES]) + more + to))


def saved_from(probe: Probe, answer: Answer) -> tuple[dict[str, str], list[str]]:
    """Return what the probe saves of a right answer, as text, and what is wrong if something to save is not there."""
    saved: dict[str, str] = {}
    wrong: list[str] = []
    body, unread = _json(answer)
    for name, path in probe.save.items():
        try:
            found = [] if unread else find(body, path)
        except ValueError as error:
            wrong.append(str(error))
            continue
        if len(found) != 1 or found[0][1] is None or isinstance(found[0][1], (dict, list)):
            wrong.append(f"body: {path}, which is to be saved as {name}, is {'not one value' if found else 'missing'}")
        else:
            value = found[0][1]
            saved[name] = value if isinstance(value, str) else json.dumps(value)
    return saved, wrong


def no_answer(error: ActionError, timeout: float) -> tuple[bool, str]:
    """Return (whether the reason lies on our side, the reason) of a request that got no answer.

    A name that cannot be resolved, a network of ours that is down, and a host that we cannot log in to say nothing about the
    release. A refused or broken connection, a certificate and a silence do.
    """
    if isinstance(error, UnreachableError):
        return True, error.what
    for cause in _chain(error):
        if isinstance(cause, socket.gaierror):
            return True, "its name could not be resolved"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return False, f"its certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return (
                False,
                f"no TLS connection: {(getattr(cause, 'reason', None) or 'the handshake failed').lower().replace('_', ' ')}",
            )
        if isinstance(cause, ConnectionRefusedError):
            return False, "it refused the connection"
        if isinstance(cause, ConnectionResetError):
            return False, "it broke the connection"
        if isinstance(cause, OSError) and cause.errno in _OUR_NETWORK:
            return True, f"this machine could not reach its network: {errno.errorcode[cause.errno]}"
    if isinstance(error, DeadlineError):
        return False, f"no answer within {as_duration(timeout)}"
    return False, f"no answer: {error.what}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _status_mismatch(answer: Answer, status: int | list[int]) -> list[str]:
    right = status if isinstance(status, list) else [status]
    if answer.status is None or answer.status in right:
        return []
    return [f"answered {answer.status}, expected {' or '.join(str(one) for one in right)}"]


def _body_mismatches(
    expected: Expectation, answer: Answer, body: Any, unread: str, values: Values, now: datetime
) -> list[str]:
    wrong: list[str] = []
    if expected.json_body and unread:
        wrong.append(f"body: {unread}")
    elif expected.json_body:
        wrong += [
            f"body: {why}"
            for path, matcher in expected.json_body.items()
            if (why := mismatch(body, path, matcher, now))
        ]
    if expected.contains is not None and values.fill(expected.contains) not in _text(answer):
        wrong.append(f"body: does not contain {shown(expected.contains)}")
    for name, matcher in expected.headers.items():
        actual = answer.headers.get(name.lower())
        if why := judged([] if actual is None else [(f"header {name}", actual)], f"header {name}", matcher, now):
            wrong.append(why)
    return wrong


def _late(probe: Probe, answer: Answer) -> list[str]:
    """Return which phases of the request took too long. One that there was not (no name to look up, no TLS) took no time."""
    if probe.phases and not answer.phases:
        return ["how long its parts took was not measured"]
    return [
        f"{PHASES[phase]} took {answer.phases[phase] * 1000:.0f} ms, expected at most {as_duration(most)}"
        for phase, most in probe.phases.items()
        if answer.phases.get(phase, 0.0) > most
    ]


def _text(answer: Answer) -> str:
    return answer.body[:MAX_BODY_BYTES].decode("utf-8", "replace")


def _json(answer: Answer) -> tuple[Any, str]:
    """Return (the JSON value, "") or (None, why it could not be read)."""
    if len(answer.body) > MAX_BODY_BYTES:
        return None, "longer than 1 MiB, not read as JSON"
    try:
        return json.loads(_text(answer)), ""
    except (ValueError, RecursionError):
        kind = answer.headers.get("content-type", "no content-type").split(";")[0].strip()[:60]
        return None, f"not JSON ({kind}, {len(answer.body):,} bytes)"
