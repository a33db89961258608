import functools
from collections.abc import Callable
from typing import Any

import pytest

from ambi.core.errors import ConfigurationError
from ambi.core.middleware import Layer, Middleware
from ambi.core.request import Request


def plain(request: Request) -> Middleware:
    yield


async def waiting(request: Request, call_next: Any) -> Any:
    return await call_next(request)


class Timing:
    def __call__(self, request: Request) -> Middleware:
        yield

    def method(self, request: Request) -> Middleware:
        yield

    async def waiting(self, request: Request, call_next: Any) -> Any: ...


class Waiting:
    async def __call__(self, request: Request, call_next: Any) -> Any: ...


def configured(name: str, request: Request) -> Middleware:
    yield


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (plain, False), (Timing(), False), (Timing().method, False), (functools.partial(configured, "x"), False),
        (waiting, True), (Waiting(), True), (Timing().waiting, True), (functools.partial(waiting), True),
    ],
)  # fmt: skip
def test_a_function_of_one_of_the_forms_is_a_layer(function: Callable[..., Any], is_async: bool) -> None:
    layer = Layer(function)
    assert (layer.function, layer.is_async, layer.blocking, layer.body) == (function, is_async, False, False)


def test_a_generator_may_block_and_ask_for_the_body() -> None:
    layer = Layer(plain, blocking=True, body=True)
    assert (layer.blocking, layer.body) == (True, True)
    assert repr(layer) == "<Layer plain>"


def no_yield(request: Request) -> None: ...


async def async_generator(request: Request) -> Any:
    yield


def two(request: Request, call_next: Any) -> Middleware:
    yield


def none() -> Middleware:
    yield


async def one(request: Request) -> Any: ...


async def three(request: Request, call_next: Any, more: Any) -> Any: ...


def anything(*args: Any) -> Middleware:
    yield


@pytest.mark.parametrize(
    ("function", "options", "problem"),
    [
        (no_yield, {}, "it is neither"),
        (async_generator, {}, "it is an async generator"),
        (waiting, {"blocking": True}, "cannot be blocking=True; it may await"),
        (two, {}, "it takes 2 parameters, not 1"),
        (none, {}, "it takes 0 parameters, not 1"),
        (one, {}, "it takes 1 parameters, not 2"),
        (three, {}, "it takes 3 parameters, not 2"),
        (anything, {}, "takes anything"),
    ],
)
def test_any_other_function_is_refused_where_it_stands(
    function: Callable[..., Any], options: dict[str, bool], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Layer(function, **options)
    assert str(caught.value).startswith(f"{function.__name__} ({__file__}:{function.__code__.co_firstlineno}): ")
