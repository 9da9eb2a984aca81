"""How a part of the users becomes a larger one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runwright.runbook.base import Duration, Model, example


class Canary(Model):
    """When a canary's share grows: the new version is compared with the old one at each of its shares, on what the router counts."""

    hold: Duration = example("1m", "How long each share is held at least.", 60.0)
    min_requests: Annotated[int, Field(ge=1)] = example(
        50, "How many requests the new version must have answered at each share; fewer prove nothing.", 50
    )
    wait: Duration = example(
        "5m", "How long is waited for those requests; then the release is taken back, since nobody can judge it.", 300.0
    )
    manual: list[Annotated[int, Field(ge=1, le=99)]] = example(
        [50], "Shares of `rungs` at which a person decides, after they are passed: `runwright canary PLACE on`.", []
    )
    errors: Annotated[float, Field(ge=0, le=1)] = example(
        0.01,
        "Taken back when its share of failed requests (500 and above) is this much above the old version's: 0.01 is a percentage point.",
        0.01,
    )
    slower: Annotated[float, Field(ge=1)] = example(
        1.5,
        "Taken back when 95 % of its answers take this many times as long as the old version's, with a hundred answers of each.",
        1.5,
    )
