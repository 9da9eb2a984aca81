"""What is asked of any object of a cluster: its times, its conditions, who owns it, what was last said about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object

LONGEST = 400
"""Of longer words in a sentence both ends are kept: the cause is mostly at the end."""


def when(text: Any) -> datetime | None:
    """Return the time that ``text`` ("2026-11-26T13:00:00Z", with or without parts of a second) names, None if it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def seconds_since(text: Any, now: datetime) -> float:
    """Return how many seconds ago ``text`` was; 0 if it is no time, or not yet."""
    then = when(text)
    return max(0.0, (now - then).total_seconds()) if then else 0.0


def listed(found: Object, *path: str) -> list[Any]:
    """Return the list that is at ``path`` of an object, [] if there is none."""
    value = at(found, *path)
    return value if isinstance(value, list) else []


def at(found: Any, *path: str) -> Any:
    """Return what is at ``path`` of an object, None if nothing is."""
    for word in path:
        found = found.get(word) if isinstance(found, dict) else None
    return found


def number(found: Object, *path: str, otherwise: int = 0) -> int:
    """Return the whole number at ``path``; controllers leave out those that are 0."""
    value = at(found, *path)
    return value if isinstance(value, int) else otherwise


def condition(found: Object, kind: str) -> Object:
    """Return the condition ``kind`` of an object, {} if it has none."""
    return next((c for c in listed(found, "status", "conditions") if c.get("type") == kind), {})


def uid(found: Object) -> str:
    """Return the id of an object; two objects of one name, one after the other, have two."""
    return str(at(found, "metadata", "uid") or "")


def controller(found: Object) -> Object:
    """Return the reference to the one that controls an object (kind, name, uid), {} if nobody does."""
    return next((o for o in listed(found, "metadata", "ownerReferences") if o.get("controller")), {})


def owned(objects: Iterable[Object], owners: Iterable[Object]) -> list[Object]:
    """Return those of ``objects`` that one of ``owners`` controls."""
    ids = {uid(owner) for owner in owners} - {""}
    return [one for one in objects if controller(one).get("uid") in ids]


def terminating(found: Object) -> bool:
    """Return whether an object was deleted and is still ending."""
    return bool(at(found, "metadata", "deletionTimestamp"))


def containers(pod_or_template: Object) -> list[Object]:
    """Return the containers of a pod, or of a template, init containers first."""
    return [*listed(pod_or_template, "spec", "initContainers"), *listed(pod_or_template, "spec", "containers")]


# ------------------------------------------------------------------------------------------------------------- events


def last_seen(event: Object) -> datetime:
    """Return when an event happened last. Of a series only its first time is in the usual place."""
    fields = (at(event, "series", "lastObservedTime"), *(event.get(name) for name in _TIMES))
    found = (when(text) for text in (*fields, at(event, "metadata", "creationTimestamp")))
    return next((time for time in found if time), datetime.min.replace(tzinfo=UTC))


_TIMES = ("lastTimestamp", "eventTime", "firstTimestamp")


def first_seen(event: Object) -> datetime:
    """Return when an event happened first."""
    found = (when(event.get(name)) for name in ("firstTimestamp", "eventTime", "lastTimestamp"))
    return next((time for time in found if time), last_seen(event))


def times(event: Object) -> int:
    """Return how often an event happened."""
    return max(number(event, "count"), number(event, "series", "count"), 1)


class Events:
    """Events by what they are about, newest last: a namespace may have thousands, and each pod is asked for its own."""

    def __init__(self, events: Iterable[Object] = ()) -> None:
        self._by: dict[str, list[Object]] = {}
        for event in sorted(events, key=last_seen):
            self._by.setdefault(str(at(event, "involvedObject", "uid") or ""), []).append(event)

    def about(self, found: Object, *reasons: str) -> list[Object]:
        """Return the events about one object, with one of ``reasons`` if any are given."""
        mine = self._by.get(uid(found), []) if uid(found) else []
        return [event for event in mine if not reasons or event.get("reason") in reasons]


def of_container(event: Object, name: str) -> bool:
    """Return whether an event about a pod is about its container ``name``, or about no container."""
    path = str(at(event, "involvedObject", "fieldPath") or "")
    return not path or path.endswith(f"{{{name}}}")


# -------------------------------------------------------------------------------------------------------------- words


def short(text: Any) -> str:
    """Return words of a tool on one line, both ends of them if they are long."""
    line = re.sub(r"\s+", " ", str(text or "")).strip()
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 4]} ... {line[-LONGEST * 3 // 4 :]}"
