"""What other packages bring is part of runbooks: of what loads, of what is told, and of the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = '''
from __future__ import annotations
from typing import ClassVar, Literal
from runwright.runbook.base import Text, example
from runwright.runbook.platforms.shape import Target


class Jails(Target):
    """Jails of this machine."""

    title: ClassVar[str] = "FreeBSD jails"

    platform: Literal["jails"]
    dataset: Text = example("zroot/shop", "Where they are.")
'''
RUNBOOK = """\
system: shop
source: {{repo: .}}
components: {{app: {{}}}}
environments:
  staging:
    tier: staging
    target: {target}
"""
SCRIPT = """
import json, sys
from runwright.errors import RunbookError
from runwright.runbook import describe
from runwright.runbook.loader import load
said = ""
try:
    target = load(sys.argv[1]).runbook.environments["staging"].target
    said = f"{type(target).__name__} {target.dataset}"
except RunbookError as error:
    said = str(error)
print(json.dumps({"said": said, "reference": describe.reference("environments"), "schema": describe.schema(),
                  "driver": "jails_driver" in sys.modules}))
"""


def package(folder: Path, points: str, **modules: str) -> Path:
    """Install a package of somebody else's into ``folder``: its entry points, and its modules."""
    info = folder / "jails-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jails\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[runwright.platforms]\n{points}\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def loaded(folder: Path, target: str) -> dict:
    """Load a runbook with ``target`` in a Python of its own that sees what is installed in ``folder``."""
    book = folder / "runwright.yaml"
    book.write_text(RUNBOOK.format(target=target))

    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(book)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{folder}:{root}"},
        check=True,
    )
    return json.loads(done.stdout)


LINE = 'from runwright.registry import Line\nLINE = Line("jails_model:Jails", "jails_driver:PLATFORM")\n'


@pytest.fixture(scope="module")
def jails(tmp_path_factory):
    """A package that brings one platform; nothing may import its driver."""
    return package(
        tmp_path_factory.mktemp("good"),
        "jails = jails_line:LINE",
        jails_line=LINE,
        jails_model=MODEL,
        jails_driver="raise RuntimeError('imported')\n",
    )


def test_a_platform_of_another_package_is_part_of_what_a_runbook_may_say(jails):
    """It loads, it is in the reference and in the schema, and its driver is not imported for that."""
    found = loaded(jails, "{platform: jails, dataset: tank/shop}")
    assert found["said"] == "Jails tank/shop"
    assert "# Or platform jails:" in found["reference"]
    assert "Jails" in found["schema"]["$defs"]
    assert found["driver"] is False


def test_its_mistakes_are_told_like_any_other(jails):
    """A missing key has its example; a misspelt platform is told the nearest."""
    assert "zroot/shop" in loaded(jails, "{platform: jails}")["said"]
    assert "Did you mean jails?" in loaded(jails, "{platform: jail, dataset: x}")["said"]


@pytest.mark.parametrize(
    "line, model, why",
    [
        (LINE, "raise OSError('no zfs here')\n", "OSError: no zfs here"),
        (LINE, MODEL.replace('"jails"]', '"cells"]'), "the key `platform` of Jails must be a Literal['jails']"),
        (LINE.replace("jails_model:Jails", "jails_model:Text"), MODEL, "is no runwright.runbook.base.Registered"),
        ("from runwright.runbook.model import Runbook\n" + LINE, MODEL, "ImportError: cannot import name 'Runbook'"),
    ],
    ids=["does not import", "of another name", "no model", "imports what imports it"],
)
def test_a_broken_package_is_told_where_it_is_named(tmp_path, line, model, why):
    """Why it cannot be used, and whose it is."""
    folder = package(tmp_path, "jails = jails_line:LINE", jails_line=line, jails_model=model)
    said = loaded(folder, "{platform: jails, dataset: x}")["said"]
    assert "The platform 'jails' cannot be used: jails_line:LINE of the package jails" in said
    assert why in said


def test_a_broken_package_spoils_no_runbook_that_does_not_name_it(tmp_path):
    """Nobody is kept from releasing by what he does not use; and what comes with Runwright keeps its name."""
    points = "jails = jails_line:LINE\nhost = jails_line:LINE"
    folder = package(tmp_path, points, jails_line="raise OSError()\n")
    said = loaded(folder, "{platform: compose, project: shop}")["said"]
    assert "1 mistake" in said and "directory" in said
