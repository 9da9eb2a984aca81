"""A HAProxy of the team's own: its map file is written, and it is told by its socket; it is never reloaded."""

from __future__ import annotations

import sys

from runwright.routers.haproxy.driver import HAProxyRouter
from runwright.runbook.routers.haproxy import HAProxy
from runwright.site import Site
from runwright.traffic import Stand


class _Kind:
    name = "haproxy"
    stands = False

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> HAProxyRouter:
        spec = site.place.router
        assert isinstance(spec, HAProxy)
        return HAProxyRouter(spec, sys.executable, token, stand)


ROUTER = _Kind()
