"""The application of `test_websockets.py`, written once for both gateways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio

from ambi import App, Text, WebSocket

app = App()


def note(event: str) -> None:
    with Path(os.environ["AMBI_EVENTS"]).open("a") as file:
        file.write(f"{event}\n")


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    try:
        async for message in ws:
            if message == "crash":
                raise LookupError("as asked")
            if message == "bye":
                await ws.close(4001, "done")
            else:
                await ws.send(message)
    finally:
        note(f"{ws.query.get('name')} {ws.close_code}")


@app.websocket("/feed")
async def feed(ws: WebSocket) -> None:
    try:
        while True:
            await ws.send("x" * 100)
            await anyio.sleep(0.005)
    finally:
        note(f"{ws.query.get('name')} ended")


@app.websocket("/chat", subprotocols=["chat"])
async def chat(ws: WebSocket) -> None:
    async for _ in ws:
        pass


@app.websocket("/denied")
async def denied(ws: WebSocket) -> Any:
    return Text("no tea here", 418)
