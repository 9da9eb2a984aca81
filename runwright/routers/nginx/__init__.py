"""An nginx of the team's own: an included file says who serves, and each change of that is one reload."""

from __future__ import annotations

from runwright.routers.nginx.driver import NginxRouter
from runwright.runbook.routers.nginx import Nginx
from runwright.site import Site
from runwright.traffic import Stand


class _Kind:
    name = "nginx"
    stands = False

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> NginxRouter:
        spec = site.place.router
        assert isinstance(spec, Nginx)
        return NginxRouter(spec, token, stand)


ROUTER = _Kind()
