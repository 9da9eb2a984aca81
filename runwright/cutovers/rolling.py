"""Two places, and one instance after the other: a new one is started beside the old ones, verified, and then an old one goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.shape import ALL
from runwright.engine.actions import Do
from runwright.errors import InputError
from runwright.platforms.shape import Going, Platform, Rows
from runwright.routers.shape import Router
from runwright.traffic import Upstream, since, up_to
from runwright.versions import Version


class Rolling(BlueGreen):
    """The new version takes the old one's place row by row: at no moment fewer instances serve than before.

    A row is one instance of each service that users reach. What was replaced is stopped, so that no more than one row runs
    besides what serves; the way back is to start it again.
    """

    strategy: ClassVar[str] = "rolling"
    warm: ClassVar[bool] = False
    grows: ClassVar[bool] = True

    def __init__(self, platform: Platform, router: Router | None, rungs: Sequence[int] = ()) -> None:  # noqa: ARG002
        super().__init__(platform, router)
        if platform.rows_apart and not self.router.parts:
            raise InputError(
                "`strategy: rolling` needs a router that can send users to some of a version's instances.",
                next="Say `router: {kind: caddy}`, or `strategy: blue_green`.",
            )

    def shares_of(self, do: Do, version: Version, slot: str, release_id: str) -> tuple[int, ...]:
        """Return one share for each row; all at once where nothing serves beside."""
        rows = self.platform.rows(do, version, slot, release_id)
        if self.platform.upstream(do, self._beside(slot)) is None and not self.platform.plain(do):
            return (ALL,)
        return tuple(round(ALL * row / rows.count) for row in range(1, rows.count + 1))

    def stage(self, do: Do, version: Version, slot: str, going: Going, key: str) -> None:
        """Start the first row of ``version`` in ``slot``, all of it where nothing serves. Users that another release, which
        did not come to its end, has left there go back first."""
        self._enter(do, going, f"{key}/enter")
        if not self._staged(version, slot, going):
            live = self.router.target(do)
            if (
                going.previous is not None
                and live is not None
                and live.slot != slot
                and self.router.facts(do).share(slot)
            ):
                self.back(do, going.previous, live.slot, going, f"{key}/alone")
            self.platform.stop(do, slot, f"{key}/clear")
        if len(self.shares_of(going.reads, version, slot, going.release_id)) == 1:
            self.platform.start(do, version, slot, key, going.release_id)
        else:
            rows = replace(self._rows(version, slot, going, ALL), row=1)
            self.platform.start_row(do, version, slot, rows, f"{key}/1", going.release_id)
        self._stands_for_a_look(do, going, f"{key}/router")

    def grow(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int) -> None:
        """Start the row that ``share`` needs; the first one is staged, and so are all where nothing serves."""
        if len(self.shares_of(going.reads, version, slot, going.release_id)) == 1:
            return
        rows = self._rows(version, slot, going, share)
        if rows.row > 1:
            self.platform.start_row(do, version, slot, rows, f"{key}/{rows.row}", going.release_id)

    def _rows(self, version: Version, slot: str, going: Going, share: int) -> Rows:
        """Return the rows of ``version``; the one that is meant is the last that ``share`` needs."""
        rows = self.platform.rows(going.reads, version, slot, going.release_id)
        return replace(rows, row=max(1, round(share * rows.count / ALL)))

    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:
        """Let the router send users to the rows of ``share``, and stop the old ones in whose place they are as soon as nothing is
        open on them; with all of them replace what does not run in slots."""
        rows, beside = self._rows(version, slot, going, share), self._beside(slot)
        if share >= ALL or going.previous is None:
            self._send(do, slot, key, going)
            left = None
            if going.previous is not None:
                rows = replace(rows, row=rows.count)
                left = self.platform.stop_rows(do, going.reads, beside, rows, f"{key}/old", self._drain)
            self._rest(do, version, going, key)
            return left
        to = self._part(do, slot, up_to(rows.row))
        stays = self._part(do, beside, since(rows.row + 1) if rows.old_apart else "")
        self._stands(do, stays, f"{key}/{rows.row}/router", going)
        self.router.switch(do, to, f"{key}/{rows.row}/switch", share, stays)
        if not rows.old_apart:
            return None
        return self.platform.stop_rows(do, going.reads, beside, rows, f"{key}/{rows.row}/old", self._drain)

    @property
    def _drain(self) -> float:
        return self.router.drain_seconds

    def _part(self, do: Do, slot: str, part: str) -> Upstream:
        return replace(self._serves(do, slot), part=part)

    def at_once(self, do: Do, previous: Version, slot: str, key: str) -> None:
        """Let the router send every new request to ``slot`` if all of ``previous`` runs there: fewer than before would not do."""
        wanted = self.platform.expected(previous)
        there = [f for f in self.platform.observe(do).services if f.slot == slot and f.identity in wanted.values()]
        if all(fact.running for fact in there):
            super().at_once(do, previous, slot, key)

    def back(self, do: Do, previous: Version, slot: str, going: Going, key: str) -> None:
        """Start again what of ``previous`` was stopped, let the router send every new request there, and stop the new ones."""
        super().back(do, previous, slot, going, key)
        if slot:
            self.platform.stop(do, self._beside(slot), f"{key}/new")
