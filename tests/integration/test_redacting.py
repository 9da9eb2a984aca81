"""A real container prints all that it has: nothing of it is kept in clear, whichever file it came from, and when."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.engine import Docker
from tests.fixtures.postgres import IMAGE
from tests.unit.release.conftest import Opener
from tests.unit.release.conftest import opened as opened

COMPOSE = f"""
services:
  api:
    image: {IMAGE}
    entrypoint: [sh, -c, env; sleep 600]
    env_file: conf/app.env
    environment: {{INLINE_KEY: "in$$line", URL: "redis://:${{CACHE_PASS}}@cache", MODE: production}}
"""


@pytest.mark.docker
def test_what_a_container_prints_holds_none_of_its_secrets(docker: Docker, opened: Opener, tmp_path: Path) -> None:
    """The file of `env_file`, `environment`, references to `.env`; also after the file was changed under it."""
    project, folder = f"rwt-redacting-{secrets.token_hex(4)}", tmp_path / "shop"
    (folder / "conf").mkdir(parents=True)
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / ".env").write_text("CACHE_PASS=tiger\n")
    (folder / "conf" / "app.env").write_text("DB_PASSWORD='of last week'\nWORKERS=4000\n")
    words = ["docker", "compose", "-p", project, "--project-directory", str(folder)]
    subprocess.run([*words, "up", "-d"], check=True, capture_output=True)
    try:
        (folder / "conf" / "app.env").write_text("DB_PASSWORD=new\n")
        target = {"platform": "compose", "project": project, "directory": str(folder)}
        work = opened(components={"api": {}}, local={"target": target, "router": None})
        printed = docker.run("logs", f"{project}-api-1")
        cleaned = work.performer.clean_printed(printed)
    finally:
        subprocess.run([*words, "down", "--timeout", "0"], check=True, capture_output=True)
    assert all(secret in printed for secret in ("of last week", "in$line", "tiger"))
    assert not any(secret in cleaned for secret in ("of last week", "in$line", "tiger"))
    assert all(told in cleaned for told in ("DB_PASSWORD=[secret ", "MODE=production", "WORKERS=4000", "PATH=/usr"))
