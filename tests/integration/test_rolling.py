"""A Compose application of three containers, released one container after the other: as many serve at any moment."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.choice import EVERYTHING
from tests.fixtures.engine import Docker
from tests.fixtures.ports import lasting_port

pytestmark = pytest.mark.docker

APP = """
import http.server, os, pathlib, signal, time
VERSION = open("/app/VERSION").read().strip()
first = pathlib.Path("/tmp/shared/" + VERSION)
try:
    first.mkdir()
    SECOND = False
except FileExistsError:
    SECOND = True
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        bad = VERSION == "bad" and SECOND and self.path != "/ready"
        if self.path == "/slow": time.sleep(1.5)
        body = (VERSION + " " + os.uname().nodename).encode()
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
    deploy: {replicas: 3}
    volumes: ["marks:/tmp/shared"]
    healthcheck: {test: [CMD, python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/ready')"], interval: 1s}
  jobs:
    build: .
    command: [sleep, infinity]
    stop_signal: SIGKILL
  front:
    image: nginx:1
    ports: ["127.0.0.1:PORT:80"]
    volumes: ["./front:/etc/nginx/conf.d:ro"]
    depends_on: [web]
volumes: {marks: {}}
"""
FRONT = "server { listen 80; location / { proxy_pass http://web:8000; } }\n"
RUNBOOK = """
system: NAME
source: {repo: FOLDER/repo}
components: {app: {services: [web, jobs]}}
environments:
  test:
    tier: development
    target: {platform: compose, project: NAME, directory: FOLDER/opt, ready_timeout: 60s, settle: 1s, strategy: rolling,
             traffic: {web: {port: 8000}}}
    router: {kind: caddy}
    urls: {web: "http://127.0.0.1:PORT"}
verify:
  deadline: 30s
  smoke: [{id: root, get: "${url.web}/"}]
watch: {duration: 2s, every: 1s, rules: [{id: down, probe: root, failures: 2}]}
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
        for version in ("v1", "v2", "bad"):
            (repo / "VERSION").write_text(version)
            self.git("add", "-A")
            self.git("commit", "-qm", version)
            self.git("tag", version)
        subprocess.run(["git", "clone", "-q", str(repo), str(folder / "opt")], check=True)
        subprocess.run(["git", "-C", str(folder / "opt"), "checkout", "-q", "v1"], check=True)
        call = ("compose", "-p", name, "--project-directory", str(folder / "opt"))
        docker.run(*call, "-f", str(folder / "opt" / "compose.yaml"), "up", "-d", "--build", "--quiet-pull")

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", "-C", str(self.folder / "repo"), *own, *words], check=True)

    def release(self, *versions: str) -> list[dict[str, Any]]:
        """Release ``versions`` one after the other; return what the ledger says of each."""
        systems = self.folder / "systems"
        systems.mkdir(exist_ok=True)
        text = RUNBOOK.replace("NAME", self.name).replace("FOLDER", str(self.folder)).replace("PORT", str(self.port))
        (systems / f"{self.name}.yaml").write_text(text)
        words = [sys.executable, "-m", "tests.conformance.releasing", self.name, "test", *versions]
        env = {**os.environ, "RUNWRIGHT_SYSTEMS": str(systems), "RUNWRIGHT_HOME": str(self.folder / "home")}
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return [{**json.loads(line), "log": done.stderr} for line in done.stdout.splitlines()]

    def running(self) -> list[str]:
        """Return the containers of `web` that run."""
        label = f"label=com.docker.compose.project={self.name}"
        names = self.docker.run("ps", "--filter", label, "--format", "{{.Names}}").split()
        return sorted(name for name in names if "-web-" in name)


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[Shop]:
    name = f"rwt-rolling-{secrets.token_hex(3)}"
    try:
        yield Shop(docker, name, tmp_path)
    finally:
        labels = (f"com.docker.compose.project={name}", f"runwright.switch={name}")
        ids = [i for label in labels for i in docker.run("ps", "-aq", "--filter", f"label={label}").split()]
        if ids:
            docker.run("rm", "-f", *dict.fromkeys(ids))
        for kind in ("network", "volume"):
            if found := docker.run(kind, "ls", "-q", "--filter", f"name={name}_").split():
                docker.run(kind, "rm", *found)


class Asking(threading.Thread):
    """Asks the front as users do, a path, until it is stopped; between requests of `/`, notes how many containers run."""

    def __init__(self, shop: Shop, path: str) -> None:
        super().__init__(daemon=True)
        self.shop, self.path = shop, path
        self.answers, self.fewest, self.over = Counter[str](), 99, threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            one = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=10)
            try:
                one.request("GET", self.path, headers={"Connection": "close"})
                answer = one.getresponse()
                self.answers[f"{answer.status} {answer.read().decode().split()[0][:12]}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"failed {type(error).__name__}"] += 1
            finally:
                one.close()
            if self.path == "/" and self.answers.total() % 10 == 0:
                self.fewest = min(self.fewest, len(self.shop.running()))
            time.sleep(0.02)


def asking(shop: Shop) -> list[Asking]:
    """Ask for what is answered at once, and for what takes longer than anything else here."""
    both = [Asking(shop, path) for path in ("/", "/slow")]
    for one in both:
        one.start()
    return both


def ended(both: list[Asking]) -> tuple[Counter[str], int]:
    """Return what they were answered, and the fewest containers that ran meanwhile."""
    for one in both:
        one.over.set()
    for one in both:
        one.join()
    return both[0].answers + both[1].answers, both[0].fewest


@pytest.mark.timeout(600)
def test_as_many_serve_at_any_moment(shop: Shop) -> None:
    """The first time; then a version whose second container is bad: what it had begun is taken out again; then (`make chaos`) a good
    one, and the way back. No request fails, those in flight finish, and never do fewer than three run."""
    (first,) = shop.release("v2")
    assert first["state"] == "proven", first
    three = [f"{shop.name}-web-green-{n}" for n in (1, 2, 3)]
    assert shop.running() == three
    both = asking(shop)
    (bad,) = shop.release("bad")
    answers, fewest = ended(both)
    assert bad["state"] == "rolled_back" and "root: answered 500" in bad["error"], bad
    assert set(answers) <= {"200 v2", "200 bad"} and answers["200 v2"], answers
    assert fewest >= 3
    assert shop.running() == three
    # what is not in traffic was replaced in place in the same release, and came back with it
    assert shop.docker.run("exec", f"{shop.name}-jobs-1", "cat", "/app/VERSION").strip() == "v2"
    if not EVERYTHING:
        return
    both = asking(shop)
    again, back = shop.release("v1", "back")
    answers, fewest = ended(both)
    assert [again["state"], back["state"]] == ["proven", "rolled_back"], (again, back)
    assert set(answers) == {"200 v1", "200 v2"}, answers
    assert fewest >= 3 and shop.running() == three
    assert not again["depends"] and again["planned"] == [k for k in again["journal"] if k in again["planned"]]
    assert [k for k in again["planned"] if k.endswith("/stop")] == [
        "deploy/1/old/green/stop", "deploy/2/old/green/stop", "deploy/old/green/stop",
    ]  # fmt: skip
