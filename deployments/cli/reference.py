"""The reference of the command line, from the commands themselves: ``python -m deployments.cli.reference`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from deployments.cli.exits import Exit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"

HEAD = """\
<!-- Written by `python -m deployments.cli.reference` from the commands; a test checks that it is up to date. -->

# Commands

`runwright COMMAND --help` prints the same. `SYSTEM/ENVIRONMENT` is, for example, `shop/production`; releases have ids
such as `shop-production-20261121-070512-4f2a`, which `runwright history` lists.

On a terminal there are colours and a progress line (`NO_COLOR` and `--plain` are respected), elsewhere plain lines.
With `--json` a query prints one JSON document on stdout; `deploy`, `rollback` and `follow` print one JSON object a line
(`event` says what it is: started, run, release, state, begun, done, failed, ended, note, watch, warning, end). Everything
that is meant for people goes to stderr then.
"""

EXITS = """\
## Exit codes

| Code | Meaning |
|---|---|
"""

VARIABLES = """\
## Environment variables

| Variable | Meaning |
|---|---|
| `RUNWRIGHT_HOME` | The folder for the ledger, logs and working copies. Default: `.runwright` in the current folder. |
| `RUNWRIGHT_LEDGER_URL` | The ledger: `sqlite:////path/ledger.db` or `postgresql://user:password@host/name`. Default: a SQLite file in `RUNWRIGHT_HOME`. |
| `RUNWRIGHT_SYSTEMS` | Folders and files with your runbooks, separated by `:`. Default: `runwright.yaml` in the current folder. |
| `RUNWRIGHT_SSH_CONFIG` | A configuration file for ssh, for [hosts over ssh](../how-to/ssh.md). Default: that of the user, `~/.ssh/config`. |
| `PREFECT_API_URL` | The Prefect server. Default: the active Prefect profile, or the server that `runwright up` started. |
| `PREFECT_API_AUTH_STRING` | The login of a server of your own, `user:password`. That of the server that `runwright up` started is found by itself. |
| `NO_COLOR` | If set: no colours. |
"""


def markdown(app: Any) -> str:
    """Return the page for a typer app."""
    parts = [HEAD]
    for path, command in _commands("runwright", get_command(app)):
        parts.append("\n".join(_command(path, command)) + "\n")
    rows = "".join(f"| {int(code)} | {code.meaning} |\n" for code in Exit)
    return "\n".join([*parts, EXITS + rows, VARIABLES])


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from _commands(f"{path} {name}", inner)
        else:
            yield f"{path} {name}", inner


def _command(path: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    yield f"## {path}"
    yield ""
    yield _text(command.help or "")
    yield ""
    yield "```"
    yield " ".join([path, *(_metavar(a) for a in arguments), *(["[OPTIONS]"] if options else [])])
    yield "```"
    rows = [(f"`{_metavar(a)}`", a.help) for a in arguments] + [(_names(o), o.help) for o in options]
    if rows:
        yield ""
        yield "| | |"
        yield "|---|---|"
        yield from (f"| {_cell(name)} | {_cell(_text(about or ''))} |" for name, about in rows)


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    value = "" if getattr(option, "is_flag", False) else f" {option.metavar or 'N'}"
    return ", ".join(f"`{name}{value}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(text: str) -> str:
    """Return help text with its paragraphs as they are, each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def write(path: Path = PAGE) -> None:
    """Write the page."""
    from deployments.cli.main import app

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(app), "utf-8")


if __name__ == "__main__":
    write()
