"""The development server's own WSGI server, on a socket. It has one gateway, so there is no cell."""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ambi.cli.dev.listening import listen
from ambi.cli.dev.wsgi_server import WSGIServer
from ambi.core.log import log_raised
from tests.cli.running import WAIT_S
from tests.core.fakes import make_request

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
    return broken(path, start_response)


def broken(path, start_response):
    """Answer wrongly by path."""
    if path == "/raises":
        raise ValueError("it raises")
    if path == "/logged":
        error = ValueError("it is in the log")
        log_raised(make_request(), error)
        raise error
    if path == "/lets-go":
        raise ConnectionError
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
    if path == "/cut":
        return cut(start_response)
    return plain(start_response, path.encode("latin-1"))


def plain(start_response, body):
    start_response("200 OK", [("Content-Length", str(len(body))), ("Date", "today")])
    return [body]


def cut(start_response):
    start_response("200 OK", [])
    yield b"begun"
    start_response("500 Oh", [], (ValueError, ValueError("after the begin"), None))


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
        (get("/lets-go") + get("/a"), b""),
        (get("/raises") + get("/a"), b"the application raised an error; the terminal shows it\n"),
        (get("/twice"), b"the terminal shows it\n"),
        (get("/never"), b"the terminal shows it\n"),
    ],
)
def test_what_an_application_gives_is_framed_as_it_should(server: WSGIServer, sent: bytes, ending: bytes) -> None:
    got = talk(server, sent)
    assert got.endswith(ending)
    assert bool(got) == bool(ending)


def test_an_error_of_the_application_is_in_the_terminal(server: WSGIServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert talk(server, get("/raises")).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert "ValueError: it raises" in capsys.readouterr().err


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
        (get("/echo", "Content-Length: five", method="POST"), b""),
        (get("/echo"), b""),
    ],
)  # fmt: skip
def test_a_body_is_read_by_its_length_or_by_its_chunks(server: WSGIServer, sent: bytes, body: bytes) -> None:
    got = talk(server, sent + get("/next"))
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n" + body + b"HTTP/1.1 200 OK" in got


@pytest.mark.parametrize(
    "body",
    [b"x\r\nhello\r\n", b"5\r\nhello!\r\n0\r\n\r\n", b"5\r\nhel", b"5", b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"],
)
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
        "X-Fold: a",
        "  b",
    ]
    talk(server, get("/caf%C3%A9%2Fx?q=%20", *fields))
    environ = {**seen, "wsgi.input": io.BytesIO()}
    check_environ(
        {key: value for key, value in environ.items() if value.__class__ in (str, bool, tuple) or key[:5] == "wsgi."}
    )
    assert environ["PATH_INFO"] == "/caf\xc3\xa9/x"
    assert (environ["RAW_URI"], environ["QUERY_STRING"]) == ("/caf%C3%A9%2Fx?q=%20", "q=%20")
    assert (environ["HTTP_X_ONE"], environ["HTTP_COOKIE"], environ["HTTP_X_FOLD"]) == ("1,2", "a=1; b=2", "a b")
    assert (environ["CONTENT_TYPE"], environ["REMOTE_ADDR"]) == ("text/x", "127.0.0.1")
    assert "PATH" not in environ


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 70000, b"414"), (b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/9.1\r\n\r\n", b"505"),
        (get("/", *[f"A{n}: b" for n in range(200)]), b"431"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(server: WSGIServer, sent: bytes, status: bytes) -> None:
    assert status in talk(server, sent, half_close=False).split(b"\r\n")[0]


def test_items_arrive_as_they_are_given(server: WSGIServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/a"))
        assert connection.recv(4096).endswith(b"/a")  # while the connection stays open


def test_a_client_that_leaves_is_no_error(server: WSGIServer, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
        connection.sendall(get("/echo", "Content-Length: 9", method="POST"))
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S):
        pass
    assert talk(server, get("/a")).endswith(b"/a")
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
