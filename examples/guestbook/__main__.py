"""The guestbook on the standard library's server: `python -m examples.guestbook [port]`."""

import sys
from contextlib import suppress
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from .app import app


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
with make_server("127.0.0.1", port, app, ThreadingServer) as server, suppress(KeyboardInterrupt):
    print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C to stop)")
    server.serve_forever()
