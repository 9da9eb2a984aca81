"""What kubectl says of an API server that is not there, as it was captured: whether nothing was done, or nobody knows."""

from __future__ import annotations

import pytest

from runwright.engine.actions import Output
from runwright.platforms.kubernetes.kubectl import Kubectl, away, no_answer

REFUSED = b"The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?\n"
DIALLED = b'E1126 memcache.go:265] couldn\'t get current server API group list: Get "https://127.0.0.1:6443/api?timeout=32s": dial tcp 127.0.0.1:6443: connect: connection refused\n'
CUT = b"Unable to connect to the server: EOF\n"
LATE = b"Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)\n"
TOLD = b'Error from server (NotFound): deployments.apps "shop" not found\n'


@pytest.mark.parametrize(
    ("said", "nothing_done", "silent"),
    [(REFUSED, True, True), (DIALLED, True, True), (CUT, False, True), (LATE, False, True), (TOLD, False, False)],
)
def test_only_what_was_never_taken_on_is_sent_again(said: bytes, nothing_done: bool, silent: bool) -> None:
    """A change whose answer was lost may have been made; a read does no harm."""
    left = Output(1, b"", said)
    assert (away(left), no_answer(left)) == (nothing_done, silent)


def test_changes_and_reads_know_it() -> None:
    """Each of them carries the question that fits it."""
    kubectl = Kubectl("here", "shop")
    assert kubectl.change("apply", says="apply", key="apply").unreached is away
    assert kubectl.read("get", "pods", says="look", parse=bytes).unreached is no_answer
