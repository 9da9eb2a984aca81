"""Whether a version can be started, as Compose's rehearsals tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.engine.actions import Command, Output
from runwright.errors import RefusedError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.rehearsal import rehearse
from runwright.testing.replies import Replies

PROJECT = Project("shop", Path("/opt/shop"), (Path("/state/compose.yml"),))
DRY = b" DRY-RUN MODE -  Container shop-api-1  Recreate \n"


def test_a_rehearsal_changes_nothing_and_goes_through_all_that_is_replaced() -> None:
    """Compose is told not to do it, and the action is one that only reads."""
    do = Replies({"--dry-run": Output(0, b"", DRY)})
    rehearse(do, PROJECT, ["api", "jobs"])
    (asked,) = do.actions
    assert isinstance(asked, Command)
    assert do.changes == []
    assert asked.argv[-8:] == (
        "--dry-run", "up", "--no-start", "--no-deps", "--no-build", "--force-recreate", "api", "jobs",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (DRY + b"can't set healthcheck.start_interval as feature require Docker Engine v25 or later\n", "Engine v25"),
        (DRY, "it exited with 1"),
    ],
)
def test_what_the_engine_cannot_do_is_told_before_anything_is_replaced(printed: bytes, told: str) -> None:
    """In Compose's own words, without what it would have done until then."""
    with pytest.raises(RefusedError, match=told) as caught:
        rehearse(Replies({"--dry-run": Output(1, b"", printed)}), PROJECT, ["api"])
    assert "DRY-RUN" not in str(caught.value)
    assert "Nothing was started or stopped" in str(caught.value)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (b"Error response from daemon: network front not found\n", "`docker network create front`"),
        (b'external volume "media" not found\n', "`docker volume create media`"),
        (b"network front declared as external, but could not be found\n", "`docker network create front`"),
    ],
)
def test_what_is_outside_of_the_project_and_missing_is_told_with_how_it_is_made(printed: bytes, told: str) -> None:
    """Nobody but its owner knows how it should be; a plain one is a beginning."""
    with pytest.raises(RefusedError) as caught:
        rehearse(Replies({"--dry-run": Output(1, b"", printed)}), PROJECT, ["api"])
    assert told in caught.value.next
