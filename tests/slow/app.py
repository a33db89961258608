"""What slow clients ask for, in both colours: a page, a form with a file, a download, events, a WebSocket."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio

from ambi import SSE, App, File, Limits, Request, Stream, WebSocket
from tests.leaks import busy_workers, living_tasks
from tests.slow.ticker import Ticker

BLOCK = bytes(range(256)) * 64
BLOCKS = 64
"""A download has one MiB: more than all buffers on its way hold."""
PAGE = "a page"
ticker = Ticker()


def write_file(folder: Path) -> Path:
    file = folder / f"download-{os.getpid()}"
    file.write_bytes(BLOCK * BLOCKS)
    return file


async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
    file = write_file(Path(os.environ["AMBI_FOLDER"]))
    task = asyncio.create_task(ticker.run())
    yield {"file": file}
    task.cancel()


app = App(
    lifespan=lifespan,
    limits=Limits(body_timeout_s=float(os.environ.get("AMBI_BODY_TIMEOUT_S", "60"))),
    allowed_hosts=["127.0.0.1", "localhost"],
)


@app.get("/def/page")
def page(request: Request) -> str:
    return PAGE


@app.get("/async/page")
async def async_page(request: Request) -> str:
    return PAGE


@app.post("/def/form")
def form(request: Request) -> str:
    return f"{request.form.field('text')} {request.form.file('file').size}"


@app.post("/async/form")
async def async_form(request: Request) -> str:
    return f"{request.form.field('text')} {request.form.file('file').size}"


@app.get("/def/download")
def download(request: Request) -> Stream:
    return Stream(BLOCK for _ in range(BLOCKS))


@app.get("/async/download")
async def async_download(request: Request) -> Stream:
    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(BLOCKS):
            yield BLOCK

    return Stream(blocks())


@app.get("/def/file")
def file(request: Request) -> File:
    return File(request.state.file)


@app.get("/async/file")
async def async_file(request: Request) -> File:
    return File(request.state.file)


@app.get("/def/events")
def events(request: Request) -> SSE:
    def ticks() -> Iterator[str]:
        while True:
            yield "tick"
            time.sleep(0.02)

    return SSE(ticks())


@app.get("/async/events")
async def async_events(request: Request) -> SSE:
    async def ticks() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await anyio.sleep(0.02)

    return SSE(ticks())


@app.websocket("/ws")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@app.get("/census")
async def census(request: Request) -> dict[str, int]:
    """Tell what this process holds. A pool keeps threads that are idle, so those at work are told of, too."""
    return {
        "pid": os.getpid(),
        "threads": threading.active_count(),
        "busy": busy_workers(),
        "tasks": len(asyncio.all_tasks() | living_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


@app.get("/lag")
async def lag(request: Request) -> dict[str, float]:
    return ticker.summary()
