"""What all models of a runbook share: strictness, names, durations, references, and how types read in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)


class Model(BaseModel):
    """A part of a runbook: unknown keys are mistakes, nothing is guessed into another type, nothing changes later."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class Registered(Model):
    """A part of a runbook that is one of several kinds, each with a driver of its own; other packages may bring some."""

    title: ClassVar[str] = ""
    """As people name it."""
    built: ClassVar[bool] = True
    """Whether it can be released. If not, its runbooks load all the same."""


@dataclass(frozen=True)
class Words:
    """What a type is called: in messages, and ``short`` in the reference."""

    text: str
    short: str = ""


FROM_A_FILE = {"from": "file"}
"""The validation context of a runbook that somebody wrote, where a duration must have its unit."""

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_SECONDS = 10 * 366 * 86400  # ten years: beyond that it is a slip, and datetime could overflow


def seconds(text: Any) -> float:
    """Return a duration such as ``30s``, ``5m`` or ``24h`` in seconds. A plain number is refused: it has no unit."""
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError("a duration with its unit is meant, for example 30s, 5m, 24h or 500ms")
    value = float(found["number"]) * _SECONDS[found["unit"]]
    if value > _LONGEST_SECONDS:
        raise ValueError("a duration of at most ten years is meant")
    return value


def as_duration(value: float) -> str:
    """Return seconds the way a runbook writes them: in the largest unit that gives the very same number again."""
    if value == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        if value >= _SECONDS[unit] and value % _SECONDS[unit] == 0:
            return f"{int(value // _SECONDS[unit])}{unit}"
    milliseconds = f"{value * 1000:g}ms"
    if value < 1 and "e" not in milliseconds and seconds(milliseconds) == value:
        return milliseconds
    return f"{Decimal(repr(float(value))):f}s"


def _loaded_seconds(value: Any, info: ValidationInfo) -> float:
    # code gives seconds; somebody who writes a file has to say which unit a number is in
    if isinstance(value, float) and info.context != FROM_A_FILE:
        return value
    return seconds(value)


Duration = Annotated[
    float,
    BeforeValidator(_loaded_seconds),
    PlainSerializer(as_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w)$"}),
    Words("a duration with its unit, such as 30s, 5m or 24h", "a duration"),
]

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,47}$"),
    Words("a name of lower-case letters, digits and dashes that begins with a letter (48 at most)", "a name"),
]
"""A name of ours. It becomes part of keys, file names and names in Prefect."""

SavedName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,47}$"),
    Words("a name of lower-case letters, digits, dashes and underscores that begins with a letter", "a name"),
]

ServiceName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"),
    Words("the name of a service, as Compose allows it", "a service"),
]

EnvironmentKey = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"),
    Words("the name of an environment variable", "a variable"),
]

Port = Annotated[int, Field(ge=1, le=65535)]

Text = Annotated[str, StringConstraints(min_length=1), Words("text")]

REFERENCE = re.compile(r"\$\{(?P<kind>[a-z]+)\.(?P<name>[A-Za-z0-9_.-]+)\}")
_KINDS = {
    "url": "an address of the environment's `urls`",
    "secret": "a secret of the environment's block",
    "release": "a fact of the release: id, version, commit",
    "saved": "what an earlier probe of the same run saved",
}
_RELEASE_FACTS = {"id", "version", "commit"}


def references(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of every ``${kind.name}`` in ``text``."""
    for found in REFERENCE.finditer(text):
        yield found["kind"], found["name"]


def checked_template(text: str) -> str:
    """Return ``text`` if all its references are of a known kind. Raise ValueError if one is not."""
    if "${" in REFERENCE.sub("", text):
        known = "; ".join(f"${{{kind}.NAME}} is {meaning}" for kind, meaning in _KINDS.items())
        raise ValueError(f"this reference is not understood. {known}")
    for kind, name in references(text):
        if kind not in _KINDS:
            raise ValueError(
                f"${{{kind}.{name}}} is unknown; there are ${{url.…}}, ${{secret.…}}, ${{release.…}} and ${{saved.…}}"
            )
        if kind == "release" and name not in _RELEASE_FACTS:
            raise ValueError(f"${{release.{name}}} is unknown; a release has id, version and commit")
    return text


Template = Annotated[
    str,
    StringConstraints(min_length=1),
    AfterValidator(checked_template),
    Words("text, which may hold ${url.…}, ${secret.…}, ${release.…} or ${saved.…}", "text with references"),
]
"""Text with references: ``${url.api}/healthz``, ``${secret.token}``, ``${release.commit}``, ``${saved.customer}``."""

Credentials = Annotated[tuple[Template, Template], Field(strict=False), Words("a list of two: user and password")]


def example(value: Any, text: str, default: Any = ..., *, apart: bool = False, **kw: Any) -> Any:
    """Return a pydantic Field with a description and an example; every field of a runbook has both.

    ``apart`` marks a field that can not stand together with the examples of its neighbours: the reference shows it
    as a comment.
    """
    extra: dict[str, Any] | None = {"apart": True} if apart else None
    if "default_factory" not in kw:
        kw["default"] = default
    return Field(description=text, examples=[value], json_schema_extra=extra, **kw)
