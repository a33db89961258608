"""What is watched of one exchange: the exception behind a 500, and how layers open and close.

The core tells of crashes (`core/watching.py`). Layers tell nothing by themselves: where their order is asked for, each
one's function is wrapped once in one that notes; outside of a watched exchange that notes nothing.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar

from ..app import App, is_app
from ..core.watching import crash_watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType
    from typing import Any

    from ..core.middleware import Layer


class Watch:
    """What happened in one exchange.

    Attributes:
        crashes: the exceptions that became a 500, each with its traceback, which the application drops.
        layers: what layers did, in order.
    """

    __slots__ = ("crashes", "layers")

    def __init__(self) -> None:
        self.crashes: list[tuple[Exception, TracebackType | None]] = []
        self.layers: list[str] = []

    def _note(self, error: Exception) -> None:
        self.crashes.append((error, error.__traceback__))

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, and watch what is called in its context."""
        tokens = crash_watcher.set(self._note), _layers.set(self.layers)
        try:
            return function(*args)
        finally:
            crash_watcher.reset(tokens[0])
            _layers.reset(tokens[1])

    def begin(self) -> None:
        """Watch from now on, in a context that ends with the exchange."""
        crash_watcher.set(self._note)
        _layers.set(self.layers)

    def raise_crash(self) -> None:
        """Raise what crashed first, the very object, if something did."""
        if self.crashes:
            error, traceback = self.crashes[0]
            raise error.with_traceback(traceback)


_layers: ContextVar[list[str] | None] = ContextVar("ambi.testing.layers", default=None)


def _note(event: str) -> None:
    noted = _layers.get()
    if noted is not None:
        noted.append(event)


# --- the order of layers ---


def watch_layers(app: Any) -> None:
    """Let all layers of an `App`, and of those mounted in it, note what they do; those added since the last time."""
    for layer in _layers_of(app) if is_app(app) else ():
        if not hasattr(layer.function, "_noted"):
            wrap = _noted_async if layer.is_async else _noted_generator
            layer.function = wrap(layer.function)
            if layer.on_loop is not None:
                layer.on_loop = layer.function if layer.is_async else _noted_async(layer.on_loop)


def _layers_of(app: App) -> Iterator[Layer]:
    yield from app.layers
    for route in app.routes:
        yield from (layer for router in route.routers for layer in router.layers)
        yield from route.layers
    for mount in app._mounts:
        if isinstance(mount.app, App):  # a guest of another framework has none of our layers
            yield from _layers_of(mount.app)


def _noted_generator(function: Callable[..., Any]) -> Callable[..., Any]:
    name = _name(function)

    @functools.wraps(function)
    def noted(request: Any) -> Generator[None, Any, Any]:
        _note(f"{name} opens")
        generator: Generator[None, Any, Any] = function(request)
        try:
            result = yield from generator
        except BaseException as exc:
            _note(f"{name} raises {type(exc).__name__}")
            raise
        _note(f"{name} closes" if result is None else f"{name} answers")
        return result

    return _mark(noted)


def _noted_async(function: Callable[..., Any]) -> Callable[..., Any]:
    name = _name(function)

    @functools.wraps(function)
    async def noted(request: Any, call_next: Any) -> Any:
        _note(f"{name} opens")
        try:
            result = await function(request, call_next)
        except BaseException as exc:
            _note(f"{name} raises {type(exc).__name__}")
            raise
        _note(f"{name} closes")
        return result

    return _mark(noted)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _mark(function: Any) -> Callable[..., Any]:
    function._noted = True
    marked: Callable[..., Any] = function
    return marked
