"""A Compose application in two colours, released as the flows do: nobody who asks it notices, in front or inside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.engine import Docker
from tests.fixtures.no_downtime import Shop, asking, shop_of

pytestmark = pytest.mark.docker


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[Shop]:
    with shop_of(docker, tmp_path, 1) as made:
        yield made


@pytest.mark.timeout(600)
def test_nobody_notices_that_the_version_changes(shop: Shop) -> None:
    """A bad version that no user meets, one by canary, and back: no request fails, neither in front nor inside. The first time
    ends what ran in no colour: of what that was just answering something may be lost."""
    with asking(shop.port) as entering:
        (first,) = shop.release("blue_green", "v2")
    lost = entering.total() - entering["200 v1"] - entering["200 v2"]
    assert entering["200 v1"] and entering["200 v2"] and lost <= 10, entering
    before = shop.inside()
    with asking(shop.port) as answers:
        (bad,) = shop.release("blue_green", "bad")
        canary, back = shop.release("canary", "v3", "back")
    assert [one["state"] for one in (first, bad, canary, back)] == ["proven", "rolled_back", "proven", "rolled_back"], (
        first, bad, canary, back,
    )  # fmt: skip
    assert "root: answered 500" in bad["error"]
    assert set(answers) == {"200 v2", "200 v3"}, answers
    inside = shop.inside() - before
    assert set(inside) == {"v2", "v3"}, inside
    # what has the names is the switch, and nothing else; what cannot be in traffic was replaced in place, and came back
    assert len(shop.named("web")) == 1 and shop.named("web") == shop.named("shop.internal")
    assert shop.version_of_jobs() == "v2"
    shares = [key for key in canary["journal"] if key.endswith("/switch/put") and key.split("/")[1].isdigit()]
    assert shares == ["deploy/10/switch/put", "deploy/50/switch/put"]
    _leaves(shop)


def _leaves(shop: Shop) -> None:
    """Out of the colours again, once with a version that does not serve: it is as if there had never been any."""
    bad, good = shop.release("recreate", "worse", "v3")
    assert [one["state"] for one in (bad, good)] == ["rolled_back", "proven"], (bad, good)
    left = [key for key in bad["journal"] if key.startswith("deploy/leave/") and "/remove" in key]
    assert left and set(left) <= set(bad["planned"]), (bad["journal"], bad["planned"])
    gone = [key for key in good["journal"] if key.startswith("deploy/leave/")]
    assert set(gone) <= {"deploy/leave/fence"}, "there was nothing to leave"
    label = f"label=com.docker.compose.project={shop.name}"
    there = shop.docker.run("ps", "-a", "--format", "{{.Names}}", "--filter", label, "--filter", "name=-web-").split()
    assert there == [f"{shop.name}-web-1"] and len(shop.named("web")) == 1
    assert shop.docker.run("ps", "-aq", "--filter", f"label=runwright.switch={shop.name}") == ""
    with asking(shop.port) as answers:
        time.sleep(0.5)
    assert set(answers) == {"200 v3"}, answers
