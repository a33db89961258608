"""A WSGI server of the standard library's parts, for development: threaded, HTTP/1.1, nothing to install.

The standard library's own (wsgiref) speaks HTTP/1.0, cannot take a chunked body, and shows the environment of its
process to the application. This one keeps connections alive, decodes chunked bodies, sends each item of a body as it
comes, asks for a body (`Expect: 100-continue`) when it is read, and lends its socket, so that the client's leave is
noticed and WebSockets work. It is no server for strangers: what they may hold is bounded by nobody.

Facts
- The socket is lent as Werkzeug lends it, under the same name and with the same ending (a bare ConnectionError out of
  the call of the application): what knows how to serve WebSockets on that server can on this one. Any other is a
  failure, of a database perhaps; that the client has left is told by an exception of this file alone.
- It is lenient to nobody: see `request_head.py`. A body whose framing is broken is the last thing on its connection,
  whatever the application says to it.
- Each connection has a thread, a daemon: a stop waits for requests for a while, not for a client that stays.
- Browsers open connections ahead of need. A stop shuts those on which nothing was asked; the browser asks on another.
- A connection that is closed while something in it is unread takes the answer with it: so it is read to its end, within
  bounds. See: RFC 9112 9.6.
"""

from __future__ import annotations

import contextlib
import io
import re
import select
import socket
import sys
import threading
import time
import traceback
from email.utils import formatdate
from socketserver import StreamRequestHandler
from urllib.parse import unquote_to_bytes

from ...core.log import is_logged
from .request_head import LINE_BYTES, RefusedError, read_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from .request_head import Head

    Headers = list[tuple[str, str]]

_QUIET_S = 60
_DRAIN_BYTES = 65536
_LINGER_S = 1.0
_NO_ROOM_S = 0.1
_LAST_S = 0.05
"""For requests that were on their way when it was told to stop."""
_TRAILER_LINES = 100
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;[\t -~\x80-\xff]*)?")
"""A size, perhaps with extensions, which mean nothing here."""

_WITHOUT_BODY = ("204", "304")


class _ClientLeftError(ConnectionResetError):
    """Say that the client of this server has left, or takes nothing."""


class WSGIServer:
    """Serves an application on a listening socket.

    Args:
        listening: it does not block, as other processes may wait for its connections as well.
        application: any WSGI application.
        keeps_alive: False closes a connection after one answer.

    Attributes:
        should_exit: whether it was told to stop; `ambi.bridge.stopping` looks at this.
    """

    def __init__(self, listening: socket.socket, application: WSGIApplication, *, keeps_alive: bool = True) -> None:
        self.listening = listening
        self.application = application
        self.keeps_alive = keeps_alive
        self.should_exit = False
        self.name, self.port = listening.getsockname()[:2]
        self._woken, self._wakes = socket.socketpair()
        self._connections: set[_Connection] = set()

    def serve(self) -> None:
        """Take connections until it is told to stop."""
        while not self.should_exit:
            ready, _, _ = select.select([self.listening, self._woken], [], [])
            if self.listening in ready and not self.should_exit:
                self._accept()

    def _accept(self) -> None:
        """Take a connection, which gets a thread of its own."""
        try:
            connection, address = self.listening.accept()
        except (BlockingIOError, ConnectionError):  # another process was faster, or the client has left
            return
        except OSError:  # so many files are open that there is no room: the connection waits until there is
            time.sleep(_NO_ROOM_S)
            return
        threading.Thread(target=_Connection, args=(connection, address, self), name="ambi-request", daemon=True).start()

    def handle_exit(self, number: int, frame: object) -> None:
        """Take a signal: stop; at the second one, at once. A method, as `ambi.bridge.stopping` asks it of a server."""
        if self.should_exit:
            raise KeyboardInterrupt
        self.stop()

    def stop(self) -> None:
        """Take no more connections. From any thread, and from the handler of a signal."""
        self.should_exit = True
        self._wakes.send(b".")

    def close(self, grace_s: float) -> None:
        """Let requests end within the time, then shut all connections."""
        until = time.monotonic() + grace_s
        time.sleep(_LAST_S)
        while True:
            open_ones = list(self._connections)
            busy = [one for one in open_ones if one.is_busy]
            is_over = not busy or time.monotonic() >= until
            for one in open_ones if is_over else [one for one in open_ones if not one.is_busy]:
                one.shut()
            if is_over:
                break
            time.sleep(0.02)
        self._woken.close()
        self._wakes.close()

    def add(self, connection: _Connection) -> None:
        """Know of a connection that was opened."""
        self._connections.add(connection)

    def discard(self, connection: _Connection) -> None:
        """Forget one that was closed."""
        self._connections.discard(connection)


class _Connection(StreamRequestHandler):
    """A connection, served by the thread that makes it: request by request, until it is closed."""

    timeout = _QUIET_S
    disable_nagle_algorithm = True
    is_busy = False
    lingers = True
    close_connection = False

    def __init__(self, connection: socket.socket, address: Any, server: WSGIServer) -> None:
        connection.setblocking(True)  # elsewhere than on Linux it is as the listening one
        self.wsgi = server
        server.add(self)
        try:
            super().__init__(connection, address, server)  # type: ignore[arg-type]  # which asks nothing of it
        except OSError:  # the client has left
            pass
        finally:
            server.discard(self)
            self._end(connection)

    def handle(self) -> None:
        """Answer requests as long as they come."""
        while not self.close_connection:
            try:
                head = read_head(self.rfile)
            except RefusedError as exc:
                self._refuse(exc)
                return
            if head is None:
                self.lingers = False
                return
            self.is_busy = True
            try:
                _Exchange(self, head).run()
            finally:
                self.is_busy = False

    def _refuse(self, refused: RefusedError) -> None:
        text = f"{refused}\n".encode()
        head = (
            f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n"
        )
        self.wfile.write(f"{head}Connection: close\r\n\r\n".encode() + text)

    def shut(self) -> None:
        """End the connection, from another thread."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _end(self, connection: socket.socket) -> None:
        """Close it so that the client gets what was sent."""
        with contextlib.suppress(OSError):
            if self.lingers:
                connection.shutdown(socket.SHUT_WR)
                until = time.monotonic() + _LINGER_S
                connection.settimeout(_LINGER_S)
                while time.monotonic() < until and connection.recv(_DRAIN_BYTES):
                    pass
        connection.close()


class _Exchange:
    """A request and its response."""

    def __init__(self, connection: _Connection, head: Head) -> None:
        self._connection = connection
        self._head = head
        self._is_1_1 = head.version == "HTTP/1.1"
        self._status = ""
        self._headers: Headers = []
        self._is_begun = False
        self._is_chunked = False
        self._left: int | None = None
        self.body = _Body(connection.rfile, head, self._ask_for_body)

    def run(self) -> None:
        """Call the application and send what it gives."""
        connection = self._connection
        connection.close_connection = not (self._head.keeps_alive and connection.wsgi.keeps_alive)
        try:
            self._answer()
        except BaseException as exc:  # an exit as well, which would end the thread without a word
            if self._is_let_go(exc):
                connection.close_connection, connection.lingers = True, False
            else:
                if not is_logged(exc):
                    traceback.print_exc(file=sys.stderr)
                self._fail()
        if not connection.close_connection and not self.body.drain(_DRAIN_BYTES):
            connection.close_connection = True

    def _answer(self) -> None:
        result = self._connection.wsgi.application(self._environ(), self._start)
        try:
            for item in result:
                self._write(item)
                if item and self._has_no_body():  # nobody gets the others
                    break
            self._finish()
        finally:
            close: Callable[[], object] | None = getattr(result, "close", None)
            if close is not None:
                close()

    def _is_let_go(self, error: BaseException) -> bool:
        """Tell whether an exception only says that the connection is over."""
        from ...gateways.wsgi_streams import is_cut

        if isinstance(error, _ClientLeftError) or is_cut(error):
            return True
        return type(error) is ConnectionError and any(
            name == "upgrade" and value.lower() == "websocket" for name, value in self._head.fields
        )

    def _fail(self) -> None:
        """Say that the application raised, where that can still be said; else break the connection off."""
        connection = self._connection
        connection.close_connection = True
        if self._is_begun:
            connection.lingers = False
            connection.shut()
            return
        text = b"the application raised an error; the terminal shows it\n"
        self._status = "500 Internal Server Error"
        self._headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        with contextlib.suppress(OSError):
            self._write(text)
            self._finish()

    # --- what the application is given ---

    def _environ(self) -> WSGIEnvironment:
        connection, head = self._connection, self._head
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(head.path).decode("latin-1"),
            "QUERY_STRING": head.query,
            "RAW_URI": head.target,
            "REQUEST_URI": head.target,
            "SERVER_NAME": connection.wsgi.name,
            "SERVER_PORT": str(connection.wsgi.port),
            "SERVER_PROTOCOL": head.version,
            "SERVER_SOFTWARE": "ambi-run",
            "REMOTE_ADDR": connection.client_address[0],
            "REMOTE_PORT": str(connection.client_address[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BufferedReader(self.body, LINE_BYTES),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "werkzeug.socket": connection.connection,
        }
        for name, value in head.fields:
            _add_field(environ, name, value)
        return environ

    def _ask_for_body(self) -> None:
        if self._is_1_1 and not self._is_begun:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _start(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Take status and header fields: `start_response`."""
        if exc_info is not None and self._is_begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and exc_info is None:
            raise RuntimeError("start_response was called twice; a second time it takes exc_info (PEP 3333)")
        self._status, self._headers = status, list(headers)
        return self._write

    # --- what is sent ---

    def _send(self, data: bytes) -> None:
        """Send all of it; a client may take long for that, but not be quiet for long, so it is not `sendall`."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._connection.connection.send(left) :]
        except OSError as exc:
            raise _ClientLeftError("the client has left, or takes nothing") from exc

    def _has_no_body(self) -> bool:
        return bool(self._status) and (self._head.method == "HEAD" or self._status[:3] in _WITHOUT_BODY)

    def _write(self, item: bytes) -> None:
        """Send an item at once, with the head before the first, which may be empty: other servers send it then, too."""
        head = b"" if self._is_begun else self._begin()
        if not item or self._has_no_body():
            item = b""
        elif self._left is not None:
            item = item[: self._left]  # more than was declared would be taken for the next answer
            self._left -= len(item)
        elif self._is_chunked:
            item = b"%x\r\n%b\r\n" % (len(item), item)
        if head or item:
            self._send(head + item)

    def _finish(self) -> None:
        """Send the end of the body."""
        head = b"" if self._is_begun else self._begin()
        end = b"0\r\n\r\n" if self._is_chunked and not self._has_no_body() else b""
        if head or end:
            self._send(head + end)
        if self._left and not self._has_no_body():  # fewer than were declared: the client has to see that
            self._connection.close_connection = True

    def _begin(self) -> bytes:
        """Give the head, and decide how the end of the body is told. See: RFC 9112 6.3."""
        if not self._status:
            raise RuntimeError("the application gave a body before it called start_response (PEP 3333)")
        connection = self._connection
        names = {name.lower(): value for name, value in self._headers}
        length = names.get("content-length", "")
        self._left = int(length) if length.isdecimal() else None
        has_no_end = self._left is None and not self._has_no_body()
        self._is_chunked = has_no_end and self._is_1_1
        if has_no_end and not self._is_1_1:
            connection.close_connection = True
        if self.body.is_left_to_client or self.body.is_broken or connection.wsgi.should_exit:
            connection.close_connection = True
        fields = [f"{name}: {value}" for name, value in self._headers]
        if "date" not in names:
            fields.append(f"Date: {formatdate(usegmt=True)}")
        if self._is_chunked:
            fields.append("Transfer-Encoding: chunked")
        fields.append(f"Connection: {'close' if connection.close_connection else 'keep-alive'}")
        head = "\r\n".join([f"HTTP/1.1 {self._status}", *fields, "\r\n"]).encode("latin-1")
        self._is_begun = True  # not before: a head that cannot be made is answered with another
        return head


def _add_field(environ: WSGIEnvironment, name: str, value: str) -> None:
    """Add a header field; WSGI cannot tell an underscore from a hyphen, so a name with one could stand for another."""
    if "_" in name:
        return
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if key in environ:
        value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    environ[key] = value


class _Body(io.RawIOBase):
    """The body of a request: as many bytes as declared, or chunks. See: RFC 9112 6, 7.1.

    Attributes:
        is_expected: the client waits until it is asked for it.
        is_broken: nobody knows where it ends, so no other request can follow it.
    """

    def __init__(self, stream: io.BufferedIOBase, head: Head, ask: Callable[[], None]) -> None:
        super().__init__()
        self._input = stream
        self._ask = ask
        self._is_chunked = head.is_chunked
        self._left = head.length
        self._is_ended = not self._is_chunked and not self._left
        self._is_fresh = True
        self.is_broken = False
        self.is_expected = head.asks_first

    @property
    def is_left_to_client(self) -> bool:
        """Whether the client was not asked for the body that it waits with: it may send it or not."""
        return self.is_expected and self._is_fresh

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes; 0 at the end.

        Raises:
            OSError: the client left in the midst of it, or nothing came in time.
            ValueError: the framing is broken.
        """
        if self._is_ended:
            return 0
        if self.is_broken:
            raise ValueError("the body of the request was broken before")
        self.is_broken = True  # until this has gone well
        try:
            size = self._read_into(buffer)
        except ConnectionError as exc:
            raise _ClientLeftError(str(exc)) from exc
        self.is_broken = False
        return size

    def _read_into(self, buffer: Any) -> int:
        if self._is_fresh:
            self._is_fresh = False
            if self.is_expected:
                self._ask()
        if self._is_chunked and not self._left and not self._next_chunk():
            return 0
        data = self._input.read1(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        if not data:
            raise ConnectionResetError("the client left before the end of its body")
        if not self._left:
            self._end_part()
        return len(data)

    def _next_chunk(self) -> bool:
        """Read the size of a chunk; False at the end of the body."""
        found = _CHUNK.fullmatch(self._line())
        if found is None:
            raise ValueError("the size of a chunk is no number")
        self._left = int(found[1], 16)
        if self._left:
            return True
        for _ in range(_TRAILER_LINES):
            if not self._line():
                self._is_ended = True
                return False
        raise ValueError("there are too many trailer fields")

    def _end_part(self) -> None:
        if not self._is_chunked:
            self._is_ended = True
        elif self._line():
            raise ValueError("a chunk is longer than its size says")

    def _line(self) -> bytes:
        line = self._input.readline(LINE_BYTES)
        if line.endswith(b"\r\n"):
            return line[:-2]
        if line.endswith(b"\n") or len(line) == LINE_BYTES:
            raise ValueError("a line of it does not end in CRLF")
        raise ConnectionResetError("the client left before the end of its body")

    def drain(self, limit: int) -> bool:
        """Read what is left, within a limit; False where the connection cannot go on after it."""
        if self.is_left_to_client or self.is_broken:
            return False
        with contextlib.suppress(OSError, ValueError):
            buffer = memoryview(bytearray(limit))
            while not self._is_ended and limit > 0:
                limit -= self.readinto(buffer[:limit])
            return self._is_ended
        return False
