"""What is seen of a handler without a request. Nothing is served here, so there is no cell."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from ambi import SSE, App, File, JSONLines, Request, Response, Stream, Text
from ambi.cli.uses import calls_of, response_of


class Events(SSE):
    pass


def generator() -> Any:
    yield ""


async def async_generator():
    yield ""


def iterator() -> Iterator[str]:
    return iter(())


def of_the_request(request: Any) -> None:
    request.app.spawn(print)


def generating() -> Generator[str, None, None]:
    return generator()


def async_iterator() -> AsyncIterator[str]:
    made: AsyncIterator[str] = async_generator()
    return made


async def async_generating() -> AsyncGenerator[str, None]:
    made: AsyncGenerator[str, None] = async_generator()
    return made


def stream() -> Stream:
    return Stream([])


def lines() -> JSONLines:
    return JSONLines([])


def events() -> SSE:
    return SSE([])


def derived() -> Events:
    return Events([])


def either() -> Text | SSE:
    return SSE([])


def file() -> File:
    return File(__file__)


def response() -> Response:
    return Text("")


def listed() -> list[str]:
    return []


def nothing():
    return ""


@functools.wraps(events)
def wrapped():
    return events()


def making():
    return SSE([])


async def making_among_others(request: Request) -> Response:
    if request.method == "HEAD":
        return Text("")
    return Stream([])


def naming():
    return Text(SSE.__name__)


@pytest.mark.parametrize(
    ("handler", "known"),
    [
        (generator, ("stream", "def")), (async_generator, ("stream", "async def")), (iterator, ("stream", "def")),
        (generating, ("stream", "def")), (async_iterator, ("stream", "async def")),
        (async_generating, ("stream", "async def")), (stream, ("stream", None)), (lines, ("stream", None)),
        (events, ("events", None)), (derived, ("events", None)), (either, ("events", None)), (wrapped, ("events", None)),
        (file, ("file", None)), (response, (None, None)), (listed, (None, None)),
        (nothing, (None, None)), (making, ("events", None)), (making_among_others, ("stream", None)),
        (naming, (None, None)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_what_a_handler_answers_with_is_told_as_far_as_it_is_known(handler: Any, known: Any) -> None:
    app = App()
    app.get("/")(handler)
    assert response_of(app.routes[0]) == known


def after(request: Request) -> str:
    request.after(print)
    return ""


def after_in_a_loop(a: int, request: Request) -> str:
    for _ in range(a):
        if request.is_disconnected():
            request.after(print, a)
    return ""


async def within(request: Request) -> None:
    def inner() -> None:
        request.after(print)

    inner()


def spawning(request: Request) -> None:
    app: Any = request.app
    app.spawn(print)


def beside_another(a: int, request: Request) -> None:
    print(a, request.after)


def constants(request: Request) -> Any:
    class Inner:
        pass

    assert request.path, Inner
    return ((), ("request",), "request".join, ("app",).count, "app".encode)


def of_another(request: Request, channel: Any) -> None:
    channel.after(print)
    after = request.state
    after.is_disconnected()


class Callable:
    def __call__(self, request: Request) -> None:
        request.after(print)


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        (after, {"after"}), (after_in_a_loop, {"after", "leaving"}), (within, {"after"}), (spawning, {"after"}), (of_the_request, {"after"}),
        (of_another, set()), (constants, set()), (beside_another, {"after"}), (Callable(), {"after"}), (print, set()), (functools.wraps(after)(nothing), {"after"}),
        (functools.partial(after), {"after"}),
    ],
)  # fmt: skip
def test_what_is_called_of_a_request_is_seen_in_the_code(function: Any, seen: set[str]) -> None:
    assert calls_of(function, ["request"]) == seen


def test_code_with_many_names_is_read_as_well() -> None:
    """Those from the 257th on need an instruction more."""
    scope: dict[str, Any] = {}
    exec("def handler(request):\n" + "".join(f"  n{n}\n" for n in range(300)) + "  request.after(print)", scope)
    assert calls_of(scope["handler"], ["request"]) == {"after"}


def test_another_name_of_the_request_is_its_name() -> None:
    def handler(req: Request) -> None:
        req.after(print)

    assert calls_of(handler, ["req"]) == {"after"}
    assert calls_of(handler, ["request"]) == set()
