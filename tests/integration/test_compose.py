"""The Compose platform against a real engine, with a tiny application of our own."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command
from runwright.errors import ActionError, DeadlineError, InputError, RefusedError
from runwright.platforms.compose import Compose
from runwright.platforms.compose.usage import stats, unsteady, vitals
from runwright.runbook.drill import Break
from runwright.runbook.targets import ComposeTarget
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

SHOP = Path(__file__).parent.parent / "data" / "compose" / "shop"
SERVICES = {"api": "api", "jobs": "api"}


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@dataclass
class Shop:
    """The application: its repository with three commits, an image of each, and the folder that it is run from."""

    docker: Docker
    repo: Path
    commits: dict[str, str]
    images: dict[str, str]
    user: Path = Path()
    tree: Path = Path()
    state: Path = Path()
    project: str = ""

    def version(self, name: str) -> Version:
        image = self.images[name]
        return Version("shop", "test", name, self.commits[name], (Artifact("api", image, image),))

    def platform(self, *, order: list[str] | None = None, **target: Any) -> Compose:
        place = ComposeTarget(
            platform="compose", project=self.project, directory=str(self.user), settle=1.0, ready_timeout=120.0,
            order=order or [], **target,
        )  # fmt: skip
        return Compose(place, SERVICES, self.tree, self.state, {}, system="shop", environment="test")

    def checkout(self, name: str) -> None:
        git(self.tree, "checkout", "--quiet", "--detach", self.commits[name])

    def prepared(self, platform: Compose, do: Direct, name: str, prefix: str) -> Version:
        self.checkout(name)
        return platform.prepare(do, self.version(name), prefix)

    def deploy(self, platform: Compose, do: Direct, name: str, release: str) -> Version:
        version = self.prepared(platform, do, name, release)
        platform.start(do, version, "", release, release)
        return version

    def facts(self, service: str = "api") -> dict[str, Any]:
        words = ("compose", "-p", self.project, "exec", "-T", service, "python", "/srv/app.py", "facts")
        return dict(json.loads(self.docker.run(*words)))

    def started(self, service: str) -> str:
        return self.docker.run("inspect", "-f", "{{.State.StartedAt}} {{.Id}}", f"{self.project}-{service}-1")

    def compose(self, *words: str) -> str:
        return self.docker.run(
            "compose", "-p", self.project, "--project-directory", str(self.user),
            "-f", str(self.user / "docker-compose.yml"), *words,
        )  # fmt: skip


@pytest.fixture(scope="module")
def repository(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    repo = tmp_path_factory.mktemp("shop") / "repo"
    shutil.copytree(SHOP, repo)
    git(repo, "init", "--quiet", "-b", "main")
    commits, images = {}, {}
    own = secrets.token_hex(4)  # another test process, with the same content, must not have the same images and commits
    for name in ("one", "two", "broken"):
        (repo / "app" / "VERSION").write_text(name)
        (repo / "config" / "app.json").write_text(json.dumps({"greeting": name}))
        git(repo, "add", "-A")
        git(repo, "commit", "--quiet", "--allow-empty", "-m", f"{name} {own}")
        commits[name] = git(repo, "rev-parse", "HEAD")
        images[name] = docker.run("build", "-q", "--label", f"of={own}", str(repo / "app"))
    yield Shop(docker, repo, commits, images)
    docker.run("image", "rm", "-f", *images.values())


@pytest.fixture
def shop(repository: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The folder of a user who runs version one from a checkout, with an env file and data that git does not track."""
    user, tree = tmp_path / "user", tmp_path / "tree"
    git(repository.repo, "worktree", "add", "--quiet", "--detach", str(user), repository.commits["one"])
    git(repository.repo, "worktree", "add", "--quiet", "--detach", str(tree), repository.commits["two"])
    (user / ".env").write_text("SHOP_SECRET=geheim-1234\n")
    (user / "var" / "uploads").mkdir(parents=True)
    (user / "var" / "uploads" / "photo.jpg").write_text("a photo")
    project = f"rwt-compose-{secrets.token_hex(4)}"
    here = replace(repository, user=user, tree=tree, state=tmp_path / "state", project=project)
    yield here
    docker = repository.docker
    ids = docker.run("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}").split()
    if ids:
        docker.run("rm", "-f", "-v", *ids)
    for kind in ("volume", "network"):
        found = docker.run(kind, "ls", "-q", "--filter", f"label=com.docker.compose.project={project}").split()
        if found:
            docker.run(kind, "rm", *found)


def test_first_deploy_starts_what_is_needed_then_the_application_then_everything_else(shop: Shop) -> None:
    """Where nothing runs, the database is healthy before the application starts, and the proxy follows."""
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    platform.start_rest(do, version, "r1")
    assert do.keys == [
        "r1/files", "r1/override", "r1/labels", "r1/dependencies", "r1/up", "r1/others",
    ]  # fmt: skip
    observed = platform.observe(do)
    assert observed.identities() == platform.expected(version) == dict.fromkeys(SERVICES, shop.images["two"])
    assert {s.service: s.healthy for s in observed.services} == {"api": True, "jobs": None}
    assert {s.release for s in observed.services} == {"r1"}
    assert {s.commit for s in observed.services} == {shop.commits["two"]}
    running = shop.docker.run(
        "ps", "--filter", f"label=com.docker.compose.project={shop.project}", "--format", "{{.Names}}"
    )
    assert sorted(running.split()) == [f"{shop.project}-{s}-1" for s in ("api", "db", "front", "jobs")]


def test_what_hangs_on_a_replaced_container_is_made_anew_with_it_and_back(shop: Shop) -> None:
    """A service in the network of another one, and one beside that, live in what runs now, forwards and on the way back."""
    do, platform = Direct(), shop.platform(files=["docker-compose.yml", "beside.yml"])
    one = shop.deploy(platform, do, "one", "r1")
    platform.start_rest(do, one, "r1")

    def uses(service: str, of: str) -> bool:
        mode = shop.docker.run("inspect", "-f", "{{.HostConfig.%s}}" % of, f"{shop.project}-{service}-1")  # noqa: UP031
        on = {"NetworkMode": "api", "PidMode": "edge"}[of]
        return mode == f"container:{shop.started(on).split()[1]}"

    before, kept = shop.started("edge"), shop.started("db")
    two = shop.prepared(platform, do, "two", "r2")
    platform.start(do, two, "", "r2", "r2", beside=platform.beside(do, two))
    assert uses("edge", "NetworkMode")
    assert uses("meter", "PidMode")
    assert shop.started("edge") != before
    platform.start(do, one, "", "back", "r2", keep=True, beside=platform.beside(do, one))
    assert uses("edge", "NetworkMode")
    assert uses("meter", "PidMode")
    assert shop.started("db") == kept


def test_a_proxy_that_ends_right_after_it_started_fails_the_first_release(shop: Shop) -> None:
    """Running for a moment is not healthy: what is started besides the application has to stay up as well."""
    (shop.user / "Caddyfile").write_text("localhost {\n  no_such_directive\n}\n")
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    with pytest.raises(ActionError, match="front-1"):
        platform.start_rest(do, version, "r1")


def test_data_env_file_and_configuration_of_the_commit_reach_the_containers(shop: Shop) -> None:
    """Data and env file are the user's own, configuration is the released commit's, and nothing of the user's changes."""
    before = sorted(p.name for p in shop.user.iterdir())
    shop.deploy(shop.platform(), Direct(), "two", "r1")
    assert shop.facts() == {"version": "two", "greeting": "two", "secret": "geheim-1234", "uploads": ["photo.jpg"]}
    assert sorted(p.name for p in shop.user.iterdir()) == before
    assert git(shop.user, "status", "--porcelain", "--untracked-files=no") == ""


def test_nothing_that_we_write_holds_a_secret(shop: Shop) -> None:
    """Neither the version, nor our files, nor the words of any command hold a value of the env file."""
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    platform.adopt(do, "adopt")
    written = [p.read_text() for p in shop.state.rglob("*") if p.is_file()]
    words = [" ".join(a.argv) for a in do.done if isinstance(a, Command)]
    assert written
    assert not [text for text in (*written, *words, json.dumps(version.as_json())) if "geheim-1234" in text]


def test_an_env_file_elsewhere_reaches_interpolation_and_containers(shop: Shop, tmp_path: Path) -> None:
    """`env_file: ${ENV_FILE:-.env}` gets the target's env file, by absolute path."""
    other = tmp_path / "etc" / "shop.env"
    other.parent.mkdir()
    other.write_text("SHOP_SECRET=from-elsewhere\n")
    shop.deploy(shop.platform(env_file=str(other)), Direct(), "two", "r1")
    assert shop.facts()["secret"] == "from-elsewhere"


def test_the_next_version_replaces_the_application_alone_and_back_again(shop: Shop) -> None:
    """Database and proxy keep their containers through a release and the way back, which needs no tree any more."""
    do, platform = Direct(), shop.platform()
    one = shop.deploy(platform, do, "one", "r1")
    platform.start_rest(do, one, "r1")
    kept = shop.started("db"), shop.started("front")
    shop.deploy(platform, do, "two", "r2")
    assert (shop.facts()["version"], shop.facts()["greeting"]) == ("two", "two")
    shutil.rmtree(shop.tree)
    again = platform.prepare(do, Version.from_json(json.loads(json.dumps(one.as_json()))), "back")
    platform.start(do, again, "", "back", "r2")
    assert (shop.facts()["version"], shop.facts()["greeting"]) == ("one", "one")
    assert (shop.started("db"), shop.started("front")) == kept


def test_starting_what_runs_changes_nothing(shop: Shop) -> None:
    """The same version of the same release again, or of a later one, replaces no container."""
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    before = shop.started("api"), shop.started("jobs")
    platform.start(do, version, "", "again", "r1")
    platform.start(do, version, "", "later", "r9")
    assert (shop.started("api"), shop.started("jobs")) == before


def test_a_version_that_runs_is_made_anew_for_a_drill(shop: Shop) -> None:
    """Or there would be nothing to go back from."""
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    before = shop.started("api"), shop.started("jobs")
    platform.start(do, version, "", "drill", "r2", anew=True)
    assert not {shop.started("api"), shop.started("jobs")} & set(before)
    assert {s.release for s in platform.observe(do).services} == {"r2"}


@pytest.mark.parametrize("way", ["kill", "errors", "latency"])
def test_what_is_broken_on_purpose_is_whole_again_after_the_way_back(shop: Shop, way: Break) -> None:
    """The application's containers alone are broken; the way back replaces what the drill (r2) made, and nothing of it is left."""
    do, platform = Direct(), shop.platform()
    version = shop.deploy(platform, do, "two", "r1")
    platform.start_rest(do, version, "r1")
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


def test_two_schedulers_never_run_at_once(shop: Shop) -> None:
    """Compose ends the old container of a service before it starts the new one."""
    do, platform = Direct(), shop.platform(order=["jobs", "api"])
    shop.deploy(platform, do, "one", "r1")
    begin = int(time.time()) - 1
    shop.deploy(platform, do, "two", "r2")
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
    assert [k for k in do.keys if "/up" in k] == ["r1/up/jobs", "r1/up/api", "r2/up/jobs", "r2/up/api"]


def test_a_version_that_ends_at_once_is_named_with_its_exit_code(shop: Shop) -> None:
    """A container that ends is noticed long before the deadline, and the way back works."""
    do, platform = Direct(), shop.platform()
    one = shop.deploy(platform, do, "one", "r1")
    broken = shop.prepared(platform, do, "broken", "r2")
    with pytest.raises(ActionError, match=r"ended \(exit code 1, OOMKilled no\)"):
        platform.start(do, broken, "", "r2", "r2")
    platform.start(do, one, "", "r2-back", "r2")
    assert shop.facts()["version"] == "one"


def test_a_missing_image_stops_nothing(shop: Shop) -> None:
    """The image is proven to be there before anything is stopped, when it is prepared and again when it starts."""
    do, platform = Direct(), shop.platform()
    two = shop.deploy(platform, do, "two", "r1")
    before = shop.started("api")
    gone = "sha256:" + "0" * 64
    with pytest.raises(ActionError, match="not on this machine"):
        platform.prepare(do, replace(two, extra={}, artifacts=(Artifact("api", gone, gone),)), "r2")
    with pytest.raises(ActionError, match="not on this machine"):
        platform.start(do, replace(two, extra={**two.extra, "images": {"api": gone, "jobs": gone}}), "", "r2", "r2")
    assert shop.started("api") == before


@pytest.mark.parametrize("old_is_there", [True, False], ids=["beside the old one", "in its place"])
def test_leftovers_of_an_interrupted_compose_are_finished_first(shop: Shop, old_is_there: bool) -> None:
    """A `<12 hex>_name` container is removed if the proper one exists, and gets its name if not."""
    do, platform = Direct(), shop.platform()
    shop.deploy(platform, do, "one", "r1")
    name = f"{shop.project}-jobs-1"
    if old_is_there:
        leftover = _interrupt(shop)
    else:
        leftover = f"{'a' * 12}_{name}"
        shop.docker.run("rename", name, leftover)
    shop.deploy(platform, do, "two", "r2")
    assert f"r2/leftover/{leftover}" in do.keys
    names = [s.instance for s in platform.observe(do).services]
    assert sorted(names) == [f"{shop.project}-api-1", name]
    assert set(platform.observe(do).identities().values()) == {shop.images["two"]}


def _interrupt(shop: Shop) -> str:
    """Kill Compose with SIGKILL while it replaces the jobs service; return the name of the container that it left."""
    override = shop.state / "interrupted.yml"
    override.write_text(f'services: {{jobs: {{image: "{shop.images["two"]}", stop_grace_period: 20s}}}}\n')
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
    left = _until(lambda: [n for n in _names(shop) if n.endswith(f"_{stopped}")])[0]
    child.send_signal(signal.SIGKILL)
    child.wait()
    _until(lambda: "Up" in shop.docker.run("ps", "-a", "--filter", f"name=^{stopped}$", "--format", "{{.Status}}"))
    # the engine may end its pause itself meanwhile, when it gets round to the stop that Compose had asked for
    subprocess.run(["docker", "unpause", stopped], capture_output=True, check=False)
    return left


def _names(shop: Shop) -> list[str]:
    words = ("ps", "-a", "--filter", f"label=com.docker.compose.project={shop.project}", "--format", "{{.Names}}")
    return shop.docker.run(*words).split()


def _until(answer: Callable[[], Any], seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_a_job_runs_in_the_new_image_with_the_services_configuration(shop: Shop) -> None:
    """A one-off job sees the new code, the env file and the data, beside the old version that serves on."""
    do, platform = Direct(), shop.platform()
    shop.deploy(platform, do, "one", "r1")
    before = shop.started("api")
    two = shop.prepared(platform, do, "two", "r2")
    out = platform.run_job(
        do, two, ("python", "/srv/app.py", "facts"), service="api", key=None, says="ask", release_id="r2",
        deadline_seconds=120,
    )  # fmt: skip
    assert json.loads(out) == {
        "version": "two", "greeting": "two", "secret": "geheim-1234", "uploads": ["photo.jpg"],
    }  # fmt: skip
    silent = platform.run_job(
        do, two, ("python", "/srv/app.py", "facts"), service="api", key="migrate/api", says="migrate", release_id="r2",
        deadline_seconds=120,
    )  # fmt: skip
    assert silent == b""
    with pytest.raises(ActionError, match="exited with 7"):
        platform.run_job(
            do, two, ("python", "-c", "raise SystemExit(7)"), service="jobs", key=None, says="fail", release_id="r2",
            deadline_seconds=120,
        )  # fmt: skip
    assert shop.started("api") == before
    assert sorted(s.service for s in platform.observe(do).services) == ["api", "jobs"]


def test_a_job_can_be_found_awaited_and_ended_by_its_name(shop: Shop) -> None:
    """Elsewhere finds a job's container whose Compose was killed, waits for it, and removes it, twice if need be."""
    do, platform = Direct(), shop.platform()
    two = shop.prepared(platform, do, "two", "r1")
    asked: list[Command[Any]] = []
    platform.run_job(
        lambda action: asked.append(action), two, ("python", "-c", "import time; time.sleep(60)"), service="jobs",
        key="migrate/api", says="sleep", release_id="r1", deadline_seconds=120,
    )  # fmt: skip
    job = asked[0]
    assert job.elsewhere is not None
    child = subprocess.Popen(job.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    where = job.elsewhere
    _until(lambda: shop.docker.run(*where.running[1:]))
    child.kill()
    child.wait()
    assert shop.docker.run(*where.running[1:])
    labels = shop.docker.run("inspect", "-f", "{{json .Config.Labels}}", where.end[-1])
    assert json.loads(labels)["runwright.key"] == "migrate/api"
    assert json.loads(labels)["runwright.release"] == "r1"
    shop.docker.run(*where.end[1:])
    shop.docker.run(*where.end[1:])
    assert shop.docker.run(*where.running[1:]) == ""


def test_what_ran_before_the_first_release_is_adopted_and_can_be_started_again(shop: Shop) -> None:
    """Images and configuration of containers that somebody else started are kept, whatever happens to the files."""
    do, platform = Direct(), shop.platform()
    shop.docker.run("tag", shop.images["one"], "rwt-compose-shop-api:ci")
    shop.docker.run("tag", shop.images["one"], f"{shop.project}-jobs")
    shop.compose("up", "-d", "--no-build")
    adopted = platform.adopt(do, "adopt")
    assert adopted is not None
    assert adopted.adopted
    assert adopted.commit == shop.commits["one"]
    assert adopted.artifact("api").identity == shop.images["one"]
    assert adopted.extra["drifted"] == []
    shop.docker.run("image", "rm", "rwt-compose-shop-api:ci", f"{shop.project}-jobs")
    shop.deploy(platform, do, "two", "r1")
    (shop.user / "docker-compose.yml").write_text("services: {}\n")
    platform.start(do, platform.prepare(do, adopted, "back"), "", "back", "r1")
    assert shop.facts() == {"version": "one", "greeting": "one", "secret": "geheim-1234", "uploads": ["photo.jpg"]}
    assert platform.observe(do).identities() == platform.expected(adopted)


def test_adoption_tells_of_files_that_changed_since_the_start(shop: Shop) -> None:
    """A service whose env file was edited after it was started is named as drifted."""
    do, platform = Direct(), shop.platform()
    shop.deploy(platform, do, "two", "r1")
    (shop.user / ".env").write_text("SHOP_SECRET=another-value\n")
    adopted = platform.adopt(do, "adopt")
    assert adopted is not None
    assert adopted.extra["drifted"] == ["api", "jobs"]


def test_what_was_released_to_another_environment_is_not_taken_over(shop: Shop) -> None:
    """Two environments name the same project: a release to staging on the production machine must not replace it."""
    do = Direct()
    shop.deploy(shop.platform(), do, "one", "r1")
    place = shop.platform().target
    staging = Compose(place, SERVICES, shop.tree, shop.state, {}, system="shop", environment="staging")
    with pytest.raises(RefusedError, match="released to shop/test, not to shop/staging"):
        staging.adopt(do, "adopt")


def test_nothing_that_runs_is_nothing_to_adopt(shop: Shop) -> None:
    """Where no application service runs there is no version."""
    assert shop.platform().adopt(Direct(), "adopt") is None


def test_a_service_that_did_not_run_before_is_stopped_on_the_way_back(shop: Shop) -> None:
    """Its worker was down when the application was adopted: one of the version that is taken back must not work on."""
    do, platform = Direct(), shop.platform()
    shop.deploy(platform, do, "one", "r0")
    shop.docker.run("stop", "-t", "0", f"{shop.project}-jobs-1")
    adopted = platform.adopt(do, "adopt")
    assert adopted is not None
    shop.deploy(platform, do, "two", "r1")
    assert {s.service for s in platform.observe(do).running} == {"api", "jobs"}
    platform.start(do, adopted, "", "back", "r1", keep=True)
    assert {s.service: s.identity for s in platform.observe(do).running} == {"api": shop.images["one"]}
    platform.start(do, adopted, "", "again", "r1", keep=True)
    assert "again/stop" not in do.keys


def test_the_first_of_two_releases_of_one_commit_can_be_started_again(shop: Shop) -> None:
    """The second one has another image of that commit: each keeps the files that it was started from."""
    do, platform = Direct(), shop.platform()
    first = shop.deploy(platform, do, "one", "r0")
    image = shop.images["broken"]
    other = replace(shop.version("one"), artifacts=(Artifact("api", image, image),))
    second = platform.prepare(do, other, "r1")
    assert second.extra["images"] != first.extra["images"]
    assert second.extra["files"] != first.extra["files"]
    with pytest.raises((ActionError, DeadlineError)):
        platform.start(do, second, "", "r1", "r1")
    platform.start(do, platform.prepare(do, first, "back"), "", "back", "r1", keep=True)
    assert {s.identity for s in platform.observe(do).running} == {shop.images["one"]}


def test_an_application_in_a_folder_of_its_repository_is_mounted_from_the_commit(shop: Shop) -> None:
    """Run from deploy/, with its files named from the top: the release's own configuration is mounted, not the user's."""
    top = shop.user / "deploy"
    for tree in (shop.user, shop.tree):
        (tree / "deploy").mkdir()
    for name in ("docker-compose.yml", "config", "app"):
        git(shop.tree, "mv", name, f"deploy/{name}")
    git(shop.tree, "commit", "--quiet", "-m", "into a folder")
    git(shop.user, "checkout", "--quiet", "--detach", git(shop.tree, "rev-parse", "HEAD"))
    shutil.move(shop.user / ".env", top / ".env")
    (top / "config" / "app.json").write_text('{"greeting": "edited by hand"}')
    target = ComposeTarget(
        platform="compose", project=shop.project, directory=str(top), files=["deploy/docker-compose.yml"], settle=1.0
    )
    platform = Compose(target, SERVICES, shop.tree, shop.state, {}, system="shop", environment="test")
    image = shop.images["two"]
    commit = git(shop.tree, "rev-parse", "HEAD")
    version = Version("shop", "test", "two", commit, (Artifact("api", image, image),))
    do = Direct()
    platform.start(do, platform.prepare(do, version, "r1"), "", "r1", "r1")
    here = replace(shop, user=top)
    assert here.facts()["greeting"] == json.loads((shop.tree / "deploy/config/app.json").read_text())["greeting"]


def test_what_runs_once_and_ends_is_not_run_by_a_release(shop: Shop) -> None:
    """The API waits for it when Compose starts it; a release neither runs it nor takes its end for a failure."""
    once = {"image": shop.images["one"], "entrypoint": ["python", "-c", "print('ran once')"]}
    waits = {"migrate": {"condition": "service_completed_successfully"}}
    extra = {"services": {"migrate": once, "api": {"depends_on": waits}}}
    (shop.tree / "docker-compose.override.yml").write_text(json.dumps(extra))
    git(shop.tree, "add", "-A")
    git(shop.tree, "commit", "--quiet", "-m", "a service that runs once")
    image = shop.images["two"]
    version = Version("shop", "test", "two", git(shop.tree, "rev-parse", "HEAD"), (Artifact("api", image, image),))
    do, platform = Direct(), shop.platform()
    prepared = platform.prepare(do, version, "r1")
    platform.start_dependencies(do, prepared, "r1")
    platform.start(do, prepared, "", "r1", "r1")
    platform.start_rest(do, prepared, "r1")
    assert prepared.extra["run_once"] == ["migrate"]
    assert not [name for name in _running(shop, "-a") if "migrate" in name]


def test_stop_leaves_everything_else_up_and_a_scaled_service_keeps_its_number(shop: Shop) -> None:
    """Three workers stay three through a release; stop ends the application's containers only."""
    do, platform = Direct(), shop.platform()
    first = shop.deploy(platform, do, "one", "r1")
    platform.start_rest(do, first, "r1")
    project = Path(first.extra["files"][-1]).parent
    override = project / "override.yml"
    shop.docker.run(
        "compose", "-p", shop.project, "--project-directory", str(shop.user), "-f", str(project / "tree/docker-compose.yml"),
        "-f", str(override), "-f", str(project / "release-r1.yml"), "up", "-d", "--no-build", "--no-deps", "--no-recreate",
        "--scale", "jobs=3", "jobs",
    )  # fmt: skip
    shop.deploy(platform, do, "two", "r2")
    observed = platform.observe(do)
    assert sorted(s.service for s in observed.running) == ["api", "jobs", "jobs", "jobs"]
    assert {s.identity for s in observed.running} == {shop.images["two"]}
    platform.stop(do, "", "stop")
    platform.stop(do, "", "again")
    assert platform.observe(do).running == ()
    assert "stop/stop" in do.keys
    assert "again/stop" not in do.keys
    assert {"db", "front"} <= {n.split("-")[-2] for n in _running(shop)}


def _running(shop: Shop, *flags: str) -> list[str]:
    words = ("ps", *flags, "--filter", f"label=com.docker.compose.project={shop.project}", "--format", "{{.Names}}")
    return shop.docker.run(*words).split()


def test_source_code_mounted_over_the_images_own_is_left_out_or_refused(shop: Shop) -> None:
    """A mount of ./app on /srv would run the folder's code in every image; with data in it the release is refused."""
    do, platform = Direct(), shop.platform(files=["docker-compose.yml", "dev.yml"])
    shop.checkout("two")
    (shop.tree / "dev.yml").write_text("services: {api: {volumes: ['./app:/srv']}}\n")
    git(shop.tree, "add", "dev.yml")
    version = platform.prepare(do, shop.version("two"), "r1")
    platform.start(do, version, "", "r1", "r1")
    assert shop.facts() == {"version": "two", "greeting": "two", "secret": "geheim-1234", "uploads": ["photo.jpg"]}
    (shop.user / "app" / "later.py").write_text("# the user's folder is ahead of what is released\n")
    git(shop.user, "add", "app/later.py")
    platform.prepare(do, shop.version("two"), "r1-again")
    (shop.user / "app" / "shop.sqlite3").write_text("somebody's data")
    with pytest.raises(RefusedError, match=r"app/shop\.sqlite3"):
        platform.prepare(do, shop.version("two"), "r2")
    allowed = shop.platform(files=["docker-compose.yml", "dev.yml"], allow_source_mounts=True)
    allowed.start(do, allowed.prepare(do, shop.version("two"), "r3"), "", "r3", "r3")
    assert shop.facts()["version"] == "one"


def test_a_volume_that_keeps_older_code_is_never_mounted_over_newer(shop: Shop) -> None:
    """Docker fills a new volume from the image, and never again: version two would run version one's code."""
    do, platform = Direct(), shop.platform(files=["docker-compose.yml", "code.yml"])
    for name in ("one", "two"):
        shop.checkout(name)
        (shop.tree / "code.yml").write_text("services: {api: {volumes: ['code:/srv']}}\nvolumes: {code: {}}\n")
        git(shop.tree, "add", "code.yml")
        if name == "one":
            version = platform.prepare(do, shop.version("one"), "r1")
            platform.start(do, version, "", "r1", "r1")
            git(shop.tree, "rm", "--quiet", "--cached", "code.yml")
    with pytest.raises(RefusedError, match=r"VERSION"):
        platform.prepare(do, shop.version("two"), "r2")
    api = next(f for f in platform.observe(do).services if f.service == "api")
    assert platform.unplanned(version, api) == ()
    planned = {"api": {target: source for target, source in version.extra["mounts"]["api"].items() if target != "/srv"}}
    without = replace(version, extra={**version.extra, "mounts": planned})
    assert platform.unplanned(without, api) == (f"{api.instance} has {shop.project}_code mounted on /srv",)
    assert shop.docker.run("ps", "-aq", "--filter", "label=runwright.look") == ""


def test_nothing_is_started_beside_the_same_application_under_another_name(shop: Shop) -> None:
    """Its database would be started a second time, on the same data: seen before a version is built, and as it is put in place."""
    do, other = Direct(), f"{shop.project}-other"
    (shop.user / "queue").mkdir()
    more = "services: {db: {volumes: ['./queue:/queue']}}\n"
    for folder in (shop.user, shop.tree):
        (folder / "docker-compose.override.yml").write_text(more)
    git(shop.tree, "add", "docker-compose.override.yml")
    words = ("compose", "-p", other, "--project-directory", str(shop.user))
    try:
        shop.docker.run(*words, "up", "-d", "--no-build", "db")
        platform = shop.platform()
        assert [claim.project for claim in platform.claims(do)] == [other, ""]
        assert not platform.is_new(do, "db")
        with pytest.raises(
            RefusedError, match=rf"queue, which db would write to \(/queue\), is in use by {other}-db-1"
        ):
            platform.prepare(do, shop.version("two"), "r1")
        assert do.keys == []
    finally:
        shop.docker.run(*words, "down", "--volumes", "--timeout", "0")
    assert platform.claims(do) == ()


def test_what_cannot_be_started_is_refused_while_the_old_version_runs(shop: Shop) -> None:
    """Compose finds it only as it makes the new container, when the old one is gone: so it rehearses that before."""
    do, platform = Direct(), shop.platform(files=["docker-compose.yml", "more.yml"])
    shop.deploy(shop.platform(), do, "one", "r1")
    before = shop.started("api")
    shop.checkout("two")
    wrong = "{mac_address: '02:42:ac:11:65:43', networks: {default: {mac_address: '02:42:ac:11:65:44'}}}"
    (shop.tree / "more.yml").write_text(f"services: {{api: {wrong}}}\n")
    git(shop.tree, "add", "more.yml")
    with pytest.raises(RefusedError, match=r"cannot start this version: .*mac_address"):
        platform.prepare(do, shop.version("two"), "r2")
    assert shop.started("api") == before


def test_an_entrypoint_that_would_swallow_the_command_is_replaced(shop: Shop) -> None:
    """`entrypoint: [python, app.py]` takes what follows for its own arguments; a job gets its program all the same."""
    do, platform = Direct(), shop.platform(files=["docker-compose.yml", "more.yml"])
    shop.checkout("two")
    (shop.tree / "more.yml").write_text("services: {jobs: {entrypoint: [python, /srv/app.py], command: [jobs]}}\n")
    git(shop.tree, "add", "more.yml")
    version = platform.prepare(do, shop.version("two"), "r1")
    assert version.extra["bare"] == ["jobs"]
    out = platform.run_job(
        do, version, ("python", "-c", "print('as asked')"), service="jobs", key=None, says="ask", release_id="r1",
        deadline_seconds=120,
    )  # fmt: skip
    assert out == b"as asked\n"


def test_a_tree_at_another_commit_is_not_released(shop: Shop) -> None:
    """What is put in place are the files of the commit that was asked for, or none."""
    do, platform = Direct(), shop.platform()
    shop.checkout("one")
    with pytest.raises(InputError, match="is at commit"):
        platform.prepare(do, shop.version("two"), "r1")
    assert do.keys == []


def test_what_containers_use_and_whether_they_are_steady_is_measured(shop: Shop) -> None:
    """Numbers of running containers by name; one that is killed meanwhile is not steady."""
    do, platform = Direct(), shop.platform()
    shop.deploy(platform, do, "two", "r1")
    names = [s.instance for s in platform.observe(do).services]
    before = vitals(do, names)
    used = stats(do, names)
    assert sorted(used) == sorted(names)
    assert all(usage.memory_percent > 0 and usage.restarts == 0 for usage in used.values())
    assert unsteady(before, vitals(do, names)) == []
    shop.docker.run("kill", f"{shop.project}-jobs-1")
    assert unsteady(before, vitals(do, names)) == [f"{shop.project}-jobs-1 is exited (exit code 137)"]
