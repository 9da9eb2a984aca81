"""Caddy before two real servers: no request is lost, whatever is switched, killed or sent."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
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

from runwright.engine.actions import Spawn
from runwright.engine.effects.processes import recorded
from runwright.errors import ActionError, DeadlineError, FencedError, ObservationError, RefusedError, VerificationError
from runwright.policy.canary import measured, since
from runwright.routers.caddy import driver, state
from runwright.routers.caddy.driver import CaddyRouter
from runwright.routers.caddy.predecessor import succeed
from runwright.runbook.routers.caddy import Caddy
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


SPEC = Caddy(kind="caddy", drain_timeout=10.0)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaddyRouter]:
    """A front door that was told nothing yet."""
    router = CaddyRouter(SPEC, tmp_path_factory.mktemp("front") / "caddy", sys.executable)
    router.ensure(Direct(), "start")
    yield router
    router.stop(Direct(), "end")


@pytest.fixture
def router(started: CaddyRouter) -> Iterator[CaddyRouter]:
    """The same front door for every test: it runs, and nothing is fenced."""
    shutil.rmtree(folder(started) / "fence", ignore_errors=True)
    started.ensure(Direct(), "again")
    yield started


@pytest.fixture
def front(router: CaddyRouter, servers: dict[str, Server]) -> str:
    """Its address; it serves blue."""
    router.switch(Direct(), servers["blue"].upstream, "first")
    return router.facts(Direct()).front


def folder(router: CaddyRouter) -> Path:
    return router.log.parent


def pid_of(router: CaddyRouter) -> int:
    found = recorded(folder(router) / "pid.json")
    assert found is not None
    return found.pid


def killed(router: CaddyRouter) -> None:
    os.kill(pid_of(router), signal.SIGKILL)
    until(lambda: not router.facts(Direct()).running)


def under(router: CaddyRouter, token: int) -> CaddyRouter:
    """The same front door, in the hands of who holds the lease with that token."""
    return CaddyRouter(SPEC, folder(router), sys.executable, token)


def test_before_its_first_target_it_says_that_nothing_is_served(router: CaddyRouter) -> None:
    """A front door without a version behind it answers 503 with words, and names no target."""
    (folder(router) / "target").unlink(missing_ok=True)
    answer = httpx.get(router.facts(Direct()).front)
    assert (answer.status_code, answer.headers["retry-after"], "No version" in answer.text) == (503, "1", True)
    assert router.target(Direct()) is None and router.facts(Direct()).agreed


def test_ten_switches_under_load_lose_no_request(router: CaddyRouter, front: str, servers: dict[str, Server]) -> None:
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
        assert router.in_flight(Direct(), "blue") == 0, "a websocket that is open for days is no request in flight"
    assert failures == []
    assert min(answers.values()) > 20


def test_a_request_in_flight_ends_where_it_began(router: CaddyRouter, front: str, servers: dict[str, Server]) -> None:
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


def test_after_the_drain_timeout_the_rest_is_counted_and_left(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """The switch does not wait for ever, and says how many requests it left."""
    hasty = CaddyRouter(SPEC.model_copy(update={"drain_timeout": 0.3}), folder(router), sys.executable)
    servers["blue"].gate.clear()
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(httpx.get(front + "/held", timeout=20).text))
    waiting.start()
    until(lambda: router.in_flight(Direct(), "blue") == 1)
    assert hasty.switch(Direct(), servers["green"].upstream, "second") == 1
    servers["blue"].gate.set()
    waiting.join(20)
    assert got == ["blue"]


def test_a_slot_is_spoilt_on_purpose_until_the_next_switch(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """Users get errors, which are counted, or wait; a switch ends it, also for who comes back to that slot."""
    do, errors = Direct(), router.counted(Direct())["blue"].errors
    router.inject(do, "blue", "errors", 60.0, "drill")
    answers = [httpx.get(front), httpx.post(front, content=b"x")]
    assert [(a.status_code, "drill" in a.text) for a in answers] == [(500, True)] * 2
    assert router.counted(do)["blue"].errors == errors + 2
    router.inject(do, "blue", "latency", 60.0, "late")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(front, timeout=0.5)
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(httpx.get(front, timeout=30).text))
    waiting.start()
    until(lambda: router.in_flight(do, "blue") == 1)
    router.switch(do, servers["green"].upstream, "back")
    waiting.join(20)
    assert got == ["blue"], "who was waiting is let through"
    assert httpx.get(front).text == "green"
    router.switch(do, servers["blue"].upstream, "again")
    assert httpx.get(front).text == "blue", "a release that comes later is not spoilt"
    with pytest.raises(ActionError, match="does not serve green"):
        router.inject(do, "green", "errors", 60.0, "nobody")


def test_what_is_spoilt_ends_by_itself(router: CaddyRouter, front: str) -> None:
    """After its time, and also if its process is killed and can take nothing away."""
    do = Direct()
    router.inject(do, "blue", "errors", 0.2, "short")
    until(lambda: httpx.get(front).status_code == 200)
    router.inject(do, "blue", "errors", 60.0, "killed")
    process = recorded(folder(router) / "fault-blue.json")
    assert process is not None and httpx.get(front).status_code == 500
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: httpx.post(front, content=b"x").text == "blue")


def test_who_lost_the_lease_spoils_nothing(router: CaddyRouter, front: str) -> None:
    """A drill that was stopped and wakes up later must not break what was put back, nor does what it started go on."""
    old, new = under(router, 7), under(router, 8)
    old.announce(Direct(), "fence7/router")
    old.inject(Direct(), "blue", "errors", 60.0, "drill")
    until(lambda: httpx.get(front).status_code == 500)
    new.announce(Direct(), "fence8/router")
    with pytest.raises(FencedError):
        old.inject(Direct(), "blue", "errors", 60.0, "late")
    until(lambda: httpx.get(front).text == "blue")


def test_a_killed_front_door_comes_back_at_its_port_with_its_target(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """Killed at any instant, what the file names is served after a restart; a switch meanwhile is not taken for done."""
    do, green = Direct(), servers["green"].upstream
    router.switch(do, green, "switch")
    killed(router)
    facts = router.facts(do)
    assert (facts.serving, facts.written, facts.front) == (None, green, front)
    assert router.target(do) == green, "what it would come back with may not be stopped"
    with pytest.raises(VerificationError, match="does not run"):
        router.switch(do, servers["blue"].upstream, "while-down")
    router.ensure(do, "again")
    assert router.facts(do).agreed and httpx.get(front).text == "blue"
    assert len(do.keys) == len(set(do.keys))


def test_switching_to_what_it_serves_changes_nothing(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """Repeated after a crash it only reads."""
    do = Direct()
    router.switch(do, servers["blue"].upstream, "again")
    router.ensure(do, "again")
    assert do.keys == []


def test_one_that_is_busy_is_not_taken_for_dead(
    router: CaddyRouter, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a front door that does not answer us in time, it is waited for and left alone; it serves on."""
    monkeypatch.setattr(driver, "START_SECONDS", 0.5)
    monkeypatch.setattr(state, "ASK_SECONDS", 0.2)
    os.kill(pid_of(router), signal.SIGSTOP)
    until(lambda: Path(f"/proc/{pid_of(router)}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    try:
        with pytest.raises(DeadlineError) as caught:
            router.ensure(Direct(), "again")
    finally:
        os.kill(pid_of(router), signal.SIGCONT)
    assert "left alone" in caught.value.state
    assert httpx.get(front).text == "blue"


def test_who_has_a_lower_token_than_was_announced_moves_no_traffic(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """Announced once, it holds for every later change, also after a restart; the same token and a higher one go on."""
    do, blue, green = Direct(), servers["blue"].upstream, servers["green"].upstream
    under(router, 7).announce(do, "take")
    with pytest.raises(FencedError, match=r"token 6.*token 7"):
        under(router, 6).switch(do, green, "late")
    with pytest.raises(FencedError):
        under(router, 6).announce(do, "late")
    killed(router)
    router.ensure(do, "again")
    with pytest.raises(FencedError):
        under(router, 6).switch(do, green, "late-2")
    assert httpx.get(front).text == "blue" and router.facts(do).agreed
    under(router, 7).switch(do, green, "same")
    under(router, 9).switch(do, blue, "higher")
    with pytest.raises(FencedError):
        under(router, 7).switch(do, green, "late-3")
    assert router.target(do) == blue


def test_without_a_token_nothing_is_fenced(router: CaddyRouter, front: str, servers: dict[str, Server]) -> None:
    """A person may use it by hand, before and after a lease was announced; announcing without one does nothing."""
    do = Direct()
    router.announce(do, "nothing")
    assert do.keys == []
    under(router, 7).announce(do, "take")
    router.switch(do, servers["green"].upstream, "by hand")
    assert httpx.get(front).text == "green"


def test_nobody_else_can_ask_it_or_change_it(router: CaddyRouter, front: str) -> None:
    """Its folder, its socket and its target are for its owner alone, it listens for clients only, and tells them nothing."""
    own = folder(router)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (own, own / "private.sock", own / "target")}
    assert modes == {own.name: 0o700, "private.sock": 0o600, "target": 0o600}
    assert httpx.get(f"{front}/metrics").status_code == 404, "the application's own answer"
    inodes = {
        str(fd.readlink()) for fd in Path(f"/proc/{pid_of(router)}/fd").iterdir() if "socket" in str(fd.readlink())
    }
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {int(w[1].split(":")[1], 16) for w in listening if w[3] == "0A" and f"socket:[{w[9]}]" in inodes}
    assert ports == {int(front.rpartition(":")[2])}


@pytest.mark.parametrize("content", ["", "blue", "purple 127.0.0.1:1", "blue 127.0.0.1:99999", "\xff"])
def test_a_target_file_that_is_spoilt_is_told_and_a_switch_mends_it(
    router: CaddyRouter, front: str, servers: dict[str, Server], content: str
) -> None:
    """Clients get 503, nothing is guessed."""
    file = folder(router) / "target"
    file.write_bytes(content.encode("latin-1"))
    assert httpx.get(front).status_code == (503 if "9" not in content else 502)
    if content:
        with pytest.raises(ObservationError, match="not understood"):
            router.facts(Direct())
    file.unlink()
    router.switch(Direct(), servers["green"].upstream, "mend")
    assert httpx.get(front).text == "green"


def test_a_taken_port_is_told_at_once(tmp_path: Path) -> None:
    """Nobody shares it by accident: not even with another Caddy of the same user, which the kernel would allow."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        router = CaddyRouter(Caddy(kind="caddy", listen=port), tmp_path / "caddy", sys.executable)
        with pytest.raises(ActionError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            router.ensure(Direct(), "start")


def test_a_folder_that_is_somebody_elses_is_refused(tmp_path: Path) -> None:
    """Who owns it says where requests go."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "caddy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="is a link"):
        CaddyRouter(SPEC, tmp_path / "caddy", sys.executable).ensure(Direct(), "start")


def test_an_upstream_that_is_away_is_a_502_with_words(router: CaddyRouter, front: str) -> None:
    """Nothing is invented: the client hears that the application did not answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    router.switch(Direct(), Upstream("green", "127.0.0.1", port), "away")
    answer = httpx.get(front, timeout=10)
    assert answer.status_code == 502 and "did not answer" in answer.text


def test_an_upstream_that_comes_a_moment_later_loses_no_request(router: CaddyRouter, front: str) -> None:
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
    assert not {"x-secret-hop", "keep-alive"} & set(seen)


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
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
    ],
    ids=["huge headers", "no host", "two lengths", "coding", "connect", "space"],
)  # fmt: skip
def test_what_is_not_plain_http_is_refused(front: str, request_bytes: bytes, status: bytes) -> None:
    """Each is answered by the front door itself, and it serves on."""
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


def test_of_a_length_and_chunks_the_chunks_count(router: CaddyRouter, front: str, servers: dict[str, Server]) -> None:
    """Given a request that says both, the application gets chunks alone, and what follows is nobody's request in disguise."""
    both = b"POST /headers HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    seen = raw(front, both.replace(b"POST", b"GET") + b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    first, second = seen.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200") and b"content-length" not in first.partition(b"\r\n\r\n")[2]
    assert second.startswith(b"404"), "answered to the client that asked for it, once"


def test_a_body_that_is_cut_is_never_taken_for_a_whole_one(router: CaddyRouter, front: str) -> None:
    """Nor one whose chunks make no sense."""
    for words in (b"ZZ\r\n", b"5\r\nhe"):
        head = b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert not raw(front, head + words, then=0.5).startswith(b"HTTP/1.1 2")


def test_requests_on_one_connection_are_answered_in_order(front: str) -> None:
    """Also when all were sent before the first was answered, and by a client of HTTP/1.0."""
    three = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(front, three).count(b"HTTP/1.1 200") == 3
    assert raw(front, b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nblue")


def test_clients_that_go_away_leave_nothing_in_flight(
    router: CaddyRouter, front: str, servers: dict[str, Server]
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


def test_an_answer_that_is_cut_is_seen_as_cut(router: CaddyRouter, front: str) -> None:
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


OLD_FORWARDER = """
import http.server, json, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "9")
        self.end_headers()
        self.wfile.write(b"forwarder")
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1], "w") as file:
    json.dump({"host": "127.0.0.1", "port": server.server_address[1], "pid": 0}, file)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server.serve_forever()
"""


def test_a_forwarder_of_an_earlier_version_is_succeeded_by_one_command(
    tmp_path: Path, servers: dict[str, Server]
) -> None:
    """Until then it serves on, and everything else is refused; Caddy serves the same on the same port, whatever somebody who
    had lost the lease wrote into the forwarder's file."""
    old, router, do = tmp_path / "forwarder", CaddyRouter(SPEC, tmp_path / "caddy", sys.executable), Direct()
    green = asdict(servers["green"].upstream)
    old.mkdir()
    (old / "target.json").write_text(json.dumps({**asdict(servers["blue"].upstream), "fence": 6}))
    (old / "fence.json").write_text(json.dumps({"token": 7, "target": {**green, "fence": 7}}))
    argv, says = (sys.executable, "-c", OLD_FORWARDER, str(old / "listen.json")), "start it"
    do(Spawn(argv=argv, says=says, key="old", log=old / "log", pid_file=old / "pid.json"))
    until(lambda: (old / "listen.json").exists() and (old / "listen.json").read_text())
    front = f"http://127.0.0.1:{json.loads((old / 'listen.json').read_text())['port']}"
    with pytest.raises(RefusedError, match="forwarder of an earlier Runwright"):
        router.ensure(do, "start")
    assert httpx.get(front).text == "forwarder"
    try:
        assert f"Caddy is the front door at {front} now, and serves green." == succeed(tmp_path / "caddy")
        assert httpx.get(front).text == "green" and router.facts(do).agreed
        assert "nothing to do" in succeed(tmp_path / "caddy")
    finally:
        router.stop(do, "end")


def test_a_user_stays_with_the_version_that_he_met(tmp_path: Path, servers: dict[str, Server]) -> None:
    """By a cookie, while two share the users; new users come to each in its share, and are counted apart from who has a cookie.
    When one has all users, nobody's cookie says anything."""
    router = CaddyRouter(Caddy(kind="caddy", sticky=True), tmp_path / "caddy", sys.executable)
    do, blue, green = Direct(), servers["blue"].upstream, servers["green"].upstream
    router.ensure(do, "start", blue)
    users: list[httpx.Client] = []
    try:
        router.switch(do, blue, "first")
        url = router.facts(do).front
        assert "set-cookie" not in httpx.get(url, trust_env=False).headers
        router.switch(do, green, "half", 50, blue)
        before = router.counted(do)
        users += [httpx.Client(trust_env=False, base_url=url) for _ in range(60)]
        met = [user.get("/").text for user in users]
        assert 0.25 < met.count("green") / 60 < 0.75, Counter(met)
        for _ in range(3):
            assert [user.get("/").text for user in users] == met
        counted = {slot: since(one, before[slot]) for slot, one in router.counted(do).items()}
        assert (counted["green"].fresh, counted["blue"].fresh) == (met.count("green"), met.count("blue"))
        assert counted["green"].requests == 4 * met.count("green")
        assert "users who came without a cookie" in measured(counted["green"], counted["blue"])
        # a larger share takes from those who are on the old version, and sends nobody back
        router.switch(do, green, "more", 80, blue)
        later = [user.get("/").text for user in users]
        assert all(now == "green" for now, then in zip(later, met, strict=True) if then == "green")
        assert later.count("green") > met.count("green")
        router.switch(do, blue, "back")
        assert {user.get("/").text for user in users} == {"blue"}
    finally:
        for user in users:
            user.close()
        router.stop(do, "end")


def test_a_front_door_that_knows_no_cookie_is_not_asked_to_keep_users(
    router: CaddyRouter, front: str, servers: dict[str, Server]
) -> None:
    """It runs as it was configured when it was started, and is never ended to change that."""
    asked = CaddyRouter(Caddy(kind="caddy", sticky=True), folder(router), sys.executable)
    with pytest.raises(ActionError, match="cannot share users among two versions as this one says"):
        asked.switch(Direct(), servers["green"].upstream, "half", 50, servers["blue"].upstream)
    assert httpx.get(front, trust_env=False).text == "blue"
