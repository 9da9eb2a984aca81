"""Numbers: limits as people write them (0.8, 80 %, 500ms), and where in an answer a number is."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from runwright.patterns import compiled
from runwright.runbook.base import Model, Text, Words, example
from runwright.runbook.forms import Pattern

Phase = Literal["dns", "connect", "tls", "first_byte", "total"]

_PERCENT = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)\s*%", re.ASCII)


def share(text: Any) -> float | None:
    """Return what a text such as ``80 %`` stands for, 0.8; None if it is none."""
    found = _PERCENT.fullmatch(text.strip()) if isinstance(text, str) else None
    return float(found["number"]) / 100 if found else None


def _limit(value: Any) -> Any:
    part = share(value)
    return value if part is None else part


Limit = Annotated[
    float,
    BeforeValidator(_limit),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?\s*%$"}]}),
    Words("a number, or a part such as 80 %", "a number or a part"),
]
Terms = Annotated[
    Text | float | list[Text | float],
    Words("a path into the JSON answer or a number, or a list of them, which are added", "paths or numbers"),
]


class Number(Model):
    """A number in an answer, and what it may be. Exactly one of json, text."""

    json_path: Terms | None = example(
        "pool.checked_out",
        "A path to it in the JSON answer; several, and what [*] leads to, are added.",
        None,
        alias="json",
    )
    of: Terms | None = example(
        ["pool.size", "pool.max_overflow"],
        "What it is a part of: paths, or plain numbers, that are added. The number is then a ratio, from 0 to 1.",
        None,
    )
    text: Pattern | None = example(
        "response_time_avg ([0-9.]+)",
        "Or a regular expression whose first group is the number; the first line in which it is found counts.",
        None,
        apart=True,
    )
    at_most: Limit | None = example("80 %", "Verification fails above this, and if the number is not there.", None)
    at_least: Limit | None = example(
        1, "Verification fails below this, and if the number is not there.", None, apart=True
    )

    @model_validator(mode="after")
    def _one_place(self) -> Number:
        if (self.json_path is None) == (self.text is None):
            raise ValueError("a number needs exactly one of json, text: where it is in the answer")
        if self.of is not None and self.json_path is None:
            raise ValueError("`of` is for json: what the number at that path is a part of")
        if self.text is not None and compiled(self.text).groups < 1:
            raise ValueError("the regular expression needs a group in parentheses, which is the number")
        return self

    @property
    def limited(self) -> bool:
        """Whether verification judges it; if not, only rules do."""
        return self.at_most is not None or self.at_least is not None


def terms(given: Any) -> list[str | float]:
    """Return the paths and numbers that are added."""
    return list(given) if isinstance(given, list) else [] if given is None else [given]
