"""What the references of a runbook stand for: ``${url.api}``, ``${secret.token}``, ``${release.commit}``, ``${saved.id}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from runwright.engine.redaction import Redactor
from runwright.errors import InputError
from runwright.runbook.base import REFERENCE

MIN_SAVED_CHARACTERS = 4
"""A shorter saved value is a number or a word that an answer is full of, and no token."""

_SECRET_KINDS = frozenset({"secret", "saved"})

_WHERE = {
    "url": "Add it to the `urls` of the environment in the runbook.",
    "secret": "Set it with `runwright secrets set`, under the name {name}.",
    "release": "A release has id, version and commit.",
    "saved": "An earlier probe must `save` it; that probe did not answer as expected, or does not save it.",
}


@dataclass(frozen=True)
class Values:
    """What references stand for. Secrets and saved values are in no repr."""

    urls: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    release: Mapping[str, str] = field(default_factory=dict)
    saved: Mapping[str, str] = field(default_factory=dict, repr=False)
    moved: Mapping[str, str] = field(default_factory=dict)
    """{name: the address that clients know} of those addresses that were rebased."""
    clean: Callable[[str], str] = str
    """Takes the application's own secrets out of what it answered."""

    def fill(self, template: str) -> str:
        """Return ``template`` with every reference replaced. Raise InputError, which names no value, if one is missing."""
        return REFERENCE.sub(lambda found: self._value(found["kind"], found["name"]), template)

    def fill_url(self, template: str) -> str:
        """Return ``template`` as a URL: what comes from outside is quoted, so that it stays one part of the path.

        A saved value is chosen by the system under test; unquoted, ``../admin`` would make us delete something else.
        """

        def value(kind: str, name: str) -> str:
            text = self._value(kind, name)
            return text.rstrip("/") if kind == "url" else quote(text, safe="")

        return REFERENCE.sub(lambda found: value(found["kind"], found["name"]), template)

    def fill_all(self, data: Any) -> Any:
        """Return JSON-like ``data`` with the references in all its strings replaced."""
        if isinstance(data, str):
            return self.fill(data)
        if isinstance(data, Mapping):
            return {key: self.fill_all(value) for key, value in data.items()}
        if isinstance(data, (list, tuple)):
            return [self.fill_all(value) for value in data]
        return data

    def show(self, template: str) -> str:
        """Return ``template`` as people may read it: addresses and release facts filled in, secrets left as references."""

        def value(kind: str, name: str) -> str:
            known = "" if kind in _SECRET_KINDS else self._mapping(kind).get(name, "")
            return known or f"${{{kind}.{name}}}"

        return REFERENCE.sub(lambda found: value(found["kind"], found["name"]), template)

    def redact(self, text: str) -> str:
        """Return ``text`` without any secret or saved value, in every usual spelling."""
        return self.clean(self._redactor.clean(text))

    @cached_property
    def _redactor(self) -> Redactor:
        saved = {f"saved.{name}": value for name, value in self.saved.items() if len(value) >= MIN_SAVED_CHARACTERS}
        # short secrets were refused, where they are, when the release was opened
        return Redactor({**self.secrets, **saved}, development=True)

    def rebased(self, name: str, base: str) -> Values:
        """Return values in which everything that is reached by the address ``name`` is reached at ``base`` instead.

        This is the test route: addresses with the same scheme, host and port move together and keep their paths.
        Raise InputError if there is no such address.
        """
        old, new = urlsplit(self._value("url", name)), urlsplit(base)

        def moved(url: str) -> str:
            parts = urlsplit(url)
            if (parts.scheme, parts.netloc) != (old.scheme, old.netloc):
                return url
            path = new.path.rstrip("/") + parts.path
            return urlunsplit((new.scheme, new.netloc, path, parts.query, parts.fragment))

        urls = {key: moved(url) for key, url in self.urls.items()}
        known = {key: url for key, url in self.urls.items() if urls[key] != url}
        return replace(self, urls=urls, moved={**known, **self.moved})

    def as_clients(self, template: str) -> dict[str, str]:
        """Return the headers with which an address that was rebased is asked as clients ask it: {} of any other.

        Applications refuse a host that they do not know (Django's ALLOWED_HOSTS, Flask's SERVER_NAME), and send plain HTTP away
        where a proxy before them would have said that it was HTTPS.
        """
        found = REFERENCE.match(template)
        known = urlsplit(self.moved.get(found["name"], "") if found and found["kind"] == "url" else "")
        proto = {"x-forwarded-proto": "https"} if known.scheme == "https" else {}
        return {"host": known.netloc.rpartition("@")[2], **proto} if known.netloc else {}

    def with_saved(self, saved: Mapping[str, str]) -> Values:
        """Return values that also know what a probe saved."""
        return replace(self, saved={**self.saved, **saved})

    def _mapping(self, kind: str) -> Mapping[str, str]:
        return {"url": self.urls, "secret": self.secrets, "release": self.release, "saved": self.saved}.get(kind, {})

    def _value(self, kind: str, name: str) -> str:
        value = self._mapping(kind).get(name)
        if value is None or (value == "" and kind != "saved"):
            raise InputError(
                f"${{{kind}.{name}}} is not set.",
                state="What needs it was not asked.",
                next=_WHERE.get(kind, "References are ${url.…}, ${secret.…}, ${release.…} and ${saved.…}.").format(
                    name=name
                ),
            )
        return value
