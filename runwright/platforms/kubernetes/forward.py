"""Lead a port of this machine to pods, for as long as whoever started this lives: `kubectl port-forward`, started again when it ends.

    python -I forward.py TARGET KUBECTL WORDS...    (KUBECTL WORDS port-forward ... deployment/shop-green PORT:TARGET)

It prints the port once it leads there, and ends with its standard input: that is closed with the process that holds it, however
that ends. If it never leads there it prints what kubectl said, and exits with 1. It imports nothing of Runwright.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

COMES_SECONDS = 20.0
PAUSE_SECONDS = 0.2
_child: subprocess.Popen[str] | None = None
_over = threading.Event()


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    _over.set()
    if _child is not None:
        _child.kill()
    os._exit(0)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main(argv: list[str]) -> int:
    """Lead a port there until the standard input ends."""
    global _child
    target, *words = argv
    port, began, told, said = free_port(), time.monotonic(), False, ""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while not _over.is_set():
        argv = [*words, f"{port}:{target}"]
        _child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert _child.stdout is not None
        for line in _child.stdout:
            if line.startswith("Forwarding from") and not told:
                told = True
                _say(str(port))
            elif not line.startswith(("Forwarding from", "Handling connection")):
                said = line.strip()
        _child.wait()
        if not told and time.monotonic() - began > COMES_SECONDS:
            _say(said or "kubectl port-forward ends without a word")
            return 1
        time.sleep(PAUSE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
