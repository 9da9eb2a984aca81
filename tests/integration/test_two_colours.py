"""A Compose application in two colours, released as the flows do: nobody who asks it notices, in front or inside."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.engine import Docker
from tests.fixtures.ports import lasting_port

pytestmark = pytest.mark.docker

APP = """
import http.server, os, signal
VERSION = open("/app/VERSION").read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        bad = VERSION == "bad" and self.path != "/ready"
        body = VERSION.encode()
        self.send_response(500 if bad else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""
COMPOSE = """
services:
  web:
    build: .
    networks: {default: {aliases: [shop.internal]}}
    healthcheck: {test: [CMD, python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/ready')"], interval: 1s}
  jobs:
    build: .
    command: [sleep, infinity]
    stop_signal: SIGKILL
  caller:
    image: python:3.11-slim
    stop_signal: SIGKILL
    command:
      - python3
      - -uc
      - |
        import time, urllib.request as u
        while True:
            try:
                print(u.urlopen("http://shop.internal:8000/", timeout=3).read().decode(), flush=True)
            except Exception as error:
                print("failed", error, flush=True)
            time.sleep(0.1)
  front:
    image: nginx:1
    ports: ["127.0.0.1:PORT:80"]
    volumes: ["./front:/etc/nginx/conf.d:ro"]
    depends_on: [web]
"""
FRONT = "upstream web { server web:8000; keepalive 8; }\nserver { listen 80; location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ''; } }\n"
RUNBOOK = """
system: NAME
source: {repo: FOLDER/repo}
components: {app: {services: [web, jobs]}}
environments:
  test:
    tier: development
    target: {platform: compose, project: NAME, directory: FOLDER/opt, ready_timeout: 60s, settle: 1s, strategy: STRATEGY,
             traffic: {web: {port: 8000}}}
    router: {kind: caddy}
    urls: {web: "http://127.0.0.1:PORT"}
verify:
  deadline: 30s
  smoke: [{id: root, get: "${url.web}/"}]
canary: {hold: 1s, min_requests: 20, wait: 60s, slower: 50}
watch: {duration: 3s, every: 1s, rules: [{id: down, probe: root, failures: 2}]}
"""


class Shop:
    """The application as v1 runs, with its repository and its runbook."""

    def __init__(self, docker: Docker, name: str, folder: Path) -> None:
        self.docker, self.name, self.folder, self.port = docker, name, folder, lasting_port()
        repo = folder / "repo"
        (repo / "front").mkdir(parents=True)
        for path, text in {
            "app.py": APP,
            "Dockerfile": 'FROM python:3.11-slim\nCOPY . /app\nCMD ["python3", "-u", "/app/app.py"]\n',
            "compose.yaml": COMPOSE.replace("PORT", str(self.port)),
            "front/default.conf": FRONT,
        }.items():
            (repo / path).write_text(text)
        self.git("init", "-q", "-b", "main")
        for version in ("v1", "v2", "bad", "v3"):
            (repo / "VERSION").write_text(version)
            self.git("add", "-A")
            self.git("commit", "-qm", version)
            self.git("tag", version)
        subprocess.run(["git", "clone", "-q", str(repo), str(folder / "opt")], check=True)
        subprocess.run(["git", "-C", str(folder / "opt"), "checkout", "-q", "v1"], check=True)
        self.compose("up", "-d", "--build", "--quiet-pull")

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", "-C", str(self.folder / "repo"), *own, *words], check=True)

    def compose(self, *words: str) -> None:
        call = ("compose", "-p", self.name, "--project-directory", str(self.folder / "opt"))
        self.docker.run(*call, "-f", str(self.folder / "opt" / "compose.yaml"), *words)

    def release(self, strategy: str, *versions: str) -> list[dict[str, Any]]:
        """Release ``versions`` one after the other; return what the ledger says of each."""
        systems = self.folder / "systems"
        systems.mkdir(exist_ok=True)
        text = RUNBOOK.replace("NAME", self.name).replace("FOLDER", str(self.folder)).replace("PORT", str(self.port))
        (systems / f"{self.name}.yaml").write_text(text.replace("STRATEGY", strategy))
        words = [sys.executable, "-m", "tests.conformance.releasing", self.name, "test", *versions]
        env = {**os.environ, "RUNWRIGHT_SYSTEMS": str(systems), "RUNWRIGHT_HOME": str(self.folder / "home")}
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    def inside(self) -> Counter[str]:
        """Return what the application's own caller was answered so far."""
        text = self.docker.run("logs", f"{self.name}-caller-1")
        return Counter(text.split("\n")) - Counter({"": 10**6})

    def named(self, name: str) -> set[str]:
        """Return the addresses that ``name`` has for the application's own caller."""
        script = f"import socket; print(*{{a[4][0] for a in socket.getaddrinfo({name!r}, 8000)}})"
        return set(self.docker.run("exec", f"{self.name}-caller-1", "python3", "-c", script).split())


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[Shop]:
    name = f"rwt-colours-{os.getpid()}"
    made = None
    try:
        made = Shop(docker, name, tmp_path)
        yield made
    finally:
        labels = (f"com.docker.compose.project={name}", f"runwright.switch={name}")
        ids = [i for label in labels for i in docker.run("ps", "-aq", "--filter", f"label={label}").split()]
        if ids:
            docker.run("rm", "-f", *dict.fromkeys(ids))
        for network in docker.run("network", "ls", "-q", "--filter", f"name={name}_").split():
            docker.run("network", "rm", network)


class Asking(threading.Thread):
    """Asks the front as users do, until it is stopped. Each request has a connection of its own: nginx closes kept ones when it
    is told to look names up again, once, the first time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.answers, self.over = port, Counter[str](), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            one = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                one.request("GET", "/", headers={"Connection": "close"})
                answer = one.getresponse()
                self.answers[f"{answer.status} {answer.read().decode()[:12]}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"failed {type(error).__name__}"] += 1
            finally:
                one.close()
            time.sleep(0.02)


@pytest.mark.timeout(600)
def test_nobody_notices_that_the_version_changes(shop: Shop) -> None:
    """A bad version that no user meets, one by canary, and back: no request fails, neither in front nor inside. The first time
    ends what ran in no colour: of what that was just answering something may be lost."""
    entering = Asking(shop.port)
    entering.start()
    (first,) = shop.release("blue_green", "v2")
    entering.over.set()
    entering.join()
    lost = entering.answers.total() - entering.answers["200 v1"] - entering.answers["200 v2"]
    assert entering.answers["200 v1"] and entering.answers["200 v2"] and lost <= 10, entering.answers
    asking, before = Asking(shop.port), shop.inside()
    asking.start()
    (bad,) = shop.release("blue_green", "bad")
    canary, back = shop.release("canary", "v3", "back")
    asking.over.set()
    asking.join()
    assert [one["state"] for one in (first, bad, canary, back)] == ["proven", "rolled_back", "proven", "rolled_back"], (
        first, bad, canary, back,
    )  # fmt: skip
    assert "root: answered 500" in bad["error"]
    assert set(asking.answers) == {"200 v2", "200 v3"}, asking.answers
    inside = shop.inside() - before
    assert set(inside) == {"v2", "v3"}, inside
    # what has the names is the switch, and nothing else; what cannot be in traffic was replaced in place, and came back
    assert len(shop.named("web")) == 1 and shop.named("web") == shop.named("shop.internal")
    jobs = shop.docker.run("exec", f"{shop.name}-jobs-1", "cat", "/app/VERSION")
    assert jobs.strip() == "v2"
    shares = [key for key in canary["journal"] if key.endswith("/switch/put") and key.split("/")[1].isdigit()]
    assert shares == ["deploy/10/switch/put", "deploy/50/switch/put"]
