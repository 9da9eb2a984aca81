"""Processes on this machine, in two colours."""

from runwright.platforms.host.driver import SLOTS, Host

__all__ = ["SLOTS", "Host"]
