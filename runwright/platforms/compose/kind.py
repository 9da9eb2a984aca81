"""What the Compose platform says before there is a driver of it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from runwright.engine.actions import Do
from runwright.engine.there.paths import Path, scratch, which
from runwright.errors import RunwrightError
from runwright.platforms.compose.driver import Compose
from runwright.platforms.shape import Claim, Drafted, Finding, Kind, Seen
from runwright.plural import plural
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.site import Site
from runwright.variables import env_files_in
from runwright.versions import Version

if TYPE_CHECKING:
    from runwright.testing.truth import Truth


class ComposeKind(Kind):
    """A Compose project on this machine."""

    name = "compose"
    strategies = ("recreate", "blue_green", "canary", "rolling")

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
            before=before,
        )

    def env_files(self, site: Site) -> Iterator[Path]:
        """Yield what may be env files in the application's folder, and the one that the runbook names."""
        target = _target(site)
        folder = Path(target.directory)
        yield from env_files_in(folder)
        if target.env_file:
            yield folder / target.env_file

    def doors(self, place: Environment) -> tuple[str, ...]:
        """Return the addresses that lead to the first service in ``traffic``; `front` is one unless the runbook names its own."""
        assert isinstance(place.target, ComposeTarget)
        named = _urls(place.target, place)
        return named if "front" in place.urls else ("front", *named)

    def env_file(self, site: Site) -> Path | None:
        """Return the env file that Compose interpolates from, or None if there is none."""
        target = _target(site)
        path = Path(target.directory) / (target.env_file or ".env")
        return path if target.env_file or path.exists() else None

    # what follows is imported where it is used: a release does not need it

    def drafted(self, do: Do, directory: pathlib.Path, files: tuple[str, ...], env_file: str) -> Drafted:
        """Return a runbook for the Compose application in ``directory``, or that with the Compose files ``files`` in it."""
        from runwright.platforms.compose.draft.gathering import gather
        from runwright.platforms.compose.draft.writing import draft
        from runwright.platforms.compose.sources import usual_files

        found = gather(do, Path(directory), files, env_file)
        says = f"{plural(len(found.facts.services), 'service')} of the project {found.facts.project}"
        here = bool(files or usual_files(Path(directory)))
        return Drafted(draft(found.facts), says, found.remarks, here)

    def checked(self, do: Do, book: Runbook, environment: str) -> Seen:
        """Return what the Compose files have to do with the runbook."""
        from runwright.platforms.compose.checked import checked

        return checked(do, book, environment, self.claimed(do, book, environment))

    def claimed(self, do: Do, book: Runbook, environment: str) -> tuple[Claim, ...]:
        """Return who else has the project's name, its ports or its folders."""
        target = book.environments[environment].target
        assert isinstance(target, ComposeTarget)
        if which("docker") is None or not Path(target.directory).is_dir():
            return ()
        with scratch() as folder:
            driver = Compose(target, book.services(), folder, folder, {}, system=book.system, environment=environment)
            try:
                return driver.claims(do)
            except RunwrightError:
                return ()  # the engine does not answer: `doctor` has a line for that

    def examined(self, do: Do, *, needed: bool) -> Iterator[Finding]:
        """Yield whether Docker and its Compose can be used."""
        from runwright.platforms.compose.examined import examined

        yield from examined(do, needed=needed)

    def keeps(self, do: Do, reference: str) -> bool | None:
        """Return whether the engine has the image."""
        if reference.startswith("-"):
            return None
        from runwright.platforms.compose.images import is_there

        return is_there(do, reference)

    def truth(self, book: Runbook, environment: str, releases: frozenset[str]) -> Truth:  # noqa: ARG002
        """Return what the project's containers and its database show."""
        from runwright.platforms.compose.truth import look

        return look(book, environment)


def _urls(target: ComposeTarget, place: Environment) -> tuple[str, ...]:
    """Return the names of the addresses that lead to the service whose door is asked: the first in ``traffic``."""
    if not target.traffic:
        return ()
    first = next(iter(target.traffic.values()))
    return tuple(first.urls) or (tuple(place.urls) if len(target.traffic) == 1 else ())


def _target(site: Site) -> ComposeTarget:
    assert isinstance(site.place.target, ComposeTarget)
    return site.place.target
