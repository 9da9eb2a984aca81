"""What Docker knows of containers: whether they are steady, and how much they use."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Output
from runwright.errors import ObservationError
from runwright.platforms.shape import Checked, Usage

_HEALTH = '{"name":{{json .Name}},"log":{{if .State.Health}}{{json .State.Health.Log}}{{else}}null{{end}}}'
STATS_SECONDS = 60.0
"""Docker measures for about two seconds, longer on a busy machine."""

_FORMAT = (
    '{"name":{{json .Name}},"id":{{json .ID}},"state":{{json .State.Status}},'
    '"restarts":{{.RestartCount}},"oom_killed":{{.State.OOMKilled}},"exit_code":{{.State.ExitCode}}}'
)


@dataclass(frozen=True)
class Vitals:
    """How a container fares at one moment."""

    id: str
    state: str
    restarts: int
    oom_killed: bool
    exit_code: int


def memory_free() -> Command[int | None]:
    """Return the read of how many bytes of memory the machine could still give; None where nobody can tell."""

    def parse(output: Output) -> int | None:
        lines = (line.split() for line in output.text.splitlines())
        return next((int(words[1]) * 1024 for words in lines if words[:1] == ["MemAvailable:"]), None)

    argv = ("cat", "/proc/meminfo")
    return Command(says="see how much memory is free", argv=argv, ok=frozenset(range(256)), parse=parse, assume=None)


def vitals(do: Do, containers: Iterable[str]) -> dict[str, Vitals]:
    """Return {name: vitals} of ``containers``, given by name or id. One that is gone is left out."""
    names = tuple(containers)
    if not names:
        return {}
    return do(
        Command(
            says=f"look at the containers {', '.join(names)}",
            argv=("docker", "container", "inspect", "--format", _FORMAT, *names),
            ok=frozenset({0, 1}),
            parse=parse_vitals,
        )
    )


def unsteady(before: Mapping[str, Vitals], after: Mapping[str, Vitals]) -> list[str]:
    """Return a sentence for each container that was not steady between two looks at it; [] if all were.

    Steady is: there both times, running now, the same container, not restarted meanwhile, not killed for its memory.
    """
    return [what for name in sorted(before) if (what := _unsteady(name, before[name], after.get(name)))]


def _unsteady(name: str, before: Vitals, after: Vitals | None) -> str:
    if after is None:
        return f"{name} is gone"
    if after.oom_killed:
        return f"{name} was killed because it used more memory than it may"
    if after.state != "running":
        return f"{name} is {after.state} (exit code {after.exit_code})"
    if after.restarts > before.restarts:
        return f"{name} was restarted {after.restarts - before.restarts} times (exit code {after.exit_code})"
    return f"{name} was replaced by another container" if after.id != before.id else ""


def stats(do: Do, containers: Iterable[str]) -> dict[str, Usage]:
    """Return {name: usage} of the running ``containers``, given by name or id. Raise ActionError if one is gone."""
    names = tuple(containers)
    if not names:
        return {}
    seen = vitals(do, names)
    used = do(
        Command(
            says=f"measure what {', '.join(names)} use",
            argv=("docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *names),
            parse=parse_stats,
            deadline_seconds=STATS_SECONDS,
        )
    )
    return {name: Usage(cpu, memory, seen[name].restarts) for name, (cpu, memory) in used.items() if name in seen}


def parse_vitals(output: Output) -> dict[str, Vitals]:
    """Return {name: vitals} of an inspection. Raise ObservationError if docker could not be asked."""
    if output.code and "no such container" not in output.stderr.decode("utf-8", "replace").lower():
        raise ObservationError(
            "Docker could not tell about the containers.",
            next="Run `docker ps` by hand; if it fails too, the engine is not running or may not be used by this user.",
        )
    found = {}
    for line in output.text.splitlines():
        if line.strip():
            raw = json.loads(line)
            name = str(raw.pop("name")).removeprefix("/")
            found[name] = Vitals(**raw)
    return found


def parse_stats(output: Output) -> dict[str, tuple[float, float]]:
    """Return {name: (CPU percent, memory percent)}. Raise ObservationError on a number that is none.

    A container that does not run is shown with dashes and left out: it uses nothing, and that is no measurement.
    """
    found = {}
    for line in output.text.splitlines():
        if not line.strip():
            continue
        raw = json.loads(line)
        if raw["CPUPerc"].startswith("-"):
            continue
        found[str(raw["Name"])] = (_percent(raw["CPUPerc"]), _percent(raw["MemPerc"]))
    return found


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
        if not 0 <= value < math.inf:
            raise ValueError("a percentage is not below zero, and not without end")
        return value
    except ValueError as error:
        raise ObservationError(
            f"docker stats printed {text[:20]!r} where a percentage is meant.",
            next="Run `docker stats --no-stream` by hand and look at the column.",
        ) from error


def health_log(do: Do, containers: Sequence[str]) -> dict[str, tuple[Checked, ...]]:
    """Return what the last runs of their healthchecks said, by name. One that is gone, or has none, is left out."""
    if not containers:
        return {}
    read: Command[dict[str, tuple[Checked, ...]]] = Command(
        says="read what the healthchecks said last",
        argv=("docker", "container", "inspect", "--format", _HEALTH, *containers),
        ok=frozenset({0, 1}),
        parse=parse_health,
        assume={},
    )
    return do(read)


def parse_health(output: Output) -> dict[str, tuple[Checked, ...]]:
    """Return {name: runs, oldest first} from what docker printed, a line a container."""
    found: dict[str, tuple[Checked, ...]] = {}
    for line in output.text.splitlines():
        if line.strip():
            told = json.loads(line)
            runs = tuple(
                Checked(str(one["End"]), int(one["ExitCode"]), str(one["Output"])) for one in told["log"] or ()
            )
            if runs:
                found[str(told["name"]).removeprefix("/")] = runs
    return found
