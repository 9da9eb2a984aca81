"""A Docker Compose application whose own services are replaced in place; everything else in its file stays up."""

from runwright.platforms.compose.driver import Compose

__all__ = ["Compose"]
