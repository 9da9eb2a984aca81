"""Whether quotas leave room for a rollout."""

from __future__ import annotations

import pytest

from runwright.platforms.kubernetes.quota import pods_before, short_of
from tests.unit.platforms.kubernetes.objects import container, workload


def shop(replicas=None, strategy=None, kind="Deployment", **resources):
    found = workload(container(resources=resources), kind=kind)
    found["spec"] |= {key: v for key, v in (("replicas", replicas), ("strategy", strategy)) if v is not None}
    return found


def quota(hard, used=None, **spec):
    status = {"hard": hard, "used": used or {}}
    return {"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": spec, "status": status}


def rolling(surge, unavailable):
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


@pytest.mark.parametrize(
    ("one", "now", "twice", "expected"),
    [
        (shop(4), shop(4), False, (1, False)),
        (shop(4, rolling(2, 0)), shop(4), False, (2, True)),
        (shop(3, rolling("50%", "25%")), shop(3), False, (2, True)),
        (shop(None, rolling(1, 0)), shop(7), False, (1, True)),
        (shop(4, {"type": "Recreate"}), shop(4), False, (0, False)),
        (shop(3), None, False, (3, True)),
        (shop(3), shop(3), True, (3, True)),
        (shop(3, kind="StatefulSet"), shop(3, kind="StatefulSet"), False, (0, False)),
    ],
)
def test_how_many_pods_come_before_one_goes(one, now, twice, expected):
    assert pods_before(one, now, twice) == expected


def test_a_pod_more_than_the_quota_has_stalls_a_rollout_that_takes_none_away_first():
    one = shop(2, rolling(1, 0), requests={"cpu": "200m", "memory": "64Mi"})
    (found,) = short_of([quota({"requests.cpu": "500m", "pods": "9"}, {"requests.cpu": "400m"})], [one], [shop(2)])
    assert found.stalls and "1 more pods" in found.says and "need 200m of requests.cpu" in found.says
    assert "team has 100m left" in found.says
    assert not short_of([quota({"requests.cpu": "600m", "pods": "9"}, {"requests.cpu": "400m"})], [one], [shop(2)])


def test_a_quota_that_counts_some_pods_only_is_left_out():
    one = shop(2, rolling(1, 0))
    assert not short_of([quota({"pods": "2"}, {"pods": "2"}, scopes=["BestEffort"])], [one], [shop(2)])
    (found,) = short_of([quota({"pods": "2"}, {"pods": "2"})], [one], [shop(2)])
    assert "need 1 of pods" in found.says
