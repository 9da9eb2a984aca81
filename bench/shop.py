"""What is measured of the example shop has in common: its two versions, a login, and how programs are called."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

OLD, NEW = "v1.0.0", "v1.1.0"
LOGIN = f"bench:{secrets.token_urlsafe(16)}"
"""What the Prefect server asks for."""


def call(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it printed. Raise RuntimeError with its last words if it fails."""
    done = subprocess.run(
        words, cwd=cwd, env=dict(env) if env else None, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words[:6])} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
