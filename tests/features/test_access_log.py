"""One line a request, when its answer has been sent, in every cell."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import App, ConfigurationError, File, HTTPError, Middleware, Request, Response, Router, Stream, WebSocket
from ambi.core.ending import Sent
from ambi.features.access_log import LOGGER
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

KEYS = ["time", "client", "method", "path", "status", "bytes", "duration_ms", "complete", "route", "id"]


class Lines(logging.Handler):
    """Keeps the lines and their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields: Any = record
        self.texts.append(record.getMessage())
        self.fields.append(fields.access)

    @property
    def one(self) -> dict[str, Any]:
        """The fields of the only line; none is left."""
        (fields,) = self.fields
        self.fields.clear()
        return fields


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Give what is written on `ambi.access`."""
    handler, level = Lines(), LOGGER.level
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.addHandler(handler)
    yield handler
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_there_is_none_by_default(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.get("/")(cell.handler(lambda: "x"))
    LOGGER.setLevel(logging.INFO)
    client.get("/")
    assert lines.texts == []


def test_a_line_says_what_was_asked_and_answered(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()
    app.get("/users/{id}")(cell.handler(lambda id: ("größe", 201)))
    client.get("/users/7", headers={"x-request-id": "abc"})
    fields = lines.one
    assert list(fields) == KEYS
    assert (fields.pop("time")[10], fields.pop("duration_ms") > 0) == ("T", True)
    assert fields == {
        "client": "127.0.0.1", "method": "GET", "path": "/users/7", "status": 201, "bytes": 7, "complete": True,
        "route": "/users/{id}", "id": "abc",
    }  # fmt: skip
    (text,) = lines.texts
    assert text.startswith("127.0.0.1 GET /users/7 201 7B ")
    assert text.endswith("ms route=/users/{id} id=abc")


def test_a_line_may_be_an_object(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log(json=True)
    client.get("/%0A%E2%80%AE%22", headers={"x-request-id": 'a"b'})
    (text,) = lines.texts
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == lines.one


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/%0Ax", r"/\nx"),
        ("/%1B%5B2J", r"/\x1b[2J"),
        ("/%E2%80%AEx", r"/\u202ex"),
        ("/" + "a" * 2000, "/" + "a" * 1023 + "…"),
        ("/a%20200%20b", "/a 200 b"),
    ],
)
def test_what_a_client_sends_is_quoted(app: App, client: Client, lines: Lines, target: str, shown: str) -> None:
    app.access_log()
    client.get(target)
    assert lines.texts[0].isprintable()
    assert lines.one["path"] == shown


def test_no_client_can_forge_a_field_of_a_line(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    """Fields are split at spaces, and each of ours stands where it always does."""
    app.access_log(query=["page"])
    app.get("/users/{name}")(cell.handler(lambda name: name))
    forged = "7%20500%200B%201.0ms%20route=admin%20id=forged"
    client.get(f"/users/{forged}?page={forged}", headers={"x-request-id": "true"})
    who, method, path, status, size, took, route, name = lines.texts[0].split(" ")
    assert (who, method) == ("127.0.0.1", "GET")
    shown = r"7\x20500\x200B\x201.0ms\x20route=admin\x20id=forged"
    assert path == f"/users/{shown}?page={shown}"
    assert (status, size, took[-2:], route, name) == ("200", "36B", "ms", "route=/users/{name}", "id=true")
    assert lines.one["path"] == f"/users/{shown}?page={shown}".replace(r"\x20", " "), "fields kept apart need no more"


def test_the_address_of_a_client_is_quoted(app: App, make_client: MakeClient, lines: Lines) -> None:
    """A server that believes a proxy may take it from a header field, and look at it no further."""
    app.access_log()
    inner_wsgi, inner_asgi, forged = app.wsgi, app.asgi, "10.0.0.1 GET /admin\n"
    app.wsgi = lambda environ, start_response: inner_wsgi({**environ, "REMOTE_ADDR": forged}, start_response)
    app.asgi = lambda scope, receive, send: inner_asgi({**scope, "client": (forged, 1)}, receive, send)
    make_client(app).get("/a")
    assert lines.texts[0].startswith(r"10.0.0.1\x20GET\x20/admin\n GET /a 404 ")


def test_secrets_of_the_path_are_not_shown(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    router = Router(prefix="/accounts")
    router.get("/reset/{token}/{rest:path}")(cell.handler(lambda token, rest: token))
    router.get("/{id}/pin/{pin}")(cell.handler(lambda id, pin: pin))
    app.include(router)
    app.access_log(secret_params=["token", "pin"])
    assert client.get("/accounts/reset/s3cret/x").text == "s3cret"
    assert lines.one["path"] == "/accounts/reset/{token}/{rest:path}"
    client.get("/accounts/7/pin/1234")
    assert lines.one["path"] == "/accounts/{id}/pin/{pin}"
    assert "s3cret" not in str(lines.texts)


def test_secrets_of_a_mounted_application_are_not_shown(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    inner = App()
    inner.get("/{token}")(cell.handler(lambda token: token))
    inner.get("/at/{id}")(cell.handler(lambda id: id))
    app.mount("/in", inner)
    app.access_log()
    client.get("/in/s3cret")
    assert lines.one["path"] == "/in/{token}"
    client.get("/in/at/7")
    fields = lines.one
    assert (fields["path"], fields["route"]) == ("/in/at/7", "/at/{id}")


@pytest.mark.parametrize(
    ("method", "target", "status", "shown"),
    [
        ("POST", "/reset/s3cret", 405, "/reset/{token}"),
        ("OPTIONS", "/reset/s3cret", 204, "/reset/{token}"),
        ("GET", "/reset/s3cret/", 308, "/reset/{token}"),
        ("POST", "/reset/s3cret/", 404, "/reset/{token}"),
        ("GET", "/folders/s3cret", 308, "/folders/{key}/"),
        ("GET", "/live/s3cret", 426, "/live/{code}"),
        ("POST", "/in/s3cret", 405, "/in/{token}"),
        ("GET", "/in/s3cret/", 308, "/in/{token}"),
        ("POST", "/users/7", 405, "/users/7"),
        ("GET", "/users/7/", 308, "/users/7/"),
        ("GET", "/nothing/7", 404, "/nothing/7"),
    ],
)
def test_a_secret_that_missed_its_route_by_method_or_slash_is_not_shown(
    app: App, client: Client, cell: Cell, lines: Lines, caplog: pytest.LogCaptureFixture,
    method: str, target: str, status: int, shown: str,
) -> None:  # fmt: skip
    inner = App(csrf=False)
    inner.get("/{token}")(cell.handler(lambda token: token))
    app.mount("/in", inner)
    app.get("/reset/{token}")(cell.handler(lambda token: token))
    app.get("/folders/{key}/")(cell.handler(lambda key: key))
    app.get("/users/{id}")(cell.handler(lambda id: id))

    @app.websocket("/live/{code}")
    async def live(ws: WebSocket, code: str) -> None:
        await ws.accept()

    app.access_log()
    caplog.set_level(logging.INFO, "ambi.request")
    assert client.request(method, target).status_code == status
    fields = lines.one
    assert (fields["path"], fields["route"]) == (shown, None)
    assert "s3cret" not in f"{lines.texts} {caplog.text}"


def test_of_the_query_only_what_is_named_is_shown(app: App, client: Client, lines: Lines) -> None:
    app.access_log(query=["page", "sort"])
    client.get("/?token=s3cret&page=2&page=%0A&sort=")
    assert lines.one["path"] == r"/?page=2&page=\n&sort="
    client.get("/?token=s3cret")
    assert lines.one["path"] == "/"
    client.get("/?" + "page=1&" * 1001)
    assert lines.one["path"] == "/"


def test_without_names_nothing_of_the_query_is_shown(app: App, client: Client, lines: Lines) -> None:
    app.access_log()
    client.get("/?token=s3cret")
    assert lines.one["path"] == "/"


@pytest.mark.parametrize(
    ("path", "status"), [("/missing", 404), ("/refused", 403), ("/crash", 500), ("/%FF", 400), ("/posted", 405)]
)
def test_errors_have_lines(app: App, client: Client, cell: Cell, lines: Lines, path: str, status: int) -> None:
    @app.get("/{what}")
    @cell.handler
    def fail(what: str) -> None:
        raise ValueError if what == "crash" else HTTPError(404 if what == "missing" else 403)

    app.post("/posted/x")(cell.handler(lambda: "x"))
    app.access_log()
    answer = client.get("/posted/x" if status == 405 else path)
    fields = lines.one
    assert (fields["status"], fields["bytes"], fields["complete"]) == (status, len(answer.content), True)


def test_the_line_of_a_stream_comes_with_its_last_byte(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()
    gate = threading.Event()
    before: list[int] = []

    def items() -> Iterator[bytes]:
        yield b"abc"
        assert gate.wait(5)
        before.append(len(lines.fields))
        yield b"defg"

    app.get("/")(lambda: Stream(items()))
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"abc"
        time.sleep(0.02)
        gate.set()
        assert b"".join(chunks) == b"defg"
    fields = lines.one
    assert (before, fields["status"], fields["bytes"], fields["complete"]) == ([0], 200, 7, True)
    assert fields["duration_ms"] >= 20


def test_a_stream_that_is_left_is_not_complete(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()

    def items() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    with client.stream("GET", "/") as response:
        next(response.iter_bytes())
    fields = lines.one
    assert (fields["status"], fields["complete"], fields["bytes"] > 0) == (200, False, True)
    assert " incomplete " in lines.texts[0]


def test_a_stream_that_fails_is_not_complete(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()

    def items() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("no more")

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    with pytest.raises(ValueError, match="no more"):
        client.get("/")
    fields = lines.one
    assert (fields["status"], fields["complete"], fields["bytes"]) == (200, False, 1)


def test_a_stream_that_fails_at_once_is_a_500(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()

    def items() -> Iterator[bytes]:
        raise ValueError
        yield b""

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    answer = client.get("/")
    fields = lines.one
    assert (fields["status"], fields["complete"], fields["bytes"]) == (500, True, len(answer.content))


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_file_has_its_size(app: App, client: Client, cell: Cell, lines: Lines, tmp_path: Path, size: int) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * size)
    app.access_log()
    app.get("/")(cell.handler(lambda: File(tmp_path / "a.bin")))
    client.get("/")
    assert (lines.fields[0]["complete"], lines.one["bytes"]) == (True, size)
    client.head("/")
    assert (lines.fields[0]["complete"], lines.one["bytes"]) == (True, 0)


def test_where_there_is_no_body_none_is_counted(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()
    app.get("/")(cell.handler(lambda: "body"))
    app.get("/none")(cell.handler(lambda: None))
    app.get("/streamed")(cell.handler(lambda: Stream(iter(["x"]))))
    for ask, path, status in ((client.head, "/", 200), (client.get, "/none", 204), (client.head, "/streamed", 200)):
        ask(path)
        fields = lines.one
        assert (fields["status"], fields["bytes"], fields["complete"]) == (status, 0, True)


def test_the_line_comes_before_what_runs_after(app: App, client: Client, cell: Cell, lines: Lines) -> None:
    app.access_log()
    seen: list[int] = []

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(lambda: seen.append(len(lines.fields)))
        return str(request.form["a"])

    client.post("/", files={"f": b"x"}, data={"a": "b"})
    assert (seen, lines.one["status"]) == ([1], 200)


def test_the_path_has_the_prefix(app: App, make_client: MakeClient, lines: Lines) -> None:
    app.access_log()
    make_client(app, root_path="/shop").get("/a")
    assert lines.one["path"] == "/shop/a"


def test_a_client_of_which_nothing_is_known_is_none(app: App, make_client: MakeClient, lines: Lines) -> None:
    app.access_log()
    inner_wsgi, inner_asgi = app.wsgi, app.asgi
    app.wsgi = lambda environ, start_response: inner_wsgi({**environ, "REMOTE_ADDR": ""}, start_response)
    app.asgi = lambda scope, receive, send: inner_asgi({**scope, "client": None}, receive, send)
    make_client(app).get("/a")
    assert lines.one["client"] is None
    assert lines.texts[0].startswith("- GET /a 404 ")


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
def test_a_websocket_has_a_line_when_it_is_over(app: App, cell: Cell, lines: Lines) -> None:
    app.access_log()

    @app.websocket("/ws/{room}")
    async def chat(ws: WebSocket, room: str) -> None:
        if room == "no":
            raise HTTPError(403)
        await ws.send("hello")

    client = Client(app, gateway=cell.gateway, backend=cell.backend)  # the judges know HTTP alone
    with client.websocket("/ws/a") as ws:
        assert ws.receive_text() == "hello"
    fields = lines.one
    assert (fields["method"], fields["status"], fields["route"], fields["complete"]) == ("GET", 101, "/ws/{room}", True)
    with pytest.raises(Exception, match="403"), client.websocket("/ws/no"):
        pass
    assert lines.one["status"] == 403


def test_other_handlers_may_say_what_they_make_of_it(app: App, client: Client, cell: Cell) -> None:
    """`Request.on_sent` is what the log is made of."""
    told: list[Sent] = []

    @app.middleware
    def metrics(request: Request) -> Middleware:
        request.on_sent(told.append)
        request.on_sent(lambda sent: 1 / 0)
        request.on_sent(told.append)
        yield

    app.get("/")(cell.handler(lambda: Response(b"abc", 202)))
    assert client.get("/").status_code == 202
    first, second = told
    assert first is second
    assert (first.status, first.body_bytes, first.is_complete) == (202, 3, True)


def test_names_are_given_as_lists(app: App) -> None:
    for options in ({"query": "page"}, {"secret_params": "token"}):
        with pytest.raises(ConfigurationError, match="takes a list, as"):
            app.access_log(**options)  # type: ignore[arg-type]


def test_an_answer_that_the_server_refuses_is_logged_as_not_sent(
    app: App, cell: Cell, lines: Lines, make_client: MakeClient
) -> None:
    app.access_log()
    app.get("/")(cell.handler(lambda: "x"))

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("refused")

    async def refuse_async(message: Any) -> None:
        raise RuntimeError("refused")

    def wsgi(environ: Any, start_response: Any) -> Any:
        return app(environ, refuse)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, refuse_async if scope["type"] == "http" else send)

    client = make_client(wsgi if cell.gateway == "wsgi" else asgi, judged=False)
    with pytest.raises(RuntimeError, match="refused"):
        client.get("/")
    assert lines.one["complete"] is False


def test_where_logging_is_not_configured_it_goes_to_stderr(
    app: App, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LOGGER, "parent", None)  # pytest configures what is above
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "level", logging.NOTSET)
    app.access_log()
    client.get("/one")
    client.get("/two")
    one, two = capsys.readouterr().err.splitlines()
    assert one.startswith("127.0.0.1 GET /one 404 ")
    assert two.startswith("127.0.0.1 GET /two 404 ")


def test_where_logging_is_configured_later_it_goes_there_alone(
    app: App, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LOGGER, "parent", None)
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "level", logging.NOTSET)
    app.access_log()
    client.get("/one")
    handler = Lines()
    LOGGER.addHandler(handler)
    client.get("/two")
    (one,) = capsys.readouterr().err.splitlines()
    assert one.startswith("127.0.0.1 GET /one 404 ")
    assert handler.one["path"] == "/two"


def test_a_level_that_was_set_holds_for_stderr_too(
    app: App, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LOGGER, "parent", None)
    monkeypatch.setattr(LOGGER, "handlers", [])
    level = LOGGER.level
    LOGGER.setLevel(logging.WARNING)  # not by monkeypatch: what is enabled is kept
    try:
        app.access_log()
        client.get("/")
    finally:
        LOGGER.setLevel(level)
    assert capsys.readouterr().err == ""


def test_a_level_that_was_set_stays(app: App, client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOGGER, "level", logging.WARNING)
    app.access_log()
    client.get("/")
    assert (lines.texts, LOGGER.level) == ([], logging.WARNING)
