"""Blocking calls on an event loop, forbidden while a test runs."""

import asyncio
import contextlib
from collections.abc import Iterator

import trio
from blockbuster import BlockBuster, blockbuster

__all__ = ["blocking_calls_forbidden"]


class _EitherLoop:
    """Stands for `asyncio` in blockbuster, which asks it whether a loop runs: trio's are loops as well."""

    @staticmethod
    def get_running_loop() -> object:
        if trio.lowlevel.in_trio_run():
            return trio
        return asyncio.get_running_loop()


@contextlib.contextmanager
def blocking_calls_forbidden() -> Iterator[None]:
    """Raise `blockbuster.BlockingError` where code on an asyncio or trio loop sleeps, reads files, waits for locks."""
    guard = _guard()
    guard.activate()
    try:
        yield
    finally:
        guard.deactivate()


def _guard() -> BlockBuster:
    if not _made:
        blockbuster.asyncio = _EitherLoop  # type: ignore[attr-defined, assignment]
        guard = BlockBuster()
        # coverage has a lock of its own, which it takes in whatever code it measures
        guard.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", {"lock_data", "unlock_data"})
        _made.append(guard)
    return _made[0]


_made: list[BlockBuster] = []
