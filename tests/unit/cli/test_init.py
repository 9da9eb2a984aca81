"""`init`: a runbook for what is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fixtures.engine import Docker
from tests.unit.cli.conftest import Call

SECRET = "s3cret-of-the-database"


@pytest.mark.docker
def test_init_drafts_a_runbook_that_passes_its_own_check(docker: Docker, call: Call, tmp_path: Path) -> None:
    """From a real Compose file in a real repository; what is there already is not written over."""
    app = tmp_path / "app"
    (app / "backend").mkdir(parents=True)
    (app / "backend" / "alembic.ini").write_text("[alembic]\n")
    (app / "backend" / "start.sh").write_text("#!/bin/sh\npython -m alembic -c alembic.ini upgrade head\n")
    (app / "backend" / "test.sh").write_text("#!/bin/sh\nalembic check\n")
    (app / "compose.yaml").write_text(
        "services:\n"
        "  api:\n"
        "    build: ./backend\n"
        "    ports: ['18080:8000']\n"
        "    healthcheck: {test: curl -f http://localhost:8000/readyz}\n"
        "    depends_on: [db]\n"
        "  db:\n"
        "    image: postgres:15\n"
        f"    environment: {{POSTGRES_DB: shop, POSTGRES_USER: shop, POSTGRES_PASSWORD: {SECRET}}}\n"
    )
    subprocess.run(["git", "init", "-q", str(app)], check=True)
    subprocess.run(["git", "-C", str(app), "add", "."], check=True)
    out = tmp_path / "made" / "runwright.yaml"
    found = call("init", str(app), "--output", str(out))
    assert found.exit_code == 0, found.output
    text = out.read_text()
    assert SECRET not in text
    assert all(word in text for word in ("alembic", "/readyz", "kind: postgres", "18080"))
    assert "# check: backend/start.sh: if a service migrates when it starts" in text
    assert call("check", str(out)).exit_code == 0
    again = call("init", str(app), "--output", str(out))
    assert again.exit_code == 2
    assert "--force" in again.stderr
    (app / "backend" / "Other").write_text("FROM scratch\n")
    compose = (app / "compose.yaml").read_text()
    (app / "compose.yaml").write_text(compose + "  web: {build: {context: ./backend, dockerfile: Other}}\n")
    out.write_text(text.replace("services: [api]", "services: [api, web]"))
    refused = call("check", str(out))
    assert refused.exit_code == 2
    assert "api and web are built differently (Dockerfile backend/Dockerfile and backend/Other)" in refused.stderr
    (app / "compose.yaml").write_text(compose + "  web: {\n")
    assert f"{app}/compose.yaml:11:1: this is no YAML" in call("check", str(out)).stderr
    (app / "compose.yaml").write_text(compose)
    assert call("init", str(app), "--output", str(out), "--force").exit_code == 0
