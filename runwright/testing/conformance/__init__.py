"""What every driver must do, as tests: a driver is held to them by one file of a few lines that says how to make one.

    class TestOurs(PlatformConformance):
        @pytest.fixture
        def case(self, tmp_path: Path) -> PlatformCase:
            both = built(tmp_path, 1, {"app.py": "…"}), built(tmp_path, 2, {"app.py": "…"})
            return PlatformCase(make=lambda: Ours(tmp_path / "shop"), versions=both)

It is for drivers of others as well as for those that come with Runwright. It needs pytest, and a system that can fork:
a driver's procedure is killed at each of its changes, in a process of its own, and has to come right when it is repeated.
"""

import pytest

for _room in ("trial", "platform", "platform_case", "router", "cutover", "database", "migrator"):
    pytest.register_assert_rewrite(f"{__name__}.{_room}")

from runwright.testing.conformance.cutover import CutoverCase, CutoverConformance  # noqa: E402
from runwright.testing.conformance.database import DatabaseCase, DatabaseConformance  # noqa: E402
from runwright.testing.conformance.migrator import MigratorCase, MigratorConformance  # noqa: E402
from runwright.testing.conformance.platform import PlatformConformance  # noqa: E402
from runwright.testing.conformance.platform_case import PlatformCase, built  # noqa: E402
from runwright.testing.conformance.router import RouterCase, RouterConformance  # noqa: E402

__all__ = [
    "CutoverCase",
    "CutoverConformance",
    "DatabaseCase",
    "DatabaseConformance",
    "MigratorCase",
    "MigratorConformance",
    "PlatformCase",
    "PlatformConformance",
    "RouterCase",
    "RouterConformance",
    "built",
]
