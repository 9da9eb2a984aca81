"""What the Compose platform says before there is a driver of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from runwright.platforms.compose.driver import Compose
from runwright.platforms.shape import Kind
from runwright.runbook.environment import Environment
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.site import Site
from runwright.variables import env_files_in
from runwright.versions import Version


class ComposeKind(Kind):
    """A Compose project on this machine."""

    name = "compose"
    title = "Docker Compose"
    strategies = ("recreate", "blue_green")

    def made(
        self, site: Site, env: Mapping[str, str], before: Version | None = None, version: Version | None = None
    ) -> Compose:
        """Return the driver."""
        services = site.book.services()
        return Compose(
            _target(site),
            services,
            site.folders.tree,
            site.folders.state,
            env,
            system=site.book.system,
            environment=site.environment,
            gone=Compose.gone(before, version, services),
            version=version,
        )

    def env_files(self, site: Site) -> Iterator[Path]:
        """Yield what may be env files in the application's folder, and the one that the runbook names."""
        target = _target(site)
        folder = Path(target.directory)
        yield from env_files_in(folder)
        if target.env_file:
            yield folder / target.env_file

    def doors(self, place: Environment) -> tuple[str, ...]:
        """Return the addresses that lead to the first service in ``traffic``."""
        assert isinstance(place.target, ComposeTarget)
        return ("front", *_urls(place.target, place))

    def env_file(self, site: Site) -> Path | None:
        """Return the env file that Compose interpolates from, or None if there is none."""
        target = _target(site)
        path = Path(target.directory) / (target.env_file or ".env")
        return path if target.env_file or path.exists() else None


def _urls(target: ComposeTarget, place: Environment) -> tuple[str, ...]:
    """Return the names of the addresses that lead to the service whose door is asked: the first in ``traffic``."""
    if not target.traffic:
        return ()
    first = next(iter(target.traffic.values()))
    return tuple(first.urls) or (tuple(place.urls) if len(target.traffic) == 1 else ())


def _target(site: Site) -> ComposeTarget:
    assert isinstance(site.place.target, ComposeTarget)
    return site.place.target
