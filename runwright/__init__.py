"""Runwright: carries out deployment runbooks, and puts the system back when something fails.

This package knows nothing of Prefect. ``flows``, ``tasks``, ``blocks`` and ``deployments`` are built on it.
"""
