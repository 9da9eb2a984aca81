"""Who gets the new requests, and with two of them which share of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runwright.traffic import Upstream

ALL = 100


@dataclass(frozen=True)
class Target:
    """Who gets the new requests: ``share`` percent ``to``, and the rest ``stays``, which is there if ``share`` is below 100."""

    to: Upstream
    share: int = ALL
    stays: Upstream | None = None

    @classmethod
    def of(cls, to: Upstream, share: int = ALL, stays: Upstream | None = None) -> Target:
        """Return the target that says so. Raise ValueError if it cannot be said."""
        if not 0 <= share <= ALL:
            raise ValueError(f"A share is 0 to 100 percent, and not {share}.")
        if share == ALL:
            return cls(to)
        if stays is None or stays.slot == to.slot:
            raise ValueError(f"Of {share} % the rest must go to another slot.")
        return cls(stays) if share == 0 else cls(to, share, stays)

    @property
    def main(self) -> Upstream:
        """Who serves alone, or gets what the other one does not."""
        return self.stays or self.to

    @property
    def shares(self) -> dict[str, int]:
        """The percentages by slot if there are two."""
        return {} if self.stays is None else {self.to.slot: self.share, self.stays.slot: ALL - self.share}

    def at(self, slot: str) -> Upstream | None:
        """Return where ``slot`` is, None if it gets nothing."""
        return next((one for one in (self.to, self.stays) if one is not None and one.slot == slot), None)

    def moved(self, to: Callable[[Upstream], Upstream]) -> Target:
        """Return the same with other addresses."""
        return Target(to(self.to), self.share, to(self.stays) if self.stays is not None else None)

    def __str__(self) -> str:
        """As a phrase."""
        if self.stays is None:
            return _words(self.to)
        return f"{self.share} % to {_words(self.to)}, the rest to {_words(self.stays)}"


def _words(to: Upstream) -> str:
    return f"{f'a part of {to.slot}' if to.part else to.slot} ({to.host}:{to.port})"
