"""What becomes of mounts, and what an override says."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.engine.actions import Output
from runwright.errors import RefusedError
from runwright.platforms.compose.config import parse_config
from runwright.platforms.compose.contents import File
from runwright.platforms.compose.copies import Copies, Place
from runwright.platforms.compose.images import Image
from runwright.platforms.compose.mounts import Tracked, covered, relative_to, strangers
from runwright.platforms.compose.override import Raw, Replacing, ServiceOverride, override_file
from runwright.platforms.compose.sources import Sources
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.replies import Replies


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


CODE, CONF, SEED, BUNDLE = b"print('v2')\n", b"listen 80;\n", b"[1, 2]\n", b"bundle of v2\n"
GIT = {
    "src/app.py": CODE, "src/data.json": SEED, "nginx.conf": CONF, "media/logo.png": SEED, "var/.gitkeep": b"x\n",
    "etc/app.ini": CONF, "shop.db": SEED,
}  # fmt: skip
TRACKED = Tracked(frozenset(GIT), {name: blob(content) for name, content in GIT.items()})
IMAGE = {
    "/app": {"app.py": File(blob(CODE)), "data.json": File(blob(SEED)), "dist/app.js": File(blob(BUNDLE))},
    "/app/app.py": {".": File(blob(CODE))},
    "/app/dist": {"app.js": File(blob(BUNDLE))},
    "/app/media": {"logo.png": File(blob(SEED))},
    "/app/shop.db": {".": File(blob(SEED))},
    "/etc/nginx": {"nginx.conf": File("0" * 40), "mime.types": File("1" * 40)},
    "/srv/static": {"app.py": File(blob(CODE))},
    "/var/lib/tool": {"tool.js": File("2" * 40)},
}


@pytest.mark.parametrize(
    ("target", "path", "expected"),
    [
        ("/app", "src", ["app.py", "data.json", "dist/app.js"]),
        ("/app/app.py", "src/app.py", ["."]),
        ("/app/dist", None, ["app.js"]),
        ("/app/media", None, ["logo.png"]),
        ("/srv/static", None, ["app.py"]),
        ("/etc/nginx", "etc", []),
        ("/var/lib/tool", None, []),
        ("/app/var", "var", []),
    ],
)
def test_what_a_mount_hides_is_what_the_image_has_from_the_repository(
    target: str, path: str | None, expected: list[str]
) -> None:
    """By content anywhere, and below the WORKDIR what was built as well; what the base image brought is nobody's code."""
    assert sorted(covered(IMAGE.get(target, {}), target, path, TRACKED, "/app")) == expected


@dataclass
class Case:
    """What is mounted, and what becomes of it: "left out", "copied", "stays", or a part of why it is refused."""

    volume: dict[str, Any]
    becomes: str
    user: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, bytes] | None = None
    mounts: dict[str, str] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)


def bind(source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, **more}


def named(target: str) -> dict[str, Any]:
    return {"type": "volume", "source": "static", "target": target}


CASES = {
    "a folder of source": Case(bind("TOP/src", "/app"), "left out"),
    "a single file of it": Case(bind("TOP/src/app.py", "/app/app.py"), "left out"),
    "the same through a link": Case(bind("TOP/link", "/app"), "left out"),
    "the same with somebody's data": Case(bind("TOP/src", "/app"), "visits.db", {"src/visits.db": b"x"}),
    "the same, which nobody may write": Case(
        bind("TOP/src", "/app", read_only=True), "left out", {"src/visits.db": b"x"}
    ),
    "by choice": Case(bind("TOP/src", "/app"), "left out", {"src/visits.db": b"x"}, mounts={"./src": "leave_out"}),
    "kept by choice": Case(bind("TOP/src", "/app"), "stays", {"src/visits.db": b"x"}, mounts={"src": "keep"}),
    "a folder from elsewhere": Case(bind("/elsewhere/src", "/app"), "may change at any time"),
    "what was built and git does not have": Case(bind("TOP/dist", "/app/dist"), "may change at any time"),
    "configuration": Case(bind("TOP/nginx.conf", "/etc/nginx/nginx.conf"), "copied"),
    "configuration beside data": Case(
        bind("TOP/etc", "/etc/shop"), "files of another version", {"etc/app.ini": b"old", "etc/own.ini": b"x"}
    ),
    "the same, as the version has it": Case(
        bind("TOP/etc", "/etc/shop"), "stays", {"etc/app.ini": CONF, "etc/own.ini": b"x"}
    ),
    "a folder of data": Case(bind("TOP/var", "/app/var"), "stays", {"var/x.db": b"x"}),
    "uploads beside what the image has of them": Case(
        bind("TOP/media", "/app/media"), "stays", {"media/logo.png": SEED, "media/photo.png": b"x"}
    ),
    "data outside": Case(bind("/elsewhere/data", "/data"), "stays"),
    "a new volume over code": Case(named("/srv/static"), "stays"),
    "a volume with the same code": Case(named("/srv/static"), "stays", held={"app.py": CODE, "more.css": b"x"}),
    "a volume with older code": Case(named("/srv/static"), "does not hold the same files", held={"app.py": b"v1"}),
    "the same, kept by choice": Case(
        named("/srv/static"), "stays", held={"app.py": b"v1"}, mounts={"static": "keep"}
    ),
    "a volume of data": Case(named("/data"), "stays", held={"shop.db": b"x"}),
    "a volume that is a folder of source": Case(
        named("/app"),
        "left out",
        top={"static": {"name": "p_static", "driver_opts": {"type": "none", "o": "bind", "device": "TOP/src"}}},
    ),
    "a nameless volume over code": Case({"type": "volume", "target": "/app/dist"}, "left out"),
    "a nameless volume of data": Case({"type": "volume", "target": "/app/var"}, "stays"),
}  # fmt: skip


def decided(case: Case, top: Path, **more: Any) -> tuple[Copies, ServiceOverride]:
    """Return what becomes of the one mount of a case, for an application that is run in ``top``."""
    for name, content in {"src/app.py": b"print('v1')\n", "media/logo.png": SEED, **case.user}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    (top / "link").symlink_to("src")
    said = {"services": {"web": {"volumes": [case.volume]}}, "volumes": {"static": {"name": "p_static"}, **case.top}}
    said = json.loads(json.dumps({**said, **more}).replace("TOP", str(top)))
    config = parse_config(Output(0, json.dumps(said).encode(), b""))
    listed = "\0".join(f"100644 {i} 0\t{name}" for name, i in TRACKED.ids.items())
    held = {name: File(blob(content), content.startswith(b"\x7fELF")) for name, content in (case.held or {}).items()}
    do = Replies(
        {
            "ls-files": Output(0, listed.encode(), b""),
            "diff --name-only": Output(0, b"shop.db\0", b""),
            "docker volume ls": Output(0, b"p_static\n" if case.held is not None else b"", b""),
            "docker create": None,
            "docker rm": None,
            "docker cp": lambda action: True,
            "look at what is in /runwright/volumes": held,
            "look at what is in": lambda action: IMAGE.get(action.says.split()[-1], {}),
        }
    )
    target = ComposeTarget.model_validate(
        {"platform": "compose", "project": "p", "directory": str(top), "mounts": case.mounts}
    )
    place = Place(target, Path("/tree"), Path("/state/releases/a"), {}, Path("/scratch"))
    images = {"web": Image("sha256:2", folder="/app")}
    copies = Copies(do, place, top, config, Sources({}), images, can_replace=True)
    return copies, copies.of(config.services["web"])


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_nothing_of_another_version_stays_mounted_over_the_images_own(case: Case, tmp_path: Path) -> None:
    """What git has is left out or copied from the commit, data stays, and what nobody has decided about is refused."""
    if case.becomes not in ("left out", "copied", "stays"):
        with pytest.raises(RefusedError, match=case.becomes):
            decided(case, tmp_path)
        return
    copies, override = decided(case, tmp_path)
    assert bool(copies.left_out) == (case.becomes == "left out")
    assert bool(copies.kept) == ("keep" in case.mounts.values())
    assert override.volumes == Replacing() if case.becomes == "left out" else isinstance(override.volumes, list)
    copied = [v["source"] for v in override.volumes]
    assert copied == (["/state/releases/a/tree/nginx.conf"] if case.becomes == "copied" else [])


@pytest.mark.parametrize(
    ("service", "refused"),
    [
        ({"command": ["python", "/code/run.py"]}, True),
        ({"command": ["sh", "-c", "cd /tmp && exec python '/code/run.py'"]}, True),
        ({"entrypoint": ["./serve"], "working_dir": "/code"}, True),
        ({"command": ["python", "/code/gone.py"]}, False),
        ({"command": ["python", "main.py", "--settings", "/code/shop.ini"]}, False),
        ({"command": ["python", "/codes/run.py"]}, False),
    ],
)
@pytest.mark.parametrize("kind", ["bind", "volume"])
def test_a_program_that_git_does_not_have_is_not_released_by_what_mounts_it(
    service: dict[str, Any], refused: bool, kind: str, tmp_path: Path
) -> None:
    """The image hides nothing there, but what runs is no version's; a person may say that it is meant so."""
    files = {"run.py": b"print('live')\n", "serve": b"\x7fELF", "shop.ini": b"x"}
    (live := tmp_path / "live").mkdir()
    for name, content in files.items():
        (live / name).write_bytes(content)
        (live / name).chmod(0o755 if name == "serve" else 0o644)
    mount = bind(str(live), "/code") if kind == "bind" else named("/code")
    services = {"web": {**service, "volumes": [mount]}}
    for choice in ({}, {str(live): "keep", "static": "keep"}):
        with pytest.raises(RefusedError, match="git has nothing") if refused and not choice else nullcontext():
            copies, override = decided(
                Case({}, "", held=files, mounts=choice), tmp_path / str(bool(choice)), services=services
            )
            assert (bool(copies.kept), override.volumes) == (refused, [])


def test_files_of_the_version_that_a_service_beside_it_does_not_get_are_named(tmp_path: Path) -> None:
    """A proxy that is in no component goes on with the configuration, and the pages, that lie in the user's folder."""
    services = {
        "web": {},
        "front": {"volumes": [bind("TOP/nginx.conf", "/etc/nginx/nginx.conf"), bind("TOP/src", "/srv")]},
        "db": {"volumes": [bind("TOP/media", "/media"), bind("TOP/data", "/data"), named("/var/lib")]},
    }
    old = Case({}, "", {"nginx.conf": b"of another version", "data/1": b"rows"})
    copies, _ = decided(old, tmp_path / "old", services=services)
    assert copies.behind({"web"}) == ["nginx.conf of front", "src/app.py, src/data.json of front"]
    assert copies.behind({"web", "front"}) == []


def test_a_database_that_git_has_is_data_once_it_was_written_to(tmp_path: Path) -> None:
    """Left out, the image's own would serve in its place; copied from the commit, it would be forgotten as well."""
    case = Case(bind("TOP/shop.db", "/app/shop.db"), "", {"shop.db": b"SQLite\0 with orders"})
    with pytest.raises(RefusedError, match=r"shop\.db"):
        decided(case, tmp_path)


def test_a_nameless_volume_that_shields_dependencies_goes_with_the_mount_that_it_shields_them_from(
    tmp_path: Path,
) -> None:
    """Docker carries it over from container to container: the new version would run with the old one's dependencies."""
    shield = {"type": "volume", "target": "/app/node_modules"}
    copies, override = decided(Case({}, ""), tmp_path, services={"web": {"volumes": [bind("TOP/src", "/app"), shield]}})
    assert override.volumes == Replacing()
    assert copies.left_out == [
        f"{tmp_path}/src on /app of web", "a volume without a name on /app/node_modules of web",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "top", "refused"),
    [
        ({"volumes_from": ["data"]}, {}, "cannot be left out"),
        ({"configs": [{"source": "code", "target": "/app/app.py"}]}, {"code": {"file": "TOP/src/app.py"}}, ""),
        ({"configs": [{"source": "code", "target": "/app/app.py"}]}, {"code": {"file": "/other.py"}}, "may change"),
    ],
)
def test_what_comes_by_another_way_than_volumes_is_looked_at_too(
    service: dict[str, Any], top: dict[str, Any], refused: str, tmp_path: Path
) -> None:
    """Another service's mounts, and configs: of those that git has the release mounts its own copy."""
    services = {"web": service, "data": {"volumes": [bind("TOP/src", "/app")]}}
    with pytest.raises(RefusedError, match=refused) if refused else nullcontext():
        decided(Case({}, ""), tmp_path, services=services, configs=top)


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
    assert relative_to(Path("/opt/shop"), source) == expected


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
