"""Takes a shell script, or a command line, apart into the simple commands that it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECES = re.compile(
    r"""(?:[^\s;&|(){}`'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+|\|\||&&|[;&|(){}`\n]|[^\S\n]+""", re.DOTALL
)
_ENDS = frozenset({"||", "&&", ";", "&", "|", "(", ")", "{", "}", "`", "\n"})
_KEYWORDS = frozenset(
    {"if", "then", "else", "elif", "while", "until", "do", "!", "time", "exec", "command", "builtin", "nohup"}
)
_SKIPPED = {
    "env": 0, "tini": 0, "dumb-init": 0, "catatonit": 0, "docker-init": 0, "gosu": 1, "su-exec": 1, "setpriv": 0, "sudo": 0,
    "nice": 0, "timeout": 1, "xargs": 0, "npx": 0, "bunx": 0, "pnpx": 0,
}  # fmt: skip
"""Programs that run the one behind them, and how many words of their own come before it."""
_RUNS = ("poetry run", "uv run", "pipenv run", "pdm run", "hatch run", "rye run", "bundle exec", "yarn exec", "pnpm exec",
         "npm exec", "conda run", "doppler run", "infisical run", "dotenv run", "bun x", "pnpm dlx", "yarn dlx")  # fmt: skip
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")

Simple = tuple[int, tuple[str, ...]]
"""A line number, and the words of a simple command."""


def simple_commands(text: str, line: int = 1) -> Iterator[Simple]:
    """Yield the simple commands of ``text``, also those in ``sh -c "…"`` and "$(…)", without what only runs another one."""
    words: list[str] = []
    at = line
    comment = False
    for piece in _PIECES.findall(text.replace("\\\n", "  ") + "\n"):
        if comment and piece != "\n":
            continue
        comment = False
        if piece in _ENDS:
            yield from _unwrapped(words, at)
            words = []
        elif piece.startswith("#") and not piece.isspace():
            comment = True
        elif not piece.isspace():
            if not words:
                at = line
            words.append(piece)
        line += piece.count("\n")


def _unwrapped(words: list[str], line: int) -> Iterator[Simple]:
    """Yield the command that ``words`` run in the end."""
    left = [_plain(word) for word in words]
    inner = [match for word in words for match in re.findall(r"\$\(([^()]*)\)", word) if word[0] == '"']
    for text in inner:
        yield from simple_commands(text, line)
    while left:
        first = left[0].rpartition("/")[2]
        if first in _KEYWORDS or _ASSIGNED.match(left[0]):
            left = left[1:]
        elif first in _SHELLS and (script := _after_c(left)) is not None:
            yield from simple_commands(script, line)
            return
        elif first in _SKIPPED:
            left = _without_options(left[1:])[_SKIPPED[first] :]
        elif " ".join([first, *left[1:2]]) in _RUNS:
            left = _without_options(left[2:])
        elif "--" in left[1:] and left[left.index("--") + 1 :] and first.startswith(("wait", "dockerize")):
            left = left[left.index("--") + 1 :]
        else:
            yield line, tuple(left)
            return


def _after_c(words: list[str]) -> str | None:
    """Return the script of ``sh -c SCRIPT`` (also ``-ec``), or None. A command line that was joined has it unquoted."""
    for number, word in enumerate(words[1:], 1):
        if not word.startswith("-"):
            return None
        if "c" in word and not word.startswith("--"):
            return " ".join(words[number + 1 :])
    return None


def _without_options(words: list[str]) -> list[str]:
    while words and (words[0].startswith("-") or _ASSIGNED.match(words[0])):
        words = words[1:]
    return words


def _plain(word: str) -> str:
    """Return a word without its quotes."""
    return re.sub(
        r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", lambda m: m[1] or m[2] or m[3] or "", word, flags=re.DOTALL
    )
