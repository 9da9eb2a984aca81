"""What becomes of mounts, and what an override says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from runwright.platforms.compose.config import Build, Mount
from runwright.platforms.compose.mounts import Role, Tracked, relative_to, role, strangers
from runwright.platforms.compose.override import Raw, Replacing, ServiceOverride, override_file

USER = Path("/opt/shop")
TRACKED = Tracked(
    frozenset({"Caddyfile", "backend/src/a.py", "backend/conf/x.ini", "conf/app.json", "var/.gitkeep", "run.py"})
)


@pytest.mark.parametrize(
    ("source", "target", "context", "expected"),
    [
        ("/opt/shop/Caddyfile", "/etc/caddy/Caddyfile", None, Role.CONFIG),
        ("/opt/shop/var", "/app/var", "/opt/shop/backend", Role.DATA),
        ("/opt/shop/uploads", "/app/uploads", "/opt/shop", Role.DATA),
        ("/var/backups", "/backups", "/opt/shop", Role.DATA),
        ("/opt/shopping/src", "/app/src", "/opt/shop", Role.DATA),
        ("/opt/shop/backend/src", "/app/src", "/opt/shop/backend", Role.SOURCE),
        ("/opt/shop/backend/src", "/app/backend/src/", "/opt/shop", Role.SOURCE),
        ("/opt/shop/backend", "/app", "/opt/shop/backend", Role.SOURCE),
        ("/opt/shop", "/app", "/opt/shop/backend", Role.SOURCE),
        ("/opt/shop/backend/conf", "/etc/shop", "/opt/shop/backend", Role.CONFIG),
        ("/opt/shop/conf", "/app/conf", "/opt/shop/backend", Role.CONFIG),
        ("/opt/shop/backend/src", "/app/src", None, Role.CONFIG),
        ("/opt/shop/backend/src", "/app/src", "https://git.example.com/x.git", Role.CONFIG),
        ("/opt/shop/run.py", "/app/run.py", "/opt/shop", Role.CONFIG),
    ],
)
def test_a_mount_is_data_configuration_or_source(source: str, target: str, context: str | None, expected: Role) -> None:
    """Untracked is data; tracked is configuration; a tracked folder over the code that was built from it is source."""
    mount = Mount("bind", source, target, False)
    assert role(mount, Build(context) if context else None, USER, TRACKED) is expected


def test_a_volume_is_data_whatever_it_is_called() -> None:
    """Only bind mounts have a source on the host."""
    assert role(Mount("volume", "conf", "/app/conf", False), Build("/opt/shop"), USER, TRACKED) is Role.DATA


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/opt/shop/a/../b", "b"),
        ("/opt/shop", "."),
        ("/opt/shop/../other", None),
        ("/opt", None),
        ("volume", None),
        ("/opt/shop/..data", "..data"),
    ],
)
def test_paths_are_relative_to_the_users_folder_or_elsewhere(source: str, expected: str | None) -> None:
    """Only what lies inside of the folder is looked up in git."""
    assert relative_to(USER, source) == expected


def test_strangers_are_files_that_git_does_not_track_and_nobody_would_miss_are_not(tmp_path: Path) -> None:
    """A database beside source code is found; caches and placeholders are not."""
    for name in ("src/a.py", "src/__pycache__/a.pyc", "src/node_modules/x.js", "src/db/shop.sqlite3", "src/.gitkeep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert strangers(tmp_path, "src", ["src/a.py"]) == ("src/db/shop.sqlite3",)
    assert strangers(tmp_path, "nowhere", []) == ()


def test_an_override_holds_what_is_said_and_nothing_else() -> None:
    """Empty parts are left out; a list can replace; a dollar stands for itself, but not in the user's own values."""
    content = override_file(
        {
            "api": ServiceOverride(
                image="sha256:1",
                labels={"runwright.commit": "c"},
                volumes=[{"source": "/opt/$shop", "target": "/x"}],
                env_file=Replacing([Raw("${ENV_FILE:-.env}"), "/state/$a.env"]),
            ),
            "db": ServiceOverride(),
        },
        {"configs": {"rules": "/state/rules.yml"}, "secrets": {}},
    ).decode()
    assert "env_file: !override" in content
    data = yaml.safe_load(content.replace("!override", ""))
    assert data == {
        "configs": {"rules": {"file": "/state/rules.yml"}},
        "services": {
            "api": {
                "image": "sha256:1",
                "pull_policy": "never",
                "labels": {"runwright.commit": "c"},
                "volumes": [{"source": "/opt/$$shop", "target": "/x"}],
                "env_file": ["${ENV_FILE:-.env}", "/state/$$a.env"],
            }
        },
    }


def test_a_service_whose_only_mount_was_source_code_has_none_left() -> None:
    """An empty list that replaces is said: left out, the user's own file would mount the source code all the same."""
    content = override_file({"api": ServiceOverride(volumes=Replacing()), "db": ServiceOverride(volumes=[])}).decode()
    assert "volumes: !override []" in content
    assert "db" not in content
