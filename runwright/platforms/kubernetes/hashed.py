"""A pod's template as far as it is compared with what runs, small enough for the ledger and without a secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object
from runwright.variables import says_secret


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
        kind: [{**c, "env": _variables(c)} for c in spec.get(kind) or ()] for kind in ("initContainers", "containers")
    }
    return {**found, "spec": {**spec, **kinds}}


def _container(one: Mapping[str, Any]) -> Object:
    kept = {key: one[key] for key in ("name", "image", "command", "args", "envFrom") if one.get(key)}
    return {**kept, "env": _variables(one)}


def _variables(one: Mapping[str, Any]) -> list[Object]:
    return [_hashed(v) for v in one.get("env") or ()]


def _hashed(variable: Object) -> Object:
    value = variable.get("value")
    if isinstance(value, str) and value and says_secret(str(variable.get("name", ""))):
        return {**variable, "value": f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}"}
    return variable
