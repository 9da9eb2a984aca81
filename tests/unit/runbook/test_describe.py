"""The reference is the models, and every example in it is right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from runwright.errors import InputError
from runwright.registry import DATABASES, METRICS, PLATFORMS
from runwright.runbook import describe
from runwright.runbook.base import FROM_A_FILE
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from runwright.runbook.model import Runbook
from runwright.runbook.words import is_model, keys, kinds
from runwright.runbook.yamltext import entry, flow, scalar
from tests.unit.runbook.files import RIGHT

SHIPPED_FILES = sorted(SHIPPED.glob("*.yaml"))


def yaml(text: str):
    return YAML(typ="safe", pure=True).load(text)


def models():
    """Every model that can be reached from a runbook, once."""
    found, todo = [], [Runbook]
    while todo:
        model = todo.pop()
        if model in found:
            continue
        found.append(model)
        for key in keys(model).values():
            inner = describe._inner(key.type)
            todo += list(kinds(inner).values()) or ([inner] if is_model(inner) else [])
    return found


FIELDS = [(model, key) for model in models() for key in keys(model).values()]


def test_the_whole_reference_is_a_runbook(tmp_path):
    """What `runwright docs` prints can be saved and loaded as it stands."""
    file = tmp_path / "shop.yaml"
    file.write_text(describe.reference())
    assert load(file).runbook.system == "shop"


@pytest.mark.parametrize("model, key", FIELDS, ids=[f"{m.__name__}.{k.name}" for m, k in FIELDS])
def test_every_example_is_what_its_field_means(model, key):
    """Printed as YAML and read again, an example is valid for its own field, also where it stands as a comment."""
    if key.example is None:
        assert key.name in ("kind", "platform", "tool")
        return
    assert key.field.description
    printed = "\n".join(entry(key.name, key.example))
    read = yaml(printed)[key.name]
    assert read == (list(key.example) if isinstance(key.example, tuple) else key.example)
    TypeAdapter(key.type).validate_python(read, context=FROM_A_FILE)


@pytest.mark.parametrize("section", describe.sections())
def test_a_section_can_be_printed_alone(section):
    """Each top-level key has a reference of its own, which holds that key."""
    assert list(yaml(describe.reference(section))) == [section]


def test_alternatives_are_comments_that_become_valid_when_uncommented():
    """A line such as `#window:` is right as soon as its # is taken away."""
    gate = yaml(describe.reference("gates"))["gates"][0]
    commented = re.sub(r"(?m)^( *)#(?! \S)", r"\1", describe.reference("gates"))
    every = yaml(commented)["gates"][0]
    for kind in sorted(set(every) - set(gate)):
        TypeAdapter(list[describe._inner(keys(Runbook)["gates"].type)]).validate_python(
            [{"id": "one", kind: every[kind]}], context=FROM_A_FILE
        )
    assert {"window", "attest", "tls", "command"} <= set(every) - set(gate)


@pytest.mark.parametrize(
    "section, said",
    {
        "watch.rules": "A measurement that every source of metrics offers",
        "rules": "A measurement that every source of metrics offers",
        "process.command": "The program and its arguments",
        "environments.target.host": "nothing but what comes with Runwright",
        "environments.target.project": "The Compose project's name",
        "verify.health.get": "The URL to GET",
        "gates.window.timezone": "The time zone of the times",
    }.items(),
)
def test_a_part_of_a_section_can_be_printed(section, said):
    """A dotted name leads to a key or a kind, past the names that a file chooses itself."""
    assert said in describe.reference(section)
    assert yaml(describe.reference(section))


def test_an_unknown_section_is_refused_with_what_there_is():
    """A misspelt section is told with what was probably meant."""
    with pytest.raises(InputError, match=r"there is no section `rulse`\. Did you mean `rules`\?"):
        describe.reference("watch.rulse")
    with pytest.raises(InputError, match="In a runbook there is no section `flows`"):
        describe.reference("flows")
    with pytest.raises(InputError, match="several sections `target`") as caught:
        describe.reference("target")
    assert caught.value.next == "Name one of: environments.target, rollback.target."


def test_what_is_not_built_is_named_as_planned():
    """The reference does not pretend: kinds that are refused are listed as such."""
    text = describe.reference("environments")
    for kind in (*PLATFORMS.later, *DATABASES.later, *METRICS.later):
        assert re.search(rf"(?s)planned and refused until then: .*\b{kind}\b", text)


def test_the_pages_in_the_repository_are_what_the_models_say():
    """docs/reference is written by `python -m runwright.runbook.describe`; nobody has edited it or forgotten to run it."""
    assert (describe.DOCS / "runbook.md").read_text("utf-8") == describe.markdown()
    assert json.loads((describe.DOCS / "runbook.schema.json").read_text("utf-8")) == describe.schema()


@pytest.mark.parametrize("file", SHIPPED_FILES, ids=lambda file: file.stem)
def test_the_schema_for_editors_accepts_the_shipped_runbooks(file):
    """What loads is not underlined in an editor, and the file says where its schema is."""
    text = file.read_text("utf-8")
    jsonschema.Draft202012Validator(describe.schema()).validate(yaml(text))
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert found
    assert (file.parent / Path(found[1])).resolve() == describe.DOCS / "runbook.schema.json"


@pytest.mark.parametrize(
    "old, new",
    [
        ("verify:", "verfy:"),
        ("for: 2m", "for: 120"),
        ("platform: compose", "platform: kuberntes"),
        ("failures: 3", "failures: no"),
    ],
)
def test_the_schema_for_editors_refuses_what_the_loader_refuses(old, new):
    """A misspelt key, a number without a unit and an unknown kind are underlined."""
    errors = list(jsonschema.Draft202012Validator(describe.schema()).iter_errors(yaml(RIGHT.replace(old, new, 1))))
    assert errors


@pytest.mark.parametrize(
    "value",
    ["yes", "no", "on", "1", "1.5", "", "a: b", "a #b", "- a", "{x}", "[x]", "*a", "&a", "!a", "@a", "`a", "%a", "'", '"',
     "a\\b", "a\nb", "~", "null", "True", "0x1", "1e3", "2026-12-24", "12:30", "${url.x}/y", " a ", "a,b", "ü", "-", "?", ":", ".5", ".inf", ".nan", "./x", "..", "0o7", "5m", "5 m", "1_000", "<<", "=", "a:", "/x", "x ", "y"],
)  # fmt: skip
def test_any_text_written_as_yaml_is_read_again_as_the_same_text(value):
    """Quotes are put wherever YAML would read something else, in blocks and between brackets."""
    assert yaml(f"x: {scalar(value)}")["x"] == value
    assert yaml(f"x: {flow([value])}")["x"] == [value]
    assert yaml(f"x: {flow({'k': value})}")["x"] == {"k": value}
    assert yaml("\n".join(entry("x", {"k": value})))["x"] == {"k": value}
