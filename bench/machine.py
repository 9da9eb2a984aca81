"""Where and with what a table was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def facts() -> dict[str, Any]:
    """Return the machine, the versions, the commit and how busy the machine was before anything was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": printed("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"),
        "changed files": len(printed("git", "-C", str(ROOT), "status", "--porcelain", "-uno").splitlines()),
        "cores": os.cpu_count(),
        "memory (GiB)": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "prefect": version("prefect"),
        "docker": printed("docker", "version", "--format", "{{.Server.Version}}") or "none",
        "compose": printed("docker", "compose", "version", "--short") or "none",
        "load before": load(),
    }


def load() -> str:
    """Return the load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def printed(*argv: str) -> str:
    """Return what a program prints, "" if it fails."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def busy(facts: dict[str, Any]) -> str:
    """Return what a reader must know if others used the machine while it was measured, "" if they did not.

    What is measured itself uses about one core, and a server another half.
    """
    loads = [float(str(facts[name]).split()[0]) for name in ("load before", "load after")]
    cores = int(facts["cores"])
    if loads[0] <= 0.75 * cores and loads[1] <= 2.5 * cores:
        return ""
    return (
        f"Others used this machine meanwhile (its load was {loads[0]:g} before and {loads[1]:g} after, on "
        f"{cores} cores). No verdict on a time can be taken from this table; measure again when it is quiet."
    )
