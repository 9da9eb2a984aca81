"""What a drill puts between the front door and a slot: it answers 500, or late, and ends by itself.

    python -m runwright.routers.caddy.fault SLOT errors|latency SECONDS HOST PORT [--permit FOLDER]

It runs in the front door's folder. Caddy sends a slot's requests to it while its sign is there, and to HOST and PORT if it
died without taking that away. It also ends when FOLDER is gone: who took over has fenced the drill.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runwright.engine.actions import Do, Read, Spawn, Stop, Wait
from runwright.engine.effects.processes import alive, recorded
from runwright.routers.caddy.configuration import fault_sign, fault_socket
from runwright.runbook.drill import Break
from runwright.traffic import Upstream

DELAY_SECONDS = 10.0
"""How late answers are: longer than a probe waits, and users too."""
MOST_SECONDS = 86400.0
"""How long anything may be spoilt, whoever asks."""
POLL_SECONDS = 0.2
START_SECONDS = 20.0
GRACE_SECONDS = 2.0  # for answers that it holds back
CHUNK_BYTES = 64 * 1024
MODULE = "runwright.routers.caddy.fault"
_BODY = b"500 A drill: this is broken on purpose.\n"
_ANSWER = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


def pid_file(folder: Path, slot: str) -> Path:
    """Return where the process that spoils ``slot`` is written down."""
    return folder / f"fault-{slot}.json"


def stands(folder: Path, slot: str) -> bool:
    """Return whether ``slot`` is spoilt by the process that is written down."""
    process, sign = recorded(pid_file(folder, slot)), folder / fault_sign(slot)
    return process is not None and sign.exists() and sign.read_text() == str(process.pid)


@dataclass(frozen=True)
class Spoilt:
    """What is spoilt: the slot at its address, in which way, for how many seconds, and while which folder is there."""

    to: Upstream
    by: Break
    seconds: float
    permit: Path | None


def begin(do: Do, folder: Path, what: Spoilt, python: str, key: str) -> None:
    """Spoil a slot of the front door in ``folder`` until it is ended, or ends by itself."""
    slot = what.to.slot
    end(do, folder, (slot,), f"{key}/before")
    how = "500" if what.by == "errors" else f"{DELAY_SECONDS:g} s late"
    permit = () if what.permit is None else ("--permit", str(what.permit))
    words = (slot, what.by, f"{what.seconds:g}", what.to.host, str(what.to.port))
    do(
        Spawn(
            argv=(python, "-P", "-m", MODULE, *words, *permit),
            cwd=folder,
            log=folder / "fault.log",
            pid_file=pid_file(folder, slot),
            says=f"answer {how} for {slot}, on purpose",
            key=f"{key}/spoil",
        )
    )
    do(
        Wait(
            read=Read(says="see whether it is broken", function=lambda: stands(folder, slot), assume=True),
            until=bool,
            every_seconds=POLL_SECONDS / 2,
            deadline_seconds=START_SECONDS,
            says=f"wait until {slot} is broken",
            assume=True,
        )
    )


def end(do: Do, folder: Path, slots: tuple[str, ...], key: str) -> None:
    """End what is spoilt of ``slots``."""
    for slot in slots:
        file = pid_file(folder, slot)
        process = do(Read(says=f"see whether {slot} is broken", function=partial(recorded, file), assume=None))
        if process is not None and alive(process):
            says = f"let {slot} answer as it does"
            do(Stop(process=process, grace_seconds=GRACE_SECONDS, says=says, key=f"{key}-{process.pid}"))


async def run(slot: str, by: str, seconds: float, to: tuple[str, int], permit: Path | None) -> None:
    """Spoil ``slot``, in the current folder, until the time is over, SIGTERM, or the loss of ``permit``."""
    ended, busy = asyncio.Event(), set[asyncio.Task[None]]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if by == "errors":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_ANSWER)
                await writer.drain()
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), DELAY_SECONDS)
                await _splice(reader, writer, *await asyncio.open_connection(*to))
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        busy.add(task)
        task.add_done_callback(busy.discard)

    path, sign = Path(fault_socket(slot)), Path(fault_sign(slot))
    path.unlink(missing_ok=True)  # one that was killed left it
    os.umask(0o177)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    server = await asyncio.start_unix_server(begin, sock=listener)
    sign.write_text(str(os.getpid()))
    until = asyncio.get_running_loop().time() + min(seconds, MOST_SECONDS)
    try:
        while not ended.is_set() and asyncio.get_running_loop().time() < until and (permit is None or permit.exists()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), POLL_SECONDS)
    finally:
        sign.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        server.close()
        ended.set()  # who waits is let through
        if busy:
            await asyncio.wait(busy)


async def _splice(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamReader, on: asyncio.StreamWriter
) -> None:
    async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            to.write(data)
            await to.drain()
        to.write_eof()

    sending = asyncio.create_task(copy(reader, on))
    try:
        await copy(back, writer)
    finally:
        sending.cancel()
        on.close()


def main() -> None:
    """Spoil as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slot")
    parser.add_argument("by", choices=("errors", "latency"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--permit", type=Path)
    given = parser.parse_args()
    asyncio.run(run(given.slot, given.by, given.seconds, (given.host, given.port), given.permit))


if __name__ == "__main__":
    main()
