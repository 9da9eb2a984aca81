"""Where to log in, and what is told of a login that failed; the rest needs a server (tests/integration/test_there.py)."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from runwright.engine.actions import Command
from runwright.engine.there import jobs, paths, place
from runwright.engine.there.address import Address
from runwright.engine.there.login import Login, refused
from runwright.errors import ActionError, InputError
from runwright.loopback import is_loopback


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ssh://deploy@shop.example.com", ("-l", "deploy", "--", "shop.example.com")),
        ("ssh://deploy@10.0.0.7:2222", ("-l", "deploy", "-p", "2222", "--", "10.0.0.7")),
        ("ssh://shop", ("--", "shop")),
        ("ssh://root@[fe80::1]:22", ("-l", "root", "-p", "22", "--", "fe80::1")),
    ],
)
def test_an_address_is_what_ssh_is_called_with(text: str, words: tuple[str, ...]) -> None:
    assert Address.of(text).words == words


@pytest.mark.parametrize(
    "text",
    [
        "shop",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-l@x",
        "ssh://a:secret@x",
        "ssh://x/path",
        "ssh://x:0",
        "ssh://x y",
        "ssh://x\n",
    ],
)
def test_what_ssh_could_misunderstand_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Address.of(text)


def test_no_login_asks_a_person_or_takes_a_host_that_is_not_known() -> None:
    words = Login(Address.of("ssh://shop")).program()
    assert "BatchMode=yes" in words and "StrictHostKeyChecking=yes" in words and "ForwardAgent=no" in words


def test_a_key_of_ours_lies_where_nobody_else_looks_and_goes_with_the_login() -> None:
    login = Login(Address.of("ssh://shop"), "-----BEGIN KEY-----\r\nx\r\n-----END KEY-----")
    file = Path(login.program()[-1])
    assert file.read_text() == "-----BEGIN KEY-----\nx\n-----END KEY-----\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    login.close()
    assert not file.parent.exists()


def test_secrets_and_arguments_go_over_standard_input() -> None:
    action = Command(
        says="do",
        key="k",
        argv=("docker", "a b", "it's"),
        env={"TOKEN": "geheim'1"},
        stdin=b"12345",
        stdout_to=Path("/x/y z"),
    )
    told = jobs.request(action, "m", "the end").decode()
    assert f"export TOKEN={shlex.quote('geheim' + chr(39) + '1')}" in told
    assert "exec docker 'a b' 'it'\"'\"'s'" in told and "head -c 5" in told and ">'/x/y z'" in told
    assert "geheim" not in " ".join(Login(Address.of("ssh://x")).argv(jobs.RUNNER))


def test_a_variable_that_no_shell_can_set_is_refused() -> None:
    with pytest.raises(ActionError, match=r"'spring\.x' cannot be set"):
        jobs.request(Command(says="do", argv=("x",), env={"spring.x": "1"}), "m", "the end")


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        (
            b"@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.",
            "is not the one that is known",
        ),
        (b"No ED25519 host key is known for x and you have requested strict checking.", "is not known here"),
        (b"deploy@x: Permission denied (publickey).", "does not let us log in"),
        (
            b"ssh: connect to host x port 22: Connection refused",
            "cannot be reached: ssh: connect to host x port 22: Connection refused",
        ),
    ],
)
def test_a_login_that_failed_says_why_and_what_to_do(printed: bytes, says: str) -> None:
    error = refused(Address.of("ssh://x:2222"), printed)
    assert says in error.what and error.next and not error.begun


def test_half_a_line_is_not_shown_where_the_beginning_was_dropped() -> None:
    assert jobs.whole_lines(b"short") == b"short"
    assert jobs.whole_lines(b"ecret\nrest" + b"x" * jobs.KEPT_BYTES).startswith(b"rest")


@pytest.mark.parametrize(
    ("host", "is_it"), [("localhost", True), ("127.0.0.2", True), ("::1", True), ("shop", False), ("10.0.0.1", False)]
)
def test_a_loopback_address_is_known(host: str, is_it: bool) -> None:
    assert is_loopback(host) == is_it


def test_a_path_is_one_of_this_machine_unless_things_are_done_elsewhere(tmp_path: Path) -> None:
    file = paths.Path(tmp_path / "file")
    file.write_text("x")
    assert file.read_bytes() == b"x" and list(paths.Path(tmp_path).iterdir()) == [file]
    with place.at("ssh://nobody@host.invalid"), pytest.raises(TypeError, match="another host"):
        file.write_bytes(b"y")
    assert file.read_bytes() == b"x"
