"""What a release asks a person for by itself, besides the gates of its runbook."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.policy.gates import STATEMENTS, GateState, attested
from runwright.release.work import Work
from runwright.runbook.checks import Gate


def stated(work: Work, statement: str) -> bool:
    """Return whether a person states what ``statement`` asks for; who did is kept."""
    text, given = STATEMENTS[statement], work.release.parameters.get("attestations") or {}
    if attested(Gate(id=statement, attest=text), given, datetime.now(UTC)).state is not GateState.PASS:
        return False
    if not work.ledger.records.approvals(work.id, statement):
        work.ledger.records.add_approval(work.id, statement, name=str(given[statement]).strip(), text=text)
    return True


def how(work: Work, statement: str) -> str:
    """Return the command that releases the version with the name of somebody who states it."""
    where = f"{work.release.system}/{work.release.environment}"
    return f"`runwright deploy {where} {work.release.ref} --attest {statement}=NAME`"
