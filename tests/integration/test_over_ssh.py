"""A Compose application on another host, released over ssh to a real server: everything is done and looked at there.

The other host is this machine, and its folders are ones that nobody may look at from here: a process of ours that does is told
on, whichever way it looks.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.there.login import CONFIG_VARIABLE
from tests.chaos.choice import SLOW
from tests.fixtures.engine import Docker
from tests.fixtures.ports import lasting_port
from tests.fixtures.ssh import Sshd

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

APP = """
import http.server, json, os, signal, sys
VERSION = open("/app/VERSION").read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": VERSION, "site": open("/etc/site.conf").read().strip(), "token": os.environ["APP_TOKEN"]}).encode()
        self.send_response(500 if VERSION == "bad" else 200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
COMPOSE = """
services:
  web:
    build: .
    environment: {APP_TOKEN: "${APP_TOKEN}"}
    ports: ["127.0.0.1:PORT:8000"]
    volumes: ["./site.conf:/etc/site.conf:ro", "./data:/data"]
    depends_on: [db]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: pw, POSTGRES_DB: shop}
    stop_signal: SIGKILL
    healthcheck: {test: [CMD, pg_isready, -U, postgres, -h, localhost], interval: 1s, retries: 60}
"""
RUNBOOK = """
system: NAME
source: {repo: FOLDER/repo}
components: {app: {services: [web]}}
environments:
  test:
    tier: development
    target: {platform: compose, on: "ON", project: NAME, directory: HOST/opt, ready_timeout: 60s, settle: 1s}
    urls: {web: "http://127.0.0.1:PORT"}
    database: {kind: postgres, service: db, name: shop, user: postgres}
    config: {required: [APP_TOKEN]}
backup: {directory: HOST/backups, when: always, min_bytes: 10}
gates:
  - {id: room, disk: {path: HOST/opt, gigabytes: 0.001}}
  - {id: docker, tool: {name: docker}}
verify:
  deadline: 30s
  smoke: [{id: root, get: "${url.web}/"}]
watch: {duration: 2s, every: 1s, rules: [{id: down, probe: root, failures: 2}]}
"""
WATCHED = """
import os, sys
HOST, TOLD = HOST_TOLD
def tell(what):
    with os.fdopen(os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as told:
        told.write(f"{what}\\n")
def hook(event, args):
    if event == "subprocess.Popen" and os.path.basename(str(args[0])) == "docker" or any(
        isinstance(a, (str, os.PathLike)) and type(a).__module__ != "x" and str(a).startswith(HOST) and event.split(".")[0] in ("open", "os", "shutil") for a in args
    ):
        tell((event, *map(str, args[:2])))
sys.addaudithook(hook)
for name in ("stat", "lstat", "access", "readlink"):
    def watched(path, *words, _real=getattr(os, name), _name=name, **more):
        if isinstance(path, (str, os.PathLike)) and str(path).startswith(HOST):
            tell((_name, str(path)))
        return _real(path, *words, **more)
    setattr(os, name, watched)
"""


class Host:
    """The other host: the application as v1 runs there, and the repository here."""

    def __init__(self, docker: Docker, sshd: Sshd, folder: Path) -> None:
        self.docker, self.sshd, self.folder = docker, sshd, folder
        self.name, self.port = f"rwt-ssh-{secrets.token_hex(4)}", lasting_port()
        self.there = sshd.home / self.name
        self.told = folder / "told"
        repo = folder / "repo"
        repo.mkdir()
        files = {
            "app.py": APP,
            "Dockerfile": 'FROM python:3.11-slim\nCOPY . /app\nCMD ["python3", "-u", "/app/app.py"]\n',
            "compose.yaml": COMPOSE.replace("PORT", str(self.port)),
            ".gitignore": ".env\ndata/\n",
        }
        for path, text in files.items():
            (repo / path).write_text(text)
        self.git("init", "-q", "-b", "main")
        for version in ("v1", "v2", "bad", "v3"):
            (repo / "VERSION").write_text(version)
            (repo / "site.conf").write_text(f"for {version}")
            self.git("add", "-A")
            self.git("commit", "-qm", version)
            self.git("tag", version)
        opt = self.there / "opt"
        subprocess.run(["git", "clone", "-q", "-b", "v1", str(repo), str(opt)], check=True, capture_output=True)
        (opt / ".env").write_text("APP_TOKEN=geheim-12345678\n")
        (opt / "data").mkdir()
        (folder / "systems").mkdir()
        text = RUNBOOK.replace("NAME", self.name).replace("FOLDER", str(folder)).replace("PORT", str(self.port))
        text = text.replace("HOST", str(self.there)).replace('"ON"', f'"{sshd.on}"')
        (folder / "systems" / "shop.yaml").write_text(text)
        (folder / "sitecustomize.py").write_text(WATCHED.replace("HOST_TOLD", repr((str(sshd.home), str(self.told)))))
        self.compose("up", "-d", "--build", "--quiet-pull", "--wait")

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", "-C", str(self.folder / "repo"), *own, *words], check=True, capture_output=True)

    def compose(self, *words: str) -> None:
        opt = self.there / "opt"
        env = {**os.environ, "APP_TOKEN": "geheim-12345678"}
        self.docker.run(
            "compose",
            "-p",
            self.name,
            "--project-directory",
            str(opt),
            "-f",
            str(opt / "compose.yaml"),
            *words,
            env=env,
        )

    def start(self, *versions: str) -> subprocess.Popen[str]:
        """Begin to release ``versions``, in a process of its own."""
        words = [sys.executable, "-m", "tests.conformance.releasing", self.name, "test", *versions]
        env = {
            **os.environ,
            "RUNWRIGHT_SYSTEMS": str(self.folder / "systems"),
            "RUNWRIGHT_HOME": str(self.folder / "home"),
            CONFIG_VARIABLE: str(self.sshd.configuration),
            "PYTHONPATH": f"{self.folder}:{os.getcwd()}",
        }
        return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def release(self, *versions: str) -> list[dict[str, Any]]:
        """Release ``versions`` one after the other; return what the ledger says of each."""
        run = self.start(*versions)
        told, log = run.communicate(timeout=280)
        assert run.returncode == 0, log[-3000:]
        return [json.loads(line) for line in told.splitlines()]

    def watches(self) -> bool:
        """Return whether a look at a folder there is told on."""
        env = {**os.environ, "PYTHONPATH": str(self.folder)}
        words = (
            sys.executable,
            "-c",
            "import os, sys; os.stat(sys.argv[1]); open(sys.argv[1] + '/x', 'w')",
            str(self.there),
        )
        subprocess.run(words, env=env, check=True)
        seen = len(self.looked()) == 2
        self.told.unlink()
        return seen

    def serves(self) -> dict[str, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            return dict(json.loads(error.read()))

    def looked(self) -> list[str]:
        """Return what was looked at from here, and whatever else was done here that belongs there."""
        return self.told.read_text().splitlines() if self.told.exists() else []


@pytest.fixture(scope="module")
def host(docker: Docker, sshd_server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = None
    try:
        made = Host(docker, sshd_server, tmp_path_factory.mktemp("over-ssh"))
        yield made
    finally:
        if made is not None:
            label = f"label=com.docker.compose.project={made.name}"
            if ids := docker.run("ps", "-aq", "--filter", label).split():
                docker.run("rm", "-f", "-v", *ids)
            for network in docker.run("network", "ls", "-q", "--filter", label).split():
                docker.run("network", "rm", network)
            images = docker.run("images", "-q", "--filter", f"label=org.runwright.system={made.name}").split()
            tags = [t for t in docker.run("images", "--format", "{{.Repository}}:{{.Tag}}").split() if made.name in t]
            if images or tags:
                docker.run("image", "rm", "-f", *dict.fromkeys((*tags, *images)))
            shutil.rmtree(made.there, ignore_errors=True)


def test_a_release_and_the_way_back_from_a_bad_one(host: Host) -> None:
    """The new version runs from the checkout there, a bad one is put back, and one login does for a run."""
    assert host.watches()
    before = host.sshd.logins()
    good, bad = host.release("v2", "bad")
    assert (good["state"], bad["state"]) == ("proven", "rolled_back"), (good, bad)
    assert host.serves() == {"version": "v2", "site": "for v2", "token": "geheim-12345678"}
    assert host.looked() == []
    assert host.sshd.logins() == before + 1
    assert list((host.there / "backups").rglob("*.dump"))
    assert not list((host.sshd.home / ".runwright" / "jobs").glob("*/out"))


@SLOW
def test_a_run_that_was_killed_is_taken_up_again(host: Host) -> None:
    """Killed while the new version starts there: what still ran of it is ended, and what served before runs again."""
    before = host.serves()["version"]
    run = host.start("v3")
    assert run.stderr is not None
    log = ""
    while not log.endswith("start web\n"):
        line = run.stderr.readline()
        assert line, log
        log += line
    time.sleep(0.5)
    run.kill()
    run.communicate()
    (back,) = host.release("recover")
    assert back["state"] == "rolled_back", back
    assert host.serves()["version"] == before and host.looked() == []
