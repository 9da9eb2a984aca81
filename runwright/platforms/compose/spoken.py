"""Whether what runs speaks HTTP where `traffic` says so: once the switch has its names, nothing else gets there.

Asked of what serves now, before it enters its first colour: the way back leads through the switch, too.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from functools import partial

from runwright.engine.actions import Command, Do, Output, Read
from runwright.errors import RefusedError
from runwright.platforms.compose.containers import Container
from runwright.runbook.platforms.compose import Traffic

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 5.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: runwright\r\nConnection: close\r\n\r\n"
_BEGINS = b"HTTP/"


def refuses(do: Do, plain: Iterable[Container], traffic: Mapping[str, Traffic]) -> RefusedError | None:
    """Return why the switch could not pass users on to ``plain``, which serve without one: one of them surely does not speak HTTP.

    None if all do, or where nothing is known: containers of another machine, or one that does not answer in time.
    """
    asked = {c.service: c for c in plain if c.running and c.service in traffic}
    if not asked or not do(_HERE):
        return None
    for service, container in asked.items():
        port = traffic[service].port
        for address in do(_addresses(container))[:1]:
            says = f"see whether {container.name} speaks HTTP at its port {port}"
            wrong = do(Read(says=says, function=partial(wrong_at, address, port), asks=True, assume=""))
            if wrong:
                return RefusedError(
                    f"{service} cannot be in `traffic` with port {port}: asked for `GET /` there, {container.name} {wrong}.",
                    state="Nothing was changed.",
                    next="What stands before a service in `traffic` passes HTTP/1.1 on to that port, and nobody would be served. Name "
                    "the port at which it serves HTTP. What speaks something else (FastCGI as of php-fpm, uwsgi, gRPC) is "
                    "released with `strategy: recreate`.",
                )
    return None


def wrong_at(address: str, port: int) -> str:
    """Return what is done with an HTTP request at ``port``, as a phrase, if that is surely no answer to it; else ""."""
    answer = b""
    try:
        line = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
    except ConnectionRefusedError:
        return "does not listen"
    except OSError:
        return ""
    with line:
        line.settimeout(_ANSWER_SECONDS)
        try:
            line.sendall(_REQUEST)
            while len(answer) < len(_BEGINS) and (more := line.recv(len(_BEGINS) - len(answer))):
                answer += more
        except (ConnectionResetError, BrokenPipeError):
            pass
        except OSError:
            return ""
    if answer == _BEGINS:
        return ""
    return "answers what is not HTTP" if answer else "ends the connection without an answer"


def _local(output: Output) -> bool:
    return output.text.strip().startswith("unix://")


_HERE = Command(
    says="see whether the containers are of this machine",
    argv=("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
    ok=frozenset(range(256)),
    parse=_local,
    assume=False,
)


def _addresses(container: Container) -> Command[tuple[str, ...]]:
    return Command(
        says=f"see which addresses {container.name} has",
        argv=("docker", "container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", container.id),
        ok=frozenset({0, 1}),
        parse=_addresses_of,
        assume=(),
    )


def _addresses_of(output: Output) -> tuple[str, ...]:
    networks = json.loads(output.text) if output.code == 0 else {}
    return tuple(said["IPAddress"] for said in (networks or {}).values() if said.get("IPAddress"))
