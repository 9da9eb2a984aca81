"""A sentinel in every field of the block is found nowhere else, whatever the release does."""

from __future__ import annotations

import base64
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from prefect.client.orchestration import SyncPrefectClient

from blocks.storing import put
from tests.e2e.place import Place

SENTINEL = "s3ntinel/+{}~zQ"
FIELDS = (
    "database_password", "registry_password", "metrics_token", "metrics_password", "smoke_password", "github_token",
    "SHOP_SIGNING_KEY", "extra_token",
)  # fmt: skip
LEAKY = """
import os, sys
print("configured with", dict(os.environ))
print("the key is", os.environ.get("SHOP_SIGNING_KEY"), file=sys.stderr)
raise SystemExit(f"cannot migrate with {os.environ.get('SHOP_SIGNING_KEY')}")
"""


@pytest.fixture
def sentinels(client: SyncPrefectClient, place: Place) -> dict[str, str]:
    """A secret of its own in every field of the environment's block."""
    values = {field: SENTINEL.format(field) for field in FIELDS}
    for field, value in values.items():
        put(client, place.name, field, value)
    return values


def forms(value: str) -> set[bytes]:
    """The ways in which a value may be written somewhere."""
    plain = value.encode()
    return {plain, quote(value, safe="").encode(), base64.b64encode(plain), value.replace("/", "\\/").encode()}


def with_a_leaky_migration(repository: Path, into: Path) -> None:
    """Make the repository that the place releases from have a version whose migration prints all that it knows."""
    shutil.copytree(repository, into)

    def git(*words: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *who, "-C", str(into), *words], check=True, capture_output=True)

    git("checkout", "-q", "-b", "leaky", "v1.1.0")
    revision = next((into / "migrations" / "versions").glob("0002*.py"))
    text = revision.read_text().replace("0002_note", "0003_leaky").replace('"0001_items"', '"0002_note"')
    revision.with_name("0003_leaky.py").write_text(text)
    (into / "migrations" / "env.py").write_text(LEAKY)
    git("add", "-A")
    git("commit", "-q", "-m", "Print all that is known")
    git("tag", "v9.0.0-leaky")


@contextmanager
def watching_arguments(needles: set[bytes]) -> Iterator[list[str]]:
    """Look at the arguments of every process of this machine while the block runs; give those that hold a needle."""
    found: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    with suppress(OSError):
                        words = (folder / "cmdline").read_bytes()
                        if any(needle in words for needle in needles):
                            found.append(words.replace(b"\0", b" ").decode("utf-8", "replace")[:200])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield found
    done.set()
    thread.join()


def test_no_secret_is_written_logged_or_passed_as_an_argument(
    place: Place,
    sentinels: dict[str, str],
    repository: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A good release, and one whose migration prints its whole environment and fails: no log, artifact, parameter,
    journal, exception, result or argument holds a value of the block, in any of the usual spellings."""
    needles = {form for value in sentinels.values() for form in forms(value)}
    leaky = tmp_path / "leaky"
    with_a_leaky_migration(repository, leaky)
    with watching_arguments(needles) as arguments:
        first = place.start("v1.1.0")
        good = place.ended(first)
        assert good.is_completed(), good.message
        assert place.state_of(first) == "proven"
        text = place.runbook_file.read_text()
        place.runbook_file.write_text(text.replace(str(repository), str(leaky)))
        try:
            run = place.start("v9.0.0-leaky")
            state = place.ended(run)
            fired = place.rolled_back(run)
        finally:
            place.runbook_file.write_text(text)
    assert place.fired_by(first) == [], "a good release fires nothing"
    assert state.is_failed()
    assert "[secret SHOP_SIGNING_KEY]" in (state.message or ""), "the migration had it, and did print it"
    assert (place.version(), place.state_of(run)) == ("v1.1.0", "rolled_back")
    assert place.changes_by(str(fired.id)) == [], "the run had put it back, and its rollback found nothing to do"
    assert arguments == []

    base = tmp_path_factory.getbasetemp()
    kept = [place.folder, *base.glob("prefect-server*"), *base.glob("prefect-worker*")]
    files = [file for folder in kept for file in folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".db" for file in files), "the server's database and the ledger are among them"
    leaks = [str(file) for file in files if any(needle in file.read_bytes() for needle in needles)]
    assert leaks == []
