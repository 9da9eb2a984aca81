"""Make the shop's git repository: ``python examples/make_repository.py DEST``.

Ten tagged releases, three good and seven bad, as one line of history. Authors and dates are fixed, so that every
machine makes the same commits: a repository that is there already and holds them is left as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SHOP = Path(__file__).resolve().parent / "shop"
FIRST_DATE = 1767261600  # 2026-01-01 10:00 UTC
DAY_SECONDS = 86400
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc", "*.db", "*.db-*", ".env")


@dataclass(frozen=True)
class Release:
    """One release: its tag, the message of its commit, and the overlays over the base, in order."""

    tag: str
    message: str
    overlays: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """The version as the shop shows it: "1.4.0-errors"."""
        return self.tag.removeprefix("v")


RELEASES = (
    Release("v1.0.0", "Open the shop"),
    Release("v1.1.0", "Add a note to each item", ("v1.1.0",)),
    Release("v1.2.0-never-ready", "Warm a cache that never gets warm", ("v1.1.0", "v1.2.0-never-ready")),
    Release("v1.3.0-migration-fails", "Add prices with a migration that fails half-way", ("v1.1.0", "v1.3.0-migration-fails")),
    Release("v1.4.0-errors", "Break most requests a while after the start", ("v1.1.0", "v1.4.0-errors")),
    Release("v1.5.0-slow", "Get slower and slower a while after the start", ("v1.1.0", "v1.5.0-slow")),
    Release("v1.6.0", "Be good again", ("v1.1.0",)),
    Release("v1.7.0-crashes", "End as soon as it is started", ("v1.1.0", "v1.7.0-crashes")),
    Release("v1.8.0-no-secret", "Need a secret that nobody has made", ("v1.1.0", "v1.8.0-no-secret")),
    Release("v1.9.0-no-image", "Need an image that nobody has pushed", ("v1.1.0", "v1.9.0-no-image")),
)  # fmt: skip


def make(dest: Path, shop: Path = SHOP) -> dict[str, str]:
    """Make the repository in ``dest`` and return {tag: commit}. shop: where its files are.

    Raise FileExistsError if something else is there: nothing is ever replaced.
    """
    with tempfile.TemporaryDirectory(prefix="shop-repository-") as folder:
        fresh = Path(folder) / "shop"
        wanted = _made(fresh, shop)
        if dest.exists() and any(dest.iterdir()):
            if not (dest / ".git").exists() or _tags(dest) != wanted:
                raise FileExistsError(f"{dest} holds something else; name a folder that is empty or not there")
            return wanted
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(fresh, dest, dirs_exist_ok=True)
    return wanted


def tree_of(release: Release, folder: Path, shop: Path = SHOP) -> None:
    """Write the files of ``release`` to the new folder ``folder``."""
    shutil.copytree(shop / "base", folder, ignore=NOT_SOURCE)
    for overlay in release.overlays:
        shutil.copytree(shop / "releases" / overlay, folder, ignore=NOT_SOURCE, dirs_exist_ok=True)
    version = folder / "shop" / "__init__.py"
    version.write_text(version.read_text().replace('VERSION = "1.0.0"', f'VERSION = "{release.number}"'))
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _made(repository: Path, shop: Path) -> dict[str, str]:
    repository.mkdir()
    _git(repository, "init", "-q", "--template=", "--object-format=sha1", "-b", "main")
    for index, release in enumerate(RELEASES):
        for path in repository.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with tempfile.TemporaryDirectory() as folder:
            tree_of(release, Path(folder) / "tree", shop)
            shutil.copytree(Path(folder) / "tree", repository, dirs_exist_ok=True)
        date = f"{FIRST_DATE + index * DAY_SECONDS} +0000"
        _git(repository, "add", "--all", date=date)
        _git(repository, "commit", "-q", "-m", release.message, date=date)
        _git(repository, "tag", "-a", "-m", release.message, release.tag, date=date)
    return _tags(repository)


def _tags(repository: Path) -> dict[str, str]:
    lines = _git(repository, "for-each-ref", "--format=%(refname:short) %(*objectname)", "refs/tags").splitlines()
    return dict(tuple(line.split()) for line in lines if len(line.split()) == 2)


def _git(repository: Path, *words: str, date: str = "") -> str:
    # nothing of this machine's own git configuration may change what is committed
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(repository),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(repository.parent),
        **{f"GIT_{role}_NAME": "Shop" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "shop@example.com" for role in ("AUTHOR", "COMMITTER")},
        **({f"GIT_{role}_DATE": date for role in ("AUTHOR", "COMMITTER")} if date else {}),
    }
    done = subprocess.run(
        ["git", "-C", str(repository), *words], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def main() -> int:
    """Make it and print its tags. Return 1 if it cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dest", type=Path)
    try:
        commits = make(parser.parse_args().dest)
    except OSError as error:
        print(f"make_repository: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"make_repository: git {error.cmd[3]} failed: {error.stderr.strip()}", file=sys.stderr)
        return 1
    for release in RELEASES:
        print(commits[release.tag], release.tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
