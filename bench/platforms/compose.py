"""One release of the example under Docker Compose: the runbook's commands in a script, and Runwright, by turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.numbers import Row, Section, Series, series
from bench.platforms.compose_world import ENVIRONMENT, SERVICES, Copy, World
from bench.prefect_server import prefect_server
from bench.shop import NEW, OLD, call
from examples.client import Client
from runwright.errors import ActionError
from runwright.ledger import open_ledger
from runwright.platforms.compose import Compose
from runwright.runbook.loader import load
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.direct import Direct

SCRIPT = Path(__file__).with_name("compose.sh")
RATE = 20.0
AT_ONCE = 10
"""A request that hangs on a container that is being replaced must not keep the others waiting."""
AT_MOST_SECONDS = 180.0
ALLOWED_RATIO, ALLOWED_SECONDS = 1.05, 2.0
DOWNTIME_NOISE_SECONDS = 0.25
"""Five requests: what a container's own start varies by on a quiet machine. Never the spread that was seen: a busy
machine would excuse anything."""


@dataclass(frozen=True)
class Round:
    """One release. marks: {what: seconds since the first action}. downtime: the longest time without a success."""

    marks: dict[str, float]
    downtime: float
    failed: int
    spent: dict[str, float]


def measure(rounds: int, folder: Path, say: Callable[[str], None]) -> Section:
    """Release ``rounds`` times with each, by turns, and compare."""
    world = World(folder)
    try:
        with prefect_server(world.home / "prefect") as api:
            say("compose: two copies of the shop are started at the old version")
            world.make()
            world.deploy(OLD, api)
            world.keep_ledger()
            found: dict[str, list[Round]] = {"script": [], "runwright": []}
            failed: dict[str, list[str]] = {"script": [], "runwright": []}
            ways: dict[str, Callable[[], Round]] = {
                "script": lambda: by_script(world),
                "runwright": lambda: by_runwright(world, api),
            }
            for number in range(rounds):
                for name in sorted(ways, reverse=number % 2 == 0):
                    put_back(world, first=not any((*found.values(), *failed.values())))
                    try:
                        last = ways[name]()
                    except RuntimeError as error:
                        failed[name].append(str(error).splitlines()[-1])
                        say(f"compose: round {number + 1}, {name} failed: {error}")
                        continue
                    found[name].append(last)
                    say(f"compose: round {number + 1}, {name}: {last.marks}, downtime {last.downtime:.2f} s")
    finally:
        world.remove()
    if not all(found.values()):
        raise RuntimeError(f"not one round succeeded: {failed}")
    return section(found["script"], found["runwright"], failed)


def by_script(world: World) -> Round:
    """Run the script of the runbook's commands."""
    copy = world.shell
    given = {
        "PROJECT": copy.project,
        "ENV_FILE": str(copy.env_file),
        "FRONT": copy.front,
        "BACKUP": str(world.folder / "backups" / "script.dump"),
    }
    with loaded(copy) as client:
        printed = call("bash", str(SCRIPT), cwd=world.trees[NEW], env={**os.environ, **given})
    times = {name: float(at) for name, at in (line.split() for line in printed.splitlines() if line.count(" ") == 1)}
    marks = {name: round(at - times["start"], 3) for name, at in times.items() if name != "start"}
    spent = {b: marks[b] - marks.get(a, 0.0) for a, b in zip(["start", *marks], marks, strict=False)}
    return Round(marks, client["worst_gap_seconds"], client["failed"], spent)


def by_runwright(world: World, api: str) -> Round:
    """Run the flow on the Prefect server."""
    with loaded(world.runwright) as client:
        trace = world.deploy(NEW, api)
    with open_ledger(f"sqlite:///{world.home / 'ledger.db'}") as ledger:
        live = ledger.releases.live(world.system, ENVIRONMENT)
        assert live is not None and live.ref == NEW
        entries = [e for e in ledger.journal(live.id).entries() if e.key.startswith("deploy/")]
        verified = next(t.at for t in ledger.releases.transitions(live.id) if t.after.value == "watching")
    assert client["failed"], "no request failed although containers were replaced: nothing was measured"
    began, ended = entries[0].intent_at.timestamp(), verified.timestamp()
    build = sum(
        took(a) for a in trace if "/build/" in (a["key"] or "") and a["kind"] == "Command" and "tag" not in a["key"]
    )
    spent = breakdown(
        [a for a in trace if began - 0.05 <= a["began"] and a["ended"] <= ended + 0.05 and not a["depth"]]
    )
    window = ended - began
    spent["between actions: the ledger, Prefect's steps, reading the release"] = window - sum(spent.values())
    added = build - spent["proofs of the backup"]
    marks = {
        "window": round(window, 3),
        "built": round(build, 3),
        "answers": round(client["answers since"] - began + added, 3),
        "healthy": round(window + added, 3),
        "whole run": round(max(a["ended"] for a in trace) - trace[0]["began"], 3),
    }
    return Round(marks, client["worst_gap_seconds"], client["failed"], spent | {"build": build})


def took(action: dict[str, Any]) -> float:
    """Return the seconds of one action of a trace."""
    return float(action["ended"] - action["began"])


def breakdown(actions: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return {what for: seconds} of a trace's outermost actions."""
    spent: dict[str, float] = {}
    for name in ("dump", "migrate", "replace", "wait until healthy", "ask the front door", "proofs of the backup",
                 "looking at the target"):  # fmt: skip
        spent[name] = 0.0
    for action in actions:
        spent[_kind(action)] += took(action)
    return spent


def _kind(action: dict[str, Any]) -> str:
    key, kind = action["key"] or "", action["kind"]
    if "pg_restore" in action["program"] or "sha256sum" in action["program"]:
        return "proofs of the backup"
    for part, name in (("/dump", "dump"), ("deploy/migrate", "migrate"), ("deploy/up", "replace")):
        if part in key:
            return name
    if kind == "Http" or (kind == "Wait" and "answers as expected" in action["says"]):
        return "ask the front door"
    return "wait until healthy" if kind == "Wait" else "looking at the target"


class Noting(Client):
    """A client that notes when the front door answered again."""

    answers_since = 0.0
    _failing = False

    def _count(self, result: str) -> None:
        super()._count(result)
        if result == "ok" and self._failing:
            self.answers_since = time.time()
        self._failing = result != "ok"


@contextmanager
def loaded(copy: Copy) -> Any:
    """Ask the front door meanwhile; the dict that is given holds the counts once it is over."""
    counts: dict[str, Any] = {}
    client = Noting(f"{copy.front}/items", seconds=AT_MOST_SECONDS, rate=RATE, workers=AT_ONCE).start()
    try:
        yield counts
    finally:
        counts |= client.stop() | {"answers since": client.answers_since}
    assert copy.version() == NEW, f"{copy.version()} answers, not {NEW}"


def put_back(world: World, *, first: bool) -> None:
    """Put both copies back to the old version, running and healthy. ``first``: they are there."""

    def shell() -> None:
        if not first:
            world.shell.compose(world.trees[OLD], "up", "-d", "--build", *SERVICES)
        world.shell.old_schema()
        world.shell.wait_until_healthy()

    def runwright() -> None:
        if not first:
            world.restore_ledger()
            start_old(world)
        world.forget_build()
        world.runwright.old_schema()
        world.runwright.wait_until_healthy()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(shell), pool.submit(runwright)]:
            done.result()
    for copy in (world.shell, world.runwright):
        assert copy.version() == OLD, f"{copy.project}: {copy.version()} answers, not {OLD}"


def start_old(world: World) -> None:
    """Start the old version as Runwright itself would."""
    with open_ledger(f"sqlite:///{world.home / 'ledger.db'}") as ledger:
        live = ledger.releases.live(world.system, ENVIRONMENT)
    assert live is not None and live.version is not None
    book = load(world.folder / "systems" / f"{world.system}.yaml").runbook
    target = book.environments[ENVIRONMENT].target
    assert isinstance(target, ComposeTarget)
    state = world.home / "systems" / world.system / ENVIRONMENT
    platform = Compose(
        target, book.services(), state / "tree", state / "state", {}, system=world.system, environment=ENVIRONMENT
    )
    # on a busy machine a health check may be late; that everything is healthy in the end is asked for by itself
    with suppress(ActionError):
        platform.start(Direct(), live.version, "", "again", live.id)


def section(script: list[Round], runwright: list[Round], failed: dict[str, list[str]]) -> Section:
    """Return what was measured, beside what is promised."""

    def of(rounds: list[Round], mark: str) -> Series:
        return series([r.marks[mark] for r in rounds])

    def row(name: str, mark: str) -> Row:
        mine, its = of(runwright, mark), of(script, mark)
        kept = mine.median <= its.median * ALLOWED_RATIO + ALLOWED_SECONDS
        return Row(name, mine, its, "at most 5 % and 2 s more", kept)

    down, its = series([r.downtime for r in runwright]), series([r.downtime for r in script])
    return Section(
        "One release under Docker Compose: dump, build, migrate, replace, ask",
        (
            row("first action until every service is healthy", "healthy"),
            row("first action until the front door answers again", "answers"),
            Row("Runwright until healthy, beside a script that is content with the front door",
                of(runwright, "healthy"), of(script, "answers")),
            Row("downtime: the longest time without an answer", down, its, f"no longer ({DOWNTIME_NOISE_SECONDS:g} s is noise)",
                down.median <= its.median + DOWNTIME_NOISE_SECONDS),
            Row("requests that failed meanwhile, at 20 a second", series([r.failed for r in runwright], ""),
                series([r.failed for r in script], "")),
            Row("rounds that failed", series([len(failed["runwright"])], ""), series([len(failed["script"])], ""), "none",
                not failed["runwright"]),
            Row("all of Runwright: checks, plan, build, proofs, release, one look of the watch", of(runwright, "whole run")),
        ),
        (
            "Runwright's time is taken from its journal: from the intent of the first change after the plan until the "
            "release is verified. Its build comes before the plan and is added; the proofs of the backup (hashing it "
            "and reading it back) are taken away. Both build from cached layers; the containers of both run the same code.",
            *(f"A round of {name} failed: {why}" for name, reasons in failed.items() for why in reasons),
        ),
        {
            **{f"runwright: {name}": series([r.spent[name] for r in runwright]) for name in runwright[0].spent},
            **{f"script: {name}": series([r.spent[name] for r in script]) for name in script[0].spent},
        },
    )  # fmt: skip
