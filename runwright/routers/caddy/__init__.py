"""Caddy as the front door of a host: a static configuration, and a target in a file that it reads for each request."""

from __future__ import annotations

import sys

from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.targets import Caddy
from runwright.site import Site
from runwright.traffic import Stand


class _Kind:
    name = "caddy"

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> CaddyRouter:  # noqa: ARG002
        assert isinstance(site.place.router, Caddy)
        return CaddyRouter(site.place.router, site.root / "caddy", sys.executable, token)


ROUTER = _Kind()
