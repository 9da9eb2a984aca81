"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("docs/reference/runbook.md", "docs/reference/commands.md")
"""Written from the models and the commands; tests of those hold them up to date."""

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """One block of code: its language, its text, the page, and the line of its first line."""

    language: str
    text: str
    page: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Return the pages that people write, relative to the root."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


def written() -> list[str]:
    """Return those that are written by hand."""
    return [page for page in pages() if page not in GENERATED]


def text_of(page: str) -> str:
    """Return what a page holds."""
    return (ROOT / page).read_text("utf-8")


def fences(page: str) -> Iterator[Fence]:
    """Yield the blocks of code of a page."""
    text = text_of(page)
    for found in _FENCE.finditer(text):
        yield Fence(found["language"], found["text"], page, text.count("\n", 0, found.start("text")) + 1)


def without_fences(page: str) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", text_of(page))


def inline_code(page: str) -> list[str]:
    """Return what stands in backticks."""
    return _CODE.findall(without_fences(page))


def links(page: str) -> list[str]:
    """Return where links and images point to."""
    return _LINK.findall(without_fences(page))


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(without_fences(page))
    }


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Yield (where, command) for every command line: in shell blocks, continued lines joined, and in backticks."""
    for fence in fences(page):
        if fence.language == "sh":
            for line in re.sub(r"\\\n\s*", " ", fence.text).splitlines():
                yield from ((str(fence), part.strip()) for part in _parts(line))
        elif "prefect deployment run" in fence.text:
            for line in re.sub(r"\|\n\s*", "| ", fence.text).splitlines():
                yield from ((str(fence), part.strip()) for part in _parts(line))
    for code in inline_code(page):
        yield page, code


def _parts(line: str) -> list[str]:
    """Return the commands of one line: what pipes and `&&` join is several."""
    return re.split(r"\s(?:\||&&)\s", line)
