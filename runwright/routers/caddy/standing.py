"""What stands for one service among containers: its Caddy's configuration, and the container that it runs in.

Its names, its port and its configuration never change with a version: the target is in a file that all services of a project
share, and a slot is reached by the name that its containers have on the network between.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runwright.routers.caddy import configuration
from runwright.routers.caddy.configuration import FRONT, MARKS, TARGET, UPSTREAM, Way
from runwright.traffic import Entry, Stand, next_after, reached, up_to

PROJECT, SERVICE, MADE = (f"runwright.switch{name}" for name in ("", ".service", ".made"))
"""Labels of a container of ours: whose it is, what it stands for, and of which make it is."""
SHARED, CONFIG, RUN = "shared", "config", "run"
"""Folders, here and there: the target of all services, one service's configuration, and what its Caddy writes."""
CURRENT = "current"
"""The file of a service's folder that names the make which stands now."""
INSIDE = "/runwright"
REFRESH = "200ms"
"""How soon a container that is new, or gone, is seen behind a slot's name."""
DOOR_PORTS = 18301

_NEAR = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
_OF_CONTAINERS: dict[str, Any] = UPSTREAM | {
    "transport": {
        **UPSTREAM["transport"],
        "dial_timeout": "300ms",  # where a container is gone nobody refuses, and the next one is asked
        "response_header_timeout": "0s",  # whoever asks has a limit of his own, or means to wait
    },
    "load_balancing": {
        **UPSTREAM["load_balancing"],
        "selection_policy": {"policy": "round_robin"},
        "try_duration": "5s",
    },
    # a proxy of the user's that asked us has said all that there is to say: we are no hop that anybody counts
    "headers": {
        "request": {
            "replace": {"X-Forwarded-For": [{"search_regexp": ",[^,]*$", "replace": ""}]},
            "delete": ["Via"],
        },
        "response": {"delete": ["Via"]},
    },
}


@dataclass(frozen=True)
class Standing:
    """What is to stand for ``entry``. make: changes with whatever it is made of, and with nothing else."""

    stand: Stand
    entry: Entry
    image: str
    folder: Path
    """The router's own."""
    sticky: bool = False

    @property
    def make(self) -> str:
        """What it is made of, as a short word."""
        names = {network: sorted(found) for network, found in sorted(self.entry.names.items())}
        whole = [self.image, self.stand.network, names, sorted(self.entry.published), self.content().decode()]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """What its container is called."""
        return f"{self.stand.project}-{self.entry.service}-switch-{self.make}"

    @property
    def place(self) -> Path:
        """Where its files are."""
        return self.folder / self.entry.service / self.make

    @property
    def networks(self) -> dict[str, tuple[str, ...]]:
        """The networks that it is on, with its names there."""
        return {self.stand.network: (), **self.entry.names}

    def door(self, slot: str) -> int:
        """Return the port inside that leads to ``slot`` alone."""
        free = (port for port in range(DOOR_PORTS, DOOR_PORTS + len(MARKS) + 1) if port != self.entry.port)
        return dict(zip(MARKS, free, strict=False))[slot]

    def content(self) -> bytes:
        """Return its configuration, as Caddy's JSON."""
        target = f"{INSIDE}/{SHARED}/{TARGET}"
        # who asks from near may be a proxy, and is believed; from elsewhere nobody is
        common = {"idle_timeout": "5m", "trusted_proxies": {"source": "static", "ranges": list(_NEAR)}}
        servers = {
            FRONT: configuration.server(
                f":{self.entry.port}",
                configuration.routes(target, [self._way(slot) for slot in MARKS], sticky=self.sticky),
            ),
            **{
                f"door-{slot}": configuration.server(f":{self.door(slot)}", self._candidate(slot, target))
                for slot in MARKS
            },
        }
        own = {"private": configuration.private(target, sticky=self.sticky)}
        return configuration.whole({name: server | common for name, server in servers.items()} | own)

    def _way(self, slot: str) -> Way:
        mine = {"vars_regexp": {TARGET: {"name": slot, "pattern": rf"^{slot}(-\S+)?$"}}}
        host = f"{reached(self.entry.service, slot)}{{http.regexp.{slot}.1}}"
        return Way(slot, mine, f"{host}:{self.entry.port}", self._to(host))

    def _to(self, host: str) -> dict[str, Any]:
        port = str(self.entry.port)
        source = {"source": "a", "name": host, "port": port, "refresh": REFRESH, "versions": {"ipv4": True}}
        return _OF_CONTAINERS | {"dynamic_upstreams": source}

    def _candidate(self, slot: str, target: str) -> list[dict[str, Any]]:
        """Return the routes of a slot's door: to all of it; while users reach its first rows, to the one that comes next."""
        host = reached(self.entry.service, slot)
        rows = {"vars_regexp": {TARGET: {"name": "rows", "pattern": rf"^{slot}-{up_to('([0-9]+)')} "}}}
        newest = self._to(f"{host}-{next_after('{http.regexp.rows.1}')}")
        return [
            {"handle": [{"handler": "vars", TARGET: f"{{file.{target}}}"}]},
            {"match": [rows], "handle": [newest], "terminal": True},
            {"handle": [self._to(host)]},
        ]

    def create(self, user: str) -> tuple[str, ...]:
        """Return the command that makes its container, on the network between alone; it does not run yet."""
        ports = [*(f"127.0.0.1::{port}" for port in (self.entry.port, *map(self.door, MARKS)))]
        for host, port in self.entry.published:
            address = f"[{host}]:" if ":" in host else host and f"{host}:"
            ports.append(f"{address}{port}:{self.entry.port}")
        labels = {PROJECT: self.stand.project, SERVICE: self.entry.service, MADE: self.make}
        places = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), f"{INSIDE}/{RUN}")
        mounts = {
            SHARED: (self.folder / SHARED, ",readonly"),
            CONFIG: (self.place / CONFIG, ",readonly"),
            RUN: (self.place / RUN, ""),
        }
        return (
            *("docker", "create", "--name", self.name, "--restart", "unless-stopped", "--user", user, "--read-only"),
            *("--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--workdir", f"{INSIDE}/{RUN}"),
            *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
            *(word for name, value in places.items() for word in ("--env", f"{name}={value}")),
            *(
                word
                for inside, (source, how) in mounts.items()
                for word in ("--mount", f"type=bind,src={source},dst={INSIDE}/{inside}{how}")
            ),
            *("--network", self.stand.network),
            *(word for alias in self.entry.names.get(self.stand.network, ()) for word in ("--network-alias", alias)),
            *(word for port in ports for word in ("--publish", port)),
            *("--entrypoint", "caddy", self.image, "run", "--config", f"{INSIDE}/{CONFIG}/{configuration.FILE}"),
        )

    def connect(self, network: str) -> tuple[str, ...]:
        """Return the command that gives it its names on ``network``."""
        aliases = (word for alias in self.networks.get(network, ()) for word in ("--alias", alias))
        return ("docker", "network", "connect", *aliases, network, self.name)
