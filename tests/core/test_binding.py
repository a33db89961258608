"""From a handler's signature to one call, decided when it is registered.

Annotations are text here, as `from __future__ import annotations` makes them in most applications.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from ambi.core.binding import bind, is_async, is_async_generator, is_generator, parameters_of
from ambi.core.body import BodyStream
from ambi.core.errors import ConfigurationError, HTTPError
from ambi.core.request import Request
from tests.core.fakes import FakeBody, make_request, run


def call(function: Callable[..., Any], path_names: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> Any:
    """Call a handler through its binding."""
    bound = bind(function, parameters_of(function, {}), path_names).call
    request = make_request()
    request._values = values
    return bound(request)


def nothing() -> str:
    return "nothing"


def only_request(request: Request) -> Any:
    return request.method


def request_by_annotation(r: Request) -> Any:
    return r.method


def request_by_name(request) -> Any:
    return request.method


def request_annotated(r: Annotated[Request, "the request"]) -> Any:
    return r.method


def values_in_order(a: int, b: str) -> Any:
    return [a, b]


def values_turned_around(b: str, a: int) -> Any:
    return [a, b]


def one_value_of_two(b: str) -> Any:
    return [b]


def request_first(request: Request, a: int, b: str) -> Any:
    return [request.method, a, b]


def request_between(a: int, request: Request, b: str) -> Any:
    return [a, request.method, b]


def request_last(a: int, b: str, request: Request) -> Any:
    return [a, b, request.method]


def request_twice(r: Request, a: int, request: Request) -> Any:
    return [r is request, a]


def only_keywords(*, b: str, request: Request, a: int) -> Any:
    return [a, b, request.method]


def some_keywords(a: int, /, request: Request, *, b: str) -> Any:
    return [a, b, request.method]


def defaults(a: int = 7, b: str = "x") -> Any:
    return [a, b]


def a_path_parameter_named_request(request: str, r: Request) -> Any:
    return [request, r.method]


class Service:
    def method(self, a: int, request: Request) -> Any:
        return [a, request.method]

    @classmethod
    def of_the_class(cls, a: int) -> Any:
        return [a]

    @staticmethod
    def of_nothing(a: int) -> Any:
        return [a]

    def __call__(self, request: Request, b: str) -> Any:
        return [request.method, b]


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def with_a_database(db: object, a: int, request: Request) -> Any:
    return [db, a, request.method]


TWO = (("a", "b"), (1, "2"))


@pytest.mark.parametrize(
    ("function", "bound", "result"),
    [
        (nothing, ((), ()), "nothing"),
        (nothing, TWO, "nothing"),
        (only_request, ((), ()), "GET"),
        (only_request, TWO, "GET"),
        (request_by_annotation, ((), ()), "GET"),
        (request_by_name, ((), ()), "GET"),
        (request_annotated, ((), ()), "GET"),
        (values_in_order, TWO, [1, "2"]),
        (values_turned_around, TWO, [1, "2"]),
        (one_value_of_two, TWO, ["2"]),
        (request_first, TWO, ["GET", 1, "2"]),
        (request_between, TWO, [1, "GET", "2"]),
        (request_last, TWO, [1, "2", "GET"]),
        (request_twice, TWO, [True, 1]),
        (only_keywords, TWO, [1, "2", "GET"]),
        (some_keywords, TWO, [1, "2", "GET"]),
        (defaults, TWO, [1, "2"]),
        (a_path_parameter_named_request, (("request",), ("x",)), ["x", "GET"]),
        (Service().method, TWO, [1, "GET"]),
        (Service.of_the_class, TWO, [1]),
        (Service.of_nothing, TWO, [1]),
        (Service(), TWO, ["GET", "2"]),
        (logged(request_between), TWO, [1, "GET", "2"]),
        (logged(Service().method), TWO, [1, "GET"]),
        (functools.partial(with_a_database, "db"), TWO, ["db", 1, "GET"]),
        (functools.partial(functools.partial(with_a_database, "db"), 5), TWO, ["db", 5, "GET"]),
        (functools.partial(logged(with_a_database), "db"), TWO, ["db", 1, "GET"]),
        (lambda: "lambda", ((), ()), "lambda"),
        (lambda b, a: [b, a], TWO, ["2", 1]),
    ],
)
def test_a_handler_is_given_what_it_asks_for(
    function: Callable[..., Any], bound: tuple[tuple[str, ...], tuple[Any, ...]], result: object
) -> None:
    assert call(function, *bound) == result


def stream_and_id(id: int, stream: BodyStream) -> Any:
    return id, stream


def test_a_handler_that_streams_the_body_is_known_as_such() -> None:
    bound, streams = bind(stream_and_id, parameters_of(stream_and_id, {}), ["id"])[:2]
    assert streams
    request = make_request(body=FakeBody(b"ab", b"c"))
    request._values = (7,)
    given, stream = bound(request)
    assert (given, list(stream)) == (7, [b"ab", b"c"])
    assert not bind(nothing, {}, [])[1]


def test_a_body_is_streamed_once() -> None:
    def handler(one: BodyStream, other: BodyStream) -> None: ...

    with pytest.raises(ConfigurationError, match="two BodyStreams; a body can be streamed once"):
        bind(handler, parameters_of(handler, {}), [])


def test_a_stream_of_a_request_without_a_body_is_empty() -> None:
    _, stream = call(stream_and_id, ("id",), (7,))

    async def read() -> list[bytes]:
        return [chunk async for chunk in stream]

    assert list(stream) == []
    assert run(read()) == []


def test_a_streamed_body_is_held_to_the_limit() -> None:
    bound = bind(stream_and_id, parameters_of(stream_and_id, {}), ["id"]).call
    request = make_request(body=FakeBody(b"x" * 10, declared=17 * 1024 * 1024))
    request._values = (7,)
    with pytest.raises(HTTPError) as caught:
        bound(request)
    assert caught.value.status == 413


def with_missing(a: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def test_local_names_are_known_where_they_are_given() -> None:
    class Missing: ...

    assert parameters_of(with_missing, {"Missing": Missing}) == {"a": Missing}
    assert parameters_of(with_missing, {}, resolve=False) == {"a": None}
    with pytest.raises(ConfigurationError, match=r"the annotation 'Missing' of 'a' cannot be resolved: name 'Missing'"):
        parameters_of(with_missing, {})


@pytest.mark.parametrize("function", [type, 7, print])
def test_a_signature_that_cannot_be_read_or_takes_anything_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="signature cannot be read|takes anything"):
        parameters_of(function, {})


# --- colour ---


async def coroutine() -> None: ...


def generator() -> Any:
    yield


async def async_generator() -> Any:
    yield


class Of:
    """Callable objects, whose colour is that of their call."""

    class Async:
        async def __call__(self) -> None: ...

        async def method(self) -> None: ...

    class Generator:
        def __call__(self) -> Any:
            yield

    class AsyncGenerator:
        async def __call__(self) -> Any:
            yield


@pytest.mark.parametrize(
    "function", [coroutine, functools.partial(coroutine), logged(coroutine), Of.Async(), Of.Async().method]
)
def test_what_gives_a_coroutine_is_async(function: Any) -> None:
    made = function()
    expected = not hasattr(function, "__wrapped__")  # a plain wrapper is not known as async; it is told when called
    made.close()
    assert is_async(function) is expected
    assert not is_generator(function)
    assert not is_async_generator(function)


@pytest.mark.parametrize("function", [nothing, len, lambda: None, Service(), Of.Async, object])
def test_what_gives_a_value_has_no_colour(function: Any) -> None:
    assert [is_async(function), is_generator(function), is_async_generator(function)] == [False] * 3


@pytest.mark.parametrize("function", [generator, functools.partial(generator), Of.Generator()])
def test_what_gives_a_generator_is_one(function: Any) -> None:
    assert is_generator(function)
    assert not is_async(function)
    assert not is_async_generator(function)


@pytest.mark.parametrize("function", [async_generator, functools.partial(async_generator), Of.AsyncGenerator()])
def test_what_gives_an_async_generator_is_one(function: Any) -> None:
    assert is_async_generator(function)
    assert not is_async(function)
    assert not is_generator(function)
