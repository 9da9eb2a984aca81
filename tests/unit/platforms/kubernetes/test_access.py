"""The kubeconfig of an environment's block is in a file only as long as somebody needs it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from runwright.platforms.kubernetes import access

HOLDS = """
import sys
from pathlib import Path
from runwright.platforms.kubernetes import access
access.hold(Path(sys.argv[1]), b"config")
print("held", flush=True)
sys.stdin.readline()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    """Start another process that holds the file until its input ends."""
    argv = [sys.executable, "-c", HOLDS, str(path)]
    other = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_who_looks_at_a_release_does_not_take_its_kubeconfig_away(tmp_path: Path) -> None:
    """Given `runwright status` in the middle of a release, the file goes with the last of the two."""
    path = tmp_path / "r1.kubeconfig"
    release = holding(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    holding(path).communicate()
    assert path.read_bytes() == b"config"
    release.communicate()
    assert not path.exists()


def test_what_somebody_has_removed_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "r1.kubeconfig"
    access.hold(path, b"config")
    path.unlink()
    access.hold(path, b"config")
    assert path.read_bytes() == b"config"
    access.hold(path, b"another")
    assert path.read_bytes() == b"another", "a token that was renewed counts at once"
    access.forget()
    assert not path.exists()
