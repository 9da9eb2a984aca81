"""The environment of what we start: a minimal one, and the mark by which it is found again."""

from __future__ import annotations

import os
from collections.abc import Mapping

# What a child may know of our environment. All else stays with us: a secret in our own environment reaches nobody.
PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
    "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL", "VIRTUAL_ENV",
)  # fmt: skip

MARK = "RUNWRIGHT_ACTION"
"""The environment variable that every child carries: which action of which release it belongs to."""


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child process: a minimal one and ``extra``."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(extra)
