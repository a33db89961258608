"""Middlewares: the three forms, and how one layer is opened and unwound.

generator     `def mw(request: Request) -> Middleware` with one `yield`; no colour, must not block
blocking      the same, registered with `blocking=True`: its steps run where `def` handlers run
async         `async def mw(request: Request, call_next: CallNext) -> Response`; may await

A layer may have two of these, a blocking generator and what stands for it on an event loop: see `Layer`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from .errors import ConfigurationError
from .response import Response, make_response
from .sides import ASYNC, SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .contract import Demand
    from .json import JSONCodec
    from .request import Request
    from .sides import Side

Middleware = Generator[None, Response, Any]
"""What a generator middleware is annotated to return: it yields once, is sent the response, may return another.

What it returns is `Any`, which is to say a Response, a plain value or nothing: with `Response | None` mypy would ask
every middleware for a final `return None`.
"""

_FORMS = (
    "a middleware is a generator function of the request with one `yield`, or an `async def` of (request, call_next)"
)


class CallNext(Protocol):
    """What an async middleware calls, once, to run what lies inside it."""

    def __call__(self, request: Request, /) -> Awaitable[Response]:
        """Run the rest; the response, or what was raised."""
        ...


class Layer:
    """A middleware as the pipeline sees it. Give it to `middleware=[...]` where a plain function will not do.

    Args:
        function: one of the three forms.
        blocking: a generator whose steps may block.
        body: the request body is loaded before any layer of the route is opened.
        waits: of a blocking one: tells before each step whether that may block, and raises nothing; else it runs
            wherever the request is.
        on_loop: the same again as an `async def`, which is taken instead of a blocking generator where the request is
            on an event loop and its handler is no `def` that blocks, which needs a thread anyway: so no thread is kept
            for a request of which only the layer needs one for a moment.
        step: the function has nothing to do on the way out: it takes the request, returns nothing, and is called, or
            awaited if it is an `async def`. It answers by raising.
        demand: what it asks of requests, for descriptions of the application (`App.openapi`).

    Raises:
        ConfigurationError: the function has none of the forms, or is async and blocking.
    """

    __slots__ = ("blocking", "body", "demand", "function", "is_async", "is_step", "on_loop", "waits")

    sees_failures: bool = False
    """True: it is shown an exception as it was raised, where others see the response that is made of it."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        blocking: bool = False,
        body: bool = False,
        waits: Callable[[Request], bool] | None = None,
        on_loop: Callable[[Request, CallNext], Awaitable[Any]] | None = None,
        step: bool = False,
        demand: Demand | None = None,
    ) -> None:
        from .binding import is_async, is_async_generator, is_generator  # loads inspect, at registration only

        self.function = function
        self.blocking = blocking
        self.body = body
        self.waits = waits
        self.demand = demand
        self.is_step = step
        self.is_async = is_async(function)
        self.on_loop: Callable[..., Awaitable[Any]] | None = function if self.is_async else on_loop
        if is_async_generator(function):
            raise ConfigurationError.at(function, f"{_FORMS}; it is an async generator")
        if not self.is_async and is_generator(function) is step:
            raise ConfigurationError.at(function, f"{_FORMS}; it is neither")
        if self.is_async and blocking:
            raise ConfigurationError.at(function, "an `async def` middleware cannot be blocking=True; it may await")
        if on_loop is not None and (not blocking or not is_async(on_loop)):
            raise ConfigurationError.at(on_loop, "on_loop= is an `async def` that stands for a blocking=True generator")
        _check_parameters(function, 2 if self.is_async and not step else 1)
        if on_loop is not None:
            _check_parameters(on_loop, 2)

    @property
    def written(self) -> Callable[..., Any]:
        """The function that a user wrote, which messages name."""
        return self.function

    def become(self, function: Callable[..., Any]) -> None:
        """Take another function of the same form: of an async layer there is one for both sides."""
        self.function = function
        if self.is_async:
            self.on_loop = function

    def __repr__(self) -> str:
        return f"<Layer {getattr(self.function, '__name__', self.function)!s}>"


class Provider(Layer):
    """A layer that has a value for handlers: one with a parameter `user: Annotated[User, provider]` is given it.

    Such a parameter also puts the layer around its route, innermost, unless it is there already: on the route, on one
    of its routers, or on the application.
    """

    __slots__ = ()

    def value_of(self, request: Request) -> Any:
        """Give the value. Called when the layer is open; it must not block."""
        raise NotImplementedError(f"{self!r} has no value for handlers")


def without_repeated(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Give the layers of a route without providers that stand further out already: their value is there."""
    found: list[Layer] = []
    for layer in layers:
        if not (isinstance(layer, Provider) and layer in found):
            found.append(layer)
    return tuple(found)


def _check_parameters(function: Callable[..., Any], expected: int) -> None:
    from .binding import parameters_of

    count = len(parameters_of(function, {}, resolve=False))
    if count != expected:
        raise ConfigurationError.at(function, f"{_FORMS}; it takes {count} parameters, not {expected}")


def seen_from(distance: int) -> Layer:
    """Make the layer inside of which a request is seen from so many mounts further out than its handler sees it."""

    def stand(request: Request) -> Middleware:
        before = request.stand(distance)
        try:
            yield
        finally:
            request.stand(before)

    return Layer(stand)


Opened = list[tuple[Middleware, Layer, "Side | None"]]
"""The open layers, outermost first, each with the side it is resumed on; None: that is asked when it is its turn."""


def open_layers(
    layers: tuple[Layer, ...], depth: int, request: Request, here: Side, opened: Opened, codec: JSONCodec
) -> tuple[int, Response | None]:
    """Open generators from `depth` on, as far as they may be opened on this side.

    Returns:
        How deep that was, and the response of one that answered at once.

    Raises:
        BaseException: what a middleware raised.
    """
    for layer in layers[depth:]:
        if layer.is_async or (layer.blocking and here is ASYNC and (layer.waits is None or layer.waits(request))):
            break
        depth += 1
        generator = layer.function(request)
        if generator is None:  # a step
            continue
        try:
            generator.send(None)
        except StopIteration as stop:
            if stop.value is None:
                raise RuntimeError(
                    f"the middleware {layer!r} ended without a `yield` and without a response; it must do one of both"
                ) from None
            return depth, make_response(stop.value, codec, layer, request)
        opened.append((generator, layer, here if layer.waits is None else None))
    return depth, None


def innermost(opened: Opened, request: Request, here: Side) -> tuple[Middleware, Layer, Side]:
    """Give the innermost open layer and where it is resumed: where it was opened, unless it says that it need not."""
    generator, layer, home = opened[-1]
    if home is None:
        home = SYNC if here is ASYNC and layer.waits is not None and layer.waits(request) else here
    return generator, layer, home


def close_layers(
    opened: Opened, here: Side, response: Response, request: Request, codec: JSONCodec
) -> tuple[Response | None, BaseException | None]:
    """Resume generators behind their `yield`, innermost first, as far as all goes well and they are of this side."""
    while opened:
        generator, layer, home = opened[-1]
        if home is not here and innermost(opened, request, here)[2] is not here:
            break
        opened.pop()
        try:
            generator.send(response)
        except StopIteration as stop:
            if stop.value is not None:
                request.drop(response)
                try:
                    response = make_response(stop.value, codec, layer, request)
                except Exception as exc:
                    return None, exc
        except BaseException as exc:
            request.drop(response)
            return None, exc
        else:
            request.drop(response)
            return None, _yielded_twice(generator, layer)
    return response, None


def fail_layer(
    generator: Middleware, layer: Layer, failure: BaseException, request: Request, codec: JSONCodec
) -> tuple[Response | None, BaseException | None]:
    """Raise a failure in a generator, at its `yield`; a response when it made one of it, else what is left of it."""
    try:
        generator.throw(failure)
    except StopIteration as stop:
        if stop.value is None:
            return None, RuntimeError(f"the middleware {layer!r} swallowed {failure!r} and returned no response")
        try:
            return make_response(stop.value, codec, layer, request), None
        except Exception as exc:
            return None, exc
    except BaseException as exc:
        return None, exc
    return None, _yielded_twice(generator, layer)


def _yielded_twice(generator: Middleware, layer: Layer) -> RuntimeError:
    generator.close()
    return RuntimeError(f"the middleware {layer!r} yielded twice; it yields once")
