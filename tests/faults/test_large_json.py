"""A large JSON body is parsed in one go: on an event loop all others wait for it. Under ASGI alone."""

import json
import time
from typing import Any

import anyio
import pytest

from ambi import App, Limits
from tests.calls import scope_of
from tests.cells import CELLS, Cell

ASGI = [cell for cell in CELLS if cell.gateway == "asgi" and cell.backend == "asyncio"]
RECORD = {"id": 1, "name": "of a record", "tags": ["a", "b"], "amount": 1.5}


def records(mebibytes: float) -> bytes:
    return json.dumps([RECORD] * int(mebibytes * (1 << 20) / len(json.dumps(RECORD)))).encode()


async def longest_wait(app: App, body: bytes, status: int = 200) -> float:
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
    assert answered[0] == status
    return longest


def app_for(cell: Cell, **options: Any) -> App:
    app = App(csrf=False)
    app.post("/", **options)(cell.handler(lambda request: str(len(request.json()))))
    return app


def parsing_s(body: bytes) -> float:
    """Give for how long a processor parses it."""
    started = time.thread_time()
    json.loads(body)
    return time.thread_time() - started


@pytest.mark.parametrize("cell", ASGI, ids=str)
def test_a_loop_waits_for_a_json_as_long_as_that_is_parsed_and_no_longer(cell: Cell) -> None:
    """In proportion to its size, whatever the colour; a limit is what keeps that short."""
    app = app_for(cell)
    small, large = (min(anyio.run(longest_wait, app, records(mebibytes)) for _ in range(2)) for mebibytes in (0.1, 0.6))
    body = records(0.6)
    assert large < 4 * max(parsing_s(body), parsing_s(body)) + 0.05
    assert small < large / 2 + 0.02


@pytest.mark.parametrize("cell", ASGI, ids=str)
def test_a_json_past_the_limit_is_refused_without_a_look_at_it(cell: Cell) -> None:
    """20 MiB are past the limit of any body; 8 MiB are not, and would be parsed for 100 ms and more."""
    body = records(8)
    refused = min(anyio.run(longest_wait, app_for(cell), body, 413) for _ in range(2))
    assert refused < parsing_s(body) / 2
    anyio.run(longest_wait, app_for(cell), records(20), 413)
    anyio.run(longest_wait, app_for(cell, max_body_bytes=4 << 20), records(2), 200)


def test_what_the_default_lets_pass_is_parsed_within_fifty_milliseconds() -> None:
    """No gateway is involved."""
    body = records(Limits().max_json_bytes / (1 << 20))[: Limits().max_json_bytes].rpartition(b", {")[0] + b"]"
    assert min(parsing_s(body) for _ in range(5)) < 0.05
