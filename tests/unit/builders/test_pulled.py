"""Images that CI built: pulled once, known by their digest, and by nothing else from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.builders.docker import Docker
from runwright.builders.pulled import Recorded
from runwright.engine.actions import Command, Output
from runwright.errors import ActionError, InputError, ObservationError, RefusedError
from runwright.platforms.compose.build import ComposeBuild
from runwright.runbook.component import Component
from runwright.runbook.environment import Registry
from runwright.testing.replies import Replies
from runwright.versions import Artifact

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "registry.example/acme/api"
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
ABSENT = Output(1, b"", b"Error response from daemon: No such image: x")
FAILED = Output(1, b"", b"Error response from daemon: manifest unknown")


def image(*digests: str, revision: str = "") -> Output:
    told = {"id": "sha256:1d", "digests": list(digests), "revision": revision, "build": None}
    return Output(0, json.dumps(told).encode(), b"")


def pulled(
    do: Replies,
    named: str | None = f"{REPO}:${{release.version}}",
    recorded: Recorded | None = None,
    registry: str = "",
    written: str = "",
    version: str = "v1.4.0",
) -> tuple[Artifact, list[str]]:
    """The artifact, and what is remarked."""
    config = {"name": "shop", "services": {"api": {"image": written or "x"}}}
    do._table |= {"config --format json": Output(0, json.dumps(config).encode(), b"")}
    builder = Docker(
        "shop",
        "production",
        Path("/state"),
        registry=Registry(prefix=registry) if registry else None,
        recipes=ComposeBuild(lambda _: ("docker", "compose"), Path("/opt"), {"api": ("api",)}),
        env={"DOCKER_CONFIG": "/login"},
        recorded={"api": recorded} if recorded else None,
    )
    found = builder.build(do, Path("/tree"), "api", Component(image=named), COMMIT, version, "prepare")
    return found, builder.remarks


def replies(*seen: Output, **more: Any) -> Replies:
    return Replies({"docker image inspect": list(seen), **more}, lenient=True)


def pulls(do: Replies) -> list[str]:
    return [a.argv[-1] for a in do.changes if isinstance(a, Command) and a.argv[1] == "pull"]


@pytest.mark.parametrize(
    ("named", "version", "asked"),
    [
        (f"{REPO}:${{release.version}}", "v1.4.0", f"{REPO}:v1.4.0"),
        (f"{REPO}:${{release.number}}", "v1.4.0", f"{REPO}:1.4.0"),
        (f"{REPO}:${{release.number}}", "vanilla", f"{REPO}:vanilla"),
        (f"{REPO}:sha-${{release.short}}", "v1.4.0", f"{REPO}:sha-0123456"),
        (f"{REPO}:${{release.commit}}", "main", f"{REPO}:{COMMIT}"),
        (f"{REPO}:${{release.version}}", "feature/x+1", f"{REPO}:feature-x-1"),
        (f"{REPO}@{DIGEST}", "v1.4.0", f"{REPO}@{DIGEST}"),
    ],
)
def test_the_image_is_named_by_the_version_and_known_by_its_digest(named: str, version: str, asked: str) -> None:
    """Whatever CI makes the tag of; it is pulled with the environment's login and kept by a tag of ours."""
    do = replies(ABSENT, image(f"other/x@{OTHER}", f"{REPO}@{DIGEST}"))
    artifact, remarks = pulled(do, named, version=version)
    assert artifact == Artifact("api", f"{REPO}@{DIGEST}", DIGEST)
    assert remarks == []
    pull, keep = do.changes
    assert isinstance(pull, Command)
    assert isinstance(keep, Command)
    assert (pull.key, pull.argv[-1], dict(pull.env)) == ("prepare/api/pull", asked, {"DOCKER_CONFIG": "/login"})
    assert keep.argv == ("docker", "tag", f"{REPO}@{DIGEST}", f"runwright/shop-api:{COMMIT[:12]}-aaaaaaaa")


@pytest.mark.parametrize("written", [f"{REPO}:v1", f"{REPO}@{DIGEST}", REPO])
def test_without_a_name_in_the_runbook_it_is_the_one_in_the_compose_file(written: str) -> None:
    """Each version's own file names it."""
    do = replies(ABSENT, image(f"{REPO}@{DIGEST}"))
    assert pulled(do, None, written=written)[0].identity == DIGEST
    assert pulls(do) == [written]


def test_a_name_without_its_variable_is_refused() -> None:
    """Compose leaves an empty tag where a variable is not set."""
    with pytest.raises(InputError, match="has no tag"):
        pulled(replies(ABSENT), None, written=f"{REPO}:")


def test_an_image_that_never_was_in_a_registry_is_taken_as_it_is_here() -> None:
    """Known by its id, and said; where a registry is named, it must come from there."""
    do = replies(image())
    artifact, remarks = pulled(do)
    assert artifact == Artifact("api", "sha256:1d", "sha256:1d")
    assert "never was in a registry" in remarks[0]
    assert pulls(do) == []
    do = replies(image(), image(f"{REPO}@{DIGEST}"))
    assert pulled(do, registry="registry.example/acme")[0].identity == DIGEST


def test_a_tag_is_asked_for_again_also_if_an_image_of_that_name_is_here() -> None:
    """It may have moved since."""
    do = replies(image(f"{REPO}@{OTHER}"), image(f"{REPO}@{DIGEST}"))
    assert pulled(do)[0].identity == DIGEST


def test_an_image_that_is_not_there_may_still_be_built() -> None:
    """That is said, and not that Docker exited with 1."""
    do = replies(ABSENT, **{"docker pull": FAILED, "docker manifest inspect": FAILED})
    with pytest.raises(ActionError, match=f"There is no image {REPO}:v1.4.0 in its registry") as caught:
        pulled(do)
    assert "CI may still be building it" in caught.value.next
    assert caught.value.state == "Nothing was changed."


def test_a_registry_that_does_not_answer_is_no_missing_image() -> None:
    """Its login or the way to it is what to look at."""
    away = ObservationError("away", next="Check the login.")
    do = replies(ABSENT, **{"docker pull": FAILED, "docker manifest inspect": away})
    with pytest.raises(ActionError, match="could not be pulled") as caught:
        pulled(do)
    assert caught.value.next == "Check the login."


def test_what_was_proven_elsewhere_is_what_is_released_wherever_the_tag_is_by_now() -> None:
    """The digest of the commit that staging has proven; of another repository it says nothing."""
    proven = Recorded(Artifact("api", f"{REPO}@{OTHER}", OTHER), "r-1 in staging")
    do = replies(image(f"{REPO}@{DIGEST}"), image(f"{REPO}@{OTHER}"))
    artifact, remarks = pulled(do, recorded=proven)
    assert artifact.reference == f"{REPO}@{OTHER}"
    assert pulls(do) == [f"{REPO}@{OTHER}"]
    assert "as r-1 in staging has proven it" in remarks[0]
    elsewhere = Recorded(Artifact("api", f"other.example/api@{OTHER}", OTHER), "r-1 in staging")
    assert pulled(replies(ABSENT, image(f"{REPO}@{DIGEST}")), recorded=elsewhere)[0].identity == DIGEST


def test_a_tag_that_moved_between_plan_and_deploy_is_noticed() -> None:
    """What somebody has looked at is not what would be released."""
    planned = Recorded(planned=Artifact("api", f"{REPO}@{OTHER}", OTHER))
    with pytest.raises(RefusedError, match="another image than when this version was planned"):
        pulled(replies(ABSENT, image(f"{REPO}@{DIGEST}")), recorded=planned)
    same = Recorded(planned=Artifact("api", f"{REPO}@{DIGEST}", DIGEST))
    assert pulled(replies(ABSENT, image(f"{REPO}@{DIGEST}")), recorded=same)[0].identity == DIGEST


@pytest.mark.parametrize(("revision", "told"), [("", False), (COMMIT, False), (COMMIT[:7], False), ("f" * 40, True)])
def test_an_image_that_says_it_is_of_another_commit_is_told(revision: str, told: bool) -> None:
    """By its own label; one without is no lie."""
    _, remarks = pulled(replies(ABSENT, image(f"{REPO}@{DIGEST}", revision=revision)))
    assert any("built of commit ffffffffffff" in r for r in remarks) is told
