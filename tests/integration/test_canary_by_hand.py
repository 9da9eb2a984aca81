"""A canary on this machine whose share a person sets, and ends, while users ask: by the command line, through the ledger."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.ledger import open_ledger
from runwright.release import by_hand, requests
from runwright.release.work import at_work
from runwright.reports import requests as pictures
from tests.conformance.releasing import Quiet
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
            time.sleep(0.02)

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
        self.env = {**os.environ, "RUNWRIGHT_SYSTEMS": str(folder / "systems")}

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
        with open_ledger() as ledger:
            while not (here := ledger.releases.find("rungs", "here", limit=1)) or (
                ledger.releases.fact(here[0].id, by_hand.AT) != share
            ):
                assert time.monotonic() < until, here
                time.sleep(0.2)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "home"))
    made = Place(tmp_path)
    yield made
    for file in [*(tmp_path / "run").rglob("*.pid"), *(tmp_path / "run").rglob("pid.json")]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)


@pytest.mark.story  # what a person asks for is tried in tests/unit/release/test_canary.py, a canary in traffic with the two colours
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
    with open_ledger() as ledger:
        ledger.releases.clear_quarantine(ledger.releases.find(limit=1)[0].id, "Ada", "it was quick after all")
    run = place.releasing("v2")
    place.is_at(10)
    assert place.canary("promote", "--name", "Ada").returncode == 0
    out, _ = run.communicate(timeout=60)
    assert json.loads(out)["state"] == "proven", out
    users.over.set()
    users.join()
    counted = _counted()
    assert counted["v2"] > 20 and counted["v1"] > 20, counted
    assert set(users.answers) == {"v1", "v2"}, users.answers


def _counted() -> dict[str, float]:
    """Return how many requests the picture of the newest release has of each version. It is drawn, if a folder for it is named."""
    with open_ledger() as ledger:
        newest = ledger.releases.find(limit=1)[0].id
    with at_work(newest, Quiet()) as work:
        shown = requests.requests(work)
    assert shown is not None
    if folder := os.environ.get("RUNWRIGHT_PICTURES"):
        Path(folder, "requests.png").write_bytes(pictures.png(shown))
    return {name: looks[-1].requests - looks[0].requests for name, looks in (shown.new, shown.old)}
