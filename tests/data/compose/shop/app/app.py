"""A tiny service: `serve` answers /healthz and tells its version and configuration, `jobs` only runs."""

import http.server
import json
import os
import pathlib
import signal
import sys
import time

VERSION = pathlib.Path("/srv/VERSION").read_text().strip()


def facts():
    config = pathlib.Path("/etc/shop/app.json")
    return {
        "version": VERSION,
        "greeting": json.loads(config.read_text())["greeting"] if config.exists() else None,
        "secret": os.environ.get("SHOP_SECRET", ""),
        "uploads": sorted(os.listdir("/srv/uploads")) if os.path.isdir("/srv/uploads") else [],
    }


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(facts()).encode())

    def log_message(self, *args):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if VERSION == "broken":
    sys.exit("this version cannot start")
if sys.argv[1] == "facts":
    print(json.dumps(facts()))
elif sys.argv[1] == "serve":
    http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
else:
    while True:
        time.sleep(0.1)
