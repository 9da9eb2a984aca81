"""The requests that each version got while a release was under way, as a picture with its phases, and as a table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runwright.reports.charts import BREACH, GRID, LINE, STYLE, TEXT, lean, thinned
from runwright.reports.markdown import image, parts, table, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OLD = "#9aa4af"
INCHES = (8.2, 2.9)
CLOSE_MINUTES = 0.055
"""Names of phases that are closer than this part of the picture are written one below the other."""


@dataclass(frozen=True)
class Look:
    """What had been counted of a version at a moment: requests, and failed ones of them (500 and above)."""

    at: datetime
    requests: float
    errors: float = 0.0


@dataclass(frozen=True)
class Phase:
    """What began at a moment, in a word."""

    at: datetime
    name: str


@dataclass(frozen=True)
class Requests:
    """Of the new version and the one before: its name, and what was counted of it, in order."""

    new: tuple[str, Sequence[Look]]
    old: tuple[str, Sequence[Look]]
    phases: Sequence[Phase]


@dataclass(frozen=True)
class Rate:
    """How many requests a second were counted up to a moment, and how many of them failed."""

    at: datetime
    requests: float
    errors: float


def rates(looks: Sequence[Look]) -> list[Rate]:
    """Return what was counted between two looks each, a second. Who counts may have been started anew, and counts from nothing then."""
    found = []
    for before, now in pairwise(looks):
        seconds = (now.at - before.at).total_seconds()
        anew = now.requests < before.requests
        got = now.requests - (0.0 if anew else before.requests)
        failed = now.errors - (0.0 if anew else before.errors)
        if seconds > 0:
            found.append(Rate(now.at, got / seconds, max(0.0, failed) / seconds))
    return found


def requests(title: str, given: Requests) -> str:
    """Return the picture and the table as Markdown."""
    encoded = base64.b64encode(svg(given)).decode()
    return parts(
        f"# {text(title)}",
        image("Requests a second, by version", f"data:image/svg+xml;base64,{encoded}"),
        table(["From", "Phase", given.old[0], given.new[0], "Failed"], _rows(given)),
    )


def _rows(given: Requests) -> list[tuple[str, str, str, str, str]]:
    """Return how many requests each version answered in each phase."""
    last = max(looks[-1].at for _, looks in (given.new, given.old) if looks)
    rows = []
    for phase, end in zip(given.phases, [*(p.at for p in given.phases[1:]), last], strict=True):
        (old, failed_old), (new, failed_new) = (_between(looks, phase.at, end) for _, looks in (given.old, given.new))
        rows.append(
            (f"{phase.at:%H:%M:%S}", text(phase.name), f"{old:,.0f}", f"{new:,.0f}", f"{failed_old + failed_new:,.0f}")
        )
    return rows


def _between(looks: Sequence[Look], begin: datetime, end: datetime) -> tuple[float, float]:
    """Return how many requests, and how many failed ones, were counted in a stretch: between the looks around it."""
    got = failed = 0.0
    for before, now in pairwise(looks):
        if begin <= now.at and before.at < end and now.requests >= before.requests:
            part = (min(now.at, end) - max(before.at, begin)) / (now.at - before.at)
            got += part * (now.requests - before.requests)
            failed += part * (now.errors - before.errors)
    return got, failed


def svg(given: Requests) -> bytes:
    """Return the picture as an SVG image."""
    return lean(_drawn(given, "svg").decode()).encode()


def png(given: Requests) -> bytes:
    """Return the picture as a PNG image."""
    return _drawn(given, "png")


def _drawn(given: Requests, form: str) -> bytes:
    # imported here: only who draws needs it, and it takes half a second
    import io

    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.subplots(), given)
        out = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if form == "svg" else {}
        figure.savefig(out, format=form, transparent=True, metadata=metadata, dpi=110)
    return out.getvalue()


def _draw(ax: Axes, given: Requests) -> None:
    old, new = rates(given.old[1]), rates(given.new[1])
    moments = [*(one.at for one in (*old, *new)), *(phase.at for phase in given.phases)]
    start = min(moments)

    def minutes(at: datetime) -> float:
        return float((at - start).total_seconds() / 60)

    highest = 0.0
    for (name, _), series, color, style in ((given.old, old, OLD, "--"), (given.new, new, LINE, "-")):
        points = thinned([(minutes(one.at), one.requests) for one in series])
        xs, ys = [x for x, _ in points], [y or 0.0 for _, y in points]
        ax.fill_between(xs, ys, color=color, alpha=0.22, linewidth=0)
        ax.plot(xs, ys, color=color, linewidth=1.8, linestyle=style, label=name)
        highest = max([highest, *ys])
    errors: dict[datetime, float] = {}
    for one in (*old, *new):
        errors[one.at] = errors.get(one.at, 0.0) + one.errors
    failed = thinned([(minutes(at), value) for at, value in sorted(errors.items())])
    if any(value for _, value in failed):
        ax.plot(
            [x for x, _ in failed], [y or 0.0 for _, y in failed], color=BREACH, linewidth=1.4, label="failed requests"
        )
    end = minutes(max(moments)) or 1.0
    ax.set_xlim(-0.01 * end, 1.06 * end)
    ax.set_ylim(0, (highest or 1.0) * 1.5)
    _mark(ax, [(minutes(phase.at), phase.name) for phase in given.phases], end)
    ax.set_xlabel("minutes since the release began to change things")
    ax.set_ylabel("requests / s")
    ax.grid(axis="y", color=GRID, alpha=0.28, linewidth=0.6)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(length=0, pad=4)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=3, frameon=False, labelcolor=TEXT)


def _mark(ax: Axes, phases: Sequence[tuple[float, str]], end: float) -> None:
    """Draw where each phase begins; names that are close to each other stand one below the other."""
    row, last = 0, -end
    for at, name in phases:
        row = row + 1 if at - last < CLOSE_MINUTES * end * (1 + len(name) / 6) else 0
        last = at
        ax.axvline(at, color=GRID, linewidth=0.9, dashes=(2, 3))
        where: dict[str, Any] = {
            "xycoords": ("data", "axes fraction"),
            "xytext": (3, -9 * (row % 4)),
            "textcoords": "offset points",
        }
        ax.annotate(name, (at, 0.985), color=TEXT, fontsize=8.5, va="top", annotation_clip=False, **where)
