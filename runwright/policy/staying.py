"""Whether the services that a release does not replace fare as well as before it: pure functions of what was seen of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runwright.plural import plural


@dataclass(frozen=True)
class Stays:
    """One service that stays, at one look. restarts: of each running instance, by name. healthy: False if one that runs is not
    (or not yet); None if none has a healthcheck."""

    service: str
    running: bool
    healthy: bool | None
    restarts: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"running": self.running, "healthy": self.healthy, "restarts": dict(self.restarts)}

    @classmethod
    def from_json(cls, service: str, data: Mapping[str, Any]) -> Stays:
        """Return what ``as_json`` gave."""
        return cls(service, data["running"], data["healthy"], data["restarts"])


Look = Mapping[str, Stays]
"""{service: how it fares}."""


def judged(before: Look, wanted: Literal["all"] | Collection[str]) -> list[str]:
    """Return which services are judged: those that are named; or of all those that ran, and were not known to be ill, before."""
    if wanted != "all":
        return list(wanted)
    return sorted(name for name, stays in before.items() if stays.running and stays.healthy is not False)


def ill(now: Look, services: Iterable[str]) -> list[str]:
    """Return, as phrases, which of ``services`` do not run or are not healthy."""
    found = []
    for service in services:
        stays = now.get(service)
        if stays is None or not stays.running:
            found.append(f"{service} does not run")
        elif stays.healthy is False:
            found.append(f"{service} is not healthy")
    return found


def restarted(before: Look, now: Look, services: Iterable[str]) -> list[str]:
    """Return, as phrases, which of ``services`` were restarted by themselves between two looks. One that was made anew in
    between was not: that is somebody's wish."""
    found = []
    for service in services:
        earlier, later = before.get(service), now.get(service)
        if earlier is None or later is None:
            continue
        times = sum(max(0, count - earlier.restarts.get(name, count)) for name, count in later.restarts.items())
        if times:
            found.append(f"{service} was restarted {plural(times, 'time')}")
    return found
