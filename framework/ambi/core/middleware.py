"""Middlewares: the three forms, and how one layer is opened and unwound.

    generator     `def mw(request: Request) -> Middleware` with one `yield`; no colour, must not block
    blocking      the same, registered with `blocking=True`: its steps run where `def` handlers run
    async         `async def mw(request: Request, call_next: CallNext) -> Response`; may await
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from .errors import ConfigurationError
from .response import Response, make_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .json import JSONCodec
    from .request import Request

Middleware = Generator[None, Response, "Response | None"]
"""What a generator middleware is annotated to return: it yields once, is sent the response, may return another."""

_FORMS = (
    "a middleware is a generator function of the request with one `yield`, or an `async def` of (request, call_next)"
)


class CallNext(Protocol):
    """What an async middleware calls, once, to run what lies inside it."""

    def __call__(self, request: Request, /) -> Awaitable[Response]: ...


class Layer:
    """A middleware as the pipeline sees it. Give it to `middleware=[...]` where a plain function will not do.

    Args:
        function: one of the three forms.
        blocking: a generator whose steps may block.
        body: the request body is loaded before any layer of the route is opened.

    Raises:
        ConfigurationError: the function has none of the forms, or is async and blocking.
    """

    __slots__ = ("blocking", "body", "function", "is_async")

    def __init__(self, function: Callable[..., Any], *, blocking: bool = False, body: bool = False) -> None:
        from .binding import is_async, is_async_generator, is_generator  # loads inspect, at registration only

        self.function = function
        self.blocking = blocking
        self.body = body
        self.is_async = is_async(function)
        if is_async_generator(function):
            raise ConfigurationError.at(function, f"{_FORMS}; it is an async generator")
        if not self.is_async and not is_generator(function):
            raise ConfigurationError.at(function, f"{_FORMS}; it is neither")
        if self.is_async and blocking:
            raise ConfigurationError.at(function, "an `async def` middleware cannot be blocking=True; it may await")
        self._check_parameters(2 if self.is_async else 1)

    def _check_parameters(self, expected: int) -> None:
        from .binding import parameters_of

        count = len(parameters_of(self.function, {}, resolve=False))
        if count != expected:
            raise ConfigurationError.at(self.function, f"{_FORMS}; it takes {count} parameters, not {expected}")

    def __repr__(self) -> str:
        return f"<Layer {getattr(self.function, '__name__', self.function)!s}>"


def open_layer(layer: Layer, request: Request, codec: JSONCodec) -> tuple[Middleware, Response | None]:
    """Run a generator up to its `yield`; a response when it returned one instead. Raises what it raises."""
    generator = layer.function(request)
    try:
        generator.send(None)
    except StopIteration as stop:
        if stop.value is None:
            raise RuntimeError(
                f"the middleware {layer!r} returned without a `yield` and without a response; it must do one of both"
            ) from None
        return generator, make_response(stop.value, codec, layer)
    return generator, None


def close_layer(
    generator: Middleware, response: Response | None, failure: BaseException | None, codec: JSONCodec, layer: Layer
) -> tuple[Response | None, BaseException | None]:
    """Resume a generator behind its `yield`, with the response or the failure; what is left of both comes back."""
    try:
        if failure is not None:
            generator.throw(failure)
        else:
            generator.send(response)  # type: ignore[arg-type]  # one of both is not None
    except StopIteration as stop:
        if stop.value is not None:
            return _made(stop.value, codec, layer)
        if failure is not None:
            return None, RuntimeError(f"the middleware {layer!r} swallowed {failure!r} and returned no response")
        return response, None
    except BaseException as exc:
        return None, exc
    generator.close()
    return None, RuntimeError(f"the middleware {layer!r} yielded twice; it yields once")


def _made(value: object, codec: JSONCodec, layer: Layer) -> tuple[Response | None, BaseException | None]:
    try:
        return make_response(value, codec, layer), None
    except Exception as exc:
        return None, exc
