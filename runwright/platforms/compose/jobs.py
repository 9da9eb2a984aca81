"""One-off jobs in a container of their own, which is found again by its name."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Elsewhere, Output, nothing
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.starting import word
from runwright.versions import Version


@dataclass(frozen=True)
class Job:
    """A job, as `Platform.run_job` is asked for one. service: whose configuration it has. key: None if it only reads."""

    service: str
    key: str | None
    says: str
    release_id: str
    deadline_seconds: float


def run_job(do: Do, project: Project, version: Version, argv: tuple[str, ...], job: Job) -> bytes:
    """Run ``argv`` in a new container of ``version``'s image, which is removed at the end; return what a read printed."""
    key = job.key
    name = job_name(project.name, job.release_id, key or " ".join((job.service, *argv)))
    words = ["run", "--rm", "--no-deps", "-T", "--name", name, "--label", f"{containers.RELEASE}={job.release_id}"]
    words += ["--label", f"{containers.KEY}={key}"] if key else []
    command = argv
    if job.service in version.extra.get("bare", ()):
        words += ["--entrypoint", shlex.quote(argv[0])]
        command = argv[1:]
    printed = do(
        Command(
            says=job.says,
            key=key,
            argv=project.argv(*words, job.service, *command),
            env=project.env,
            deadline_seconds=job.deadline_seconds,
            repeatable=key is None,
            safe_point=key is not None,
            parse=nothing if key else _stdout,
            elsewhere=Elsewhere(
                running=("docker", "ps", "-q", "--filter", f"name=^/?{re.escape(name)}$"),
                wait=("docker", "wait", name),
                end=("docker", "rm", "-f", name),
            ),
        )
    )
    return printed or b""


def job_name(project: str, release_id: str, key: str) -> str:
    """Return the name of a one-off container: readable, and the same for the same job of the same release."""
    mark = hashlib.sha256(f"{release_id}\0{key}".encode()).hexdigest()[:10]
    return f"{project}-rw-{word(key)[:24]}-{mark}"


def _stdout(output: Output) -> bytes:
    return output.stdout
