"""What a WSGI application may do that only one of WSGI can, mounted under either gateway. See: PEP 3333."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ambi import App, Middleware, Request
from ambi.testing import Client
from tests.calls import call_wsgi, environ_of
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

TEXT = ("Content-Type", "text/plain")


@pytest.fixture(params=GATEWAYS, ids=lambda cell: cell.gateway if cell.gateway == "wsgi" else cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one way in after the other."""
    found: Cell = request.param
    return found


class Body:
    """An iterable that notes when it is closed."""

    def __init__(self, items: Any, events: list[str]) -> None:
        self._items = iter(items)
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        item = next(self._items)
        if isinstance(item, BaseException):
            raise item
        return bytes(item)

    def close(self) -> None:
        self._events.append("closed")


@pytest.fixture
def events() -> list[str]:
    """Give a list for what happens."""
    return []


def test_start_response_may_come_with_the_first_item(app: App, client: Client) -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [TEXT])
        yield b"a"
        yield b"b"

    app.mount("/guest", application)
    response = client.get("/guest/")
    assert (response.status_code, response.text) == (201, "ab")


def test_start_response_may_not_be_missing(app: App, client: Client, events: list[str]) -> None:
    app.mount("/guest", lambda environ, start_response: Body([b"a"], events))
    assert client.get("/guest/").status_code == 500
    app.mount("/empty", lambda environ, start_response: Body([], events))
    assert client.get("/empty/").status_code == 500
    assert events == ["closed", "closed"]


def test_start_response_may_be_called_again_with_the_error(app: App, client: Client) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])
        try:
            raise ValueError("late")
        except ValueError:
            start_response("503 Service Unavailable", [TEXT, ("x", "1")], sys.exc_info())
        return [b"sorry"]

    app.mount("/guest", application)
    response = client.get("/guest/")
    assert (response.status_code, response.text, response.headers["x"]) == (503, "sorry", "1")


def test_start_response_with_an_error_that_comes_too_late_raises_it(app: App, client: Client) -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"a"
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Internal Server Error", [TEXT], sys.exc_info())
        yield b"b"

    app.mount("/guest", application)
    with pytest.raises(ValueError, match="late"), client.stream("GET", "/guest/") as response:
        response.read()


def test_start_response_may_not_be_called_twice(app: App, client: Client) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])
        start_response("200 OK", [TEXT])
        return []

    app.mount("/guest", application)
    assert client.get("/guest/").status_code == 500


@pytest.mark.parametrize("size", [10, 3 * 1024 * 1024], ids=["small", "large"])
def test_write_comes_before_what_is_returned(app: App, client: Client, size: int) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [TEXT])
        write(b"x" * size)
        write(b"y")
        return [b"z"]

    app.mount("/guest", application)
    assert client.get("/guest/").content == b"x" * size + b"yz"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("length", [True, False])
def test_it_is_closed_once_after_its_answer(
    app: App, client: Client, events: list[str], status: str, method: str, length: bool
) -> None:
    def application(environ: Any, start_response: Any) -> Body:
        is_sent = status == "200 OK"
        headers = [TEXT] * is_sent + [("Content-Length", "2")] * (is_sent and length)
        start_response(status, headers)
        return Body([b"ab"] if is_sent and method == "GET" else [], events)

    app.mount("/guest", application)
    with client.stream(method, "/guest/") as response:
        if client.gateway == "wsgi":
            assert events == []  # the end is the server's to call
        response.read()
    assert events == ["closed"]


@pytest.mark.parametrize("items", [[ValueError("first")], [b"a", ValueError("second")]], ids=["first", "second"])
def test_it_is_closed_once_after_a_failure(app: App, client: Client, events: list[str], items: list[Any]) -> None:
    def application(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [TEXT])
        return Body(items, events)

    app.mount("/guest", application)
    if len(items) == 1:
        assert client.get("/guest/").status_code == 500
    else:
        with pytest.raises(ValueError, match="second"), client.stream("GET", "/guest/") as response:
            response.read()
    assert events == ["closed"]


def test_it_is_closed_when_a_layer_fails_behind_it(app: App, client: Client, events: list[str]) -> None:
    @app.middleware
    def fail(request: Request) -> Middleware:
        yield
        raise ValueError("no")

    def application(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [TEXT])
        return Body([b"a", b"b"], events)

    app.mount("/guest", application)
    assert client.get("/guest/").status_code == 500
    assert events == ["closed"]


def test_a_close_that_fails_is_logged(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Body):
        def close(self) -> None:
            raise ValueError("broken")

    def application(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [TEXT])
        return Broken([b"a"], [])

    app.mount("/guest", application)
    assert client.get("/guest/").text == "a"
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["ERROR"]


@pytest.mark.parametrize(
    ("read", "result"),
    [
        (lambda body: body.read(), b"one\ntwo\nthree"),
        (lambda body: body.read(5), b"one\nt"),
        (lambda body: body.read(100), b"one\ntwo\nthree"),
        (lambda body: body.readline() + b"|" + body.readline(), b"one\n|two\n"),
        (lambda body: b"|".join(body.readlines()), b"one\n|two\n|three"),
        (lambda body: b"|".join(body), b"one\n|two\n|three"),
        (lambda body: body.read(4) + body.read() + body.read(), b"one\ntwo\nthree"),
    ],
    ids=["read", "read few", "read many", "readline", "readlines", "for", "read on"],
)
def test_the_body_is_a_file(make_client: MakeClient, app: App, read: Callable[[Any], bytes], result: bytes) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])
        return [read(environ["wsgi.input"])]

    app.mount("/guest", application, max_body_bytes=100)
    client = make_client(app, judged=False)  # the judge's own body takes fewer forms of these
    assert client.post("/guest/", content=iter([b"one\nt", b"wo\nth", b"ree"])).content == result


def test_the_body_may_be_read_while_the_answer_is_sent(app: App, client: Client) -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"begin "
        while chunk := environ["wsgi.input"].read(4):
            yield chunk.upper() + b"."

    app.mount("/guest", application)
    assert client.post("/guest/", content=b"abcdefgh").text == "begin ABCD.EFGH."


def test_the_environ_of_the_server_is_not_changed() -> None:
    app = App()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        environ["guest"] = "was here"
        start_response("200 OK", [TEXT])
        return [b"ok"]

    app.mount("/guest", application)
    environ = environ_of("/guest/x")
    assert call_wsgi(app, environ)[0] == 200
    assert (environ["PATH_INFO"], environ.get("SCRIPT_NAME", "")) == ("/guest/x", "")
    assert "guest" not in environ


def test_what_the_server_lends_is_passed_on() -> None:
    """Servers differ in what they lend: their socket, a file wrapper."""
    app, seen = App(), []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["gunicorn.socket"])
        start_response("200 OK", [TEXT])
        return [b"ok"]

    app.mount("/guest", application)
    lent = io.BytesIO()
    call_wsgi(app, {**environ_of("/guest/x"), "gunicorn.socket": lent})
    assert seen == [lent]


def test_one_that_took_the_socket_for_a_websocket_lets_go_as_gunicorn_wants_it() -> None:
    app = App()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise StopIteration

    app.mount("/guest", application)
    upgrade = {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade", "SERVER_PROTOCOL": "HTTP/1.1"}
    with pytest.raises(StopIteration):
        app({**environ_of("/guest/x"), **upgrade, "gunicorn.socket": io.BytesIO()}, print)  # type: ignore[arg-type]
    assert call_wsgi(app, environ_of("/guest/x"))[0] == 500
