"""The Compose platform beside an application that runs: these tests have one stack, one after the other."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command
from runwright.errors import ActionError, DeadlineError, RefusedError
from runwright.platforms.compose import Compose
from runwright.platforms.compose.usage import stats, unsteady, vitals
from runwright.runbook.drill import Break
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.fixtures.compose_shop import SERVICES, Shop, Stack, git, names, until

pytestmark = pytest.mark.docker


def test_first_deploy_starts_what_is_needed_then_the_application_then_everything_else(stack: Stack) -> None:
    """Where nothing runs, the database is healthy before the application starts, and the proxy follows."""
    shop, observed = stack.shop, stack.observed
    assert stack.first.keys == [
        "r1/files", "r1/override", "r1/labels", "r1/dependencies", "r1/up", "r1/others",
    ]  # fmt: skip
    assert (
        observed.identities() == stack.platform.expected(stack.version) == dict.fromkeys(SERVICES, shop.images["two"])
    )
    assert {s.service: s.healthy for s in observed.services} == {"api": True, "jobs": None}
    assert {s.release for s in observed.services} == {"r1"}
    assert {s.commit for s in observed.services} == {shop.commits["two"]}
    running = shop.docker.run(
        "ps", "--filter", f"label=com.docker.compose.project={shop.project}", "--format", "{{.Names}}"
    )
    assert sorted(running.split()) == [f"{shop.project}-{s}-1" for s in ("api", "db", "front", "jobs")]


def test_data_env_file_and_configuration_of_the_commit_reach_the_containers(stack: Stack) -> None:
    """Data and env file are the user's own, configuration is the released commit's, and nothing of the user's changes."""
    shop = stack.shop
    assert shop.facts() == {"version": "two", "greeting": "two", "secret": "geheim-1234", "uploads": ["photo.jpg"]}
    assert sorted(p.name for p in shop.user.iterdir()) == stack.files
    assert git(shop.user, "status", "--porcelain", "--untracked-files=no") == ""


def test_nothing_that_we_write_holds_a_secret(stack: Stack) -> None:
    """Neither the version, nor our files, nor the words of any command hold a value of the env file."""
    do, version = Direct(), stack.version
    stack.platform.adopt(do, "adopt")
    written = [p.read_text() for p in stack.shop.state.rglob("*") if p.is_file()]
    words = [" ".join(a.argv) for a in (*stack.first.done, *do.done) if isinstance(a, Command)]
    assert written
    assert not [text for text in (*written, *words, json.dumps(version.as_json())) if "geheim-1234" in text]


def test_starting_what_runs_changes_nothing(stack: Stack) -> None:
    """The same version of the same release again, or of a later one, replaces no container."""
    do, shop, platform, version = Direct(), stack.shop, stack.platform, stack.version
    before = shop.started("api"), shop.started("jobs")
    (release,) = {s.release for s in platform.observe(do).services}
    platform.start(do, version, "", "again", release)
    platform.start(do, version, "", "later", "r9")
    assert (shop.started("api"), shop.started("jobs")) == before


def test_what_containers_use_and_whether_they_are_steady_is_measured(stack: Stack) -> None:
    """Numbers of running containers by name; one that is killed meanwhile is not steady."""
    do, shop, platform = Direct(), stack.shop, stack.platform
    ours = [s.instance for s in platform.observe(do).services]
    before = vitals(do, ours)
    used = stats(do, ours)
    assert sorted(used) == sorted(ours)
    assert all(usage.memory_percent > 0 and usage.restarts == 0 for usage in used.values())
    assert unsteady(before, vitals(do, ours)) == []
    shop.docker.run("kill", f"{shop.project}-jobs-1")
    assert unsteady(before, vitals(do, ours)) == [f"{shop.project}-jobs-1 is exited (exit code 137)"]


def test_a_missing_image_stops_nothing(stack: Stack) -> None:
    """The image is proven to be there before anything is stopped, when it is prepared and again when it starts."""
    do, shop, platform, two = Direct(), stack.shop, stack.platform, stack.version
    before = shop.started("api")
    gone = "sha256:" + "0" * 64
    with pytest.raises(ActionError, match="not on this machine"):
        platform.prepare(do, replace(two, extra={}, artifacts=(Artifact("api", gone, gone),)), "r2")
    with pytest.raises(ActionError, match="not on this machine"):
        platform.start(do, replace(two, extra={**two.extra, "images": {"api": gone, "jobs": gone}}), "", "r2", "r2")
    assert shop.started("api") == before


def test_a_job_runs_in_the_new_image_with_the_services_configuration(stack: Stack) -> None:
    """A one-off job sees the new code, the env file and the data, beside the old version that serves on."""
    do, shop, platform = Direct(), stack.shop, stack.platform
    before = shop.started("api")
    one = shop.prepared(platform, do, "one", "r2")
    out = platform.run_job(
        do, one, ("python", "/srv/app.py", "facts"), service="api", key=None, says="ask", release_id="r2",
        deadline_seconds=120,
    )  # fmt: skip
    assert json.loads(out) == {
        "version": "one", "greeting": "one", "secret": "geheim-1234", "uploads": ["photo.jpg"],
    }  # fmt: skip
    silent = platform.run_job(
        do, one, ("python", "/srv/app.py", "facts"), service="api", key="migrate/api", says="migrate", release_id="r2",
        deadline_seconds=120,
    )  # fmt: skip
    assert silent == b""
    with pytest.raises(ActionError, match="exited with 7"):
        platform.run_job(
            do, one, ("python", "-c", "raise SystemExit(7)"), service="jobs", key=None, says="fail", release_id="r2",
            deadline_seconds=120,
        )  # fmt: skip
    assert shop.started("api") == before
    assert sorted(s.service for s in platform.observe(do).services) == ["api", "jobs"]


def test_a_job_can_be_found_awaited_and_ended_by_its_name(stack: Stack) -> None:
    """Elsewhere finds a job's container whose Compose was killed, waits for it, and removes it, twice if need be."""
    shop, platform, two = stack.shop, stack.platform, stack.version
    asked: list[Command[Any]] = []
    platform.run_job(
        lambda action: asked.append(action), two, ("python", "-c", "import time; time.sleep(60)"), service="jobs",
        key="migrate/api", says="sleep", release_id="r1", deadline_seconds=120,
    )  # fmt: skip
    job = asked[0]
    assert job.elsewhere is not None
    child = subprocess.Popen(job.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    where = job.elsewhere
    until(lambda: shop.docker.run(*where.running[1:]))
    child.kill()
    child.wait()
    assert shop.docker.run(*where.running[1:])
    labels = shop.docker.run("inspect", "-f", "{{json .Config.Labels}}", where.end[-1])
    assert json.loads(labels)["runwright.key"] == "migrate/api"
    assert json.loads(labels)["runwright.release"] == "r1"
    shop.docker.run(*where.end[1:])
    shop.docker.run(*where.end[1:])
    assert shop.docker.run(*where.running[1:]) == ""


def test_an_entrypoint_that_would_swallow_the_command_is_replaced(stack: Stack) -> None:
    """`entrypoint: [python, app.py]` takes what follows for its own arguments; a job gets its program all the same."""
    do, shop = Direct(), stack.shop
    platform = shop.platform(files=["docker-compose.yml", "more.yml"])
    (shop.tree / "more.yml").write_text("services: {jobs: {entrypoint: [python, /srv/app.py], command: [jobs]}}\n")
    git(shop.tree, "add", "more.yml")
    version = platform.prepare(do, shop.version("two"), "r1")
    assert version.extra["bare"] == ["jobs"]
    out = platform.run_job(
        do, version, ("python", "-c", "print('as asked')"), service="jobs", key=None, says="ask", release_id="r1",
        deadline_seconds=120,
    )  # fmt: skip
    assert out == b"as asked\n"


def test_adoption_tells_of_files_that_changed_since_the_start(stack: Stack) -> None:
    """A service whose env file was edited after it was started is named as drifted."""
    (stack.shop.user / ".env").write_text("SHOP_SECRET=another-value\n")
    adopted = stack.platform.adopt(Direct(), "adopt")
    assert adopted is not None
    assert adopted.extra["drifted"] == ["api", "jobs"]


def test_what_was_released_to_another_environment_is_not_taken_over(stack: Stack) -> None:
    """Two environments name the same project: a release to staging on the production machine must not replace it."""
    shop, place = stack.shop, stack.platform.target
    staging = Compose(place, SERVICES, shop.tree, shop.state, {}, system="shop", environment="staging")
    with pytest.raises(RefusedError, match="released to shop/test, not to shop/staging"):
        staging.adopt(Direct(), "adopt")


def test_what_cannot_be_started_is_refused_while_the_old_version_runs(stack: Stack) -> None:
    """Compose finds it only as it makes the new container, when the old one is gone: so it rehearses that before."""
    do, shop = Direct(), stack.shop
    platform = shop.platform(files=["docker-compose.yml", "more.yml"])
    before = shop.started("api")
    shop.checkout("one")
    wrong = "{mac_address: '02:42:ac:11:65:43', networks: {default: {mac_address: '02:42:ac:11:65:44'}}}"
    (shop.tree / "more.yml").write_text(f"services: {{api: {wrong}}}\n")
    git(shop.tree, "add", "more.yml")
    with pytest.raises(RefusedError, match=r"cannot start this version: .*mac_address"):
        platform.prepare(do, shop.version("one"), "r2")
    assert shop.started("api") == before


def test_a_version_that_runs_is_made_anew_for_a_drill(stack: Stack) -> None:
    """Or there would be nothing to go back from."""
    do, shop, platform = Direct(), stack.shop, stack.platform
    before = shop.started("api"), shop.started("jobs")
    platform.start(do, stack.version, "", "drill", "r2", anew=True)
    assert not {shop.started("api"), shop.started("jobs")} & set(before)
    assert {s.release for s in platform.observe(do).services} == {"r2"}


@pytest.mark.parametrize("way", ["kill", "errors", "latency"])
def test_what_is_broken_on_purpose_is_whole_again_after_the_way_back(stack: Stack, way: Break) -> None:
    """The application's containers alone are broken; the way back replaces what the drill (r2) made, and nothing of it is left."""
    do, shop, platform, version = Direct(), stack.shop, stack.platform, stack.version
    kept = shop.started("db"), shop.started("front")
    platform.start(do, version, "", "deploy", "r2", anew=True)
    platform.inject(do, "", way, "drill")
    inspected = shop.docker.run("inspect", f"{shop.project}-api-1")
    api = json.loads(inspected)[0]
    seen = {
        "kill": not api["State"]["Running"],
        "errors": not api["NetworkSettings"]["Networks"],
        "latency": api["HostConfig"]["NanoCpus"] == 10_000_000,
    }
    assert seen == {name: name == way for name in seen}
    platform.start(do, platform.prepare(do, version, "back"), "", "back", "r2", keep=True, anew=True)
    assert shop.facts()["version"] == "two"
    api = json.loads(shop.docker.run("inspect", f"{shop.project}-api-1"))[0]
    assert api["State"]["Running"] and api["NetworkSettings"]["Networks"] and not api["HostConfig"]["NanoCpus"]
    assert (shop.started("db"), shop.started("front")) == kept


def test_a_version_that_ends_at_once_is_named_with_its_exit_code(stack: Stack) -> None:
    """A container that ends is noticed long before the deadline, and the way back works."""
    do, shop, platform = Direct(), stack.shop, stack.platform
    broken = shop.prepared(platform, do, "broken", "r2")
    with pytest.raises(ActionError, match=r"ended \(exit code 1, OOMKilled no\)"):
        platform.start(do, broken, "", "r2", "r2")
    platform.start(do, stack.version, "", "r2-back", "r2")
    assert shop.facts()["version"] == "two"


def test_the_first_of_two_releases_of_one_commit_can_be_started_again(stack: Stack) -> None:
    """The second one has another image of that commit: each keeps the files that it was started from."""
    do, shop, platform, first = Direct(), stack.shop, stack.platform, stack.version
    image = shop.images["broken"]
    other = replace(shop.version("two"), artifacts=(Artifact("api", image, image),))
    second = platform.prepare(do, other, "r2")
    assert second.extra["images"] != first.extra["images"]
    assert second.extra["files"] != first.extra["files"]
    with pytest.raises((ActionError, DeadlineError)):
        platform.start(do, second, "", "r2", "r2")
    platform.start(do, platform.prepare(do, first, "back"), "", "back", "r2", keep=True)
    assert {s.identity for s in platform.observe(do).running} == {shop.images["two"]}


def test_the_next_version_replaces_the_application_alone_and_back_again(stack: Stack) -> None:
    """Database and proxy keep their containers through a release and the way back, which needs no tree any more."""
    do, shop, platform, two = Direct(), stack.shop, stack.platform, stack.version
    kept = shop.started("db"), shop.started("front")
    shop.deploy(platform, do, "one", "r2")
    assert (shop.facts()["version"], shop.facts()["greeting"]) == ("one", "one")
    away = shop.tree.rename(shop.tree.with_name("away"))
    again = platform.prepare(do, Version.from_json(json.loads(json.dumps(two.as_json()))), "back")
    platform.start(do, again, "", "back", "r2")
    away.rename(shop.tree)
    assert (shop.facts()["version"], shop.facts()["greeting"]) == ("two", "two")
    assert (shop.started("db"), shop.started("front")) == kept


def test_two_schedulers_never_run_at_once(stack: Stack) -> None:
    """Compose ends the old container of a service before it starts the new one."""
    do, shop = Direct(), stack.shop
    platform = shop.platform(order=["jobs", "api"])
    begin = int(time.time()) - 1
    shop.deploy(platform, do, "one", "r2")
    end = int(time.time()) + 1
    lines = shop.docker.run(
        "events", "--since", str(begin), "--until", str(end),
        "--filter", f"label=com.docker.compose.project={shop.project}", "--filter", "label=com.docker.compose.service=jobs",
        "--filter", "label=com.docker.compose.oneoff=False",
        "--filter", "event=start", "--filter", "event=die", "--format", "{{.TimeNano}} {{.Action}} {{.ID}}",
    ).splitlines()  # fmt: skip
    events = [line.split() for line in sorted(lines)]
    last = [(action, container) for _, action, container in events][-2:]
    assert [action for action, _ in last] == ["die", "start"]
    assert last[0][1] != last[1][1]
    assert [k for k in do.keys if "/up" in k] == ["r2/up/jobs", "r2/up/api"]


def test_an_env_file_elsewhere_reaches_interpolation_and_containers(stack: Stack, tmp_path: Path) -> None:
    """`env_file: ${ENV_FILE:-.env}` gets the target's env file, by absolute path."""
    other = tmp_path / "etc" / "shop.env"
    other.parent.mkdir()
    other.write_text("SHOP_SECRET=from-elsewhere\n")
    shop = stack.shop
    shop.deploy(shop.platform(env_file=str(other)), Direct(), "two", "r2")
    assert shop.facts()["secret"] == "from-elsewhere"


@pytest.mark.parametrize("old_is_there", [True, False], ids=["beside the old one", "in its place"])
def test_leftovers_of_an_interrupted_compose_are_finished_first(stack: Stack, old_is_there: bool) -> None:
    """A `<12 hex>_name` container is removed if the proper one exists, and gets its name if not."""
    do, shop, platform = Direct(), stack.shop, stack.platform
    name = f"{shop.project}-jobs-1"
    if old_is_there:
        leftover = _interrupt(shop)
    else:
        leftover = f"{'a' * 12}_{name}"
        shop.docker.run("rename", name, leftover)
    shop.deploy(platform, do, "one", "r2")
    assert f"r2/leftover/{leftover}" in do.keys
    there = [s.instance for s in platform.observe(do).services]
    assert sorted(there) == [f"{shop.project}-api-1", name]
    assert set(platform.observe(do).identities().values()) == {shop.images["one"]}


def _interrupt(shop: Shop) -> str:
    """Kill Compose with SIGKILL while it replaces the jobs service; return the name of the container that it left."""
    override = shop.state / "interrupted.yml"
    override.write_text(f'services: {{jobs: {{image: "{shop.images["one"]}", stop_grace_period: 20s}}}}\n')
    stopped = f"{shop.project}-jobs-1"
    shop.docker.run("pause", stopped)  # a paused container cannot end, so Compose hangs in the middle
    words = ["docker", "compose", "-p", shop.project, "--project-directory", str(shop.user)]
    words += [
        "-f",
        str(shop.user / "docker-compose.yml"),
        "-f",
        str(override),
        "up",
        "-d",
        "--no-build",
        "--no-deps",
        "jobs",
    ]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    left = until(lambda: [n for n in names(shop) if n.endswith(f"_{stopped}")])[0]
    child.send_signal(signal.SIGKILL)
    child.wait()
    told = ("ps", "-a", "--filter", f"name=^{stopped}$", "--format", "{{.Status}}")
    until(
        lambda: shop.docker.run(*told).startswith(("Up", "Exited"))
    )  # a stop that was asked for may have come to its end
    # the engine may end its pause itself meanwhile, when it gets round to the stop that Compose had asked for
    subprocess.run(["docker", "unpause", stopped], capture_output=True, check=False)
    return left
