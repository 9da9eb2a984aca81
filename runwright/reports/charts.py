"""Charts of what was measured, as small SVG images that fit into a Markdown artifact.

The background is transparent and all colours have contrast on white and on near-black, so that one image serves light
and dark themes alike.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 240
"""Of one panel; several share it down to a third. A watch of thirty minutes has sixty; each point costs a dozen bytes."""
MAX_PANELS = 6
MAX_MARKERS = 24
PANEL_INCHES = (8.2, 1.75)

TEXT = "#737c86"
GRID = "#8b949e"
LINE = "#2f7fe0"
LIMIT = "#d9772b"
BREACH = "#e5484d"

_PLACES = re.compile(r'\b(?:d|x|y|width|height|transform)="[^"]*"')
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, sharp and searchable
    "svg.hashsalt": "runwright",
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Segoe UI", "Helvetica Neue", "Arial", "DejaVu Sans"],
    "font.size": 9.0,
    "text.color": TEXT,
    "text.parse_math": False,  # a dollar sign in a title is one
    "hatch.linewidth": 0.6,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.edgecolor": GRID,
}


@dataclass(frozen=True)
class Panel:
    """One measurement over time.

    points: (seconds since the switch, value or None where nothing is known), in order.
    unit: "ratio" and "seconds" are shown as percent and as milliseconds if they are short; "failures" is 0 or 1.
    limit: drawn as a line; ``below`` says that the values must stay above it. breached: spans (from, to) in seconds.
    """

    title: str
    unit: str
    points: Sequence[tuple[float, float | None]]
    limit: float | None = None
    below: bool = False
    breached: Sequence[tuple[float, float]] = ()


def data_uri(panels: Sequence[Panel], *, until_seconds: float | None = None) -> str:
    """Return the panels, one below the other, as a data URI for an image. ``until_seconds`` is the end of the time axis."""
    encoded = base64.b64encode(svg(panels, until_seconds=until_seconds)).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def svg(panels: Sequence[Panel], *, until_seconds: float | None = None) -> bytes:
    """Return the panels (at most six) as an SVG image."""
    return _drawn(panels, until_seconds, "svg")


def png(panels: Sequence[Panel], *, until_seconds: float | None = None) -> bytes:
    """Return the panels as a PNG image, for where SVG is not shown."""
    return _drawn(panels, until_seconds, "png")


def thinned(points: Sequence[tuple[float, float | None]], most: int = MAX_POINTS) -> list[tuple[float, float | None]]:
    """Return at most ``most`` points that look the same: of each stretch the lowest and the highest stay."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        known = [point for point in stretch if point[1] is not None]
        if not known:
            kept.append(stretch[0])
            continue
        low, high = min(known, key=_value), max(known, key=_value)
        kept += [low] if low is high else sorted((low, high))
    return kept


def _value(point: tuple[float, float | None]) -> float:
    return point[1] if point[1] is not None else math.nan


def _drawn(panels: Sequence[Panel], until: float | None, form: str) -> bytes:
    # imported here: only who draws needs it, and it takes half a second
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shown = [panel for panel in panels if panel.points][:MAX_PANELS]
    end = max([until or 0.0, 60.0, *(panel.points[-1][0] for panel in shown)])
    with matplotlib.rc_context(STYLE):
        rows = max(1, len(shown))
        figure = Figure(
            figsize=(PANEL_INCHES[0], PANEL_INCHES[1] * rows + 0.35),
            layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.06, hspace=0.06),
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        for panel, ax in zip(shown, axes, strict=False):
            _draw(ax, panel, max(MAX_POINTS // rows, MAX_POINTS // 3))
        if not shown:
            axes[0].set_axis_off()
            axes[0].text(0.5, 0.5, "nothing was measured", ha="center", va="center", transform=axes[0].transAxes)
        axes[-1].set_xlim(-end / 60 * 0.008, end / 60 * 1.004)
        figure.align_ylabels(list(axes))
        axes[-1].set_xlabel("minutes since the switch")
        out = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if form == "svg" else {}
        figure.savefig(out, format=form, transparent=True, metadata=metadata, dpi=110)
    return lean(out.getvalue().decode()).encode() if form == "svg" else out.getvalue()


def lean(image: str) -> str:
    """Return the same image with a third of the bytes: a tenth of a point is finer than a screen shows."""
    image = re.sub(
        r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", image, flags=re.DOTALL
    )
    image = _PLACES.sub(lambda found: re.sub(r"(\.\d)\d+", r"\1", found[0]), image)
    image = re.sub(r"\s*\n\s*", " ", image)
    return image.replace(" <", "<")


def _draw(ax: Axes, panel: Panel, most: int) -> None:
    scale, label = _scale(panel)
    points = thinned(panel.points, most)
    minutes = [at / 60 for at, _ in points]
    values = [math.nan if value is None or math.isinf(value) else value * scale for _, value in points]
    if panel.unit == "failures":
        _draw_failures(ax, minutes, values)
    else:
        _draw_line(ax, panel, minutes, values, scale, label)
        ax.set_ylabel(label)
    for begin, end in panel.breached:
        ax.axvspan(begin / 60, max(end, begin + 10) / 60, color=BREACH, alpha=0.16, linewidth=0)
    for begin, end in _unknown(minutes, values):
        ax.axvspan(begin, end, facecolor="none", edgecolor=GRID, alpha=0.35, hatch="////", linewidth=0)
        if end - begin > 0.08 * (minutes[-1] - minutes[0]):
            middle = (begin + end) / 2
            ax.text(middle, 0.97, "no data", transform=ax.get_xaxis_transform(), ha="center", va="top", fontsize=8.5)
    ax.set_title(panel.title, loc="left", fontsize=10.5, fontweight="bold", color=TEXT, pad=6)
    ax.grid(axis="y", color=GRID, alpha=0.28, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_alpha(0.6)
    ax.tick_params(length=0, pad=4)


def _draw_line(ax: Axes, panel: Panel, minutes: list[float], values: list[float], scale: float, label: str) -> None:
    known = [value for value in values if not math.isnan(value)]
    lonely = len(known) < 3
    ax.plot(minutes, values, color=LINE, linewidth=1.7, solid_capstyle="round", marker="o" if lonely else None, ms=4)
    limit = None if panel.limit is None else panel.limit * scale
    if limit is not None:
        ax.axhline(limit, color=LIMIT, linewidth=1.2, dashes=(5, 3))
        named = f"{'at least' if panel.below else 'limit'} {limit:g}{_suffix(label)}"
        beside: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "xytext": (5, 0),
            "textcoords": "offset points",
        }
        ax.annotate(named, (1.0, limit), color=LIMIT, va="center", fontsize=9, annotation_clip=False, **beside)
        worse = [v > limit if not panel.below else v < limit for v in values]
        over = [v if bad else math.nan for v, bad in zip(values, worse, strict=True)]
        marker = "o" if sum(worse) <= MAX_MARKERS else None  # each marker costs as much as ten points of a line
        ax.plot(minutes, over, color=BREACH, linewidth=2.0, solid_capstyle="round", marker=marker, ms=2.6)
    low = min([0.0, *known])
    ax.set_ylim(low, (max([*known, limit or 0.0]) or 1.0) * 1.18)
    ax.yaxis.set_major_locator(_few_ticks())


def _draw_failures(ax: Axes, minutes: list[float], values: list[float]) -> None:
    """One bar for each run of equal answers: a single failure is a dot, an outage is as long as it was."""
    half = max(0.02, (minutes[-1] - minutes[0]) / max(1, len(minutes) - 1) * 0.12)
    at = 0
    for failed, group in groupby(values, key=lambda value: None if math.isnan(value) else value > 0):
        size = len(list(group))
        if failed is not None:
            color, width = (BREACH, 6.5) if failed else (LINE, 3.0)
            ends = [minutes[at] - half, minutes[at + size - 1] + half]
            ax.plot(ends, [float(failed)] * 2, color=color, linewidth=width, solid_capstyle="round")
        at += size
    ax.set_ylim(-0.6, 1.6)
    ax.set_yticks([0, 1], ["right", "failed"])


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4, min_n_ticks=3)


def _scale(panel: Panel) -> tuple[float, str]:
    """Return (factor, name of the axis)."""
    largest = max((abs(v) for _, v in panel.points if v is not None and not math.isinf(v)), default=0.0)
    match panel.unit:
        case "ratio":
            return 100.0, "%"
        case "percent":
            return 1.0, "%"
        case "seconds":
            return (1000.0, "ms") if max(largest, panel.limit or 0.0) < 2 else (1.0, "s")
        case "per second":
            return 1.0, "requests / s"
        case _:
            return 1.0, panel.unit or "value"


def _suffix(label: str) -> str:
    return {"%": " %", "ms": " ms", "s": " s", "requests / s": "/s"}.get(label, "")


def _unknown(minutes: Sequence[float], values: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield the stretches in which nothing is known, from the last known point to the next one."""
    at = 0
    for missing, group in groupby(values, key=math.isnan):
        size = len(list(group))
        if missing:
            yield minutes[max(0, at - 1)], minutes[min(len(minutes) - 1, at + size)]
        at += size
