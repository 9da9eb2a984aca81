"""Which of an application's environment variables are secret, and what of them must not be seen.

Most variables are settings (`production`, `8000`, `localhost`), and a log without those words helps nobody. A value is
secret if its variable's name says so (`DB_PASS`, `STRIPE_SECRET_KEY`, `spring.datasource.password`), whatever the value
is; or if the value itself looks like nothing else: the password in an address or a connection string, a private key, what
JSON has under such names, a long text that was made at random. A name whose end says what else it is
(`ACCESS_TOKEN_EXPIRE_MINUTES`, `SECRET_KEY_FILE`) says nothing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from dotenv.parser import parse_stream

from runwright.engine.secret_parts import credentials, made_at_random, parts
from runwright.engine.there.paths import Path

Pairs = Iterable[tuple[str, str]]
"""(name, value) of variables; a name may come several times."""

MIN_CHARACTERS: Final = 4
"""A shorter text is in every other line: whoever takes it out of a log takes the log away."""

_ENV_FILE: Final = re.compile(r"(?i)(.*\.)?env(\..*)?")
_NO_ENV_FILE: Final = re.compile(r"(?i)example|sample|template|dist|\.py$")
_SENSITIVE: Final = re.compile(
    r"pass(?!enger|age|ive|thro?u)|pwd|secret|token|credential|apikey|private|webhook|salt"
    r"|(?:^|_)(?:keys?|auth|creds?|pw|pin|dsn|jwt|sas|pepper)(?:_|\d|$)|key$|pw$"
)
_SOMETHING_ELSE: Final = re.compile(
    r"public|publishable"
    r"|(?:^|_)(?:minutes?|seconds?|hours?|days?|ms|ttl|age|expir\w*|lifetime|timeout|interval|length|len|size|min|max|count"
    r"|limit|rounds|iterations|rotation|enabled?|disabled?|required|verify|debug|algorithms?|alg|type|mode|method|scheme"
    r"|format|strategy|policy|env|name|header|prefix|suffix|file|path|dir|folder|url|uri|host|port|domain|issuer|audience"
    r"|provider|backend|hasher|store|storage|server|service|endpoint|region|network|subnet|cidr|ip|user|username)$"
)
_OF_A_RELEASE: Final = re.compile(
    r"(?:^|_)(?:commit|sha|sha1|sha256|rev|revision|version|digest|image|tag|release|build)(?:_|$)"
)
_NO_SECRETS: Final = frozenset({"true", "false", "none", "null", "undefined"})
_REFERENCE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w*)[^{}]*\}|([A-Za-z_]\w*))")
_LONGEST: Final = 64 * 2**10
"""References that make a value longer than that are not followed: a few lines of them would fill any memory."""
_SETTING: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*[=:][ \t]*(\S[^\r\n]*)$", re.MULTILINE)


def secrets_in(variables: Pairs, certain: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every text that must not be seen; ``certain``: names of variables that are secrets anyway."""
    known = frozenset(certain)
    for name, value in dict.fromkeys(variables):
        for text in {value.strip(), value.replace("\\n", "\n").strip()}:
            if name in known or (says_secret(name) and not _REFERENCE.fullmatch(text)):
                found = {text, *parts(text), *credentials(text)}
            else:
                found = credentials(text)
                if made_at_random(text) and not _OF_A_RELEASE.search(_plain(name)) and "public" not in _plain(name):
                    found.add(text)
            for one in found:
                if len(one) >= MIN_CHARACTERS and one.lower() not in _NO_SECRETS:
                    yield name, one


def says_secret(name: str) -> bool:
    """Return whether a variable's name says that its value is a secret."""
    plain = _plain(name)
    return bool(_SENSITIVE.search(plain)) and not _SOMETHING_ELSE.search(plain)


def _plain(name: str) -> str:
    """Return ``name`` in lower case with underscores between its words: dbPassword, db.password and DB_PASSWORD are one."""
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()


def variables_of(text: str) -> list[tuple[str, str]]:
    """Return the variables of an env file, in each of the ways in which programs read it.

    Quotes may be taken off, or belong to the value (`docker run --env-file`); references may be followed or not. A line
    that is wrong for one reader may be right for another. Nothing is run, and no line keeps the others from being read.
    """
    read = [(binding.key, binding.value) for binding in parse_stream(io.StringIO(text)) if binding.key]
    as_written = [(line[1], line[2]) for line in _SETTING.finditer(text)]
    known: dict[str, str] = {}
    for name, value in read:
        known[name] = _followed(value or "", known)
    return [(name, value) for name, value in (*as_written, *read, *known.items()) if value]


def _followed(value: str, known: Mapping[str, str]) -> str:
    """Return ``value`` with the references in it replaced by what is ``known`` of them."""
    found = [known.get(reference[1] or reference[2], "") for reference in _REFERENCE.finditer(value)]
    if sum(map(len, found)) > _LONGEST:
        return value
    return _REFERENCE.sub(lambda reference: known.get(reference[1] or reference[2], ""), value)


def env_files_in(folder: Path) -> Iterator[Path]:
    """Yield what may be env files in ``folder``, by their names; nothing if it cannot be read."""
    try:
        for path in folder.iterdir():
            if _ENV_FILE.fullmatch(path.name) and not _NO_ENV_FILE.search(path.name):
                yield path
    except OSError:
        return
