"""That a server stops is seen where it keeps that to itself. Real servers are told to stop in `tests/streaming`."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from ambi.bridge.stopping import stopping_for, tell_stopping


@pytest.mark.parametrize("test", ["one", "the next"])
def test_a_server_that_one_test_stops_is_none_of_the_next(test: str) -> None:
    """A test of the tests: what is open for half a second would be cut, in those that come later in the process."""
    assert stopping_for() is None
    tell_stopping()


async def hypercorn() -> tuple[float | None, float | None]:
    context = SimpleNamespace(terminated=asyncio.Event())
    before = stopping_for()
    context.terminated.set()
    return before, stopping_for()


async def gunicorn(self: Any) -> tuple[float | None, float | None]:
    before = stopping_for()
    self.alive = False
    return before, stopping_for()


def test_a_stop_of_hypercorn_is_seen() -> None:
    hypercorn.__qualname__ = "worker_serve"
    before, after = asyncio.run(hypercorn())
    assert before is None
    assert after is not None


def test_a_stop_of_gunicorns_asgi_worker_is_seen() -> None:
    gunicorn.__qualname__ = "ASGIWorker._serve"
    before, after = asyncio.run(gunicorn(SimpleNamespace(alive=True, cfg=None)))
    assert before is None
    assert after is not None


def test_a_server_of_another_make_is_not_seen_to_stop() -> None:
    async def worker_serve() -> float | None:
        context = "of something else"
        return stopping_for() if context else 0

    worker_serve.__qualname__ = "worker_serve"
    assert asyncio.run(worker_serve()) is None
