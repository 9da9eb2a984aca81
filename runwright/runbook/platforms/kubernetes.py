"""A namespace of a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Duration, Model, Name, ServiceName, Text, Words, example
from runwright.runbook.component import InRepository
from runwright.runbook.document import Mistake
from runwright.runbook.nearest import unknown
from runwright.runbook.platforms.rungs import SAYS, Rungs
from runwright.runbook.platforms.rungs import mistakes as rungs_mistakes
from runwright.runbook.platforms.shape import Target
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment
    from runwright.runbook.model import Runbook

ObjectName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"),
    Words("the name of an object in the cluster: lower-case letters, digits, dashes and dots", "a name in the cluster"),
]
Namespace = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    Words("the name of a namespace: lower-case letters, digits and dashes (63 at most)", "a namespace"),
]
Titled = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Za-z0-9]*/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"),
    Words("an object of the manifests as KIND/NAME, such as Job/seed", "KIND/NAME"),
]


class Helm(Model):
    """A chart, rendered by `helm template`: Helm itself never touches the cluster."""

    chart: InRepository = example("charts/shop", "The chart's folder, relative to the repository.")
    release: Name = example("shop", "The name of the release that its templates see.")
    values: list[InRepository] = example(
        ["charts/shop/production.yaml"], "Files of values, relative to the repository; a later one wins.", []
    )


class Manifests(Model):
    """What is applied, as the commit has it: one of the three."""

    kustomize: InRepository | None = example(
        "k8s/overlays/production", "The folder of a kustomization, relative to the repository.", None
    )
    files: list[InRepository] = example(
        ["k8s/base", "k8s/production.yaml"],
        "Files, and folders of files (not what lies deeper), relative to the repository.",
        [],
        apart=True,
    )
    helm: Helm | None = example({"chart": "charts/shop", "release": "shop"}, "A chart.", None, apart=True)


class Exposed(Model):
    """A workload of which two versions run side by side for a while, and the Service by which users reach it."""

    service: ObjectName = example("shop", "The Service whose selector decides who serves.")
    port: Annotated[int, Field(ge=1, le=65535)] | Text | None = example(
        "http", "The Service's port, by number or name, that a candidate is asked at. Default: its first.", None
    )
    urls: list[Name] = example(
        ["api"],
        "The names in `urls` whose requests end at this Service: the new version is asked at a door of its own in their place, before any user reaches it. Default: all of them if `traffic` has one workload, else none.",
        [],
    )


class KubernetesTarget(Target):
    """A namespace of a cluster; each release applies its own manifests, with images by digest."""

    title: ClassVar[str] = "Kubernetes"
    own_jobs: ClassVar[bool] = True

    platform: Literal["kubernetes"]
    context: Text = example(
        "production",
        "The context of the kubeconfig (of the block's secret `kubeconfig`, else the worker's own); never the current one. `in-cluster`: the service account of the worker's pod.",
    )
    namespace: Namespace = example("shop", "The namespace. It must be there.")
    cluster: Text | None = example(
        "5f1c3f0e-8f57-4b8e-9a57-6a1f2f0a4f0e",
        "The cluster's identity (`kubectl get namespace kube-system -o jsonpath={.metadata.uid}`). Default: that of the release before; a context that leads to another cluster is refused.",
        None,
    )
    manifests: Manifests = example({"kustomize": "k8s/overlays/production"}, "What is applied.")
    containers: dict[Name, ObjectName] = example(
        {"api": "app"},
        "Which container of its workloads runs a component's image, by component. Default: the only one; else the one that is named as the component or the workload, or whose image is.",
        {},
    )
    order: list[ServiceName] = example(
        ["api", "worker"], "The order in which workloads are rolled out. Default: as components list them.", []
    )
    leave: list[Titled] = example(
        ["Job/seed"],
        "Objects of the manifests that a release does not apply. A Job is run by `migrate` (name it there as `service`) or left.",
        [],
    )
    ready_timeout: Duration = example("10m", "How long one workload may take until all of its pods are ready.", 600.0)
    strategy: Literal["rolling", "blue_green", "canary"] = example(
        "rolling",
        "How one version gets the users of another. rolling: as each Deployment's own `strategy` says. blue_green: the workloads in `traffic` run twice for a while, as NAME-blue and NAME-green, and their Service's selector moves when the new ones have proven themselves. canary: the same, but a part of the pods behind the Service is new first; it is refused for now, because a Service counts no requests by which that part could be judged.",
        "rolling",
    )
    rungs: Rungs = example([5, 25, 50], SAYS, [], apart=True)
    traffic: dict[ServiceName, Exposed] = example(
        {"api": {"service": "shop"}},
        "The Deployments that get users' requests and may run twice for a while, and their Services.",
        {},
        apart=True,
    )

    def mistakes(self, book: Runbook, place: Environment, path: Path) -> Iterator[Mistake]:
        """Yield what does not fit the components, and what a cluster cannot do."""
        here = (*path, "target")
        services = book.services()
        given = [name for name in ("kustomize", "files", "helm") if getattr(self.manifests, name)]
        if len(given) != 1:
            what = "one of `kustomize`, `files` and `helm` is meant" + (
                f", and there are {' and '.join(given)}." if given else "."
            )
            yield Mistake((*here, "manifests"), what, ("kustomize: k8s/overlays/production",))
        for name in self.containers:
            if name not in book.components:
                what = unknown("component", name, book.components)
                yield Mistake((*here, "containers", name), what, needs=("components",))
        for i, service in enumerate(self.order):
            if service not in services:
                yield Mistake((*here, "order", i), unknown("service", service, services), needs=("components",))
            elif service in self.order[:i]:
                yield Mistake((*here, "order", i), f"`{service}` is in this list already.")
        yield from rungs_mistakes(self.strategy, self.rungs, here)
        yield from self._exposed(services, place, here)
        if place.router is not None:
            what = "on Kubernetes a Service sends users to pods; leave `router` out."
            yield Mistake((*path, "router"), what)
        for name, component in book.components.items():
            if not (component.image or place.registry):
                what = f"the nodes pull {name}'s image from a registry. Name one in `registry`, or the image that CI has built in the component's `image`."
                yield Mistake(path, what, ("registry: {prefix: ghcr.io/acme}",))
            if component.command:
                yield Mistake(("components", name, "command"), "a cluster runs images; leave it out.")

    def _exposed(self, services: Collection[str], place: Environment, here: Path) -> Iterator[Mistake]:
        if self.strategy == "rolling":
            if self.traffic:
                what = "`traffic` is for workloads that run twice for a while, and `strategy: rolling` replaces the pods of one. Leave it out, or say `strategy: blue_green`."
                yield Mistake((*here, "traffic"), what)
            return
        if not self.traffic:
            what = f"`strategy: {self.strategy}` needs `traffic`: the Deployments that get users' requests, and their Services."
            yield Mistake(here, what, ("traffic: {api: {service: shop}}",))
        for service, exposed in self.traffic.items():
            if service not in services:
                yield Mistake((*here, "traffic", service), unknown("service", service, services), needs=("components",))
            for i, name in enumerate(exposed.urls):
                if name not in place.urls:
                    yield Mistake(
                        (*here, "traffic", service, "urls", i), unknown("address", name, place.urls), needs=("urls",)
                    )
