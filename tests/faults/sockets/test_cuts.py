"""A connection that ends after each byte of a request and after each part of an answer, with FIN and with RST."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.faults import ALL
from tests.faults.sockets.serving import SERVERS, Serving, serving

AT_ONCE = 8
WAIT_S = 10.0
BODY = (
    b'--cut\r\ncontent-disposition: form-data; name="title"\r\n\r\nof a book\r\n'
    b'--cut\r\ncontent-disposition: form-data; name="f"; filename="f.bin"\r\n\r\n' + b"x" * 60 + b"\r\n--cut--\r\n"
)
FORM = (
    b"POST /form HTTP/1.1\r\nhost: localhost\r\nx-visit: 000000\r\ncontent-type: multipart/form-data; boundary=cut\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n" % len(BODY)
) + BODY
CHUNKED = (
    b"POST /upload HTTP/1.1\r\nhost: localhost\r\nx-visit: 000000\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    b"a\r\n0123456789\r\n14\r\n01234567890123456789\r\n1;x=y\r\n.\r\n0\r\n\r\n"
)
CROSSING = (
    b"POST /crossing HTTP/1.1\r\nhost: localhost\r\nx-visit: 000000\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
) + b"." * 30
REQUESTS = {"form": FORM, "chunked": CHUNKED, "crossing": CROSSING}
ENDINGS = ("FIN", "RST")
REFUSED = (b"400", b"408", b"411", b"413")
"""What a server or we may say to half a request, where there is somebody to hear it."""


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Serving]]:
    """Give one server after the other, with handlers of each colour."""
    folders = [tmp_path_factory.mktemp(colour) for colour in ("def", "async")]
    with serving(request.param, "def", folders[0]) as first, serving(request.param, "async", folders[1]) as second:
        yield [first, second]


def connect(port: int, receive_bytes: int | None = None) -> socket.socket:
    """Connect; with a small buffer, so that a server notices that nobody reads."""
    made = socket.socket()
    if receive_bytes is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.settimeout(WAIT_S)
    made.connect(("127.0.0.1", port))
    return made


def leave(connection: socket.socket, ending: str) -> None:
    """End a connection."""
    if ending == "RST":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


_visits = count()


def named(request: bytes) -> bytes:
    """Give a request a name of its own."""
    return request.replace(b"x-visit: 000000", b"x-visit: %06d" % next(_visits))


def cut(port: int, request: bytes, at: int, ending: str) -> bytes:
    """Send so many bytes, and leave; after a FIN, read what is said to that."""
    request = named(request)
    with connect(port) as connection:
        connection.sendall(request[:at])
        if at == len(request):
            return read_all(connection)
        if ending == "RST":
            if at % 3 == 0:
                time.sleep(0.005)  # some after the server has begun, some before
            leave(connection, ending)
            return b""
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Read to the end."""
    said = b""
    with contextlib.suppress(ConnectionResetError):  # it was closed with bytes unread
        while piece := connection.recv(65536):
            said += piece
    return said


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_cut_after_any_byte_leaves_nothing(served: list[Serving], name: str, ending: str) -> None:
    request = REQUESTS[name]
    step = 1 if ALL or name == "form" else 3
    for each in served:
        assert cut(each.port, request, len(request), "FIN").startswith(b"HTTP/1.1 200")
        with each.nothing_left(), ThreadPoolExecutor(AT_ONCE) as pool:
            places = range(0, len(request), step)
            said = [pool.submit(cut, each.port, request, at, ending) for at in places]
            for at, answer in zip(places, [one.result() for one in said], strict=True):
                assert not answer or answer.split()[1] in REFUSED, (at, answer[:200])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("path", ["/long", "/file", "/events", "/stream", "/wsgi/guest", "/asgi/guest", "/typed?n=1"])
def test_an_answer_that_is_left_after_any_part_leaves_nothing(served: list[Serving], path: str, ending: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-visit: 000000\r\nconnection: close\r\n\r\n".encode()

    def visit(port: int, parts: int) -> None:
        with connect(port, 4096) as connection:
            connection.sendall(named(request))
            for _ in range(parts):
                if not connection.recv(1024):
                    break
            if parts % 4 == 1:  # and stops reading for a while
                time.sleep(0.05)
            leave(connection, ending)

    for each in served:
        visit(each.port, 1)
        with each.nothing_left(), ThreadPoolExecutor(AT_ONCE) as pool:
            for visited in [pool.submit(visit, each.port, parts) for parts in range(20)]:
                visited.result()


def test_connections_that_say_nothing_leave_nothing(served: list[Serving]) -> None:
    for each in served:
        with each.nothing_left():
            for number in range(200 if ALL else 60):
                leave(connect(each.port), ENDINGS[number % 2])
