"""The probe `redis`: a command that only reads, by the redis-cli of its service or over the network."""

from __future__ import annotations

import json
import math
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from runwright.engine.actions import Action, Command, Output, Read
from runwright.engine.there.place import current
from runwright.engine.visible import visible
from runwright.errors import ObservationError
from runwright.loopback import is_loopback
from runwright.probes.shape import ANY_CODE, PLANNED_FACT, Answer, Asked
from runwright.runbook.questions import RedisQuestion

ENTERING_SECONDS: Final = 15.0
SHOWN_CHARACTERS: Final = 200
TIMED_OUT: Final = 124
"""What `timeout` exits with."""
_INSIDE: Final = b"runwright\n"
_SCRIPT: Final = """\
read -r REDISCLI_AUTH; if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
echo runwright; exec timeout "$0" redis-cli --no-auth-warning -e "$@" </dev/null
"""
"""The password goes over standard input, and so is in no word of a program."""
_CODE: Final = re.compile(r"(\(error\) )?[A-Z]{2,}\b", re.ASCII)
"""What an error that Redis itself answers begins with: its code."""
_LOGIN: Final = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "invalid username-password")


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return what asks. Raise InputError if the password is not set, ActionError if there is no way in."""
    probe, wanted = asked.probe, asked.probe.redis
    assert wanted is not None
    password = asked.values.fill(wanted.password) if wanted.password is not None else None
    says = f"ask {probe.id}: {probe.what}"
    if wanted.service is not None:
        return Command(
            says=says,
            argv=(
                *asked.world.entering(wanted.service),
                "sh",
                "-c",
                _SCRIPT,
                str(math.ceil(probe.timeout)),
                *wanted.command,
            ),
            stdin=f"{password or ''}\n".encode(),
            cwd=Path("/"),  # Compose reads a file that lies where it is called; there is none in /
            ok=ANY_CODE,
            parse=lambda output: judge(printed(output, wanted)),
            deadline_seconds=probe.timeout + ENTERING_SECONDS,
            assume=PLANNED_FACT,
        )
    return Read(
        says=says,
        function=lambda: judge(_asked(wanted, password, probe.timeout)),
        asks=True,
        deadline_seconds=2 * probe.timeout + 1,
        assume=PLANNED_FACT,
    )


def printed(output: Output, wanted: RedisQuestion) -> Answer:
    """Return what redis-cli has printed. Raise ObservationError if it did not run, or the login was refused."""
    inside, _, text = output.stdout.partition(_INSIDE)
    if inside or not output.stdout.startswith(_INSIDE) or output.code in (126, 127):
        raise _blind(f"redis-cli could not be run inside of {wanted.service}", output.stderr)
    if output.code == 0:
        return _answer(text.rstrip(b"\n"), output.seconds, wanted)
    if output.code == TIMED_OUT:
        return Answer(b"", output.seconds, wrong=("no answer in time",), heard=False)
    said = (output.stderr.strip() or text.strip()).decode("utf-8", "replace")
    if _CODE.match(said.rsplit("\n", 1)[-1]):
        return _refused(said)
    return Answer(b"", output.seconds, wrong=(f"it does not answer: {visible(said)[:SHOWN_CHARACTERS]}",), heard=False)


def _asked(wanted: RedisQuestion, password: str | None, seconds: float) -> Answer:
    if current() is not None and is_loopback(urlsplit(str(wanted.url)).hostname or ""):
        raise _blind("a Redis at a loopback address of another host is asked by its `service`, not by `url`")
    import redis  # takes as long to import as everything else here

    begun = time.monotonic()
    try:
        with redis.Redis.from_url(
            str(wanted.url), password=password, socket_timeout=seconds, socket_connect_timeout=seconds, retry=None
        ) as client:
            client.response_callbacks.clear()  # the answer as it came, and not what the library makes of it
            found: Any = client.execute_command(*wanted.command)
    except redis.AuthenticationError:
        raise _blind("the login was refused") from None
    except redis.ResponseError as error:
        return _refused(str(error))
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if _unknown_name(error):
            raise _blind("its name could not be resolved") from None
        why = "no answer in time" if isinstance(error, redis.TimeoutError) else "it could not be reached"
        return Answer(b"", time.monotonic() - begun, wrong=(why,), heard=False)
    seconds = time.monotonic() - begun
    return _answer(found if isinstance(found, bytes) else json.dumps(found, default=_text).encode(), seconds, wanted)


def _answer(body: bytes, seconds: float, wanted: RedisQuestion) -> Answer:
    pong = wanted.command[0].upper() != "PING" or len(wanted.command) > 1 or body.strip() == b"PONG"
    return Answer(body, seconds, wrong=() if pong else (f"it answered {visible(_text(body))[:40]}, expected PONG",))


def _refused(said: str) -> Answer:
    if any(word in said for word in _LOGIN):
        raise _blind("the login was refused")
    return Answer(b"", 0.0, wrong=(f"it refused the command: {visible(said.strip())[:SHOWN_CHARACTERS]}",))


def _unknown_name(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, socket.gaierror):
            return True
        error = error.__cause__ or error.__context__
    return False


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _blind(why: str, said: bytes = b"") -> ObservationError:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    more = f": {visible(lines[-1])[:SHOWN_CHARACTERS]}" if lines else ""
    return ObservationError(f"{why}{more}", state="Nothing was decided from it.")
