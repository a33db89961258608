"""The application of gunicorn's contract for ASGI frameworks, served over WSGI as well.

The contract is in gunicorn's source distribution, `tests/docker/asgi_framework_compat`: which routes there are and what
they answer. Some handlers are `def` and some `async def`; no answer may show which.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio

from ambi import SSE, App, BodyStream, Event, HTTPError, Request, Response, Text, WebSocket

MIB = 1 << 20
LARGEST, LONGEST_S = 10 * MIB, 30.0

counts: Counter[str] = Counter()


async def lifespan() -> AsyncIterator[dict[str, Any]]:
    yield {"startup": {"startup_called": True, "startup_time": time.time(), "custom_data": {"initialized": True}}}


app = App(lifespan=lifespan)


@app.get("/health")
def health() -> str:
    return "OK"


# ------------------------------------------------------------------ what came


def as_json(value: Any) -> Any:
    """Make what a server put into a scope fit for JSON; what has no counterpart there becomes None."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else None


def scope_of(request: Request) -> dict[str, Any]:
    """Give the scope; over WSGI what an ASGI server would have put there. `asgi` is then missing: none was spoken."""
    native = request.native
    if request.gateway == "asgi":
        return {name: as_json(value) for name, value in native.items() if name not in ("state", "extensions")}
    return {
        "type": "websocket" if request.headers.get("upgrade", "").lower() == "websocket" else "http",
        "http_version": native["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "root_path": request.root_path,
        "query_string": native.get("QUERY_STRING", ""),
        "headers": [list(pair) for pair in request.headers.items()],
        "server": [native["SERVER_NAME"], int(native["SERVER_PORT"])],
        "client": list(request.client) if request.client else None,
    }


@app.get("/scope")
async def scope(request: Request) -> dict[str, Any]:
    return scope_of(request)


@app.get("/headers")
def headers(request: Request) -> dict[str, str]:
    return dict(request.headers)


@app.post("/echo")
async def echo(request: Request, stream: BodyStream) -> Response:
    body = b"".join([chunk async for chunk in stream])
    return Response(body, content_type=request.headers.get("content-type", "application/octet-stream"))


# ------------------------------------------------------------------ what is answered


def number(request: Request, name: str, default: float, most: float) -> float:
    """Read a number out of the query. Raises: HTTPError 400 for what is none, or is not within its bounds."""
    text = request.query.get(name)
    try:
        found = default if text is None else float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise HTTPError(400, f"{name} is a number from 0 to {most:g}.")
    return found


@app.get("/status/{code}")
def status(code: int) -> Response:
    if not 200 <= code <= 599:
        raise HTTPError(400, "An answer has a status from 200 to 599.")
    return Text(f"Status: {code}", code)


@app.get("/large")
def large(request: Request) -> bytes:
    return b"x" * int(number(request, "size", 1024, LARGEST))


@app.get("/delay")
async def delay(request: Request) -> str:
    seconds = number(request, "seconds", 1, LONGEST_S)
    await anyio.sleep(seconds)
    return f"Delayed {seconds:g} seconds"


@app.get("/streaming")
def streaming() -> Iterator[str]:
    for each in range(10):
        yield f"chunk-{each}\n"
        time.sleep(0.01)


@app.get("/sse")
async def sse() -> SSE:
    async def events() -> AsyncIterator[Event]:
        for count in range(5):
            yield Event({"count": count}, event="message")
            await anyio.sleep(0.01)
        yield Event({}, event="done")

    return SSE(events())


# ------------------------------------------------------------------ what outlives a request


@app.get("/background")
def background(request: Request) -> str:
    request.after(run_in_the_background, number(request, "seconds", 1, LONGEST_S))
    return "scheduled"


def run_in_the_background(seconds: float) -> None:
    time.sleep(seconds)
    counts["background"] += 1


@app.get("/background/completed")
async def background_completed() -> dict[str, int]:
    return {"count": counts["background"]}


@app.get("/lifespan/state")
def lifespan_state(request: Request) -> dict[str, Any]:
    return {**request.state.startup, "counter": counts["lifespan"]}


@app.get("/lifespan/counter")
async def lifespan_counter() -> dict[str, int]:
    counts["lifespan"] += 1
    return {"counter": counts["lifespan"]}


# ------------------------------------------------------------------ websockets


@app.websocket("/ws/echo")
async def ws_echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


app.websocket("/ws/echo-binary")(ws_echo)


@app.websocket("/ws/scope")
async def ws_scope(ws: WebSocket) -> None:
    await ws.send_json(scope_of(ws.request))
    await ws.close()


@app.websocket("/ws/subprotocol")
async def ws_subprotocol(ws: WebSocket) -> None:
    requested = list(ws.subprotocols)
    await ws.accept(requested[0] if requested else None)
    await ws.send_json({"requested": requested, "selected": ws.subprotocol})
    await ws.close()


@app.websocket("/ws/close")
async def ws_close(ws: WebSocket) -> None:
    code = int(number(ws.request, "code", 1000, 4999))
    await ws.accept()
    await ws.close(code)
