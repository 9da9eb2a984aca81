"""Follows a migration's ``upgrade()`` through its statements and the functions of its own file."""

from __future__ import annotations

import ast
from typing import Any

from runwright.policy.revisions.expressions import Expressions
from runwright.policy.revisions.findings import CannotRead, Findings
from runwright.policy.revisions.values import (
    Arguments,
    Batch,
    Function,
    Mark,
    Opaque,
    Scope,
    Symbol,
    Unknown,
    either,
    is_constant,
)

_DEPTH = 8  # of calls among the migration's own functions
_ITEMS = 1000  # of a loop over constants

Flow = str
"""How a statement ends: "next", "return", "break" or "continue"."""


class Code(Expressions):
    """Reads one migration. ``read`` notes in its findings all that ``upgrade()`` does."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self._returned: list[list[Any]] = []

    def read(self, source: str) -> None:
        """Read the migration. Raise CannotRead if it has no ``upgrade`` that can be found."""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:
            raise CannotRead(f"the file: {error}") from error
        for statement in tree.body:
            self._module_statement(statement)
        upgrade = self.module.get("upgrade")
        if not isinstance(upgrade, Function):
            raise CannotRead("an upgrade() that is not a plain function of the file")
        if (each := self._for_each_database(upgrade)) is None:
            self.call_function(upgrade, Arguments([], {}))
            return
        for function in each:  # what is new in one database is not in the other
            before = set(self.findings.new)
            self.call_function(function, Arguments([], {}))
            self.findings.new = before

    def _for_each_database(self, upgrade: Function) -> list[Function] | None:
        """Return the functions that an ``upgrade(engine_name)`` of Alembic's template for several databases calls."""
        match upgrade.node.body:
            case [ast.Expr(value=ast.Call(func=ast.Subscript(value=ast.Call(func=ast.Name(id="globals")))))] if (
                len(upgrade.node.args.args) == 1
            ):
                return [f for n, f in self.module.items() if n.startswith("upgrade_") and isinstance(f, Function)]
        return None

    def _module_statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                _import(statement, self.module)
            case ast.FunctionDef():
                self.module[statement.name] = Function(statement, {})
            case ast.ClassDef() | ast.AsyncFunctionDef():
                self.module[statement.name] = Unknown(statement.name)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=[]):
                pass
            case ast.Assign() | ast.AnnAssign():
                self._statement(statement, self.module)
            case _:
                self.findings.unread(f"code that runs when the file is loaded: {_first_line(statement)}")

    # --------------------------------------------------------------------------------------------------- functions

    def call_function(self, function: Function, arguments: Arguments) -> Any:
        """Follow a call of a function of this file, and return what it returns as far as that is known."""
        node = function.node
        inner = [n for statement in node.body for n in ast.walk(statement)]
        if len(self._returned) >= _DEPTH or node.decorator_list or node.args.vararg or node.args.kwarg:
            raise CannotRead(f"what {node.name}() does")
        if any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in inner):
            raise CannotRead(f"what {node.name}() does")
        scope = {**function.scope, **self._parameters(node, arguments)}
        self._returned.append([])
        ended = self._block(node.body, scope)
        returned = self._returned.pop()
        if ended != "return":
            returned.append(None)
        result = returned[0]
        for other in returned[1:]:
            result = either(result, other)
        return result

    def _parameters(self, node: ast.FunctionDef, arguments: Arguments) -> Scope:
        positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        defaults = dict(zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True))
        defaults |= {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d}
        given = arguments.bound(*positional)
        names = [*positional, *(a.arg for a in node.args.kwonlyargs)]
        if len(arguments.positional) > len(positional) or set(given) - set(names):
            raise CannotRead(f"a call of {node.name}()")
        missing = [name for name in names if name not in given and name not in defaults]
        if missing:
            raise CannotRead(f"a call of {node.name}() without {missing[0]}")
        return {n: given[n] if n in given else self.value(defaults[n], self.module) for n in names}

    # -------------------------------------------------------------------------------------------------- statements

    def _block(self, statements: list[ast.stmt], scope: Scope) -> Flow:
        for statement in statements:
            try:
                flow = self._statement(statement, scope)
            except CannotRead as reason:
                self.findings.unread(str(reason))
                flow = "next"
            if flow != "next":
                return flow
        return "next"

    def _statement(self, statement: ast.stmt, scope: Scope) -> Flow:
        match statement:
            case ast.Expr():
                if isinstance(self.value(statement.value, scope), Opaque):  # made, and not used: for what it does
                    raise CannotRead(f"what {_first_line(statement)} does")
            case ast.Assign():
                self._assign(statement.targets, statement.value, scope)
            case ast.AnnAssign():
                if statement.value is not None:
                    self._assign([statement.target], statement.value, scope)
            case ast.Return():
                value = self.value(statement.value, scope) if statement.value else None
                self._returned[-1].append(value)
                return "return"
            case ast.If():
                return self._branches(statement, scope)
            case ast.For():
                return self._loop(statement, scope)
            case ast.With():
                return self._with(statement, scope)
            case ast.Pass():
                pass
            case ast.Break():
                return "break"
            case ast.Continue():
                return "continue"
            case ast.Import() | ast.ImportFrom():
                _import(statement, scope)
            case ast.FunctionDef():
                scope[statement.name] = Function(statement, scope)
            case _:
                self._unfollowed(statement, scope)
        return "next"

    def _unfollowed(self, statement: ast.stmt, scope: Scope) -> None:
        """Note a statement that is not followed, and list what may happen inside of it."""
        self.findings.unread(_first_line(statement))
        with self.findings.uncertain():
            for part in ("body", "orelse", "finalbody"):
                if not isinstance(statement, ast.ClassDef | ast.AsyncFunctionDef):
                    self._block(getattr(statement, part, []), scope)

    def _assign(self, targets: list[ast.expr], source: ast.expr, scope: Scope) -> None:
        value: Any = Unknown(ast.unparse(source))  # what a name stands for if its value cannot be read
        try:
            value = self.value(source, scope)
        finally:
            for target in targets:
                _bind(target, value, scope)

    def _branches(self, statement: ast.If, scope: Scope) -> Flow:
        test = self.value(statement.test, scope)
        if is_constant(test):
            return self._block(statement.body if test else statement.orelse, scope)
        if test is not Mark.DIALECT_TEST:
            self.findings.unread(f"what happens depends on {_short(ast.unparse(statement.test))}")
        before, new = dict(scope), set(self.findings.new)
        flows, scopes, tables = [], [], []
        for body in (statement.body, statement.orelse):
            branch, self.findings.new = dict(before), set(new)
            flow = self._block(body, branch)
            if flow == "next":
                scopes.append(branch)
                tables.append(self.findings.new)
            else:
                self.findings.leaves()
            flows.append(flow)
        self.findings.new = set.intersection(*tables) if tables else new
        scope.clear()
        scope.update(_merged(scopes) if scopes else before)
        return "next" if scopes else flows[0] if flows[0] == flows[1] else "continue"

    def _loop(self, statement: ast.For, scope: Scope) -> Flow:
        items = self.value(statement.iter, scope)
        items = tuple(items) if isinstance(items, dict) else items
        if not isinstance(items, tuple) or len(items) > _ITEMS:
            self.findings.unread(f"a loop over {_short(ast.unparse(statement.iter))}")
            items = (Unknown(ast.unparse(statement.target)),)
            with self.findings.uncertain():
                return self._items_of_loop(statement, items, scope)
        return self._items_of_loop(statement, items, scope)

    def _items_of_loop(self, statement: ast.For, items: tuple[Any, ...], scope: Scope) -> Flow:
        for item in items:
            self.step()
            _bind(statement.target, item, scope)
            flow = self._block(statement.body, scope)
            if flow == "return":
                return flow
            if flow == "break":
                return "next"
        return self._block(statement.orelse, scope)

    def _with(self, statement: ast.With, scope: Scope) -> Flow:
        for item in statement.items:
            context = self.value(item.context_expr, scope)
            if not isinstance(context, Batch) and context is not Mark.AUTOCOMMIT:
                self.findings.unread(f"with {_short(ast.unparse(item.context_expr))}")
            if item.optional_vars is not None:
                _bind(item.optional_vars, context, scope)
        return self._block(statement.body, scope)


def _import(statement: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            scope[alias.asname or alias.name.partition(".")[0]] = Symbol(
                alias.name if alias.asname else alias.name.partition(".")[0]
            )
        return
    module = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        path = f"{module}.{alias.name}"
        scope[alias.asname or alias.name] = Mark.OP if path == "alembic.op" else Symbol(path)


def _bind(target: ast.expr, value: Any, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List) and not any(isinstance(t, ast.Starred) for t in target.elts):
        known = isinstance(value, tuple) and len(value) == len(target.elts)
        for index, part in enumerate(target.elts):
            _bind(part, value[index] if known else Unknown(ast.unparse(part)), scope)
    else:
        raise CannotRead(f"an assignment to {ast.unparse(target)}")


def _merged(scopes: list[Scope]) -> Scope:
    if len(scopes) == 1:
        return scopes[0]
    one, other = scopes
    return {
        name: either(one[name], other[name]) if name in one and name in other else Unknown(name)
        for name in {**one, **other}
    }


def _first_line(statement: ast.stmt) -> str:
    return _short(ast.unparse(statement).partition("\n")[0])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
