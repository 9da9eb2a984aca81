"""A Compose application of three containers, released one container after the other: as many serve at any moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.choice import EVERYTHING
from tests.fixtures.engine import Docker
from tests.fixtures.no_downtime import Shop, asking, shop_of

pytestmark = pytest.mark.docker


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[Shop]:
    with shop_of(docker, tmp_path, 3) as made:
        yield made


@pytest.mark.story  # what a row of containers is, tests/conformance and tests/unit tell; that nobody notices, the two colours
@pytest.mark.timeout(600)
def test_as_many_serve_at_any_moment(shop: Shop) -> None:
    """The first time; then a version whose second container is bad: what it had begun is taken out again; then (`make chaos`) a good
    one, and the way back. No request fails, those in flight finish, and never do fewer than three run."""
    (first,) = shop.release("rolling", "v2")
    assert first["state"] == "proven", first
    three = [f"{shop.name}-web-green-{n}" for n in (1, 2, 3)]
    assert shop.running() == three
    began, before = time.time(), shop.inside()
    with asking(
        shop.port, "/", "/slow"
    ) as answers:  # what is answered at once, and what takes longer than anything else here
        (bad,) = shop.release("rolling", "half")
    assert bad["state"] == "rolled_back" and "root: answered 500" in bad["error"], bad
    assert set(answers) <= {"200 v2", "200 half"} and answers["200 v2"], answers
    assert shop.fewest(began, 3) >= 3
    assert shop.running() == three
    # what is not in traffic was replaced in place in the same release, and came back with it
    assert shop.version_of_jobs() == "v2"
    assert set(shop.inside() - before) <= {"v2", "half"}
    if not EVERYTHING:
        return
    began = time.time()
    with asking(shop.port, "/", "/slow") as answers:
        again, back = shop.release("rolling", "v1", "back")
    assert [again["state"], back["state"]] == ["proven", "rolled_back"], (again, back)
    assert set(answers) == {"200 v1", "200 v2"}, answers
    assert shop.fewest(began, 3) >= 3 and shop.running() == three
    assert not again["depends"] and again["planned"] == [k for k in again["journal"] if k in again["planned"]]
    assert [k for k in again["planned"] if k.endswith("/stop")] == [
        "deploy/1/old/green/stop", "deploy/2/old/green/stop", "deploy/old/green/stop",
    ]  # fmt: skip
