"""A WSGI server that serves one request in this thread, and does one thing wrong at its k-th operation."""

import errno
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.faults.app import Kind


class Killed(BaseException):
    """What a server raises in a thread that it ends, as gevent does with its GreenletExit."""


FAULTS: dict[str, tuple[str, Callable[[], BaseException] | None]] = {
    "read raises": ("read", lambda: ConnectionResetError(errno.ECONNRESET, "the connection is gone")),
    "read gives too little": ("read", None),
    "read fails": ("read", lambda: LookupError("a bad chunk")),
    "read times out": ("read", lambda: TimeoutError("nothing came")),
    "read exits": ("read", lambda: SystemExit(1)),
    "read is interrupted": ("read", KeyboardInterrupt),
    "read is killed": ("read", Killed),
    "read closes": ("read", GeneratorExit),
    "start_response fails": ("start", lambda: LookupError("a bug of the server")),
    "start_response raises": ("start", lambda: BrokenPipeError(errno.EPIPE, "the connection is gone")),
    "the iterable is closed": ("item", None),
    "the iterable is closed by another thread": ("item", None),
    "write raises": ("item", lambda: BrokenPipeError(errno.EPIPE, "the connection is gone")),
}
"""The fault -> the operation that is counted for it, and what is raised there."""

LEAVES = ("read exits", "read is interrupted", "read is killed", "read closes", "start_response fails",
          "start_response raises", "write raises")  # fmt: skip
"""Faults that are no matter of the application, which lets them pass."""


class Server:
    """One request as a server serves it.

    Args:
        app: the application.
        kind: of the request.
        visit: who the client says it is.
        fault: one of `FAULTS`, or "" for none.
        at: at which operation, from 0.
        cookie: what the client has been given.

    Attributes:
        counts: how often each operation was done.
        status: of the answer; 0 without one.
        fields: its header fields.
        answer: what the client has got of its body.
    """

    def __init__(self, app: Any, kind: Kind, visit: str, fault: str = "", at: int = 0, *, cookie: str = "") -> None:
        self._app = app
        self._kind = kind
        self._visit = visit
        self._fault = fault
        self._at = at
        self._cookie = cookie
        self._left = kind.body
        self.counts = {"read": 0, "start": 0, "item": 0}
        self.status = 0
        self.fields: list[tuple[str, str]] = []
        self.answer = b""

    def run(self) -> None:
        """Serve the request. Raises what the application does, and what the server itself does wrong."""
        iterable = self._app(self._environ(), self._start_response)
        try:
            for item in iterable:
                if self._strikes("item"):
                    break
                self.answer += item
        finally:
            self._close(iterable)

    def _close(self, iterable: Any) -> None:
        close = getattr(iterable, "close", None)
        if close is None:
            return
        if self._fault != "the iterable is closed by another thread":
            close()
            return
        other = threading.Thread(target=close)
        other.start()
        other.join(10)

    def _strikes(self, operation: str) -> bool:
        """Count an operation; tell whether it is the one that goes wrong. Raises what is to be raised there."""
        count = self.counts[operation]
        self.counts[operation] = count + 1
        wanted, make = FAULTS.get(self._fault, ("", None))
        strikes = wanted == operation and count == self._at
        if strikes and make is not None:
            raise make()
        return strikes

    def _start_response(self, status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._strikes("start")
        self.status, self.fields = int(status[:3]), fields

    def read(self, size: int) -> bytes:
        """Be `wsgi.input`: give a third of the body at most."""
        if self._strikes("read"):
            self._left = b""
        size = min(size, len(self._kind.body) // 3 + 1)
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def _environ(self) -> dict[str, Any]:
        path, _, query = self._kind.path.partition("?")
        return {
            "REQUEST_METHOD": "POST" if self._kind.body else "GET", "SCRIPT_NAME": "", "PATH_INFO": path,
            "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(self._kind.body)), "CONTENT_TYPE": self._kind.type, "HTTP_X_VISIT": self._visit,
            "HTTP_COOKIE": self._cookie, "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": self,
            "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
