"""The reference of the command line is made of the commands."""

from __future__ import annotations

import re

from typer.main import get_command

from deployments.cli.exits import Exit
from deployments.cli.main import app
from deployments.cli.reference import PAGE, markdown


def test_the_page_is_up_to_date() -> None:
    """If this fails: python -m deployments.cli.reference"""
    assert PAGE.read_text("utf-8") == markdown(app)


def test_every_command_option_and_exit_code_is_on_the_page() -> None:
    """And everything on it has a sentence."""
    page = markdown(app)
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"## runwright {name}" in page
        assert command.help
    for code in Exit:
        assert f"| {int(code)} | {code.meaning} |" in page
    assert re.findall(r"^\| `[^|]*\|\s*\|$", page, re.MULTILINE) == []


def test_queries_and_releases_speak_json_and_plain() -> None:
    """What a person can read a program can read too."""
    silent = {"init", "docs", "secrets"}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        options = {o for p in command.params for o in p.opts}
        assert name in silent or {"--json", "--plain"} <= options, name
