"""Log in to the registry for as long as images are built, pushed and pulled, and no longer."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

from runwright.engine.effects.files import write_file
from runwright.engine.there.paths import Path
from runwright.release.work import Work

DOCKER_HUB = "https://index.docker.io/v1/"
OWN_PLUGINS = Path("~/.docker/cli-plugins")


def login_file(work: Work) -> Path:
    """Return where the login is while it is there; a run that was killed may have left it."""
    return work.folders.docker / "config.json"


@contextmanager
def logged_in(work: Work) -> Iterator[None]:
    """Write the login that Docker reads from a folder of ours (0600), and remove it at the end.

    It is for the registries that the runbook names, and for no other that a version's Compose file may name. Without one, or
    without a password in the block, Docker uses whatever login it has.
    """
    hosts, password = _hosts(work), work.secrets.get("registry_password")
    if not hosts or not password:
        yield
        return
    user = work.secrets.get("registry_username", "")
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    content = {
        "auths": {host: {"auth": login} for host in hosts},
        # a folder of our own must not hide the plugins (Compose, BuildKit) that the user has installed for himself
        "cliPluginsExtraDirs": [str(OWN_PLUGINS.expanduser())],
    }
    path = login_file(work)
    write_file(path, json.dumps(content).encode(), 0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _hosts(work: Work) -> list[str]:
    """Return the registries that the runbook names, as Docker's logins do."""
    named = [work.place.registry.prefix + "/"] if work.place.registry else []
    named += [c.image for c in work.runbook.components.values() if c.image]
    return list(dict.fromkeys(_host(name) for name in named))


def _host(image: str) -> str:
    host, slash, _ = image.partition("/")
    # a first part that is no host is an account of Docker's own registry
    return host if slash and ("." in host or ":" in host or host == "localhost") else DOCKER_HUB
