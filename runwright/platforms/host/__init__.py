"""Processes on this machine, in two colours."""

from runwright.platforms.host.driver import SLOTS, Host
from runwright.platforms.host.kind import HostKind

PLATFORM = HostKind()

__all__ = ["PLATFORM", "SLOTS", "Host"]
