"""How one version gets the users of another: what every strategy offers, all by the same few verbs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from runwright.engine.actions import Do
from runwright.platforms.shape import Going, Platform
from runwright.traffic import Counted, Upstream
from runwright.versions import Version

ALL = 100
"""All new requests, in percent."""
DRAIN_KEY = "deploy/drain"
"""What the keys begin with of stopping what serves, because the schema is about to change under it."""


class Cutover(ABC):
    """How one version gets the users of another. All verbs aim at an absolute target: done twice, they change nothing.

    A ``slot`` is where a version runs beside another one, "" where it takes the other one's place. ``key`` starts the keys
    of the changes that a verb makes.
    """

    strategy: ClassVar[str]
    """As the runbook names it."""
    stages: ClassVar[bool]
    """Whether there is a candidate that can be verified before any user reaches it."""
    warm: ClassVar[bool]
    """Whether the old version keeps running after the shift, so that the way back is to move the users."""

    @property
    def two_live(self) -> bool:
        """Whether two versions get users at the same time, or may be made to within a moment: both have to live with the schema."""
        return self.stages

    grows: ClassVar[bool] = False
    """Whether more of the new version is started for each share, and verified before users are sent there; else a share is
    held until it can be judged by what users met."""

    climbs: ClassVar[bool] = False
    """Whether a person can set the share of a release that is under way."""
    rungs: tuple[int, ...] = (ALL,)
    """The shares of the new requests, in percent, that the new version gets one after the other. The last one is all."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def require(self, do: Do) -> None:  # noqa: B027 - most have nothing to ask for
        """Raise RefusedError if it cannot be done as things are."""

    @abstractmethod
    def candidate(self, do: Do, chosen: str) -> str:
        """Return the slot that the new version goes to. chosen: the one that this release has chosen before, "" if none."""

    @abstractmethod
    def stage(self, do: Do, version: Version, slot: str, going: Going, key: str) -> None:
        """Start ``version`` beside what serves, where no user reaches it; nothing where that is not possible."""

    @abstractmethod
    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return where ``slot`` can be asked before users reach it. None: only live. Raise VerificationError if it does not run."""

    def shares_of(self, do: Do, version: Version, slot: str, release_id: str) -> tuple[int, ...]:  # noqa: ARG002
        """Return `rungs`, or what they are for what runs now. They are gone through in their order."""
        return self.rungs

    def grow(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int) -> None:  # noqa: B027
        """Start, where no user reaches it, what ``share`` needs besides what is staged, and the shares before it."""

    @abstractmethod
    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:
        """Send ``share`` percent of the new requests to ``version``, one of ``rungs``, and the others to what served before; those
        in flight finish where they are. Where nothing ran before all go to ``version``, whatever the share.

        Return how many requests were still in flight elsewhere when it was waited for them for long enough; None where nobody
        can tell, or none is waited for."""

    @abstractmethod
    def served(self, do: Do) -> str | None:
        """Return the slot that users reach, asked from who sends them; None if nobody was ever sent anywhere. While two share
        the users, it is the one that they all go back to."""

    def shares(self, do: Do) -> Mapping[str, int]:
        """Return {slot: percent} of the new requests, asked from who sends them; nothing where nobody does."""
        slot = self.served(do)
        return {slot: ALL} if slot else {}

    def counted(self, do: Do) -> Mapping[str, Counted]:  # noqa: ARG002
        """Return {slot: what was counted} by who sends the users; nothing if that cannot be told."""
        return {}

    @abstractmethod
    def traffic(self, do: Do) -> list[str | int] | None:
        """Return what users reach as plain JSON, for comparing; None where nobody sends them."""

    @abstractmethod
    def home(self, do: Do, previous: Version, own: str) -> str:
        """Return the slot in which ``previous`` runs; else the one in which it ran, or that it is started in.

        own: the slot of the release that is taken back.
        """

    def at_once(self, do: Do, previous: Version, slot: str, key: str) -> None:  # noqa: B027
        """Send the users to ``slot`` if ``previous`` runs there still, before anything else is looked at; `back` sees to the
        rest."""

    @abstractmethod
    def back(self, do: Do, previous: Version, slot: str, going: Going, key: str) -> None:
        """Send the users to ``previous`` again, which runs in ``slot`` or is started there."""

    @abstractmethod
    def clear(self, do: Do, slot: str, key: str) -> None:
        """Stop what runs beside ``slot``."""

    @abstractmethod
    def darken(self, do: Do, own: str) -> None:
        """Stop what serves because the schema is about to change under it, but never what this release started in ``own``."""

    @abstractmethod
    def stop(self, do: Do, slot: str, key: str) -> None:
        """Stop what a release started in ``slot``: nothing ran before it. "" where nothing was started yet."""

    @abstractmethod
    def retire(self, do: Do, key: str) -> str:
        """Stop what gets no users and was kept warm; return what runs now, as a phrase."""

    @abstractmethod
    def kept_warm(self, do: Do) -> bool:
        """Return whether anything runs that gets no users."""

    @abstractmethod
    def downtime(self, *, needs_stop: bool, first: bool) -> str:
        """Return when users are not served, as the plan says it. needs_stop: the old version may not run while the schema
        changes. first: nothing ran before."""

    def announce(self, do: Do, key: str) -> None:  # noqa: B027 - most have nothing to do here
        """From here on let who sends the users refuse changes of whoever has an older lease."""
