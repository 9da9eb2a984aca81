"""The same shop in two colours behind the switch: moved from one to the other at once or row by row, and entered for the first
time."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import ClassVar

from examples.make_repository import SHOP, make
from runwright.platforms.compose import Compose
from runwright.routers.caddy import CaddySwitch
from runwright.runbook.routers.caddy import Caddy
from tests.chaos.platforms.compose import ComposeWorld
from tests.chaos.world import Mode, Scene
from tests.fixtures.example import exchanged

MODES: tuple[Mode, ...] = ("fail", "kill-during", "kill-unsettled", "kill-after")
"""Killed before a change is killed after the one before it."""


class ColoursWorld(ComposeWorld):
    """Users are moved by the switch; its files are among those that are put back, so that it is started again on them."""

    strategy: ClassVar[str] = "blue_green"
    modes = MODES
    signals = ("during",)
    elsewhere = ("prepare/", "deploy/backup/", "deploy/migrate", "deploy/dependencies")
    scenes: ClassVar[tuple[Scene, ...]] = ("deploy", "in-run", "warm", "cold")
    switched = "deploy/switch/put"
    not_switched = "break@before:deploy/switch/put"
    sample = frozenset({"kill-unsettled-deploy/switch/put"})

    def runbook(self, text: str) -> str:
        """Return it with two colours, and a router before them."""
        return self.in_colours(super().runbook(text))

    def in_colours(self, text: str) -> str:
        """Return the runbook ``text`` of a shop that is replaced in place, with colours."""
        before = "files: [docker-compose.yml]\n"
        text = exchanged(
            text, before, f"{before}      strategy: {self.strategy}\n      traffic: {{web: {{port: 8000}}}}\n"
        )
        return exchanged(
            text,
            f"    urls:\n      front: {self.front_url()}",
            f"    router: {{kind: caddy}}\n    urls:\n      front: {self.front_url()}",
        )

    def repository(self, dest: Path) -> None:
        """Make a shop with another Compose file."""
        shop = self.root.with_name(f"{self.root.name}-shop")
        shutil.copytree(SHOP, shop)
        file = shop / "base" / "docker-compose.yml"
        file.write_text(self.compose_file(file.read_text()))
        make(dest, shop)

    def compose_file(self, text: str) -> str:
        """Return the shop's Compose file with a healthcheck that costs less than to start Python: it is run all the time."""
        lines = text.splitlines(keepends=True)
        first = next(i for i, line in enumerate(lines) if line == "        - CMD\n")
        assert "urllib" in lines[first + 3], "the healthcheck is another one"
        asked = "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3 | grep -q 200"
        lines[first : first + 4] = [f"        {json.dumps(['CMD', 'bash', '-c', asked])}\n"]
        return "".join(lines)

    def start_again(self) -> None:
        """Put the data back, start the live version in the colour that it was in, and the switch before it."""
        if self._as_started:
            return
        do, compose, live = self._data_again()
        switch = self._switch(compose)
        target = switch.target(do)
        assert target is not None
        compose.start(do, live, target.slot, "again", self.live().id)
        switch.ensure(do, "again")
        compose.replace_others(do, live, "again", self.live().id)
        if not self.container("proxy"):
            compose.start_rest(do, live, "again")
        self._as_started = self._told()

    def _switch(self, compose: Compose) -> CaddySwitch:
        stand = compose.stand()
        assert stand is not None
        return CaddySwitch(Caddy(kind="caddy"), self.root / self.watched / "switch", sys.executable, stand)

    def cool(self) -> None:
        """Remove both colours and what else the release started, and kill the switch, as an accident would."""
        super().cool()
        for one in self._switches():
            self.docker("kill", one)
            self.docker("start", one)

    def _containers(self, *flags: str, kept: bool) -> list[str]:
        """Return the ids of the project's containers; with those that are ``kept``, the switch's too."""
        return [*super()._containers(*flags, kept=kept), *(self._switches(*flags) if kept else ())]

    def _switches(self, *flags: str) -> list[str]:
        return self.docker(
            "ps", "-q", "--no-trunc", *flags, "--filter", f"label=runwright.switch={self.project}"
        ).split()

    def put_right(self, *, empty: bool) -> None:
        """Remove the switch too: what it has mounted is put back by a copy."""
        if (empty or not self._untouched()) and (found := self._switches("-a")):
            with contextlib.suppress(AssertionError):
                self.docker("rm", "--force", *found)
        super().put_right(empty=empty)


class RollingWorld(ColoursWorld):
    """Two containers serve, and are replaced one after the other."""

    strategy: ClassVar[str] = "rolling"
    sample = frozenset({"kill-unsettled-deploy/1/switch/put"})

    def runbook(self, text: str) -> str:
        """Return it without rules about what one page of numbers says: two containers answer there in turn."""
        for rule in ("errors", "latency"):
            at = text.index(f"    - {{id: {rule},")
            text = text[:at] + text[text.index("\n", at) + 1 :]
        return super().runbook(text)

    def compose_file(self, text: str) -> str:
        """Return the shop's Compose file with two containers of what users reach."""
        text = exchanged(text, "web: &app\n", "web: &app\n    deploy: {replicas: 2}\n")
        return super().compose_file(exchanged(text, "    <<: *app\n", "    <<: *app\n    deploy: {replicas: 1}\n"))


class EntersWorld(ColoursWorld):
    """v1.0.0 was released in place, and serves so; v1.1.0 is the first that is released in colours."""

    scenes: ClassVar[tuple[Scene, ...]] = ("deploy",)
    sample = frozenset({"kill-unsettled-deploy/enter/plain"})

    def runbook(self, text: str) -> str:
        """Return it in place, as it is when v1.0.0 is released."""
        return ComposeWorld.runbook(self, text)

    def make(self) -> None:
        """Release v1.0.0 in place, then change the runbook."""
        super().make()
        for root in (self.root, self.base):
            file = root / "examples" / "shop.yaml"
            file.write_text(self.in_colours(file.read_text()))

    def start_again(self) -> None:
        """Start the live version as it was: in no colour."""
        if self._as_started:
            return
        do, compose, live = self._data_again()
        compose.start(do, live, "", "again", self.live().id)
        if not self.container("proxy"):
            compose.start_rest(do, live, "again")
        self._as_started = self._told()
