"""A bare guest that writes down what happens to it, in the file that `AMBI_EVENTS` names: what and in which process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from ambi import App

JOB_S = 0.7


def note(event: str) -> None:
    with Path(os.environ["AMBI_EVENTS"]).open("a", encoding="ascii") as file:
        file.write(f"{event} {os.getpid()}\n")


async def guest(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    else:
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"accepted"})
        await asyncio.sleep(JOB_S)
        note("job")


async def live(receive: Any, send: Any) -> None:
    await receive()
    note("startup")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(0.05)  # as one closes a pool
    note("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


app = App()
app.mount("/guest", guest)
