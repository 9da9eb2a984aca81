"""`init`, `check` and `doctor` ask whatever platform is registered, and name none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.cli.examining import machine
from deployments.cli.findings import Wanted
from deployments.cli.places import Place
from deployments.cli.platforms import checked, drafted
from runwright import registry
from runwright.errors import InputError
from runwright.platforms.shape import Claim, Drafted, Finding, Kind, Seen
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from runwright.testing.replies import Replies

BOOK = load(SHIPPED / "cleanwithsnapshot.yaml").runbook


class Jails(Kind):
    """A platform that has something to say of everything."""

    def drafted(self, do: Any, directory: Path, files: tuple[str, ...], env_file: str) -> Drafted | None:
        if "fstab" not in files:
            raise InputError("There is no fstab.")
        return Drafted(f"system: {directory.name}", "1 jail")

    def checked(self, do: Any, book: Any, environment: str) -> Seen:
        return Seen(("the dataset is gone",), (f"{environment}: it is small", "zfs is old"))

    def claimed(self, do: Any, book: Any, environment: str) -> tuple[Claim, ...]:
        return (Claim("Somebody has its address.", "Take another."),)

    def examined(self, do: Any, *, needed: bool) -> Iterator[Finding]:
        yield Finding("zfs", "fail" if needed else "ok", "not there")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the given kinds be all platforms that there are, by name; an error is a package that is broken."""

    def given(**kinds: Kind | InputError) -> None:
        def driver(_: registry.Room, name: str) -> Kind:
            found = kinds.get(name, Kind())
            if isinstance(found, InputError):
                raise found
            return found

        monkeypatch.setattr(registry.Room, "driver", driver)
        monkeypatch.setattr(registry.Room, "names", property(lambda _: tuple(kinds)))

    return given


def test_the_first_platform_that_has_an_application_there_drafts_its_runbook(only: Any, tmp_path: Path) -> None:
    """One that drafts none is passed over; if none has one, what the first one said is raised."""
    only(other=Kind(), jails=Jails())
    assert drafted(Replies({}), tmp_path, ("fstab",), "").says == "1 jail"
    with pytest.raises(InputError, match="There is no fstab"):
        drafted(Replies({}), tmp_path, (), "")
    only(other=Kind())
    with pytest.raises(InputError, match="No platform drafts"):
        drafted(Replies({}), tmp_path, (), "")


def test_what_is_found_of_several_environments_is_told_once(only: Any) -> None:
    """Each environment is asked of its own platform; what they have in common is no news the second time."""
    only(compose=Jails())
    seen = checked(Replies({}), BOOK)
    assert seen.mistakes == ("the dataset is gone",)
    assert seen.warnings.count("zfs is old") == 1
    assert [one for one in seen.warnings if "small" in one] == [f"{name}: it is small" for name in BOOK.environments]


def test_doctor_asks_each_platform_and_says_of_a_broken_one_why(only: Any) -> None:
    """What is needed and not there fails, what nobody needs does not; who else has something is told with its place."""
    environment = next(iter(BOOK.environments))
    wanted = [Wanted(Place(BOOK.system, environment), BOOK, named=True)]
    only(compose=Jails(), cells=InputError("The platform 'cells' cannot be used.", next="Mend it."))
    found = {finding.about: finding for finding in machine(wanted, None)}
    assert found["zfs"].state == "fail"
    assert (found["cells"].state, found["cells"].next) == ("warn", "Mend it.")
    assert found[f"{BOOK.system}/{environment}"].text == "Somebody has its address."
    assert {f.about: f.state for f in machine([], None)}["zfs"] == "ok"
