"""What a test does wrong, or has from another client's ways, is said or done; it is not sent as something else."""

from typing import Any

import pytest

from ambi import App, Request
from ambi.testing import AsyncClient, Client


@pytest.fixture
def app(app: App) -> App:
    @app.route("/echo", methods=["GET", "POST"])
    def echo(request: Request) -> list[str]:
        return [request.method, request.headers.get("x-token", ""), request.text]

    return app


def test_the_header_fields_of_a_client_have_no_case(client: Client) -> None:
    client.headers["X-Token"] = "a"
    client.headers["x-token"] = "b"
    assert client.get("/echo").json() == ["GET", "b", ""]
    assert (client.headers["X-TOKEN"], list(client.headers), len(client.headers)) == ("b", ["x-token"], 1)
    assert repr(client.headers) == "<ClientHeaders {'x-token': 'b'}>"
    del client.headers["X-Token"]
    assert client.get("/echo").json() == ["GET", "", ""]
    client.headers = {"X-Token": "c"}
    assert client.get("/echo", headers={"x-TOKEN": "d"}).json() == ["GET", "d", ""]


def test_the_url_of_an_answer_can_be_asked_for_again(client: Client) -> None:
    assert client.get(client.get("/echo?a=1").url).url == "http://localhost/echo?a=1"


@pytest.mark.parametrize("content", [bytearray(b"ab"), memoryview(b"ab"), [b"a", b"b"]])
def test_bytes_of_any_kind_are_content(client: Client, content: Any) -> None:
    assert client.post("/echo", content=content).json() == ["POST", "", "ab"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": b"raw"}, "names and values were expected, .* not b'raw'; a body goes to content="),
        ({"data": '{"a": 1}'}, "a body goes to content="),
        ({"params": "a=1"}, "not 'a=1'; .* a query to the URL"),
        ({"content": {"a": 1}}, "content is sent as it is; a dict goes to json= or data="),
        ({"content": "a", "json": 1}, "one body, not content and json"),
        ({"json": 1, "data": {"a": 1}}, "one body, not json and a form"),
        ({"content": "a", "files": {"f": b""}}, "one body, not content and a form"),
        ({"files": {"f": ("a",)}}, "the file 'f' is a tuple of"),
        ({"headers": {"X-Token": None}}, "'X-Token' must be text, not None; leave out"),
        ({"headers": {"X-Token": b"a"}}, "'X-Token' must be text, not b'a'"),
    ],
)
def test_what_is_given_in_the_wrong_place_is_a_type_error(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Client(App()).post("/", **options)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Token": "a\r\nX-B: c"}, "control character"),
        ({"X-Token": "ć"}, "outside latin-1"),
        ({"X Token": "a"}, "'X Token' is no header field name"),
    ],
)
def test_a_field_that_no_client_could_send_is_refused(headers: dict[str, str], said: str) -> None:
    client = Client(App())
    with pytest.raises(ValueError, match=said):
        client.get("/", headers=headers)
    with pytest.raises(ValueError, match=said):
        client.headers.update(headers)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("204 No Content", [])
    return [b""]


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def make_app() -> App:
    return App()


@pytest.mark.filterwarnings("ignore:coroutine 'make_app' was never awaited")
@pytest.mark.parametrize(
    ("app", "gateway", "said"),
    [
        ("shop:app", "asgi", "a factory of one was expected, not 'shop:app'"),
        (lambda: None, "wsgi", "was expected, not None"),
        (make_app, "asgi", "was expected, not <coroutine object make_app"),
        (wsgi, "asgi", "takes the arguments of WSGI: it is tested with gateway='wsgi' alone"),
        (wsgi, "both", "takes the arguments of WSGI"),
        (asgi, "wsgi", "takes the arguments of ASGI: it is tested with gateway='asgi' alone"),
    ],
)
@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_what_is_no_application_of_the_gateway_is_refused_at_once(make: Any, app: Any, gateway: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make(app, gateway)


def test_an_application_whose_gateway_cannot_be_told_is_taken_as_it_is() -> None:
    def either(*args: Any) -> Any:
        return wsgi(*args)

    assert Client(either, "wsgi").get("/").status_code == 204
