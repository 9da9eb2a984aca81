"""One question for all rollouts of a namespace, on what a real cluster showed."""

from __future__ import annotations

import json

import pytest

from runwright.engine.actions import Output
from runwright.errors import ActionError, VerificationError
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.watched import looked, rolled, watched
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


# ---------------------------------------------------------------------------------------------------------- until


def settled() -> Output:
    """Return a StatefulSet that came to its end."""
    return answer(last("stateful-well"))


def test_a_broken_pod_of_before_is_deleted_and_the_rollout_goes_on() -> None:
    """A StatefulSet would wait for it for ever; it serves nobody."""
    look = last("stateful")
    do = Replies({"delete pod": None, "look how far": [answer(look), settled()]})
    rolled(do, KUBECTL, look.workload, 60, "start/unblock")
    assert do.keys == ["start/unblock/shop-1"]
    assert do.changes[0].argv[-4:-1] == ("pod", "shop-1", "--ignore-not-found")  # type: ignore[attr-defined]


def test_a_pod_that_blocks_again_is_told_and_not_deleted_for_ever() -> None:
    """Then it is not the pod of before that is broken."""
    look = last("stateful")
    do = Replies({"delete pod": None, "look how far": answer(look)})
    with pytest.raises(VerificationError, match="OrderedReady"):
        rolled(do, KUBECTL, look.workload, 60, "start/unblock")
    assert do.keys == ["start/unblock/shop-1"]


def test_what_is_in_vain_ends_the_wait_with_what_to_do() -> None:
    """Nothing is deleted for it."""
    look = last("stateful-new")
    do = Replies({"look how far": answer(look)})
    with pytest.raises(VerificationError, match="StatefulSet/shop does not roll out: Pod shop-1") as told:
        rolled(do, KUBECTL, look.workload, 60, "start/unblock")
    assert "--previous" in told.value.next and not do.changes


def test_what_has_no_rollout_is_not_waited_for() -> None:
    """A CronJob makes its pods later."""
    rolled(Replies({}), KUBECTL, {"kind": "CronJob", "metadata": {"name": "night"}}, 60, "start/unblock")


def test_a_daemon_set_asks_for_its_revisions_and_goes_without() -> None:
    """They are known by their generation, too."""
    look = last("daemon")
    said = 'Error from server (Forbidden): controllerrevisions.apps is forbidden: User "x"'
    look.revisions.clear()
    assert watched(Replies({"get": answer(look, 1, said)}), KUBECTL, ["DaemonSet/shop"], look.now)[
        "DaemonSet/shop"
    ].done
