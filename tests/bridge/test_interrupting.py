"""An interruption is told from other cancellations of the task, which keep their count. On asyncio alone: it counts."""

import asyncio
import contextlib
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from ambi.bridge.interrupting import Interrupted, unless, within


async def swallow_a_cancellation() -> None:
    """Be code that was cancelled, and went on, as the cleaning up of a scope does."""
    task: Any = asyncio.current_task()
    task.cancel()
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return


async def interrupted_twice(cancels: bool) -> Any:
    """Interrupt a sleep; cancel the task from outside as well where it says so."""
    task: Any = asyncio.current_task()

    async def happens(interrupt: Any) -> None:
        interrupt()
        if cancels:
            task.cancel()

    await unless(asyncio.sleep(1), happens)


def test_an_interruption_is_not_taken_for_a_cancellation_that_was_before() -> None:
    async def main() -> int:
        task: Any = asyncio.current_task()
        await swallow_a_cancellation()
        with pytest.raises(TimeoutError):
            await within(asyncio.sleep(1), 0.01)
        with pytest.raises(Interrupted):
            await interrupted_twice(cancels=False)
        count: int = task.cancelling()
        return count

    assert asyncio.run(main()) == 1


def test_a_cancellation_beside_an_interruption_stays_one() -> None:
    async def main() -> int:
        task: Any = asyncio.current_task()
        with pytest.raises(asyncio.CancelledError):
            await interrupted_twice(cancels=True)
        count: int = task.cancelling()
        return count

    assert asyncio.run(main()) == 1


def test_a_scope_that_is_cancelled_beside_an_interruption_ends_what_is_inside_of_it_alone() -> None:
    """A scope takes only its own cancellation for its own: another's would go on, and end the task around it."""

    async def cleans_up(scope: anyio.CancelScope) -> None:
        try:
            await asyncio.sleep(1)
        finally:  # the interruption is on its way out
            scope.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await checkpoint()

    async def main() -> tuple[bool, int]:
        async def happens(interrupt: Any) -> None:
            interrupt()

        with anyio.CancelScope() as scope:
            await unless(cleans_up(scope), happens)
        task: Any = asyncio.current_task()
        return scope.cancelled_caught, task.cancelling()

    assert asyncio.run(main()) == (True, 0)
