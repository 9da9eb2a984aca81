"""The file that nginx includes: who serves as its own directives, and as one line that it tells again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runwright.errors import ObservationError
from runwright.routers.target import ALL, Target
from runwright.traffic import Upstream

_TOLD = re.compile(r'_told \{ default "([^"]*)"; \}')
_KNOWN = re.compile(r"^# (\w+) is at (\S+)$", re.MULTILINE)
_LINE = re.compile(r"(\w+) (\S+):(\d+)(?: (\d{1,2}) (\w+) (\S+):(\d+))?")


def content(name: str, target: Target, known: Mapping[str, str], keepalive: int = 0) -> bytes:
    """Return the file that sends requests to ``target``. known: where slots are that are not in it, {slot: host:port}."""
    variable = f"runwright_{name.replace('-', '_')}"
    both = [target.to, *([target.stays] if target.stays is not None else [])]
    kept = f" keepalive {keepalive};" if keepalive else ""
    shares = (
        f"{target.share}% {name}-{target.to.slot}; * {name}-{both[-1].slot};"
        if target.stays
        else f"* {name}-{target.to.slot};"
    )
    there = {**known, **{one.slot: _address(one) for one in both}}
    lines = [
        "# Written by Runwright at each release: nobody else changes it.",
        *(f"# {slot} is at {address}" for slot, address in sorted(there.items())),
        *(f"upstream {name}-{one.slot} {{ server {_address(one)};{kept} }}" for one in both),
        f"split_clients $request_id ${variable} {{ {shares} }}",
        f'map $request_id ${variable}_told {{ default "{told(target)}"; }}',
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def told(target: Target) -> str:
    """Return the line that says the same."""
    line = f"{target.to.slot} {_address(target.to)}"
    return line if target.stays is None else f"{line} {target.share} {target.stays.slot} {_address(target.stays)}"


def _address(to: Upstream) -> str:
    return f"{f'[{to.host}]' if ':' in to.host else to.host}:{to.port}"


def in_file(text: str) -> str:
    """Return the line of a file, "" if it says nothing."""
    found = _TOLD.search(text)
    return found[1] if found else ""


def known(text: str) -> dict[str, str]:
    """Return where the slots are that a file knows of."""
    return dict(_KNOWN.findall(text))


def target(line: str, slots: Sequence[str]) -> Target | None:
    """Return what a line says, None if it is empty. Raise ObservationError if it is not understood."""
    if not line.strip():
        return None
    found = _LINE.fullmatch(line.strip())
    if found is None or found[1] not in slots or (found[5] and found[5] not in slots):
        raise ObservationError(
            f"What nginx says of who serves is not understood: {line.strip()[:100]!r}.",
            state="Nothing was changed.",
            next="It is what the included file says; docs/how-to/zero-downtime.md shows it as it is before the first release.",
        )
    to, stays = Upstream(found[1], found[2].strip("[]"), int(found[3])), None
    if found[5]:
        stays = Upstream(found[5], found[6].strip("[]"), int(found[7]))
    return Target.of(to, int(found[4]) if found[4] else ALL, stays)


def connections(table: str, addresses: Sequence[tuple[str, int]]) -> int:
    """Return how many open connections go to ``addresses`` (IPv4, port), as the kernel's table /proc/net/tcp shows them."""
    wanted = {
        "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}" for host, port in addresses
    }
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(1 for row in rows if len(row) > 3 and row[2] in wanted and row[3] == "01")
