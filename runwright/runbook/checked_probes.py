"""Probes and references: every ${url.…} has an address, ${saved.…} was saved before, secrets are not written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from runwright.patterns import SYNTAX, compiled
from runwright.runbook.base import references, seconds
from runwright.runbook.checked_questions import question_mistakes
from runwright.runbook.document import Mistake
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.runbook.nearest import nearest
from runwright.runbook.numbers import terms
from runwright.runbook.probes import MATCHERS, Expectation, Probe, texts_in
from runwright.runbook.words import Path, dotted, keys

_ADDRESS = re.compile(r"https?://\S+|\$\{url\.[^}]+\}\S*")
_JSON_PATH = re.compile(r"""\$?(\.?[^.\[\]]++|\[(\d+|\*)\]|\["[^"]*"\]|\[[^"=\[\]]+=[^\]]+\])*+""")
_SECRETS = ("bearer", "password", "token")


@dataclass(frozen=True)
class _Used:
    """A reference, where it stands, and the environments in which it is needed."""

    path: Path
    kind: str
    name: str
    environments: tuple[str, ...]


def probe_mistakes(book: Runbook) -> Iterator[Mistake]:
    """Yield what is wrong with the probes, and with the references and secrets of the whole runbook."""
    for path, probe in _probes(book):
        yield from _address(path, probe)
        yield from question_mistakes(book, path, probe)
        for inner, expected in _expectations(path, probe):
            for key, matcher in expected.json_body.items():
                yield from _json_path((*inner, "json", key), key)
                yield from _matcher((*inner, "json", key), matcher)
            for name, matcher in expected.headers.items():
                yield from _header((*inner, "headers", name), matcher)
        yield from _numbers((*path, "numbers"), probe)
        for name, wanted in probe.save.items():
            yield from _json_path((*path, "save", name), wanted)
    yield from _saved(book)
    yield from _literal_secrets(book)
    for used in _references(book):
        if used.kind == "saved" and used.path[0] != "verify":
            yield Mistake(used.path, f"${{saved.{used.name}}} is only known to probes.")
        if used.kind != "url":
            continue
        lacking = [e for e in used.environments if used.name not in _urls(book.environments[e])]
        if lacking:
            known = sorted({n for e in lacking for n in _urls(book.environments[e])})
            near = nearest(used.name, known)
            hint = f" Did you mean ${{url.{near[0]}}}?" if near else ""
            what = f"${{url.{used.name}}} is no address in the `urls` of {', '.join(lacking)} ({', '.join(known) or 'none'} there).{hint}"
            yield Mistake(used.path, what, needs=("environments",))


def probe_warnings(book: Runbook) -> Iterator[str]:
    """Yield what is allowed of probes and yet worth a second look."""
    watched = {rule.probe: rule.id for rule in book.watch.rules if rule.probe}
    for path, probe in _probes(book):
        if probe.id in watched and probe.changes:
            yield f"{dotted(path)}: the rule `{watched[probe.id]}` sends this {probe.method} again and again while a release is watched; it must not change anything."


def _probes(book: Runbook) -> Iterator[tuple[Path, Probe]]:
    for i, probe in enumerate(book.verify.health):
        yield ("verify", "health", i), probe
    for i, probe in enumerate(book.verify.smoke):
        yield ("verify", "smoke", i), probe


def _expectations(path: Path, probe: Probe) -> Iterator[tuple[Path, Expectation]]:
    yield path, probe
    for i, expected in enumerate(probe.expect_any):
        yield (*path, "expect_any", i), expected


def _address(path: Path, probe: Probe) -> Iterator[Mistake]:
    for key in filter(None, (probe.method.lower(), "cleanup")):
        url = getattr(probe, key)
        if url is not None and not _ADDRESS.fullmatch(url):
            what = f"{url!r} is no address: it begins with http://, https:// or ${{url.NAME}}, and has no spaces."
            yield Mistake((*path, key), what, (f"{key}: ${{url.api}}/readyz",))


def _json_path(path: Path, text: str) -> Iterator[Mistake]:
    if not _JSON_PATH.fullmatch(text):
        yield Mistake(
            path,
            f"{text!r} is no path into a JSON answer; paths look like checks[0].ok, checks[name=db].ok or items[*].name.",
        )


def _numbers(path: Path, probe: Probe) -> Iterator[Mistake]:
    for name, number in probe.numbers.items():
        for key, given in (("json", number.json_path), ("of", number.of)):
            for text in terms(given):
                if isinstance(text, str):
                    yield from _json_path((*path, name, key), text)


def _header(path: Path, matcher: Any) -> Iterator[Mistake]:
    if isinstance(matcher, dict):
        yield from _matcher(path, matcher)
    elif not isinstance(matcher, str):
        yield Mistake(
            path, "the value of a header is text. Put it in quotes, or write a condition.", ('x-frame-options: "DENY"',)
        )


def _matcher(path: Path, matcher: Any) -> Iterator[Mistake]:
    if not isinstance(matcher, dict):
        return
    strangers = [key for key in matcher if key not in MATCHERS]
    if strangers or not matcher:
        near = [n for key in strangers for n in nearest(str(key), list(MATCHERS))]
        hint = f" Did you mean `{near[0]}`?" if near else ""
        what = f"a condition is made of {', '.join(MATCHERS)}.{hint} What lies deeper is named by its path: database.status."
        yield Mistake(path, what, ("json: {status: {in: [up, ok]}}",))
        return
    for kind, value in matcher.items():
        right, meant = _MEANT[kind]
        if not right(value):
            yield Mistake((*path, kind), f"`{kind}` takes {meant}.")
    for inner in ("all", "not"):
        yield from _matcher((*path, inner), matcher.get(inner))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compiles(text: str) -> bool:
    try:
        compiled(text)
    except ValueError:
        return False
    return True


def _is_duration(value: Any) -> bool:
    try:
        seconds(value)
    except ValueError:
        return False
    return True


_MEANT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "in": (lambda value: isinstance(value, list) and bool(value), "a list that is not empty"),
    "lt": (_is_number, "a number"),
    "gt": (_is_number, "a number"),
    "exists": (lambda value: isinstance(value, bool), "true or false"),
    "matches": (
        lambda value: isinstance(value, str) and _compiles(value),
        f"a regular expression, such as ^v[0-9]+; the syntax is {SYNTAX}",
    ),
    "all": (lambda value: value is not None, "a value or a condition"),
    "not": (lambda value: value is not None, "a value or a condition"),
    "age_lt": (_is_duration, "a duration with its unit, such as 3m"),
}


def _urls(place: Environment) -> set[str]:
    return {*place.urls, *place.target.own_urls()}


def _references(book: Runbook) -> Iterator[_Used]:
    everywhere = tuple(book.environments)

    def limited(names: list[str]) -> tuple[str, ...]:
        return tuple(n for n in everywhere if not names or n in names)

    for path, probe in _probes(book):
        yield from _used(path, probe, limited(probe.environments))
    for i, gate in enumerate(book.gates):
        for kind in ("ci", "tls"):
            yield from _used(("gates", i, kind), getattr(gate, kind), limited(gate.environments))
    for name, place in book.environments.items():
        for part in ("metrics", "database"):
            yield from _used(("environments", name, part), getattr(place, part), (name,))


def _used(path: Path, part: Any, environments: tuple[str, ...]) -> Iterator[_Used]:
    if part is None or not getattr(part, "built", True):
        return
    model: type[BaseModel] = type(part)
    for key in keys(model).values():
        for text in texts_in(getattr(part, key.attribute)):
            yield from (_Used((*path, key.name), kind, name, environments) for kind, name in references(text))


def _saved(book: Runbook) -> Iterator[Mistake]:
    reported: set[tuple[Path, str]] = set()
    for environment in book.environments:
        known: set[str] = set()
        for path, probe in _probes(book):
            if probe.environments and environment not in probe.environments:
                continue
            for used in _used(path, probe, (environment,)):
                own = used.path[-1] == "cleanup" and used.name in probe.save
                if (
                    used.kind == "saved"
                    and used.name not in known
                    and not own
                    and (used.path, used.name) not in reported
                ):
                    reported.add((used.path, used.name))
                    what = f"${{saved.{used.name}}} was saved by no earlier probe in {environment} ({', '.join(sorted(known)) or 'none'} are)."
                    yield Mistake(used.path, what, (f"save: {{{used.name}: id}}",), needs=("verify",))
            known |= set(probe.save)


def _literal_secrets(book: Runbook) -> Iterator[Mistake]:
    parts: list[tuple[Path, Any]] = list(_probes(book))
    parts += [((*path, "redis"), probe.redis) for path, probe in _probes(book)]
    parts += [(("gates", i, "ci"), gate.ci) for i, gate in enumerate(book.gates)]
    for name, place in book.environments.items():
        parts += [(("environments", name, part), getattr(place, part)) for part in ("metrics", "database")]
    for path, part in parts:
        for key in _SECRETS:
            if isinstance(text := getattr(part, key, None), str) and "${" not in text:
                yield _literal((*path, key), f"{key}: ${{secret.{key}}}")
        basic = getattr(part, "basic", None)
        if basic and "${" not in basic[1]:
            yield _literal((*path, "basic"), 'basic: [admin, "${secret.admin_password}"]')


def _literal(path: Path, example: str) -> Mistake:
    what = "a secret must not stand in a runbook. Keep it in the environment's block, change it since it was written down, and name it here."
    return Mistake(path, what, (example,))
