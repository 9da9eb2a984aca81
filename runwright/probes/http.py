"""The probe `http`: ask a URL, from here or from inside of the system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from runwright.engine.actions import Action, Command, Http, Reply
from runwright.errors import InputError
from runwright.probes import inside
from runwright.probes.shape import ANY_CODE, PLANNED_FACT, Answer, Asked
from runwright.probes.values import Values
from runwright.runbook.probes import Probe
from runwright.runbook.questions import Upload

T = TypeVar("T")

CLEANUP_TIMEOUT_SECONDS = 10.0
MOST_UPLOADED_BYTES = 2**20


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return the request."""
    probe, values = asked.probe, asked.values
    headers = headers_of(probe, values, probe.url)
    body = None
    if probe.body is not None:
        body = json.dumps(values.fill_all(probe.body)).encode()
        headers.setdefault("content-type", "application/json")
    elif probe.upload is not None:
        kind, body = form(probe.upload, values)
        headers["content-type"] = kind
    sent = inside.Sent(
        probe.method, values.fill_url(probe.url), probe.timeout, headers, body, authorization(probe, values)
    )
    says = f"ask {probe.id}: {values.show(probe.what)}"
    return _request(asked, sent, judge, says, f"{asked.key}/{probe.id}" if probe.changes else None, PLANNED_FACT)


def form(upload: Upload, values: Values) -> tuple[str, bytes]:
    """Return the content-type and the body of a form with a file. Raise InputError if the file cannot be read, or is too large."""
    content = values.fill(upload.content).encode()
    if upload.path is not None:
        try:
            content = Path(upload.path).read_bytes()
        except OSError as error:
            raise InputError(f"The file {upload.path} to upload cannot be read: {error.strerror}.") from None
    if len(content) > MOST_UPLOADED_BYTES:
        raise InputError(f"The file {upload.path} to upload has {len(content):,} bytes; a probe sends a small one.")
    request = httpx.Request(
        "POST",
        "http://form",
        files={upload.field: (values.fill(upload.name), content, upload.type)},
        data={name: values.fill(value) for name, value in upload.fields.items()},
    )
    return request.headers["content-type"], request.read()


def cleanup(asked: Asked, parse: Callable[[Answer], T], key: str) -> Action[T]:
    """Return the request that deletes what a probe left behind. Raise InputError if it is not known what that is."""
    probe, values = asked.probe, asked.values
    where = probe.cleanup or ""
    seconds = max(probe.timeout, CLEANUP_TIMEOUT_SECONDS)
    auth = authorization(probe, values)
    sent = inside.Sent("DELETE", values.fill_url(where), seconds, headers_of(probe, values, where), None, auth)
    return _request(asked, sent, parse, f"remove what probe {probe.id} left: DELETE {values.show(where)}", key, None)


def headers_of(probe: Probe, values: Values, where: str) -> dict[str, str]:
    """Return the headers that are sent to ``where``. Raise InputError if a secret in them is not set."""
    headers = {name.lower(): values.fill(value) for name, value in probe.send_headers.items()}
    if probe.bearer is not None:
        headers["authorization"] = f"Bearer {values.fill(probe.bearer)}"
    return {"user-agent": "runwright", **(values.as_clients(where) if probe.inside is None else {}), **headers}


def authorization(probe: Probe, values: Values) -> tuple[str, str] | None:
    """Return the user and the password that are sent, None if there are none. Raise InputError if one is not set."""
    return (values.fill(probe.basic[0]), values.fill(probe.basic[1])) if probe.basic is not None else None


def _request(
    asked: Asked, sent: inside.Sent, parse: Callable[[Answer], T], says: str, key: str | None, assume: Any
) -> Action[T]:
    """Return the action that sends a request from where the probe is asked."""
    again = sent.method != "POST"
    if asked.probe.inside is not None:
        return Command(
            says=says,
            argv=(*asked.world.entering(asked.probe.inside), *inside.words()),
            stdin=inside.stdin(sent),
            cwd=Path("/"),  # Compose reads a file that lies where it is called; there is none in /
            ok=ANY_CODE,
            parse=lambda output: parse(inside.answer(output, sent.seconds)),
            key=key,
            deadline_seconds=sent.seconds + inside.ENTERING_SECONDS,
            repeatable=again,
            assume=assume,
        )
    return Http(
        method=sent.method,
        url=sent.url,
        headers=sent.headers,
        body=sent.body,
        auth=sent.auth,
        ok=None,
        parse=lambda reply: parse(_answer(reply)),
        says=says,
        key=key,
        deadline_seconds=sent.seconds,
        repeatable=again,
        assume=assume,
    )


def _answer(reply: Reply) -> Answer:
    return Answer(reply.body, reply.seconds, reply.status, reply.headers, reply.phases)
