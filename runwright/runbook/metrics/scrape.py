"""A service's own /metrics page."""

from __future__ import annotations

from typing import ClassVar, Literal

from runwright.runbook.base import Credentials, Template, example
from runwright.runbook.metrics.shape import Metrics, Series


class Scrape(Metrics):
    """The service's own /metrics page, read by Runwright itself: for those who have no Prometheus."""

    title: ClassVar[str] = "a /metrics page itself"
    answers_queries: ClassVar[bool] = False

    kind: Literal["scrape"]
    url: Template = example("${url.api}/metrics", "The page.")
    bearer: Template | None = example("${secret.metrics_token}", "A token for it.", None)
    basic: Credentials | None = example(
        ["metrics", "${secret.metrics_password}"], "A user and a password for it, instead of a token.", None, apart=True
    )
    series: Series = example({"status_label": "status_class"}, "How the request metrics are named.", Series())
