"""The platform that docs/how-to/extend.md shows as a package: installed from that page, it is held to what every platform must
do, and releases."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, text_of

PAGE = "docs/how-to/extend.md"
_FILE = re.compile(r"^`(?P<name>[\w./]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_RUNBOOK = re.compile(r"^```yml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {"v1": "This is one", "v2": "This is two", "bad": "nothing to see"}
SHOW = [f"deploy/show/{change}" for change in ("note", "files", "next", "current")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the page has it, with what an installation notes of it: its name and its entry points."""
    folder = tmp_path_factory.mktemp("installed")
    for found in _FILE.finditer(text_of(PAGE)):
        file = folder / found["name"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(found["text"])
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in named.items())
        for group, named in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(points))
    return folder


def python(installed: Path, *words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a Python of its own in which the package is installed; fails the test if it fails."""
    paths = os.pathsep.join((str(installed), str(ROOT)))
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": paths, **env}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_it_does_what_every_platform_must(installed: Path, tmp_path: Path) -> None:
    """The file of a few lines that the page shows is enough."""
    done = python(
        installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{installed}/test_folder.py", cwd=tmp_path
    )
    assert re.search(r"^1\d passed in", done.stdout, re.MULTILINE), done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A repository of three versions, a web server that shows what is current, and the page's runbook."""
    repository, www = tmp_path / "repo", tmp_path / "www"
    repository.mkdir()
    www.mkdir()
    who = (
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    )
    for words in (["init", "--quiet", "-b", "main"], *(["tag", name] for name in PAGES)):
        if words[0] == "tag":
            (repository / "index.html").write_text(PAGES[words[1]])
            subprocess.run(["git", "-C", repository, "add", "-A"], check=True)
            subprocess.run(["git", *who, "-C", repository, "commit", "--quiet", "-m", words[1]], check=True)
        subprocess.run(["git", *who, "-C", repository, *words], check=True)
    handler = functools.partial(Silent, directory=str(www / "current"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (found,) = _RUNBOOK.findall(text_of(PAGE))
        (tmp_path / "systems").mkdir()
        text = found.replace("127.0.0.1:8080", f"127.0.0.1:{server.server_port}")
        assert text != found
        (tmp_path / "systems" / "site.yaml").write_text(text)
        yield tmp_path
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    """Says nothing."""

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def released(installed: Path, site: Path, *versions: str) -> list[dict[str, Any]]:
    """Release them one after the other, and return what is told of each."""
    home = {"RUNWRIGHT_HOME": str(site / "home"), "RUNWRIGHT_SYSTEMS": str(site / "systems")}
    done = python(installed, "-m", "tests.conformance.releasing", "site", "live", *versions, cwd=site, **home)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_releases_and_goes_back(installed: Path, site: Path) -> None:
    """Two good releases by the plan that was written; a bad one is put back by itself, and a good one when a person asks."""
    shown = site / "www" / "current" / "index.html"
    first, second, bad = released(installed, site, "v1", "v2", "bad")
    for told in (first, second):
        assert (told["state"], told["planned"], told["depends"], told["error"]) == ("proven", SHOW, "", "")
        assert told["journal"][-len(SHOW) :] == SHOW
    assert (bad["state"], bad["planned"]) == ("rolled_back", SHOW)
    assert 'does not contain "This is"' in bad["error"]
    assert shown.read_text() == PAGES["v2"]
    (back,) = released(installed, site, "back")
    assert (back["ref"], back["state"], back["error"]) == ("v2", "rolled_back", "")
    assert shown.read_text() == PAGES["v1"]
