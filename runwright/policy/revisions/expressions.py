"""Evaluates the expressions of a migration as far as they are constant, and meets the operations in them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from typing import Any

from runwright.policy.revisions.findings import CannotRead, Findings
from runwright.policy.revisions.operations import execute, judge
from runwright.policy.revisions.sqlalchemy import construct
from runwright.policy.revisions.values import (
    Arguments,
    Batch,
    EnumType,
    Function,
    Mark,
    Method,
    Opaque,
    Scope,
    SqlText,
    Symbol,
    Table,
    Unknown,
    Write,
    either,
    is_constant,
)

_STEPS = 50_000  # more than any migration that a person wrote; a loop in a loop in a loop ends here
_PURE_MODULES = {"uuid", "datetime", "decimal", "json", "textwrap", "inspect", "os", "string", "typing", "re"}
_PURE_OS = {"os.getenv", "os.environ.get"}
_PURE_BUILTINS: dict[str, Callable[..., Any] | None] = {
    **{"str": str, "int": int, "len": len, "tuple": tuple, "list": tuple, "dict": dict, "bool": bool, "repr": repr},
    **{"sorted": lambda v: tuple(sorted(v)), "reversed": lambda v: tuple(reversed(v)), "range": None},
    **{"enumerate": lambda v: tuple(enumerate(v)), "zip": lambda *v: tuple(zip(*v, strict=False))},
    **{"print": None, "set": None, "frozenset": None, "getattr": None, "isinstance": None, "hasattr": None},
    **{"any": None, "all": None, "min": None, "max": None, "sum": None},
}
_TEXT_METHODS = {"format", "join", "strip", "lstrip", "rstrip", "lower", "upper", "replace", "split", "removeprefix"}
_SQL_METHODS = {
    *("with_variant", "label", "desc", "asc", "nullslast", "nullsfirst", "nulls_last", "nulls_first", "op", "in_"),
    *("is_", "isnot", "is_not", "cast", "where", "order_by", "select_from", "limit", "values", "bindparams", "filter"),
    *("like", "ilike", "as_scalar", "scalar_subquery", "returning", "from_select", "on_conflict_do_nothing", "join"),
}


class Expressions:
    """Evaluates expressions in scopes. What it cannot follow raises CannotRead; what is only unknown is Unknown."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.module: Scope = {}
        self._steps = 0

    def call_function(self, function: Function, arguments: Arguments) -> Any:
        """Return what a function of the migration's own file gives, having noted what it does."""
        raise NotImplementedError

    def step(self) -> None:
        """Count one step. Raise CannotRead after so many that the end would not be reached in time."""
        self._steps += 1
        if self._steps > _STEPS:
            raise CannotRead("a migration that is too long")

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """Return what ``node`` stands for in ``scope``."""
        self.step()
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._name(node.id, scope)
            case ast.Attribute():
                return self._attribute(self.value(node.value, scope), node.attr)
            case ast.Call():
                return self._call(node, scope)
            case ast.JoinedStr():
                return self._joined(node, scope)
            case ast.Tuple() | ast.List() | ast.Set():
                return self._items(node.elts, scope) if not isinstance(node, ast.Set) else self._unknown(node, scope)
            case ast.Dict():
                return self._dict(node, scope)
            case ast.IfExp() | ast.BoolOp() | ast.UnaryOp() | ast.Compare() | ast.BinOp() | ast.Subscript():
                return self._operator(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.Lambda():
                return Unknown("a lambda")
        raise CannotRead(ast.unparse(node))

    # ------------------------------------------------------------------------------------------------------- names

    def _name(self, name: str, scope: Scope) -> Any:
        if name in scope:
            return scope[name]
        if name in self.module:
            return self.module[name]
        return Symbol(f"builtins.{name}") if name in _PURE_BUILTINS else Unknown(name)

    def _attribute(self, of: Any, name: str) -> Any:
        if isinstance(of, Symbol):
            path = f"{of.path}.{name}"
            return Mark.OP if path == "alembic.op" else Symbol(path)
        if of in (Mark.BIND, Mark.CONTEXT) and name == "dialect":
            return Mark.DIALECT
        if of in (Mark.BIND, Mark.CONTEXT) and name in ("engine", "bind", "connection"):
            return Mark.BIND
        if of is Mark.DIALECT and name == "name":
            return Mark.DIALECT_NAME
        return Method(of, name)

    # ---------------------------------------------------------------------------------------------------- literals

    def _joined(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                found = self.value(part.value, scope)
                plain = part.format_spec is None and part.conversion == -1 and isinstance(found, str | int)
                parts.append(str(found) if plain else None)
            else:
                parts.append(str(self.value(part, scope)))
        known = [part for part in parts if part is not None]
        return "".join(known) if len(known) == len(parts) else Unknown(ast.unparse(node))

    def _items(self, nodes: list[ast.expr], scope: Scope) -> Any:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                inner = self.value(node.value, scope)
                if not isinstance(inner, tuple):
                    return Unknown(ast.unparse(node))
                found += inner
            else:
                found.append(self.value(node, scope))
        return tuple(found)

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        keys = [self.value(k, scope) if k is not None else Unknown() for k in node.keys]
        values = [self.value(v, scope) for v in node.values]
        if all(is_constant(k) and not isinstance(k, dict) for k in keys):
            return dict(zip(keys, values, strict=True))
        return Unknown(ast.unparse(node))

    def _unknown(self, node: ast.Set, scope: Scope) -> Unknown:
        for part in node.elts:
            self.value(part, scope)
        return Unknown(ast.unparse(node))  # a set has no order

    def _comprehension(self, node: ast.expr, scope: Scope) -> Unknown:
        inner = dict(scope)
        with self.findings.uncertain():
            for generator in getattr(node, "generators", []):
                self.value(generator.iter, inner)
                for name in ast.walk(generator.target):
                    if isinstance(name, ast.Name):
                        inner[name.id] = Unknown(name.id)
                for condition in generator.ifs:
                    self.value(condition, inner)
            for part in ("key", "value", "elt"):
                if hasattr(node, part):
                    self.value(getattr(node, part), inner)
        return Unknown(ast.unparse(node))

    # --------------------------------------------------------------------------------------------------- operators

    def _operator(self, node: ast.expr, scope: Scope) -> Any:
        match node:
            case ast.IfExp():
                return self._if(node, scope)
            case ast.BoolOp():
                with self.findings.uncertain():
                    return _bool([self.value(v, scope) for v in node.values], node)
            case ast.UnaryOp():
                return _unary(node, self.value(node.operand, scope))
            case ast.Compare():
                found = [self.value(part, scope) for part in (node.left, *node.comparators)]
                return _compare(node, found)
            case ast.BinOp():
                return _binary(node, self.value(node.left, scope), self.value(node.right, scope))
            case ast.Subscript():
                return _item(node, self.value(node.value, scope), self.value(node.slice, scope))
        raise CannotRead(ast.unparse(node))

    def _if(self, node: ast.IfExp, scope: Scope) -> Any:
        test = self.value(node.test, scope)
        if is_constant(test):
            return self.value(node.body if test else node.orelse, scope)
        with self.findings.uncertain():
            return either(self.value(node.body, scope), self.value(node.orelse, scope))

    # ------------------------------------------------------------------------------------------------------- calls

    def arguments(self, node: ast.Call, scope: Scope) -> Arguments:
        """Return the evaluated arguments of a call; CannotRead if there are some that it does not name."""
        positional = self._items(node.args, scope)
        if not isinstance(positional, tuple):
            # columns that a comprehension makes are only columns
            positional = tuple(Unknown("*") if isinstance(a, ast.Starred) else self.value(a, scope) for a in node.args)
            if not isinstance(node.args[-1], ast.Starred) or len(node.args) < 2:
                raise CannotRead(ast.unparse(node))
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            found = self.value(keyword.value, scope)
            if keyword.arg is not None:
                named[keyword.arg] = found
            elif isinstance(found, dict):
                named.update(found)
            else:
                raise CannotRead(ast.unparse(node))
        return Arguments(list(positional), named)

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        function = self.value(node.func, scope)
        arguments = self.arguments(node, scope)
        if isinstance(function, Method):
            found = self._method(function, arguments)
        elif isinstance(function, Symbol):
            found = self._symbol(function.path, arguments)
        elif isinstance(function, Function):
            return self.call_function(function, arguments)
        else:
            found = NotImplemented
        if found is NotImplemented:
            raise CannotRead(f"what {ast.unparse(node.func)}(...) does")
        return found

    def _method(self, method: Method, arguments: Arguments) -> Any:
        of, name = method.of, method.name
        if of is Mark.OP and name in ("get_bind", "get_context"):
            return Mark.BIND if name == "get_bind" else Mark.CONTEXT
        if of is Mark.OP:
            return judge(self.findings, name, arguments)
        if isinstance(of, Batch):
            return judge(self.findings, name, arguments, of)
        if of is Mark.CONTEXT and name == "autocommit_block":
            return Mark.AUTOCOMMIT
        if of is Mark.BIND and name in ("execute", "exec_driver_sql", "scalar", "scalars") and arguments.positional:
            execute(self.findings, arguments.positional[0])
            return Mark.ROWS
        if of in (Mark.INSPECTOR, Mark.ROWS):
            return Mark.ROWS
        return self._value_method(of, name, arguments)

    def _value_method(self, of: Any, name: str, arguments: Arguments) -> Any:
        if isinstance(of, EnumType) and name in ("create", "drop"):
            if name == "create":
                self.findings.adds(f"adds type {of.name}")
            else:
                self.findings.harms(f"drops type {of.name}", "the old version may still use it")
            return None
        if isinstance(of, SqlText) and name in ("bindparams", "columns", "execution_options"):
            return of
        if isinstance(of, Table) and name in ("insert", "update", "delete"):
            return Write(name, of.name)
        if isinstance(of, Write) and name in _SQL_METHODS:
            return of.setting(arguments) if name == "values" else of
        if isinstance(of, Opaque | EnumType | SqlText | Method | Table) and name in _SQL_METHODS:
            return Opaque(f"sqlalchemy.{name}")
        if of == Opaque("logging") and name in ("debug", "info", "warning", "error", "exception", "log"):
            return None
        if isinstance(of, str) and name in _TEXT_METHODS:
            return _computed(getattr(of, name), arguments)
        if isinstance(of, dict) and name in ("items", "keys", "values"):
            return tuple(getattr(of, name)())
        return NotImplemented

    def _symbol(self, path: str, arguments: Arguments) -> Any:
        root, _, name = path.partition(".")
        reaches = any(isinstance(a, Mark | Batch | Function | Method) for a in arguments.everything())
        if root == "sqlalchemy":
            return construct(path, arguments)
        if root == "builtins" and name == "getattr" and len(arguments.positional) > 1:
            return self._attribute(arguments.positional[0], str(arguments.positional[1]))
        if root == "builtins" and reaches and name not in ("print", "isinstance", "hasattr", "str", "repr", "bool"):
            return NotImplemented
        if root == "builtins":
            function = _PURE_BUILTINS[name]
            return Unknown(name) if function is None else _computed(function, arguments)
        if path in ("textwrap.dedent", "inspect.cleandoc") and arguments.positional:
            return _computed(textwrap.dedent, arguments)
        if reaches or root == "alembic":
            return NotImplemented
        if (root in _PURE_MODULES and root != "os") or path in _PURE_OS:
            return Unknown(path)
        if path == "logging.getLogger":
            return Opaque("logging")
        if path.rpartition(".")[2][:1].isupper():  # a type of columns, such as GUID()
            return Opaque(path)
        return NotImplemented


def _computed(function: Callable[..., Any], arguments: Arguments) -> Any:
    if not all(is_constant(value) for value in arguments.everything()):
        return Unknown()
    try:
        found = function(*arguments.positional, **arguments.named)
    except Exception as error:  # noqa: BLE001 - whatever Python objects to, it would do so in the migration as well
        raise CannotRead(f"a value that cannot be computed ({type(error).__name__})") from None
    return tuple(found) if isinstance(found, list) else found


def _bool(found: list[Any], node: ast.expr) -> Any:
    if all(is_constant(value) for value in found) and isinstance(node, ast.BoolOp):
        return all(found) if isinstance(node.op, ast.And) else any(found)
    # `bind and bind.dialect.name == ...`: an object is always true
    about_dialect = (Mark.DIALECT_TEST, Mark.DIALECT_NAME, Mark.DIALECT, Mark.BIND)
    if Mark.DIALECT_TEST in found and all(value in about_dialect for value in found):
        return Mark.DIALECT_TEST
    return Unknown(ast.unparse(node))


def _unary(node: ast.UnaryOp, found: Any) -> Any:
    if isinstance(node.op, ast.Not):
        if is_constant(found):
            return not found
        return found if found is Mark.DIALECT_TEST else Unknown(ast.unparse(node))
    if isinstance(node.op, ast.USub) and isinstance(found, int | float):
        return -found
    return Unknown(ast.unparse(node))


def _compare(node: ast.Compare, found: list[Any]) -> Any:
    if Mark.DIALECT_NAME in found and all(v is Mark.DIALECT_NAME or is_constant(v) for v in found):
        return Mark.DIALECT_TEST
    if len(found) == 2 and all(is_constant(v) for v in found):
        one, other = found
        match node.ops[0]:
            case ast.Eq():
                return one == other
            case ast.NotEq():
                return one != other
            case ast.Is():
                return one is other
            case ast.IsNot():
                return one is not other
            case ast.In() if isinstance(other, str | tuple | dict):
                return one in other
            case ast.NotIn() if isinstance(other, str | tuple | dict):
                return one not in other
    return Unknown(ast.unparse(node))


def _binary(node: ast.BinOp, one: Any, other: Any) -> Any:
    both = is_constant(one) and is_constant(other)
    if isinstance(node.op, ast.Add) and isinstance(one, str) and isinstance(other, str):
        return one + other
    if isinstance(node.op, ast.Add) and isinstance(one, tuple) and isinstance(other, tuple):
        return one + other
    if isinstance(node.op, ast.Mod) and isinstance(one, str) and both:
        return _computed(one.__mod__, Arguments([other], {}))
    return Unknown(ast.unparse(node))


def _item(node: ast.Subscript, container: Any, key: Any) -> Any:
    try:
        if isinstance(container, dict | tuple | str) and is_constant(key):
            return container[key]
    except (KeyError, IndexError, TypeError):
        raise CannotRead(ast.unparse(node)) from None
    return Unknown(ast.unparse(node))
