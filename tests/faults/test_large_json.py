"""A large JSON body is parsed in one go: on an event loop all others wait for it. Under ASGI alone."""

import json
import time
from typing import Any

import anyio
import pytest

from ambi import App
from tests.calls import scope_of
from tests.cells import CELLS, Cell

ASGI = [cell for cell in CELLS if cell.gateway == "asgi" and cell.backend == "asyncio"]
RECORD = {"id": 1, "name": "of a record", "tags": ["a", "b"], "amount": 1.5}


def records(mebibytes: float) -> bytes:
    return json.dumps([RECORD] * int(mebibytes * (1 << 20) / len(json.dumps(RECORD)))).encode()


async def longest_wait(app: App, body: bytes) -> float:
    """Give for how long the loop did not come round while a body was served."""
    longest, pieces = 0.0, [body[first : first + 65536] for first in range(0, len(body), 65536)]
    answered: list[int] = []

    async def receive() -> Any:
        await anyio.sleep(0)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        answered.append(message.get("status", 0))

    async def tick() -> None:
        nonlocal longest
        while True:
            started = time.perf_counter()
            await anyio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await anyio.sleep(0.01)
        fields = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await app(scope_of(body=body, headers=fields), receive, send)
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert answered[0] == 200
    return longest


def app_for(cell: Cell) -> App:
    app = App(csrf=False)
    app.post("/", max_body_bytes=32 << 20)(cell.handler(lambda request: str(len(request.json()))))
    return app


@pytest.mark.parametrize("cell", ASGI, ids=str)
def test_a_loop_waits_for_a_json_as_long_as_that_is_parsed_and_no_longer(cell: Cell) -> None:
    """In proportion to its size, whatever the colour; a limit of the route is what keeps that short."""
    app = app_for(cell)
    small, large = (min(anyio.run(longest_wait, app, records(mebibytes)) for _ in range(2)) for mebibytes in (0.1, 0.6))
    body, parsing = records(0.6), []
    for _ in range(2):
        started = time.perf_counter()
        json.loads(body)
        parsing.append(time.perf_counter() - started)
    assert large < 4 * max(parsing) + 0.05
    assert small < large / 2 + 0.02
