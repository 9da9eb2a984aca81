"""What the Kubernetes platform says before there is a driver of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from runwright.engine.actions import Do
from runwright.platforms.kubernetes.access import reached
from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.platforms.kubernetes.slotted import Slotted
from runwright.platforms.shape import Drafted, Finding, Kind, Seen
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.site import Site
from runwright.versions import Version

if TYPE_CHECKING:
    from runwright.testing.truth import Truth


class KubernetesKind(Kind):
    """A namespace of a cluster."""

    name = "kubernetes"
    strategies = ("rolling", "blue_green", "canary")
    called: ClassVar[Mapping[str, str]] = {"rolling": "controlled"}

    def made(
        self,
        site: Site,
        env: Mapping[str, str],  # noqa: ARG002 - what the application is configured with is in the cluster
        before: Version | None = None,
        version: Version | None = None,
    ) -> Kubernetes:
        """Return the driver."""
        target = _target(site)
        return (Kubernetes if target.strategy == "rolling" else Slotted)(
            target,
            site.book.services(),
            site.folders.tree,
            site.folders.state,
            reached(site, target),
            system=site.book.system,
            environment=site.environment,
            version=version,
            before=before,
            migrates=_migrates(site),
            enters=_enters(site),
        )

    def drafted(self, do: Do, directory: Path, files: tuple[str, ...], env_file: str) -> Drafted | None:  # noqa: ARG002
        """Return a runbook for the kustomizations or manifests in ``directory``; None if there are none."""
        from runwright.platforms.kubernetes.draft import drafted

        return drafted(do, directory, files)

    def doors(self, place: Environment) -> tuple[str, ...]:
        """Return the names of addresses that lead to the first Service in `traffic`; what rolls has no door of its own."""
        assert isinstance(place.target, KubernetesTarget)
        traffic = place.target.traffic
        if not traffic:
            return ()
        return tuple(next(iter(traffic.values())).urls) or (tuple(place.urls) if len(traffic) == 1 else ())

    # what follows is imported where it is used: a release does not need it

    def checked(self, do: Do, book: Runbook, environment: str) -> Seen:
        """Return what the manifests have to do with the runbook."""
        from runwright.platforms.kubernetes.looking import checked

        return checked(do, book, environment)

    def examined(self, do: Do, *, needed: bool) -> Iterator[Finding]:
        """Yield whether there is a kubectl."""
        from runwright.platforms.kubernetes.looking import examined

        yield from examined(do, needed=needed)

    def truth(self, book: Runbook, environment: str, releases: frozenset[str]) -> Truth:  # noqa: ARG002
        """Return what the namespace's pods and its database show."""
        from runwright.platforms.kubernetes.truth import look

        return look(book, environment)


def _target(site: Site) -> KubernetesTarget:
    assert isinstance(site.place.target, KubernetesTarget)
    return site.place.target


def _migrates(site: Site) -> str:
    migrate = site.book.migrate
    if migrate is None:
        return ""
    component = site.book.migrates()
    return migrate.service or (site.book.components[component].services or [component])[0]


def _enters(site: Site) -> bool:
    """Whether programs are run inside of pods: of a database that is a service, or for a probe."""
    probes = site.book.probes_of(site.environment)
    return bool(getattr(site.place.database, "service", None)) or any(p.inside or p.redis for p in probes)
