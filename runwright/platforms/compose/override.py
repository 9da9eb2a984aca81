"""The file that a release adds to the user's own Compose files: images by identity, labels, mounts. No secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


class Replacing(list[Any]):
    """A list that replaces the one of the earlier files instead of adding to it (Compose 2.24.4 or newer)."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(Replacing, lambda dumper, data: dumper.represent_sequence("!override", data))


@dataclass
class ServiceOverride:
    """What a release says about one service. ``None`` and empty values leave the user's file as it is."""

    image: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: list[Any] = field(default_factory=list)
    env_file: list[Any] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)

    def as_yaml(self) -> dict[str, Any]:
        """Return it as Compose reads it."""
        said: dict[str, Any] = {}
        if self.image:
            said |= {"image": self.image, "pull_policy": "never"}
        for name in ("labels", "volumes", "env_file", "depends_on"):
            value = getattr(self, name)
            if value or isinstance(value, Replacing):  # an empty one takes away what the user's file says
                said[name] = value
        return said


def override_file(services: Mapping[str, ServiceOverride], top: Mapping[str, Mapping[str, str]] | None = None) -> bytes:
    """Return the content of an override file. ``top`` gives the files of ``configs`` and ``secrets``, by name."""
    content: dict[str, Any] = {
        "services": {name: said for name, override in services.items() if (said := override.as_yaml())}
    }
    for section, files in (top or {}).items():
        if files:
            content[section] = {name: {"file": file} for name, file in files.items()}
    head = "# Written by Runwright for one release; the files before it are not changed.\n"
    return (head + yaml.dump(_escaped(content), Dumper=_Dumper, sort_keys=True)).encode()


def _escaped(value: Any) -> Any:
    # every value in here is meant as it stands; Compose would replace ${...} in it
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(v) for key, v in value.items()}
    if isinstance(value, Raw):
        return value.value
    if isinstance(value, list | tuple):
        return type(value)(_escaped(v) for v in value)
    return value


@dataclass(frozen=True)
class Raw:
    """A value of the user's own file, whose variables Compose is to replace."""

    value: Any
