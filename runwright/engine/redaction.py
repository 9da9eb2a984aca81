"""Takes secrets out of text: in every spelling that tools usually give them, before anybody can read it.

It is the second line of defence. The first is that outputs are parsed to small typed facts and raw output goes nowhere.

What is found of a secret: the text itself; quoted for URLs, forms, JSON, shells, YAML, CSV and HTML, or as Python and
Git print it; base64 (both alphabets) and hexadecimal, also in the middle of something longer such as ``user:secret``;
each line of a secret of several lines, and what else is secret inside of one (`secret_parts`): the key in a JSON text, the
password in a connection string or a URL, the token in the address of a webhook. Besides, the password of any URL.
What is not found: a secret that was compressed, encrypted, cut in pieces or wrapped over lines by somebody else.

Of the application's own variables it takes what is secret (`variables`). A short password such as ``shop`` is also the
name of the system, and our own sentences must stay readable: short ones, and words of the runbook, are taken out only of
what programs, servers and people say (`clean_printed`). A password such as ``postgres`` (`ORDINARY`) protects nothing and stands
in half of all paths, images and addresses: it is taken out only where it is shown to be one.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import groupby
from typing import Any, Final

from runwright.engine.secret_parts import parts
from runwright.errors import InputError

MIN_SECRET_CHARACTERS: Final = 8
"""Outside development a shorter value is no secret: it can be guessed, and redacting it would make logs unreadable."""

USER_NAMES: Final = frozenset({"registry_username", "metrics_user", "smoke_user"})
"""Names in an environment block that are kept beside the secrets but are none: user names."""

ORDINARY: Final = frozenset(
    [
        "admin",
        "api",
        "app",
        "backend",
        "changeme",
        "database",
        "db",
        "django",
        "docker",
        "example",
        "flask",
        "guest",
        "localhost",
        "mariadb",
        "minio",
        "mongo",
        "mysql",
        "password",
        "postgres",
        "postgresql",
        "rabbitmq",
        "redis",
        "root",
        "secret",
        "server",
        "test",
        "user",
        "web",
    ]
)
"""What people take for a password while they try something: anybody would guess it first, and logs are full of it."""

MAX_LINE_CHARACTERS: Final = 65536
"""A stream without line ends (a progress bar) is cleaned in pieces of this size."""

_URL_PASSWORD: Final = re.compile(
    r"(?<=://)(?:"
    r"(?P<user>[^\s/?#:@\"'<>\[\]]{0,256}):[^\s/?#\"'<>]{1,1024}@"
    r"|(?<=https://)[^\s/?#:@\"'<>\[\]]{16,1024}@)"  # a token in the place of the user
)
_ASSIGNED: Final = r"[\w.-]{0,64}(?:\\{0,7}[\"'])?\s{0,3}(?:=>|[:=]|\s)\s{0,3}(?:\\{0,7}[\"'])?"
"""What may stand between the name of a secret, or its beginning, and its value."""
_NAMED: Final = "pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:api|access|signing)[_-]?key|identified by"
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_ESCAPES: Final = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0"}
_ENDS_IN_LETTERS: Final = (
    *(r"\\[abfnrtv0]", r"\\x[0-9A-Fa-f]{2}", r"\\u[0-9A-Fa-f]{4}", "%[0-9A-Fa-f]{2}"),  # of JSON, Python, URLs
    *(r"\[m", r"[\[;]\dm", r"[\[;]\d\dm", r"[\[;]\d\d\dm"),  # of a terminal's colours
)
"""Escapes of what is no letter, although they end in one: a word may begin right behind them."""
_DOUBLED: Final = frozenset("'\"$%")  # YAML and SQL, CSV, Compose, configparser


class Redactor:
    """Replaces every secret in a text by ``[secret NAME]``. Where secrets overlap, the longest is replaced first."""

    def __init__(
        self,
        secrets: Mapping[str, str],
        *,
        development: bool = False,
        variables: Iterable[tuple[str, str]] = (),
        public: Collection[str] = (),
    ) -> None:
        """Take ``secrets`` by name; user names among them (USER_NAMES) are not redacted. ``variables`` are (name, text) of
        what is secret in the application's environment, ``public`` are words that our own sentences need.

        Raise InputError, which names the keys and never a value, if a secret is shorter than eight characters. In
        ``development`` a short one is accepted, and is redacted only where it stands as a word of its own.
        """
        known = {name: value.strip() for name, value in secrets.items() if name not in USER_NAMES}
        short = sorted(name for name, value in known.items() if len(value) < MIN_SECRET_CHARACTERS)
        if short and not development:
            raise InputError(
                f"These secrets have fewer than {MIN_SECRET_CHARACTERS} characters: {', '.join(short)}.",
                next="Set longer ones with `runwright secrets set`. What is no secret belongs into the runbook or the env file.",
            )
        given = list(variables)
        long = [(name, text) for name, text in given if len(text) >= MIN_SECRET_CHARACTERS and text not in public]
        self._everywhere = _Finder((*_parts(known), *long))
        self._in_print = _Finder((*_parts(known), *given)) if len(long) < len(given) else self._everywhere
        self._count = len(known)

    def __repr__(self) -> str:
        return f"Redactor({self._count} secrets)"

    def __reduce__(self) -> str:
        raise TypeError("a Redactor holds secrets and is never stored")

    def clean(self, text: str) -> str:
        """Return ``text`` without secrets; without any in it, the same text."""
        return self._everywhere.clean(text)

    def clean_printed(self, text: str) -> str:
        """Return ``text``, which a program, a server or a person has written, without secrets, short ones included."""
        return self._in_print.clean(text)

    def clean_bytes(self, data: bytes) -> bytes:
        """Return ``data``, which may be no text, without secrets."""
        return self.clean(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def clean_value(self, value: Any) -> Any:
        """Return JSON-like ``value`` without secrets: in keys, in values, and in numbers that are one."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            return {self.clean(str(key)): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.clean_value(item) for item in value]
        if isinstance(value, (bytes, bytearray)):
            return self.clean(bytes(value).decode("utf-8", "replace"))
        text = str(value)
        cleaned = self.clean(text)
        return value if isinstance(value, (int, float)) and cleaned == text else cleaned

    def stream(self) -> CleanStream:
        """Return something to feed an output to, piece by piece."""
        return CleanStream(self)

    def _cut(self, text: str, at: int) -> int:
        """Return ``at``, or the start of the secret that it would cut in two."""
        return self._everywhere.cut(text, at)


class _Finder:
    """One expression for many secrets, given as (name, text). It is made when it is needed first: that takes a while."""

    def __init__(self, secrets: Iterable[tuple[str, str]]) -> None:
        known = sorted(dict.fromkeys(secrets), key=lambda pair: len(pair[1]), reverse=True)
        self._secrets = [pair for pair in known if pair[1].lower() not in ORDINARY]
        self._ordinary = [pair for pair in known if pair[1].lower() in ORDINARY]

    @cached_property
    def _shown(self) -> re.Pattern[str]:
        """An expression for what is ordinary, where it is shown to be a secret: behind a secret's name, or ``user:HERE@host``."""
        names = "|".join(dict.fromkeys(re.escape(name) for name, _ in self._ordinary))
        values = "|".join(f"({re.escape(value)})" for _, value in self._ordinary)
        return re.compile(rf"(?P<before>(?i:{names}|{_NAMED}){_ASSIGNED}|:)(?:{values})(?![\w-])(?P<host>@)?")

    def _hidden(self, found: re.Match[str]) -> str:
        if found["before"] == ":" and not found["host"]:
            return found[0]
        name = next(name for i, (name, _) in enumerate(self._ordinary) if found[i + 2] is not None)
        return f"{found['before']}[secret {name}]{found['host'] or ''}"

    @cached_property
    def _compiled(self) -> tuple[re.Pattern[str] | None, list[str]]:
        return _compiled([(name, first, rest) for name, value in self._secrets for first, rest in _spellings(value)])

    def clean(self, text: str) -> str:
        pattern, names = self._compiled
        if pattern is not None:
            text = pattern.sub(lambda found: f"[secret {names[int(found.lastindex or 0) - 1]}]", text)
        if self._ordinary:
            text = self._shown.sub(self._hidden, text)
        return _URL_PASSWORD.sub(_hidden_password, text) if "://" in text else text

    def cut(self, text: str, at: int) -> int:
        pattern, _ = self._compiled
        for found in pattern.finditer(text) if pattern is not None else ():
            if found.start() < at < found.end():
                return found.start()
        return at


class CleanStream:
    """Cleans an output that arrives in pieces: whole lines, so that no secret is missed between two of them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown by now: everything up to the last line end, without secrets."""
        self._held += self._decoder.decode(data)
        end = self._held.rfind("\n") + 1
        if not end and len(self._held) > MAX_LINE_CHARACTERS:
            # half is kept back: a secret that has begun in it may not have ended yet
            end = self._redactor._cut(self._held, MAX_LINE_CHARACTERS // 2)
        return self._taken(end)

    def close(self) -> bytes:
        """Return the rest."""
        self._held += self._decoder.decode(b"", final=True)
        return self._taken(len(self._held))

    def _taken(self, end: int) -> bytes:
        text, self._held = self._held[:end], self._held[end:]
        return self._redactor.clean(text).encode("utf-8", "surrogateescape")


def _hidden_password(found: re.Match[str]) -> str:
    return "[secret]@" if found["user"] is None else f"{found['user']}:[secret]@"


def _parts(secrets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every text that must not be seen."""
    for name, value in secrets.items():
        if value:
            yield name, value
        for part in parts(value):
            if len(part) >= MIN_SECRET_CHARACTERS and part != value:
                yield name, part


def _compiled(branches: list[tuple[str, str, str]]) -> tuple[re.Pattern[str] | None, list[str]]:
    """Return one expression for all branches (name, first character, rest), and the name that each of its groups means.

    Branches are gathered by their first character, which keeps the search fast however many there are. Which of them
    was found is told by the empty group at its end.
    """
    by_first: dict[str, list[tuple[str, str]]] = {}
    for name, first, rest in branches:
        by_first.setdefault(first, []).append((name, f"{rest}()"))
    names = [name for gathered in by_first.values() for name, _ in gathered]
    pieces = [f"{first}(?:{'|'.join(rest for _, rest in gathered)})" for first, gathered in by_first.items()]
    return (re.compile("|".join(pieces)) if pieces else None), names


def _spellings(value: str) -> Iterator[tuple[str, str]]:
    """Yield expressions for ``value`` in every spelling, as (first character if there is only one, rest)."""
    first, rest = re.escape(value[0]), re.escape(value[1:])
    if len(value) < MIN_SECRET_CHARACTERS:  # only as a word of its own
        begins = "|".join((rf"(?<!\w{first})", *(f"(?<={escape}{first})" for escape in _ENDS_IN_LETTERS)))
        yield first, rf"(?:{begins}){rest}(?!\w)"
        return
    text = _textual(value)
    yield (text[0], text[1:]) if _is_plain(value[0]) else ("", text)
    for quote_in_shell in ("'\"'\"'", "'\\''") if "'" in value else ():
        # whole, and not one more spelling of each quote: together with double quotes that would be ambiguous, and slow
        yield "", re.escape(value.replace("'", quote_in_shell))
    data = value.encode("utf-8", "surrogatepass")
    for encoded in {data.hex(), data.hex().upper()}:
        yield encoded[0], encoded[1:]
    yield from _base64(data)


def _base64(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield expressions for ``data`` inside of something base64: it may begin at any of three places in a group of four.

    Only whole characters of it are looked for: up to four bits at each end are mixed with the neighbours' bits.
    """
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        tail = "(?:[A-Za-z0-9+/_-]?={0,2})" if (offset + len(data)) % 3 else ""
        rest = "".join({"+": "[+-]", "/": "[/_]"}.get(c, c) for c in core[1:]) + tail
        for first in {"+": ("[+]", "-"), "/": ("/", "_")}.get(core[0], (core[0],)):
            yield first, rest


def _is_plain(character: str) -> bool:
    """Whether nothing ever spells ``character`` otherwise."""
    return character.isascii() and character.isalnum()


def _textual(value: str) -> str:
    """Return an expression for ``value`` as text, each special character in any of its usual spellings.

    Equal characters are taken together, and every repetition is bounded, so that no text makes it slow.
    """
    pieces: list[str] = []
    after_backslash = False
    for character, group in groupby(value.replace("\r\n", "\n")):
        times = len(list(group))
        spelt = _line_ends if character == "\n" else partial(_run, character)
        if after_backslash:
            pieces.append(spelt(1, after_backslash=True))
            times -= 1
        if times:
            pieces.append(spelt(times, after_backslash=False))
        after_backslash = character == "\\"
    return "".join(pieces)


def _line_ends(times: int, *, after_backslash: bool) -> str:
    """Return an expression for ``times`` ends of lines: as tools write them, with a carriage return before each or without."""
    back, end = _run("\r", 1, after_backslash=False), _run("\n", 1, after_backslash=False)
    if after_backslash:  # what was escaped by it is the carriage return, if there is one
        escaped, alone = _run("\r", 1, after_backslash=True), _run("\n", 1, after_backslash=True)
        return f"(?:{escaped}{end}|{alone})"
    return f"(?:{back}?{end}){{{times}}}"


def _run(character: str, times: int, *, after_backslash: bool) -> str:
    """Return an expression for ``times`` times ``character``. Backslashes before it may belong to it (an escape)."""
    if _is_plain(character):
        return character * times
    repeat = f"{{{times}}}" if times > 1 else ""
    if character == "\\":
        # each level of escaping doubles them; what escapes the next character is taken here as well
        return rf"(?:\\{{{times},{times * 8 + 8}}}|{_each(_encoded(character), repeat)})"
    # no text may match two of these forms: a secret of many such characters would make the search exponential
    bare, escape = re.escape(character), "" if after_backslash else r"\\{1,8}"
    forms = [f"{escape}{form}" for form in _escaped(character)] + _encoded(character)
    doubled = character in _DOUBLED
    if not after_backslash:
        forms.append(rf"\\{{{int(doubled)},7}}{bare}")
    once = f"{bare}{{{times},{times * 2}}}|" if doubled else f"{bare}|" if after_backslash else ""
    return f"(?:{once}{_each(forms, repeat)})"


def _each(spellings: list[str], repeat: str) -> str:
    return "|".join(f"(?:{form}){repeat}" for form in spellings) if repeat else "|".join(spellings)


def _encoded(character: str) -> list[str]:
    """Return expressions for what encoders without a backslash make of ``character``."""
    data, number = character.encode("utf-8", "surrogatepass"), ord(character)
    forms = [
        "(?i:" + "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in data) + ")",
        rf"&\#(?:0*{number}|(?i:x0*{number:x}));",
    ]
    if character in _HTML:
        forms.append(_HTML[character])
    if character == " ":
        forms.append(r"\+")
    return forms


def _escaped(character: str) -> list[str]:
    """Return expressions for what follows a backslash where ``character`` was escaped (the backslash is not in them)."""
    data, number = character.encode("utf-8", "surrogatepass"), ord(character)
    forms = [r"\\{1,8}".join(f"(?i:x{byte:02x})" for byte in data), r"\\{1,8}".join(f"0?{byte:03o}" for byte in data)]
    if 0x80 <= number < 0x100:
        forms.append(f"(?i:x{number:02x})")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    forms.append(r"\\{1,8}".join(f"u(?i:{units[i : i + 4]})" for i in range(0, len(units), 4)))
    forms.append(f"U(?i:{number:08x})")
    if character in _ESCAPES:
        forms.append(_ESCAPES[character])
    return forms
