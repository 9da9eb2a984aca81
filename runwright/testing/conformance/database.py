"""What every database must do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from runwright.databases.shape import LAST_SUCCESS, SCRATCH_MARK, BackupFile, Database, last_success
from runwright.engine.actions import Do
from runwright.errors import InputError, RefusedError, VerificationError
from runwright.testing.conformance.trial import Conformance, Trial, changes, keeps_its_plan, only_reads
from runwright.testing.direct import Direct

SCRATCH = f"{SCRATCH_MARK}conformance"


@dataclass(frozen=True)
class DatabaseCase:
    """A database to be tried, which holds at least one table with rows, and revisions of its schema.

    make: a new driver of it. live: its name. contents: all that it holds, by other means than the driver. held: the same of
    the database that `restore` has named. change: adds a row, as its application would. revisions: those of its schema.
    """

    make: Callable[[], Database]
    live: str
    contents: Callable[[], object]
    held: Callable[[str], object]
    change: Callable[[], None]
    revisions: tuple[str, ...]


@dataclass(frozen=True)
class Backups:
    """A folder of backups of a case, whose live database nothing here ever changes."""

    case: DatabaseCase
    folder: Path
    before: list[object] = field(default_factory=list)

    def take(self, do: Do, name: str = "shop-1", key: str = "backup") -> BackupFile:
        """Take one, and return it as the ledger keeps it."""
        found = self.case.make().backup(do, self.folder, name, key)
        assert found is not None, "there is something to back up"
        kept = BackupFile.from_json(json.loads(json.dumps(found.as_json())))
        assert kept == found
        return kept

    def restore(self, do: Do, backup: BackupFile, into: str = SCRATCH, key: str = "restore") -> str:
        """Restore one."""
        return self.case.make().restore(do, backup, into, key)

    def drop(self, do: Do, into: str = SCRATCH, key: str = "drop") -> None:
        """Remove what was restored."""
        self.case.make().drop_scratch(do, into, key)

    def seen(self) -> object:
        """Return what is to be seen of the live database and of the folder."""
        files = sorted(self.folder.rglob("*")) if self.folder.exists() else []
        return self.case.contents(), [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]

    @property
    def marker(self) -> bytes | None:
        """What LAST_SUCCESS says, None if it is not there."""
        file = self.folder / LAST_SUCCESS
        return file.read_bytes() if file.exists() else None


class DatabaseConformance(Conformance):
    """Override ``case``."""

    @pytest.fixture
    def case(self) -> DatabaseCase:
        """The database to be tried."""
        raise NotImplementedError

    @pytest.fixture
    def backups(self, case: DatabaseCase, tmp_path: Path) -> Backups:
        """A folder for backups, that is not there yet."""
        return Backups(case, tmp_path / "backups")

    def test_it_tells_what_it_is_and_where_its_schema_is(self, case: DatabaseCase, backups: Backups) -> None:
        """Server, revisions, whether it is new, what is unfinished: all only read."""
        assert only_reads(case.make().reachable, backups.seen)
        assert only_reads(case.make().revisions, backups.seen) == tuple(sorted(case.revisions))
        assert only_reads(case.make().tables, backups.seen)
        assert only_reads(case.make().unfinished, backups.seen) == ()

    def test_the_fingerprint_is_of_the_schema_and_not_of_what_it_holds(
        self, case: DatabaseCase, backups: Backups
    ) -> None:
        """Users go on writing; the fingerprint stays."""
        before = only_reads(case.make().schema, backups.seen)
        assert before
        case.change()
        assert only_reads(case.make().schema, backups.seen) == before

    def test_a_backup_is_proven_noted_and_taken_once(self, case: DatabaseCase, backups: Backups) -> None:
        """It says what it is and what was proven; asked for again under its name it is the same one."""
        before, taken = case.contents(), list[BackupFile]()
        changes(lambda do: taken.append(backups.take(do)), "backup")
        (backup,) = taken
        assert backup.proof
        assert backup.taken_at
        assert backup.revisions == tuple(sorted(case.revisions))
        assert backup.bytes == Path(backup.location).stat().st_size
        assert Path(backup.location).stat().st_mode & 0o077 == 0, "others can read what it holds"
        assert backups.marker == last_success(backup)
        case.change()
        assert only_reads(backups.take, backups.seen) == backup
        assert only_reads(lambda do: case.make().prove(do, backup), backups.seen).proof
        other = backups.take(Direct(), "shop-2", "other")
        assert (other.location, other.sha256) != (backup.location, backup.sha256)
        assert backups.marker == last_success(other)
        assert case.contents() != before

    def test_a_name_that_leads_elsewhere_is_refused(self, backups: Backups) -> None:
        """A backup lies in its folder."""
        for name in ("../shop", "a/b", "", ".hidden"):
            with pytest.raises(InputError):
                backups.take(Direct(), name)

    def test_a_backup_that_was_damaged_is_not_proven(self, case: DatabaseCase, backups: Backups) -> None:
        """One byte, its end, or the whole file: it is found, and LAST_SUCCESS stays as it was."""
        backup = backups.take(Direct())
        file, marker = Path(backup.location), backups.marker
        whole = file.read_bytes()
        middle = len(whole) // 2
        damaged = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
        for content in (damaged, whole[:-1], b""):
            file.write_bytes(content)
            with pytest.raises(VerificationError):
                case.make().prove(Direct(), backup)
        file.write_bytes(whole)
        with pytest.raises(VerificationError):
            case.make().prove(Direct(), replace(backup, sha256="0" * 64))
        file.unlink()
        with pytest.raises(VerificationError):
            case.make().prove(Direct(), backup)
        assert backups.marker == marker

    def test_a_restored_backup_holds_what_was_backed_up(self, case: DatabaseCase, backups: Backups) -> None:
        """In a database of its own, once; the live one has gone on and is not touched; then it is removed, once."""
        held, backup = case.contents(), backups.take(Direct())
        case.change()
        live, where = case.contents(), list[str]()
        assert changes(lambda do: where.append(backups.restore(do, backup)), "restore")
        assert case.held(where[0]) == held != live
        assert only_reads(lambda do: backups.restore(do, backup), backups.seen) == where[0]
        assert changes(backups.drop, "drop")
        only_reads(backups.drop, backups.seen)
        assert case.contents() == live

    def test_nothing_is_ever_restored_over_something_else(self, case: DatabaseCase, backups: Backups) -> None:
        """Neither over the live database, nor over what another backup was restored into; bad names are no names."""
        first = backups.take(Direct())
        case.change()
        second, live = backups.take(Direct(), "shop-2", "other"), case.contents()
        where = backups.restore(Direct(), first)
        held = case.held(where)
        do = Direct()
        for backup, into, error in (
            (first, case.live, RefusedError),
            (second, SCRATCH, RefusedError),
            (first, "../x", InputError),
        ):
            with pytest.raises(error):
                backups.restore(do, backup, into)
        for into in (case.live, "shop"):
            with pytest.raises(RefusedError):
                backups.drop(do, into)
        assert do.keys == []
        assert (case.contents(), case.held(where)) == (live, held)
        backups.drop(Direct())

    def test_the_plan_is_what_is_done(self, case: DatabaseCase, backups: Backups) -> None:
        """Every change is told before it is made, or it is told what the rest depends on."""
        assert keeps_its_plan(
            partial(case.make().backup, directory=backups.folder, name="shop-1", key="backup"), backups.seen
        )
        backup = backups.take(Direct())
        assert keeps_its_plan(lambda do: backups.restore(do, backup), backups.seen)
        assert keeps_its_plan(backups.drop, backups.seen)

    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, backups: Backups, trial: Trial) -> None:
        """Another process that does the same again has a whole backup, and a whole database restored from it."""
        self._life(backups, trial.killed_at_every_change)

    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, backups: Backups, trial: Trial) -> None:
        """A change that failed, or seemed to, is no reason to be lost."""
        self._life(backups, trial.failed_at_every_change)

    def _life(self, backups: Backups, disturbed: Callable[[Callable[[Do], object]], None]) -> None:
        held = backups.case.contents()
        disturbed(backups.take)
        backup = only_reads(backups.take, backups.seen)
        assert backup.proof
        disturbed(lambda do: backups.restore(do, backup))
        where = only_reads(lambda do: backups.restore(do, backup), backups.seen)
        assert backups.case.held(where) == held == backups.case.contents()
        disturbed(backups.drop)
        only_reads(backups.drop, backups.seen)
