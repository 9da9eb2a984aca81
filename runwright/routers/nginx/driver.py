"""nginx as a router: the included file is replaced, tested, and loaded once; what is loaded, nginx tells itself."""

from __future__ import annotations

import http.client
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from runwright.engine.actions import Command, Do, Output, Read, Wait
from runwright.errors import ActionError, CancelledError, DeadlineError, RefusedError, VerificationError
from runwright.routers import containers
from runwright.routers.base import ASK_SECONDS, POLL_SECONDS
from runwright.routers.nginx import included
from runwright.routers.own import LINES, OwnRouter
from runwright.routers.target import Target
from runwright.runbook.routers.nginx import Nginx
from runwright.traffic import Counted, Stand, Upstream

KEEPS: tuple[int, ...] = (1, 27, 4)
"""The first that can keep idle connections open for a while after a reload."""
RELOAD_SECONDS = 20.0
TIMES = 16
"""How often it is asked in a row: one worker of before among two would be missed once in sixty thousand times."""
_MOST_BYTES = 4096


class NginxRouter(OwnRouter):
    """An nginx that somebody else started. stand: where slots are found if they are containers."""

    def __init__(self, spec: Nginx, token: int | None = None, stand: Stand | None = None) -> None:
        super().__init__(spec, Path(spec.file), token, stand)
        self._spec = spec
        self._inside = spec.file_inside or spec.file
        self._before: bytes | None = None

    # ------------------------------------------------------------------------------------------------------- reading

    def content(self, target: Target) -> bytes:
        """Return the included file."""
        known = included.known(self._text())
        return included.content(self._spec.name, target, known, self._spec.keepalive)

    def _text(self) -> str:
        return self._file.read_text() if self._file.exists() else ""

    def named(self) -> Target | None:
        """Return what the included file says."""
        return included.target(included.in_file(self._text()), self.slots)

    def served(self) -> Target | None:
        """Return what nginx says that it loaded."""
        url = urlsplit(self._spec.told)
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=ASK_SECONDS)
        try:
            connection.request("GET", url.path or "/", headers={"Connection": "close"})
            answer = connection.getresponse()
            text = answer.read(_MOST_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise ActionError(f"nginx does not answer at {self._spec.told} ({type(error).__name__}).") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise ActionError(f"nginx answers {answer.status} at {self._spec.told}.")
        return included.target(text, self.slots)

    def count(self) -> dict[str, Counted]:
        """Not used: it is asked by actions."""
        raise NotImplementedError

    def counted(self, do: Do) -> dict[str, Counted]:  # noqa: ARG002
        """Return nothing: nginx counts no requests by upstream."""
        return {}

    def in_flight(self, do: Do, slot: str) -> int:
        """Return how many connections to ``slot`` are open where nginx runs: one for each request, without `keepalive`."""
        if not self._targets(do, None)[0]:
            raise ActionError("nginx does not answer with what it was told.", next=LINES)
        return do(self._connections(self._addresses(do, [slot])))

    def _addresses(self, do: Do, slots: Sequence[str]) -> list[tuple[str, int]]:
        known = included.known(do(Read(says="read where the slots are", function=self._text, assume="")))
        found = []
        for address in (known[slot] for slot in slots if slot in known):
            host, _, port = address.rpartition(":")
            found += [(one, int(port)) for one in self._resolved(do, host.strip("[]"))]
        return found

    def _resolved(self, do: Do, host: str) -> tuple[str, ...]:
        try:
            return (str(ipaddress.IPv4Address(host)),)
        except ValueError:
            pass
        argv = (*self._where(), "getent", "ahostsv4", host)
        return do(
            Command(
                says=f"see where {host} is for nginx",
                argv=argv,
                ok=frozenset({0, 2}),
                parse=lambda output: tuple(sorted({line.split()[0] for line in output.text.splitlines() if line})),
                assume=(),
            )
        )

    def _connections(self, addresses: list[tuple[str, int]]) -> Command[int]:
        return Command(
            says="count nginx's open connections",
            argv=(*self._where(), "cat", "/proc/net/tcp"),
            parse=lambda output: included.connections(output.text, addresses),
            assume=0,
        )

    # ------------------------------------------------------------------------------------------------------ changing

    def _where(self) -> tuple[str, ...]:
        return ("docker", "exec", self._spec.container) if self._spec.container is not None else ()

    def require(self, do: Do) -> None:
        """Raise RefusedError if it does not tell what it was told, or cannot see the file."""
        if self._spec.container is not None:
            containers.require_folder(do, self._spec.container, self._inside, self._file)
        loaded: Command[str] = Command(
            says="see what nginx's configuration has",
            argv=(*self._where(), *self._spec.command, "-T"),
            parse=lambda output: output.text,
            assume=self._inside,
        )
        if f"# configuration file {self._inside}:" not in (text := do(loaded)) and text != self._inside:
            raise RefusedError(
                f"nginx's configuration does not include {self._inside}.", state="Nothing was changed.", next=LINES
            )
        if not self._targets(do, None)[0]:
            raise RefusedError(
                f"nginx does not answer at {self._spec.told} with what it was told.",
                state="Nothing was changed.",
                next=LINES,
            )

    def await_ready(self, do: Do, target: Target) -> None:  # noqa: ARG002
        """Keep what the file says, to put it back if nginx does not take the new one."""
        self._before = do(Read(says="keep what nginx includes now", function=lambda: self._text().encode(), assume=b""))

    def tell(self, do: Do, target: Target, key: str) -> None:
        """Let nginx test and load the file, once, and wait until it tells so."""
        if self._targets(do, None)[1] == target:
            return
        try:
            do(
                Command(
                    argv=(*self._where(), *self._spec.command, "-t"),
                    says="let nginx test its configuration",
                    key=f"{key}/test",
                )
            )
        except CancelledError:
            raise
        except ActionError as error:
            raise self._refused(do, error, key) from error
        says = f"let nginx load it{self._cost(do)}"
        do(Command(argv=(*self._where(), *self._spec.command, "-s", "reload"), says=says, key=f"{key}/reload"))

        def agreed() -> Target | None:
            """What all tell that could answer: for a moment the workers of before take connections as well."""
            found = {self.served() for _ in range(TIMES)}
            return found.pop() if len(found) == 1 else None

        told: Read[Target | None] = Read(says="see what nginx was told", function=agreed, asks=True, assume=target)
        wait = Wait(
            read=told,
            until=lambda found: found == target,
            every_seconds=POLL_SECONDS,
            deadline_seconds=RELOAD_SECONDS,
            says="wait until nginx has loaded it",
            assume=target,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise VerificationError(
                f"nginx was reloaded and does not tell what {self._file} says: what it sees there is another text, or its log says why it went on with the old one.",
                state="It serves what it did; both versions still run.",
                next=f"Compare {self._file} with {self._inside} where nginx runs, and look at nginx's error log.",
            ) from error

    def _refused(self, do: Do, error: ActionError, key: str) -> ActionError:
        """Put the former text back, so that nginx can be started again, and return what to say."""
        put_back = "It cannot be started again as the file is."
        if self._before:
            do(self._write(self._file, self._before, says="put back what nginx included before", key=f"{key}/put-back"))
            put_back = "The file is what it was before."
        return ActionError(
            f"nginx does not take {self._file}: {error.what}",
            state=f"It serves what it did. {put_back}",
            next=error.next,
        )

    def _cost(self, do: Do) -> str:
        """Return what a reload costs with this version and configuration, as a remark; "" if nothing."""

        def version(output: Output) -> tuple[int, ...]:
            found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", output.stderr.decode("utf-8", "replace"))
            return tuple(int(part) for part in found.groups()) if found else ()

        asked = do(
            Command(
                says="ask nginx's version",
                argv=(*self._where(), *self._spec.command, "-v"),
                parse=version,
                assume=KEEPS,
            )
        )
        if asked < KEEPS:
            return " (idle kept connections are closed: a request that is just being sent on one can be lost; nginx 1.27.4 has `keepalive_min_timeout` for that)"
        has = Command(
            says="see whether nginx keeps idle connections",
            argv=(*self._where(), *self._spec.command, "-T"),
            parse=lambda output: "keepalive_min_timeout" in output.text,
            assume=True,
        )
        return "" if do(has) else " (idle kept connections are closed: set `keepalive_min_timeout 10s`)"

    def _drain(self, do: Do, to: Upstream) -> int:
        open_there = self._connections(self._addresses(do, [slot for slot in self.slots if slot != to.slot]))
        wait = Wait(
            read=open_there,
            until=lambda found: not found,
            every_seconds=POLL_SECONDS,
            deadline_seconds=self.drain_seconds,
            says=f"wait until nothing is in flight but on {to.slot}",
            assume=0,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError:
            return do(open_there)
        return 0
