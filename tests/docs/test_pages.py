"""What the documentation says is true: its examples load, its commands exist, its links lead somewhere."""

from __future__ import annotations

import inspect
import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from deployments.cli.main import app
from runwright.ledger.states import TRANSITIONS, ReleaseState
from runwright.runbook.loader import load
from runwright.runbook.model import Runbook
from tests.docs.pages import (
    GENERATED,
    ROOT,
    Fence,
    anchors,
    commands,
    fences,
    inline_code,
    links,
    pages,
    text_of,
    written,
)

COMMANDS = typer.main.get_command(app)
FLOWS = ("deploy", "rollback", "watch", "retire", "backup", "canary")
YAML_BLOCKS = [fence for page in written() for fence in fences(page) if fence.language == "yaml"]
RUNBOOK_KEYS = set(Runbook.model_fields)
BASE: dict[str, Any] = {
    "system": "shop",
    "source": {"repo": "https://github.com/acme/shop"},
    "components": {"api": {}},
    "environments": {
        "development": {
            "tier": "development",
            "target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"},
            "urls": {"api": "http://localhost:8000"},
            "database": {"kind": "postgres", "service": "db", "name": "shop", "user": "shop"},
        }
    },
}
"""What a piece of a runbook is put into."""


# ----------------------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("fence", YAML_BLOCKS, ids=str)
def test_every_yaml_example_is_right(fence: Fence, tmp_path: Path) -> None:
    """A runbook, whole or a piece of one, loads without a mistake; other YAML can be read."""
    data = yaml.safe_load(fence.text)
    if "jobs" in data or "services" in data or "apiVersion" in data:
        return
    assert set(data) <= RUNBOOK_KEYS | {key for key in data if key.startswith("x-")}, "neither a runbook nor known YAML"
    file = tmp_path / "shop.yaml"
    file.write_text(fence.text if "system" in data else yaml.safe_dump({**BASE, **data}))
    load(file)


def test_there_are_examples() -> None:
    """The README has a whole runbook of some thirty lines; so has the page on Compose applications."""
    whole = [fence for fence in YAML_BLOCKS if fence.text.lstrip("#").find("system: shop") >= 0]
    assert {fence.page for fence in whole} >= {"README.md", "docs/how-to/compose-application.md"}
    readme = next(fence for fence in whole if fence.page == "README.md")
    assert 25 <= len(readme.text.splitlines()) <= 35


def test_the_workflow_is_whole() -> None:
    """It starts on tags, waits for the run, and hands values to the shell by its environment alone."""
    fence = next(f for f in YAML_BLOCKS if f.page == "docs/how-to/github-actions.md")
    data = yaml.safe_load(fence.text)
    job = data["jobs"]["deploy"]
    script = job["steps"][-1]["run"]
    assert data[True]["push"]["tags"] and "--watch" in script  # YAML 1.1 reads `on` as true
    assert "${{" not in script
    assert job["env"]["PREFECT_API_URL"] and data["concurrency"]["cancel-in-progress"] is False
    given = set(re.findall(r"(\w+):", script.split("{", 1)[1].split("}'")[0])) - {"team"}
    assert given <= set(parameters_of("deploy"))


# ----------------------------------------------------------------------------------------------------------- commands


def parameters_of(flow: str) -> list[str]:
    module = __import__(f"flows.{flow}", fromlist=[flow])
    return list(inspect.signature(getattr(module, flow).fn).parameters)


def found(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words name, and the words after it."""
    command: Any = COMMANDS
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        assert name in command.commands, f"there is no command {name!r}"
        command = command.commands[name]
    return command, words


def check_runwright(line: str) -> None:
    """Raise AssertionError unless the command exists, has these options, and takes so many arguments."""
    command, rest = found(shlex.split(line)[1:])
    options = {
        name: o for o in command.params if o.param_type_name == "option" for name in (*o.opts, *o.secondary_opts)
    }
    arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
    given = 0
    while rest:
        word, *rest = rest
        if word == "<":
            break
        if word.startswith("-"):
            assert word in options or word in ("--help", "-h"), f"{command.name} has no option {word}"
            if word in options and not options[word].is_flag:
                assert rest, f"{word} needs a value"
                rest = rest[1:]
        else:
            given += 1
    assert given <= len(arguments) or any(a.nargs == -1 for a in arguments), f"too many arguments: {line}"


def check_prefect(line: str) -> None:
    """Raise AssertionError unless a flow of that name is there and has these parameters."""
    words = shlex.split(line.replace("\\|", "|"))
    flow = words[3].partition("/")[0]
    assert flow in FLOWS
    for option, value in itertools.pairwise(words):
        if option == "-p":
            assert value.partition("=")[0] in parameters_of(flow), f"{flow} has no parameter {value}"
    for word in words:
        if word.startswith("--"):
            assert word in ("--watch", "--watch-timeout", "--params"), f"not known here: {word}"


LINES = sorted({(where, line) for page in pages() for where, line in commands(page)})
RUNWRIGHT = [(w, c) for w, c in LINES if re.match(r"runwright [a-z]", c)]
PREFECT = [(w, c) for w, c in LINES if c.startswith("prefect deployment run")]
MAKE = [(w, c) for w, c in LINES if re.fullmatch(r"make [a-z]+", c)]


@pytest.mark.parametrize(("where", "line"), RUNWRIGHT, ids=[f"{w} {c}" for w, c in RUNWRIGHT])
def test_every_runwright_command_exists(where: str, line: str) -> None:
    """With its options, and as many arguments as it takes."""
    check_runwright(re.sub(r" \.\.\.$", " x", line).replace("…", "x"))


@pytest.mark.parametrize(("where", "line"), PREFECT, ids=[f"{w} {c}" for w, c in PREFECT])
def test_every_deployment_that_is_run_exists(where: str, line: str) -> None:
    """Its flow is one of ours, and so are its parameters."""
    check_prefect(line)


@pytest.mark.parametrize(("where", "line"), MAKE, ids=[f"{w} {c}" for w, c in MAKE])
def test_every_make_target_exists(where: str, line: str) -> None:
    """`make X` has a rule."""
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_wrong_commands_are_found() -> None:
    """What these tests say holds only if they can say no."""
    for wrong in (
        "runwright deplyo x",
        "runwright deploy a/b v1 --atest x=y",
        "runwright status a b c",
        "runwright show --why",
    ):
        with pytest.raises(AssertionError):
            check_runwright(wrong)
    with pytest.raises(AssertionError):
        check_prefect("prefect deployment run 'deploy/shop-production' -p versoin=v1")
    assert len(RUNWRIGHT) > 40 and len(PREFECT) >= 4 and len(MAKE) >= 3


# -------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("page", written())
def test_every_link_leads_somewhere(page: str) -> None:
    """To a file that is there, and to a heading that it has."""
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.is_file(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{page}: {link}"


def test_every_page_can_be_reached() -> None:
    """From the README, by links."""
    seen: set[str] = set()
    todo = ["README.md"]
    while todo:
        page = todo.pop()
        if page in seen or not page.endswith(".md"):
            continue
        seen.add(page)
        for link in links(page):
            if "://" not in link and link.partition("#")[0]:
                todo.append(str(((ROOT / page).parent / link.partition("#")[0]).resolve().relative_to(ROOT)))
    lost = set(pages()) - {"CHANGELOG.md"} - seen
    assert not lost, f"link them from docs/README.md: {', '.join(sorted(lost))}"


def test_every_file_that_is_named_is_there() -> None:
    """A path of the source in backticks exists."""
    rooms = "flows|tasks|blocks|deployments|runwright|examples|tests|bench"
    for page in written():
        for code in inline_code(page):
            if re.fullmatch(rf"({rooms})/[\w/.-]*", code) and "NAME" not in code:
                assert (ROOT / code).exists(), f"{page}: {code}"


# ------------------------------------------------------------------------------------------------------------- states


def test_the_page_on_states_is_the_table() -> None:
    """Each state and each transition of the ledger is on the page, and no other."""
    page = text_of("docs/reference/states.md")
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page.split("| From |")[1], re.MULTILINE))
    away = {ReleaseState.FAILING, ReleaseState.ROLLING_BACK, ReleaseState.FROZEN, ReleaseState.ABANDONED}
    assert set(re.findall(r"^\| `(\w+)` \|", page.split("| From |")[0], re.MULTILINE)) == set(ReleaseState)
    for state, after in TRANSITIONS.items():
        named = set(re.findall(r"`(\w+)`", told[state])) | (away if "away" in told[state] else set())
        assert named == set(after), state


def test_generated_pages_say_so() -> None:
    """Nobody edits them by hand."""
    for page in GENERATED:
        assert text_of(page).startswith("<!-- Written ")
