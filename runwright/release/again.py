"""Ask a probe again while a release is watched: with what an earlier one saves (a login's token), which is asked for first."""

from __future__ import annotations

from dataclasses import replace

from runwright.probes.asking import ask
from runwright.probes.shape import Clock, ProbeResult
from runwright.release import inside
from runwright.release.work import Work
from runwright.runbook.base import references
from runwright.runbook.probes import Probe, texts_in

KEY = "watch/"
LOGGED_OUT = frozenset({401, 403})
"""Statuses which say that a token is none any more: a fresh one is asked for before that is evidence."""


class Again:
    """Asks probes of a release again and again, and keeps what they save as long as it is good."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._probes = work.runbook.probes_of(work.release.environment)
        self._saved: dict[str, str] = {}
        # what was sent by a run that died is not sent again, and what it saved is not kept: keys go on where they were
        self._asked = sum(entry.key.startswith(KEY) for entry in work.ledger.journal(work.id).entries())

    def ask(self, probe: Probe) -> ProbeResult:
        """Return what came of asking ``probe``; of a probe that saves what it needs, if that one is not right."""
        needed = self._needed(probe)
        fresh = not needed or not all(name in self._saved for name in needed)
        if (wrong := self._provided(probe, needed)) is not None:
            return wrong
        result = self._once(probe)
        if not fresh and result.status in LOGGED_OUT and not result.good:
            for name in needed:
                self._saved.pop(name, None)
            if (wrong := self._provided(probe, needed)) is not None:
                return wrong
            result = self._once(probe)
        return result

    def _needed(self, probe: Probe) -> set[str]:
        return {
            name
            for text in texts_in(probe)
            for kind, name in references(text)
            if kind == "saved" and name not in probe.save
        }

    def _provided(self, probe: Probe, needed: set[str]) -> ProbeResult | None:
        """Ask the probes that save what is ``needed``; return what is wrong with one of them, as a result of ``probe``."""
        for earlier in self._probes[: self._probes.index(probe)]:
            if needed & set(earlier.save) - set(self._saved):
                result = self.ask(earlier)
                if not result.good:
                    return replace(
                        result, id=probe.id, reason=f"{earlier.id}, which it needs: {result.reason}", status=None
                    )
                self._saved.update(result.saved)
        return None

    def _once(self, probe: Probe) -> ProbeResult:
        self._asked += 1
        values = self._work.probing().with_saved(self._saved)
        key = f"{KEY}{probe.id}/{self._asked}" if probe.changes else ""
        return ask(self._work.do, probe, values, self._clock, key=key, world=inside.world(self._work))
