"""kubectl: the words before everything that is asked of a cluster, and what it answers, read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from runwright.engine.actions import UNKNOWN, Command, Do, Output
from runwright.errors import ActionError

T = TypeVar("T")
Object = dict[str, Any]
"""One object of a cluster, or of a manifest, as its JSON is."""

IN_CLUSTER = "in-cluster"
"""The context of a worker that runs in the cluster: the service account of its pod."""
_AWAY = re.compile(
    rb"connection refused|[Tt]he connection to the server \S+ was refused|TLS handshake timeout|no route to host|network is unreachable"
    rb"|\(ServiceUnavailable\)"
)
"""What kubectl says of an API server that took nothing on: its exit code is 1 whatever happened."""
_SILENT = re.compile(
    rb"Unable to connect to the server|Client\.Timeout|i/o timeout|unexpected EOF|context deadline exceeded"
)
ANSWER_SECONDS = "20s"
"""How long the API server may take for one request; kubectl itself would wait for ever."""
READ_SECONDS = 90.0
"""How long a read may take in all, with the tries after the first one."""


@dataclass(frozen=True)
class Kubectl:
    """A cluster, as one namespace of it is reached: never the current context, never the current namespace.

    program: the path of kubectl. config: the kubeconfig of the environment's block; "": whatever the worker has.
    """

    context: str
    namespace: str
    program: str = "kubectl"
    config: str = ""

    @property
    def cluster(self) -> tuple[str, ...]:
        """The words that name the cluster."""
        if self.context == IN_CLUSTER:
            # without a file kubectl takes the pod's account; with one, whatever context is the current one there
            return ("--kubeconfig", os.devnull)
        file = ("--kubeconfig", self.config) if self.config else ()
        return (*file, "--context", self.context)

    def argv(self, *words: str) -> tuple[str, ...]:
        """Return the command, in the namespace."""
        return (self.program, *self.cluster, "--namespace", self.namespace, *words)

    def read(self, *words: str, says: str, parse: Any, assume: Any = UNKNOWN, **more: Any) -> Command[Any]:
        """Return the action that asks the cluster something. parse: takes the `Output`."""
        argv = self.argv(*words, f"--request-timeout={ANSWER_SECONDS}")
        more = {"deadline_seconds": READ_SECONDS, **more}
        return Command(says=says, argv=argv, parse=parse, assume=assume, unreached=no_answer, **more)

    def change(self, *words: str, says: str, key: str, **more: Any) -> Command[Any]:
        """Return the action that changes something."""
        return Command(says=says, key=key, argv=self.argv(*words), unreached=away, **more)

    def objects(self, do: Do, kinds: Sequence[str], selector: str = "", *, assume: Any = UNKNOWN) -> tuple[Object, ...]:
        """Return all objects of ``kinds`` ("deployments", "pods", with their group where it is not the usual one), those that
        the ``selector`` of labels finds if one is given."""
        words = ("get", ",".join(kinds), "-o", "json", "--show-managed-fields", *(("-l", selector) if selector else ()))
        found: tuple[Object, ...] = do(
            self.read(*words, says=f"look at the {' and '.join(kinds)} of {self.namespace}", parse=items, assume=assume)
        )
        return found

    def get(self, do: Do, kind: str, name: str, *, assume: Any = UNKNOWN) -> Object | None:
        """Return one object, None if there is none of that name."""
        words = ("get", kind, name, "-o", "json", "--show-managed-fields", "--ignore-not-found")
        found: Object | None = do(self.read(*words, says=f"look at {kind}/{name}", parse=one, assume=assume))
        return found

    def named(self, do: Do, names: Sequence[str], *, assume: Any = UNKNOWN) -> tuple[Object, ...]:
        """Return those of the objects ``names`` ("deployment/shop") that there are."""
        if not names:
            return ()
        words = ("get", *names, "-o", "json", "--show-managed-fields", "--ignore-not-found")
        says = f"look at {', '.join(names[:4])}{' and others' if len(names) > 4 else ''}"
        found: tuple[Object, ...] = do(self.read(*words, says=says, parse=items, assume=assume))
        return found


def away(output: Output) -> bool:
    """Return whether the API server was not there when kubectl asked, so that nothing was done."""
    return _AWAY.search(output.stderr) is not None


def no_answer(output: Output) -> bool:
    """Return whether it was not there, or did not answer in time: who only reads may ask again."""
    return away(output) or _SILENT.search(output.stderr) is not None


def items(output: Output) -> tuple[Object, ...]:
    """Return the objects of a list, or the one that was asked for; none where kubectl says nothing. Raise ActionError."""
    if not output.stdout.strip():
        return ()
    found = _json(output)
    listed = found.get("items") if found.get("kind", "").endswith("List") else [found]
    if not isinstance(listed, list) or not all(
        isinstance(o, dict) and isinstance(o.get("metadata"), dict) for o in listed
    ):
        raise ActionError("kubectl answered with something that is no list of objects.", state="Nothing was changed.")
    return tuple(listed)


def one(output: Output) -> Object | None:
    """Return the one object that was asked for, None where kubectl says nothing."""
    return next(iter(items(output)), None)


def _json(output: Output) -> Object:
    try:
        found = json.loads(output.stdout)
    except ValueError as error:
        raise ActionError(
            f"kubectl answered with something that is no JSON: {error}.", state="Nothing was changed."
        ) from error
    if not isinstance(found, dict):
        raise ActionError("kubectl answered with something that is no object.", state="Nothing was changed.")
    return found


def name_of(found: Object) -> str:
    """Return the name of an object."""
    return str(found["metadata"].get("name", ""))


def title(found: Object) -> str:
    """Return how people name it: "Deployment/shop"."""
    return f"{found.get('kind', 'object')}/{name_of(found)}"
