"""What images and volumes hold, file by file: read by `docker cp`, so that the image needs no shell and nothing of it runs."""

from __future__ import annotations

import hashlib
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Elsewhere, Output, Read
from runwright.engine.there.paths import Path
from runwright.errors import ObservationError

COPY_SECONDS = 300.0
"""How long one folder of an image may take to be read: the dependencies of a front end are half a gigabyte."""
LOOK = "runwright.look"
"""The label of a container that is made only to be looked into; it never runs."""
_VOLUMES = "/runwright/volumes"
_CHUNK = 2**20
_NOT_THERE = ("could not find the file", "no such container:path", "not a directory")


@dataclass(frozen=True)
class File:
    """A file with something in it. digest: the id that git would give it. program: whether it may be executed."""

    digest: str
    program: bool = False


Files = Mapping[str, File]
"""Files by their path in a folder; a path that is a file itself holds one, by the name "."."""


@dataclass(frozen=True)
class Contents:
    """What an image holds at paths, and volumes hold altogether."""

    image: Mapping[str, Files]
    volumes: Mapping[str, Files]


def contents(
    do: Do, image: str, paths: Iterable[str], volumes: Iterable[str], scratch: Path, algorithm: str
) -> Contents:
    """Return what ``image`` holds at each of ``paths``, and each of ``volumes`` (they must be there) holds.

    A container is made of the image, never started, and removed again. scratch: a folder of ours for what is read.
    algorithm: what git makes its ids with. Raise ActionError or ObservationError if Docker does not tell.
    """
    wanted, mounted = tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(volumes))
    if not wanted and not mounted:
        return Contents({}, {})
    mounts = [
        f"type=volume,source={volume},target={_VOLUMES}/{number},volume-nocopy,readonly"
        for number, volume in enumerate(mounted)
    ]
    with looked_into(do, image, mounts) as name:
        held = {path: _read(do, name, path, scratch, algorithm) for path in wanted}
        kept = {v: _read(do, name, f"{_VOLUMES}/{number}", scratch, algorithm) for number, v in enumerate(mounted)}
    return Contents(held, kept)


@contextmanager
def looked_into(do: Do, image: str, mounts: Iterable[str] = ()) -> Iterator[str]:
    """Give the name of a container of ``image`` that `docker cp` can read; it is never started, and removed again."""
    name = f"runwright-look-{uuid.uuid4().hex[:12]}"
    remove = ("docker", "rm", "--force", "--volumes", name)
    do(
        Command(
            says=f"make a container of {image[:19]} to look into; it is not started",
            argv=(
                *("docker", "create", "--name", name, "--label", f"{LOOK}=yes", "--network", "none"),
                *(word for mount in mounts for word in ("--mount", mount)),
                *(image, "runwright"),
            ),
            elsewhere=Elsewhere(
                running=("docker", "ps", "-q", "--filter", f"name={name}"), wait=("docker", "wait", name), end=remove
            ),
        )
    )
    try:
        yield name
    finally:
        do(Command(says="remove that container", argv=remove))


def _read(do: Do, container: str, path: str, scratch: Path, algorithm: str) -> Files:
    archive = scratch / f"{container}.tar"
    there = do(
        Command(
            says=f"read {path} in {container}",
            argv=("docker", "cp", "--follow-link", f"{container}:{path}", "-"),
            stdout_to=archive,
            ok=frozenset({0, 1}),
            deadline_seconds=COPY_SECONDS,
            parse=_is_there,
        )
    )
    try:
        if not there:
            return {}
        return do(Read(says=f"look at what is in {path}", function=lambda: files_of(archive, algorithm)))
    finally:
        do(Read(says=f"remove {archive}", function=lambda: archive.unlink(missing_ok=True)))


def _is_there(output: Output) -> bool:
    error = output.stderr.decode("utf-8", "replace")
    if output.code and not any(words in error.lower() for words in _NOT_THERE):
        raise ObservationError(
            f"Docker could not tell what an image holds: {error.strip()[:200]}",
            next="Run `docker ps` by hand; if it fails too, the engine is not running or may not be used by this user.",
        )
    return not output.code


def files_of(archive: Path, algorithm: str) -> dict[str, File]:
    """Return the files of a tar archive as `docker cp` writes it, without its first folder. Empty ones are left out."""
    found = {}
    with archive.open("rb") as content_of, tarfile.open(fileobj=content_of, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() and member.size else None
            if content is None:
                continue
            digest = _hash(algorithm, member.size)
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
            found[member.name.partition("/")[2] or "."] = File(digest.hexdigest(), bool(member.mode & 0o111))
    return found


def file_on_host(path: Path, algorithm: str) -> str:
    """Return the id that git would give to the file ``path``; "" if it cannot be read."""
    try:
        with path.open("rb") as content:
            digest = _hash(algorithm, path.stat().st_size)
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


def _hash(algorithm: str, size: int) -> hashlib._Hash:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    digest.update(b"blob %d\0" % size)
    return digest
