"""What of a pod is not as it was rendered: images, variables, commands, configuration; and who may have changed it on the way.

That a Deployment was applied proves little: what it had besides stays, and a mutating webhook changes each pod after that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runwright.engine.actions import Do
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, one
from runwright.platforms.kubernetes.pods import image_of, reference_of, statuses
from runwright.platforms.kubernetes.reading import at, containers, listed, number
from runwright.platforms.kubernetes.selectors import webhooks_of_pods
from runwright.plural import few
from runwright.variables import says_secret, secrets_in


@dataclass(frozen=True)
class Compared:
    """What of a pod is not as it was rendered, as phrases. differs: it is not what is to run. told: worth a word, and right.

    No value of a variable whose name says that it is secret is in them; others may be.
    """

    differs: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def compared(
    pod: Object,
    rendered: Object,
    wanted: Mapping[str, Collection[str]],
    template: Object | None = None,
    webhooks: Sequence[str] | None = (),
) -> Compared:
    """Return what of ``pod`` is not as the template ``rendered`` (with ``spec``) has it.

    wanted: {container: digests that are its image}; without an entry the digest in the rendered reference counts, and where that is
    a tag, the reference itself. template: the workload's, as it is in the cluster: what a pod has besides, and that has not, was
    added on the way and is only told. webhooks: who may have changed it on the way, named where something differs; None: we may not
    read that.
    Containers that were not rendered are none of ours.
    """
    differs: list[str] = []
    told: list[str] = []
    specs = {str(c.get("name")): c for c in containers(pod)}
    in_cluster = {str(c.get("name")): c for c in containers(template or {})}
    ours = [str(c.get("name")) for c in containers(rendered)]
    for meant in containers(rendered):
        name = str(meant.get("name"))
        spec = specs.get(name)
        if spec is None:
            differs.append(f"has no container {name}")
            continue
        for found, into in _of_image(pod, meant, wanted.get(name, ()), webhooks):
            (differs if into else told).append(found)
        differs += _of_words(name, meant, spec)
        known = in_cluster.get(name, spec)
        for found, into in _of_environment(name, meant, spec, known if template else None):
            (differs if into else told).append(found)
    differs += _of_configuration(rendered, pod)
    if added := [name for name in specs if name not in ours]:
        told.append(f"has {few(added)} besides, which {'was' if len(added) == 1 else 'were'} added on the way")
    return Compared(tuple(differs), tuple(told))


def _of_image(
    pod: Object, meant: Object, wanted: Collection[str], webhooks: Sequence[str] | None
) -> Iterable[tuple[str, bool]]:
    """Yield (phrase, whether it differs).

    A node may know one image by two digests (the same layers, pushed again with another manifest), and then names either of them: so
    what a pod was made with counts, if it is right and was not changed since. The repository that a node names says nothing.
    """
    name = str(meant.get("name"))
    spec = next(c for c in containers(pod) if c.get("name") == name)
    status = statuses(pod).get(name, {})
    reference, asked = reference_of(str(meant.get("image"))), reference_of(str(spec.get("image")))
    runs, content = image_of(status.get("imageID")), image_of(status.get("image"))
    right = {wanted} if isinstance(wanted, str) else set(wanted)
    right = right or ({reference.digest} if reference.digest else set())
    released = few(sorted(right))
    if not right:
        if spec.get("image") != meant.get("image"):
            changed, image = _on_the_way(webhooks), str(spec.get("image"))
            mirror = image.rpartition("/")[2] == str(meant.get("image")).rpartition("/")[2]
            yield f"{name} is of the image {image}, rendered was {meant.get('image')}; {changed}", not mirror
        return
    if asked.digest in right:
        if runs.digest and runs.digest not in right and content.digest not in right and not runs.of_config:
            if number(pod, "metadata", "generation") > 1:
                yield (
                    f"{name} runs {runs.digest}, released was {released}; its spec was changed after it was made",
                    True,
                )
            else:
                yield f"{name} is named {runs.digest} by its node: the same image under two digests", False
        if _full(asked.repository) != _full(reference.repository):
            says = f"{name} runs the released digest under another name, {asked.repository} for {reference.repository}"
            yield says, False
    elif runs.digest in right or content.digest in right:
        if asked != reference:
            yield f"{name} runs the released digest as {spec.get('image')}, rendered was {meant.get('image')}", False
    elif runs.digest:
        yield f"{name} runs {runs.digest}, released was {released}; {_on_the_way(webhooks)}", True
    else:
        yield f"{name} is to run {spec.get('image')}, released was {released}; {_on_the_way(webhooks)}", True


def _on_the_way(webhooks: Sequence[str] | None) -> str:
    changed = "its spec was changed on the way"
    if webhooks is None:
        return f"{changed} (perhaps by a mutating webhook: we may not read which there are)"
    if webhooks:
        verb = "selects" if len(webhooks) == 1 else "select"
        return f"{changed} (a mutating webhook: {few(webhooks)} {verb} this namespace)"
    return changed


def _full(repository: str) -> str:
    """Return the name of a repository in full: "postgres" is docker.io/library/postgres."""
    first, slash, _ = repository.partition("/")
    if not slash:
        return f"docker.io/library/{repository}"
    if "." not in first and ":" not in first and first != "localhost":
        return f"docker.io/{repository}"
    return repository.replace("index.docker.io/", "docker.io/", 1)


def _of_words(name: str, meant: Object, spec: Object) -> Iterable[str]:
    for field in ("command", "args"):
        was, has = listed(meant, field), listed(spec, field)
        if was != has:
            yield f"{name} has other {field} than rendered"


def _of_environment(name: str, meant: Object, spec: Object, known: Object | None) -> Iterable[tuple[str, bool]]:
    was, has = _variables(meant), _variables(spec)
    in_cluster = _variables(known) if known else has
    for variable, value in was.items():
        if variable not in has:
            yield f"{name} lacks {variable}, which was rendered", True
        elif not _covers(value, has[variable]):
            yield f"{name} has {_shown(variable, has[variable])}, rendered was {_shown(variable, value)}", True
    for variable in has.keys() - was.keys():
        by_hand = variable in in_cluster
        why = "which was not rendered" if by_hand else "which was added on the way"
        yield f"{name} has {_shown(variable, has[variable])}, {why}", by_hand
    if len(listed(meant, "envFrom")) != len(listed(spec, "envFrom")) or not all(
        _covers(a, b) for a, b in zip(listed(meant, "envFrom"), listed(spec, "envFrom"), strict=False)
    ):
        sources = few(sorted(_sources(spec))) or "nothing"
        yield (
            f"{name} takes its variables from {sources}, rendered was {few(sorted(_sources(meant))) or 'nothing'}",
            True,
        )


def _variables(spec: Object) -> dict[str, Any]:
    """Return {name: value, or where it is from}. Of two of a name the last one counts."""
    return {str(v.get("name")): v.get("valueFrom") or str(v.get("value") or "") for v in listed(spec, "env")}


def _shown(name: str, value: Any) -> str:
    if isinstance(value, str):
        hidden = says_secret(name) or any(secrets_in([(name, value)]))
        return name if hidden else f"{name}={value}"
    return f"{name} from {_from(value)}"


def _from(value: Object) -> str:
    for kind, what in value.items():
        if isinstance(what, dict):
            return f"{kind.removesuffix('Ref').removesuffix('Key')} " + " ".join(
                str(what[field]) for field in ("name", "key", "fieldPath", "resource") if what.get(field)
            )
    return "elsewhere"


def _sources(spec: Object) -> set[str]:
    return {_from({k: v for k, v in one.items() if k.endswith("Ref")}) for one in listed(spec, "envFrom")}


def _covers(meant: Any, found: Any) -> bool:
    """Return whether ``found`` has all that is ``meant``; the API server adds what is usual."""
    if isinstance(meant, dict):
        return isinstance(found, dict) and all(_covers(v, found.get(k)) for k, v in meant.items())
    return bool(meant == found) or (not meant and not found)


def _of_configuration(rendered: Object, pod: Object) -> Iterable[str]:
    """Yield which volumes of configuration are not those that were rendered."""
    there = {str(v.get("name")): v for v in listed(pod, "spec", "volumes")}
    for meant in listed(rendered, "spec", "volumes"):
        name, found = str(meant.get("name")), there.get(str(meant.get("name")), {})
        for kind, field in (("configMap", "name"), ("secret", "secretName")):
            was, has = at(meant, kind, field), at(found, kind, field)
            if was and was != has:
                yield f"the volume {name} is of {kind} {has or 'nothing'}, rendered was {was}"


# --------------------------------------------------------------------------------------------------- who changes pods


def mutating(do: Do, kubectl: Kubectl, pod: Object) -> tuple[str, ...] | None:
    """Return the mutating webhooks that are asked when a pod like ``pod`` is made here; None if we may not read them.

    Asked only when something differs: it needs a right for the whole cluster that a release does not need.
    """
    words = ("get", "mutatingwebhookconfigurations", "-o", "json")
    try:
        read = kubectl.read(*words, says="look which webhooks change pods", parse=items, assume=())
        found: tuple[Object, ...] = do(read)
    except ActionError:
        return None
    return webhooks_of_pods(found, _namespace(do, kubectl), pod)


def _namespace(do: Do, kubectl: Kubectl) -> Object:
    words = ("get", "namespace", kubectl.namespace, "-o", "json")
    try:
        found: Object | None = do(kubectl.read(*words, says="look at the namespace", parse=one, assume=None))
    except ActionError:
        found = None
    return found or {"metadata": {"name": kubectl.namespace}}
