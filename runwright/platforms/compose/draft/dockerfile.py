"""What an image is built on, and how it is asked whether it is healthy, from its Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=[\"']?([^\"'\s]*))?", re.IGNORECASE)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?\}?")
_HEALTHCHECK = re.compile(r"^\s*HEALTHCHECK\s+(?:--\S+\s+)*(.*)", re.IGNORECASE)
_FOLDED = re.compile(r"\\\s*\n")


def base_image(dockerfile: str, target: str = "", args: Mapping[str, str | None] | None = None) -> str:
    """Return the image that the stage ``target`` (the last one by default) begins from; "" if that cannot be told.

    ``args``: build arguments that are given; others have the value that the Dockerfile gives them before its first stage.
    """
    known: dict[str, str] = {}
    stages: dict[str, str] = {}
    image = ""

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda found: known.get(found[1]) or found[2] or found[0], text)

    for line in _FOLDED.sub(" ", dockerfile).splitlines():
        if not stages and (arg := _ARG.match(line)):
            known[arg[1]] = (args or {}).get(arg[1]) or filled(arg[2] or "")
        if begins := _FROM.match(line):
            image = filled(begins[1])
            image = stages.get(image.lower(), image)
            stages[str(len(stages))] = image
            if begins[2]:
                stages[begins[2].lower()] = image
    return stages.get(target.lower(), "") if target else image


def healthcheck(dockerfile: str, target: str = "") -> str:
    """Return the command of the healthcheck that the stage ``target`` (the last one by default) has; "" without one."""
    stages: dict[str, str] = {}
    names: list[str] = []
    for line in _FOLDED.sub(" ", dockerfile).splitlines():
        if begins := _FROM.match(line):
            names = [str(len({n for n in stages if n.isdigit()})), *([begins[2].lower()] if begins[2] else [])]
            stages |= dict.fromkeys(names, stages.get(begins[1].lower(), ""))  # a stage has what it begins from
        elif found := _HEALTHCHECK.match(line):
            stages |= dict.fromkeys(names, "" if found[1].strip().upper() == "NONE" else found[1].strip())
    wanted = target.lower() if target else names[0] if names else ""
    return stages.get(wanted, "")
