"""What pods are configured with: the names of their variables, and the values that must not be seen in any text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from runwright.engine.actions import Do, Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.manifests import CONFIGURATION, named_configuration
from runwright.platforms.kubernetes.reading import at, containers, listed
from runwright.platforms.shape import KeysSeen
from runwright.plural import few

Named = tuple[str, str]
"""A ConfigMap or a Secret: (kind, name)."""
Contents = Mapping[Named, Mapping[str, str]]
"""{(kind, name): {key: value}}; may hold secrets."""


def contents(objects: Iterable[Object]) -> dict[Named, dict[str, str]]:
    """Return what ConfigMaps and Secrets among ``objects`` hold. May hold secrets."""
    return {(o["kind"], name_of(o)): _values(o) for o in objects if o.get("kind") in CONFIGURATION}


def _values(one: Object) -> dict[str, str]:
    coded = one.get("data") or {}
    found = {key: _decoded(value) if one["kind"] == "Secret" else str(value) for key, value in coded.items()}
    return {**found, **{key: str(value) for key, value in (one.get("stringData") or {}).items()}}


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(str(value)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def named(specs: Iterable[Mapping[str, Any]]) -> set[Named]:
    """Return the ConfigMaps and Secrets that the pods of ``specs`` name."""
    return {(kind, str(holder[key])) for spec in specs for kind, holder, key in named_configuration(spec)}


def there(
    do: Do, kubectl: Kubectl, wanted: Iterable[Named], says: str, *, ok: frozenset[int] = frozenset({0})
) -> dict[Named, dict[str, str]]:
    """Return what the ConfigMaps and Secrets ``wanted`` hold in the cluster; one that is not there is left out.

    ok: with 1 in it what may not be read is left out as well. May hold secrets. Raise ActionError if they may not be read.
    """
    names = [f"{kind.lower()}/{name}" for kind, name in sorted(wanted)]
    if not names:
        return {}

    def parse(output: Output) -> dict[Named, dict[str, str]]:
        return contents(items(output))

    words = ("get", *names, "-o", "json", "--ignore-not-found")
    found: dict[Named, dict[str, str]] = do(kubectl.read(*words, says=says, parse=parse, assume={}, ok=ok))
    return found


def carried(do: Do, kubectl: Kubectl, pods: Iterable[Object]) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of what ``pods`` are configured with, as far as it may be read. May hold secrets."""
    specs = [pod["spec"] for pod in pods]
    held = there(do, kubectl, named(specs), "read what must not be seen in any text", ok=frozenset({0, 1}))
    return tuple(dict.fromkeys(pair for spec in specs for pair in variables(spec, held)))


def variables(spec: Mapping[str, Any], held: Contents) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what the containers of a pod are configured with, as far as ``held`` tells; also what is mounted, by
    its key. May hold secrets."""
    for container in containers({"spec": spec}):
        yield from environment(container, held).items()
    for kind, holder, key in named_configuration(spec):
        if kind == "Secret":
            yield from held.get((kind, str(holder[key])), {}).items()


def environment(container: Mapping[str, Any], held: Contents) -> dict[str, str]:
    """Return {name: value} of a container's variables, as far as ``held`` tells. May hold secrets."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if name := at(source, field, "name"):
                prefix = source.get("prefix") or ""
                found |= {f"{prefix}{key}": value for key, value in held.get((kind, str(name)), {}).items()}
    for one in container.get("env") or ():
        value = _value(one, held)
        if value is not None:
            found[str(one.get("name"))] = value
    return found


def _value(one: Mapping[str, Any], held: Contents) -> str | None:
    if "valueFrom" not in one:
        return str(one.get("value") or "")
    for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if holder := at(one, "valueFrom", field):
            return held.get((kind, str(holder.get("name"))), {}).get(str(holder.get("key")))
    return "(of the pod)"  # by fieldRef or resourceFieldRef: never empty


def keys_seen(do: Do, kubectl: Kubectl, pods: Sequence[tuple[Object, str]]) -> tuple[KeysSeen, ...]:
    """Return which variables the main containers of ``pods`` see, by name, those that are set to nothing left out.

    Names only are kept. Raise ActionError if it may not be read what the pods name.
    """
    running = [(pod, container, begun) for pod, container in pods if (begun := _begun(pod, container))]
    specs = [pod["spec"] for pod, _, _ in running]
    wanted = named(specs)
    try:
        held = there(do, kubectl, wanted, f"look which keys {few([name for _, name in sorted(wanted)])} have")
    except ActionError as error:
        raise ActionError(
            f"Which variables the pods see cannot be known: {error.what}",
            state="Nothing was changed.",
            next="Let this account read ConfigMaps and Secrets of the namespace (get), or ask for the keys of an env file.",
        ) from error
    return tuple(
        KeysSeen(frozenset(k for k, v in environment(_container(pod, name), held).items() if v), begun)
        for pod, name, begun in running
    )


def _container(pod: Object, name: str) -> Object:
    return next((c for c in containers(pod) if c.get("name") == name), {})


def _begun(pod: Object, container: str) -> datetime | None:
    """Return since when a container runs, None if it does not."""
    for status in listed(pod, "status", "containerStatuses"):
        if status.get("name") == container and (begun := at(status, "state", "running", "startedAt")):
            return datetime.fromisoformat(str(begun)).astimezone(UTC)
    return None
