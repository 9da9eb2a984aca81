"""The doorway: who is let in, who is turned away, and what is said of it."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from runwright.routers import doorway
from runwright.routers.doorway import Doorway, listeners, room_for_connections

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Visitors:
    """A doorway with two places; whoever is inside gets "in" and stays until the visit is over."""

    def __init__(self) -> None:
        self.turned_away = 0
        self.over = asyncio.Event()
        self.door = Doorway("front", 2, self.served, self.count)
        listening = listeners("127.0.0.1", 0)
        self.address = listening[0].getsockname()
        self.door.open(listening)

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in")
        await writer.drain()
        await self.over.wait()

    def count(self) -> None:
        self.turned_away += 1

    async def comes(self) -> Streams:
        return await asyncio.open_connection(*self.address)


async def is_let_in(visitor: Streams) -> bool:
    async with asyncio.timeout(10):
        return await visitor[0].read(2) == b"in"


def test_who_comes_when_it_is_full_is_turned_away_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred are told so with a 503, the log has one line; a place that is free again is given to the next."""

    async def story() -> None:
        visitors = Visitors()
        inside = [await visitors.comes() for _ in range(2)]
        assert [await is_let_in(one) for one in inside] == [True, True]
        for _ in range(100):
            reader, writer = await visitors.comes()
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            writer.close()
        assert visitors.turned_away == 100
        visitors.over.set()
        for reader, writer in inside:
            assert await reader.read() == b"", "the visit is over"
            writer.close()
        again = await visitors.comes()
        assert await is_let_in(again)
        again[1].close()
        await visitors.door.close()

    asyncio.run(story())
    assert capsys.readouterr().err == "front: more connections are turned away: 2 are open\n"


def test_a_closed_door_lets_nobody_in_and_puts_nobody_out() -> None:
    """Requests in flight end as they would have."""

    async def story() -> None:
        visitors = Visitors()
        reader, writer = inside = await visitors.comes()
        assert await is_let_in(inside)
        await visitors.door.close()
        with pytest.raises(ConnectionRefusedError):
            await visitors.comes()
        assert not reader.at_eof()
        visitors.over.set()
        assert await reader.read() == b""
        writer.close()

    asyncio.run(story())


def test_when_no_connection_can_be_accepted_it_is_said_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a system that has no file descriptors left for a while, clients wait and the log does not fill."""
    monkeypatch.setattr(doorway, "AGAIN_SECONDS", 0.001)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        accept, refusals = loop.sock_accept, iter(range(50))

        async def refused(listener: socket.socket) -> object:
            if next(refusals, None) is not None:
                raise OSError(errno.EMFILE, "Too many open files")
            return await accept(listener)

        monkeypatch.setattr(loop, "sock_accept", refused)
        visitors = Visitors()
        visitor = await visitors.comes()
        assert await is_let_in(visitor)
        visitors.over.set()
        visitor[1].close()
        await visitors.door.close()

    asyncio.run(story())
    assert capsys.readouterr().err == "front: cannot accept a connection: [Errno 24] Too many open files\n"


def test_a_mistake_of_ours_costs_one_client_its_connection_and_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The log says where it was; the others are served."""

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ZeroDivisionError("a mistake")

    async def story() -> None:
        door, listening = Doorway("front", 20, broken, lambda: None), listeners("127.0.0.1", 0)
        address = listening[0].getsockname()
        door.open(listening)
        for _ in range(20):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
        await door.close()

    asyncio.run(story())
    said = capsys.readouterr().err
    assert said.startswith("front: a connection was broken off: Traceback") and said.count("a mistake\n") == 1


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from runwright.routers.doorway import room_for_connections
print(room_for_connections(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "room", "then"),
    [(100, 128, 32, 128), (1024, 1024, 480, 1024), (256, 4096, 2000, 4064), (4096, 4096, 2000, 4096), (64, 64, 1, 64)],
    ids=["little", "usual", "more is allowed", "plenty", "nothing to spare"],
)
def test_there_is_room_for_as_many_as_there_are_file_descriptors_for(
    soft: int, hard: int, room: int, then: int
) -> None:
    """Two each, and some that are kept for the administrator. As many as are of use are asked for."""
    program = LIMITED.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(room), str(then), str(hard)]


def test_no_limit_at_all_is_room_for_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """-1 is no small number."""
    unlimited: Callable[[int], tuple[int, int]] = lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY)  # noqa: E731
    monkeypatch.setattr(resource, "getrlimit", unlimited)
    assert room_for_connections() == doorway.MAX_CONNECTIONS


def test_a_name_is_listened_on_at_one_port() -> None:
    """Also if it has an address of each kind."""
    opened = listeners("localhost", 0)
    assert len({one.getsockname()[1] for one in opened}) == 1
    for one in opened:
        one.close()
