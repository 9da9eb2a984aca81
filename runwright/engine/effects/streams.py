"""The standard streams of a child: fed and collected, bounded, without ever blocking on one of them."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from typing import Any

MAX_OUTPUT_BYTES = 32 * 2**20
"""More than any answer that we parse; a program that prints without end must not fill our memory."""
KEPT_BYTES = 2**20
"""Of what nobody parses, the end is kept: that is where a program says why it ended. A change is never ended for what it
prints: a migration would be left half-done."""
_CHUNK = 65536


class Streams:
    """Feeds standard input and collects the two outputs, without ever blocking on one of them.

    last: of standard output, too, only the end is kept, however much there is. keep_open: standard input is, for what is sent later.
    """

    def __init__(self, child: subprocess.Popen[bytes], feed: bytes, *, last: bool, keep_open: bool = False) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.overflow = False
        self._last = last
        self._keep_open = keep_open
        self._stdin = child.stdin
        self._cut: set[int] = set()
        self._feed = memoryview(feed)
        self._selector = selectors.DefaultSelector()
        for stream, sink in ((child.stdout, self.stdout), (child.stderr, self.stderr)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ, sink)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            self._selector.register(child.stdin, selectors.EVENT_WRITE, None)

    def pump(self, seconds: float) -> bool:
        """Move what can be moved within ``seconds``; return whether any stream is still open."""
        if not self._selector.get_map():
            return False
        for ready, _ in self._selector.select(seconds):
            if ready.data is None:
                self._write(ready.fileobj)
            else:
                self._read(ready.fileobj, ready.data)
        return bool(self._selector.get_map())

    def _write(self, stream: Any) -> None:
        try:
            sent = os.write(stream.fileno(), self._feed[:_CHUNK]) if self._feed else 0
        except BlockingIOError:
            return
        except BrokenPipeError:
            sent = len(self._feed)
        self._feed = self._feed[sent:]
        if self._feed:
            return
        if self._keep_open:
            self._selector.unregister(stream)  # it can always be written to: nobody would ever wait for the others
        else:
            self._close(stream)

    def send(self, data: bytes) -> None:
        """Send ``data`` after what was to be sent, and close standard input."""
        self._keep_open = False
        self._feed = memoryview(bytes(self._feed) + data)
        if self._stdin is not None and self._stdin not in [key.fileobj for key in self._selector.get_map().values()]:
            self._selector.register(self._stdin, selectors.EVENT_WRITE, None)

    def _read(self, stream: Any, sink: bytearray) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._close(stream)
        elif self._last or sink is self.stderr:
            sink += data
            if len(sink) > KEPT_BYTES:
                self._cut.add(id(sink))
                del sink[:-KEPT_BYTES]
        elif len(sink) + len(data) > MAX_OUTPUT_BYTES:
            self.overflow = True
        else:
            sink += data

    def kept(self, sink: bytearray) -> bytes:
        """Return what was collected, in whole lines if the beginning was dropped: half a secret is not known as one."""
        if id(sink) not in self._cut:
            return bytes(sink)
        _, ended, rest = bytes(sink).partition(b"\n")
        return rest if ended else bytes(sink[KEPT_BYTES // 2 :])

    def _close(self, stream: Any) -> None:
        self._selector.unregister(stream)
        with contextlib.suppress(BrokenPipeError):
            stream.close()

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.fileobj)
        self._selector.close()
        if self._stdin is not None and not self._stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
