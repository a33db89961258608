"""The development server's own WSGI server, on a socket. It has one gateway, so there is no cell."""

import contextlib
import errno
import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ambi.cli.dev.listening import listen
from ambi.cli.dev.wsgi_server import WSGIServer, _Connection
from ambi.core.log import log_raised
from ambi.gateways.wsgi_streams import StreamCut
from tests.cli.running import WAIT_S
from tests.core.fakes import make_request

LARGE_BYTES = 12_000_000
"""More than the system takes of an answer that nobody reads."""

seen: dict[str, Any] = {}


def application(environ, start_response):
    """Answer by path."""
    path = environ["PATH_INFO"]
    seen.clear()
    seen.update(environ)
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/lines":
        body = b"|".join(environ["wsgi.input"])
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/slow":
        time.sleep(0.3)
        return plain(start_response, b"slow")
    if path == "/items":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"one", b"", b"two"])
    if path == "/late":
        start_response("200 OK", [])
        return late(environ["wsgi.input"])
    if path == "/none":
        start_response("204 No Content", [])
        return iter([b"never"])
    if path == "/write":
        write = start_response("200 OK", [])
        write(b"written")
        return []
    if path == "/again":
        start_response("200 OK", [])
        start_response("500 Oh", [], (ValueError, ValueError("x"), None))
        return [b"again"]
    if path == "/forgives":
        return plain(start_response, f"{failing_read(environ)} {failing_read(environ)}".encode())
    return broken(path, start_response)


def failing_read(environ):
    try:
        environ["wsgi.input"].read()
    except Exception as exc:
        return type(exc).__name__
    return "none"


def late(body):
    yield b""
    yield body.read()


RAISED: dict[str, tuple[type[BaseException], str]] = {
    "/raises": (ValueError, "it raises"),
    "/lets-go": (ConnectionError, ""),
    "/no-base": (ConnectionRefusedError, "the base is away"),
    "/exits": (SystemExit, "it exits"),
}


def broken(path, start_response):
    """Answer wrongly by path."""
    if path in RAISED:
        kind, said = RAISED[path]
        raise kind(said)
    if path == "/logged":
        error = ValueError("it is in the log")
        log_raised(make_request(), error)
        raise error
    if path == "/field":
        start_response("200 OK", [("X-Price", "5 \N{EURO SIGN}")])
        return [b"never"]
    if path == "/twice":
        start_response("200 OK", [])
        start_response("200 OK", [])
    if path == "/never":
        return [b"no status"]
    if path == "/too-long":
        start_response("200 OK", [("Content-Length", "3")])
        return [b"12345"]
    if path == "/too-short":
        start_response("200 OK", [("Content-Length", "9")])
        return [b"12345"]
    if path == "/large":
        return plain(start_response, b"x" * LARGE_BYTES)
    if path == "/cut":
        return cut(start_response)
    if path in RAISED_LATE:
        return failing(start_response, RAISED_LATE[path])
    return plain(start_response, path.encode("latin-1"))


def plain(start_response, body):
    start_response("200 OK", [("Content-Length", str(len(body))), ("Date", "today")])
    return [body]


def cut(start_response):
    start_response("200 OK", [])
    yield b"begun"
    start_response("500 Oh", [], (ValueError, ValueError("after the begin"), None))


RAISED_LATE: dict[str, type[OSError]] = {"/stops": StreamCut, "/base-left": ConnectionResetError}


def failing(start_response, kind):
    start_response("200 OK", [])
    yield b"begun"
    raise kind(errno.ECONNRESET, "it is cut")


@pytest.fixture
def server() -> Iterator[WSGIServer]:
    with running() as server:
        yield server


@contextlib.contextmanager
def running(**options: bool) -> Iterator[WSGIServer]:
    listening = listen("127.0.0.1", 0)
    server = WSGIServer(listening, application, **options)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        if not server.should_exit:
            server.stop()
        thread.join(WAIT_S)
        server.close(0)
        listening.close()


def talk(server: WSGIServer, sent: bytes, *, half_close: bool = True) -> bytes:
    """Send, say that nothing more comes, and read to the end."""
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            got += more
    return got


def get(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields, "\r\n"]
    return "\r\n".join(lines).encode("latin-1")


UPGRADE = ("Connection: Upgrade", "Upgrade: WebSocket")


def test_requests_follow_each_other_on_a_connection(server: WSGIServer) -> None:
    got = talk(server, get("/a") + get("/items") + get("/b", "Connection: close") + get("/c"))
    first, second, third = got.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first == b"Content-Length: 2\r\nDate: today\r\nConnection: keep-alive\r\n\r\n/a"
    assert second.endswith(
        b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    )
    assert third.endswith(b"Connection: close\r\n\r\n/b")


def test_an_old_client_gets_the_end_of_the_connection(server: WSGIServer) -> None:
    got = talk(server, get("/items", "Connection: keep-alive", version="1.0"))
    assert got.endswith(b"Connection: close\r\n\r\nonetwo")
    assert b"Connection: keep-alive\r\n\r\n/a" in talk(server, get("/a", "Connection: keep-alive", version="1.0"))


@pytest.mark.parametrize(
    ("sent", "ending"),
    [
        (get("/items", method="HEAD"), b"GMT\r\nConnection: keep-alive\r\n\r\n"),
        (get("/a", method="HEAD"), b"Content-Length: 2\r\nDate: today\r\nConnection: keep-alive\r\n\r\n"),
        (get("/none"), b"GMT\r\nConnection: keep-alive\r\n\r\n"),
        (get("/write"), b"7\r\nwritten\r\n0\r\n\r\n"),
        (get("/again"), b"5\r\nagain\r\n0\r\n\r\n"),
        (get("/too-long"), b"\r\n\r\n123"),
        (get("/too-short") + get("/a"), b"\r\n\r\n12345"),
        (get("/cut") + get("/a"), b"5\r\nbegun\r\n"),
        (get("/stops") + get("/a"), b"5\r\nbegun\r\n"),
        (get("/base-left") + get("/a"), b"5\r\nbegun\r\n"),
        (get("/lets-go", *UPGRADE) + get("/a"), b""),
        (get("/lets-go") + get("/a"), b"the terminal shows it\n"),
        (get("/raises") + get("/a"), b"the application raised an error; the terminal shows it\n"),
        (get("/twice"), b"the terminal shows it\n"),
        (get("/never"), b"the terminal shows it\n"),
    ],
)
def test_what_an_application_gives_is_framed_as_it_should(server: WSGIServer, sent: bytes, ending: bytes) -> None:
    got = talk(server, sent)
    assert got.endswith(ending)
    assert bool(got) == bool(ending)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (get("/raises"), "ValueError: it raises"),
        (get("/exits"), "SystemExit: it exits"),
        (get("/no-base"), "ConnectionRefusedError: the base is away"),
        (get("/no-base", *UPGRADE), "ConnectionRefusedError: the base is away"),
        (get("/field"), "UnicodeEncodeError: "),
    ],
)
def test_an_error_of_the_application_is_in_the_terminal(
    server: WSGIServer, sent: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got = talk(server, sent)
    assert got.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"Transfer-Encoding" not in got
    assert got.endswith(b"\r\n\r\nthe application raised an error; the terminal shows it\n")
    assert said in capsys.readouterr().err


def test_an_error_after_the_begin_is_in_the_terminal_unless_the_server_is_asked_to_cut(
    server: WSGIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    talk(server, get("/base-left"))
    assert "ConnectionResetError: [Errno " in capsys.readouterr().err
    talk(server, get("/stops"))
    talk(server, get("/lets-go", *UPGRADE))
    assert capsys.readouterr().err == ""


def test_an_error_that_is_in_the_log_is_not_in_the_terminal_as_well(
    server: WSGIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert talk(server, get("/logged")).startswith(b"HTTP/1.1 500 ")
    assert "it is in the log" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (get("/echo", "Content-Length: 5", method="POST") + b"hello", b"hello"),
        (get("/lines", "Content-Length: 5", method="POST") + b"a\nb\nc", b"a\n|b\n|c"),
        (get("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n", b"hello world"),
        (b"\r\n" + get("/echo", "Content-Length: 0", method="POST"), b""),
        (get("/echo"), b""),
    ],
)  # fmt: skip
def test_a_body_is_read_by_its_length_or_by_its_chunks(server: WSGIServer, sent: bytes, body: bytes) -> None:
    got = talk(server, sent + get("/next"))
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n" + body + b"HTTP/1.1 200 OK" in got


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\nhello\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5;\r\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"A" * 70000 + b"\r\n\r\n", b"5\r\nhello!\r\n0\r\n\r\n", b"5\r\nhel", b"5", b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    ],
)  # fmt: skip
def test_a_body_whose_framing_is_broken_ends_the_connection(server: WSGIServer, body: bytes) -> None:
    got = talk(server, get("/echo", "Transfer-Encoding: chunked", method="POST") + body + get("/next"))
    assert b"/next" not in got
    assert b" 200 " not in got
    unread = talk(server, get("/a", "Transfer-Encoding: chunked", method="POST") + body + get("/next"))
    assert unread.count(b"HTTP/1.1") == 1


def test_a_body_that_is_short_is_no_whole_one(server: WSGIServer) -> None:
    assert b"200" not in talk(server, get("/echo", "Content-Length: 9", method="POST") + b"short")


@pytest.mark.parametrize(("size", "answers"), [(1000, 2), (1_000_000, 1)])
def test_a_body_that_nobody_reads_is_read_up_to_a_limit(server: WSGIServer, size: int, answers: int) -> None:
    sent = get("/a", f"Content-Length: {size}", method="POST") + b"x" * size + get("/b")
    got = talk(server, sent)
    assert got.count(b"HTTP/1.1 200 OK") == answers
    assert got.startswith(b"HTTP/1.1 200 OK")  # and not a reset that takes it away


def test_a_client_that_asks_before_it_sends_its_body_is_told_when_it_is_read(server: WSGIServer) -> None:
    asking = get("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST")
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(asking)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(b"\r\n\r\nhello")
    got = talk(server, asking.replace(b"/echo", b"/other"))
    assert b"100 Continue" not in got
    assert b"Connection: close" in got


def test_the_environ_is_what_pep_3333_asks_for(server: WSGIServer) -> None:
    from wsgiref.validate import check_environ  # type: ignore[attr-defined]

    fields = [
        "X-One: 1",
        "X-One: 2",
        "Cookie: a=1",
        "Cookie: b=2",
        "X_One: spoofed",
        "Content-Type: text/x",
    ]
    talk(server, get("/caf%C3%A9%2Fx?q=%20", *fields))
    environ = {**seen, "wsgi.input": io.BytesIO()}
    check_environ(
        {key: value for key, value in environ.items() if value.__class__ in (str, bool, tuple) or key[:5] == "wsgi."}
    )
    assert environ["PATH_INFO"] == "/caf\xc3\xa9/x"
    assert (environ["RAW_URI"], environ["QUERY_STRING"]) == ("/caf%C3%A9%2Fx?q=%20", "q=%20")
    assert (environ["HTTP_X_ONE"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert (environ["CONTENT_TYPE"], environ["REMOTE_ADDR"]) == ("text/x", "127.0.0.1")
    assert "PATH" not in environ


NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 70000, b"414"), (b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/9.1\r\n\r\n", b"505"),
        (get("/", *[f"A{n}: b" for n in range(200)]), b"431"), (get("/", "A: " + "b" * 70000), b"431"),
        (get("/", *[f"A: {'b' * 60000}" for n in range(3)]), b"431"), (b"GET /\r\n", b"400"), (b"\r\n" * 9, b"400"),
        (b"\x16\x03\x01\x02\n", b"400"), (b"GET / http/1.1\r\n\r\n", b"400"), (b"GET\t/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: a\n\n", b"400"), (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"), (get("/", "Host: b"), b"400"), (get("/", "no field"), b"400"),
        (get("/", "A: b", " c"), b"400"), (get("/", "A : b"), b"400"), (get("/", "A: b\rC: d"), b"400"),
        (get("/", "A: b\0"), b"400"), (get("/", ": b"), b"400"), (get("path"), b"400"), (get("/a#b"), b"400"),
        (get("*"), b"400"), (get("a:1", method="CONNECT"), b"400"), (get("http://elsewhere/a"), b"400"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(server: WSGIServer, sent: bytes, status: bytes) -> None:
    got = talk(server, sent + NEXT, half_close=False)
    assert STATUS.findall(got) == [status]
    assert b"\r\nConnection: close\r\n" in got


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (("Content-Length: five",), b"400"), (("Content-Length: +5",), b"400"), (("Content-Length:",), b"400"),
        (("Content-Length: 0", "Content-Length: 5"), b"400"), (("Content-Length: 5, 5",), b"400"),
        ((f"Content-Length: {'9' * 5000}",), b"400"), (("Content-Length : 5",), b"400"),
        (("Content-Length: 5", "Transfer-Encoding: chunked"), b"400"), (("Transfer-Encoding: gzip",), b"501"),
        (("Transfer-Encoding: xchunked",), b"501"), (("Transfer-Encoding: chunked, chunked",), b"501"),
        (("Transfer-Encoding:",), b"501"), (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), b"501"),
    ],
)  # fmt: skip
def test_no_body_is_taken_for_the_next_request(server: WSGIServer, fields: tuple[str, ...], status: bytes) -> None:
    assert STATUS.findall(talk(server, get("/a", *fields, method="POST") + NEXT)) == [status]


def test_an_old_client_sends_no_chunks(server: WSGIServer) -> None:
    sent = get("/a", "Transfer-Encoding: chunked", method="POST", version="1.0") + b"0\r\n\r\n"
    assert talk(server, sent).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("options", ["close", "keep-alive, Close", "close,x"])
def test_a_client_that_wants_no_more_is_let_go(server: WSGIServer, options: str) -> None:
    got = talk(server, get("/a", f"Connection: {options}") + NEXT, half_close=False)
    assert got.endswith(b"Connection: close\r\n\r\n/a")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://LOCALHOST/a%20b?c", "/a b", "c"), ("http://localhost?c", "/", "c"), ("https://localhost", "/", ""),
        ("//localhost/a", "//localhost/a", ""), ("/a?b?c", "/a", "b?c"), ("/http://x/", "/http://x/", ""),
    ],
)  # fmt: skip
def test_a_target_has_one_path(server: WSGIServer, target: str, path: str, query: str) -> None:
    talk(server, get(target))
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["RAW_URI"]) == (path, query, target)


def test_an_application_that_answers_to_a_broken_body_does_not_get_its_rest(server: WSGIServer) -> None:
    got = talk(server, get("/forgives", "Transfer-Encoding: chunked", method="POST") + b"x\r\n" + NEXT)
    assert got.count(b"HTTP/1.1 ") == 1
    assert got.endswith(b"Connection: close\r\n\r\nValueError ValueError")


def test_items_arrive_as_they_are_given(server: WSGIServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/a"))
        assert connection.recv(4096).endswith(b"/a")  # while the connection stays open


def test_the_head_arrives_before_the_first_item_that_is_not_empty(server: WSGIServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/late", "Content-Length: 5"))
        assert connection.recv(4096).endswith(b"Connection: keep-alive\r\n\r\n")
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"5\r\nhello\r\n0\r\n\r\n"


def test_a_client_that_leaves_is_no_error(server: WSGIServer, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/echo", "Content-Length: 9", method="POST"))
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S):
        pass
    assert talk(server, get("/a")).endswith(b"/a")
    assert capsys.readouterr().err == ""


def test_a_large_answer_may_take_longer_than_a_client_may_be_quiet(
    server: WSGIServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Connection, "timeout", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/large", "Connection: close"))
        got = 0
        while more := connection.recv(500_000):
            got += len(more)
            time.sleep(0.04)
    assert got > LARGE_BYTES
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(get("/large"))
        time.sleep(0.8)
        assert len(read_all(connection)) < LARGE_BYTES
    assert capsys.readouterr().err == ""


def test_a_stop_lets_requests_end_and_shuts_what_is_idle() -> None:
    with running() as server, socket.create_connection(("127.0.0.1", server.port), WAIT_S) as idle:
        idle.sendall(get("/a"))
        assert idle.recv(4096)
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as busy:
            busy.sendall(get("/slow"))
            time.sleep(0.1)
            server.handle_exit(15, None)
            with pytest.raises(KeyboardInterrupt):
                server.handle_exit(2, None)
            server.close(5)
            assert read_all(busy).endswith(b"Connection: close\r\n\r\nslow")
        assert idle.recv(4096) == b""


def test_a_stop_does_not_wait_for_longer_than_it_was_told() -> None:
    with running() as server, socket.create_connection(("127.0.0.1", server.port), WAIT_S) as busy:
        busy.sendall(get("/slow"))
        time.sleep(0.1)
        server.stop()
        server.close(0)
        assert read_all(busy) == b""


def test_a_server_may_close_each_connection() -> None:
    with running(keeps_alive=False) as server:
        got = talk(server, get("/a") + get("/b"))
    assert got.endswith(b"Connection: close\r\n\r\n/a")


class NoRoom:
    """A listening socket of a process that has too many files open, a few times."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.accepts = 0

    def accept(self) -> Any:
        self.accepts += 1
        if self.accepts < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        if self.accepts == 3:
            raise BlockingIOError
        return self._listening.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


def test_a_connection_waits_while_there_is_no_room_for_it(server: WSGIServer) -> None:
    no_room: Any = NoRoom(server.listening)
    server.listening = no_room
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S):  # for which it still waits at the other
        assert talk(server, get("/a")).endswith(b"/a")
    assert 4 <= no_room.accepts < 8
