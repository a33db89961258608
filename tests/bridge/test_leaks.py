"""The fixture that holds every test to leave nothing behind: each resource is seen when it is left."""

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ambi.bridge.loop_thread import get_loop_thread
from ambi.bridge.workers import give_back, take_worker
from tests import leaks
from tests.leaks import nothing_left_behind

SECONDS = 5.0


@contextlib.contextmanager
def a_task() -> Iterator[None]:
    has_begun = threading.Event()

    async def wait() -> None:
        has_begun.set()
        await asyncio.sleep(60)

    waiting = asyncio.run_coroutine_threadsafe(wait(), get_loop_thread().loop)
    assert has_begun.wait(SECONDS)
    yield
    waiting.cancel()


@contextlib.contextmanager
def a_thread() -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(SECONDS,))
    thread.start()
    yield
    over.set()
    thread.join(SECONDS)


@contextlib.contextmanager
def a_busy_worker() -> Iterator[None]:
    over, worker = threading.Event(), take_worker()

    def work() -> None:
        over.wait(SECONDS)
        give_back(worker)

    worker.submit(work)
    yield
    over.set()


@contextlib.contextmanager
def a_descriptor() -> Iterator[None]:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    yield
    os.close(descriptor)


@contextlib.contextmanager
def a_temporary_file() -> Iterator[None]:
    descriptor, path = tempfile.mkstemp()
    os.close(descriptor)
    yield
    Path(path).unlink()


@contextlib.contextmanager
def a_temporary_file_without_a_name() -> Iterator[None]:
    with tempfile.TemporaryFile():
        yield


LEFT = {
    a_task: "Task",
    a_thread: "Thread",
    a_busy_worker: "busy worker",
    a_descriptor: os.devnull,
    a_temporary_file: "ambi-tests-",
    a_temporary_file_without_a_name: "deleted",
}


@pytest.mark.parametrize(("leave", "named"), LEFT.items(), ids=[leave.__name__ for leave in LEFT])
def test_what_a_test_leaves_behind_fails_it(
    leave: Callable[[], contextlib.AbstractContextManager[None]], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_loop_thread()
    monkeypatch.setattr(leaks, "PATIENCE_S", 0.05)
    with contextlib.ExitStack() as stack:
        with pytest.raises(AssertionError, match="left behind") as failure, nothing_left_behind():
            stack.enter_context(leave())
        assert named in str(failure.value)


def test_what_goes_by_itself_meanwhile_is_none() -> None:
    with nothing_left_behind():
        threading.Timer(0.05, lambda: None).start()
