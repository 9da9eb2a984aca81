"""The server of our own keeps its port and its login, and no other user reads them."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from deployments import own_server


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_login_is_made_once_and_read_by_its_user_alone() -> None:
    """Also in a home that others may look into."""
    own_server.home().mkdir(mode=0o755, parents=True)
    own_server.make_prefect_home()
    login = own_server.login()
    user, _, password = login.partition(":")
    assert (user, len(password)) == ("runwright", 32)
    assert own_server.login() == login
    assert mode(own_server.login_file()) == 0o600
    assert mode(own_server.prefect_home()) == 0o700
    own_server.encryption_key()
    own_server.write_profile("http://127.0.0.1:4/api")
    assert mode(own_server.profiles_file()) == 0o600
    assert mode(own_server.prefect_home() / "encryption-key") == 0o600


def test_prefect_reads_the_profile() -> None:
    """One variable gives `prefect` the address and the login."""
    own_server.write_profile("http://127.0.0.1:4/api")
    data = tomllib.loads(own_server.profiles_file().read_text())
    assert data["profiles"][data["active"]] == {
        "PREFECT_API_URL": "http://127.0.0.1:4/api",
        "PREFECT_API_AUTH_STRING": own_server.login(),
    }


def test_a_new_server_takes_over_the_port_of_the_old_one() -> None:
    """Browsers, shells and a worker know it; so does the next server after a `down`."""
    assert own_server.own_url() is None
    first = own_server.take_port(None)
    login = own_server.login()
    assert own_server.own_url() == f"http://127.0.0.1:{first}/api"
    assert own_server.take_port(None) == first
    assert own_server.login() == login


def test_the_port_of_a_server_that_did_not_write_it_down_is_taken_over_as_well() -> None:
    """It was started by an older `up`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        known = probe.getsockname()[1]
    assert own_server.take_port(known) == known


def test_who_took_the_port_does_not_get_to_know_the_login_of_the_next_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that took him for the server have sent him the old one."""
    monkeypatch.setattr(own_server, "LEAVES_SECONDS", 0.0)
    first, login = own_server.take_port(None), own_server.login()
    with socket.create_server(("127.0.0.1", first)):
        second = own_server.take_port(None)
    assert second != first
    assert own_server.own_url() == f"http://127.0.0.1:{second}/api"
    assert own_server.login() != login


def test_a_spoilt_port_is_no_port() -> None:
    """A free one is taken."""
    own_server.take_port(None)
    (own_server.prefect_home() / "port").write_text("none")
    assert own_server.own_url() is None
    assert own_server.take_port(None) > 0
