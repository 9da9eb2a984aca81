"""What pods printed, and what their probes that failed said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from runwright.engine.actions import Command, Do
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.reading import at, last_seen, listed, short
from runwright.platforms.shape import MOST_LINES, Checked, T

READ_SECONDS = 60.0
"""One call of kubectl for each run of a container: it reads them one after the other."""
LONGEST_LINE = 4000
# a pod may end between being found and being read; then what it printed is gone, which is no failure
_READ = (
    'since=$1; most=$2; runs=$3; shift 3; echo "$runs" | while read -r pod name flag; do '
    '[ -n "$pod" ] || continue; '
    '"$@" logs "$pod" -c "$name" $flag --since-time="$since" --tail="$most" </dev/null && continue; '
    '[ -n "$flag" ] && continue; '
    '[ -z "$("$@" get pod "$pod" --ignore-not-found -o name </dev/null)" ] || exit 1; done'
)


def lines_of(
    kubectl: Kubectl,
    runs: Sequence[tuple[str, str, bool]],
    since: datetime,
    says: str,
    parse: Callable[[tuple[str, ...]], T],
    assume: Any,
) -> Command[T]:
    """Return the read that gives ``parse`` the last lines that containers printed ``since`` then, without times.

    runs: (pod, container, whether its run before is meant), each.
    """
    listing = "\n".join(f"{pod} {name}{' --previous' if previous else ''}" for pod, name, previous in runs)
    begins = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Command(
        says=says,
        argv=("sh", "-c", _READ, "sh", begins, str(MOST_LINES), listing, *kubectl.argv("--request-timeout=20s")),
        last=True,
        parse=lambda output: parse(tuple(_shortened(output.text))),
        deadline_seconds=READ_SECONDS,
        assume=assume,
    )


def _shortened(text: str) -> Iterator[str]:
    return (line[:LONGEST_LINE] for line in text.splitlines()[-MOST_LINES:] if line.strip())


def runs_of(pod: Object, container: str, since: datetime) -> Iterator[tuple[str, str, bool]]:
    """Yield the runs of a container of which something is to be read: the one before too, if it ended ``since`` then."""
    for status in listed(pod, "status", "containerStatuses"):
        ended = at(status, "lastState", "terminated", "finishedAt")
        if status.get("name") == container and ended and datetime.fromisoformat(str(ended)) >= since:
            yield name_of(pod), container, True
    if _began(pod, container):
        yield name_of(pod), container, False


def _began(pod: Object, container: str) -> bool:
    """Whether a container of a pod has ever run: of another there is no log, and asking for it is an error."""
    states = [s for s in listed(pod, "status", "containerStatuses") if s.get("name") == container]
    return any(
        at(s, "state", "running") or at(s, "state", "terminated") or at(s, "lastState", "terminated") for s in states
    )


def health_log(do: Do, kubectl: Kubectl, instances: Sequence[str]) -> dict[str, tuple[Checked, ...]]:
    """Return what the probes of the pods ``instances`` that failed said, oldest first: the cluster keeps no others. May hold secrets."""
    words = ("get", "events", "--field-selector=reason=Unhealthy", "-o", "json")
    events = do(kubectl.read(*words, says="look which probes of pods have failed", parse=items, assume=()))
    found: dict[str, tuple[Checked, ...]] = {}
    for event in sorted(events, key=last_seen):
        name = str(at(event, "involvedObject", "name"))
        if name in instances:
            said = Checked(last_seen(event).isoformat(), 1, short(event.get("message")))
            found[name] = (*found.get(name, ()), said)
    return found
