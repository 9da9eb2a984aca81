"""What is read from a Compose file, on outputs of `docker compose config` and on files."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from runwright.engine.actions import Output
from runwright.errors import InputError, ObservationError
from runwright.platforms.compose.cli import Project, parse_version
from runwright.platforms.compose.config import Build, ComposeConfig, Mount, _port, parse_config, require_services
from runwright.platforms.compose.sources import parse_sources, top_of
from runwright.platforms.compose.wellformed import yaml_mistakes
from runwright.runbook.platforms.compose import ComposeTarget

RENDERED = {
    "name": "shop",
    "services": {
        "db": {"image": "postgres:15", "healthcheck": {"test": ["CMD", "pg_isready"]}},
        "api": {
            "image": "shop-api:ci",
            "build": {"context": "/opt/shop/backend", "dockerfile": "Dockerfile", "args": {"TOKEN": "geheim-1"}},
            "environment": {"DATABASE_URL": "postgresql://u:geheim-2@db/shop"},
            "depends_on": {"db": {"condition": "service_healthy"}, "cache": {"condition": "service_started"}},
            "volumes": [
                {"type": "bind", "source": "/opt/shop/var", "target": "/app/var", "bind": {"create_host_path": True}},
                {"type": "volume", "source": "media", "target": "/media", "read_only": True},
            ],
            "ports": [{"mode": "ingress", "target": 8000, "published": "8080", "protocol": "tcp"}, {"target": 9000}],
            "deploy": {"replicas": 2},
            "entrypoint": None,
        },
        "cache": {"image": "redis:7", "healthcheck": {"disable": True}, "depends_on": ["vault"]},
        "vault": {"image": "vault", "healthcheck": {"test": ["NONE"]}},
        "front": {"image": "caddy:2", "depends_on": ["api"], "entrypoint": ["sh", "-c", "x"], "profiles": ["web"]},
    },
    "configs": {"rules": {"name": "shop_rules", "file": "/opt/shop/rules.yml"}, "outside": {"external": True}},
}


def output(text: str, code: int = 0, error: str = "") -> Output:
    return Output(code, text.encode(), error.encode())


def rendered() -> ComposeConfig:
    return parse_config(output(json.dumps(RENDERED)))


def test_a_rendered_file_becomes_facts() -> None:
    """Images, builds, mounts, ports, health, replicas and profiles are read, each in one form."""
    config = rendered()
    api = config.services["api"]
    assert api.build == Build("/opt/shop/backend", "Dockerfile")
    assert [(m.kind, m.source, m.target, m.read_only) for m in api.mounts] == [
        ("bind", "/opt/shop/var", "/app/var", False),
        ("volume", "media", "/media", True),
    ]
    assert api.ports == ((8000, "8080"), (9000, ""))
    assert (api.replicas, api.entrypoint, api.healthcheck) == (2, None, False)
    assert {n: s.healthcheck for n, s in config.services.items()} == {
        "db": True, "api": False, "cache": False, "vault": False, "front": False,
    }  # fmt: skip
    assert config.services["front"].entrypoint == ("sh", "-c", "x")
    assert config.services["front"].profiles == ("web",)
    assert config.configs == {"rules": "/opt/shop/rules.yml"}


def test_no_value_of_an_environment_or_build_argument_is_kept() -> None:
    """The rendered file holds every secret; the facts hold none."""
    assert "geheim" not in repr(rendered())


def test_dependencies_come_first() -> None:
    """What the application needs, deepest first, however far."""
    config = rendered()
    assert config.needed_by(["api"]) == ("db", "vault", "cache")


def test_a_circle_of_dependencies_ends() -> None:
    """Compose refuses one; reading it does not hang."""
    config = parse_config(output('{"services": {"a": {"depends_on": ["b"]}, "b": {"depends_on": ["a"]}}}'))
    assert config.needed_by(["a"]) == ("b",)


@pytest.mark.parametrize(
    ("short", "kind", "source", "target", "read_only"),
    [
        ("./src:/app/src", "bind", "./src", "/app/src", False),
        ("/etc/x:/etc/x:ro", "bind", "/etc/x", "/etc/x", True),
        ("data:/data", "volume", "data", "/data", False),
    ],
)
def test_the_short_form_of_a_mount_is_read_too(
    short: str, kind: str, source: str, target: str, read_only: bool
) -> None:
    """An older Compose leaves it as it was written."""
    config = parse_config(output(json.dumps({"services": {"a": {"volumes": [short]}}})))
    mount: Mount = config.services["a"].mounts[0]
    assert (mount.kind, mount.source, mount.target, mount.read_only) == (kind, source, target, read_only)


def test_what_compose_refuses_is_told_without_quoting_an_env_file() -> None:
    """Its last line is shown, unless it quotes a line that may hold a secret."""
    with pytest.raises(InputError, match=r"env file /opt/shop/\.env not found"):
        parse_config(output("", 14, "env file /opt/shop/.env not found: stat /opt/shop/.env: no such file"))
    lacks = b"error while interpolating services.api.image: required variable VERSION is missing a value: "
    with pytest.raises(InputError, match="VERSION is missing a value") as told:
        parse_config(Output(15, b"", lacks))
    assert told.value.next.startswith("Give VERSION a value in the application's env file")
    with pytest.raises(InputError, match="cannot be read") as caught:
        parse_config(
            output("", 1, 'failed to read .env: line 3: unexpected character "-" in variable name near "geheim-9"')
        )
    assert "geheim" not in str(caught.value)


def test_a_service_that_is_not_there_is_named_with_those_that_are() -> None:
    """The message tells what to correct."""
    with pytest.raises(InputError, match=r"no service worker; they have api, cache"):
        require_services(rendered(), ["api", "worker"], Project("shop", directory=None, files=()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "version"), [("2.26.1-4\n", (2, 26, 1)), ("v2.0.0-beta", (2, 0, 0)), ("1.29.2", (1, 29, 2))]
)
def test_versions_of_compose_are_read(text: str, version: tuple[int, ...]) -> None:
    """With or without the v and what distributions append."""
    assert parse_version(output(text)) == version


def test_a_version_that_is_none_is_told() -> None:
    """Nothing is guessed."""
    with pytest.raises(ObservationError, match="no version"):
        parse_version(output("docker: 'compose' is not a docker command."))


def test_env_files_are_collected_in_every_form_and_files_elsewhere_are_found() -> None:
    """Entries of several files add up; include and extends of another file are named; Compose's tags are read."""
    first = "services:\n  api: {env_file: '${ENV_FILE:-.env}'}\n  web: {extends: {service: api}}\n"
    second = (
        "include: [more.yml, {path: other.yml}]\n"
        "services:\n  api: {env_file: !override [{path: b.env, required: false}], ports: !reset null}\n"
        "  job: {extends: {file: base.yml, service: job}}\n  empty:\n"
    )
    sources = parse_sources({"a": first, "b": second, "c": ""})
    assert sources.env_files == {"api": ("${ENV_FILE:-.env}", {"path": "b.env", "required": False})}
    assert sources.elsewhere == ("include more.yml", "include other.yml", "service job extends base.yml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"target": 80, "published": "8080"}, (80, "8080")),
        ({"target": 80}, (80, "")),
        ("8080:80", (80, "8080")),
        ("127.0.0.1:8080:80/tcp", (80, "8080")),
        ("80", (80, "")),
        ("3000-3005:4000-4005", (4000, "3000")),
        ("${PORT:-81}:80", (80, "")),
        ("${BIND:-127.0.0.1}:8080:80", (80, "8080")),
        ("8080:${PORT}", None),
    ],
)
def test_ports_are_read_in_every_form(written: object, meant: tuple[int, str] | None) -> None:
    """Long form, short form, ranges, and variables that are not interpolated."""
    assert _port(written) == meant


def test_what_runs_once_and_ends_is_no_dependency_that_a_release_starts() -> None:
    """A migration that the API waits for is left out; the database that only it names is still needed."""
    once = {"migrate": {"condition": "service_completed_successfully"}}
    services = {
        "db": {"image": "postgres:15"},
        "migrate": {"image": "x", "depends_on": {"db": {"condition": "service_healthy"}}},
        "api": {"image": "x", "depends_on": once},
        "front": {"image": "caddy:2", "depends_on": ["api"]},
    }
    config = parse_config(output(json.dumps({"services": services})))
    assert config.run_once == {"migrate"}
    assert config.needed_by(["api"]) == ("db",)
    assert rendered().run_once == set()


@pytest.mark.parametrize(
    ("directory", "files", "top"),
    [
        ("/opt/shop", [], "/opt/shop"),
        ("/opt/shop", ["docker-compose.yml"], "/opt/shop"),
        ("/opt/shop/deploy", ["deploy/compose.yaml"], "/opt/shop"),
        ("/opt/shop/deploy/", ["./deploy/compose.yaml", "compose.prod.yaml"], "/opt/shop"),
        ("/opt/shop/ops/prod", ["ops/prod/compose.yaml"], "/opt/shop"),
        ("/opt/shop", ["deploy/compose.yaml"], "/opt/shop"),
        ("/opt/deploy", ["ops/deploy/compose.yaml"], "/opt/deploy"),
    ],
)
def test_the_top_of_the_repository_is_above_the_folder_of_the_first_file(
    directory: str, files: list[str], top: str
) -> None:
    """An application is run from the folder of its Compose file, wherever that is in the repository."""
    target = ComposeTarget(platform="compose", project="shop", directory=directory, files=files)
    assert top_of(target) == Path(top)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  api:\n    image: x\n   web: y\n", "compose.yml, line 4, column 4: expected <block end>"),
        ("services:\n\tapi: {image: x}\n", "compose.yml, line 2, column 1: found character '\\t'"),
        ("services: [api]\n", "compose.yml: it has no mapping of services."),
        ("- api\n", "compose.yml: it has no mapping of services."),
        ("services:\n  api: x\n", "compose.yml: service api is no mapping."),
    ],
)
def test_a_mistake_in_a_compose_file_is_told_with_its_line(text: str, said: str) -> None:
    """Compose itself names neither the file nor the right line."""
    with pytest.raises(InputError) as caught:
        parse_sources({"compose.yml": text})
    assert said in caught.value.what


LETTERS = "abcdefghijk"
BOMB = "x-a: &a {x: 1, y: 2}\n" + "".join(
    f"x-{new}: &{new} {{1: [{', '.join([f'*{old}'] * 9)}], <<: [{', '.join([f'*{old}'] * 9)}]}}\n"
    for old, new in pairwise(LETTERS)
)


def test_a_compose_file_that_stands_for_billions_of_values_is_read(tmp_path: Path) -> None:
    """Aliases and merges are looked at once each, and a key that is written twice is found all the same."""
    text = f"{BOMB}services:\n  web: {{<<: *k, env_file: a.env}}\n  db: &db {{links: *k, again: [*k]}}\n"
    assert parse_sources({"compose.yml": text}).env_files == {"web": ("a.env",)}
    file = tmp_path / "compose.yml"
    file.write_text(f"{text}services: {{}}\n")
    (said,) = yaml_mistakes([file])
    assert "`services` is written twice" in said


def test_brackets_without_end_are_a_mistake(tmp_path: Path) -> None:
    """What is nested too deeply to be read is said of the file, and nothing breaks."""
    file = tmp_path / "compose.yml"
    file.write_text("services: {web: {x: " + "[" * 500 + "]" * 500 + "}}")
    assert yaml_mistakes([file]) == [f"{file}: the nesting is too deep."]
    with pytest.raises(InputError, match="RecursionError"):
        parse_sources({"compose.yml": file.read_text()})


@pytest.mark.parametrize("value", ["2026-13-45", "0x_", "!!int abc", "!!timestamp soon"])
def test_what_only_looks_like_a_number_or_a_date_is_text(value: str) -> None:
    """Compose takes it; nothing here needs its value."""
    assert parse_sources({"compose.yml": f"services: {{web: {{labels: {{x: {value}}}}}}}"}).env_files == {}
