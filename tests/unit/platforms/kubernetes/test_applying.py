"""Which start of a version is taken up again on the way back."""

from __future__ import annotations

import os
from pathlib import Path

from runwright.platforms.kubernetes.applying import files_of, newest_start
from runwright.platforms.kubernetes.manifests import Composed
from runwright.testing.direct import Direct
from tests.unit.platforms.kubernetes.objects import configuration, workload

MADE = Composed((configuration("settings"),), {"api": workload(name="api"), "worker": workload(name="worker")})


def started(folder: Path, release_id: str, *, at: int, files: int = 3) -> None:
    """Let a release have started the version, and have come as far as to ``files`` of its files."""
    found = files_of(folder, release_id, MADE)
    assert found.base is not None
    for file in [found.base, *found.workloads.values()][:files]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    os.utime(folder / "started" / release_id, (at, at))


def test_the_newest_start_is_taken_whose_files_are_all_there(tmp_path: Path) -> None:
    """Given a release that died while it wrote them, and the one that is taken back, the start before counts."""
    assert newest_start(Direct(), tmp_path, MADE, "") == ""
    started(tmp_path, "r0", at=1)
    started(tmp_path, "r1", at=2)
    started(tmp_path, "r2", at=3, files=2)
    started(tmp_path, "r3", at=4)
    assert newest_start(Direct(), tmp_path, MADE, "r3") == "r1"
