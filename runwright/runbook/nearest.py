"""What was probably meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_COMPARED = 200  # names that a misspelt one is compared with
MOST_NAMES = 30  # names that are listed in a sentence


def nearest(given: str, known: list[str]) -> list[str]:
    """Return the one or two of ``known`` that ``given`` was probably meant to be."""
    lowered = {name.lower(): name for name in known[:MOST_COMPARED]}
    begun = [name for low, name in lowered.items() if len(given) > 2 and low.startswith(given.lower())]
    close = [lowered[low] for low in get_close_matches(given.lower(), list(lowered), n=2, cutoff=0.6)]
    return list(dict.fromkeys(begun + close))[:2]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence that there is no such thing, with what was probably meant, and what there is."""
    names = list(known)
    near = nearest(name, names)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"there is no {what} `{name}`.{hint} There are: {', '.join(names[:MOST_NAMES]) or 'none'}{more}."
