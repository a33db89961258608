import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.error_handling import ErrorHandlers, find_handler, find_last_handler, render_error
from ambi.core.errors import ConfigurationError, HTTPError
from ambi.core.request import Request
from tests.core.fakes import make_request

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def rendered(error: HTTPError, accept: str | None = None, **options: Any) -> tuple[int, dict[str, str], bytes]:
    response = render_error(make_request({} if accept is None else {"accept": accept}, **options), error)
    assert isinstance(response.body, bytes)
    return response.status, dict(response.headers), response.body


# --- rendering ---


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/problem+json",
        "image/png",
        "application/json, */*;q=0.1",
        ";;;",
    ],
)
def test_an_error_is_a_problem_document_unless_another_form_is_liked_better(accept: str | None) -> None:
    status, headers, body = rendered(HTTPError(404, "no such user", extensions={"id": 7}), accept)
    assert (status, headers) == (404, {"content-type": "application/problem+json", "vary": "accept"})
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such user",
        "id": 7,
    }


def test_a_browser_gets_a_page() -> None:
    _, headers, body = rendered(HTTPError(404, "no such user"), BROWSER)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert b"<title>404 Not Found</title><h1>404 Not Found</h1><p>no such user</p>" in body


def test_a_terminal_gets_text() -> None:
    _, headers, body = rendered(HTTPError(404, "no such user"), "text/plain")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert body == b"404 Not Found: no such user\n"


@given(st.text(max_size=30))
def test_a_detail_is_never_markup(detail: str) -> None:
    _, _, body = rendered(HTTPError(400, detail, title=detail), "text/html")
    page = body.decode()
    frame = rendered(HTTPError(400, "x" if detail else "", title="x"), "text/html")[2].decode()
    assert (page.count("<"), page.count(">")) == (frame.count("<"), frame.count(">"))


def test_what_looks_like_markup_is_escaped() -> None:
    _, _, body = rendered(HTTPError(400, "<script>&\"'", title="<b>"), "text/html")
    assert b"<h1>400 &lt;b&gt;</h1><p>&lt;script&gt;&amp;&quot;" in body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain"])
def test_a_lone_surrogate_in_a_detail_can_be_sent(accept: str) -> None:
    assert rendered(HTTPError(400, "a\ud800b"), accept)[2]


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain"])
def test_what_one_error_said_is_not_said_by_the_next(accept: str) -> None:
    plain = rendered(HTTPError(410), accept)
    special = [
        rendered(error, accept)[2]
        for error in (
            HTTPError(410, "moved to Mars"), HTTPError(410, title="Away"), HTTPError(410, extensions={"to": "Mars"}),
            HTTPError(410, type="https://shop.example/gone"), HTTPError(410, headers={"x": "1"}),
        )
    ]  # fmt: skip
    assert rendered(HTTPError(410), accept) == plain
    assert special[0] != plain[2]
    assert special[1] != plain[2]
    if accept == "application/json":
        assert json.loads(special[2])["to"] == "Mars"
        assert json.loads(special[3])["type"] == "https://shop.example/gone"
        assert special[4] == plain[2]


def test_header_fields_of_an_error_are_sent_and_vary_stays() -> None:
    _, headers, _ = rendered(HTTPError(406, headers={"Retry-After": "1", "Vary": "accept-language, Accept"}))
    assert headers["retry-after"] == "1"
    assert {part.strip().lower() for part in headers["vary"].split(",")} == {"accept", "accept-language"}


def test_the_codec_of_the_application_writes_the_problem() -> None:
    class Codec:
        def dumps(self, value: Any, /) -> str:
            return "<" + ",".join(value) + ">"

        def loads(self, data: bytes, /) -> Any: ...

    assert rendered(HTTPError(404, "x"), json=Codec())[2] == b"<type,title,status,detail>"


def test_ever_new_accept_headers_take_no_memory() -> None:
    from ambi.core import error_handling

    for number in range(1000):
        rendered(HTTPError(404), f"text/html;q=0.{number % 1000:03}")
        rendered(HTTPError(404), "text/plain," + "x" * 1000 + str(number))
    assert len(error_handling._chosen) <= 256
    assert all(len(accept) <= 512 for accept in error_handling._chosen)


# --- handlers ---


class ShopError(Exception): ...


class EmptyBasket(ShopError, LookupError): ...


class Gone(HTTPError): ...


def handlers(*keys: int | type[BaseException]) -> ErrorHandlers:
    """Make handlers, each of which gives its key."""
    made = ErrorHandlers()
    for key in keys:
        made.add(key, make_handler(key))
    return made


def make_handler(key: int | type[BaseException]) -> Any:
    def handler(request: Any, error: Any) -> Any:
        return key

    return handler


def found(error: Exception, *scopes: ErrorHandlers) -> Any:
    handler = find_handler(scopes, error)
    return None if handler is None else handler.call(make_request(), error)


@pytest.mark.parametrize(
    ("keys", "error", "expected"),
    [
        ((404,), HTTPError(404), 404),
        ((404,), HTTPError(405), None),
        ((404,), KeyError(), None),
        ((404, HTTPError), HTTPError(404), 404),
        ((404, HTTPError), HTTPError(405), HTTPError),
        ((Gone, HTTPError, 404), Gone(410), Gone),
        ((Gone, 410), Gone(410), 410),
        ((KeyError, LookupError), KeyError(), KeyError),
        ((LookupError,), KeyError(), LookupError),
        ((LookupError, ShopError), EmptyBasket(), ShopError),
        ((LookupError,), EmptyBasket(), LookupError),
        ((ValueError,), KeyError(), None),
        ((Exception,), KeyError(), None),
        ((Exception, KeyError), KeyError(), KeyError),
    ],
)
def test_the_handler_is_that_of_the_status_or_of_the_nearest_class(
    keys: tuple[Any, ...], error: Exception, expected: object
) -> None:
    assert found(error, handlers(*keys)) == expected


def test_the_nearest_scope_goes_first() -> None:
    router, app = handlers(LookupError), handlers(KeyError, 404)
    assert found(KeyError(), router, app) is LookupError
    assert found(HTTPError(404), router, app) == 404
    assert found(ValueError(), router, app) is None


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], None), ([(404,)], None), ([(500,)], 500), ([(Exception,)], Exception), ([(500, Exception)], Exception),
        ([(404,), (500,)], 500), ([(Exception,), (500,)], Exception), ([(500,), (Exception,)], 500),
    ],
)  # fmt: skip
def test_what_nothing_handles_goes_to_the_last_handler(scopes: list[tuple[Any, ...]], expected: object) -> None:
    handler = find_last_handler([handlers(*keys) for keys in scopes])
    assert (None if handler is None else handler.call(make_request(), KeyError())) == expected


REQUEST, ERROR = make_request(), KeyError("x")


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda request, error: (request, error), (REQUEST, ERROR)),
        (lambda r, e: (r, e), (REQUEST, ERROR)),
        (lambda request: request, REQUEST),
        (lambda error: error, ERROR),
        (lambda: "nothing", "nothing"),
    ],
)
def test_a_handler_is_given_what_it_takes(function: Any, given: object) -> None:
    made = ErrorHandlers()
    made.add(KeyError, function)
    assert made.by_class[KeyError].call(REQUEST, ERROR) == given


def test_a_handler_is_given_the_request_by_annotation_too() -> None:
    def by_annotation(r: Request) -> object:
        return r

    def by_text(r: "Request") -> object:
        return r

    def unknown(failure: "Elsewhere") -> object:  # type: ignore[name-defined]  # noqa: F821
        return failure

    def only_by_name(request: "Elsewhere") -> object:  # type: ignore[name-defined]  # noqa: F821
        return request

    made = ErrorHandlers()
    for key, function in ((KeyError, by_annotation), (ValueError, by_text), (OSError, unknown), (404, only_by_name)):
        made.add(key, function)
    assert made.by_status[404].call(REQUEST, ERROR) is REQUEST
    assert made.by_class[KeyError].call(REQUEST, ERROR) is REQUEST
    assert made.by_class[ValueError].call(REQUEST, ERROR) is REQUEST
    assert made.by_class[OSError].call(REQUEST, ERROR) is ERROR


def test_the_colour_of_a_handler_is_known() -> None:
    async def handler() -> None: ...

    made = ErrorHandlers()
    made.add(404, handler)
    made.add(405, make_handler(405))
    assert (made.by_status[404].is_async, made.by_status[405].is_async) == (True, False)


@pytest.mark.parametrize(
    "key", [200, 399, 600, 0, -404, KeyError("x"), "404", None, BaseException, KeyboardInterrupt, int, object]
)
def test_a_key_is_an_error_status_or_a_class_of_exceptions(key: Any) -> None:
    function = make_handler(404)
    with pytest.raises(
        ConfigurationError, match=r"takes a status from 400 to 599 or a class of exceptions, not"
    ) as caught:
        ErrorHandlers().add(key, function)
    assert f"({__file__}:{function.__code__.co_firstlineno})" in str(caught.value)


def test_a_key_has_one_handler() -> None:
    made = handlers(404, KeyError)
    for key in (404, KeyError):
        with pytest.raises(ConfigurationError, match="there is a handler for .* already"):
            made.add(key, make_handler(key))


def test_a_handler_takes_two_parameters_at_most() -> None:
    with pytest.raises(ConfigurationError, match=r"takes \(request, error\), or only one of them"):
        ErrorHandlers().add(404, lambda request, error, more: None)
