"""A canary on this machine whose share a person sets, and ends, while users ask: by the command line, through the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.ports import lasting_port

APP = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("VERSION", "rb").read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
RUNBOOK = """
system: rungs
source: {repo: FOLDER/repo}
components: {web: {}}
environments:
  here:
    tier: development
    target: {platform: host, strategy: canary, rungs: [10, 50], directory: FOLDER/run, process: {command: ["{python}", app.py, "{port}"]}}
    router: {kind: caddy, listen: PORT, drain_timeout: 1s}
verify: {deadline: 20s, health: [{id: page, get: "${url.front}/", contains: v}]}
canary: {hold: 1s, min_requests: 5, wait: 120s, manual: [10, 50]}
watch: {duration: 1s, every: 1s}
"""


class Users(threading.Thread):
    """Ask at the front door all the time, each with a connection of their own."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.url, self.answers, self.over = f"http://127.0.0.1:{port}/", Counter[str](), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    self.answers[answer.read().decode()] += 1
            except OSError as error:
                self.answers[f"failed: {error}"] += 1
            time.sleep(0.01)

    def share(self, version: str, requests: int) -> float:
        """Return which part of the next ``requests`` at least ``version`` answers."""
        before = Counter(self.answers)
        while (self.answers - before).total() < requests:
            time.sleep(0.05)
        new = self.answers - before
        return new[version] / new.total()


class Place:
    """A repository of two versions, a runbook, and a home of Runwright's."""

    def __init__(self, folder: Path) -> None:
        self.port, repo = lasting_port(), folder / "repo"
        repo.mkdir()
        (repo / "app.py").write_text(APP)
        own = ("git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run([*own, "init", "-q", "-b", "main"], check=True)
        for version in ("v1", "v2"):
            (repo / "VERSION").write_text(version)
            for words in (("add", "-A"), ("commit", "-qm", version), ("tag", version)):
                subprocess.run([*own, *words], check=True)
        (folder / "systems").mkdir()
        text = RUNBOOK.replace("FOLDER", str(folder)).replace("PORT", str(self.port))
        (folder / "systems" / "rungs.yaml").write_text(text)
        self.env = {**os.environ, "RUNWRIGHT_SYSTEMS": str(folder / "systems"), "RUNWRIGHT_HOME": str(folder / "home")}

    def releasing(self, *versions: str) -> subprocess.Popen[str]:
        """Start releases of ``versions``."""
        words = [sys.executable, "-m", "tests.conformance.releasing", "rungs", "here", *versions]
        return subprocess.Popen(words, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def state(self, *versions: str) -> list[str]:
        """Release ``versions`` and return how each release has ended."""
        out, _ = self.releasing(*versions).communicate(timeout=200)
        return [json.loads(line)["state"] for line in out.splitlines()]

    def canary(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `runwright canary`."""
        argv = [str(Path(sys.executable).with_name("runwright")), "canary", "rungs/here", *words, "--plain"]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def is_at(self, share: int) -> None:
        """Wait until the canary is under way with ``share``."""
        until = time.monotonic() + 60
        while f"v2 has {share} %" not in (found := self.canary()).stdout:
            assert time.monotonic() < until, found
            time.sleep(0.2)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for file in [*(tmp_path / "run").rglob("*.pid"), *(tmp_path / "home").rglob("*.pid")]:
        subprocess.run(["kill", "-9", file.read_text().split()[0]], check=False, capture_output=True)


@pytest.mark.timeout(300)
def test_a_person_sets_the_share_sends_them_back_and_promotes(place: Place) -> None:
    """Users get the share that was set; nobody gets an error; the run does it, and tells by whom."""
    assert place.state("v1") == ["proven"]
    users = Users(place.port)
    users.start()
    run = place.releasing("v2")
    place.is_at(10)
    assert place.canary("share", "40", "--name", "Ada").stdout == "v2: Ada set the share to 40 %.\n"
    assert 0.25 < users.share("v2", 200) < 0.55
    assert "Ada sent all users back: too slow" in place.canary("back", "--name", "Ada", "--why", "too slow").stdout
    out, _ = run.communicate(timeout=60)
    told = json.loads(out)
    assert told["state"] == "rolled_back" and "Ada sent all users back: too slow" in told["error"], told
    assert users.share("v1", 50) == 1.0
    late = place.canary("promote")
    assert late.returncode != 0 and "No canary is under way" in late.stderr
    subprocess.run(
        [str(Path(sys.executable).with_name("runwright")), "clear", _last(place), "--why", "it was quick after all"],
        env=place.env, check=True, capture_output=True,
    )  # fmt: skip
    run = place.releasing("v2")
    place.is_at(10)
    assert place.canary("promote", "--name", "Ada").returncode == 0
    out, _ = run.communicate(timeout=60)
    assert json.loads(out)["state"] == "proven", out
    users.over.set()
    users.join()
    assert set(users.answers) == {"v1", "v2"}, users.answers


def _last(place: Place) -> str:
    """Return the id of the newest release."""
    argv = [str(Path(sys.executable).with_name("runwright")), "history", "--json", "--limit", "1"]
    told = subprocess.run(argv, env=place.env, capture_output=True, text=True, timeout=60, check=True).stdout
    return str(json.loads(told)["releases"][0]["release"])
