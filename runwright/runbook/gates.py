"""What is asked before a release: the lines of its checklist."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from runwright.runbook.base import Duration, Model, Name, Template, Text, Words, example
from runwright.runbook.forms import Day, TimeZone, Url
from runwright.runbook.packaged import Packaged

Clock = Annotated[
    str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$"), Words('a time of day in quotes, such as "10:00"', "a time of day")
]
VersionNumber = Annotated[
    str, Field(pattern=r"^\d+(\.\d+)*$"), Words('a version in quotes, such as "20.10"', "a version")
]
OwnerAndName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"), Words("OWNER/NAME")]


class CiPassed(Model):
    """The commit's checks on GitHub have passed."""

    checks: list[Text] = example(
        ["tests", "lint"], "The names of the checks. Empty: all that ran, and at least one.", []
    )
    github: OwnerAndName | None = example("acme/shop", "The repository, if `source.repo` is not on GitHub.", None)
    api: Url = example(
        "https://github.example.com/api/v3", "The API's address, for GitHub Enterprise.", "https://api.github.com"
    )
    token: Template | None = example("${secret.github_token}", "A token that may read checks.", None)


class Tool(Model):
    """A program is there in a version that is new enough."""

    name: Literal["docker", "compose", "git", "pg_dump", "curl", "jq"] = example("docker", "The program.")
    at_least: VersionNumber | None = example("20.10", "The oldest version that will do.", None)


class DiskFree(Model):
    """There is room on a disk."""

    path: Text = example("/var/lib/docker", "A folder on that disk.", "/")
    gigabytes: Annotated[float, Field(gt=0)] = example(20, "How much must be free (10^9 bytes).")


class BackupAge(Model):
    """The last proven backup is young enough."""

    at_most: Duration = example("24h", "How old it may be.")


class TlsDays(Model):
    """A certificate is valid for long enough."""

    url: Template = example("${url.api}", "Where to look at it.")
    days: Annotated[int, Field(ge=1)] = example(14, "For how many days at least.", 14)


class Window(Model):
    """Releases happen at certain times only."""

    timezone: TimeZone = example("Europe/Berlin", "The time zone of the times.")
    days: list[Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]] = example(
        ["TU", "WE"], "On these days.", min_length=1
    )
    start: Clock = example("10:00", "From this time.", alias="from")
    end: Clock = example("14:00", "Until this time; one that is earlier than `from` is on the next day.", alias="to")
    except_dates: list[Day] = example(["2026-12-24"], "Not on these days (YYYY-MM-DD).", [])

    @property
    def seconds(self) -> float:
        """How long it is open on one of its days."""
        start, end = (60 * int(at[:2]) + int(at[3:]) for at in (self.start, self.end))
        return 60.0 * ((end - start) % (24 * 60))

    @model_validator(mode="after")
    def _has_a_length(self) -> Window:
        if self.start == self.end:
            raise ValueError("`from` and `to` are the same; a whole day is from 00:00 to 23:59")
        return self


class RunCommand(Model):
    """A command of one's own that only reads: it passes if it exits 0 and prints what is expected."""

    argv: list[Text] = example(
        ["git", "status", "--porcelain"], "The program and its arguments, as a list.", min_length=1
    )
    equals: str | None = example("", "What it must print, without white space around it.", None)
    timeout: Duration = example("30s", "How long it may take.", 30.0)


KINDS = (
    "ci",
    "env",
    "disk",
    "tool",
    "database",
    "backup",
    "tls",
    "baseline",
    "metrics",
    "window",
    "command",
    "probe",
    "attest",
    "package",
)


class Gate(Model):
    """One line of the checklist before a release. Exactly one kind of check."""

    id: Name = example("ci", "Its name.")
    ci: CiPassed | None = example({"checks": ["tests"]}, "The commit's checks have passed.", None)
    env: bool | None = example(True, "The env file holds what `config` asks for.", None, apart=True)
    disk: DiskFree | None = example({"path": "/", "gigabytes": 20}, "There is room on a disk.", None, apart=True)
    tool: Tool | None = example({"name": "docker", "at_least": "20.10"}, "A program is there.", None, apart=True)
    database: bool | None = example(
        True,
        "The database answers, and its revision is one that a release here or the version's code knows. Invalid indexes are told.",
        None,
        apart=True,
    )
    backup: BackupAge | None = example({"at_most": "24h"}, "The last backup is young enough.", None, apart=True)
    tls: TlsDays | None = example(
        {"url": "${url.api}", "days": 14}, "A certificate is valid for long enough.", None, apart=True
    )
    baseline: bool | None = example(
        True, "What runs now is healthy, so that a failure afterwards means something.", None, apart=True
    )
    metrics: bool | None = example(
        True, "The source of metrics answers, and its newest sample is fresh.", None, apart=True
    )
    window: Window | None = example(
        {"timezone": "UTC", "days": ["TU"], "from": "10:00", "to": "14:00"},
        "Now is a time for releases. Asked again before the first change: is there time to verify it, and to put it back?",
        None,
        apart=True,
    )
    command: RunCommand | None = example(
        {"argv": ["git", "status", "--porcelain"], "equals": ""}, "A command of one's own passes.", None, apart=True
    )
    probe: Name | None = example(
        "cors", "A probe of `verify` that only reads is right of what runs now.", None, apart=True
    )
    attest: Text | None = example(
        "Release checklist completed",
        'Something that a person states, with their name: -p attestations=\'{"ID": "NAME"}\'.',
        None,
        apart=True,
    )
    package: Packaged | None = example(
        {"kind": "change-freeze", "settings": {"calendar": "production"}},
        "One that a package of somebody else's brings (entry points in the group runwright.gates).",
        None,
        apart=True,
    )
    on_fail: Literal["block", "warn"] = example(
        "warn", "Whether a failure stops the release or is only shown.", "block"
    )
    environments: list[Name] = example(["production"], "Only in these environments. Default: in all.", [])

    @model_validator(mode="after")
    def _one_kind(self) -> Gate:
        if len(self.kinds) != 1:
            given = " and ".join(self.kinds) or "none"
            raise ValueError(f"a gate needs exactly one kind of check ({', '.join(KINDS)}); this one has {given}")
        return self

    @property
    def kinds(self) -> list[str]:
        """The kinds of check that are given; one, in a valid gate."""
        return [name for name in KINDS if getattr(self, name) not in (None, False)]

    @property
    def kind(self) -> str:
        """The kind of check."""
        return self.kinds[0]
