"""The rows of a colour: which of its containers are replaced together, and the names by which the switch reaches some of them.

A row is one container of each service, as far as that has so many. Names are given when a container is made and stay: so each
has those of every part of its colour that it is meant to be in, whichever row comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runwright.platforms.compose.containers import Container
from runwright.platforms.shape import Rows
from runwright.traffic import next_after, reached, since, up_to


@dataclass(frozen=True)
class Place:
    """Where a container stands: in which row, of how many of its own service, of how many at all."""

    row: int
    mine: int
    all: int

    def __str__(self) -> str:
        """As its label says it."""
        return f"{self.row}/{self.mine}/{self.all}"

    @property
    def last(self) -> bool:
        """Whether it is the last one of its service: it serves until the last row goes."""
        return self.row == self.mine

    def within(self, rows: Rows) -> bool:
        """Return whether it goes with the rows up to the one that is meant."""
        return rows.row >= rows.count if self.last else self.row <= rows.row

    def goes_with(self, rows: Rows) -> bool:
        """Return whether it goes with the row that is meant, and not before."""
        return rows.row >= rows.count if self.last else self.row == rows.row


def place_of(container: Container) -> Place | None:
    """Return where a container stands, None if it was made without rows."""
    words = container.row.split("/")
    return Place(*map(int, words)) if len(words) == 3 and all(word.isdigit() for word in words) else None


def names(service: str, slot: str, place: Place | None) -> list[str]:
    """Return the names on the network between that a container has."""
    if place is None:
        return [reached(service, slot)]
    parts = [
        "",
        *map(up_to, range(place.row, place.all)),
        *map(since, range(2, 1 + (place.all if place.last else place.row))),
        *([next_after(place.row - 1)] if place.row > 1 else ()),
        # where a service has fewer than others, who asks for its next one gets its last
        *(map(next_after, range(place.mine, place.all)) if place.last else ()),
    ]
    return [reached(service, slot, part) for part in parts]


def rows_of(containers: Iterable[Container]) -> int:
    """Return how many rows the containers of a colour are, stopped ones too; 0 if they are not whole."""
    there = [(c.service, place_of(c)) for c in containers]
    places = [(service, place) for service, place in there if place is not None]
    wanted = {(service, row) for service, place in places for row in range(1, place.mine + 1)}
    counts = {place.all for _, place in places}
    found = sorted((service, place.row) for service, place in places)
    return counts.pop() if found == sorted(wanted) and len(counts) == 1 and len(places) == len(there) else 0


def layout(mine: Iterable[Container], beside: Iterable[Container], serve: Mapping[str, int], *, enters: bool) -> Rows:
    """Return the rows of a colour.

    mine: its containers that this release made. beside: those of the other colour. serve: how many of each service serve now, or
    are to. enters: whether what serves is started in a colour first, and so row by row.
    """
    begun = {c.service: place for c in mine if (place := place_of(c)) is not None}
    beside = tuple(beside)
    old = rows_of(beside)
    if begun:
        count, each = max(place.all for place in begun.values()), {s: place.mine for s, place in begun.items()}
    elif old and not enters:
        each = {c.service: place.mine for c in beside if (place := place_of(c)) is not None}
        count = old
    else:
        count, each = max(serve.values()), dict(serve)
    return Rows(count, 1, each, old_apart=enters or old == count)
