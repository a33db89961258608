"""Servers that misbehave or tell what they are asked for: each stands between a client and an application."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Piece = bytes | BaseException | Callable[[], Any]


class BodyTap:
    """Feeds the body of every request from a list, and notes when a piece is asked for.

    Args:
        app: the application.
        pieces: bytes to give, or an exception that the server raises instead (WSGI), or None for a client that
            leaves. What comes after the last piece is the end of the body.
        events: gets "read" at each piece asked for.
        environ: what the server says differently (WSGI); a value of None leaves the key out.
        wait: how a server behaves that has no more to give: awaited or called instead of giving the end.
    """

    def __init__(
        self,
        app: Any,
        pieces: Sequence[bytes | BaseException | None],
        events: list[str] | None = None,
        *,
        environ: dict[str, Any] | None = None,
        wait: Callable[[], Any] | None = None,
    ) -> None:
        self._app = app
        self.lifespans = app.lifespans
        self._pieces = pieces
        self.events = [] if events is None else events
        self._environ = environ or {}
        self._wait = wait

    def __call__(self, *args: Any) -> Any:
        return self._asgi(*args) if len(args) == 3 else self._wsgi(*args)

    def _wsgi(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        pieces = iter(self._pieces)

        def read(size: int) -> bytes:
            self.events.append("read")
            piece = next(pieces, b"")
            if isinstance(piece, BaseException):
                raise piece
            return piece or b""

        environ["wsgi.input"].read = read
        for name, value in self._environ.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        iterable: Iterable[bytes] = self._app(environ, start_response)
        return iterable

    async def _asgi(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        pieces = list(self._pieces)

        async def tapped_receive() -> dict[str, Any]:
            self.events.append("read")
            if not pieces and self._wait is not None:
                await self._wait()
            piece = pieces.pop(0) if pieces else b""
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return {"type": "http.disconnect"}
            more = bool(pieces) or self._wait is not None
            return {"type": "http.request", "body": piece, "more_body": more}

        await self._app(scope, tapped_receive, send)


class ResponseTap:
    """Notes what an application sends, and lets a client leave or a connection break.

    Args:
        app: the application.
        events: gets "start" and each part of the body as text.
        fail_after: the server raises an OSError when it is given more parts of the body than this.
    """

    def __init__(self, app: Any, events: list[str], *, fail_after: int | None = None) -> None:
        self._app = app
        self.lifespans = app.lifespans
        self.events = events
        self._fail_after = fail_after

    def __call__(self, *args: Any) -> Any:
        return self._asgi(*args) if len(args) == 3 else self._wsgi(*args)

    def _wsgi(self, environ: dict[str, Any], start_response: Any) -> "_TappedChunks":
        def noting(status: str, headers: list[tuple[str, str]]) -> Any:
            self.events.append("start")
            return start_response(status, headers)

        return _TappedChunks(self._app(environ, noting), self.events)

    async def _asgi(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        sent = 0

        async def tapped_send(message: dict[str, Any]) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                self.events.append("start")
            elif message["type"] == "http.response.body":
                if self._fail_after is not None and sent >= self._fail_after:
                    raise OSError("the connection is gone")
                sent += 1
                if message.get("body"):
                    self.events.append(message["body"].decode())
            await send(message)

        try:
            await self._app(scope, receive, tapped_send)
        finally:
            if scope["type"] == "http":
                self.events.append("end")


class _TappedChunks:
    def __init__(self, chunks: Any, events: list[str]) -> None:
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._events = events

    def __iter__(self) -> "_TappedChunks":
        return self

    def __next__(self) -> bytes:
        chunk: bytes = next(self._iterator)
        if chunk:
            self._events.append(chunk.decode())
        return chunk

    def close(self) -> None:
        if hasattr(self._chunks, "close"):
            self._chunks.close()
        self._events.append("end")


def in_threads(count: int, function: Callable[[int], Any]) -> list[Any]:
    """Call a function in that many threads at once; give the results in order. Raises what one of them raised."""
    results: list[Any] = [None] * count
    failures: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(index: int) -> None:
        try:
            barrier.wait(10)
            results[index] = function(index)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failures:
        raise failures[0]
    return results
