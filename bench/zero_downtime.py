"""What users notice of a change, and of the way back from it: each tool changes the same application under the same load.

About 300 requests a second: POSTs on kept connections that nobody sends twice, new connections, requests of five seconds,
open event streams and websockets. The machine is shared, so counts and ratios are what counts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.numbers import Row, Section, series
from bench.shop import call
from bench.zero import fronts
from bench.zero.by_hand import ByHand
from bench.zero.counting import Times, row
from bench.zero.places import Place, clients

RESULTS = "zero_downtime.json"
QUIET_SECONDS, WATCHED_SECONDS, AFTER_SECONDS = 6.0, 3.0, 2.0
RELEASE_SECONDS = 150.0
OURS = "runwright"
FIRST = ", first time"
CANARY, ROLLING, IN_PLACE = "canary", "rolling", "recreate"
"""Rows of what is measured, as a runbook names it."""
PLUGIN = "ROLLOUT"
"""The environment variable that names the plugin's program, where it is not installed: without either its steps are done."""
NGINX, SWITCH = "nginx", "caddy, the switch"


def measure(_: int, folder: Path, say: Callable[[str], None], results: Path) -> Section:
    """Change the application once with each tool, one after the other; the rows go to ``results``."""
    rows: list[dict[str, Any]] = []

    def found(one: dict[str, Any]) -> None:
        say(f"zero downtime: {json.dumps(one)}")
        rows.append(one)

    parts = (
        (by_runwright, fronts.nginx()),
        (by_runwright, fronts.nobody()),
        (by_runwright, fronts.own_haproxy()),
        (by_runwright, fronts.own_nginx()),
        (in_place, fronts.nginx()),
    )
    for number, (part, front) in enumerate(parts):
        (mine := folder / f"zero-{number}").mkdir(mode=0o755)
        place = Place(mine, front)
        try:
            part(place, found)
        finally:
            place.remove()
    (folder / "hand").mkdir()
    hand = ByHand(folder / "hand")
    try:
        found(by_hand(hand))
    finally:
        hand.remove()
    results.mkdir(parents=True, exist_ok=True)
    (results / RESULTS).write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    return section(rows)


# ---------------------------------------------------------------------------------------------------------- Runwright


def by_runwright(place: Place, found: Callable[[dict[str, Any]], None]) -> None:
    """Release side by side: once for the first time, once more, by shares, and one container after the other."""
    front = place.front
    router = front.name if front.own else ", behind ".join(filter(None, (SWITCH, front.name)))
    place.make(versions=5)
    place.runbook("blue_green", "2s")
    found(released(place, "v2", router, f"blue_green{FIRST}", taken_back=False))
    for strategy, version in (("blue_green", "v3"), (CANARY, "v4"), (ROLLING, "v5")):
        if front.own and (strategy == ROLLING or (router, strategy) == (NGINX, CANARY)):
            continue  # those two know no single containers, and nginx counts no requests by upstream
        place.runbook(strategy, "60s")
        found(released(place, version, router, strategy))


def released(place: Place, version: str, router: str, strategy: str, *, taken_back: bool = True) -> dict[str, Any]:
    """Release ``version``; if it is to be taken back, make it bad once it is watched."""
    with clients(place.port, place.folder) as asked:
        quiet = _quiet()
        process = place.release(version, place.folder / "release.log")
        with _ended(process):
            marks = _marks(process, place, spoils=taken_back)
        time.sleep(AFTER_SECONDS)
    if "done" not in marks or ("verdict" in marks) != taken_back:
        last = (place.folder / "release.log").read_text()[-2000:]
        raise RuntimeError(f"the release of {version} went another way: {marks}\n{last}")
    times = Times(quiet, marks["began"], marks["done"], marks.get("verdict"))
    return row(OURS, router, strategy, asked, times, version)


def _marks(process: subprocess.Popen[str], place: Place, *, spoils: bool) -> dict[str, float]:
    marks: dict[str, float] = {}
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        marks[said["mark"]] = said["at"]
        if said["text"]:
            with (place.folder / "release.log").open("a") as log:
                log.write(said["text"])
        if said["mark"] == "done" and spoils:
            time.sleep(WATCHED_SECONDS)
            place.spoil()
    return marks


# ------------------------------------------------------------------------------------------------------ what is beside


def in_place(place: Place, found: Callable[[dict[str, Any]], None]) -> None:
    """Change the same application by Compose alone, by the plugin, and by Runwright in place."""
    place.make(versions=2)
    found(changed(place, "docker compose up -d", IN_PLACE, lambda: place.compose("up", "-d", "--build")))
    found(changed(place, plugin(), ROLLING, lambda: rollout(place)))
    place.runbook("", "60s")
    found(released(place, "v2", NGINX, IN_PLACE))


def changed(place: Place, tool: str, strategy: str, change: Callable[[], object]) -> dict[str, Any]:
    """Change to the second version by ``change``, and back to the first by the same."""
    with clients(place.port, place.folder) as asked:
        quiet = _quiet()
        began = time.time()
        place.checkout("v2")
        change()
        done = time.time()
        time.sleep(WATCHED_SECONDS)
        verdict = time.time()
        place.checkout("v1")
        change()
        time.sleep(AFTER_SECONDS)
    return row(tool, NGINX, strategy, asked, Times(quiet, began, done, verdict), "v2")


def plugin() -> str:
    """Return what the rolling change is made with."""
    return "docker-rollout" if _program() else "the steps of docker-rollout"


def rollout(place: Place) -> None:
    """Build, and let the plugin replace the service; without it, do the same: twice as many, wait, remove the old one."""
    place.compose("build", "-q", "web")
    if program := _program():
        call(program, "rollout", "-p", place.project, "web", cwd=place.opt)
        return
    old = place.compose("ps", "-q", "web").split()
    place.compose("up", "-d", "--scale", f"web={2 * len(old)}", "--no-recreate", "web")
    until = time.monotonic() + RELEASE_SECONDS
    while "starting" in (told := place.compose("ps", "--format", "{{.Health}}", "web")) or "unhealthy" in told:
        if time.monotonic() > until:
            raise TimeoutError("the new container does not get healthy")
        time.sleep(1)
    call("docker", "stop", *old)
    call("docker", "rm", *old)


def _program() -> str | None:
    return os.environ.get(PLUGIN) or shutil.which("docker-rollout")


def by_hand(hand: ByHand) -> dict[str, Any]:
    """Start a second environment, let Caddy load a configuration that names it, and another one for the way back."""
    hand.make()
    time.sleep(1)
    with clients(hand.port, hand.folder) as asked:
        quiet = _quiet()
        began = time.time()
        hand.start("green")
        hand.switch("green")
        done = time.time()
        time.sleep(WATCHED_SECONDS)
        verdict = time.time()
        hand.switch("blue")
        hand.stop("green")
        time.sleep(AFTER_SECONDS)
    return row("commands by hand", "caddy, by reload", "blue_green", asked, Times(quiet, began, done, verdict), "v2")


# -------------------------------------------------------------------------------------------------------------- shared


def _quiet() -> float:
    """Let the clients ask for a while with nothing else going on. Return when it began."""
    time.sleep(1)
    began = time.time()
    time.sleep(QUIET_SECONDS)
    return began


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Any:
    try:
        yield
        process.wait(RELEASE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def promised(one: dict[str, Any]) -> bool:
    """Return whether it is promised that no user notices this change."""
    loses = one["router"] == NGINX or FIRST in one["strategy"]
    return bool(one["tool"] == OURS and one["strategy"] != IN_PLACE and not loses)


def section(rows: list[dict[str, Any]]) -> Section:
    """Return the rows for the table: what was lost, beside `docker compose up -d` of the same change."""
    plain = next(one for one in rows if one["tool"] == "docker compose up -d")
    shown = []
    for one in rows:
        lost = one["failed"] + one["cut"]
        shown.append(
            Row(
                f"lost of {one['requests']}: {one['tool']}, {one['strategy']}, {one['router']}",
                series([float(lost)], ""),
                series([float(plain["failed"] + plain["cut"])], ""),
                "none" if promised(one) else "",
                lost == 0 if promised(one) else None,
            )
        )
    notes = (
        "Lost: failed or cut, during the change and the way back. Beside it: `docker compose up -d` of the same change.",
        *(
            f"{one['tool']}, {one['strategy']}, {one['router']}: {one['seconds']} s, p99 x{one['p99_ratio']}, "
            f"last new request on the bad version {one['back_seconds']} s after the verdict."
            for one in rows
        ),
        f"All rows are in {RESULTS}.",
    )
    return Section("Zero downtime: the same change of the same application under load", tuple(shown), notes)
