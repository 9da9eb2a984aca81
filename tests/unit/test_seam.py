"""The seam: outside of a platform's own places no code names a platform, or asks which one, or which strategy, it is on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from runwright import registry

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("runwright", "tasks", "flows", "deployments", "bench", "blocks")
ROOMS = ("runwright/platforms", "runwright/runbook/platforms", "bench/platforms")
"""Where a platform has a folder, or files that begin with its name; ``registry.py`` has its line."""
ALLOWED = ("runwright/registry.py", "runwright/cutovers/", "runwright/runbook/platforms/rungs.py")

PLATFORMS = frozenset(registry.PLATFORMS.ours) | frozenset(registry.PLATFORMS.planned)
STRATEGIES = frozenset(registry.CUTOVERS)
CLASSES = frozenset(line.model.rpartition(":")[2] for line in registry.PLATFORMS.ours.values())
AMBIGUOUS = frozenset({"host", "recreate"})
"""Also the name of a machine, and a word of Alembic's: taken out of something, it is that."""


def own(path: str) -> bool:
    """Return whether the file at ``path`` is a platform's own, or where its line is."""
    places = [f"{room}/{name}" for room in ROOMS for name in PLATFORMS]
    return path.startswith((*places, *ALLOWED))


def told(source: str) -> list[str]:
    """Return what names a platform or a strategy in ``source``: the line, and how."""
    return [f"{line}: {what}" for line, what in sorted(set(_found(ast.parse(source))))]


def _found(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                for name in (module, *(f"{module}.{alias.name}" for alias in names)):
                    if _is_module(name):
                        yield line, f"imports {name}"
            case ast.Import(names=names):
                yield from ((line, f"imports {alias.name}") for alias in names if _is_module(alias.name))
            case ast.Constant(value=str(text)) if _is_module(text.partition(":")[0]):
                yield line, f"names the module {text}"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in CLASSES:
                yield line, f"names the class {name}"
            case ast.Compare(left=left, comparators=others):
                yield from ((line, f"compares with {text!r}") for text in _texts([left, *others]))
            case ast.MatchValue(value=value):
                yield from ((line, f"has a case for {text!r}") for text in _texts([value]))
            case ast.Dict(keys=keys):
                texts = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
                named = [text for text in texts if text in PLATFORMS | STRATEGIES]
                if named and (len(named) == len(keys) or len(named) > 1):  # `compose` among others is a program
                    yield line, f"chooses by {', '.join(named)}"
            case ast.Subscript(slice=ast.Constant(value=str(text))) if text in (PLATFORMS | STRATEGIES) - AMBIGUOUS:
                yield line, f"takes out {text!r}"
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "startswith" | "endswith" | "driver"), args=args):
                yield from ((line, f"asks for {text!r}") for text in _texts(args) if text not in AMBIGUOUS)


def _is_module(name: str) -> bool:
    modules = (f"{room.replace('/', '.')}.{one}" for room in ROOMS for one in PLATFORMS)
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and node.value in PLATFORMS | STRATEGIES:
            yield str(node.value)
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            yield from _texts(node.elts)


def named_in(root: Path) -> dict[str, list[str]]:
    """Return {file: what names a platform in it} of the source below ``root``."""
    files = [(file, str(file.relative_to(root))) for room in SOURCE for file in sorted((root / room).rglob("*.py"))]
    found = {path: told(file.read_text("utf-8")) for file, path in files if not own(path)}
    return {path: lines for path, lines in found.items() if lines}


def test_no_code_names_a_platform_outside_of_its_own_places() -> None:
    """What differs between platforms is asked of them, so that a new one is a folder, a model and a line."""
    found = named_in(ROOT)
    assert not found, "\n".join(f"{path}:{line}" for path, lines in found.items() for line in lines)


PLANTED = {
    "an import of a driver": "from runwright.platforms.compose.driver import Compose",
    "an import out of the room": "def f():\n    from runwright.platforms import host",
    "a plain import": "import runwright.platforms.compose.kind as kind",
    "an import of a model": "from runwright.runbook.platforms.host import HostTarget",
    "an import by name": 'import_module("runwright.platforms.compose:PLATFORM".partition(":")[0])',
    "a class asked for": "def f(target):\n    return isinstance(target, ComposeTarget)",
    "a class among others": "def f(target):\n    return isinstance(target, (shape.HostTarget, Other))",
    "a class as a case": "match target:\n    case ComposeTarget(project=name):\n        pass",
    "a comparison": 'if target.platform == "compose":\n    pass',
    "a comparison of a planned one": 'later = target.platform != "kubernetes"',
    "a comparison with several": 'if kind.name in ("host", "ecs"):\n    pass',
    "a strategy": 'warm = "blue_green" == drivers.strategy(site)',
    "a strategy by default": 'if getattr(target, "strategy", "x") in {"recreate"}:\n    pass',
    "a case": 'match target.platform:\n    case "host":\n        pass',
    "a case of several": 'match strategy:\n    case "recreate" | "rolling":\n        pass',
    "a table of all": 'MAKE = {"host": made_host, "compose": made_compose}[platform]',
    "a table of one": 'MAKE = {"host": made_host}.get(platform, usual)',
    "taken out of a table": 'made = MAKERS["compose"]()',
    "asked of the registry": 'kind = registry.PLATFORMS.driver("compose")',
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED.keys())
def test_what_names_a_platform_is_seen(source: str) -> None:
    """The test above can fail: each way to name one is told with its line."""
    assert told(source)


@pytest.mark.parametrize(
    "source",
    [
        "from runwright.platforms.shape import Kind",
        "from runwright.runbook.platforms.shape import Target",
        "found = registry.PLATFORMS.driver(target.platform)",
        'address = {"host": "127.0.0.1", "port": 80}["host"]',
        'argv = ("docker", "compose", "up")',
        'TOOLS = {"docker": ("docker",), "compose": ("docker", "compose")}',
        'repo = example({"platform": "compose", "directory": "/opt/shop"}, "Where it runs.")',
        'always = call.get("recreate")',
    ],
)
def test_what_only_sounds_so_is_not(source: str) -> None:
    """A machine's name, a program of that name, and what is written for people, choose nothing."""
    assert told(source) == []


def test_a_file_that_names_one_is_found_unless_it_is_the_platforms_own(tmp_path: Path) -> None:
    """Given the same line in a release and in a platform's folder, the release is told."""
    line = PLANTED["an import of a driver"] + "\n"
    for path in ("runwright/release/stage.py", "runwright/platforms/compose/more.py", "bench/platforms/compose.py"):
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(line)
    assert list(named_in(tmp_path)) == ["runwright/release/stage.py"]
