"""What a Python module does to the database when it is loaded or started, and which modules it loads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runwright.policy.starts.tools import ONLY_ADDS, UNKNOWN, tool_of

_MIGRATES = re.compile(
    r"(^|_)(migrate|run_migrations?|apply_migrations?|do_migrations?|upgrade_db|upgrade_database)(_|$)"
)
_UPGRADES = {"alembic.command.upgrade", "alembic.command.stamp", "flask_migrate.upgrade"}
_ADDS = frozenset({"create_all", "create_db_and_tables", "generate_schemas", "create_tables"})


@dataclass
class Module:
    """What was read of a module. found: (line, tool, text). imports: dotted names, relative ones with leading dots."""

    found: list[tuple[int, str, str]] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)


def read_module(source: str, *, started: bool) -> Module:
    """Return what ``source`` does. ``started``: it is run as a program, so that what it does as ``__main__`` counts.

    What stands in a function counts as well, for who knows when it is called; but not in a command of a command line.
    """
    module = Module()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return module
    names: dict[str, str] = {}
    for node in _nodes(tree, started):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports.append(alias.name)
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            module.imports.append(base)
            for alias in node.names:
                module.imports.append(f"{base}.{alias.name}" if not base.endswith(".") else base + alias.name)
                names[alias.asname or alias.name] = f"{base}.{alias.name}"
    for node in _nodes(tree, started):
        if found := _does(node, names):
            module.found.append((node.lineno, found, _line(source, node.lineno)))  # type: ignore[attr-defined]
    return module


def _does(node: ast.AST, names: dict[str, str]) -> str:
    """Return the tool that an expression migrates with, "" if it does not."""
    if isinstance(node, ast.Attribute) and node.attr in _ADDS:
        return ONLY_ADDS
    if not isinstance(node, ast.Call):
        return ""
    called = ast.unparse(node.func)
    first, _, rest = called.partition(".")
    path = names.get(first, first) + (f".{rest}" if rest else "")
    if path in _UPGRADES or path.endswith("alembic.command.upgrade"):
        return "alembic"
    words = [_words(argument) for argument in [*node.args, *(k.value for k in node.keywords)]]
    said = " ".join(word for some in words for word in some)
    last = called.rpartition(".")[2]
    if path.startswith("alembic.config") and "upgrade" in said.split():
        return "alembic"
    if last in ("call_command", "execute_from_command_line") and "migrate" in said.split():
        return "django"
    if path.partition(".")[0] in ("subprocess", "os", "sh", "plumbum", "asyncio") and (tool := tool_of(said.split())):
        return tool
    return UNKNOWN if _MIGRATES.search(last) and not last[:1].isupper() else ""


def _words(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _nodes(tree: ast.AST, started: bool) -> Iterator[ast.AST]:
    """Yield all nodes of a module but those that only run by another command."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_command(node):
            continue
        if isinstance(node, ast.If) and not started and "__main__" in ast.unparse(node.test):
            continue
        yield node
        yield from _nodes(node, started)


def _is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a command of click, Typer or Flask, or a fixture of tests."""
    names = [
        ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for decorator in node.decorator_list
    ]
    return any(name.rpartition(".")[2] in ("command", "fixture", "task") for name in names)


def _line(source: str, number: int) -> str:
    return source.splitlines()[number - 1].strip()[:120]
