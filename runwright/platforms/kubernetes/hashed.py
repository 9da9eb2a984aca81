"""A pod's template as far as it is compared with what runs, small enough for the ledger and without a secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object
from runwright.variables import says_secret, secrets_in


def template(found: Mapping[str, Any]) -> Object:
    """Return the containers and volumes of a template, or of a pod, with values in place of which only their hash counts."""
    spec = found.get("spec") or {}
    made: Object = {"spec": {}}
    for kind in ("initContainers", "containers"):
        made["spec"][kind] = [_container(c) for c in spec.get(kind) or ()]
    made["spec"]["volumes"] = [
        {key: v[key] for key in ("name", "configMap", "secret") if key in v} for v in spec.get("volumes") or ()
    ]
    return made


def pod(found: Object) -> Object:
    """Return a pod with the same hashes in place of its values: the rest of it is as it is."""
    spec = found.get("spec") or {}
    kinds = {
        kind: [{**c, **_program(c), "env": _variables(c)} for c in spec.get(kind) or ()]
        for kind in ("initContainers", "containers")
    }
    return {**found, "spec": {**spec, **kinds}}


def _container(one: Mapping[str, Any]) -> Object:
    kept = {key: one[key] for key in ("name", "image", "envFrom") if one.get(key)}
    return {**kept, **_program(one), "env": _variables(one)}


def _program(one: Mapping[str, Any]) -> Object:
    return {key: _words(one[key]) for key in ("command", "args") if one.get(key)}


def _variables(one: Mapping[str, Any]) -> list[Object]:
    return [_hashed(v) for v in one.get("env") or ()]


def _hashed(variable: Object) -> Object:
    value, name = variable.get("value"), str(variable.get("name", ""))
    if isinstance(value, str) and value and (says_secret(name) or any(secrets_in([(name, value)]))):
        return {**variable, "value": _hash(value)}
    return variable


def _words(words: Any) -> Any:
    """Return a command or arguments; one that holds a secret, or follows an option that says so, is its hash."""
    if not isinstance(words, list):
        return words
    before = ["", *(w if isinstance(w, str) and w.startswith("-") else "" for w in words)]
    return [_word(option, word) for option, word in zip(before, words, strict=False)]


def _word(option: str, word: Any) -> Any:
    if not isinstance(word, str) or not word:
        return word
    name, equals, value = word.partition("=")
    if word.startswith("-") and equals:
        return f"{name}={_hash(value)}" if says_secret(name) or any(secrets_in([(name, value)])) else word
    return _hash(word) if (option and says_secret(option)) or any(secrets_in([("", word)])) else word


def _hash(value: str) -> str:
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}"
