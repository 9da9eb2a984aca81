"""What a project takes for granted, and whether it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import RefusedError
from runwright.platforms.compose.config import ComposeConfig, parse_config
from runwright.platforms.compose.lacking import lacking, require_files
from runwright.testing.replies import Replies


def config(service: dict[str, Any], **sections: Any) -> ComposeConfig:
    said = {
        "services": {"api": {"image": "x", **service}, "other": {"image": "y", "networks": {"far": None}}},
        **sections,
    }
    return parse_config(Output(0, json.dumps(said).encode(), b""))


def engine() -> Replies:
    return Replies({"docker network ls": Output(0, b"front\n", b""), "docker volume ls": Output(0, b"media\n", b"")})


OUTSIDE = {
    "networks": {"near": {"name": "front", "external": True}, "far": {"external": True}, "own": {"name": "shop_own"}},
    "volumes": {
        "files": {"name": "media", "external": True},
        "keys": {"external": True},
        "cache": {"name": "shop_cache"},
    },
}


def test_networks_and_volumes_that_are_not_the_projects_own_are_looked_for() -> None:
    """By the name that Docker knows, of the services that are released alone; Compose makes the project's own."""
    mounts = [{"type": "volume", "source": name, "target": f"/{name}"} for name in ("files", "keys", "cache")]
    found = config({"networks": {"near": None, "far": None, "own": None}, "volumes": mounts}, **OUTSIDE)
    assert lacking(engine(), found, ["api"]) == (
        "The external network far, which api uses, is not there: make it (`docker network create far`), or correct its name.",
        "The external volume keys, which api uses, is not there: make it (`docker volume create keys`), or correct its name.",
    )
    assert lacking(Replies({}), config({}, **OUTSIDE), ["api"]) == ()


def test_a_file_without_which_no_container_can_be_made_is_missed_before_the_old_one_is_gone(tmp_path: Path) -> None:
    """A secret, a config, a folder that may not be made; others are made where they are missing."""
    (tmp_path / "there").write_text("x")
    files = {"key": {"file": f"{tmp_path}/key"}, "cert": {"file": f"{tmp_path}/there"}}
    mounts = [
        {"type": "bind", "source": f"{tmp_path}/data", "target": "/data", "bind": {"create_host_path": False}},
        {"type": "bind", "source": f"{tmp_path}/made", "target": "/made", "bind": {"create_host_path": True}},
        {"type": "bind", "source": f"{tmp_path}/newer", "target": "/newer", "bind": {}},
    ]
    found = config({"secrets": [{"source": "key"}, {"source": "cert"}], "volumes": mounts}, secrets=files)
    with pytest.raises(RefusedError) as caught:
        require_files(Replies({}), found, ["api"])
    assert caught.value.what == (
        f"{tmp_path}/data, which api mounts on /data, is not there. "
        f"{tmp_path}/key, which api mounts on /run/secrets/key, is not there."
    )
    require_files(Replies({}), found, ["other"])
