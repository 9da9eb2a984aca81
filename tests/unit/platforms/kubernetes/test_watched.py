"""One question for all rollouts of a namespace, on what a real cluster showed."""

from __future__ import annotations

import json

import pytest

from runwright.engine.actions import Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.watched import looked, watched
from runwright.testing.replies import Replies
from tests.unit.platforms.kubernetes.looks import Look, last

KUBECTL = Kubectl("here", "shop")
EVENTS = 'Error from server (Forbidden): events is forbidden: User "x" cannot list resource "events"'
PODS = 'Error from server (Forbidden): pods is forbidden: User "x" cannot list resource "pods"'


def answer(look: Look, code: int = 0, said: str = "") -> Output:
    """Return what kubectl prints of a look."""
    found = [look.workload, *look.revisions, *look.pods, *look.events]
    return Output(code, json.dumps({"kind": "List", "items": found}).encode(), said.encode())


def test_all_are_told_by_one_question() -> None:
    """Only the kinds that are needed are asked for; what is not there is told as that."""
    look = last("crash")
    do = Replies({"get": answer(look)})
    found = watched(do, KUBECTL, ["Deployment/shop", "Deployment/other"], look.now)
    assert "exit code 3" in found["Deployment/shop"].stalled
    assert found["Deployment/other"].says == "Deployment/other is not there."
    assert not found["Deployment/other"].done and not found["Deployment/other"].stalled
    (action,) = do.actions
    assert action.reads and "deployments.apps,replicasets.apps,pods,events" in action.argv  # type: ignore[attr-defined]


def test_without_the_right_to_events_it_is_told_with_fewer_words() -> None:
    """The pods tell what matters most."""
    look = last("crash")
    look.events.clear()
    do = Replies({"get": answer(look, 1, f"{EVENTS}\n")})
    assert "exit code 3" in watched(do, KUBECTL, ["Deployment/shop"], look.now)["Deployment/shop"].stalled
    assert looked(do, KUBECTL, ["Deployment/shop"]).unseen == (EVENTS,)


@pytest.mark.parametrize("said", [PODS, f"{EVENTS}\n{PODS}", "Unable to connect to the server", ""])
def test_what_is_needed_and_not_shown_is_an_error(said: str) -> None:
    """No pods seen is not no pods."""
    do = Replies({"get": answer(last("well"), 1, said)})
    with pytest.raises(ActionError, match="does not show the rollout"):
        watched(do, KUBECTL, ["Deployment/shop"], last("well").now)


def test_a_daemon_set_asks_for_its_revisions_and_goes_without() -> None:
    """They are known by their generation, too."""
    look = last("daemon")
    said = 'Error from server (Forbidden): controllerrevisions.apps is forbidden: User "x"'
    look.revisions.clear()
    assert watched(Replies({"get": answer(look, 1, said)}), KUBECTL, ["DaemonSet/shop"], look.now)[
        "DaemonSet/shop"
    ].done
