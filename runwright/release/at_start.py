"""What migrates by itself when a version starts: what that means for the level, for the plan, and for the way back."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.policy.levels import Level, worst
from runwright.policy.starts.tools import ONLY_ADDS, Found
from runwright.runbook.migrators.shape import Migrate
from runwright.versions import Version

_AT_START, _ONCE = "migrates_at_start", "run_once_migrates"


def ours(version: Version, migrate: Migrate | None) -> dict[str, list[Found]]:
    """Return what migrates when a service of ``version`` starts, and Runwright does before it anyway."""
    tool = migrate.tool if migrate else ""
    return _grouped((s, one) for s, one in _found(version, _AT_START) if one.tool == tool)


def not_ours(version: Version, migrate: Migrate | None) -> dict[str, list[Found]]:
    """Return what migrates when a service of ``version`` starts, and Runwright does not."""
    tool = migrate.tool if migrate else ""
    return _grouped((s, one) for s, one in _found(version, _AT_START) if one.tool != tool)


def not_run(version: Version, migrate: Migrate | None) -> dict[str, list[Found]]:
    """Return what migrates in services that run once and that no release runs, unless Runwright does the same.

    Who names a command of his own has said how the application migrates.
    """
    tool = migrate.tool if migrate else ""
    if tool == "command":
        return {}
    return _grouped((s, one) for s, one in _found(version, _ONCE) if one.tool != tool)


def level_of(version: Version, migrate: Migrate | None) -> Level:
    """Return what the way back costs because of what migrates without Runwright: never L0 if there is anything."""
    some = [*not_ours(version, migrate).values(), *not_run(version, migrate).values()]
    return worst(one.level for found in some for one in found)


def notes(version: Version, migrate: Migrate | None) -> list[str]:
    """Return what the plan says about it, a sentence or two each."""
    said = [
        f"What starts {service} migrates ({_where(found)}). Take that out of the start command: after the next migration "
        "this version may not start again, so there may be no way back to it."
        for service, found in ours(version, migrate).items()
    ]
    for service, found in not_ours(version, migrate).items():
        if all(one.tool == ONLY_ADDS for one in found):
            beside = ", and no migration does" if migrate is None else " beside what the migrations make"
            said.append(f"What starts {service} makes the tables that are missing ({_where(found)}){beside}.")
        else:
            said.append(
                f"What starts {service} migrates, and Runwright does not ({_where(found)}): what it does to data is not known "
                f"beforehand, so the release counts as L3, unless nothing ran before it.{_advice(found, migrate)}"
            )
    for service, found in not_run(version, migrate).items():
        said.append(
            f"{service} migrates ({_where(found)}), and no release runs it, because it runs once and ends: what it does to data "
            f"is not known, so the release counts as L3, unless nothing ran before it. Run it by hand before the release if it has to be.{_advice(found, migrate)}"
        )
    return said


def only_adds(version: Version) -> tuple[str, str] | None:
    """Return a service that makes the tables that are missing when it starts, and where that is written."""
    return next(((s, str(one)) for s, one in _found(version, _AT_START) if one.tool == ONLY_ADDS), None)


def _advice(found: list[Found], migrate: Migrate | None) -> str:
    if migrate is None and any(one.tool == "alembic" for one in found):
        return (
            " With `migrate` in the runbook (`tool: alembic`) Runwright reads these migrations, and runs them itself."
        )
    return ""


def _where(found: list[Found]) -> str:
    shown = "; ".join(str(one) for one in found[:3])
    return shown + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _found(version: Version, name: str) -> Iterator[tuple[str, Found]]:
    raw = version.extra.get(name) or {}
    if isinstance(raw, list):  # as it was kept when only alembic was looked for
        raw = {service: [["alembic", "its command", "alembic upgrade"]] for service in raw}
    for service, some in raw.items():
        yield from ((service, Found(*one)) for one in some)


def _grouped(pairs: Iterator[tuple[str, Found]]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for service, one in pairs:
        found.setdefault(service, []).append(one)
    return found
