"""No secret gets through, whatever a tool made of it; and text without secrets is left alone."""

from __future__ import annotations

import base64
import html
import json
import pickle
import shlex
import time
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from runwright.engine.redaction import MAX_LINE_CHARACTERS, Redactor
from runwright.errors import InputError
from tests.fixtures.properties import examples

SECRET = "s3cret/+\"pa$s\\word'!"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n"

values = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40).filter(
    lambda text: len(text.strip()) >= 8
)
awkward = st.text("\\'\"$%&<> +/=;ab1\n\r\té😀", min_size=8, max_size=30).filter(lambda text: len(text.strip()) >= 8)
around = st.text("xyz .:=", max_size=5)

ENCODINGS = {
    "raw": lambda v: v,
    "url quoted": lambda v: quote(v, safe=""),
    "url quoted as a path": quote,
    "url quoted in lower case": lambda v: quote(v, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
    "url quoted twice": lambda v: quote(quote(v, safe=""), safe=""),
    "form quoted": quote_plus,
    "form": lambda v: urlencode({"password": v}),
    "json": lambda v: json.dumps(v)[1:-1],
    "json in utf-8": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "json in json": lambda v: json.dumps(json.dumps({"p": v})),
    "json with escaped slashes": lambda v: json.dumps(v)[1:-1].replace("/", "\\/"),
    "shell quoted": shlex.quote,
    "shell escaped": lambda v: "".join(c if c.isalnum() or c == "\n" else f"\\{c}" for c in v),
    "in single quotes": lambda v: "'" + v.replace("'", "'\\''") + "'",
    "yaml": lambda v: "'" + v.replace("'", "''") + "'",
    "csv": lambda v: '"' + v.replace('"', '""') + '"',
    "compose": lambda v: v.replace("$", "$$"),
    "ini": lambda v: v.replace("%", "%%"),
    "html": html.escape,
    "python": repr,
    "python bytes": lambda v: repr(v.encode()),
    "hexadecimal": lambda v: v.encode().hex(),
    "hexadecimal in upper case": lambda v: v.encode().hex().upper(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=examples(120), deadline=None)
@given(value=values | awkward, before=around, after=around)
@example(value="a line\r\nand\\\r\n\r\none more", before="", after="")
def test_no_secret_survives_in_any_encoding(encoding: str, value: str, before: str, after: str) -> None:
    """Whatever encoding a value was given, the cleaned text does not hold it and names the secret instead."""
    encoded = ENCODINGS[encoding](value)
    inner = ENCODINGS[encoding](value.strip())
    cleaned = Redactor({"TOKEN": value}).clean(f"{before}{encoded}{after}")
    assert "[secret TOKEN]" in cleaned
    rest = cleaned.replace("[secret TOKEN]", "")
    assert inner not in rest
    assert value.strip() not in rest


@settings(max_examples=examples(300), deadline=None)
@given(value=values, before=st.binary(max_size=7), after=st.binary(max_size=7), urlsafe=st.booleans())
def test_no_secret_survives_inside_of_base64(value: str, before: bytes, after: bytes, urlsafe: bool) -> None:
    """Wherever in a longer base64 text a secret stands, what is left of it is at most half a byte at each end."""
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    data = value.strip().encode()
    encoded = encode(before + data + after).decode()
    cleaned = Redactor({"TOKEN": value}).clean(encoded)
    assert "[secret TOKEN]" in cleaned
    start, end = -(-len(before) * 8 // 6), (len(before) + len(data)) * 8 // 6
    assert encoded[start:end] not in cleaned


@given(user=st.text("abcdefgh", min_size=1, max_size=9))
def test_basic_auth_is_recognised_whatever_the_user_name(user: str) -> None:
    """The header of basic authentication holds the password at any of three alignments."""
    header = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    cleaned = Redactor({"admin": SECRET}).clean(f"Authorization: Basic {header}")
    assert cleaned.startswith("Authorization: Basic ")
    assert "[secret admin]" in cleaned


@given(text=st.text(max_size=200), value=values)
def test_text_without_secrets_is_unchanged(text: str, value: str) -> None:
    """A text that holds no secret and no credentials comes back as it was."""
    assume("://" not in text)
    assume(value.strip() not in text)
    redactor = Redactor({"TOKEN": "correct-horse-battery"})
    assert redactor.clean(text) == text
    assert redactor.clean_bytes(text.encode("utf-8", "surrogateescape")) == text.encode("utf-8", "surrogateescape")


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_text_are_unchanged(data: bytes) -> None:
    """Outputs may hold anything; cleaning loses none of it."""
    assume(b"://" not in data)
    redactor = Redactor({"TOKEN": "correct-horse-battery"})
    assert redactor.clean_bytes(data) == data
    stream = redactor.stream()
    assert stream.feed(data[:7]) + stream.feed(data[7:]) + stream.close() == data


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("postgresql://app:hunter2@db:5432/shop", "postgresql://app:[secret]@db:5432/shop"),
        ("redis://:hunter2@cache", "redis://:[secret]@cache"),
        ("amqp://a:p@ss@host", "amqp://a:[secret]@host"),
        ("https://ghp_abcdefghijklmnop@github.com/acme/shop", "https://[secret]@github.com/acme/shop"),
        ("ssh://git@github.com/acme/shop.git", "ssh://git@github.com/acme/shop.git"),
        ("http://localhost:8000/a@b", "http://localhost:8000/a@b"),
        ("see https://example.com: it is me@example.com", "see https://example.com: it is me@example.com"),
    ],
)
def test_passwords_in_urls_are_recognised_without_being_known(text: str, cleaned: str) -> None:
    """What stands between a user and a host is a password, whoever set it."""
    assert Redactor({}).clean(text) == cleaned


def test_the_longest_secret_is_replaced_first() -> None:
    """A secret that begins with another one is not left half readable."""
    redactor = Redactor({"short": "correct-horse", "long": "correct-horse-battery"})
    assert redactor.clean("correct-horse-battery correct-horse") == "[secret long] [secret short]"


def test_each_line_of_a_secret_of_several_lines_is_one() -> None:
    """Logs come line by line; a key's frame is no secret."""
    cleaned = Redactor({"key": PEM}).clean("-----BEGIN PRIVATE KEY-----\n> BAQEFAASCBKcwggSjAgEAAo <\n")
    assert cleaned == "-----BEGIN PRIVATE KEY-----\n> [secret key] <\n"
    assert Redactor({"key": PEM}).clean(json.dumps({"key": PEM})) == '{"key": "[secret key]\\n"}'


def test_windows_line_ends_make_no_difference() -> None:
    """A key that was saved with other line ends is the same key."""
    assert Redactor({"key": PEM.replace("\n", "\r\n")}).clean(PEM) == "[secret key]\n"
    assert Redactor({"key": PEM}).clean(PEM.replace("\n", "\r\n")) == "[secret key]\r\n"


def test_the_password_in_a_secret_url_is_a_secret_too() -> None:
    """A tool may print the password alone, decoded."""
    redactor = Redactor({"DATABASE_URL": "postgresql://app:corr%40ct-horse@db/shop"})
    assert redactor.clean("password corr@ct-horse is wrong") == "password [secret DATABASE_URL] is wrong"


@pytest.mark.parametrize("value", ["", "   ", "1234567", " 1234567 "])
def test_a_short_secret_is_refused_outside_development(value: str) -> None:
    """The message names the key; the value is nowhere, not even in the repr."""
    with pytest.raises(InputError) as caught:
        Redactor({"PIN": value, "other": "correct-horse-battery"})
    assert "PIN" in str(caught.value)
    assert "1234567" not in repr(caught.value)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("\x1b[31mabc4\x1b[0m", "\x1b[31m[secret PASS]\x1b[0m"),
        ("\x1b[1;38;5;208mabc4", "\x1b[1;38;5;208m[secret PASS]"),
        ("\x1b[mabc4", "\x1b[m[secret PASS]"),
        (r'"password is:\nabc4"', r'"password is:\n[secret PASS]"'),
        (r"b'\x00abc4\x00'", r"b'\x00[secret PASS]\x00'"),
        (r"\u003dabc4\u0026", r"\u003d[secret PASS]\u0026"),
        ("password%3Dabc4%26", "password%3D[secret PASS]%26"),
        ("the cabc4 of 9abc4, nabc4, 31mabc4", "the cabc4 of 9abc4, nabc4, 31mabc4"),
    ],
)
def test_an_escape_is_no_part_of_the_word_behind_it(said: str, left: str) -> None:
    """A short secret is found where a colour, a line end or a sign begins it, each written with a letter at its end."""
    assert Redactor({}, variables=[("PASS", "abc4")]).clean_printed(said) == left


def test_in_development_a_short_secret_is_redacted_as_a_word() -> None:
    """A password such as ``dev`` must not turn ``device`` into rubbish."""
    redactor = Redactor({"password": "dev", "empty": ""}, development=True)
    assert redactor.clean("dev: device, predev 'dev'") == "[secret password]: device, predev '[secret password]'"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("/var/lib/postgres/app of postgres:15", "/var/lib/postgres/app of postgres:15"),
        ('FATAL: role "postgres" does not exist', 'FATAL: role "postgres" does not exist'),
        ("app-1 | postgresql: app is up at db:5432", "app-1 | postgresql: app is up at db:5432"),
        ("POSTGRES_PASSWORD=postgres", "POSTGRES_PASSWORD=[secret POSTGRES_PASSWORD]"),
        ("password=app host=db", "password=[secret DB_AUTH] host=db"),
        ('{"db_auth": "app", "user": "app"}', '{"db_auth": "[secret DB_AUTH]", "user": "app"}'),
        (r'"{\"Passwd\": \"postgres\"}"', r'"{\"Passwd\": \"[secret POSTGRES_PASSWORD]\"}"'),
        ("--password app --name app", "--password [secret DB_AUTH] --name app"),
        ("ALTER ROLE app PASSWORD 'app';", "ALTER ROLE app PASSWORD '[secret DB_AUTH]';"),
        ("postgresql://app:app@db/app", "postgresql://app:[secret DB_AUTH]@db/app"),
        ("connecting as app:postgres@db", "connecting as app:[secret POSTGRES_PASSWORD]@db"),
        ("password: application, tokens: app-1", "password: application, tokens: app-1"),
    ],
)
def test_a_word_that_anybody_would_guess_is_taken_out_where_it_is_shown_to_be_a_secret(said: str, left: str) -> None:
    """It stands in half of all paths and addresses: a log without it would help nobody, and it protects nothing."""
    secrets = {"POSTGRES_PASSWORD": "postgres", "DB_AUTH": "app"}
    assert Redactor(secrets, development=True).clean(said) == left
    assert Redactor({}, variables=secrets.items()).clean_printed(said) == left


def test_what_only_begins_as_an_ordinary_word_is_a_secret_everywhere() -> None:
    """Not every word is ordinary: what nobody would guess first goes wherever it stands."""
    redactor = Redactor({"a": "postgres1", "b": "sunflower", "c": "postgres"}, development=True)
    assert redactor.clean("/x/postgres1/sunflowers/postgres") == "/x/[secret a]/[secret b]s/postgres"


@settings(max_examples=examples(120), deadline=None)
@given(text=st.text("pasword token=:'\"\\@ app", max_size=200))
def test_looking_for_ordinary_words_takes_no_time(text: str) -> None:
    """Each repetition is bounded."""
    begun = time.process_time()
    Redactor({"DB_AUTH": "app"}, development=True).clean(text * 200)
    assert time.process_time() - begun < 5


def test_user_names_are_no_secrets() -> None:
    """They stand in the same block, may be short, and would make logs unreadable."""
    assert Redactor({"registry_username": "acme"}).clean("ghcr.io/acme/web") == "ghcr.io/acme/web"


def test_values_are_cleaned_to_their_depth() -> None:
    """Keys, values and numbers of JSON; what is no secret keeps its type."""
    redactor = Redactor({"pin": "1234567890", "token": "correct-horse"})
    dirty = {"correct-horse": [1, 1234567890, None, True, 2.5, ("x correct-horse", b"correct-horse")]}
    assert redactor.clean_value(dirty) == {
        "[secret token]": [1, "[secret pin]", None, True, 2.5, ["x [secret token]", "[secret token]"]]
    }


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_a_stream_finds_a_secret_however_it_is_cut(sizes: list[int]) -> None:
    """Only whole lines are let through, so the pieces in which an output arrives make no difference."""
    data = f"start\npassword={SECRET} é😀\nend {SECRET}".encode()
    stream, shown, rest = Redactor({"TOKEN": SECRET}).stream(), b"", data
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        shown += stream.feed(piece)
        assert SECRET.encode() not in shown
    shown += stream.feed(rest) + stream.close()
    assert shown.decode() == "start\npassword=[secret TOKEN] é😀\nend [secret TOKEN]"


@pytest.mark.parametrize("before", [0, 1, MAX_LINE_CHARACTERS // 2 - 5, MAX_LINE_CHARACTERS - 5, MAX_LINE_CHARACTERS])
def test_a_stream_without_line_ends_is_held_back_within_bounds(before: int) -> None:
    """A progress bar of many megabytes is passed on in pieces, and a secret on the seam is still found."""
    stream = Redactor({"TOKEN": SECRET}).stream()
    data = b"." * before + SECRET.encode() + b"." * MAX_LINE_CHARACTERS * 2
    shown = b""
    for at in range(0, len(data), 1000):
        shown += stream.feed(data[at : at + 1000])
        assert len(shown) >= at - MAX_LINE_CHARACTERS - len(SECRET)
    shown += stream.close()
    assert shown == b"." * before + b"[secret TOKEN]" + b"." * MAX_LINE_CHARACTERS * 2


def test_a_redactor_shows_and_stores_nothing() -> None:
    """It holds every secret, so it has a repr without them and cannot be pickled into a result store."""
    redactor = Redactor({"TOKEN": SECRET})
    assert repr(redactor) == "Redactor(1 secrets)"
    with pytest.raises(TypeError):
        pickle.dumps(redactor)
