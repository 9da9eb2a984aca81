"""Build once; what was built is recorded and is what is deployed."""

from __future__ import annotations

from dataclasses import replace

from runwright import source
from runwright.engine.actions import Command
from runwright.release import drivers, partial
from runwright.release.login import logged_in
from runwright.release.recorded import recorded
from runwright.release.work import Work, with_version
from runwright.sending import sent
from runwright.versions import Artifact


def build(work: Work) -> dict[str, str]:
    """Build every component of the commit, or find what was built of it before, and put its files in place."""
    if work.release.is_drill:
        work.platform.prepare(work.do, work.version, "prepare")  # they are there, or nothing is begun
    if work.version.artifacts:
        return {artifact.component: artifact.identity for artifact in work.version.artifacts}
    with logged_in(work):
        tree = work.folders.tree
        folders, commit = work.folders, work.version.commit
        there = sent(work.do, folders.mirror, folders.copy, commit, "prepare/copy")
        source.checkout(work.do, there, commit, tree, key="prepare/tree")
        # a plan is no release: what it builds is not to be seen by others
        builders = drivers.builders(work.site, recorded(work), push=work.release.procedure != "plan")
        artifacts, left_out = list[Artifact](), partial.left_out(work)
        for name, component in work.runbook.components.items():
            if name in left_out:
                artifacts.append(left_out[name])
                continue
            key = f"prepare/build/{name}"
            builder = builders[name]
            artifacts.append(builder.build(work.do, tree, name, component, work.version.commit, work.release.ref, key))
            work.say(f"{name} is {artifacts[-1].identity}")
        several = list({id(builder): builder for builder in builders.values()}.values())
        remarks = [remark for builder in several for remark in builder.remarks]
        for remark in remarks:
            work.say(remark, level="warning")
        for builder in several:
            builder.build_others(work.do, tree, work.version.commit, "prepare/others")
        made = replace(work.version, artifacts=tuple(artifacts), extra={"remarks": remarks})
        version = work.platform.prepare(work.do, made, "prepare")
        with_version(work, artifacts=version.artifacts, extra=version.extra)
    folder = tree.parent
    work.do(Command(says=f"remove {folder}", key="prepare/tidy", argv=("rm", "-rf", "--", str(folder))))
    return {artifact.component: artifact.identity for artifact in work.version.artifacts}
