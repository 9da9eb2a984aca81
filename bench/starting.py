"""How long a process of ours takes to start, beside what it is made of."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.machine import ROOT
from bench.numbers import Row, Section, Series, series

RUNBOOK = "examples/shop.yaml"
BARE = """
from prefect import flow, task

@task(persist_result=False)
def step(release_id: str) -> str:
    return release_id

@flow(name="deploy", persist_result=False)
def deploy(system: str, environment: str, version: str, attestations: dict[str, str] | None = None) -> str:
    return step(system)
"""
"""A flow that does nothing: what anybody who releases with Prefect imports."""


def seconds(*words: str) -> float:
    """Return how long a fresh Python takes for ``words``."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True, timeout=120)
    return time.perf_counter() - began


def megabytes(code: str) -> Series:
    """Return how much memory a fresh Python holds once it has done ``code``."""
    told = f"{code}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    )
    return series([int(done.stdout) / 1024], "MB")


def measure(rounds: int) -> Section:
    """Start each of them ``rounds`` times, by turns."""
    runwright = str(Path(sys.executable).parent / "runwright")
    asked = {
        "bare": ("-c", BARE),
        "flow": ("-c", "import flows.deploy"),
        "python": ("-c", "pass"),
        "help": (runwright, "--help"),
        "check": (runwright, "check", RUNBOOK),
        "pydantic": ("-c", "import pydantic, yaml, typer"),
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    for words in asked.values():
        seconds(*words)  # once for the files' cache, and for compiled modules
    for _ in range(rounds):
        for name, words in asked.items():
            found[name].append(seconds(*words))
    took = {name: series(samples) for name, samples in found.items()}
    return Section(
        "Start-up of a process",
        (
            Row("import of flows.deploy, beside a flow of Prefect's with one task", took["flow"], took["bare"]),
            Row("memory of it then", megabytes(asked["flow"][1]), megabytes(BARE)),
            Row("runwright --help, beside an empty Python", took["help"], took["python"]),
            Row("runwright check of one runbook, beside import of pydantic, yaml and typer", took["check"], took["pydantic"]),
        ),
    )  # fmt: skip
