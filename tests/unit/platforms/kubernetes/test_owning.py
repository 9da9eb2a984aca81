"""Taking over objects that others write at the same moment: it is looked afterwards, and tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Output, WriteFile
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.ownership import Kind, owners
from runwright.platforms.kubernetes.owning import TAKES, Settled, take_over
from runwright.testing.replies import Replies

Object = dict[str, Any]
KUBECTL = Kubectl("here", "shop")
FOLDER = Path("/state")
REFUSED = Output(1, b"", b"The request is invalid: the server rejected our request due to an error in our request")
DONE = Output(0, b"", b"")


def shop(manager: str, operation: str = "Update") -> Object:
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "fieldsV1": {"f:spec": {"f:paused": {}}},
    }
    status = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "subresource": "status",
        "fieldsV1": {"f:status": {}},
    }
    metadata = {"name": "shop", "namespace": "shop", "managedFields": [entry, status]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"paused": True}}


THEIRS, OURS = shop("kubectl-client-side-apply"), shop("runwright", "Apply")
MOVED = {**THEIRS, "metadata": {**THEIRS["metadata"], "managedFields": THEIRS["metadata"]["managedFields"][::-1]}}
SETTLED = Settled(THEIRS, THEIRS, owners(THEIRS, [Kind.BEFORE]))


def said(found: Object | None) -> Output:
    return Output(0, b"" if found is None else json.dumps(found).encode(), b"")


def commands(do: Replies) -> list[str]:
    """Return the keys of the commands that change something."""
    return [str(change.key) for change in do.changes if isinstance(change, Command)]


def test_an_object_is_taken_over_once_and_looked_at_afterwards() -> None:
    """Then there is nothing left to take."""
    do = Replies({"write ": None, " patch ": DONE, " get ": said(OURS)})
    take_over(do, KUBECTL, [SETTLED], FOLDER, "deploy")
    assert commands(do) == ["deploy/own/deployment-shop"]
    change = do.changes[-1]
    assert isinstance(change, Command)
    assert change.argv[5:8] == ("patch", "deployment.apps/shop", "--type=json")


def test_it_is_tried_again_with_what_is_there_now() -> None:
    """The entries have other places: the second patch tests those."""
    do = Replies({"write ": None, " patch ": [REFUSED, DONE], " get ": [said(MOVED), said(OURS)]})
    take_over(do, KUBECTL, [SETTLED], FOLDER, "deploy")
    assert commands(do) == ["deploy/own/deployment-shop", "deploy/own/deployment-shop/2"]
    patches = [json.loads(change.content)[0]["path"] for change in do.changes if isinstance(change, WriteFile)]
    assert patches == ["/metadata/managedFields/0", "/metadata/managedFields/1"]


def test_a_patch_that_was_done_and_not_answered_is_not_done_again() -> None:
    """What is there counts, not what the command said."""
    do = Replies({"write ": None, " patch ": REFUSED, " get ": said(OURS)})
    take_over(do, KUBECTL, [SETTLED], FOLDER, "deploy")
    assert len(commands(do)) == 1


def test_what_never_succeeds_fails_with_what_the_cluster_said() -> None:
    """Forbidden, for instance: the last try is not forgiven."""
    do = Replies({"write ": None, " patch ": Output(1, b"", b"is forbidden"), " get ": said(THEIRS)})
    with pytest.raises(ActionError, match="kubectl exited with 1"):
        take_over(do, KUBECTL, [SETTLED], FOLDER, "deploy")
    assert len(commands(do)) == TAKES


def test_an_object_that_went_away_has_nothing_to_be_taken() -> None:
    """It is made anew by the apply."""
    do = Replies({"write ": None, " patch ": REFUSED, " get ": said(None)})
    take_over(do, KUBECTL, [SETTLED, Settled(THEIRS, None)], FOLDER, "deploy")
    assert len(commands(do)) == 1


def test_the_plan_shows_one_takeover_and_asks_nothing_more() -> None:
    """After the first change a read is assumed to show that it succeeded."""
    planner = Planner(Performer())
    take_over(planner, KUBECTL, [SETTLED], FOLDER, "deploy")
    assert [step.key for step in planner.steps if step.key] == [
        "deploy/own/deployment-shop/file",
        "deploy/own/deployment-shop",
    ]
