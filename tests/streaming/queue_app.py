"""An application with two threads of each kind, for `test_queue.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ambi import App, Limits

app = App(limits=Limits(threads=2, stream_threads=2, queue_timeout_s=0.5))


@app.get("/handler")
def handler() -> str:
    time.sleep(1.5)
    return "ok"


@app.get("/stream")
def stream() -> Iterator[str]:
    time.sleep(1.5)
    yield "ok"


@app.get("/loop")
async def loop() -> str:
    return "ok"
