"""The plan of a release: what would be done, and how it would be undone, before anything happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runwright.plural import plural
from runwright.reports.checklist import Line, checklist_table
from runwright.reports.markdown import block, bullets, cell, code, command, facts, lean_table, parts, short, text

LEVELS = {
    "L0": "No migration. The way back is to send traffic back to the old version.",
    "L1": "The migrations only add. The way back is to send traffic back; the schema stays as it is then.",
    "L2": "The migrations can be reversed, and that was rehearsed. The way back is to send traffic back, then to downgrade.",
    "L3": "A downgrade would lose data. On a failure everything is frozen, what was written since is shown, and a person decides.",
    "L4": "The migrations cannot be reversed. The way back is the proven backup, or forward; a person decides.",
}
"""What each rollback level means for the person who reads the plan."""

DEPENDS = "From here on it depends on:"


class Step(Protocol):
    """One change of the plan: its key, its sentence, and to the letter what is done."""

    @property
    def key(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def exact(self) -> str: ...


@dataclass(frozen=True)
class Commit:
    """One commit of the release."""

    id: str
    subject: str
    author: str = ""


@dataclass(frozen=True)
class Image:
    """One artifact: what it is called and what it is, and whether it is built by this release or was there before."""

    component: str
    reference: str
    identity: str
    built: bool = False


@dataclass(frozen=True)
class Migration:
    """One pending migration: its revision, what it does, its level and why it has it."""

    revision: str
    does: str
    level: str
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """All that a plan shows. goes_from: the version that runs now, "" if nothing does. depends_on: where the plan had to
    stop because what follows depends on it, "" if it is whole."""

    system: str
    environment: str
    goes_from: str
    goes_to: str
    hash: str
    provisional: bool = False
    commits: Sequence[Commit] = ()
    images: Sequence[Image] = ()
    migrations: Sequence[Migration] = ()
    level: str = "L0"
    way_back: str = ""
    gates: Sequence[Line] = ()
    downtime: str = ""
    watch: str = ""
    steps: Sequence[Step] = ()
    depends_on: str = ""
    notes: Sequence[str] = field(default=())


def plan(given: Plan) -> str:
    """Return the plan as Markdown: what changes, the way back, the checklist, and every action to the letter."""
    provisional = ", provisional: the version is not built yet" if given.provisional else ""
    lines = [
        ("From", text(given.goes_from or "nothing: this is the first release")),
        ("To", text(given.goes_to)),
        ("Plan", code(short(given.hash)) + provisional),
        ("Way back", f"**{text(given.level)}** {text(given.way_back or LEVELS.get(given.level, ''))}"),
        ("Downtime", text(given.downtime or "none is expected")),
        ("Watch", text(given.watch)),
    ]
    return parts(
        f"# Plan: {text(given.system)} to {text(given.environment)}",
        facts(lines),
        _notes(given.notes),
        _commits(given.commits),
        _images(given.images),
        _migrations(given.migrations),
        "## Checklist\n\n" + checklist_table(given.gates) if given.gates else "",
        _steps(given),
    )


def _notes(notes: Sequence[str]) -> str:
    return bullets(text(note) for note in notes)


def _commits(commits: Sequence[Commit]) -> str:
    if not commits:
        return ""
    rows = [(code(one.id[:8]), cell(one.subject, 72), text(one.author)) for one in commits]
    return f"## Commits ({len(commits)})\n\n" + lean_table(["Commit", "Subject", "Author"], rows)


def _images(images: Sequence[Image]) -> str:
    if not images:
        return ""
    rows = [
        (text(one.component), _reference(one), code(short(one.identity)), "built now" if one.built else "")
        for one in images
    ]
    return "## Artifacts\n\n" + lean_table(["Component", "Reference", "Identity", "Built"], rows)


def _reference(one: Image) -> str:
    """The name, and its digest below it where that is not the identity itself."""
    name, _, digest = one.reference.partition("@")
    return code(name) if digest in ("", one.identity) else f"{code(name)}<br>{code(short(digest))}"


def _migrations(migrations: Sequence[Migration]) -> str:
    if not migrations:
        return "## Migrations\n\nNone are pending."
    rows = [(code(one.revision), cell(one.does, 40), f"**{text(one.level)}**", cell(one.why, 32)) for one in migrations]
    return f"## Migrations ({len(migrations)})\n\n" + lean_table(["Revision", "What it does", "Level", "Because"], rows)


def _steps(given: Plan) -> str:
    lines = []
    for number, step in enumerate(given.steps, 1):
        lead = f"{number}. "
        lines.append(f"{lead}{text(step.says)} ({code(step.key)})\n\n{block(command(step.exact), 'sh', len(lead))}")
    if given.depends_on:
        lines.append(text(f"{DEPENDS} {given.depends_on.removeprefix(DEPENDS).strip().rstrip('.')}."))
    return f"## What is done ({plural(len(given.steps), 'change')})\n\n" + "\n\n".join(lines or ["Nothing is changed."])
