"""What Docker tells of containers, on recorded outputs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runwright.engine.actions import Output
from runwright.errors import ObservationError
from runwright.platforms.compose.usage import Usage, Vitals, parse_stats, stats, unsteady, vitals
from runwright.testing.replies import Replies

WELL = Vitals("c1", "running", 2, False, 0)
INSPECTED = b'{"name":"/api","id":"c1","state":"running","restarts":2,"oom_killed":false,"exit_code":0}\n'
STATS = (
    b'{"BlockIO":"0B / 0B","CPUPerc":"101.75%","Container":"c1","ID":"c1","MemPerc":"0.03%","Name":"api","PIDs":"6"}\n'
    b'{"BlockIO":"--","CPUPerc":"--","Container":"c2","ID":"c2","MemPerc":"--","Name":"gone","PIDs":"--"}\n'
)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (WELL, []),
        (replace(WELL, exit_code=3), []),
        (None, ["api is gone"]),
        (replace(WELL, restarts=5, exit_code=1), ["api was restarted 3 times (exit code 1)"]),
        (replace(WELL, state="exited", exit_code=1), ["api is exited (exit code 1)"]),
        (replace(WELL, oom_killed=True), ["api was killed because it used more memory than it may"]),
        (replace(WELL, id="c9", restarts=0), ["api was replaced by another container"]),
    ],
)
def test_steady_is_the_same_container_running_without_a_restart(after: Vitals | None, told: list[str]) -> None:
    """Each way of not being steady is a sentence of its own; restarts before the first look do not count."""
    assert unsteady({"api": WELL}, {"api": after} if after else {}) == told


def test_usage_joins_what_docker_measures_and_counts() -> None:
    """Percentages as numbers, more than one core is more than 100; what does not run is left out."""
    do = Replies({"docker stats": Output(0, STATS, b""), "container inspect": Output(0, INSPECTED, b"")})
    assert stats(do, ["api", "gone"]) == {"api": Usage(101.75, 0.03, 2)}
    assert all(action.reads for action in do.actions)


def test_nothing_is_asked_about_no_containers() -> None:
    """docker without names would tell about all of the machine's."""
    do = Replies({})
    assert (vitals(do, []), stats(do, [])) == ({}, {})


def test_what_is_not_understood_is_told() -> None:
    """A column that changed its form; an engine that does not answer."""
    with pytest.raises(ObservationError, match="percentage"):
        parse_stats(Output(0, b'{"CPUPerc":"much","MemPerc":"1%","Name":"api"}', b""))
    with pytest.raises(ObservationError, match="could not tell"):
        vitals(Replies({"container inspect": Output(1, b"", b"Cannot connect")}), ["api"])
    gone = Replies({"container inspect": Output(1, b"", b"Error: No such container: api")})
    assert vitals(gone, ["api"]) == {}
