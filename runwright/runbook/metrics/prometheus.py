"""A Prometheus server."""

from __future__ import annotations

from typing import ClassVar, Literal

from runwright.runbook.base import Credentials, Template, example
from runwright.runbook.metrics.shape import Metrics, Series


class Prometheus(Metrics):
    """A Prometheus server."""

    title: ClassVar[str] = "a Prometheus server"

    kind: Literal["prometheus"]
    url: Template = example("http://prometheus:9090", "Its address.")
    bearer: Template | None = example("${secret.prometheus_token}", "A token for it.", None)
    basic: Credentials | None = example(
        ["admin", "${secret.prometheus_password}"],
        "A user and a password for it, instead of a token.",
        None,
        apart=True,
    )
    series: Series = example({"status_label": "status_class"}, "How the request metrics are named.", Series())
