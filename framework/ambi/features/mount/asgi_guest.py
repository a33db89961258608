"""A mounted ASGI application: an async handler that runs it in a task beside the request."""

from __future__ import annotations

from ...core.log import log_left
from ...core.plan import Plan
from ...core.response import Switched
from ...core.websocket import WEBSOCKET
from .answers import GuestResponse
from .scopes import scope_of, websocket_scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...core.request import Application, Request
    from ...core.response import Response
    from .exchange import ASGIApplication
    from .lifetime import Lifetime


class ASGIGuest:
    """A mounted ASGI application; `lifespan` runs its own, as `App(lifespan=...)` takes it."""

    def __init__(self, application: ASGIApplication, host: Application, max_body_bytes: int | None) -> None:
        self._application = application
        self._max_body_bytes = max_body_bytes
        self._lifetime: Lifetime | None = None
        loaded = host.limits.max_body_bytes if max_body_bytes is None else max_body_bytes
        self._plan = Plan(
            application, self.respond, codec=host.json, max_body_bytes=loaded, is_async=True, keeps_raw=True
        )
        self._websocket_plan = Plan(
            application, self.converse, codec=host.json, max_body_bytes=loaded, is_async=True, is_websocket=True
        )

    def plan_for(self, request: Request) -> Plan:
        """Give the plan by which it answers."""
        return self._websocket_plan if request.method == WEBSOCKET else self._plan

    async def lifespan(self) -> AsyncIterator[None]:
        """Run the guest's own."""
        from .lifetime import Lifetime

        self._lifetime = Lifetime(self._application)
        try:
            async with self._lifetime.run():
                yield
        finally:
            self._lifetime = None

    def _state(self) -> dict[str, object] | None:
        return None if self._lifetime is None else self._lifetime.state

    async def respond(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            Exception: what the guest raised before its answer began.
        """
        from .exchange import Exchange

        exchange = Exchange(request, self._max_body_bytes)
        return await exchange.answer(self._application, scope_of(request, self._state()))

    async def converse(self, request: Request) -> Response:
        """Let the guest have a WebSocket.

        Raises:
            Exception: what it raised.
        """
        from .conversation import Conversation

        ws = request._websocket
        talk = Conversation(ws)
        try:
            await self._application(websocket_scope_of(request, self._state()), talk.receive, talk.send)
        except Exception as exc:
            if not (talk.is_told and ws.closed):
                raise
            log_left(request, exc)  # what it made of the news
        if talk.denial is not None:
            return talk.denial
        if not ws.accepted:
            return GuestResponse(b"", 403, (("content-length", "0"),))  # as a server says it for the guest
        return Switched(ws)
