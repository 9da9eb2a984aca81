"""Log in to the registry for as long as images are built, pushed and pulled, and no longer."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runwright.effects.files import write_file
from tasks.work import Work

OWN_PLUGINS = Path("~/.docker/cli-plugins")


def login_file(work: Work) -> Path:
    """Return where the login is while it is there; a run that was killed may have left it."""
    return work.folders.docker / "config.json"


@contextmanager
def logged_in(work: Work) -> Iterator[None]:
    """Write the login that Docker reads from a folder of ours (0600), and remove it at the end.

    Without a registry in the runbook, or without a password in the block, Docker uses whatever login it has.
    """
    registry, password = work.place.registry, work.secrets.get("registry_password")
    if registry is None or not password:
        yield
        return
    user = work.secrets.get("registry_username", "")
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    content = {
        "auths": {registry.prefix.partition("/")[0]: {"auth": login}},
        # a folder of our own must not hide the plugins (Compose, BuildKit) that the user has installed for himself
        "cliPluginsExtraDirs": [str(OWN_PLUGINS.expanduser())],
    }
    path = login_file(work)
    write_file(path, json.dumps(content).encode(), 0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
