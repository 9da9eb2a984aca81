"""Kubernetes: what a kubeconfig's context names, changed by kubectl and by nothing else."""

from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.platforms.kubernetes.kind import KubernetesKind

PLATFORM = KubernetesKind()

__all__ = ["PLATFORM", "Kubernetes"]
