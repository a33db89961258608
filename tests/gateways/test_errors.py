"""From an exception to an answer, in every cell: who handles it, what it looks like, what never leaks."""

import json
import logging
import threading
from typing import Any

import pytest

from ambi import App, CallNext, HTTPError, Middleware, Request, Response, Router, Text
from ambi.testing import Client
from tests.calls import call_wsgi
from tests.cells import Cell
from tests.conftest import MakeClient


class Broken(Exception):
    """The application's own."""


class VeryBroken(Broken):
    """A kind of it."""


def raising(cell: Cell, error: BaseException) -> Any:
    """Give a handler in the cell's colour that raises."""

    def handler() -> None:
        raise error

    return cell.handler(handler)


# --- who handles it ---


@pytest.mark.parametrize("other_colour", [False, True], ids=["own colour", "other colour"])
def test_an_error_has_a_handler_of_either_colour(app: App, client: Client, cell: Cell, other_colour: bool) -> None:
    colour = Cell(cell.gateway, cell.backend, "def" if cell.is_async == other_colour else "async")

    @app.error(Broken)
    @colour.handler
    def broken(request: Request, error: Broken) -> Text:
        return Text(f"{request.path} {error}", 418)

    app.get("/x")(raising(cell, Broken("down")))
    response = client.get("/x")
    assert (response.status_code, response.text) == (418, "/x down")


def test_the_nearest_class_handles(app: App, client: Client, cell: Cell) -> None:
    app.error(Broken)(cell.handler(lambda request, error: ("broken", 500)))
    app.error(VeryBroken)(cell.handler(lambda request, error: ("very broken", 500)))
    app.error(LookupError)(cell.handler(lambda request, error: ("lookup", 500)))
    app.get("/1")(raising(cell, Broken()))
    app.get("/2")(raising(cell, VeryBroken()))
    app.get("/3")(raising(cell, KeyError()))
    assert [client.get(path).text for path in ("/1", "/2", "/3")] == ["broken", "very broken", "lookup"]


@pytest.mark.parametrize("again", [True, False], ids=["the same error", "another of the status"])
def test_a_handler_that_raises_what_it_is_for_leaves_it_to_be_rendered(
    app: App, client: Client, cell: Cell, again: bool
) -> None:
    def decline(request: Request, error: HTTPError) -> None:
        raise error if again else HTTPError(400, "more of it")

    @app.middleware
    def layer(request: Request) -> Middleware:
        response = yield
        response.headers["x-seen"] = "yes"

    app.error(400)(cell.handler(decline))
    app.get("/x")(raising(cell, HTTPError(400, "some of it")))
    response = client.get("/x")
    assert (response.status_code, response.headers["x-seen"]) == (400, "yes")
    assert response.json()["detail"] == ("some of it" if again else "more of it")


def test_a_status_comes_before_a_class(app: App, client: Client, cell: Cell) -> None:
    app.error(HTTPError)(cell.handler(lambda request, error: ("class", error.status)))
    app.error(404)(cell.handler(lambda request, error: ("status", error.status)))
    app.get("/404")(raising(cell, HTTPError(404)))
    app.get("/403")(raising(cell, HTTPError(403)))
    answers = [(r.status_code, r.text) for r in map(client.get, ("/404", "/403", "/missing"))]
    assert answers == [(404, "status"), (403, "class"), (404, "status")]


@pytest.mark.parametrize("key", [500, Exception])
def test_a_handler_of_crashes_may_leave_them_to_be_rendered(
    app: App, client: Client, cell: Cell, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(request: Request, error: Exception) -> Text:
        if not request.accepts("text/html"):
            raise HTTPError(503, "come again", headers={"retry-after": "5"})
        return Text("page", 500)

    app.error(key)(cell.handler(crash))
    app.get("/x")(raising(cell, Broken("the cause")))
    assert client.get("/x", headers={"accept": "text/html"}).text == "page"
    response = client.get("/x", headers={"accept": "application/json"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["detail"] == "come again"
    crashes = [record for record in caplog.records if record.exc_info and isinstance(record.exc_info[1], Broken)]
    assert len(crashes) == 2  # one for each request
    assert not [record for record in caplog.records if record.exc_info and isinstance(record.exc_info[1], HTTPError)]


def test_the_nearest_router_handles(app: App, client: Client, cell: Cell) -> None:
    outer, inner = Router(prefix="/outer"), Router(prefix="/inner")
    for router, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        router.error(Broken)(named(cell, name))
    app.error(KeyError)(named(cell, "app"))
    outer.error(ValueError)(named(cell, "outer"))
    for router in (app, outer, inner):
        router.get("/broken")(raising(cell, Broken()))
        router.get("/key")(raising(cell, KeyError()))
        router.get("/value")(raising(cell, ValueError()))
    outer.include(inner)
    app.include(outer)
    found = {path: client.get(path).text for path in (
        "/broken", "/outer/broken", "/outer/inner/broken", "/outer/inner/key", "/outer/inner/value", "/outer/value",
    )}  # fmt: skip
    assert found == {
        "/broken": "app", "/outer/broken": "outer", "/outer/inner/broken": "inner", "/outer/inner/key": "app",
        "/outer/inner/value": "outer", "/outer/value": "outer",
    }  # fmt: skip
    assert client.get("/value").status_code == 500


def named(cell: Cell, name: str) -> Any:
    def handle(request: Request, error: Exception) -> tuple[str, int]:
        return name, 500

    return cell.handler(handle)


@pytest.mark.parametrize(
    "function",
    [
        lambda request, error: f"{request.path} {error}",
        lambda request: request.path,
        lambda error: str(error),
        lambda: "fixed",
    ],
)  # fmt: skip
def test_a_handler_of_errors_takes_what_it_needs(app: App, client: Client, cell: Cell, function: Any) -> None:
    app.error(Broken)(cell.handler(function))
    app.get("/x")(raising(cell, Broken("down")))
    assert client.get("/x").text in ("/x down", "/x", "down", "fixed")


def test_a_plain_value_gets_the_status_of_the_error(app: App, client: Client, cell: Cell) -> None:
    app.error(404)(cell.handler(lambda request, error: {"missing": request.path}))
    app.error(Broken)(cell.handler(lambda request, error: "broken"))
    app.error(ValueError)(cell.handler(lambda request, error: None))
    app.error(KeyError)(cell.handler(lambda request, error: Text("a response has its own")))
    for number, error in enumerate((HTTPError(404), Broken(), ValueError(), KeyError())):
        app.get(f"/{number}")(raising(cell, error))
    answers = [(r.status_code, r.text) for r in (client.get(f"/{n}") for n in range(4))]
    assert answers == [(404, '{"missing":"/0"}'), (500, "broken"), (500, ""), (200, "a response has its own")]


def test_an_error_of_a_middleware_is_handled_too(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def strict(request: Request) -> Middleware:
        if "before" in request.query:
            raise Broken
        yield
        raise Broken

    app.error(Broken)(cell.handler(lambda request, error: ("handled", 418)))
    app.get("/")(cell.handler(lambda: "ok"))
    assert [client.get(path).status_code for path in ("/", "/?before")] == [418, 418]


# --- what it looks like ---


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        (None, "application/problem+json", '{"type":"about:blank","title":"Not Found","status":404,"detail":"no <b>"}'),
        ("*/*", "application/problem+json", '{"type":"about:blank","title":"Not Found","status":404,"detail":"no <b>"}'),
        ("application/json", "application/problem+json", '{"type":"about:blank","title":"Not Found","status":404,"detail":"no <b>"}'),
        ("image/png", "application/problem+json", '{"type":"about:blank","title":"Not Found","status":404,"detail":"no <b>"}'),
        ("text/plain", "text/plain; charset=utf-8", "404 Not Found: no <b>\n"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", None),
    ],
)  # fmt: skip
def test_an_error_is_rendered_as_the_client_likes_it(
    app: App, client: Client, cell: Cell, accept: str | None, content_type: str, body: str | None
) -> None:
    app.get("/")(raising(cell, HTTPError(404, "no <b>")))
    response = client.get("/", headers={"accept": accept} if accept else {})
    assert (response.status_code, response.headers["content-type"], response.headers["vary"]) == (
        404,
        content_type,
        "accept",
    )
    if body is None:
        assert "no &lt;b&gt;" in response.text
        assert "<b>" not in response.text
    else:
        assert response.text == body


def test_a_problem_may_say_more(app: App, client: Client, cell: Cell) -> None:
    error = HTTPError(
        422, "too short", type="https://errors.example/length", title="Wrong length", extensions={"minimum": 8},
        headers={"x-a": "b"},
    )  # fmt: skip
    app.get("/")(raising(cell, error))
    response = client.get("/")
    assert response.json() == {
        "type": "https://errors.example/length", "title": "Wrong length", "status": 422, "detail": "too short", "minimum": 8,
    }  # fmt: skip
    assert response.headers["x-a"] == "b"


def test_an_error_may_be_raised_again_and_again(app: App, client: Client, cell: Cell) -> None:
    """An exception object that is kept must not keep the frames of each request."""
    error = HTTPError(409, "again")
    app.get("/")(raising(cell, error))
    assert [client.get("/").status_code for _ in range(3)] == [409] * 3
    crash = Broken()
    app.get("/crash")(raising(cell, crash))
    assert [client.get("/crash").status_code for _ in range(3)] == [500] * 3
    assert crash.__traceback__ is None


@pytest.mark.parametrize("status", [200, 399, 600])
def test_an_http_error_has_an_error_status(status: int) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ValueError, match="return a Response instead"):
        HTTPError(status)


# --- 500 ---


def test_a_crash_leaks_nothing_and_is_logged_once(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.get("/x")(raising(cell, Broken("the secret")))
    for accept in ("application/json", "text/html", "text/plain"):
        response = client.get("/x?token=secret", headers={"accept": accept})
        assert response.status_code == 500
        for private in ("secret", "Broken", "Traceback", __file__, "raising"):
            assert private not in response.text + str(response.header_lines)
    records = [record for record in caplog.records if record.name == "ambi.error"]
    assert [record.levelname for record in records] == ["ERROR"] * 3
    assert "GET /x crashed in raising.<locals>.handler" in records[0].getMessage()
    assert records[0].exc_info is not None
    assert records[0].exc_info[0] is Broken


def test_a_traceback_shows_the_handler_and_not_the_layers(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    def layer(request: Request) -> Middleware:
        yield

    for _ in range(5):
        app.middleware(layer)
    app.get("/")(raising(cell, Broken()))
    client.get("/")
    (record,) = [record for record in caplog.records if record.name == "ambi.error"]
    text = logging.Formatter().formatException(record.exc_info)  # type: ignore[arg-type]
    assert "raise error" in text
    assert text.count("pipeline.py") <= 2


def test_refusals_are_logged_below_warning(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ambi")
    app.get("/")(raising(cell, HTTPError(403, "not \x1b[31m you")))
    client.get("/")
    client.get("/missing")
    ours = [record for record in caplog.records if record.name.startswith("ambi")]
    assert [record.levelname for record in ours] == ["INFO"]
    assert "\x1b" not in ours[0].getMessage()


@pytest.mark.parametrize("key", [Exception, 500])
def test_a_crash_may_have_a_page_of_its_own(
    app: App, client: Client, cell: Cell, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    @app.middleware
    def transaction(request: Request) -> Middleware:
        try:
            yield
        except Exception as exc:
            seen.append(type(exc))
            raise

    app.error(key)(cell.handler(lambda request, error: f"sorry: {type(error).__name__}"))
    app.get("/")(raising(cell, Broken()))
    response = client.get("/")
    assert (response.status_code, response.text) == (500, "sorry: Broken")
    assert seen == [Broken]
    assert "crashed" in caplog.text


def test_an_error_in_a_handler_of_errors_is_a_500(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(request: Request, error: Exception) -> None:
        raise KeyError("the second")

    for key in (Broken, 404):
        app.error(key)(cell.handler(fails))
    app.get("/")(raising(cell, Broken("the first")))
    assert [client.get(path).status_code for path in ("/", "/missing")] == [500, 500]
    assert "the second" in caplog.text
    assert "the first" in caplog.text  # as the context of the second


def test_an_error_in_the_last_handler_is_the_plain_500(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(request: Request, error: Exception) -> None:
        raise KeyError("the second")

    app.error(Exception)(cell.handler(fails))
    app.get("/")(raising(cell, Broken("the first")))
    response = client.get("/")
    assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
    assert "the first" in caplog.text
    assert "the second" in caplog.text


def test_a_wrong_value_of_a_handler_of_errors_is_a_500(app: App, client: Client, cell: Cell) -> None:
    app.error(Broken)(cell.handler(lambda request, error: object()))
    app.get("/")(raising(cell, Broken()))
    assert client.get("/").status_code == 500


def test_on_response_runs_on_whatever_is_sent(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def cors(request: Request) -> Middleware:
        request.on_response(lambda response: response.headers.update({"access-control-allow-origin": "*"}))
        yield

    app.get("/fine")(cell.handler(lambda: "fine"))
    app.get("/refused")(raising(cell, HTTPError(403)))
    app.get("/crash")(raising(cell, Broken()))
    statuses = []
    for path in ("/fine", "/refused", "/crash", "/missing"):
        response = client.get(path)
        statuses.append(response.status_code)
        assert response.headers["access-control-allow-origin"] == "*", path
    assert statuses == [200, 403, 500, 404]


def test_on_response_is_refused_where_the_response_is_sent_already(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    done = threading.Event()

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Any:
        request.on_response(lambda response: seen.append(response.status))  # a generator runs when it is sent
        yield "x"

    def later(request: Request) -> None:
        request.on_response(lambda response: seen.append(response.status))

    @app.get("/after")
    @cell.handler
    def asks(request: Request) -> str:
        request.after(cell.handler(later), request)
        request.after(done.set)
        return "ok"

    assert client.get("/").status_code == 500
    assert client.get("/after").text == "ok"
    assert done.wait(5)
    assert caplog.text.count("RuntimeError: request.on_response comes too late") == 2
    assert seen == []


def test_on_sent_is_refused_where_the_response_has_been_sent(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []
    done = threading.Event()

    def later(request: Request) -> None:
        request.on_sent(lambda sent: events.append("never"))

    @app.get("/")
    @cell.handler
    def asks(request: Request) -> str:
        if request.query.get("counted"):
            request.on_sent(lambda sent: events.append("sent"))
        request.after(cell.handler(later), request)
        request.after(done.set)
        return "ok"

    for path in ("/", "/?counted=yes"):
        done.clear()
        assert client.get(path).text == "ok"
        assert done.wait(5)
    assert caplog.text.count("RuntimeError: request.on_sent comes too late") == 2
    assert events == ["sent"]


@pytest.mark.parametrize("how", ["bytes", "counted", "form", "after", "stream", "refused", "crashed", "missing"])
def test_what_is_asked_of_a_request_that_is_over_is_refused(app: App, client: Client, cell: Cell, how: str) -> None:
    """Nobody would call it, and nobody would know."""
    kept: list[Request] = []

    @app.middleware
    def keep(request: Request) -> Middleware:
        kept.append(request)
        yield

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> Any:
        if how in ("refused", "crashed"):
            raise HTTPError(403) if how == "refused" else KeyError
        if how == "counted":
            request.on_sent(lambda sent: None)
        if how == "after":
            request.after(lambda: None)
        return iter(()) if how == "stream" else "answered"

    client.post("/none" if how == "missing" else "/", files={"f": b"file"} if how == "form" else None)
    for ask in (kept[0].on_response, kept[0].on_sent, kept[0].after):
        with pytest.raises(RuntimeError, match="comes too late"):
            ask(lambda *args: None)


def test_until_it_is_over_what_may_still_be_called_may_be_asked_for(
    app: App, client: Client, cell: Cell, late: Any
) -> None:
    events: list[str] = []

    @app.middleware
    async def answers(request: Request, call_next: CallNext) -> Response:
        try:
            return await call_next(request)
        except KeyError:
            request.on_response(lambda response: request.on_response(lambda _: events.append("on_response")))
            request.on_sent(lambda sent: request.after(late(events.append), "after"))
            return Text("answered")

    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise KeyError

    assert client.get("/").text == "answered"
    assert events == ["on_response", "after"]


def test_an_error_in_on_response_spoils_nothing(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.on_response(lambda response: 1 / 0)
        request.on_response(lambda response: response.headers.update({"x-second": "ran"}))
        return "fine"

    response = client.get("/")
    assert (response.status_code, response.text, response.headers["x-second"]) == (200, "fine", "ran")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_an_exit_is_not_swallowed(error: BaseException) -> None:
    """WSGI with a `def` alone: an event loop has ideas of its own about these two, and ends with them."""
    from wsgiref.util import setup_testing_defaults

    app = App()
    app.error(Exception)(lambda: "handled")
    app.get("/")(raising(Cell("wsgi", "asyncio", "def"), error))
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with pytest.raises(type(error)):
        call_wsgi(app, environ)


def test_the_request_of_an_error_is_the_one_of_the_handler(app: App, client: Client, cell: Cell) -> None:
    def leave(request: Request) -> None:
        request.state.note = "left by the handler"
        raise Broken

    app.get("/{id:int}")(cell.handler(lambda request, id: leave(request)))
    app.error(Broken)(cell.handler(lambda request, error: f"{request.state.note} {request.path_params}"))
    assert client.get("/7").text == "left by the handler {'id': 7}"


def test_a_response_object_raised_by_mistake_is_a_500(app: App, client: Client, cell: Cell) -> None:
    def mistaken() -> None:
        raise Response(b"")  # type: ignore[misc]

    app.get("/")(cell.handler(mistaken))
    assert client.get("/").status_code == 500


@pytest.mark.parametrize("error", [
    HTTPError(400, headers={"x-a": "b\r\n"}), HTTPError(400, extensions={"a": object()}),
], ids=["headers", "extensions"])  # fmt: skip
def test_an_http_error_that_cannot_be_sent_is_a_500(
    app: App, client: Client, cell: Cell, error: HTTPError, caplog: pytest.LogCaptureFixture
) -> None:
    app.get("/")(raising(cell, error))
    assert client.get("/").status_code == 500
    assert "crashed in" in caplog.text


# --- what one error says is not said to others ---


class NoSuchUser(HTTPError):
    """Says what it says by itself, after it was made."""

    def __init__(self, name: str) -> None:
        super().__init__(404)
        self.detail = f"no user {name}"


class Said(HTTPError):
    """Says it in text alone."""

    def __init__(self, name: str) -> None:
        super().__init__(410)
        self.name = name

    def __str__(self) -> str:
        return f"no user {self.name}"


class Spaced:
    """A codec of an application's own."""

    def dumps(self, value: Any, /) -> str:
        return json.dumps(value, indent=1)

    def loads(self, data: bytes, /) -> Any:
        return json.loads(data)


@pytest.mark.parametrize("kind", [NoSuchUser, Said])
@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain"])
def test_what_an_error_says_is_told_to_nobody_else(
    make_client: MakeClient, cell: Cell, kind: type[HTTPError], accept: str
) -> None:
    """Not to the next client, and not by another application of the process."""
    app, asked = App(), {"accept": accept}

    @app.get("/users/{name}")
    @cell.handler
    def user(name: str) -> None:
        raise kind(name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of the two above

    client, other = make_client(app), make_client(App())
    texts = [client.get(f"/users/{name}", headers=asked).text for name in ("alice", "bob")]
    if kind is NoSuchUser or accept == "text/plain":
        assert [name in text for text in texts for name in ("alice", "bob")] == [True, False, False, True]
    for one in (client, other):
        assert "no user" not in one.get("/nowhere", headers=asked).text


def test_an_error_that_is_changed_after_it_was_made_says_what_it_is_then(app: App, client: Client, cell: Cell) -> None:
    @app.get("/{status:int}")
    @cell.handler
    def handler(status: int) -> None:
        error = HTTPError(404)
        error.status = status
        raise error

    assert [client.get(f"/{status}").json()["status"] for status in (404, 418, 404)] == [404, 418, 404]
    assert client.get("/418").json()["title"] == "Not Found"
    app.get("/teapot")(raising(cell, HTTPError(418)))
    assert client.get("/teapot").json()["title"] == "I'm a Teapot"


def test_each_application_writes_its_errors_by_its_own_codec(make_client: MakeClient) -> None:
    usual, spaced = make_client(App()), make_client(App(json=Spaced()))
    for _ in range(2):
        assert "\n" not in usual.get("/nowhere").text
        assert spaced.get("/nowhere").text.startswith('{\n "type"')
