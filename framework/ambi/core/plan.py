"""The plan of a route: all that can be decided before a request comes. Made once, at the route's first request."""

from __future__ import annotations

from .errors import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .error_handling import ErrorHandlers
    from .json import JSONCodec
    from .middleware import Layer
    from .request import Request
    from .response import Response


class Plan:
    """What the pipeline does for one route.

    Attributes:
        call: calls the handler with what it asks for.
        answer: makes the response of what it returned; None leaves that to the value.
        is_async: the handler gives a coroutine.
        blocking: the handler is a `def` that may block.
        layers: the middlewares, outermost first; `depth` is how many.
        errors: the scopes of error handlers, nearest first.
        codec: writes and reads JSON.
        loads_body: the body is loaded before the handler is called.
        keeps_raw: the body is another application's to understand, or nobody's: where a layer has it loaded, it stays
            bytes.
        body_first: a layer wants the body before it is opened.
        max_body_bytes: of this route.
        cancel_on_disconnect: the handler is cancelled when the client leaves.
        is_websocket: the handler is one of a WebSocket.
        mounts: of how many applications the handler's own is inside.
        function: the handler itself.
    """

    __slots__ = (
        "answer", "blocking", "body_first", "call", "cancel_on_disconnect", "codec", "depth", "errors", "function",
        "is_async", "is_websocket", "keeps_raw", "layers", "loads_body", "max_body_bytes", "mounts",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        call: Callable[[Request], Any],
        *,
        codec: JSONCodec,
        max_body_bytes: int,
        is_async: bool = False,
        blocking: bool = False,
        layers: tuple[Layer, ...] = (),
        errors: tuple[ErrorHandlers, ...] = (),
        loads_body: bool = False,
        keeps_raw: bool = False,
        cancel_on_disconnect: bool = False,
        is_websocket: bool = False,
        answer: Callable[[Request, Any], Response] | None = None,
    ) -> None:
        self.function = function
        self.call = call
        self.answer = answer
        self.is_async = is_async
        self.blocking = blocking and not is_async
        self.layers = layers
        self.depth = len(layers)
        self.errors = errors
        self.codec = codec
        wants_body = any(layer.body for layer in layers)
        self.loads_body = loads_body or (keeps_raw and wants_body)
        self.keeps_raw = keeps_raw
        self.body_first = self.loads_body and wants_body
        self.is_websocket = is_websocket
        self.mounts = 0
        self.max_body_bytes = max_body_bytes
        self.cancel_on_disconnect = cancel_on_disconnect

    def within(self, layers: tuple[Layer, ...], errors: tuple[ErrorHandlers, ...]) -> Plan:
        """Give this plan inside further layers and error scopes: those of the application it is mounted in."""
        plan = Plan(
            self.function, self.call, codec=self.codec, max_body_bytes=self.max_body_bytes, is_async=self.is_async,
            blocking=self.blocking, layers=layers + self.layers, errors=self.errors + errors,
            loads_body=self.loads_body, keeps_raw=self.keeps_raw, cancel_on_disconnect=self.cancel_on_disconnect,
            is_websocket=self.is_websocket, answer=self.answer,
        )  # fmt: skip
        plan.mounts = self.mounts + 1
        return plan

    @property
    def described(self) -> str:
        """Name, file and line of the handler, for messages."""
        return describe(self.function)

    @property
    def needs_loop(self) -> bool:
        """Whether some piece is async, so that a WSGI request goes to the loop thread."""
        return self.is_async or any(layer.is_async for layer in self.layers)
