"""What a manager owns of an object: the tree in ``metadata.managedFields[].fieldsV1``, and the paths in it.

A tree is as the cluster writes it. Its keys are steps: ``f:NAME`` into an object, ``k:{"name":"shop"}`` and ``v:"a"`` to the
item of a list that has these keys or is this value, ``i:0`` to an item by its place; ``.`` says that the step before it is
owned itself. A step with nothing below it is owned as it is, whole. Nothing here trusts a tree: what is no step is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

Tree = dict[str, Any]
"""Steps, each with the tree below it."""
Path = tuple[str, ...]
"""Steps as they are written: ("f:spec", "f:replicas")."""

ITSELF: Final = "."
DEEPEST: Final = 60
"""No object is nested so deeply: what is below in a tree is taken as part of what is above."""
DEFAULTS: Final = {"protocol": "TCP"}
"""Keys of list items that a manifest may leave out, and what they are then."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""There is no such field; null is a value."""


def tree_of(entry: object) -> Tree:
    """Return the tree of an entry of managedFields, without what is no step; empty for anything odd."""
    return _clean(entry.get("fieldsV1"), DEEPEST) if isinstance(entry, dict) else {}


def _clean(found: object, depth: int) -> Tree:
    if not isinstance(found, dict) or depth == 0:
        return {}
    return {step: _clean(below, depth - 1) for step, below in found.items() if step == ITSELF or _is_step(step)}


def _is_step(step: object) -> bool:
    if not isinstance(step, str):
        return False
    kind, rest = step[:2], step[2:]
    return (kind == "f:" and rest != "") or (kind in ("k:", "v:", "i:") and _read(step) is not MISSING)


def _read(step: str) -> Any:
    """Return what a step to an item says: a dict of keys, a value, or a place; MISSING if it cannot be read."""
    try:
        said = json.loads(step[2:])
    except (ValueError, RecursionError):
        return MISSING
    fits = {"k:": isinstance(said, dict) and bool(said), "v:": True, "i:": type(said) is int}
    return said if fits.get(step[:2]) else MISSING


def owned(tree: Tree) -> tuple[Path, ...]:
    """Return the paths of a tree that are owned themselves, in its order."""
    return tuple(_owned(tree, ()))


def _owned(tree: Tree, at: Path) -> Iterator[Path]:
    for step, below in tree.items():
        if step == ITSELF:
            continue
        if not below or ITSELF in below:
            yield (*at, step)
        yield from _owned(below, (*at, step))


def fields(entry: object) -> tuple[str, ...]:
    """Return what an entry of managedFields owns, as people write it: ``spec.template.spec.containers[shop].env[SET_DEBUG]``."""
    return tuple(dict.fromkeys(spoken(path) for path in owned(tree_of(entry))))


def spoken(path: Sequence[str]) -> str:
    """Return a path as people write it. A name with a dot or a slash in it is put in brackets."""
    said = ""
    for step in path:
        if step.startswith("f:"):
            name = step[2:]
            plain = name.replace("-", "").replace("_", "").isalnum()
            said += f"{'.' if said else ''}{name}" if plain else f"[{name}]"
        else:
            said += f"[{item(step)}]"
    return said


def item(step: str) -> str:
    """Return which item of a list a step leads to: "shop", "8000/TCP", "topologyKey=zone,whenUnsatisfiable=DoNotSchedule"."""
    found = _read(step)
    if not isinstance(found, dict):
        return found if isinstance(found, str) else json.dumps(None if found is MISSING else found)
    if set(found) <= {"name", "containerPort", "port", "protocol", "ip", "type", "mountPath", "devicePath", "uid"}:
        return "/".join(str(value) for value in found.values())
    return ",".join(f"{key}={value}" for key, value in found.items())


def child(found: Any, step: str) -> Any:
    """Return what a step leads to in an object (or part of one), MISSING if there is no such thing."""
    if step.startswith("f:"):
        return found.get(step[2:], MISSING) if isinstance(found, dict) else MISSING
    if not isinstance(found, list):
        return MISSING
    said = _read(step)
    if step.startswith("i:"):
        return found[said] if said is not MISSING and 0 <= said < len(found) else MISSING
    if step.startswith("k:"):
        return next((one for one in found if isinstance(one, dict) and _has(one, said)), MISSING)
    return next((one for one in found if _same(one, said)), MISSING)


def at(found: Any, path: Sequence[str]) -> Any:
    """Return what a path leads to, MISSING if there is no such thing."""
    for step in path:
        found = child(found, step)
    return found


def subtree(tree: Tree, path: Sequence[str]) -> Tree:
    """Return what a tree has below a path; nothing if it does not go there."""
    for step in path:
        tree = tree.get(step, {})
    return tree


def _has(one: dict[str, Any], keys: Any) -> bool:
    return isinstance(keys, dict) and all(
        _same(one.get(key, DEFAULTS.get(key, MISSING)), value) for key, value in keys.items()
    )


def _same(one: object, other: object) -> bool:
    """Return whether two values are one; 1 is not true."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def united(one: Tree, other: Tree) -> Tree:
    """Return the tree that owns what either owns."""
    if not one or not other:  # a step with nothing below is owned itself
        below = one or other
        return {ITSELF: {}, **below} if below else {}
    return {
        step: united(one[step], other[step]) if step in one and step in other else one.get(step, other.get(step, {}))
        for step in dict.fromkeys([*one, *other])
    }


def union(one: Tree, other: Tree) -> Tree:
    """Return the tree that owns what either owns; an empty tree owns nothing."""
    return united(one, other) if one and other else one or other


def without(tree: Tree, path: Sequence[str]) -> Tree:
    """Return the tree without a path and all below it, and without what leads to nothing then."""
    step, rest = path[0], path[1:]
    if step not in tree:
        return tree
    below = without(tree[step], rest) if rest else {}
    gone = not rest or (not below and bool(tree[step]))
    return {s: below if s == step else t for s, t in tree.items() if s != step or not gone}


def only(tree: Tree, found: Any) -> Tree:
    """Return the part of a tree that leads to something in an object."""
    kept = {}
    for step, below in tree.items():
        there = found if step == ITSELF else child(found, step)
        if there is not MISSING:
            left = only(below, there)
            if left or not below:
                kept[step] = left
    return kept


def part(found: Any, tree: Tree) -> Any:
    """Return of a value the part that a tree owns: the value itself where the tree has nothing below."""
    steps = [step for step in tree if step != ITSELF]
    if not steps or not isinstance(found, (dict, list)):
        return found
    if isinstance(found, list):
        return [part(there, tree[step]) for step in steps if (there := child(found, step)) is not MISSING]
    return {step[2:]: part(there, tree[step]) for step in steps if (there := child(found, step)) is not MISSING}
