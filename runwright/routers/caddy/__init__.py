"""Caddy: a static configuration, and a target in a file that it reads for each request.

It is the front door of a host (`CaddyRouter`), or stands among containers, for each service that gets requests (`CaddySwitch`).
"""

from __future__ import annotations

import sys

from runwright.routers.caddy.driver import CaddyRouter
from runwright.routers.caddy.switch import CaddySwitch
from runwright.runbook.routers.caddy import Caddy
from runwright.site import Site
from runwright.traffic import Stand


class _Kind:
    name = "caddy"
    stands = True

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> CaddyRouter | CaddySwitch:
        spec = site.place.router
        if stand is not None:
            assert spec is not None
            return CaddySwitch(spec, site.folders.state.absolute() / "switch", sys.executable, stand, token)
        assert isinstance(spec, Caddy)
        return CaddyRouter(spec, site.root / "caddy", sys.executable, token)


ROUTER = _Kind()
