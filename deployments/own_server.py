"""What belongs to the server that ``up`` starts, and stays from one to the next: its folder, its port and its login.

Whoever reaches Prefect's API reads every secret in it, and runs commands as the user of the worker; and a port of this
machine is reached by each of its users, and by each page in a browser on it. So there is a login, made once and kept in
files that this user alone reads.
"""

from __future__ import annotations

import base64
import secrets
import socket
import time
from pathlib import Path

from runwright.engine.effects.files import write_file
from runwright.home import home, make_folder

SERVER_LOGIN = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_LOGIN = "PREFECT_API_AUTH_STRING"
PROFILES_VARIABLE = "PREFECT_PROFILES_PATH"
USER = "runwright"
LEAVES_SECONDS = 3.0
"""How long the threads of a server that was killed may keep its port."""


def prefect_home() -> Path:
    """Return the PREFECT_HOME of the server that ``up`` starts; the user's own is left alone."""
    return home() / "prefect"


def make_prefect_home() -> None:
    """Make the folder of the server for this user alone: its database is in it, and the home may be open to look into."""
    make_folder(prefect_home())
    prefect_home().chmod(0o700)


def login_file() -> Path:
    """Return the file that holds the login, ``user:password``, as Prefect's pages and clients ask for it."""
    return prefect_home() / "login"


def login() -> str:
    """Return the login. It is made the first time."""
    return _kept(login_file(), f"{USER}:{secrets.token_urlsafe(24)}")


def encryption_key() -> str:
    """Return the key that the server's blocks are encrypted with; kept beside the database, not in it."""
    return _kept(prefect_home() / "encryption-key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def _kept(file: Path, new: str) -> str:
    if not file.exists():
        write_file(file, new.encode(), 0o600)
    return file.read_text().strip()


def own_url() -> str | None:
    """Return the address of the API of the server that runs here, or ran last; None if there never was one."""
    try:
        return f"http://127.0.0.1:{int(_port_file().read_text())}/api"
    except (OSError, ValueError):
        return None


def _port_file() -> Path:
    return prefect_home() / "port"


def take_port(known: int | None) -> int:
    """Return the port for the next server: the one that browsers, shells and a worker know already, or a free one.

    known: that of a server that did not write its own down. Whoever has taken the port meanwhile was sent the login by all
    who took him for the server, so there is a new one then.
    """
    make_prefect_home()
    url = own_url()
    port = int(url.split(":")[2].partition("/")[0]) if url else known
    if port is None or not _freed(port):
        login_file().unlink(missing_ok=True)
        port = _free_port()
    write_file(_port_file(), str(port).encode(), 0o600)
    return port


def _freed(port: int) -> bool:
    until = time.monotonic() + LEAVES_SECONDS
    while not (free := _free(port)) and time.monotonic() < until:
        time.sleep(0.05)
    return free


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is left of connections is in nobody's way
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def profiles_file() -> Path:
    """Return the file that the ``prefect`` command is told of by PREFECT_PROFILES_PATH: address and login, as a profile."""
    return home() / "prefect-profiles.toml"


def write_profile(api_url: str) -> None:
    """Let ``prefect`` in any shell of this user find the server at ``api_url``, with its login."""
    text = (
        f"# Written by `runwright up`: with {PROFILES_VARIABLE} set to this file, `prefect` uses the server that it started.\n"
        f'active = "runwright"\n\n[profiles.runwright]\nPREFECT_API_URL = "{api_url}"\n{CLIENT_LOGIN} = "{login()}"\n'
    )
    write_file(profiles_file(), text.encode(), 0o600)
