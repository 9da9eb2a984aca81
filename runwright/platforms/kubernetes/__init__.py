"""Kubernetes: what a kubeconfig's context names, changed by kubectl and by nothing else."""
