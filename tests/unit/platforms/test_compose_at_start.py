"""Which services migrate when they start: from the commands, the files of the commit, and those that only the image has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runwright.engine.actions import Output
from runwright.platforms.compose.at_start import Look, before_it, migrating, start_of
from runwright.platforms.compose.config import Build, ComposeConfig, ServiceConfig
from runwright.platforms.compose.images import Image
from runwright.testing.direct import Direct
from runwright.testing.replies import Replies
from tests.fixtures.engine import Docker

NO_CHECKOUT = Output(128, b"", b"fatal: not a git repository")
WHERE = Output(0, b'{"workdir":"/srv","env":["PATH=/usr/local/bin:/usr/bin"]}', b"")
NOT_THERE = Output(1, b"", b"Error: No such container:path")


@pytest.mark.parametrize(
    ("entrypoint", "command", "image", "starts", "arguments"),
    [
        (None, ("serve",), Image("x"), ("serve",), ("serve",)),
        (None, None, Image("x", ("/start.sh",), "", ("serve",)), ("/start.sh", "serve"), ("serve",)),
        (None, ("other",), Image("x", ("/start.sh",), "", ("serve",)), ("/start.sh", "other"), ("other",)),
        (("app",), None, Image("x", ("/start.sh",), "", ("alembic", "upgrade")), ("app",), ()),
        (("app",), ("now",), Image("x", ("/start.sh",)), ("app", "now"), ("now",)),
    ],
)
def test_what_starts_a_service_is_what_docker_would_start(
    entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...] | None,
    image: Image,
    starts: tuple[str, ...],
    arguments: tuple[str, ...],
) -> None:
    """The Compose file's command counts before the image's, and an entrypoint of its own puts the image's command away."""
    assert start_of(ServiceConfig("api", entrypoint=entrypoint, command=command), image) == (starts, arguments)


def repository(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "add", "-A"], check=True)
    return folder


def test_files_of_the_commit_are_followed_also_from_a_folder_of_it(tmp_path: Path) -> None:
    """Real git: a script that only tells people how to migrate does not count, and the one below the build's own folder is
    meant before another of that name."""
    top = repository(
        tmp_path,
        {
            "web/boot.sh": "#!/bin/sh\n# by hand: alembic upgrade head\nexec app\n",
            "api/boot.sh": "#!/bin/sh\nset -e\nalembic upgrade head  # first\nexec app\n",
            "api/pom.xml": "<artifactId>flyway-core</artifactId>\n",
        },
    )
    services = {
        name: ServiceConfig(name, command=("/srv/boot.sh",), build=Build(str(top / name))) for name in ("web", "api")
    }
    images = {name: Image("") for name in services}
    for folder in (top, top / "web"):
        found = migrating(Direct(), services, list(services), images, Look(folder, top))
        assert found == {
            "api": [
                ["alembic", "api/boot.sh line 3", "alembic upgrade head"],
                ["flyway", "api/pom.xml line 1", "<artifactId>flyway-core</artifactId>"],
            ]
        }


def test_flyway_that_is_switched_off_does_nothing(tmp_path: Path) -> None:
    """On the classpath for its command alone."""
    files = {
        "pom.xml": "flyway-core\n",
        "src/main/resources/application.yml": "spring:\n  flyway:\n    enabled: false\n",
    }
    top = repository(tmp_path, files)
    services = {"api": ServiceConfig("api", command=("java", "-jar", "app.jar"), build=Build(str(top)))}
    assert migrating(Direct(), services, ["api"], {"api": Image("")}, Look(top, top)) == {}


def test_of_what_runs_the_files_are_read_there_and_no_container_is_made(tmp_path: Path) -> None:
    """What is adopted has containers; and where there is no repository their files are all there is."""
    do = Replies({"git": NO_CHECKOUT, "docker cp": NOT_THERE, "docker image inspect": WHERE}, lenient=True)
    services = {"api": ServiceConfig("api", command=("/start.sh",))}
    look = Look(tmp_path, tmp_path, {"api": "c1"})
    assert migrating(do, services, ["api"], {"api": Image("sha256:x")}, look) == {}
    assert ("docker", "cp", "-L", "c1:/start.sh", "-") in [getattr(action, "argv", ()) for action in do.actions]


def test_a_service_that_runs_once_before_others_is_looked_at_as_well(tmp_path: Path) -> None:
    """No release runs it: what it does is told."""
    once = ServiceConfig("migrate", command=("npx", "prisma", "migrate", "deploy"), build=Build("/opt/shop"))
    api = ServiceConfig("api", command=("serve",), build=Build("/opt/shop"), awaits_end_of=("migrate",))
    do = Replies({"git": NO_CHECKOUT}, lenient=True)
    config = ComposeConfig("shop", {"api": api, "migrate": once})
    found = before_it(do, config, {"api": Image("sha256:x")}, Look(tmp_path, tmp_path))
    assert found == {"migrate": [["prisma", "its command", "prisma migrate deploy"]]}


@pytest.mark.docker
def test_what_only_the_image_has_is_read_from_it(docker: Docker, tmp_path: Path) -> None:
    """Real Docker: a start script that no commit has, and scripts in a folder that it names; nothing of it is ever run, and
    the container is gone afterwards."""
    (tmp_path / "begin").write_text('#!/bin/sh\nrun-parts /boot.d\nexec "$@"\n')
    (tmp_path / "10-db").write_text("#!/bin/sh\n/opt/tools/dbmate up\n")
    (tmp_path / "Dockerfile").write_text(
        'FROM postgres:15\nCOPY begin /usr/local/bin/begin\nCOPY 10-db /boot.d/\nENTRYPOINT ["begin"]\nCMD ["serve"]\n'
    )
    image = docker.run("build", "-q", str(tmp_path))
    try:
        do = Direct()
        services = {"api": ServiceConfig("api")}
        images = {"api": Image(image, ("begin",), "", ("serve",))}
        found = migrating(do, services, ["api"], images, Look(tmp_path, tmp_path))
        assert found == {"api": [["dbmate", "/boot.d/10-db line 2", "/opt/tools/dbmate up"]]}
        assert do.keys == []
        assert docker.run("ps", "-aq", "--filter", f"ancestor={image}") == ""
    finally:
        docker.run("rmi", "-f", image)
