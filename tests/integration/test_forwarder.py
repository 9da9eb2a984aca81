"""The forwarder as a real process before two real servers: no request is lost, whatever is switched, killed or sent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from runwright.errors import ActionError, FencedError, VerificationError
from runwright.routers.forwarder import ForwarderRouter
from runwright.runbook.targets import Forwarder
from runwright.testing.direct import Direct
from runwright.traffic import Upstream


def application(name: str, gate: threading.Event) -> Starlette:
    async def root(request: Request) -> Response:
        return PlainTextResponse(name)

    async def headers(request: Request) -> Response:
        return JSONResponse([[k.decode(), v.decode()] for k, v in request.headers.raw])

    async def body(request: Request) -> Response:
        return JSONResponse([request.headers.get("host"), (await request.body()).decode()])

    async def size(request: Request) -> Response:
        return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))

    async def bulk(request: Request) -> Response:
        return Response(b"b" * int(request.query_params["bytes"]))

    async def held(request: Request) -> Response:
        await anyio.to_thread.run_sync(gate.wait, 20)
        return PlainTextResponse(name)

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"{name}:{text}")

    return Starlette(
        routes=[
            Route("/", root, methods=["GET", "POST"]),
            Route("/headers", headers),
            Route("/body", body, methods=["GET", "POST"]),
            Route("/size", size, methods=["POST"]),
            Route("/bulk", bulk),
            Route("/held", held),
            WebSocketRoute("/ws", echo),
        ]
    )


class Server:
    """A server of ours in a thread."""

    def __init__(self, slot: str) -> None:
        self.gate = threading.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        self.upstream = Upstream(slot, "127.0.0.1", listener.getsockname()[1])
        config = uvicorn.Config(application(slot, self.gate), log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self.gate.set()
        self._server.should_exit = True
        self._thread.join(10)


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    both = {slot: Server(slot) for slot in ("blue", "green")}
    yield both
    for server in both.values():
        server.stop()


@pytest.fixture
def router(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ForwarderRouter]:
    spec = Forwarder.model_validate({"kind": "forwarder", "drain_timeout": "10s"})
    patient = "patient_python" in request.fixturenames
    python = request.getfixturevalue("patient_python") if patient else sys.executable
    router = ForwarderRouter(spec, tmp_path / "router", python)
    (tmp_path / "router").mkdir()
    router.ensure(Direct(), "start")
    yield router
    router.stop(Direct(), "end")


@pytest.fixture
def patient_python(tmp_path: Path) -> str:
    """An interpreter whose forwarder waits half a minute where it waits a second: this machine may be away for as long as that."""
    code = (
        "import sys; from runwright.routers import forwarder_server, relay; "
        "relay.RETRY_SECONDS = relay.LINGER_SECONDS = 30.0; sys.exit(forwarder_server.main())"
    )
    script = tmp_path / "patient"
    script.write_text(f"#!/bin/sh\nshift 3\nexec {sys.executable} -P -c '{code}' \"$@\"\n")
    script.chmod(0o700)
    return str(script)


@pytest.fixture
def front(router: ForwarderRouter, servers: dict[str, Server]) -> str:
    router.switch(Direct(), servers["blue"].upstream, "first")
    return router.facts(Direct()).front


def test_before_its_first_target_it_says_that_nothing_is_served(router: ForwarderRouter) -> None:
    """A front door without a version behind it answers 503 with words, and names no target."""
    answer = httpx.get(router.facts(Direct()).front)
    assert (answer.status_code, "No version" in answer.text) == (503, True)
    assert router.target(Direct()) is None


def test_ten_switches_under_load_lose_no_request(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Clients that keep their connections move with their next request; a websocket stays where it is."""
    ended, failures, answers = threading.Event(), [], {"blue": 0, "green": 0}

    def load(method: str) -> None:
        with httpx.Client(base_url=front, timeout=10) as client:
            while not ended.is_set():
                try:
                    answer = client.request(method, "/")
                    answers[answer.text] += 1
                    if answer.status_code != 200:
                        failures.append(answer.status_code)
                except (httpx.HTTPError, KeyError) as error:
                    failures.append(repr(error))

    threads = [threading.Thread(target=load, args=(method,)) for method in ("GET", "POST", "GET")]
    with connect(front.replace("http", "ws") + "/ws") as websocket, httpx.Client(base_url=front) as kept:
        for thread in threads:
            thread.start()
        for number in range(10):
            slot = ("green", "blue")[number % 2]
            before = sum(answers.values())
            assert router.switch(Direct(), servers[slot].upstream, f"switch-{number}") == 0
            assert kept.get("/").text == slot, "the same connection is answered by the new upstream at once"
            websocket.send(str(number))
            assert websocket.recv(5) == f"blue:{number}"
            until(lambda before=before: sum(answers.values()) > before + 20)
        ended.set()
        for thread in threads:
            thread.join(20)
        assert router.status(Direct())["slots"]["blue"]["upgraded"] == 1
    assert failures == []
    assert min(answers.values()) > 20
    assert router.status(Direct())["unserved"] == {}


def test_a_request_in_flight_ends_where_it_began(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """The switch waits for it; new requests go to the new upstream meanwhile."""
    blue, got = servers["blue"], []
    blue.gate.clear()
    waiting = threading.Thread(target=lambda: got.append(httpx.get(front + "/held", timeout=20).text))
    waiting.start()
    until(lambda: router.in_flight(Direct(), "blue") == 1)
    switching = threading.Thread(target=lambda: router.switch(Direct(), servers["green"].upstream, "switch"))
    switching.start()
    until(lambda: httpx.get(front).text == "green")
    assert switching.is_alive() and router.in_flight(Direct(), "blue") == 1
    blue.gate.set()
    waiting.join(20)
    switching.join(20)
    assert got == ["blue"] and router.in_flight(Direct(), "blue") == 0


def test_after_the_drain_timeout_the_rest_is_counted_and_left(tmp_path: Path, servers: dict[str, Server]) -> None:
    """The switch does not wait for ever, and says how many requests it left."""
    spec = Forwarder.model_validate({"kind": "forwarder", "drain_timeout": "300ms"})
    router = ForwarderRouter(spec, tmp_path / "short", sys.executable)
    (tmp_path / "short").mkdir()
    do = Direct()
    router.ensure(do, "start")
    try:
        router.switch(do, servers["blue"].upstream, "first")
        servers["blue"].gate.clear()
        got: list[str] = []
        front = router.facts(do).front
        waiting = threading.Thread(target=lambda: got.append(httpx.get(front + "/held", timeout=20).text))
        waiting.start()
        until(lambda: router.in_flight(do, "blue") == 1)
        assert router.switch(do, servers["green"].upstream, "second") == 1
        servers["blue"].gate.set()
        waiting.join(20)
        assert got == ["blue"]
    finally:
        router.stop(do, "end")


def test_a_slot_is_spoilt_on_purpose_until_the_next_switch(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Users get errors, or wait; the other slot is as it was, and what is spoilt ends by itself too."""
    do = Direct()
    router.spoil(do, "blue", "errors", 60.0, "drill")
    assert httpx.get(front).status_code == 500
    assert "drill" in httpx.get(front).text
    assert router.status(do)["slots"]["blue"]["errors"] == 2
    router.switch(do, servers["green"].upstream, "back")
    assert httpx.get(front).text == "green"
    router.switch(do, servers["blue"].upstream, "again")
    assert httpx.get(front).text == "blue", "a release that comes later is not spoilt"
    router.spoil(do, "green", "errors", 60.0, "drill-2")
    assert httpx.get(front).text == "blue"
    router.spoil(do, "blue", "latency", 60.0, "drill-3")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(front, timeout=0.5)
    router.spoil(do, "blue", "errors", 0.2, "drill-4")
    until(lambda: httpx.get(front).status_code == 200)


def test_who_lost_the_lease_spoils_nothing(router: ForwarderRouter, front: str, tmp_path: Path) -> None:
    """A drill that was stopped and wakes up later must not break what was put back."""
    spec = Forwarder.model_validate({"kind": "forwarder"})
    old, new = (ForwarderRouter(spec, tmp_path / "router", sys.executable, token) for token in (7, 8))
    new.announce(Direct(), "fence8/router")
    with pytest.raises(FencedError):
        old.spoil(Direct(), "blue", "errors", 60.0, "drill")
    assert httpx.get(front).text == "blue"


def test_a_killed_forwarder_comes_back_at_its_port_with_its_target(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Killed at any instant, also between target file and API: what the file names is served after a restart."""
    do = Direct()
    router.switch(do, servers["green"].upstream, "switch")
    os.kill(router.status(do)["pid"], signal.SIGKILL)
    until(lambda: not router.facts(do).running)
    facts = router.facts(do)
    assert (facts.serving, facts.written, facts.front) == (None, servers["green"].upstream, front)
    assert router.target(do) == servers["green"].upstream, "what it would come back with may not be stopped"
    with pytest.raises(ActionError):
        router.switch(do, servers["blue"].upstream, "while-down")
    router.ensure(do, "again")
    assert router.facts(do).agreed and httpx.get(front).text == "blue"
    assert len(do.keys) == len(set(do.keys))


def test_switching_to_what_it_serves_changes_nothing(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Repeated after a crash it only reads."""
    do = Direct()
    router.switch(do, servers["blue"].upstream, "again")
    router.ensure(do, "again")
    assert do.keys == []


def test_a_disagreement_is_seen_and_repaired(
    router: ForwarderRouter, front: str, servers: dict[str, Server], tmp_path: Path
) -> None:
    """A target file that names something else than what is served is a fact with a sentence."""
    do = Direct()
    green = servers["green"].upstream
    file = tmp_path / "router" / "target.json"
    file.write_text(json.dumps({"slot": "green", "host": green.host, "port": green.port}))
    facts = router.facts(do)
    assert not facts.agreed and "serves blue" in facts.problem and facts.named == {"blue", "green"}
    router.switch(do, green, "repair")
    assert router.facts(do).agreed and do.keys == ["repair/put"]


def test_a_changed_target_is_not_overwritten_blindly(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Compare and set: whoever expects something else than what is there is told so, and nothing changes."""
    do = Direct()
    door = do(router._see_door())
    green = servers["green"].upstream
    body = {"slot": "green", "host": green.host, "port": green.port, "expect": None}
    refused = httpx.put(f"{door.url}/target", headers=door.headers, json=body)
    assert refused.status_code == 409 and router.target(do) == servers["blue"].upstream


def under(router: ForwarderRouter, token: int | None) -> ForwarderRouter:
    """The same forwarder, in the hands of who holds the lease with that token."""
    spec = Forwarder.model_validate({"kind": "forwarder", "drain_timeout": "10s"})
    return ForwarderRouter(spec, router.log.parent, sys.executable, token)


def test_who_has_a_lower_token_than_was_announced_moves_no_traffic(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Announced once, it holds for every later change, also after a restart; the same token and a higher one go on."""
    do, blue, green = Direct(), servers["blue"].upstream, servers["green"].upstream
    under(router, 7).announce(do, "take")
    with pytest.raises(FencedError, match=r"token 6.*token 7"):
        under(router, 6).switch(do, green, "late")
    with pytest.raises(FencedError):
        under(router, 6).announce(do, "late")
    assert httpx.get(front).text == "blue" and router.facts(do).agreed, "also what was written into its file is void"
    os.kill(router.status(do)["pid"], signal.SIGKILL)
    until(lambda: not router.facts(do).running)
    router.ensure(do, "again")
    assert (httpx.get(front).text, router.target(do), router.status(do)["fence"]) == ("blue", blue, 7)
    with pytest.raises(FencedError):
        under(router, 6).switch(do, green, "later")
    under(router, 7).switch(do, green, "own")
    under(router, 8).switch(do, blue, "next")
    with pytest.raises(FencedError):
        under(router, 7).switch(do, green, "own-late")
    assert router.target(do) == blue


def test_a_forwarder_that_was_down_finds_what_was_announced(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Somebody takes over while it is down: whoever starts it again, the fence is there."""
    do, green = Direct(), servers["green"].upstream
    router.stop(do, "down")
    under(router, 3).announce(do, "take")
    with pytest.raises(FencedError):
        under(router, 2).announce(do, "late")
    under(router, 2).ensure(do, "late")
    with pytest.raises(FencedError):
        under(router, 2).switch(do, green, "late")
    assert httpx.get(front).text == "blue"


def test_a_forwarder_that_did_not_answer_finds_what_was_announced(
    router: ForwarderRouter, front: str, servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while somebody takes over, it refuses the old holder as soon as it wakes up."""
    do, pid = Direct(), router.status(Direct())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as soon:
            soon.setattr("runwright.routers.forwarder.ASK_SECONDS", 0.5)
            under(router, 3).announce(do, "take")
    finally:
        os.kill(pid, signal.SIGCONT)
    with pytest.raises(FencedError):
        under(router, 2).switch(do, servers["green"].upstream, "late")
    assert httpx.get(front).text == "blue"


def test_without_a_token_nothing_is_fenced(router: ForwarderRouter, front: str, servers: dict[str, Server]) -> None:
    """A person may use it by hand, before and after a lease was announced; announcing without one does nothing."""
    do = Direct()
    router.announce(do, "nothing")
    assert do.keys == [] and router.status(do)["fence"] == 0
    under(router, 5).announce(do, "take")
    router.switch(do, servers["green"].upstream, "by-hand")
    assert httpx.get(front).text == "green" and router.facts(do).agreed


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/target", {}, None, 401),
        ("GET", "/status", {"authorization": "Bearer wrong"}, None, 401),
        ("PUT", "/target", None, b"{}", 400),
        ("PUT", "/target", None, b"[1]", 400),
        ("PUT", "/target", None, b"\xff\xfe", 400),
        ("PUT", "/target", None, b'{"slot": "x", "host": "h", "port": 99999}', 400),
        ("PUT", "/target", None, b'{"slot": "x", "host": "h", "port": 1, "expect": 5}', 400),
        ("PUT", "/target", None, b'{"slot": "x", "host": "h", "port": 1, "fence": "7"}', 400),
        ("PUT", "/target", None, b"x" * 100_000, 413),
        ("PUT", "/fence", {}, b'{"fence": 7}', 401),
        ("PUT", "/fence", None, b'{"fence": -1}', 400),
        ("PUT", "/fence", None, b'{"fence": true}', 400),
        ("PUT", "/fence", None, b"[7]", 400),
        ("DELETE", "/target", None, None, 404),
    ],
)
def test_the_other_door_refuses_what_it_does_not_know(
    router: ForwarderRouter, front: str, method: str, path: str, headers: dict[str, str] | None, body: bytes | None, status: int
) -> None:  # fmt: skip
    """Without the token, or with something that is no target, nothing changes and a sentence tells why."""
    do = Direct()
    before, door = router.target(do), do(router._see_door())
    answer = httpx.request(method, door.url + path, headers=door.headers if headers is None else headers, content=body)
    assert answer.status_code == status and answer.json()["error"]
    assert router.target(do) == before


def test_the_token_is_for_its_owner_alone(router: ForwarderRouter, tmp_path: Path) -> None:
    """The file has mode 0600, and the token is in no message."""
    file = tmp_path / "router" / "token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (
        file.read_text() not in repr(Direct()(router._see_door())) + (tmp_path / "router" / "forwarder.log").read_text()
    )


def test_a_taken_port_is_told_at_once(tmp_path: Path) -> None:
    """It does not wait for its deadline, and names the log."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        spec = Forwarder.model_validate({"kind": "forwarder", "listen": taken.getsockname()[1]})
        (tmp_path / "r").mkdir()
        router = ForwarderRouter(spec, tmp_path / "r", sys.executable)
        with pytest.raises(VerificationError, match=r"forwarder\.log"):
            router.ensure(Direct(), "start")
    assert "already in use" in router.log.read_text()


def test_an_upstream_that_is_away_is_a_502_with_words(router: ForwarderRouter, front: str) -> None:
    """Nothing is invented: the client hears that the application cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    router.switch(Direct(), Upstream("green", "127.0.0.1", port), "away")
    answer = httpx.get(front, timeout=10)
    assert answer.status_code == 502 and "cannot be reached" in answer.text


@pytest.mark.usefixtures("patient_python")
def test_an_upstream_that_comes_a_moment_later_loses_no_request(router: ForwarderRouter, front: str) -> None:
    """A refused connection is tried again for a moment, since nothing was sent yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    router.switch(Direct(), Upstream("green", "127.0.0.1", port), "early")
    got: list[str] = []
    asking = threading.Thread(target=lambda: got.append(httpx.post(front, timeout=60).text))
    asking.start()
    until(lambda: router.in_flight(Direct(), "green") == 1)
    with socket.create_server(("127.0.0.1", port)) as late:
        late.settimeout(60)
        peer, _ = late.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate")
        asking.join(60)
    assert got == ["late"]


def test_bodies_pass_both_ways_in_pieces(front: str) -> None:
    """With a length or in chunks, large in either direction."""

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"c" * 10_000

    assert httpx.post(front + "/size", content=b"x" * 5_000_000, timeout=30).text == "5000000"
    assert httpx.post(front + "/size", content=pieces(), timeout=30).text == "3000000"
    assert len(httpx.get(front + "/bulk?bytes=20000000", timeout=30).content) == 20_000_000
    head = httpx.head(front + "/bulk?bytes=5", timeout=30)
    assert head.content == b""


@pytest.mark.usefixtures("patient_python")
@pytest.mark.parametrize("read_first", [0, 3_000_000], ids=["at once", "in the middle"])
def test_an_answer_that_comes_before_the_body_is_sent_reaches_the_client(
    router: ForwarderRouter, front: str, read_first: int
) -> None:
    """An upstream refuses a large upload and closes: the client gets that answer, every time, also one that reads only
    after it has sent everything."""
    size, told = (
        20_000_000,
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo big\n",
    )
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    host, _, port = front.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as picky:
        router.switch(Direct(), Upstream("green", "127.0.0.1", picky.getsockname()[1]), "picky")

        def refuse() -> None:
            for _ in range(10):
                peer, _ = picky.accept()
                with peer:
                    seen = len(peer.recv(1000))
                    while seen < read_first:
                        seen += len(peer.recv(65536))
                    peer.sendall(told)

        thread = threading.Thread(target=refuse)
        thread.start()
        for _ in range(10):
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall(head + b"x" * size)
                answer = b""
                while data := client.recv(65536):
                    answer += data
            assert answer.startswith(b"HTTP/1.1 413") and answer.endswith(b"too big\n"), answer
        thread.join(10)
    status = router.status(Direct())
    assert (status["unserved"], status["slots"]["green"]["errors"]) == ({}, 0)
    until(lambda: router.in_flight(Direct(), "green") == 0)


def test_memory_is_bounded_by_a_client_that_does_not_read(router: ForwarderRouter, front: str) -> None:
    """A large answer is held back at the upstream, not in the forwarder."""
    host, _, port = front.removeprefix("http://").partition(":")
    pid = router.status(Direct())["pid"]

    def resident() -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    before = resident()
    with socket.create_connection((host, int(port))) as lazy:
        lazy.sendall(b"GET /bulk?bytes=200000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        lazy.recv(1000)
        until(lambda: router.in_flight(Direct(), "blue") == 1)
        for _ in range(20):
            httpx.get(front)
        assert resident() - before < 40_000_000
    until(lambda: router.in_flight(Direct(), "blue") == 0)


def test_the_upstream_hears_who_asked_and_how(front: str) -> None:
    """Forwarding headers are set, what belongs to one connection alone is not passed on."""
    sent = {
        "Connection": "keep-alive, X-Secret-Hop",
        "X-Secret-Hop": "1",
        "X-Forwarded-For": "10.0.0.9",
        "TE": "trailers",
    }
    seen = dict(httpx.get(front + "/headers", headers=sent).json())
    assert seen["x-forwarded-for"] == "10.0.0.9, 127.0.0.1"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("http", seen["host"])
    assert not {"x-secret-hop", "te", "keep-alive"} & set(seen)


def raw(front: str, request: bytes, *, then: float = 5.0) -> bytes:
    host, _, port = front.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=then) as client:
        client.sendall(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", b"400"),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
    ],
    ids=["huge headers", "tls", "http2", "no host", "two lengths", "length and chunks", "coding", "bad chunk", "connect", "space"],
)  # fmt: skip
def test_what_is_not_plain_http_is_refused(front: str, request_bytes: bytes, status: bytes) -> None:
    """Each is answered by the forwarder itself, and it serves on."""
    assert raw(front, request_bytes).startswith(b"HTTP/1.1 " + status)
    assert httpx.get(front).text == "blue"


@pytest.mark.parametrize("named", ["content-length", "Content-Length, Host", "host", "transfer-encoding"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_client_cannot_have_its_body_or_its_host_left_out(front: str, named: str, chunked: bool) -> None:
    """Given a client that names them as headers of its connection alone: half a request would be carried out as a whole."""
    length, body = b"Content-Length: 11", b"amount=1000"
    if chunked:
        length, body = b"Transfer-Encoding: chunked", b"6\r\namount\r\n5\r\n=1000\r\n0\r\n\r\n"
    head = b"POST /body HTTP/1.1\r\nHost: shop\r\nConnection: close, %s\r\n%s\r\n\r\n" % (named.encode(), length)
    answer = raw(front, head + body)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b'["shop","amount=1000"]'), answer


def test_requests_on_one_connection_are_answered_in_order(front: str) -> None:
    """Also when all were sent before the first was answered, and by a client of HTTP/1.0."""
    three = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(front, three).count(b"HTTP/1.1 200") == 3
    assert raw(front, b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nblue")


def test_clients_that_go_away_leave_nothing_in_flight(
    router: ForwarderRouter, front: str, servers: dict[str, Server]
) -> None:
    """Before, during and after sending a request: nothing stays counted, so no drain waits for ghosts."""
    host, _, port = front.removeprefix("http://").partition(":")
    servers["blue"].gate.clear()
    for words in (
        b"",
        b"GET / HT",
        b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        client = socket.create_connection((host, int(port)))
        client.sendall(words)
        if words.endswith((b"half", b"\r\n\r\n")):
            until(lambda: router.in_flight(Direct(), "blue") == 1)
        client.close()
        until(lambda: router.in_flight(Direct(), "blue") == 0)
    servers["blue"].gate.set()
    until(lambda: router.status(Direct())["connections"] == 0)


def test_an_answer_that_is_cut_is_seen_as_cut(router: ForwarderRouter, front: str) -> None:
    """A client never takes half an answer for a whole one; one that was not begun becomes a 502."""
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", b"", b"nonsense\r\n\r\n"]
    with socket.create_server(("127.0.0.1", 0)) as broken:
        router.switch(Direct(), Upstream("green", "127.0.0.1", broken.getsockname()[1]), "broken")

        def answer() -> None:
            for words in answers:
                peer, _ = broken.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(words)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(httpx.HTTPError):
            httpx.get(front)
        assert [httpx.get(front).status_code for _ in range(2)] == [502, 502]
        thread.join(10)
    assert router.status(Direct())["slots"]["green"]["errors"] == 3


def test_with_few_file_descriptors_it_can_still_be_told_to_switch(tmp_path: Path, servers: dict[str, Server]) -> None:
    """Given 150 slow uploads and a limit of 128 files: who is too many is turned away, traffic is sent elsewhere all the
    same, the log stays short, and when the slow ones are gone everybody is served."""
    limited = tmp_path / "python"
    limited.write_text(f'#!/bin/sh\nulimit -n 128\nexec {sys.executable} "$@"\n')
    limited.chmod(0o700)
    spec = Forwarder.model_validate({"kind": "forwarder", "drain_timeout": "300ms"})
    router, do = ForwarderRouter(spec, tmp_path / "few", str(limited)), Direct()
    (tmp_path / "few").mkdir()
    router.ensure(do, "start")
    try:
        router.switch(do, servers["blue"].upstream, "first")
        front = router.facts(do).front
        host, port = front.removeprefix("http://").split(":")
        with contextlib.ExitStack() as slow:
            for _ in range(150):
                client = slow.enter_context(socket.create_connection((host, int(port)), timeout=5))
                with contextlib.suppress(ConnectionError):  # it was turned away already
                    client.sendall(b"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1")
            until(lambda: router.in_flight(do, "blue") == 32)
            until(lambda: router.status(do)["unserved"] == {"503": 118})
            assert router.switch(do, servers["green"].upstream, "second") == 32
            assert router.target(do) == servers["green"].upstream
        until(lambda: router.status(do)["connections"] == 0)
        assert httpx.get(front).text == "green"
    finally:
        router.stop(do, "end")
    assert len(router.log.read_text().splitlines()) < 10, router.log.read_text()
