"""What has to make way before services are started in place: what has their ports or names, and what an interrupted start left."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runwright.engine.actions import Command, Do
from runwright.platforms.compose.containers import STOP_SECONDS, Container, ours
from runwright.platforms.compose.neighbours import meets
from runwright.plural import few
from runwright.versions import Version


def finish_leftovers(
    do: Do, services: Collection[str], version: Version, there: Iterable[Container] | None, prefix: str
) -> None:
    """Finish what an interrupted Compose left: a new container beside the old one, or one that was never renamed."""
    names = {c.name for c in there or ()}
    for container in ours([*services, *version.extra.get("followers", ())], there):
        meant = container.meant_name
        if meant is None:
            continue
        argv = ("docker", "rm", "-f", container.name) if meant in names else ("docker", "rename", container.name, meant)
        do(
            Command(
                says=f"{'remove' if meant in names else 'rename'} {container.name}, which an interrupted Compose left",
                key=f"{prefix}/leftover/{container.name}",
                argv=argv,
            )
        )
        names.add(meant)


def make_way(
    do: Do,
    mine: Iterable[Container],
    version: Version,
    gone: Collection[str],
    prefix: str,
    *,
    leave: bool,
) -> None:
    """Stop those of ``mine``, the application's own, that ``version`` does not have: those of the version before that this one has
    lost (``gone``; not so with ``leave``), or those that a release started that is taken back. A worker would go on working, a port
    stay taken.

    They are kept, stopped, for the way back; one that has the name of what is started gets another.
    """
    mine = tuple(mine)
    images, names = version.extra["images"], version.extra.get("names", {})
    stays = gone if leave else ()
    later = [c for c in mine if c.service not in images and (c.release or c.service in gone) and c.service not in stays]
    if running := [c for c in later if c.state not in ("exited", "created")]:
        they = "it" if len(running) == 1 else "them"
        do(
            Command(
                says=f"stop {few(c.name for c in running)}: {version.name} does not have {they}",
                key=f"{prefix}/stop",
                argv=("docker", "stop", *(c.id for c in running)),
                deadline_seconds=STOP_SECONDS,
            )
        )
    for container in mine:
        if container.name in names.values() and names.get(container.service) != container.name:
            other = f"{container.name}-{container.id[:12]}"
            do(
                Command(
                    says=f"rename {container.name} to {other}: {version.name} gives its name to another service",
                    key=f"{prefix}/rename/{container.name}",
                    argv=("docker", "rename", container.id, other),
                )
            )


def free_ports(do: Do, version: Version, group: Collection[str], later: Iterable[Container], key: str) -> None:
    """Stop what is replaced later and holds a port that ``group`` publishes now."""
    published = version.extra.get("published", {})
    wanted = [(address, int(port)) for service in group for address, port in published.get(service, ())]
    held = [c for c in later if any(p == q and meets(a, b) for a, p in c.published for b, q in wanted)]
    if held:
        do(
            Command(
                says=f"stop {', '.join(c.name for c in held)}: {', '.join(group)} takes its port",
                key=f"{key}/free",
                argv=("docker", "stop", *(c.id for c in held)),
                deadline_seconds=STOP_SECONDS,
            )
        )


def stop_before(do: Do, users: Iterable[Container], key: str) -> None:
    """Stop ``users`` before that whose processes they use: the kernel ends them with it, while Compose stops them, and Compose takes
    it for a failure that what it stops has just ended."""
    if running := [c for c in users if c.running]:
        do(
            Command(
                says=f"stop {few(c.name for c in running)}, which would end with what is replaced",
                key=f"{key}/before",
                argv=("docker", "stop", *(c.id for c in running)),
                deadline_seconds=STOP_SECONDS,
            )
        )
