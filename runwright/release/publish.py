"""Give what was built the names by which people know the version, once nothing stands against it."""

from __future__ import annotations

from runwright.release import drivers
from runwright.release.login import logged_in
from runwright.release.work import Work


def publish(work: Work) -> str:
    """Push the tags of what this release has built. Before, a registry has it under a name that only we know."""
    version, ref = work.version, work.release.ref
    mine = [artifact for artifact in version.artifacts if not artifact.ref]
    if work.release.is_drill or not mine:
        return "nothing was built"
    with logged_in(work):
        builders = drivers.builders(work.site)
        for artifact in mine:
            spec = work.runbook.components[artifact.component]
            builders[artifact.component].publish(
                work.do, artifact, artifact.component, spec, version.commit, ref, "publish"
            )
    return ref
