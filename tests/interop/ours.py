"""The application that stands in a host or a wrapper: one route for each thing that may go wrong there."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio

from ambi import SSE, App, BodyStream, Event, HTTPError, Request, Response, Text, UploadFile, WebSocket

WAIT_S = 5.0
TEXT = "a line of text that can be packed\n" * 200


class Ours:
    """An application and what it has seen.

    Attributes:
        app: the application, new.
        life: what its lifespan did: "start", "stop".
        gate: opened by the test when it has the first item of a stream; without it there is no second one.
        closed: the endless streams that were closed.
        look: what "/context" answers with: a look at a context variable of somebody else's.
    """

    def __init__(self, name: str = "ours", **options: Any) -> None:
        self.name = name
        self.life: list[str] = []
        self.gate = threading.Event()
        self.closed: list[str] = []
        self.look: Any = lambda: None
        self.app = App(lifespan=self._lifespan, **options)
        self._add_pages()
        self._add_streams()

    async def _lifespan(self) -> AsyncIterator[dict[str, str]]:
        self.life.append("start")
        yield {"whose": self.name}
        self.life.append("stop")

    def _add_pages(self) -> None:
        app = self.app

        @app.get("/hello")
        def hello() -> str:
            return "hello"

        @app.get("/text")
        async def text() -> str:
            return TEXT

        @app.get("/where/{rest:path}", name="where")
        async def where(request: Request, rest: str) -> dict[str, Any]:
            return {
                "root": request.root_path, "path": request.path, "rest": rest, "url": str(request.url),
                "link": request.url_for("where", rest="ä b"), "whose": request.state.whose, "query": request.query_string,
            }  # fmt: skip

        @app.get("/cookie")
        def cookie(request: Request) -> Response:
            response = Text(request.cookies.get("seen", "none"))
            response.set_cookie("seen", "1")
            response.set_cookie("other", "2")
            return response

        @app.post("/echo")
        async def echo(stream: BodyStream) -> bytes:
            return b"".join([chunk async for chunk in stream])

        @app.post("/upload")
        def upload(request: Request) -> list[Any]:
            file = request.form["file"]
            assert isinstance(file, UploadFile)
            return [request.form["title"], file.filename, file.content_type, file.size]

        @app.get("/boom")
        async def boom() -> None:
            raise RuntimeError("boom")

        @app.get("/boom-def")
        def boom_def() -> None:
            raise RuntimeError("boom")

        @app.get("/teapot")
        def teapot() -> None:
            raise HTTPError(418, "short and stout")

        @app.get("/context")
        def context() -> str:
            return str(self.look())

        @app.get("/context-async")
        async def context_async() -> str:
            return str(self.look())

    def _add_streams(self) -> None:
        app = self.app

        @app.get("/stream")
        def stream() -> Iterator[str]:
            yield "a\n"
            if not self.gate.wait(WAIT_S):
                raise TimeoutError("nobody took the first item")
            yield "b\n"

        @app.get("/stream-async")
        async def stream_async() -> AsyncIterator[str]:
            yield "a\n"
            await self._gate_opened()
            yield "b\n"

        @app.get("/endless")
        def endless() -> Iterator[str]:
            try:
                while True:
                    yield "x\n"
                    time.sleep(0.002)
            finally:
                self.closed.append("/endless")

        @app.get("/endless-async")
        async def endless_async() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x\n"
                    await anyio.sleep(0.002)
            finally:
                self.closed.append("/endless-async")

        @app.get("/events")
        async def events() -> SSE:
            async def ticks() -> AsyncIterator[Event]:
                yield Event("one", id="1")
                await self._gate_opened()
                yield Event("two", id="2")

            return SSE(ticks())

        @app.websocket("/ws", subprotocols=["chat"])
        async def ws(ws: WebSocket) -> None:
            await ws.send(f"{ws.request.root_path}|{ws.request.path}|{ws.request.state.whose}")
            async for message in ws:
                if message == "bye":
                    await ws.close(4001, "done")
                    return
                await ws.send(message)

    async def _gate_opened(self) -> None:
        with anyio.fail_after(WAIT_S):
            while not self.gate.is_set():
                await anyio.sleep(0.002)
