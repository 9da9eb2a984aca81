"""What lives beside the services that are replaced, and what becomes of it: on recorded answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.engine.actions import Output, WriteFile
from runwright.errors import ActionError
from runwright.platforms.compose import Compose
from runwright.platforms.compose.config import DEPENDS, parse_config
from runwright.platforms.compose.neighbours import Proxy, meets, program_of
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.replies import Replies
from runwright.versions import Version
from tests.unit.platforms.test_compose_containers import line
from tests.unit.platforms.test_compose_driver import COMMIT, NEW, OLD, argv, platform, version

NETWORK = {"shop_default": {}}
FOLLOWERS = {
    "edge": {"api": "uses the network of"},
    "meter": {"edge": "uses the processes of"},
    "report": {"api": DEPENDS},
    "front": {"api": DEPENDS, "report": DEPENDS},
}
NGINX = "PID COMMAND\n71 nginx: master process nginx -g daemon off;\n72 nginx: worker process\n"
PYTHON = "PID COMMAND\n80 python app.py\n"


def container(of: str, **changes: Any) -> str:
    known = {"id": of, "name": f"/shop-{of}-1", "service": of, "image": NEW, "commit": COMMIT}
    return line(**{**known, "networks": NETWORK, "ports": {}, **changes})


def beside(*containers: str, tops: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """Return the replies of a project with ``containers``; tops: what `docker top` prints, by id."""
    image = json.dumps({"id": NEW, "entrypoint": None, "command": None, "revision": ""}).encode()
    return {
        **{f"docker top {name}": Output(0, text.encode(), b"") for name, text in (tops or {}).items()},
        **given,
        "docker top": Output(0, PYTHON.encode(), b""),
        "docker image inspect": Output(0, image, b""),
        "docker ps": Output(0, b"c1\n", b""),
        "docker container inspect": Output(0, "\n".join(containers).encode(), b""),
    }


NAMES = ("api", "db", "edge", "front", "jobs", "meter", "report", "web")
BEFORE = tuple(container(s, commit="f" * 40) for s in NAMES)
"""What runs is of another commit."""
ALL = tuple(container(s) for s in NAMES)
KNOWS = version(followers=FOLLOWERS, others=["edge", "front", "meter", "report"])


CONFIG = b"http {\n # proxy_pass http://jobs;\n  upstream back { server api:8000; }\n proxy_set_header Authorization s3cret; }\n"
DUMPED = {"nginx -t": Output(0, b"", b""), "nginx -T": Output(0, CONFIG, b"")}


def start(replies: dict[str, Any], of: Compose | None = None, what: Version = KNOWS, **how: Any) -> Replies:
    do, shop = Replies(replies, lenient=True), of or platform()
    shop.start(do, what, "", "back" if how.get("keep") else "deploy", "r2", beside=shop.beside(do, what), **how)
    return do


# ------------------------------------------------------------------------------------------ what hangs on what


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"network_mode": "service:api"}, {"api": "uses the network of"}),
        ({"network_mode": "container:shop-api-1"}, {"api": "uses the network of"}),
        ({"network_mode": "container:one"}, {"named": "uses the network of"}),
        ({"pid": "service:api"}, {"api": "uses the processes of"}),
        ({"ipc": "service:api"}, {"api": "uses the memory of"}),
        ({"ipc": "shareable", "network_mode": "host", "pid": "host"}, None),
        ({"volumes_from": ["api:ro"]}, {"api": "uses the volumes of"}),
        ({"volumes_from": ["container:one:ro"]}, {"named": "uses the volumes of"}),
        (
            {"depends_on": {"api": {"condition": "service_started", "restart": True}}},
            {"api": "is to be restarted with"},
        ),
        ({"depends_on": {"api": {"condition": "service_started"}}}, {"api": DEPENDS}),
        ({"depends_on": ["api"]}, {"api": DEPENDS}),
        # Compose writes this of a link, as if somebody had asked for it
        ({"links": ["api:back"], "depends_on": {"api": {"restart": True}}}, {"api": DEPENDS}),
        ({"network_mode": "container:of-somebody-else"}, None),
    ],
)
def test_what_a_service_hangs_on_is_read_as_compose_means_it(said: dict[str, Any], expected: Any) -> None:
    """By a shared network, processes, memory or volumes, by a restart that is asked for, or by depending on it alone."""
    services = {"api": {}, "named": {"container_name": "one"}, "other": said}
    config = parse_config(Output(0, json.dumps({"services": services}).encode(), b""))
    assert config.followers("shop") == ({"other": expected} if expected else {})


def test_what_names_a_container_is_made_after_it() -> None:
    """Compose does not know that one hangs on the other, and would make both at once."""
    do = start(beside(*BEFORE), what=version(followers=FOLLOWERS, unordered={"edge": ["api"]}))
    labels = next(a for a in do.changes if a.key == "deploy/labels")
    assert isinstance(labels, WriteFile)
    said = yaml.safe_load(labels.content)["services"]
    assert said["edge"]["depends_on"] == ["api"]
    services = {"api": {}, "edge": {"network_mode": "container:shop-api-1"}, "web": {"depends_on": ["api"]}}
    config = parse_config(Output(0, json.dumps({"services": services}).encode(), b""))
    assert config.unordered("shop") == {"edge": ["api"]}


def test_what_runs_once_follows_nobody() -> None:
    """A migration that waits for the application is not run again because that is replaced."""
    once = {"api": {"condition": "service_started"}}
    seed = {"seed": {"condition": "service_completed_successfully"}}
    services = {"api": {}, "seed": {"depends_on": once}, "shop": {"depends_on": seed}}
    config = parse_config(Output(0, json.dumps({"services": services}).encode(), b""))
    assert config.followers("shop") == {"shop": {"seed": DEPENDS}}


# ------------------------------------------------------------------------------------------ who is made anew


def test_what_hangs_on_a_replaced_service_is_made_anew_with_it_however_far_up() -> None:
    """In the same `up`, so that Compose orders it; what depends on nothing of it stays.

    What uses its processes is stopped before: the kernel ends it together with them, and Compose fails on what has just ended.
    """
    do = start(beside(*BEFORE))
    assert do.keys == ["deploy/labels", "deploy/up/before", "deploy/up"]
    assert argv(do, "deploy/up")[-8:] == ("--no-deps", "api", "jobs", "web", "edge", "report", "front", "meter")
    labels = next(a for a in do.changes if a.key == "deploy/labels")
    assert isinstance(labels, WriteFile)
    said = yaml.safe_load(labels.content)["services"]
    assert said["edge"]["labels"] == {"runwright.release": "r2", "runwright.beside": "deploy"}
    assert "db" not in said


def test_what_somebody_stopped_stays_stopped_but_what_this_release_made_is_finished() -> None:
    """Compose was interrupted between making a container and starting it: it is this release's."""
    for changes, expected in (({"state": "exited"}, False), ({"state": "created", "release": "r2"}, True)):
        there = [container(s, **(changes if s == "edge" else {})) for s in NAMES]
        found = platform().beside(Replies(beside(*there)), KNOWS).what
        assert ("edge" in found.with_them(KNOWS, {"api"}, "r2")) is expected


def test_the_plan_names_whom_the_release_touches_and_why() -> None:
    """A sentence of what is made anew, one of who is told."""
    do = Replies(beside(*ALL, tops={"front": NGINX}, **DUMPED))
    found = platform().beside(do, KNOWS).what
    assert found.anew(KNOWS) == (
        "Made anew with what it hangs on, as `docker compose up` does: edge uses the network of api; report depends on api; "
        "meter uses the processes of edge.",
        "Told to look up names again, since addresses move: shop-front-1 (nginx).",
    )


def test_what_is_started_again_on_the_way_back_takes_along_what_uses_its_network() -> None:
    """A container that is stopped and started has a new network: what was in the old one is cut off. Nothing of the
    application's own is made anew for it."""
    drained = (container("api", state="exited", exit_code=137), *ALL[1:])
    replies = beside(*ALL)
    replies["docker container inspect"] = [Output(0, "\n".join(c).encode(), b"") for c in (drained, ALL, drained, ALL)]
    do = start(replies, keep=True)
    assert do.keys == ["back/again/api", "back/labels", "back/up/before", "back/up"]
    assert argv(do, "back/up")[-5:] == ("--no-deps", "edge", "report", "front", "meter")


def test_nothing_moves_and_nobody_beside_is_touched() -> None:
    """The way back finds the old version running as it was; a release finds its own."""
    assert start(beside(*ALL), keep=True).keys == ["back/labels"]
    assert argv(start(beside(*ALL)), "deploy/up")[-3:] == ("api", "jobs", "web")


def test_one_of_the_application_that_uses_the_network_of_another_is_not_kept_without_it() -> None:
    """It is of the right version, and dead."""
    ill = (container("api", image=OLD), *ALL[1:])
    known = version(followers={"web": {"api": "uses the network of"}, "jobs": {"api": DEPENDS}})
    replies = beside(*ALL)
    replies["docker container inspect"] = [Output(0, "\n".join(c).encode(), b"") for c in (ill, ill, ill, ALL)]
    do = start(replies, what=known, keep=True)
    assert argv(do, "back/up")[-3:] == ("--no-deps", "api", "web")


# ------------------------------------------------------------------------------------------ proxies


@pytest.mark.parametrize(
    ("processes", "tell"),
    [
        (NGINX, "docker exec c nginx -s reload"),
        (
            "PID C\n7 nginx: master process /usr/sbin/nginx -c /etc/n.conf",
            "docker exec c nginx -c /etc/n.conf -s reload",
        ),
        ("PID C\n6 sh -c envsubst\n7 nginx: master process nginx", "docker exec c nginx -s reload"),
        ("PID C\n7 haproxy -W -db -f /etc/h.cfg", "docker kill --signal USR2 c"),
        ("PID C\n7 haproxy -db -f /etc/h.cfg", "docker restart c"),
        ("PID C\n7 httpd -DFOREGROUND", "docker exec c httpd -k graceful"),
        ("PID C\n7 /usr/sbin/apache2 -D FOREGROUND", "docker exec c apache2ctl graceful"),
    ],
)
def test_each_proxy_is_told_in_its_own_way(processes: str, tell: str) -> None:
    """It is recognised by its process, whatever its image is called."""
    found = program_of(processes.splitlines()[1:], "c", "front")
    assert isinstance(found, Proxy)
    assert " ".join(found.tell) == tell


@pytest.mark.parametrize("processes", ["7 caddy run --config /etc/caddy/Caddyfile", "7 traefik", "7 envoy -c /e.yaml"])
def test_proxies_that_look_names_up_as_they_need_them_are_left_alone(processes: str) -> None:
    """Neither told nor made anew."""
    do = start(beside(*BEFORE, tops={"front": f"PID C\n{processes}"}))
    assert "front" not in argv(do, "deploy/up")
    assert do.keys == ["deploy/labels", "deploy/up/before", "deploy/up"]


def test_a_proxy_is_told_as_soon_as_the_new_containers_run_and_again_when_they_have_settled() -> None:
    """At first whatever it says: the new version may not be there to be found. At last it has to succeed."""
    refused = Output(1, b"", b"nginx: [emerg] host not found in upstream")
    replies = beside(*BEFORE, tops={"front": NGINX}, **DUMPED, **{"nginx -s reload": refused})
    do = Replies(replies, lenient=True)
    with pytest.raises(ActionError, match=r"let shop-front-1 \(nginx\) look up names again"):
        platform().start(do, KNOWS, "", "deploy", "r2", beside=platform().beside(do, KNOWS))
    told = ["deploy/up/told/shop-front-1", "deploy/told/shop-front-1"]
    assert do.keys == ["deploy/labels", "deploy/up/before", "deploy/up", *told]
    back = (container("api", image=OLD), *ALL[1:])
    replies["docker container inspect"] = [Output(0, "\n".join(c).encode(), b"") for c in (back, back, back, ALL)]
    assert start(replies, keep=True).keys[-1] == "back/told/shop-front-1"  # users wait for it, and the probes judge


def test_a_proxy_that_took_it_is_told_once() -> None:
    """Before nginx 1.27.4 each reload closes the connections that clients keep."""
    told = start(beside(*BEFORE, tops={"front": NGINX}, **DUMPED, **{"nginx -s reload": Output(0, b"", b"")})).keys
    assert [key for key in told if "/told/" in key] == ["deploy/up/told/shop-front-1"]


@pytest.mark.parametrize(
    ("dump", "moved", "told"),
    [
        (Output(0, CONFIG, b""), {"api"}, True),
        (Output(0, CONFIG, b""), {"jobs"}, False),  # which only a comment names
        (Output(0, b"server shop-jobs-1:8000;", b""), {"jobs"}, True),
        (Output(0, b"proxy_pass http://jobs.shop_default:8000;", b""), {"jobs"}, True),
        (Output(0, b"server the-jobs:8000; server jobs2:1;", b""), {"jobs"}, False),
        (Output(1, b"", b"unknown option"), {"jobs"}, True),
    ],
)
def test_only_a_proxy_whose_configuration_names_what_moved_is_told(dump: Output, moved: set[str], told: bool) -> None:
    """One that cannot be asked may name it."""
    do = Replies(beside(*ALL, tops={"front": NGINX}, **{**DUMPED, "nginx -T": dump}))
    (proxy,) = platform().beside(do, KNOWS).what.proxies
    assert proxy.meets(moved) is told
    assert "s3cret" not in repr(proxy)


def test_a_proxy_on_the_same_network_is_told_although_it_says_of_nobody_that_it_depends_on_it() -> None:
    """Only its configuration knows."""
    known = version(followers={})
    do = start(beside(*BEFORE, tops={"front": NGINX}, **DUMPED), what=known)
    assert do.keys[-1] == "deploy/up/told/shop-front-1"
    apart = (*BEFORE[:3], container("front", networks={"shop_other": {}}), *BEFORE[4:])
    assert start(beside(*apart, tops={"front": NGINX}), what=known).keys == ["deploy/labels", "deploy/up"]


def test_a_proxy_that_refuses_its_configuration_is_known_before_anything_changes() -> None:
    """With its own first sentence."""
    said = b'nginx: [emerg] unknown directive "proxy_past" in /etc/nginx/x:3\nnginx: configuration file test failed\n'
    do = Replies(beside(*ALL, tops={"front": NGINX}, **{"nginx -t": Output(1, b"", said)}))
    assert platform().beside(do, KNOWS).what.proxies[0].refuses.startswith("nginx: [emerg] unknown directive")


def test_what_is_not_the_projects_own_is_named_and_never_touched() -> None:
    """A container that somebody started by hand in a network of ours, and a proxy of another project."""
    hand = container("x", id="h", name="/by-hand", project="", service="", networks={}, shares=["container:api"])
    other = container("gate", id="g", name="/gate-1", project="gate")
    do = Replies(beside(*ALL, hand, other, tops={"g": NGINX}), lenient=True)
    found = platform().beside(do, KNOWS).what
    assert [note.split(" ", 1)[0] for note in found.notes[-2:]] == ["by-hand", "gate-1"]
    assert "`docker exec gate-1 nginx -s reload`" in found.notes[-1]
    assert not any(p.container == "gate-1" for p in found.proxies)


# ------------------------------------------------------------------------------------------ services that one version lacks

WAS = Version("shop", "production", "v0", "f" * 40, extra={"files": ["/f"], "images": {"old": OLD}})


def renamed(**target: Any) -> Compose:
    place = ComposeTarget(platform="compose", project="shop", directory="/opt/shop", settle=0.0, **target)
    return Compose(
        place, {"api": "api"}, Path("/tree"), Path("/state"), {}, system="shop", environment="production",
        gone=Compose.gone(WAS, version(images={"api": NEW}, others=[]), ["api"]),
    )  # fmt: skip


FORWARD = version(images={"api": NEW}, others=[], dependencies=[], published={"api": [["", "80"]]})
BACK = replace(WAS, extra={**FORWARD.extra, "images": {"old": OLD}, "published": {"old": [["", "80"]]}})
PORT = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]}
OLD_ONE = container("old", image=OLD, commit="f" * 40, release="r1", ports=PORT)


def test_what_only_the_version_before_has_is_stopped_before_the_new_one_starts() -> None:
    """Its port is free then, and a worker of it works no more; the plan names it."""
    replies = beside(OLD_ONE)
    replies["docker container inspect"] = [
        *[Output(0, OLD_ONE.encode(), b"")] * 3, Output(0, container("api").encode(), b""),
    ]  # fmt: skip
    do = start(replies, renamed(), FORWARD)
    assert do.keys == ["deploy/stop", "deploy/labels", "deploy/up"]
    assert argv(do, "deploy/stop") == ("docker", "stop", "old")
    assert renamed().beside(Replies(beside(OLD_ONE)), FORWARD).what.notes == (
        f"Stopped, because {FORWARD.name} has no such service: old (shop-old-1).",
    )


def test_what_the_runbook_leaves_is_left_and_refused_where_it_is_in_the_way() -> None:
    """It is named either way."""
    found = renamed(orphans="leave").beside(Replies(beside(OLD_ONE)), FORWARD).what
    assert found.notes[0].startswith("Left running")
    assert found.taken == ("shop-old-1 holds port 80, which api publishes",)
    assert renamed().beside(Replies(beside(OLD_ONE)), FORWARD).what.taken == ()


def test_what_was_never_released_is_left_although_no_file_has_it() -> None:
    """Another Compose file may share the project's name."""
    strange = container("grafana", release="")
    assert renamed().beside(Replies(beside(strange)), FORWARD).what.notes == (
        f"Left running, although the Compose files of {FORWARD.name} have no such service: grafana (shop-grafana-1).",
    )


def test_the_way_back_starts_what_the_runbook_names_no_more_and_stops_what_replaced_it() -> None:
    """First what is in the way; then the very container that was stopped."""
    new, stopped = container("api", ports=PORT, release="r2"), json.loads(OLD_ONE)
    there = f"{new}\n{json.dumps({**stopped, 'state': 'exited', 'ports': {}})}".encode()
    replies = beside()
    replies["docker container inspect"] = [*[Output(0, there, b"")] * 3, Output(0, OLD_ONE.encode(), b"")]
    do = start(replies, renamed(), BACK, keep=True)
    assert do.keys == ["back/stop", "back/again/old", "back/labels"]
    assert renamed().expected(BACK) == {"old": OLD}
    assert renamed().observe(Replies(beside(OLD_ONE))).identities() == {"old": OLD}


def test_a_name_that_goes_to_another_service_is_made_free() -> None:
    """Docker gives no name twice; the container is kept for the way back."""
    named = json.dumps({**json.loads(OLD_ONE), "name": "/shop"})
    replies = beside()
    replies["docker container inspect"] = [
        *[Output(0, named.encode(), b"")] * 3,
        Output(0, container("api").encode(), b""),
    ]
    do = start(replies, renamed(), replace(FORWARD, extra={**FORWARD.extra, "names": {"api": "shop"}}))
    assert do.keys == ["deploy/stop", "deploy/rename/shop", "deploy/labels", "deploy/up"]
    assert argv(do, "deploy/rename/shop") == ("docker", "rename", "old", "shop-old")


def test_a_port_that_a_later_service_of_the_order_holds_is_made_free() -> None:
    """The two are swapped, one after the other."""
    known = version(published={"api": [["", "80"]]})
    swapped = tuple(container("web", ports=PORT) if s == "web" else c for s, c in zip(NAMES, BEFORE, strict=True))
    do = start(beside(*swapped), platform(order=["api", "jobs", "web"]), known)
    assert do.keys[1:3] == ["deploy/up/api/free", "deploy/up/api"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("", "127.0.0.1", True), ("0.0.0.0", "10.0.0.1", True), ("127.0.0.1", "10.0.0.1", False), ("::1", "::1", True)],
)
def test_a_port_may_be_had_once_for_each_address(one: str, other: str, expected: bool) -> None:
    """Every address takes them all."""
    assert meets(one, other) is expected


def test_a_port_of_another_project_is_refused_by_name() -> None:
    """What is free is asked, not assumed."""
    other = container("gate", id="g", name="/gate-1", project="gate", ports=PORT, networks={})
    assert renamed().beside(Replies(beside(other)), FORWARD).what.taken == (
        "gate-1 holds port 80, which api publishes",
    )


def test_without_any_container_docker_is_asked_for_none() -> None:
    """A version all of whose services are gone is told, and the way back does not end at Docker's own usage message."""
    do = Replies({**beside(), "docker ps": Output(0, b"", b"")}, lenient=True)
    with pytest.raises(ActionError, match="Compose started no container for api"):
        renamed().start(do, FORWARD, "", "deploy", "r2")


def test_colours_are_not_replaced_in_place() -> None:
    """Services would be started beside them, and nobody would know who sends users where."""
    coloured = json.dumps({**json.loads(container("api")), "name": "/shop-api-green-1", "of": "api", "slot": "green"})
    found = platform().beside(Replies(beside(coloured), lenient=True), KNOWS)
    assert found.refuses is not None
    assert found.refuses.what.startswith("shop-api-green-1 runs in a colour, and the runbook says `strategy: recreate`")
    assert "--adopt" in found.refuses.next
