"""Event streams, broadcasts and WebSockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, assert_type

from ambi import SSE, App, Broadcast, Event, Request, WebSocket, WebSocketClosed
from ambi.features.broadcast import Receipt, Subscription

app = App()
broadcast = Broadcast()


@app.get("/clock")
def clock() -> SSE:
    def ticks() -> Iterator[Event]:
        yield Event({"n": 1}, event="tick", id="1")

    return SSE(ticks())


@app.get("/prices")
async def prices(request: Request) -> SSE:
    assert_type(request.last_event_id, str | None)
    return SSE(broadcast.subscribe("prices", after=request.last_event_id))


@app.get("/numbers")
async def numbers() -> SSE:
    async def count() -> AsyncIterator[int]:
        yield 1

    return SSE(count())


@app.post("/prices")
async def publish() -> str:
    receipt = broadcast.publish("prices", {"EUR": 12})
    assert_type(receipt, Receipt)
    return receipt.wait()


def follow() -> None:
    with broadcast.subscribe("prices") as subscription:
        assert_type(subscription, Subscription)
        for event in subscription:
            assert_type(event, Event)


@app.websocket("/rooms/{name}", origins=["*"], subprotocols=["chat"])
async def room(ws: WebSocket, name: str) -> None:
    await ws.accept()
    try:
        async for message in ws:
            assert_type(message, str | bytes)
            await ws.send(f"{name}: {message!r}")
        assert_type(await ws.receive(), str | bytes)
        assert_type(ws.subprotocol, str | None)
        await ws.close(1000, "done")
    except WebSocketClosed as closed:
        assert_type(closed.code, int)


room_again: Callable[[WebSocket, str], Coroutine[Any, Any, None]] = room


async def wrong(ws: WebSocket) -> None:
    await ws.send(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    broadcast.publish("prices")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Broadcast(policy="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.websocket("/", origin="*")(room)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
