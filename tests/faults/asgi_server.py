"""An ASGI server that serves one request, and does one thing wrong at its k-th operation."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from tests.checkers import CheckedASGI, HTTPExchange
from tests.faults.app import Kind

FAULTS = {
    "receive raises": "receive",
    "the client leaves at a receive": "receive",
    "send raises": "send",
    "send fails": "send",
    "the client leaves at a send": "send",
    "send stalls until the client leaves": "send",
}
"""The fault -> the operation that is counted for it."""

MESSAGES = 3
"""How many a client of a WebSocket sends, and wants back."""


class Server:
    """One request as a server serves it.

    Args:
        app: the application.
        kind: of the request.
        visit: who the client says it is.
        fault: one of `FAULTS`, or "" for none.
        at: at which operation, from 0.
        headers: more of them.
        pauses: how many turns of the loop each operation takes, in order and again from the start.

    Attributes:
        counts: how often each operation was asked for.
        sent: the messages that arrived at the client.
        gone: the client has left.
        broken: a rule of the protocol that the application broke.
    """

    def __init__(
        self, app: Any, kind: Kind, visit: str, fault: str = "", at: int = 0, *,
        headers: Any = (), pauses: tuple[int, ...] = (1,),
    ) -> None:  # fmt: skip
        self._app = app
        self._kind = kind
        self._fault = fault
        self._at = at
        self._pauses = pauses
        self._turns = 0
        third = len(kind.body) // 3 + 1
        pieces = [kind.body[first : first + third] for first in range(0, len(kind.body), third)]
        self._messages = _of_websocket() if kind.is_websocket else _of_body(pieces)
        self.scope = _scope(kind, visit, headers)
        self.counts = {"receive": 0, "send": 0}
        self.sent: list[Any] = []
        self.gone = anyio.Event()
        self._judge = CheckedASGI(app)

    @property
    def broken(self) -> list[str]:
        """Rules of the protocol that were broken."""
        return self._judge.violations

    @property
    def answer(self) -> bytes:
        """What the client has got of a body."""
        return b"".join(message.get("body") or (message.get("text") or "").encode() for message in self.sent)

    async def run(self) -> None:
        """Serve the request. Raises what the application does."""
        if self._kind.is_websocket or self._fault == "send fails":  # after which nothing can be right
            await self._app(self.scope, self._receive, self._send)
            return
        self._exchange = HTTPExchange(self._judge, self.scope, self._receive, self._send)
        await self._exchange.run()

    def _strikes(self, operation: str) -> bool:
        count = self.counts[operation]
        self.counts[operation] = count + 1
        return FAULTS.get(self._fault) == operation and count == self._at

    async def _pause(self) -> None:
        turns = self._pauses[self._turns % len(self._pauses)]
        self._turns += 1
        for _ in range(turns):
            await checkpoint()

    def leave(self) -> None:
        """Let the client leave."""
        self.gone.set()
        if hasattr(self, "_exchange"):
            self._exchange._disconnected = True  # it may find out by another way than a message

    async def _receive(self) -> Any:
        if self._strikes("receive"):
            self.leave()
            if self._fault == "receive raises":
                raise ConnectionResetError("the connection is gone")
        await self._pause()
        while self._messages and not self.gone.is_set():
            if self._messages[0]["type"] != "websocket.disconnect" or self.counts["send"] > MESSAGES:
                return self._messages.pop(0)
            await checkpoint()  # this client leaves when it has what it came for
        await self.gone.wait()
        return {"type": "websocket.disconnect" if self._kind.is_websocket else "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._strikes("send"):
            if self._fault == "send fails":
                raise LookupError("a bug of the server")
            if self._fault == "send stalls until the client leaves":
                for _ in range(5):
                    await checkpoint()
            self.leave()
        if self.gone.is_set() and self._fault == "send raises":
            raise ConnectionResetError("the connection is gone")
        await self._pause()
        if not self.gone.is_set():
            self.sent.append(message)


def _scope(kind: Kind, visit: str, headers: Any) -> dict[str, Any]:
    path, _, query = kind.path.partition("?")
    lines = [(b"x-visit", visit.encode()), *headers]
    if kind.body:
        lines.append((b"content-length", str(len(kind.body)).encode()))
    if kind.type:
        lines.append((b"content-type", kind.type.encode()))
    about = {"type": "websocket", "subprotocols": []} if kind.is_websocket else {"type": "http"}
    return {
        **about, "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST" if kind.body else "GET",
        "scheme": "ws" if kind.is_websocket else "http", "path": path, "query_string": query.encode(), "headers": lines,
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip


def _of_body(pieces: list[bytes]) -> list[Any]:
    return [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]


def _of_websocket() -> list[Any]:
    return [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": f"ok {number}"} for number in range(MESSAGES)),
        {"type": "websocket.disconnect", "code": 1000},
    ]


# --- cancellation ---


class CancelledAt:
    """An awaitable that runs a coroutine, and asks for its cancellation at some of its suspensions.

    Args:
        coroutine: what is run.
        turns: at which suspensions, from 0; none makes a count of them.
        cancel: asks for it.

    Attributes:
        suspensions: how many there were.
    """

    def __init__(self, coroutine: Any, turns: tuple[int, ...], cancel: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._turns = turns
        self._cancel = cancel
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        resume, argument = steps.send, None
        while True:
            try:
                wanted = resume(argument)
            except StopIteration as stop:
                return stop.value
            if self.suspensions in self._turns:
                self._cancel()
            self.suspensions += 1
            try:
                argument = yield wanted
                resume = steps.send
            except BaseException as exc:
                resume, argument = steps.throw, exc


async def cancelled_natively(coroutine: Any, *turns: int) -> int:
    """Cancel as asyncio does: once for each turn. Give how many suspensions there were."""
    made: list[CancelledAt] = []

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        made.append(CancelledAt(coroutine, turns, task.cancel))
        await made[0]

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return made[0].suspensions


async def cancelled_twice(coroutine: Any, turn: int) -> int:
    """Cancel as an impatient server does: again at the next suspension."""
    return await cancelled_natively(coroutine, turn, turn + 1)


async def cancelled_by_scope(coroutine: Any, *turns: int) -> int:
    """Cancel as anyio and trio do: from then on, every await is cancelled."""
    scope = anyio.CancelScope()
    runner = CancelledAt(coroutine, turns, scope.cancel)
    with scope:
        await runner
    return runner.suspensions
