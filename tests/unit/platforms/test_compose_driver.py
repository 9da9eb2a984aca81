"""What the Compose platform asks to be done, on recorded answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.engine.actions import Command, Output, WriteFile
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, DeadlineError, InputError
from runwright.platforms.compose import Compose
from runwright.platforms.compose.jobs import job_name
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.replies import Replies
from runwright.versions import Artifact, Version
from tests.unit.platforms.test_compose_containers import line

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEW, OLD = "sha256:new", "sha256:old"


def platform(**target: Any) -> Compose:
    place = ComposeTarget(platform="compose", project="shop", directory="/opt/shop", settle=0.0, **target)
    return Compose(
        place, {"api": "api", "jobs": "api", "web": "web"}, Path("/tree"), Path("/state"), {"TOKEN": "geheim-1"},
        system="shop", environment="production",
    )  # fmt: skip


def version(**extra: Any) -> Version:
    known = {
        "directory": "/opt/shop", "files": ["/state/releases/a/tree/compose.yml", "/state/releases/a/override.yml"],
        "env_files": ["/opt/shop/.env"], "profiles": ["prod"], "images": {"api": NEW, "jobs": NEW, "web": NEW},
        "dependencies": ["db"], "others": ["front"], "replicas": {}, "bare": [],
    }  # fmt: skip
    return Version("shop", "production", "v1", COMMIT, (Artifact("api", NEW, NEW),), extra={**known, **extra})


def project(*containers: str) -> dict[str, Any]:
    image = json.dumps({"id": NEW, "entrypoint": None, "command": None, "revision": ""}).encode()
    return {
        "docker image inspect": Output(0, image, b""),
        "docker ps": Output(0, b"c1\n", b""),
        "docker container inspect": Output(0, "\n".join(containers).encode(), b""),
    }


def of(service: str, **changes: Any) -> str:
    return line(id=service, name=f"/shop-{service}-1", service=service, image=NEW, commit=COMMIT, **changes)


ALL = tuple(of(s) for s in ("api", "db", "front", "jobs", "web"))


def argv(do: Replies, key: str) -> tuple[str, ...]:
    found = [a for a in do.changes if a.key == key]
    assert isinstance(found[0], Command)
    return found[0].argv


def test_a_service_that_is_no_longer_in_the_runbook_is_not_expected() -> None:
    """It is left alone, so nobody looks at it: going back to a version that had it would never be seen to be done."""
    before = version(images={"api": NEW, "jobs": NEW, "web": NEW, "proxy": OLD})
    assert platform().expected(before) == {"api": NEW, "jobs": NEW, "web": NEW}
    assert platform().observe(Replies(project(*ALL))).identities() == platform().expected(before)


@pytest.mark.parametrize(
    ("mounts", "strange"),
    [
        ((("/opt/shop/var", "/app/var"), ("shop_media", "/media"), ("f" * 64, "/cache")), ()),
        ((), ()),
        ((("/opt/shop/src", "/app"),), ("shop-api-1 has /opt/shop/src mounted on /app",)),
        ((("/opt/else/var", "/app/var"),), ("shop-api-1 has /opt/else/var mounted on /app/var",)),
        ((("/opt/shop/cache", "/cache"),), ("shop-api-1 has /opt/shop/cache mounted on /cache",)),
    ],
)
def test_what_is_mounted_though_it_was_not_planned_is_no_part_of_the_version(
    mounts: tuple[tuple[str, str], ...], strange: tuple[str, ...]
) -> None:
    """The right image proves nothing if something else is mounted over it: by hand, or carried over by Docker."""
    listed = [
        {
            "Type": "bind" if source.startswith("/") else "volume",
            "Source": source,
            "Name": source,
            "Destination": target,
        }
        for source, target in mounts
    ]
    container = json.dumps({**json.loads(of("api")), "mounts": listed})
    planned = {"api": {"/app/var": "/opt/shop/var", "/media/": "shop_media", "/cache": ""}}
    (fact,) = platform().observe(Replies(project(container))).services
    assert platform().unplanned(version(mounts=planned), fact) == strange
    assert platform().unplanned(version(), fact) == (), "an earlier release has not written down what it planned"


def test_all_services_are_replaced_in_one_go_and_nothing_else_is_touched() -> None:
    """One `up` without dependencies and builds, from the release's files, run in the user's folder."""
    do = Replies(project(*ALL), lenient=True)
    platform().start(do, version(), "", "deploy", "r1")
    assert do.keys == ["deploy/labels", "deploy/up"]
    assert argv(do, "deploy/up") == (
        "docker", "compose", "-p", "shop", "--project-directory", "/opt/shop",
        "-f", "/state/releases/a/tree/compose.yml", "-f", "/state/releases/a/override.yml",
        "-f", "/state/releases/a/release-r1.yml", "--env-file", "/opt/shop/.env", "--profile", "prod",
        "up", "-d", "--no-build", "--no-deps", "api", "jobs", "web",
    )  # fmt: skip


def test_a_demanded_order_is_kept_and_the_rest_follows_together() -> None:
    """The runbook's `order` gives one `up` for each service that it names."""
    do = Replies(project(*ALL), lenient=True)
    platform(order=["web"]).start(do, version(), "", "deploy", "r1")
    assert [k for k in do.keys if "/up" in k] == ["deploy/up/web", "deploy/up/api+jobs"]


def test_dependencies_that_do_not_run_are_started_first() -> None:
    """Without recreating anything, and before the application."""
    replies = project()
    replies["docker container inspect"] = [
        Output(0, "\n".join(of(s) for s in ("api", "jobs", "web")).encode(), b""),
        Output(0, "\n".join(ALL).encode(), b""),
    ]
    do = Replies(replies, lenient=True)
    platform().start(do, version(), "", "deploy", "r1")
    assert do.keys == ["deploy/labels", "deploy/dependencies", "deploy/up"]
    assert argv(do, "deploy/dependencies")[-6:] == ("up", "-d", "--no-build", "--no-deps", "--no-recreate", "db")


def test_what_was_scaled_by_hand_stays_scaled_unless_the_file_says_how_many() -> None:
    """Compose would fall back to one."""
    more = of("jobs").replace("shop-jobs-1", "shop-jobs-2")
    do = Replies(project(*ALL, more), lenient=True)
    platform().start(do, version(), "", "deploy", "r1")
    assert argv(do, "deploy/up")[-5:] == ("--scale", "jobs=2", "api", "jobs", "web")
    do = Replies(project(*ALL, more), lenient=True)
    platform().start(do, version(replicas={"jobs": 1}), "", "deploy", "r1")
    assert "--scale" not in argv(do, "deploy/up")


def test_a_service_without_a_container_is_told() -> None:
    """`up` that exits 0 proves nothing."""
    do = Replies(project(of("api"), of("db"), of("jobs")), lenient=True)
    with pytest.raises(ActionError, match="no container for web"):
        platform().start(do, version(), "", "deploy", "r1")


def test_a_container_that_turns_unhealthy_may_still_recover() -> None:
    """On a busy machine a healthcheck fails for a while; the start goes on until its deadline."""
    others = tuple(of(s) for s in ("db", "front", "jobs", "web"))
    ill = Output(0, "\n".join((of("api", health="unhealthy"), *others)).encode(), b"")
    well = Output(0, "\n".join(ALL).encode(), b"")
    do = Replies({"look at api": [ill, ill, well], **project(*ALL)}, lenient=True)
    platform().start(do, version(), "", "deploy", "r1")
    assert do.keys == ["deploy/labels", "deploy/up"]
    assert sum("look at api" in action.says for action in do.actions) == 3


def test_a_container_that_never_gets_healthy_is_told_with_its_name() -> None:
    """Not as the inspection's last answer, but in words, with what to look at."""
    others = tuple(of(s) for s in ("db", "front", "jobs", "web"))
    do = Replies(project(of("api", health="starting"), *others), lenient=True)
    with pytest.raises(DeadlineError, match="shop-api-1 runs, and its healthcheck has not passed yet") as caught:
        platform().start(do, version(), "", "deploy", "r1")
    assert "docker logs --tail 100 shop-api-1" in caught.value.next


def test_a_service_that_is_not_replaced_may_have_been_restarted_long_ago() -> None:
    """Going back after the first of several services failed leaves the others as they are, old restarts and all."""
    others = tuple(of(s) for s in ("api", "db", "front", "web"))
    do = Replies(project(of("jobs", restarts=2), *others), lenient=True)
    platform().start(do, version(), "", "back", "r1")
    again = Output(0, "\n".join((of("jobs", restarts=3), *others)).encode(), b"")
    do = Replies({"look at api": again, **project(of("jobs", restarts=2), *others)}, lenient=True)
    with pytest.raises(ActionError, match="shop-jobs-1 was restarted once"):
        platform().start(do, version(), "", "back", "r1")


def test_on_the_way_back_what_still_runs_is_left_alone() -> None:
    """The old version serves, and its env file was changed meanwhile: Compose would make its containers anew from that."""
    do = Replies(project(*ALL), lenient=True)
    platform().start(do, version(), "", "back", "r2", keep=True)
    assert do.keys == ["back/labels"]
    do = Replies(project(*ALL), lenient=True)
    platform().start(do, version(), "", "deploy", "r2")
    assert do.keys == ["deploy/labels", "deploy/up"]


def test_on_the_way_back_what_was_stopped_for_the_migrations_is_started_as_it_was() -> None:
    """The very container, and not another one made from files that may have changed."""
    others = tuple(of(s) for s in ("db", "front", "web"))
    stopped = "\n".join((*(of(s, state="exited", exit_code=137) for s in ("api", "jobs")), *others)).encode()
    replies = project(*ALL)
    replies["docker container inspect"] = [Output(0, stopped, b""), Output(0, "\n".join(ALL).encode(), b"")]
    do = Replies(replies, lenient=True)
    platform().start(do, version(), "", "back", "r2", keep=True)
    assert do.keys == ["back/again/api", "back/again/jobs", "back/labels"]
    assert argv(do, "back/again/api") == ("docker", "start", "api")


@pytest.mark.parametrize(
    "changed",
    [
        {"image": OLD},  # the failed version's
        {"commit": "f" * 40},
        {"release": "r2"},  # an earlier try of this way back made it, and it did not serve
        {"health": "unhealthy"},
    ],
)
def test_on_the_way_back_what_was_replaced_or_is_ill_is_made_anew(changed: dict[str, str]) -> None:
    """Only that one; the others stay."""
    raw = json.loads(of("api"))
    first = "\n".join((json.dumps({**raw, **changed}), *ALL[1:])).encode()
    replies = project(*ALL)
    replies["docker container inspect"] = [Output(0, first, b""), Output(0, "\n".join(ALL).encode(), b"")]
    do = Replies(replies, lenient=True)
    platform().start(do, version(), "", "back", "r2", keep=True)
    assert do.keys == ["back/labels", "back/up"]
    assert argv(do, "back/up")[-2:] == ("--no-deps", "api")
    labels = next(a for a in do.changes if a.key == "back/labels")
    assert isinstance(labels, WriteFile)
    assert yaml.safe_load(labels.content)["services"]["api"]["labels"]["runwright.release"] == "r2"
    assert yaml.safe_load(labels.content)["services"]["jobs"]["labels"]["runwright.release"] == "r1"


def test_another_image_than_asked_for_is_told() -> None:
    """What counts is the image id that really runs: a tag may point at another image by now."""
    do = Replies(project(*ALL[:-1], of("web").replace(NEW, OLD)), lenient=True)
    with pytest.raises(ActionError, match="shop-web-1 runs image sha256:old"):
        platform().start(do, version(), "", "deploy", "r1")


def test_nothing_stops_before_the_image_is_proven_to_exist() -> None:
    """The first thing that start does is to look for the images."""
    replies = {**project(*ALL), "docker image inspect": Output(1, b"", b"Error: No such image: sha256:new")}
    do = Replies(replies, lenient=True)
    with pytest.raises(ActionError, match="not on this machine"):
        platform().start(do, version(), "", "deploy", "r1")
    assert do.changes == []


def test_observe_shows_the_applications_own_services_only() -> None:
    """Neither the database nor a one-off job is one of them."""
    do = Replies(project(*ALL, of("api", oneoff="True").replace("shop-api-1", "shop-rw-x")))
    assert [s.service for s in platform().observe(do).services] == ["api", "jobs", "web"]


def test_a_job_is_found_again_by_a_name_that_is_its_own() -> None:
    """The same job of the same release has one name; another release or key has another."""
    names = {job_name("shop", r, k) for r, k in (("r1", "migrate/api"), ("r2", "migrate/api"), ("r1", "migrate/web"))}
    assert len(names) == 3
    assert job_name("shop", "r1", "migrate/api") in names
    assert all(name.startswith("shop-rw-migrate-") for name in names)


def test_a_job_with_a_key_is_a_change_that_is_waited_for_and_never_repeated() -> None:
    """A migration: safe point, not repeatable, labelled, with the way to find and end its container."""
    do = Replies({"migrate/api": Output(0, b"secrets", b"")})
    out = platform().run_job(
        do, version(), ("alembic", "upgrade", "head"), service="api", key="migrate/api", says="migrate",
        release_id="r1", deadline_seconds=600,
    )  # fmt: skip
    job = do.actions[0]
    assert isinstance(job, Command)
    assert (out, job.safe_point, job.repeatable, job.deadline_seconds) == (b"", True, False, 600)
    name = job_name("shop", "r1", "migrate/api")
    assert job.argv[job.argv.index("run") :] == (
        "run", "--rm", "--no-deps", "-T", "--name", name, "--label", "runwright.release=r1",
        "--label", "runwright.key=migrate/api", "api", "alembic", "upgrade", "head",
    )  # fmt: skip
    assert job.elsewhere is not None
    assert job.elsewhere.end == ("docker", "rm", "-f", name)
    assert "geheim" not in " ".join(job.argv) + repr(job)


def test_a_job_replaces_an_entrypoint_that_would_swallow_its_command() -> None:
    """The program becomes the entrypoint, the rest its arguments."""
    do = Replies({"ask": Output(0, b"head\n", b"")})
    out = platform().run_job(
        do, version(bare=["api"]), ("alembic", "heads"), service="api", key=None, says="ask", release_id="r1",
        deadline_seconds=60,
    )  # fmt: skip
    job = do.actions[0]
    assert isinstance(job, Command)
    assert out == b"head\n"
    assert job.reads
    assert job.argv[-4:] == ("--entrypoint", "alembic", "api", "heads")


def test_a_version_that_was_not_prepared_is_no_use() -> None:
    """The message says what to do first."""
    bare = Version("shop", "production", "v1", COMMIT)
    with pytest.raises(InputError, match="was not prepared"):
        platform().run_job(
            Replies({}), bare, ("x",), service="api", key=None, says="x", release_id="r1", deadline_seconds=1
        )


def test_stop_stops_running_application_containers_by_id() -> None:
    """Not the database, not what has ended, and nothing if nothing runs."""
    do = Replies(project(of("api"), of("db"), of("jobs", state="exited")), lenient=True)
    platform().stop(do, "", "back")
    assert argv(do, "back/stop") == ("docker", "stop", "api")
    idle = Replies(project(of("db")), lenient=True)
    platform().stop(idle, "", "back")
    assert idle.changes == []


def test_a_plan_goes_on_after_the_first_change() -> None:
    """What start would do is known from the version alone: the exact words of `up`, whatever came before."""
    plan = Planner(Performer())
    plan(WriteFile(says="something before", key="before", path=Path("/nowhere"), content=b""))
    platform(order=["api"]).start(plan, version(), "", "deploy", "r1")
    assert [step.key for step in plan.steps] == ["before", "deploy/labels", "deploy/up/api", "deploy/up/jobs+web"]
    assert plan.steps[-1].exact.endswith("up -d --no-build --no-deps jobs web")


def test_what_never_had_a_container_is_started_only_when_that_is_asked_for() -> None:
    """A first release asks for its proxy. Later, a service that somebody left out or stopped stays as it is, also when
    the application was stopped for its migrations."""
    replies = project(of("db"), *(of(s, state="exited", release="r0") for s in ("api", "jobs", "web")))
    replies["docker container inspect"] = [
        replies["docker container inspect"],
        Output(0, "\n".join(of(s) for s in ("api", "db", "jobs", "web")).encode(), b""),
    ]
    do = Replies(replies, lenient=True)
    platform().start(do, version(), "", "deploy", "r1")
    assert do.keys == ["deploy/labels", "deploy/up"]
    do = Replies(project(*(of(s) for s in ("api", "db", "jobs", "web"))), lenient=True)
    platform().start_rest(do, version(), "deploy")
    assert do.keys == ["deploy/others"]
    assert argv(do, "deploy/others")[-6:] == ("up", "-d", "--no-build", "--no-deps", "--no-recreate", "front")
    do = Replies(project(*ALL), lenient=True)
    platform().start_rest(do, version(), "deploy")
    assert do.keys == []


@pytest.mark.parametrize(
    ("containers", "volumes", "prepared", "new"),
    [
        (b"", b"", False, True),
        (b"c1\n", b"", False, False),
        (b"", b"shop_data\n", False, False),
        (b"", b"shop_data\n", True, True),
        (b"c1\n", b"shop_data\n", True, False),
    ],
)
def test_a_project_is_new_while_it_has_neither_containers_nor_volumes_of_its_own(
    containers: bytes, volumes: bytes, prepared: bool, new: bool
) -> None:
    """After `docker compose down` the data is still there; the volumes that Compose made for our own job hold none."""
    replies = {
        **project(of("db")), "docker ps --all": Output(0, b"", b""), "docker ps": Output(0, containers, b""),
        "docker volume": Output(0, volumes, b""),
    }  # fmt: skip
    assert platform().is_new(Replies(replies, lenient=True), "db", prepared=prepared) is new


def test_a_version_whose_image_was_removed_is_pulled_again_before_anything_stops() -> None:
    """Where the image is here no registry is asked; one that only this machine ever had cannot come back."""
    digest = f"r.example.com/shop/api@{OLD}"
    kept = replace(version(), artifacts=(Artifact("api", digest, OLD),))
    gone = Output(1, b"", b"Error response from daemon: No such image: x")
    here = project(*ALL)["docker image inspect"]
    files = {"files": [str(Path(__file__))]}

    do = Replies({**project(*ALL), "docker image inspect": here}, lenient=True)
    platform().prepare(do, replace(kept, extra={**kept.extra, **files}), "back1")
    assert do.keys == []

    # its id, its digest, what was pulled, and its id once more
    do = Replies({**project(*ALL), "docker image inspect": [gone, gone, here, here]}, lenient=True)
    platform().prepare(do, replace(kept, extra={**kept.extra, **files}), "back1")
    assert argv(do, "back1/image/api/pull") == ("docker", "pull", "--quiet", digest)
    assert do.keys == ["back1/image/api/pull", "back1/image/api/keep"]

    do = Replies({**project(*ALL), "docker image inspect": gone}, lenient=True)
    with pytest.raises(ActionError, match="not on this machine"):
        platform().prepare(do, version(**files), "back1")
