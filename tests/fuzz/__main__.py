"""``python -m tests.fuzz [TARGET] [SECONDS]``: Atheris looks for bytes that a parser does not survive; one process each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.seeds import SEEDS

NAMES = ("prometheus", "scrape", "probe", "inside", "questions", "gates", "stats", "env_file", "shown")


def fuzz(name: str, seconds: int) -> None:
    """Never returns: Atheris ends the process, with 77 if something was found."""
    import atheris

    with atheris.instrument_imports(include=["runwright", "prometheus_client", "dotenv"]):
        from tests.fuzz.targets import TARGETS
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            (Path(folder) / str(number)).write_bytes(seed)
        # libFuzzer takes the first word for the program and counts time in whole seconds
        options = [sys.argv[0], folder, f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10"]
        atheris.Setup(options, TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        fuzz(sys.argv[1], int(sys.argv[2]))
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    codes = [
        subprocess.run([sys.executable, "-m", "tests.fuzz", name, seconds], check=False).returncode for name in NAMES
    ]
    raise SystemExit(max(codes, key=abs))
