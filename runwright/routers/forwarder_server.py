"""The forwarder: a small front door for one system, with a target that can be changed at any moment.

    python -m runwright.routers.forwarder_server --state DIR [--host 127.0.0.1] [--listen 8080]

In DIR: ``target.json``, what it serves when it starts, written by whoever changes the target; ``fence.json``, whose word
counts; ``token``, what the administrator must know; ``listen.json`` and ``admin.json``, where it listens, written by
itself. A port that it chose itself (``--listen 0``) is kept for the next start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from runwright.effects.files import write_file
from runwright.routers.board import Board
from runwright.routers.doorway import Doorway, listeners, room_for_connections
from runwright.routers.fence import named_target
from runwright.routers.forwarder_admin import Guard, administer, target_from
from runwright.routers.relay import serve

LOOPBACK = "127.0.0.1"
ADMINISTRATORS = 16  # at once
FAREWELL_SECONDS = 10.0  # how long requests in flight may finish when it is asked to end


def token(path: Path) -> str:
    """Return the administrator's token, made at the first start and readable by its owner only."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    text = path.read_text().strip()
    if len(text) < 32:  # a start that was killed while it wrote
        text = secrets.token_hex(32)
        write_file(path, text.encode(), 0o600)
    return text


def listening(path: Path, host: str, port: int) -> list[socket.socket]:
    """Listen on ``port``, or on the one that ``path`` remembers, or on a free one; remember it. Raise OSError."""
    kept = 0
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        kept = int(json.loads(path.read_bytes())["port"])
    opened = listeners(host, port or kept)
    remember(path, host, opened)
    return opened


def remember(path: Path, host: str, opened: list[socket.socket]) -> None:
    """Write down where this process listens."""
    where = {"host": host, "port": opened[0].getsockname()[1], "pid": os.getpid()}
    write_file(path, json.dumps(where).encode(), 0o644)


async def run(state: Path, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then let requests in flight finish."""
    board, guard = Board(target=target_from(named_target(state))), Guard(state)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    room = room_for_connections()
    front = Doorway("front", room, partial(serve, board), board.turned_away)
    admin = Doorway("admin", ADMINISTRATORS, partial(administer, board, guard, token(state / "token")), lambda: None)
    clients = listening(state / "listen.json", host, port)
    front.open(clients)
    administrators = listeners(LOOPBACK, 0)
    remember(state / "admin.json", LOOPBACK, administrators)
    admin.open(administrators)
    at = f"{host}:{clients[0].getsockname()[1]}"
    print(f"forwarder on {at}, target {board.target}, room for {room} connections", file=sys.stderr)  # noqa: T201
    await ended.wait()
    board.stopping = True
    await front.close()
    until = loop.time() + FAREWELL_SECONDS
    while sum(board.in_flight.values()) and loop.time() < until:
        await asyncio.sleep(0.02)
    await admin.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the forwarder. Return 0 when it was asked to end, 1 if it cannot start."""
    parser = argparse.ArgumentParser(prog="forwarder", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--listen", type=int, default=0)
    given = parser.parse_args(arguments)
    given.state.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(run(given.state, given.host, given.listen))
    except (OSError, ValueError) as error:
        print(f"the forwarder cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
