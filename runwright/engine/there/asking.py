"""A shell there that stays, for the many short questions: each costs one way there and back, and no session of its own."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import selectors
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Final

from runwright.engine.effects.environment import child_environment

_READY: Final = b"RUNWRIGHT is listening\n"
SHELL: Final = r"""
newline='
'
echo "RUNWRIGHT is listening"
while :; do
    request=
    while IFS= read -r line && [ "$line" != "$1" ]; do request=$request$line$newline; done
    [ "$line" = "$1" ] || exit 0
    { ( eval "$request" ); printf '\0%s' "$?"; } </dev/null 2>/dev/null | base64 | tr -d '\n'
    echo
done
"""
"""Does what it is told in a shell of its own, and answers with one line: what that printed and its exit code, in base64."""


class Silent(Exception):
    """It did not answer: the connection was cut, or it took too long. What was asked may have been done."""


class Asking:
    """One such shell, for one question at a time. started: returns the words that start it with the line that ends a question."""

    def __init__(self, started: Callable[[str], tuple[str, ...]], seconds: float) -> None:
        self._end = f"RUNWRIGHT {secrets.token_hex(16)}"
        self.busy = threading.Lock()
        self._child = subprocess.Popen(
            started(self._end),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment({}),
            start_new_session=True,
        )
        self._rest = b""
        try:
            while self._line(time.monotonic() + seconds) != _READY:
                pass  # what the user's own profile prints
        except BaseException:
            self.close()
            raise

    def ask(self, script: str, words: tuple[str, ...], seconds: float) -> tuple[int, bytes]:
        """Return the exit code and the output of ``script`` with ``words`` as its arguments. Raise Silent; then it is of no use
        any more."""
        told = f"set -- {shlex.join(words)}\n{script}\n{self._end}\n"
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(told.encode("utf-8", "surrogateescape"))
            self._child.stdin.flush()
            said = base64.b64decode(self._line(time.monotonic() + seconds), validate=False)
            output, _, code = said.rpartition(b"\0")
            return int(code), output
        except BaseException as error:
            self.close()  # an answer that comes later would be taken for that to another question
            if isinstance(error, (OSError, ValueError, binascii.Error)):
                raise Silent from error
            raise

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _line(self, until: float) -> bytes:
        assert self._child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            pieces = [self._rest]
            while b"\n" not in pieces[-1]:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise Silent
                piece = os.read(self._child.stdout.fileno(), 1 << 20)
                if not piece:
                    raise Silent
                pieces.append(piece)
        line, end, self._rest = b"".join(pieces).partition(b"\n")
        return line + end
