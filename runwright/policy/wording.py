"""How numbers of a watch read in a sentence."""

from __future__ import annotations

import math

from runwright.runbook.checks import Rule
from runwright.runbook.numbers import share

_NAMES = {
    "error_ratio": "error ratio",
    "latency_p50": "p50 latency",
    "latency_p95": "p95 latency",
    "latency_p99": "p99 latency",
    "request_rate": "request rate",
    "cpu_percent": "CPU",
    "memory_percent": "memory",
    "restarts": "restarts",
    "dns": "finding the address",
    "connect": "connecting",
    "tls": "agreeing on TLS",
    "first_byte": "first byte",
    "total": "time",
}


def subject(rule: Rule) -> str:
    """Return what a rule looks at, in words: "error ratio", "p95 latency", "probe ready", or the id of a query's rule."""
    if rule.probe is not None:
        if rule.number is not None:
            return f"{rule.number} of probe {rule.probe}"
        if rule.phase is not None:
            return f"{_NAMES[rule.phase]} of probe {rule.probe}"
        return f"probe {rule.probe}" if rule.failures is not None else f"time of probe {rule.probe}"
    if rule.staying is not None:
        return "the services that stay"
    return _NAMES.get(rule.measure or rule.stats or "", rule.id)


def unit(rule: Rule) -> str:
    """Return the unit of a rule's values: "ratio", "seconds", "per second", "percent", "failures" or "" if unknown."""
    if rule.failures is not None:
        return "failures"
    if rule.is_time:
        return "seconds"
    if rule.measure == "error_ratio" or (rule.measure is None and rule.stats is None and share(rule.above) is not None):
        return "ratio"
    if rule.measure == "request_rate":
        return "per second"
    return "percent" if rule.stats in ("cpu_percent", "memory_percent") else ""


def as_value(rule: Rule, value: float | None) -> str:
    """Return a value of ``rule`` with its unit: "7.1 %", "812 ms", "0.2/s"."""
    if value is None:
        return "unknown"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    match unit(rule):
        case "ratio":
            return f"{_short(value * 100)} %"
        case "percent":
            return f"{_short(value)} %"
        case "seconds":
            return f"{_short(value * 1000)} ms" if abs(value) < 1 else f"{_short(value)} s"
        case "per second":
            return f"{_short(value)}/s"
        case _:
            return _short(value)


def as_time(seconds: float) -> str:
    """Return a length of time in at most two units: "45s", "2m10s", "1h05m"."""
    whole = max(0, round(seconds))
    if 0 < seconds < 10 and abs(seconds - whole) >= 0.05:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m" + (f"{whole % 60:02d}s" if whole % 60 else "")
    if whole < 86400:
        minutes = round(whole % 3600 / 60)
        hours = whole // 3600 + minutes // 60
        return f"{hours}h" + (f"{minutes % 60:02d}m" if minutes % 60 else "")
    return f"{whole // 86400}d" + (f"{whole % 86400 // 3600:02d}h" if whole % 86400 // 3600 else "")


def _short(value: float) -> str:
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) < 100 else 0
    text = f"{value:,.{min(digits, 4)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    # a value that is not 0 never reads as 0
    return text if text.strip("-") not in ("", "0") else f"{value:.1e}"
