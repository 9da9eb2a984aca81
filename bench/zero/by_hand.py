"""Two colours by hand, as runbooks write it: a second environment beside the first, and the team's Caddy told by a reload."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree

from bench.shop import call, free_port
from bench.zero.places import APP

CADDYFILE = ":80 {{\n\treverse_proxy web-{colour}:8000 {{\n\t\tflush_interval -1\n\t}}\n}}\n"
_COMPOSE = """services:
  web:
    build: .
    healthcheck:
      test: [CMD, python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
      interval: 1s
      timeout: 3s
      retries: 30
    networks:
      between: {{aliases: [web-{colour}]}}
networks:
  between: {{name: {name}, external: true}}
"""


@dataclass
class ByHand:
    """Two Compose projects, and a Caddy before them."""

    folder: Path
    name: str = field(default_factory=lambda: f"rw-bench-{secrets.token_hex(3)}")
    port: int = field(default_factory=free_port)

    @property
    def _front(self) -> str:
        return f"{self.name}-front"

    def make(self) -> None:
        """Start blue with the first version, and Caddy before it."""
        for colour, version in (("blue", "v1"), ("green", "v2")):
            copytree(APP, self.folder / colour)
            (self.folder / colour / "VERSION").write_text(f"{version}\n")
            (self.folder / colour / "compose.yaml").write_text(_COMPOSE.format(colour=colour, name=self.name))
        call("docker", "network", "create", self.name)
        self.start("blue")
        (self.folder / "caddy").mkdir()
        self._write("blue")
        mount = f"{self.folder / 'caddy'}:/etc/caddy:ro"
        run = ("docker", "run", "-d", "--name", self._front, "--network", self.name, "-v", mount)
        call(*run, "-p", f"127.0.0.1:{self.port}:80", "caddy:2", "caddy", "run", "--config", "/etc/caddy/Caddyfile")

    def start(self, colour: str) -> None:
        """Build and start an environment, and wait until it is healthy."""
        words = ("docker", "compose", "-p", f"{self.name}-{colour}", "up", "-d", "--build", "--wait")
        call(*words, cwd=self.folder / colour)

    def switch(self, colour: str) -> None:
        """Let Caddy send users there."""
        self._write(colour)
        call("docker", "exec", self._front, "caddy", "reload", "--config", "/etc/caddy/Caddyfile")

    def stop(self, colour: str) -> None:
        """Stop an environment."""
        call("docker", "compose", "-p", f"{self.name}-{colour}", "stop", cwd=self.folder / colour)

    def remove(self) -> None:
        """Remove all that was made in Docker."""
        if found := call("docker", "ps", "-aq", "--filter", f"name=^{self.name}-").split():
            call("docker", "rm", "-fv", *found)
        if found := call("docker", "network", "ls", "-q", "--filter", f"name=^{self.name}$").split():
            call("docker", "network", "rm", *found)
        for colour in ("blue", "green"):
            if call("docker", "image", "ls", "-q", f"{self.name}-{colour}-web").strip():
                call("docker", "image", "rm", "-f", "--no-prune", f"{self.name}-{colour}-web")

    def _write(self, colour: str) -> None:
        (self.folder / "caddy" / "Caddyfile").write_text(CADDYFILE.format(colour=colour))
