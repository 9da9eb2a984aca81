"""What cannot stand behind a switch is told before the switch has its names: its way back would lead through it, too."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runwright.engine.actions import Command, Output, Read
from runwright.platforms.compose import spoken
from runwright.platforms.compose.containers import Container
from runwright.runbook.platforms.compose import Traffic


@contextlib.contextmanager
def answering(answer: bytes | None, *, listens: bool = True) -> Iterator[int]:
    """A server that sends ``answer`` to what it is sent and ends the connection; None: it says nothing, and keeps it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
            yield port
            return
        kept: list[socket.socket] = []

        def serve() -> None:
            line, _ = server.accept()
            line.recv(8)
            if answer is None:
                kept.append(line)
                return
            line.sendall(answer)
            line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield port
        thread.join(5)
        for line in kept:
            line.close()


@pytest.mark.parametrize(
    "answer, wrong",
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ""),
        (b"HTTP/1.0 500 No\r\n\r\n", ""),
        (b"", "ends the connection without an answer"),  # php-fpm
        (b"HT", "answers what is not HTTP"),
        (b"\0\0\x12\x04\0\0\0\0\0", "answers what is not HTTP"),  # HTTP/2 alone: its settings
        (None, ""),  # slow is no evidence
    ],
)
def test_only_what_is_surely_not_http_is_wrong(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, wrong: str
) -> None:
    """Any HTTP will do, whatever it says; a server that takes long may be busy."""
    monkeypatch.setattr(spoken, "_ANSWER_SECONDS", 0.2)
    with answering(answer) as port:
        assert spoken.wrong_at("127.0.0.1", port) == wrong


def test_a_port_at_which_nobody_listens_is_wrong() -> None:
    """It is the commonest mistake: the published port in place of the container's own."""
    with answering(b"", listens=False) as port:
        assert spoken.wrong_at("127.0.0.1", port) == "does not listen"


def asked(networks: str, engine: str = "unix:///var/run/docker.sock") -> Any:
    """Docker, as far as it is asked here."""

    def do(action: Any) -> Any:
        if isinstance(action, Read):
            return action.function()
        assert isinstance(action, Command)
        text = engine if "context" in action.argv else networks
        assert action.parse is not None
        return action.parse(Output(0, text.encode(), b""))

    return do


def test_a_release_into_colours_is_refused_with_the_port_and_what_to_do() -> None:
    """Nothing was changed yet; what runs on another machine is not asked, for its addresses mean others here."""
    runs = (
        Container("c1", "shop-php-1", "php", "sha256:1", "running"),
        Container("c2", "shop-db-1", "db", "", "running"),
    )
    with answering(b"") as port:
        traffic = {"php": Traffic(port=port)}
        here = '{"shop_back": {"IPAddress": ""}, "shop_default": {"IPAddress": "127.0.0.1"}}'
        assert spoken.refuses(asked(here, "ssh://shop.example.com"), runs, traffic) is None
        assert spoken.refuses(asked("null"), runs, traffic) is None
        error = spoken.refuses(asked(here), runs, traffic)
    assert error is not None
    assert f"php cannot be in `traffic` with port {port}" in error.what
    assert "shop-php-1 ends the connection without an answer" in error.what
    assert "strategy: recreate" in error.next
