"""A Service as the router: what is read of it, the one patch that changes it, and who is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import FencedError, RefusedError, VerificationError
from runwright.platforms.kubernetes.colours import CLOSED, in_slot, served_by
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.manifests import SLOT
from runwright.platforms.kubernetes.selecting import LEASE, SHARES, Selecting, outsiders, selector_of, standing, told
from runwright.traffic import Upstream
from tests.fixtures.kubernetes_shop import deployment, service

Object = dict[str, Any]


def shop(slot: str = "", version: str = "7", **annotations: str) -> Object:
    found = served_by(service(), slot)
    found["metadata"] |= (
        {"resourceVersion": version, "annotations": dict(annotations)} if annotations else {"resourceVersion": version}
    )
    return found


@pytest.mark.parametrize(
    ("found", "slot", "shares"),
    [
        (shop("blue"), "blue", {}),
        (shop(), "", {}),
        (shop(CLOSED), None, {}),
        (shop(**{SHARES: '{"blue": 75, "green": 25}'}), "blue", {"blue": 75, "green": 25}),
        (shop("green", **{SHARES: '{"blue": 75, "green": 25}'}), "green", {}),
        (shop(**{SHARES: "odd"}), "", {}),
    ],
)
def test_a_service_says_whom_it_leads_to(found: Object, slot: str | None, shares: Mapping[str, int]) -> None:
    """A colour, whatever its own selector finds, or nobody; while two share the users, the one that all go back to."""
    seen = standing(found)
    assert (seen.slot, dict(seen.shares)) == (slot, shares)


def test_a_patch_holds_what_was_seen_and_leaves_the_token() -> None:
    """Whoever changes the Service meanwhile wins: the patch is refused then. Annotations of others stay."""
    to = {"app": "shop", SLOT: "green"}
    assert told(standing(shop("blue", "41")), 5, to, {}) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "41"},
        {"op": "replace", "path": "/spec/selector", "value": to},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/runwright.dev~1lease", "value": "5"},
    ]
    noted = standing(shop("blue", "41", note="x"))
    assert [one["path"] for one in told(noted, None, to, {})] == ["/metadata/resourceVersion", "/spec/selector"]
    shared = standing(shop(**{SHARES: '{"blue": 75, "green": 25}'}))
    assert told(shared, None, to, {})[-1] == {"op": "remove", "path": "/metadata/annotations/runwright.dev~1shares"}


def test_a_selector_keeps_what_the_pods_of_the_slot_have_too() -> None:
    """A version whose labels changed is found all the same: what its pods do not have is left out."""
    green = in_slot(deployment("shop@sha256:1"), "green")
    seen = standing(shop("blue"))
    assert selector_of(seen, green, "green") == {"app": "shop", SLOT: "green"} == selector_of(seen, None, "green")
    green["spec"]["template"]["metadata"]["labels"]["app"] = "store"
    assert selector_of(seen, green, "green") == {SLOT: "green"}


def test_who_is_named_by_a_service_and_is_none_of_the_colour_is_seen() -> None:
    """A pod of the other colour, and one of nobody that we know; one that is not ready gets nobody."""

    def endpoint(name: str, ready: bool = True) -> Object:
        return {"targetRef": {"name": name}, "conditions": {"ready": ready}}

    ends = [
        endpoint("shop-green-1-a"),
        endpoint("shop-green-1-b", ready=False),
        endpoint("shop-blue-1-a"),
        endpoint("shop-1-a"),
    ]
    found = ({"endpoints": ends}, {"endpoints": None})
    assert outsiders(found, "shop", ("green",)) == (1, ["shop-blue-1-a", "shop-1-a"])
    assert outsiders(found, "shop", ("blue", "green")) == (2, ["shop-1-a"])


class Cluster:
    """Answers kubectl for one Service: a patch changes it if it was seen as it is."""

    def __init__(self, found: Object, follows: bool = True) -> None:
        self.service, self.follows, self.patches = found, follows, 0
        self.meanwhile: list[Object] = []

    def __call__(self, action: Any) -> Any:
        read = getattr(action, "read", None)
        if read is not None:
            answer = self(read)
            if not action.until(answer):
                from runwright.errors import DeadlineError

                raise DeadlineError("it took too long")
            return answer
        words = action.argv
        if "patch" in words:
            self.patches += 1
            if self.meanwhile:
                self.service = self.meanwhile.pop(0)
            self._patch(json.loads(words[words.index("-p") + 1]))
            return None
        slot = self.service["spec"]["selector"].get(SLOT, "")
        slices: Object = {
            "metadata": {},
            "endpoints": [{"targetRef": {"name": f"shop-{slot if self.follows else 'x'}-1"}}],
        }
        given = [slices] if any("endpointslices" in w for w in words) else [self.service]
        return action.parse(Output(0, json.dumps({"kind": "List", "items": given}).encode(), b""))

    def _patch(self, patch: list[Object]) -> None:
        from runwright.errors import ActionError

        if patch[0]["value"] != self.service["metadata"]["resourceVersion"]:
            raise ActionError("the server rejected our request")
        for one in patch[1:]:
            if one["path"] == "/spec/selector":
                self.service["spec"]["selector"] = one["value"]
            elif one["path"].startswith("/metadata/annotations/"):
                self.service["metadata"].setdefault("annotations", {})[
                    one["path"].rpartition("/")[2].replace("~1", "/")
                ] = one["value"]
        self.service["metadata"]["resourceVersion"] += "0"


def router(token: int | None = None) -> Selecting:
    return Selecting(Kubectl("here", "shop"), {"shop": "shop"}, token)


GREEN = Upstream("green", "shop-green", 80)


def test_users_are_moved_by_one_patch_and_a_second_time_by_none() -> None:
    """The target is absolute; the Service and its pods are asked afterwards."""
    there = Cluster(shop("blue"))
    router(3).switch(there, GREEN, "switch")
    assert standing(there.service).slot == "green"
    assert there.service["metadata"]["annotations"] == {LEASE: "3"}
    router(3).switch(there, GREEN, "switch")
    assert there.patches == 1
    target = router().target(there)
    assert target is not None and target.slot == "green"


def test_a_service_that_somebody_changes_at_that_moment_is_looked_at_again() -> None:
    """Nothing is overwritten unseen; the second try holds what was seen then."""
    there = Cluster(shop("blue"))
    there.meanwhile = [shop("blue", "8", note="x")]
    router().switch(there, GREEN, "switch")
    assert there.patches == 2
    assert there.service["metadata"]["annotations"] == {"note": "x"}
    assert standing(there.service).slot == "green"


def test_whoever_has_an_older_lease_is_refused() -> None:
    """By announcing, and by what was announced: the Service keeps the token."""
    there = Cluster(shop("blue"))
    router(4).announce(there, "fence")
    assert there.patches == 1
    router(4).announce(there, "fence")
    assert there.patches == 1
    for refused in (lambda: router(3).announce(there, "fence"), lambda: router(3).switch(there, GREEN, "switch")):
        with pytest.raises(FencedError):
            refused()
    assert there.patches == 1
    assert standing(there.service).slot == "blue"


def test_a_service_that_is_not_seen_to_lead_there_is_an_error() -> None:
    """Told is not done: its EndpointSlices say who gets the users."""
    with pytest.raises(VerificationError, match="not seen to"):
        router().switch(Cluster(shop("blue"), follows=False), GREEN, "switch")


def test_a_service_without_a_selector_is_refused_before_anything_is_changed() -> None:
    """It leads to addresses that somebody else keeps, or to another host."""
    there = Cluster(shop("blue"))
    router().require(there)
    there.service["spec"]["selector"] = {}
    with pytest.raises(RefusedError, match="selects no pods"):
        router().require(there)


def test_a_share_of_the_users_that_nobody_could_judge_is_refused_before_anything_is_changed() -> None:
    """A Service counts nothing: a canary would wait for requests that it never sees."""
    with pytest.raises(RefusedError, match="counts no requests"):
        Selecting(Kubectl("here", "shop"), {"shop": "shop"}, shares=True).require(Cluster(shop("blue")))


def test_a_plan_shows_the_patch() -> None:
    """To the letter, with what was seen when the plan was made."""
    there, planner = Cluster(shop("blue")), Planner(Performer())

    def do(action: Any) -> Any:
        return planner(action) if action.key is not None or planner.steps else there(action)

    router(3).switch(do, GREEN, "deploy/switch")
    assert [step.key for step in planner.steps] == ["deploy/switch/shop"]
    assert "patch service/shop --type=json --field-manager=runwright" in planner.steps[0].exact
