"""Docker Compose on this machine."""

from runwright.platforms.compose.driver import Compose
from runwright.platforms.compose.kind import ComposeKind

PLATFORM = ComposeKind()

__all__ = ["PLATFORM", "Compose"]
