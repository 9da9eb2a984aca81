"""Which services migrate when they start, told from their commands and from the scripts of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runwright.actions import Output
from runwright.platforms.compose.at_start import migrating
from runwright.platforms.compose.config import ServiceConfig
from runwright.platforms.compose.images import Image
from runwright.testing.direct import Direct
from runwright.testing.replies import Replies

NONE = Output(1, b"", b"")
SCRIPTS = Output(0, b"docker/start.sh\0ops/boot.py\0", b"")
NO_CHECKOUT = Output(128, b"", b"fatal: not a git repository")


@pytest.mark.parametrize(
    ("entrypoint", "command", "image", "scripts", "found"),
    [
        (None, ("sh", "-c", "alembic upgrade head && uvicorn app:app"), Image("x"), NONE, True),
        (None, None, Image("x", ("/start.sh",), "", ("uvicorn", "app:app")), SCRIPTS, True),
        (None, None, Image("x", (), "", ("sh", "-c", "python /srv/ops/boot.py; exec app")), SCRIPTS, True),
        (None, None, Image("x", (), "", ("/bin/sh", "-c", "alembic -c a.ini upgrade head; app")), NO_CHECKOUT, True),
        (("app",), None, Image("x", (), "", ("alembic", "upgrade", "head")), NONE, False),
        (None, ("uvicorn", "app:app"), Image("x", (), "", ("alembic", "upgrade", "head")), NONE, False),
        (None, ("uvicorn", "app:app"), Image("x"), SCRIPTS, False),
        (None, ("alembic", "check"), Image("x"), NONE, False),
        (None, None, Image("x"), NO_CHECKOUT, False),
    ],
)
def test_a_start_command_migrates_by_itself_or_in_a_script(
    entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None, image: Image, scripts: Output, found: bool
) -> None:
    """The Compose file's command counts before the image's, and an entrypoint of its own puts the image's command away."""
    services = {"api": ServiceConfig("api", entrypoint=entrypoint, command=command)}
    do = Replies({"git": scripts}, lenient=True)
    assert migrating(do, services, ["api"], {"api": image}, Path("/tree")) == (["api"] if found else [])


def test_what_a_comment_says_starts_nothing(tmp_path: Path) -> None:
    """Real git: of two tracked scripts, the one that only tells people how to migrate does not count."""
    (tmp_path / "boot.sh").write_text("#!/bin/sh\n# by hand: alembic upgrade head\nexec app\n")
    (tmp_path / "start.sh").write_text("#!/bin/sh\nalembic upgrade head  # first\nexec app\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
    services = {name: ServiceConfig(name, command=(f"/srv/{name}.sh",)) for name in ("boot", "start")}
    images = {name: Image("x") for name in services}
    assert migrating(Direct(), services, list(services), images, tmp_path) == ["start"]
    (tmp_path / "deploy").mkdir()
    assert migrating(Direct(), services, list(services), images, tmp_path / "deploy") == ["start"], (
        "from a folder of it"
    )
