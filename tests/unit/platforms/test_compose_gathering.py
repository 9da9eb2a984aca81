"""What `init` gathers from Compose and git, and what it must not keep."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Output
from runwright.errors import InputError
from runwright.platforms.compose.draft.gathering import gather, parse_services, without_login
from runwright.platforms.compose.draft.writing import draft
from runwright.testing.replies import Replies

SECRET = "s3cret-of-the-database"
CONFIG: dict[str, Any] = {
    "name": "shop",
    "services": {
        "api": {
            "build": {"context": "CONTEXT", "dockerfile": "Dockerfile"},
            "environment": {"DATABASE_URL": f"postgresql://shop:{SECRET}@db/shop"},
            "healthcheck": {"test": ["CMD", "curl", "-f", "http://localhost:8000/readyz"]},
            "ports": [{"published": "8080", "target": 8000, "mode": "ingress"}],
            "depends_on": {"db": {"condition": "service_healthy"}},
        },
        "db": {
            "image": "postgres:15",
            "environment": {"POSTGRES_DB": "shop", "POSTGRES_USER": "shop", "POSTGRES_PASSWORD": SECRET},
        },
    },
}


def printed(value: Any) -> Output:
    """What a program leaves that prints ``value``."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Output(0, text.encode(), b"")


FAILED = Output(128, b"", b"fatal: not a git repository")


def table(folder: Path, **others: Any) -> dict[str, Any]:
    """Replies of a repository whose application is in ``folder``."""
    config = json.loads(json.dumps(CONFIG).replace("CONTEXT", str(folder / "backend")))
    usual = {
        "is whole by itself": Output(0, b"", b""),
        "show-toplevel": printed(f"{folder}\n"),
        "get-url": printed("https://ada:token-of-ada@github.com/acme/shop\n"),
        "ls-files": printed("tools/alembic.ini\nbackend/alembic.ini\n"),
        "grep -lE": printed("backend/start.sh\n"),
        "-f - config": printed({"services": {"asked": {"labels": {"files": "", "separator": ""}}}}),
        "docker ps": printed(""),
        "config --format": printed(config),
    }
    return usual | {name.replace("_", "-"): value for name, value in others.items()}


def test_the_facts_are_those_of_compose_and_git(tmp_path: Path) -> None:
    """Folders are seen from the repository; of two alembic.ini the one in a built folder is meant."""
    found = gather(Replies(table(tmp_path)), tmp_path)
    facts = found.facts
    assert (facts.project, facts.directory, facts.alembic) == ("shop", str(tmp_path), "backend")
    api, db = facts.services
    assert (api.context, api.ports) == ("backend", ((8080, 8000),))
    assert dict(db.postgres) == {"POSTGRES_DB": "shop", "POSTGRES_USER": "shop"}
    assert facts.at_start == ("backend/start.sh",)
    assert ["tools" in remark for remark in found.remarks] == [True]


def test_no_secret_is_gathered(tmp_path: Path) -> None:
    """Neither of the services' environments nor of the git address, nor in the draft that is made of it."""
    found = gather(Replies(table(tmp_path)), tmp_path)
    for text in (repr(found), draft(found.facts)):
        assert SECRET not in text
        assert "token-of-ada" not in text
    assert found.facts.repo == "https://github.com/acme/shop"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x-access-token:abc@github.com/acme/shop.git", "https://github.com/acme/shop.git"),
        ("https://abc@host:8443/shop", "https://host:8443/shop"),
        ("https://github.com/acme/shop", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "git@github.com:acme/shop.git"),
        ("ssh://git@host/shop", "ssh://git@host/shop"),
        ("/srv/git/a@b", "/srv/git/a@b"),
    ],
)
def test_a_login_is_taken_out_of_an_address(address: str, shown: str) -> None:
    """Only where it can be a password: the user of ssh is part of the address."""
    assert without_login(address) == shown


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    """The draft then names the folder, and the remark why that is not enough."""
    found = gather(Replies(table(tmp_path, show_toplevel=FAILED)), tmp_path)
    assert found.facts.repo == str(tmp_path)
    assert found.facts.alembic is None
    assert "git repository" in found.remarks[0]


def test_variables_that_are_not_set_do_not_stop_it(tmp_path: Path) -> None:
    """The files are read as they are written then, with their short forms, and a remark says why."""
    refused = Output(15, b"", b'required variable "TAG" is missing a value\n')
    config = {
        "name": "shop",
        "services": {
            "api": {
                "build": "./api",
                "ports": ["8080:80", "${PORT}:81", "9000-9010:9000-9010"],
                "environment": ["A=b"],
            },
            "db": {"image": "postgres:${TAG}", "environment": ["POSTGRES_DB=shop", "POSTGRES_USER"]},
            "none": None,
        },
    }
    replies = Replies(table(tmp_path) | {"config --format": [refused, printed(config)]})
    found = gather(replies, tmp_path)
    assert [s.ports for s in found.facts.services] == [((8080, 80),), (), ()]
    assert found.facts.services[0].hidden_ports == ("${PORT}",)
    assert dict(found.facts.services[1].postgres) == {"POSTGRES_DB": "shop"}
    assert "TAG" in " ".join(found.remarks)
    assert any("--no-interpolate" in a.argv for a in replies.actions)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "told"),
    [(".env.example", True), (".env.dev-sample", True), ("env_template", True), ("example.env", True), (".env", False),
     ("environment.py", False), ("example.py", False)],
)  # fmt: skip
def test_what_an_env_file_is_copied_from_is_named_where_one_is_missing(tmp_path: Path, name: str, told: bool) -> None:
    """A clone has no env file; what Compose says of it does not help who does not know the application yet."""
    (tmp_path / name).touch()
    replies = table(tmp_path)
    refused = Output(14, b"", b"env file /opt/shop/.env not found\n")
    found = gather(Replies(replies | {"config --format": [refused, replies["config --format"]]}), tmp_path)
    assert (f"{name} may show what to write there" in " ".join(found.remarks)) == told


def test_files_that_compose_refuses_are_refused(tmp_path: Path) -> None:
    """In Compose's own words, and with what to do about a draft: nothing was released that could be released again."""
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    refused = Output(15, b"", b"services.db conflicts with imported resource\n")
    with pytest.raises(InputError, match="conflicts with imported resource") as raised:
        gather(Replies(table(tmp_path) | {"config --format": refused}), tmp_path)
    assert (raised.value.state, "run init again" in raised.value.next) == ("Nothing was written.", True)


def test_what_has_no_compose_file_is_told_so(tmp_path: Path) -> None:
    """Not in Compose's words, which speak of a configuration."""
    refused = Output(14, b"", b"no configuration file provided: not found\n")
    with pytest.raises(InputError, match=r"^There is no Compose file in .*, and git tracks none below it"):
        gather(Replies(table(tmp_path) | {"config --format": refused}), tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  a:\n    image: x\n   b: 1\n", "compose.yaml:4:4: this is no YAML"),
        ("services:\n\ta: 1\n", "compose.yaml:2:1: this is no YAML"),
        ("services:\n  a: {image: x, image: y}\n", "compose.yaml:2:17: `image` is written twice, first in line 2"),
        ("services: [a\n", "compose.yaml:2:1: this is no YAML"),
    ],
)
def test_a_compose_file_that_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Compose names neither the file nor always the right line."""
    (tmp_path / "compose.yaml").write_text(text)
    refused = Output(15, b"", b"yaml: line 1: did not find expected key\n")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/{said}")):
        gather(Replies(table(tmp_path) | {"config --format": refused}), tmp_path)


@pytest.mark.parametrize(
    ("port", "published", "hidden"),
    [
        ("${PORT:-8080}:80", ((8080, 80),), ()),
        ("${PORT-8080}:80/tcp", ((8080, 80),), ()),
        ("${BIND:-127.0.0.1}:${PORT:-8080}:80", ((8080, 80),), ()),
        ("${A:-${B:-8080}}:80", ((8080, 80),), ()),
        ({"target": 80, "published": "${PORT:-8080}"}, ((8080, 80),), ()),
        ("$PORT:80", (), ("$PORT",)),
        ("${PORT:?must be set}:80", (), ("${PORT:?must be set}",)),
        ("80", (), ()),
    ],
)
def test_a_port_that_a_variable_names_is_its_default_or_asked_for(
    port: Any, published: tuple[Any, ...], hidden: tuple[str, ...]
) -> None:
    """Where Compose could not fill it in."""
    config = {"name": "shop", "services": {"api": {"build": "/a", "ports": [port]}}}
    service = parse_services(printed(config), Path("/a"))[1][0]
    assert (service.ports, service.hidden_ports) == (published, hidden)


def test_what_only_the_file_tells_is_kept_beside_what_compose_makes_of_it(tmp_path: Path) -> None:
    """How an image's name is made, a port that has no value, and services behind a profile."""
    rendered = {
        "name": "shop",
        "services": {"api": {"image": "acme/api:", "ports": [{"target": 80}], "profiles": ["a"]}},
    }
    written = {
        "api": {"image": "acme/api:${TAG}", "ports": ["${PORT}:80"], "profiles": ["a"]},
        "debug": {"image": "x", "profiles": ["debug"]},
    }
    replies = table(tmp_path) | {"config --format": [printed(rendered), printed({"name": "shop", "services": written})]}
    api, debug = gather(Replies(replies), tmp_path).facts.services
    assert (api.image, api.written, api.hidden_ports) == ("acme/api:", "acme/api:${TAG}", ("${PORT}",))
    assert (api.profiles, debug.profiles) == ((), ("debug",)), (
        "one of COMPOSE_PROFILES is started without being asked for"
    )


def test_what_an_image_is_built_on_is_read_from_its_dockerfile(tmp_path: Path) -> None:
    """Of the file that the Compose file names, or of its text; a file that is not there says nothing."""
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "Dockerfile").write_text("FROM postgres:15\n")
    built = {
        "db": {"build": {"context": str(tmp_path / "db")}},
        "cache": {"build": {"context": str(tmp_path), "dockerfile_inline": "FROM redis:7"}},
        "api": {"build": {"context": str(tmp_path)}},
    }
    replies = table(tmp_path) | {"config --format": printed({"name": "shop", "services": built})}
    assert [s.base for s in gather(Replies(replies), tmp_path).facts.services] == ["postgres:15", "redis:7", ""]


def test_an_image_that_is_built_twice_under_one_name_is_told(tmp_path: Path) -> None:
    """Compose starts both from the one that it built last."""
    built = {n: {"image": "acme/app", "build": {"context": str(tmp_path), "target": n}} for n in ("api", "web")}
    replies = table(tmp_path) | {"config --format": printed({"name": "shop", "services": built})}
    remarks = " ".join(gather(Replies(replies), tmp_path).remarks)
    assert "api and web are built differently, and their images have the same name, acme/app:latest" in remarks


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is run."""
    with pytest.raises(InputError, match="no folder"):
        gather(Replies({}), tmp_path / "gone")


def test_a_folder_without_a_compose_file_names_those_that_git_tracks(tmp_path: Path) -> None:
    """Up to three, the usual names first; an override belongs to another file, and is none of its own."""
    tracked = (
        "docs/compose.py\n.github/docker-compose.test.yml\na/b/compose.yaml\ndeploy/compose.override.yaml\n"
        "deploy/compose.yaml\nx/my-compose.yml\nz/docker-compose.prod.yml\n"
    )
    none = Output(14, b"", b"no configuration file provided: not found\n")
    replies = {"ls-files -- *compose": printed(tracked)} | table(tmp_path) | {"config --format": none}
    with pytest.raises(InputError) as caught:
        gather(Replies(replies), tmp_path)
    listed = "deploy/compose.yaml, a/b/compose.yaml, .github/docker-compose.test.yml and 1 more."
    assert caught.value.what == f"There is no Compose file in {tmp_path}; git tracks {listed}"
    assert f"runwright init {tmp_path} -f deploy/compose.yaml" in caught.value.next
    for other in ({"ls-files -- *compose": printed("")}, {"show-toplevel": FAILED, "ls-files": FAILED}):
        with pytest.raises(InputError, match="There is no Compose file"):
            gather(Replies(other | {n: r for n, r in replies.items() if n not in other}), tmp_path)
    whole = [Output(15, b"", b""), Output(15, b"", b""), Output(0, b"", b"")]
    with pytest.raises(InputError) as caught:
        gather(Replies(replies | {"is whole by itself": whole}), tmp_path)
    assert caught.value.next.endswith("-f .github/docker-compose.test.yml`.")
    with pytest.raises(InputError) as caught:
        gather(Replies(replies | {"is whole by itself": whole[0]}), tmp_path)
    assert caught.value.next.startswith("None is whole by itself: name all")


def test_a_file_that_only_adds_to_another_is_not_suggested_alone(tmp_path: Path) -> None:
    """Compose itself says whether it is whole."""
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        (tmp_path / name).write_text("services: {}")
    adds = table(tmp_path) | {"is whole by itself": Output(15, b"", b"neither an image nor a build context")}
    told = " ".join(gather(Replies(adds), tmp_path).remarks)
    assert "-f docker-compose.yml -f docker-compose.prod.yml`" in told
    told = " ".join(gather(Replies(table(tmp_path)), tmp_path).remarks)
    assert f"init {tmp_path} -f docker-compose.prod.yml`" in told


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (("compose.yaml", "compose.override.yaml"), ""),
        (("compose.yaml", "docker-compose.prod.yml", "compose.md", "my-compose.yaml"), "docker-compose.prod.yml lies"),
        (("docker-compose.yml", "compose.production.yaml", "docker-compose_ci.yml"), "compose.production.yaml, "),
    ],
)
def test_compose_files_beside_the_usual_one_are_told(tmp_path: Path, there: tuple[str, ...], named: str) -> None:
    """One of them may be what really runs; not those that Compose takes by itself, and not if files were named."""
    for name in there:
        (tmp_path / name).write_text("services: {}")
    replies = table(tmp_path) | {"ls-files": printed("")}
    told = " ".join(gather(Replies(replies), tmp_path).remarks)
    assert (named in told) if named else (told == "")
    assert (f"init {tmp_path} -f " in told) == bool(named)
    assert gather(Replies(replies), tmp_path, (there[0],)).remarks == ()


def test_the_files_are_named_as_seen_from_the_repository(tmp_path: Path) -> None:
    """An application in a folder of the repository has its files there."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}")
    replies = table(tmp_path)
    assert gather(Replies(replies), folder).facts.files == ("deploy/compose.yaml",)
    assert gather(Replies(replies), tmp_path).facts.files == ()
    (folder / "compose.override.yaml").write_text("services: {}")
    assert gather(Replies(replies), folder).facts.files == ("deploy/compose.yaml", "deploy/compose.override.yaml")


@pytest.mark.parametrize(
    ("files", "env_file", "directory", "named", "env_file_there"),
    [
        (("deploy/compose.yaml",), "", "deploy", ("deploy/compose.yaml",), ""),
        (("deploy/compose.yaml", "x.yml"), "prod.env", "deploy", ("deploy/compose.yaml", "x.yml"), "../prod.env"),
        (("x.yml", "deploy/compose.yaml"), "deploy/prod.env", "", ("x.yml", "deploy/compose.yaml"), "deploy/prod.env"),
        (("deploy/compose.yaml",), "/etc/prod.env", "deploy", ("deploy/compose.yaml",), "/etc/prod.env"),
    ],
)
def test_the_folder_of_the_first_file_is_the_applications(
    tmp_path: Path, files: tuple[str, ...], env_file: str, directory: str, named: tuple[str, ...], env_file_there: str
) -> None:
    """As for `docker compose -f`: the project's usual name, the env file and relative paths go by it."""
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/compose.yaml", "x.yml"):
        (tmp_path / name).write_text("services: {}")
    replies = Replies(table(tmp_path))
    facts = gather(replies, tmp_path, files, env_file).facts
    assert facts.directory == str(tmp_path / directory)
    assert (facts.files, facts.env_file) == (named, env_file_there)
    asked = next(a for a in replies.actions if isinstance(a, Command) and a.argv[0] == "docker")
    assert asked.argv[3] == facts.directory
    assert [Path(word).resolve() for word in asked.argv if word.endswith(".yml") or word.endswith(".yaml")] == [
        tmp_path / name for name in files
    ]


@pytest.mark.parametrize(
    ("folder", "project", "drafted"),
    [
        ("Deploy.d", "deployd", "acme-shop"),
        ("Deploy.d", "", "acme-shop"),
        ("Deploy.d", "shop", "shop"),
        ("", "acme_shop", "acme-shop"),
    ],
)
def test_a_system_has_the_name_of_the_repository_and_not_of_a_folder_in_it(
    tmp_path: Path, folder: str, project: str, drafted: str
) -> None:
    """Unless the Compose files name the project: then somebody has chosen a name."""
    top = tmp_path / "acme_shop"
    (top / folder).mkdir(parents=True)
    replies = table(top)
    replies["config --format"] = printed({"name": project, "services": {"api": {"build": str(top)}}})
    facts = gather(Replies(replies), top / folder).facts
    assert f"system: {drafted}\n" in draft(facts)
    assert facts.project == project or (project, facts.project) == ("", folder)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is run, and with the folder in which it was looked for."""
    with pytest.raises(InputError, match=r"There is no deploy/gone\.yaml in "):
        gather(Replies({}), tmp_path, ("deploy/gone.yaml",))


def test_what_only_speaks_of_migrations_is_not_named(tmp_path: Path) -> None:
    """Documentation and tests of the repository start no container, whatever their names are; a program's settings may."""
    speaking = (
        "docs/getting-started/run.md",
        "docs/start.sh",
        "test.sh",
        "tests/start.sh",
        "ci/start.test.sh",
        "restart.rst",
    )
    starting = "docker/latest.sh", "docker/uwsgi.ini", "docs.sh"
    for name in (*speaking, *starting):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("hook-pre-app = exec:./manage.py migrate\n")
    for words in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)

    def git_itself(asked: Command[Any]) -> Any:
        ran = subprocess.run(asked.argv, capture_output=True)
        return asked.parse(Output(ran.returncode, ran.stdout, ran.stderr))

    replies = {name: reply for name, reply in table(tmp_path).items() if name != "grep -lE"}
    found = gather(Replies(replies | {"grep -lE": git_itself}), tmp_path)
    assert found.facts.at_start == starting
