"""What a release is made of, as values that the ledger keeps and every later step uses."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from runwright.errors import InputError

COMMIT = re.compile(r"[0-9a-f]{40}")
# What people type as a version: a tag, a branch or a commit. Strict, because it becomes an argument of git, a tag of
# an image and a part of names: no leading dash, no "..", no "@{", nothing a shell, git or Docker reads specially.
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}")


def checked_ref(text: str) -> str:
    """Return ``text`` if it can be a git ref or a commit. Raise InputError if it can not."""
    bad = not REF.fullmatch(text) or ".." in text or "//" in text or text.endswith(("/", ".lock", "."))
    if bad:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise InputError(
            f"{shown!r} is not a version.",
            next="Give a tag, a branch or a commit, for example v1.4.0: letters, digits, dots, dashes and slashes, at most 128.",
        )
    return text


@dataclass(frozen=True)
class Artifact:
    """What was built for one component, and is deployed in every environment.

    reference: how the platform names it ("ghcr.io/acme/web@sha256:…", "sha256:…", a folder).
    identity: what it is, whatever it is called: a registry digest, an image id, or a git tree.
    ref, commit: of which version it is, where that is another one than that which it is part of: it was left out of a release.
    """

    component: str
    reference: str
    identity: str
    ref: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Version:
    """One version of a system, complete enough to be started again years later.

    ref: what the person asked for. commit: the full id that it meant, or "" of an adopted version whose commit nobody knows.
    artifacts: by component. revisions: the schema revisions (heads) that this version's code expects; None if unknown.
    extra: what only the platform understands and needs to start it again (JSON).
    """

    system: str
    environment: str
    ref: str
    commit: str
    artifacts: tuple[Artifact, ...] = ()
    revisions: tuple[str, ...] | None = None
    adopted: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How people read it: "v1.4.0 (1a2b3c4d)"."""
        return named(self.ref, self.commit)

    @property
    def left_out(self) -> dict[str, str]:
        """Return {component: the version that it is of} of those that were not released with this one, and stayed as they were."""
        return {a.component: named(a.ref, a.commit) for a in self.artifacts if a.ref}

    @property
    def commits(self) -> frozenset[str]:
        """Return the commits that its artifacts are of; "" of one that nobody knows."""
        return frozenset({self.commit, *(a.commit for a in self.artifacts if a.ref)})

    def artifact(self, component: str) -> Artifact:
        """Return the artifact of ``component``. Raise KeyError if it has none."""
        for artifact in self.artifacts:
            if artifact.component == component:
                return artifact
        raise KeyError(component)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Version:
        """Return the version that ``as_json`` gave."""
        revisions = data.get("revisions")
        return cls(
            **{
                **data,
                "artifacts": tuple(Artifact(**a) for a in data["artifacts"]),
                "revisions": None if revisions is None else tuple(revisions),
            }
        )


def named(ref: str, commit: str) -> str:
    """Return how people read a version: "v1.4.0 (1a2b3c4d)"."""
    short = commit[:8] or "commit unknown"
    return short if commit.startswith(ref) else f"{ref} ({short})"


def valid_tag(version: str) -> str:
    """Return ``version`` as a tag of an image: a git ref may hold "/" and "+", a tag may not."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version).lstrip(".-")[:128] or "unnamed"


def image_name(text: str) -> str:
    """Return the name of an image in full, so that two ways to write it are the same."""
    name = text.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def repository(reference: str) -> str:
    """Return a reference without its tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
