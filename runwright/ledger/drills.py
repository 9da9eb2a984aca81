"""The drills of all environments: what was broken on purpose, who noticed, and how fast it came back."""

from __future__ import annotations

from sqlalchemy import func, select, union

from runwright.ledger.live import Where, there
from runwright.ledger.plain import as_dataclass, columns_of
from runwright.ledger.store import Store
from runwright.ledger.tables import drills
from runwright.policy.drills import Drill, DrillOutcome


class Drills:
    """One row for each drill that broke something. It is written once, when its release has come to its end."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, drill: Drill) -> None:
        """Keep a drill. One that is kept already stays as it is: whoever closes its release again adds nothing."""
        self._store.write(lambda connection: connection.execute(self._store.insert_if_new(drills, columns_of(drill))))

    def find(self, system: str, environment: str, limit: int = 100) -> list[Drill]:
        """Return the newest drills, newest first."""
        query = select(drills).where(drills.c.system == system, drills.c.environment == environment)
        query = query.order_by(drills.c.number.desc()).limit(limit)
        return self._store.read(lambda c: [as_dataclass(Drill, row) for row in c.execute(query).mappings()])

    def newest(self, system: str | None = None, environment: str | None = None) -> dict[Where, list[Drill]]:
        """Return of every environment that was drilled the newest drill, and the newest one that came back; newest first."""
        here = there(drills, system, environment)
        last = select(func.max(drills.c.number)).where(*here).group_by(drills.c.system, drills.c.environment)
        good = last.where(drills.c.outcome == str(DrillOutcome.CAME_BACK))
        query = select(drills).where(drills.c.number.in_(union(last, good))).order_by(drills.c.number.desc())
        found: dict[Where, list[Drill]] = {}
        for drill in self._store.read(lambda c: [as_dataclass(Drill, row) for row in c.execute(query).mappings()]):
            found.setdefault((drill.system, drill.environment), []).append(drill)
        return found

    def of_release(self, release_id: str) -> Drill | None:
        """Return the drill that a release was made for, None if it was none, or broke nothing (yet)."""
        query = select(drills).where(drills.c.release_id == release_id)
        return self._store.read(lambda c: next((as_dataclass(Drill, row) for row in c.execute(query).mappings()), None))
