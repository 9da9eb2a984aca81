"""The repository speaks of the product alone, and works wherever it is cloned."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.pages import ROOT

SELF = "tests/docs/test_repository.py"
ALLOWED_FOR_THE_ENGINE = ".ci/run"
"""It may bring up a Docker engine that its surroundings offer."""

ELSEWHERE = {
    "an address to install packages from": re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host"),
    "a package registry or its mirror": re.compile(
        r"https?://(?!(?:keepachangelog|semver)\.)[\w.-]*(?:pypi|npmjs|crates\.io|artifactory|nexus|mirror|proxy\.golang)[\w.-]*"
    ),
    "a folder of one machine": re.compile(r"/(?:work/(?:main|shared)|tmp/(?:brief|bash_jobs)|opt/(?:pypi|wheels)|root/\.)"),
    "a document that is not here": re.compile(r"\b(?:DESIGN|STYLE|PEERS|PREFECT)\.md\b"),
    "a number in a list that is not here": re.compile(r"\b(?:D|MF|FP|RV|CS|IM)-\d{2,3}\b|\brequirements \d"),
}  # fmt: skip


def tracked() -> list[str]:
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", ELSEWHERE)
def test_nothing_points_to_where_it_was_written(what: str) -> None:
    """No file holds an address, a folder or a document that only its author has."""
    wrong = []
    for name in tracked():
        if name in (SELF, ALLOWED_FOR_THE_ENGINE):
            continue
        try:
            text = (ROOT / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [f"{name}: {found[0]}" for found in ELSEWHERE[what].finditer(text)]
    assert wrong == []


def test_what_is_looked_for_would_be_found() -> None:
    """Each pattern finds what it is meant for, and no address that a user needs."""
    samples = {
        "an address to install packages from": "pip install --index-url x",
        "a package registry or its mirror": "https://mirror.example.org/simple",
        "a folder of one machine": "see /work/shared",
        "a document that is not here": "as DESIGN.md says",
        "a number in a list that is not here": "thirty minutes (CS-19)",
    }
    assert all(ELSEWHERE[what].search(text) for what, text in samples.items()) and set(samples) == set(ELSEWHERE)
    for fine in ("https://github.com/acme/shop", "https://keepachangelog.com/en/1.1.0/", "ghcr.io/acme/api"):
        assert not any(pattern.search(fine) for pattern in ELSEWHERE.values())
