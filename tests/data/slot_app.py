"""A version of an application: it says which one it is, and 409 to a POST whose body it was given before."""

import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOT = os.environ["SLOT"]
SEEN, LOCK = set(), threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Instance", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            while True:
                self.wfile.write(f"data: {SLOT}\n\n".encode())
                time.sleep(0.05)
        if self.path == "/slow":
            time.sleep(1)
        self.answer(str(self.headers).encode() if self.path == "/headers" else SLOT.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with LOCK:
            status = 409 if body in SEEN else 200
            SEEN.add(body)
        self.answer(SLOT.encode(), status)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        """Say nothing of clients that go."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
Server(("", 8000), Handler).serve_forever()
