"""The Compose platform against a real engine, with a tiny application of our own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.errors import ActionError, InputError, RefusedError
from runwright.platforms.compose import Compose
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.fixtures.compose_shop import SERVICES, Shop, git, running

pytestmark = pytest.mark.docker


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
    assert not [name for name in running(shop, "-a") if "migrate" in name]


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
    assert {"db", "front"} <= {n.split("-")[-2] for n in running(shop)}


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
    ours = [word for image in shop.images.values() for word in ("--filter", f"ancestor={image}")]
    assert shop.docker.run("ps", "-aq", "--filter", "label=runwright.look", *ours) == ""


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


def test_a_tree_at_another_commit_is_not_released(shop: Shop) -> None:
    """What is put in place are the files of the commit that was asked for, or none."""
    do, platform = Direct(), shop.platform()
    shop.checkout("one")
    with pytest.raises(InputError, match="is at commit"):
        platform.prepare(do, shop.version("two"), "r1")
    assert do.keys == []
