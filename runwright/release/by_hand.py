"""What a person wants of a canary that is under way: it is asked for in the ledger, and the run itself does it at its next look.

So there is one writer at any time, and a request that comes too late does nothing.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Literal

from runwright.errors import InputError, RefusedError
from runwright.ledger import Ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.release.work import Work

AT = "canary-at"
"""The fact with the share that the new version has while a canary is under way; None before and after."""
_ASKED, _TAKEN = "canary-asked", "canary-taken"
"""The facts with the newest request, which whoever asks writes; and with the newest that the run took up, which it alone writes."""
ANSWER_SECONDS = 20.0
"""For so long is waited until the run has taken a request up: it looks every second."""

What = Literal["share", "on", "promote", "back"]
WAYS: tuple[What, ...] = ("share", "on", "promote", "back")


@dataclass(frozen=True)
class Asked:
    """One request. what: `share` to have it set, `on` to the next one, `promote` to the end, or `back`. by, why: as people wrote it."""

    id: str
    what: What
    share: int
    by: str
    why: str

    def __str__(self) -> str:
        did = {
            "share": f"set the share to {self.share} %",
            "on": "let it go on to the next share",
            "promote": "sent all users to the new version",
            "back": "sent all users back",
        }[self.what]
        return f"{self.by} {did}" + (f": {self.why}" if self.why else "")


def under_way(ledger: Ledger, system: str, environment: str) -> tuple[Release, int]:
    """Return the release whose canary is under way, and its share in percent. Raise RefusedError if there is none."""
    for release in ledger.releases.find(system, environment, limit=None, states=(ReleaseState.SWITCHING,)):
        if (share := ledger.releases.fact(release.id, AT)) is not None:
            return release, int(share)
    raise RefusedError(
        f"No canary is under way in {system}/{environment}: users are not shared between two versions.",
        state="Nothing was done.",
        next=f"`runwright status {system}/{environment}` shows what is. A release that is proven is taken back by `runwright rollback`.",
    )


def checked(what: str, share: int | None) -> What:
    """Return what is asked for, if it can be. Raise InputError if not."""
    if what not in WAYS:
        raise InputError(f"{what!r} is nothing that a canary can do.", next=f"It can {', '.join(WAYS)}.")
    if (what == "share") != (share is not None) or (share is not None and not 1 <= share <= 99):
        raise InputError(
            "A share is a whole number of percent from 1 to 99, and belongs to `share` alone.",
            next="All users get the new version by `promote`, and none by `back`.",
        )
    return what


def ask(ledger: Ledger, release: Release, what: What, share: int | None, by: str, why: str) -> Asked:
    """Ask for something, and return the request; who does is kept with the release. What was asked before and not taken up
    yet, this takes the place of."""
    asked = Asked(uuid.uuid4().hex[:12], what, share or 0, by, why)
    ledger.records.add_approval(release.id, "canary", name=by, text=f"asked: {asked}", plan_hash=release.plan_hash)
    ledger.releases.set_fact(release.id, _ASKED, asdict(asked))
    return asked


def answer(ledger: Ledger, release: Release, asked: Asked, seconds: float = ANSWER_SECONDS) -> str:
    """Return what the run has done about ``asked``, once it has taken it up. Raise RefusedError if it does not."""
    until = time.monotonic() + seconds
    while (facts := _facts(ledger, release, asked)) is not None:
        if facts.get(AT) is None or not _waits(facts, asked) or time.monotonic() > until:
            break
        time.sleep(0.2)
    if facts is not None and _waits(facts, asked):  # nobody is to do it when it is expected no more
        ledger.releases.set_fact(release.id, _ASKED, None)
    if facts is None or _facts(ledger, release, asked) is None:
        return f"{release.ref}: {asked}."
    raise RefusedError(
        f"Nothing came of it: the canary of {release.ref} was over, its run does not live, or somebody asked for something else.",
        state="The run goes its way.",
        next=f"`runwright status {release.system}/{release.environment}` shows where it is.",
    )


def _waits(facts: dict[str, Any], asked: Asked) -> bool:
    """Return whether ``asked`` is what the run takes up next: somebody else may have asked for something, and withdrawn it."""
    return (facts.get(_ASKED) or {}).get("id") == asked.id


def _facts(ledger: Ledger, release: Release, asked: Asked) -> dict[str, Any] | None:
    """Return the facts of a release; None if the run has taken ``asked`` up."""
    facts = ledger.releases.facts(release.id)
    return None if (facts.get(_TAKEN) or {}).get("id") == asked.id else facts


def taken(work: Work) -> Asked | None:
    """Return what is asked for and was not taken up yet, and write down that it is now; None if nothing is."""
    asked = work.fact(_ASKED)
    if asked is None or (work.fact(_TAKEN) or {}).get("id") == asked["id"]:
        return None
    work.write_down(_TAKEN, asked)
    found = Asked(**asked)
    work.ledger.records.add_note(work.id, "canary", f"{found}.")
    work.say(f"{found}.")
    return found


def share_by_hand(work: Work) -> Asked | None:
    """Return the request by which a share was set that was not passed yet: a run that is started again goes on with it."""
    kept = work.fact(_TAKEN)
    return Asked(**kept) if kept and kept["what"] == "share" and kept["id"] != work.fact(PASSED) else None


PASSED = "canary-passed"
"""The fact with the id of the newest request for a share that was passed."""
