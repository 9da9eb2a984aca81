"""What containers printed is read before they are replaced."""

from __future__ import annotations

from runwright.engine.actions import Output
from runwright.errors import DeadlineError
from runwright.platforms.compose.containers import Container
from runwright.platforms.compose.printed import printed
from runwright.testing.replies import Replies

API = Container("id1", "shop-api-1", "api", "sha256:1", "exited", exit_code=3)
JOBS = Container("id2", "shop-jobs-1", "jobs", "sha256:1", "running", health="starting")


def test_both_streams_are_brought_together_by_their_times() -> None:
    """Docker gives the two streams apart; what happened first is read first, under the container's name."""
    out = b"2026-11-21T10:00:01.000000001Z listening\n2026-11-21T10:00:03.000000000Z bye\n"
    err = b"the end of a line that was cut2026-11-21T10:00:02.000000000Z KeyError: SMTP_HOST\n"
    do = Replies({"what shop-api-1 printed": Output(0, out, err), "what shop-jobs-1 printed": Output(0, b"", b"")})
    assert printed(do, (API, JOBS)).splitlines() == [
        "==> shop-api-1 ended (exit code 3, OOMKilled no) <==",
        "2026-11-21T10:00:01.000000001Z listening",
        "2026-11-21T10:00:02.000000000Z KeyError: SMTP_HOST",
        "2026-11-21T10:00:03.000000000Z bye",
        "",
        "==> shop-jobs-1 runs, and its healthcheck has not passed yet <==",
    ]
    assert do.changes == []


def test_nothing_is_read_where_nothing_was_started() -> None:
    """No container, no text."""
    assert printed(Replies({}), ()) == ""


def test_a_line_without_end_keeps_both_its_ends() -> None:
    """Of one that was cut and holds no time, what there is; of a binary one, what can be read; the newest stays last."""
    endless = b"x" * 9000 + b"\xff\xfe" + b"y" * 9000
    out = endless + b"\n2026-11-21T10:00:03.000000000Z the reason: no licence\n"
    lines = printed(Replies({"what shop-api-1 printed": Output(0, out, b"")}), (API,)).splitlines()
    assert lines[1].startswith("x" * 2000 + " ... 14,002 characters ... ")
    assert lines[1].endswith("y" * 2000)
    assert lines[2].endswith("the reason: no licence")


def test_where_docker_takes_too_long_fewer_lines_are_read() -> None:
    """It reads from the oldest on, so what was read until then would not be the last."""
    slow = DeadlineError("It took longer than 10 s and was ended.")
    last = Output(0, b"2026-11-21T10:00:03.000000000Z bye\n", b"")
    do = Replies({"--tail 5000": slow, "--tail 200": last})
    assert "bye" in printed(do, (API,))
