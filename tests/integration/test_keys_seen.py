"""The env gate, asked of what really runs: which variables it sees, by name, and never a value."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Action
from runwright.platforms.host import Host
from runwright.platforms.host.environment import keys_seen as host_keys
from runwright.policy.gates import GateState
from runwright.release.check import asked
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.fixtures.engine import Docker
from tests.fixtures.postgres import IMAGE
from tests.unit.release.conftest import Opener
from tests.unit.release.conftest import opened as opened

SENTINEL = "never-shown-" + secrets.token_hex(8)
COMPOSE = f"""
services:
  api:
    image: {IMAGE}
    entrypoint: [sleep, "600"]
    environment: {{DATABASE_URL: "${{DATABASE_URL}}", EMPTY: "${{EMPTY}}", QUOTED: "a=b c"}}
"""


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A project whose service api runs: its name and its folder."""
    project, folder = f"rwt-keys-{secrets.token_hex(4)}", tmp_path / "shop"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    lines = [f"{key}={SENTINEL}" for key in ("DATABASE_URL", "FORGOTTEN", "QUOTED")]
    (folder / ".env").write_text("\n".join([*lines, "EMPTY="]) + "\n")
    words = ["docker", "compose", "-p", project, "--project-directory", str(folder)]
    subprocess.run([*words, "up", "-d"], check=True, capture_output=True)
    yield project, folder
    subprocess.run([*words, "down", "--timeout", "0"], check=True, capture_output=True)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("required", "added", "state", "told"),
    [
        (["DATABASE_URL", "QUOTED"], "", GateState.PASS, "api sees all of them"),
        (["DATABASE_URL", "FORGOTTEN"], "", GateState.FAIL, "does not see FORGOTTEN: nothing passes it on"),
        (
            ["DATABASE_URL", "NEW"],
            f"NEW={SENTINEL}\n",
            GateState.WARN,
            "does not see NEW: that may have been set after",
        ),
    ],
    ids=["all", "not passed on", "set since then"],
)
def test_the_gate_names_what_a_container_does_not_see(
    shop: tuple[str, Path], opened: Opener, required: list[str], added: str, state: GateState, told: str
) -> None:
    """Given keys that the env file holds and the Compose file passes on only in part, the gate names the others; what was
    written into the file after the start is a remark; no value is anywhere."""
    project, folder = shop
    with (folder / ".env").open("a") as file:
        file.write(added)
    if not added:
        os.utime(folder / ".env", (0, 0))  # it is as old as it would be on a server
    target = {"platform": "compose", "project": project, "directory": str(folder)}
    place = {"target": target, "router": None, "config": {"required": required, "seen_in": ["api"]}}
    work = opened(gates=[{"id": "env", "env": True}], components={"api": {}}, local=place)
    (result,) = asked(work).results
    assert (result.state, told in result.reason) == (state, True), result.reason
    assert SENTINEL not in result.reason


@pytest.mark.docker
def test_only_names_leave_docker(shop: tuple[str, Path]) -> None:
    """Also a value with spaces and equals signs stays there, and a variable that is set to nothing is not seen."""
    from runwright.platforms.compose.environment import keys_seen

    outputs: list[bytes] = []

    class Listening(Direct):
        def __call__(self, action: Action[Any]) -> Any:
            if (parse := getattr(action, "parse", None)) is not None:
                object.__setattr__(action, "parse", lambda output: (outputs.append(output.stdout), parse(output))[1])
            return super().__call__(action)

    (seen,) = keys_seen(Listening(), shop[0], "api")
    assert {"DATABASE_URL", "QUOTED", "PATH"} <= seen.names and not {"EMPTY", "FORGOTTEN"} & seen.names
    assert outputs and SENTINEL.encode() not in b"".join(outputs) and b"a=b" not in b"".join(outputs)
    assert keys_seen(Direct(), shop[0], "worker") == ()


def test_the_process_of_a_slot_tells_its_names(tmp_path: Path) -> None:
    """On the host platform the process itself is looked at."""
    serve = "import http.server as h,sys; h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"
    process = {"command": ["{python}", "-c", serve, "{port}"], "health": "/", "env": {"MODE": SENTINEL, "EMPTY": ""}}
    target = HostTarget.model_validate({"platform": "host", "process": process})
    host = Host(target, tmp_path / "run", {"SECRET_KEY": SENTINEL}, sys.executable)
    version = Version("shop", "local", "v1", "a" * 40, (Artifact("web", os.fspath(tmp_path), "b" * 40),))
    do = Direct()
    host.start(do, version, "blue", "start", "r1")
    try:
        (seen,) = host_keys(tmp_path / "run", "web", ("blue", "green"))
        assert {"MODE", "SECRET_KEY", "RUNWRIGHT_SLOT"} <= seen.names and "EMPTY" not in seen.names
        assert SENTINEL not in repr(seen)
        assert host_keys(tmp_path / "run", "worker", ("blue", "green")) == ()
    finally:
        host.stop(do, "blue", "stop")
    assert host_keys(tmp_path / "run", "web", ("blue", "green")) == ()
