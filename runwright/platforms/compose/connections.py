"""Whether anybody is still being answered by a container: what is open on its port, as its own kernel tables say."""

from __future__ import annotations

from collections.abc import Mapping

from runwright.engine.actions import Command, Do, Output, Wait
from runwright.errors import CancelledError, DeadlineError
from runwright.platforms.compose.containers import Container

POLL_SECONDS = 0.2
_ESTABLISHED = "01"


def connections(container: Container, port: int) -> Command[int | None]:
    """Return the read of how many connections are open on ``port`` of ``container``; None if its image has no ``cat``."""
    return Command(
        says=f"see whether anything is open on {container.name}",
        # with tables for one family only, cat fails for the other one and prints the first all the same
        argv=("docker", "exec", container.id, "cat", "/proc/net/tcp", "/proc/net/tcp6"),
        ok=frozenset(range(256)),
        parse=lambda output: count(output, port),
        assume=0,
    )


def count(output: Output, port: int) -> int | None:
    """Return how many established connections to ``port`` the kernel's tables show; None if they are no such tables."""
    lines = [line.split() for line in output.text.splitlines()]
    if not any("local_address" in words for words in lines):
        return None
    local = [(words[1], words[3]) for words in lines if len(words) > 3 and ":" in words[1]]
    return sum(int(at.rpartition(":")[2], 16) == port and state == _ESTABLISHED for at, state in local)


def await_quiet(do: Do, containers: Mapping[Container, int], seconds: float) -> int | None:
    """Wait until nothing is open on the ports of ``containers``, for ``seconds`` at most (each).

    Return how many connections are open still; None if that cannot be told of one of them: then it was given the time.
    """
    left: list[int | None] = []
    for container, port in containers.items():
        read = connections(container, port)
        wait = Wait(
            says=f"wait until nothing is open on {container.name}",
            read=read,
            until=lambda found: found == 0,
            every_seconds=POLL_SECONDS,
            deadline_seconds=seconds,
            assume=0,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError:
            left.append(do(read))
    return None if None in left else sum(one or 0 for one in left)
