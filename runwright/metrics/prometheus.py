"""Measure with a Prometheus server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runwright.engine.actions import Do
from runwright.errors import ActionError, CancelledError, InputError, ObservationError
from runwright.metrics.promql import age_query, requests_query, value_query
from runwright.metrics.shape import Clock, Fill, Measurement, What, plausible
from runwright.runbook.base import as_duration
from runwright.runbook.metrics.prometheus import Prometheus

TIMEOUT_SECONDS = 10.0
SHOWN_CHARACTERS = 200
NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, RecursionError)
"""What reading JSON of another shape raises; RecursionError is for what is nested too deeply."""


@dataclass(frozen=True)
class _Answer:
    """The values of an instant query, or why there is no answer."""

    values: tuple[float, ...] = ()
    error: str = ""


class PrometheusSource:
    """A Prometheus server. ``fill`` replaces the references in its address and its credentials."""

    def __init__(self, config: Prometheus, fill: Fill, clock: Clock) -> None:
        self._config = config
        self._fill = fill
        self._clock = clock

    def measure(self, do: Do, what: What) -> Measurement:
        """Return a measurement, and on how many requests it rests."""
        series = self._config.series
        queries = (value_query(series, what), requests_query(series, what))
        value, requests = self._ask(do, f"measure {what} with Prometheus", queries)
        where = f"of {series.requests} in the last {as_duration(series.window)}"
        found = self._judged(
            value, queries[0], f"Prometheus has no {what} {where}: no requests, or other names or labels"
        )
        count = requests.values[0] if not requests.error and len(requests.values) == 1 else None
        return plausible(Measurement(found.at, found.value, count, found.state, found.reason), what)

    def query(self, do: Do, promql: str) -> Measurement:
        """Return the one value of an instant query. Raise ObservationError if it has several."""
        (answer,) = self._ask(do, f"ask Prometheus: {promql}", (promql,))
        hint = "; a comparison in a query removes the values for which it is false" if set(promql) & set("<>") else ""
        return self._judged(answer, promql, f"Prometheus answered nothing{hint}")

    def fresh(self, do: Do) -> Measurement:
        """Return the age in seconds of the newest sample of the request counter."""
        series = self._config.series
        query = age_query(series)
        (answer,) = self._ask(do, f"ask Prometheus how old the newest sample of {series.requests} is", (query,))
        return self._judged(answer, query, f"Prometheus has no recent sample of {series.requests}")

    def _ask(self, do: Do, says: str, queries: tuple[str, ...]) -> tuple[_Answer, ...]:
        try:
            return _answers(do, says, self._config, self._fill, queries)
        except InputError as error:  # a secret is missing
            return (_Answer(error=error.what),) * len(queries)

    def _judged(self, answer: _Answer, query: str, nothing: str) -> Measurement:
        now = self._clock()
        if answer.error:
            return Measurement(now, None, None, "blind", answer.error)
        if len(answer.values) > 1:
            raise ObservationError(
                f"Prometheus answered {len(answer.values)} values where one is meant: {query}",
                state="Nothing was decided from it.",
                next="Aggregate in the query, for example with sum(...) or max(...).",
            )
        if not answer.values or math.isnan(answer.values[0]):
            return Measurement(now, None, None, "no_data", nothing)
        return plausible(Measurement(now, answer.values[0]))


def _answers(do: Do, says: str, config: Prometheus, fill: Fill, queries: tuple[str, ...]) -> tuple[_Answer, ...]:
    # imported here: only who asks a Prometheus needs it and what it brings along
    import requests
    from prometheus_api_client import PrometheusConnect
    from prometheus_api_client.exceptions import PrometheusApiClientException

    from runwright.metrics.session import through

    seen: list[requests.Response] = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, *_, **__: seen.append(response))
        server = PrometheusConnect(
            url=fill(config.url).rstrip("/"),
            headers={"Authorization": f"Bearer {fill(config.bearer)}"} if config.bearer else None,
            auth=(fill(config.basic[0]), fill(config.basic[1])) if config.basic else None,
            session=session,
        )
        through(session, server.url, do, says, TIMEOUT_SECONDS)
        answers = []
        for query in queries:
            try:
                answers.append(_Answer(_values(server.custom_query(query))))
            except PrometheusApiClientException:
                answers.append(_Answer(error=_refusal(seen[-1])))
            except NOT_UNDERSTOOD:
                answers.append(_Answer(error="what answered is no Prometheus: its answer is not understood"))
            except requests.RequestException as error:
                answers.append(_Answer(error=f"Prometheus could not be asked ({type(error).__name__})"))
            except CancelledError:
                raise
            except (ActionError, ObservationError) as error:
                answers.append(_Answer(error=error.what))
        return tuple(answers)


def _values(result: Any) -> tuple[float, ...]:
    """Return the values of an instant query's result: a vector, or one scalar as (time, text).

    Raise one of NOT_UNDERSTOOD if it is something else.
    """
    if not isinstance(result, list):
        raise TypeError("a result is a list")
    if result and not isinstance(result[0], dict):
        return (_number(result),)
    return tuple(_number(one["value"]) for one in result)


def _number(pair: Any) -> float:
    _, text = pair
    if not isinstance(text, str):  # a number that JSON has would be one, and so would `true`; Prometheus writes text
        raise TypeError("a value is text")
    return float(text)


def _refusal(response: Any) -> str:
    try:
        told = str(response.json()["error"])[:SHOWN_CHARACTERS]
    except NOT_UNDERSTOOD:
        return f"Prometheus answered {response.status_code}"
    return f"Prometheus answered {response.status_code}: {told}"


class _Kind:
    def made(
        self,
        config: Prometheus,
        fill: Fill,
        clock: Clock,
        kept: Sequence[dict[str, Any]] = (),  # noqa: ARG002 - the server keeps what it measured
    ) -> PrometheusSource:
        return PrometheusSource(config, fill, clock)


SOURCE = _Kind()
