"""The buffer of a stream that crosses: bounded, never withholding, and ended from either end."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

import pytest

from ambi import App, Stream
from ambi.bridge import run_ahead
from ambi.bridge.loop_thread import stop_loop_thread
from ambi.bridge.run_ahead import MAX_BYTES, MAX_CHUNKS, Closed, RunAhead, ThreadBell, ThreadMaker, ThreadTaker
from ambi.bridge.to_loop import LoopMaker
from ambi.core.response import as_bytes
from tests.calls import call_wsgi


class Bell:
    """Counts how often it is rung."""

    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1


def make() -> tuple[RunAhead, Bell, Bell]:
    maker, taker = Bell(), Bell()
    return RunAhead(maker=maker, taker=taker), maker, taker


def test_nobody_is_woken_who_does_not_wait() -> None:
    ahead, maker, taker = make()
    ahead.put(b"a")
    ahead.put(b"b")
    assert ahead.take() == [b"a", b"b"]
    assert (maker.rung, taker.rung) == (0, 0)


def test_a_taker_that_waits_is_woken_once_by_the_next_chunk() -> None:
    ahead, _, taker = make()
    assert ahead.take() == []
    ahead.put(b"a")
    ahead.put(b"b")
    assert taker.rung == 1


class MeanwhileLock:
    """A lock between whose release and what follows it another thread does something, once."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._meanwhile: Callable[[], None] | None = meanwhile

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()


@pytest.mark.parametrize("failure", [None, KeyError("late")])
def test_a_stream_that_is_made_whole_while_the_taker_finds_nothing_is_taken(failure: Exception | None) -> None:
    ahead, _, taker = make()

    def make_all() -> None:
        ahead.put(b"a")
        ahead.finish(failure)

    ahead._lock = MeanwhileLock(make_all)  # type: ignore[assignment]
    assert ahead.take() == []
    assert taker.rung == 1
    assert ahead.take() == [b"a"]
    if failure is None:
        assert ahead.take() is None
    else:
        with pytest.raises(KeyError, match="late"):
            ahead.take()


@pytest.mark.parametrize(("size", "count"), [(1, MAX_CHUNKS), (MAX_BYTES, 1), (MAX_BYTES // 4, 4)])
def test_a_maker_that_has_filled_it_waits_until_it_is_taken(size: int, count: int) -> None:
    ahead, maker, _ = make()
    assert [ahead.put(b"x" * size) for _ in range(count)] == [False] * (count - 1) + [True]
    assert ahead.is_full
    assert len(ahead.take() or ()) == count
    assert (ahead.is_full, maker.rung) == (False, 1)


def test_what_was_made_before_a_failure_is_taken_before_it() -> None:
    ahead, _, _ = make()
    ahead.put(b"a")
    ahead.finish(KeyError("late"))
    assert ahead.take() == [b"a"]
    with pytest.raises(KeyError, match="late"):
        ahead.take()
    assert ahead.take() is None


def test_the_end_wakes_a_taker_that_waits() -> None:
    ahead, _, taker = make()
    ahead.take()
    ahead.finish()
    assert (taker.rung, ahead.take()) == (1, None)


def test_a_maker_whose_taker_left_stops_at_its_next_chunk() -> None:
    ahead, maker, _ = make()
    for _ in range(MAX_CHUNKS):
        ahead.put(b"x")
    ahead.close()
    assert (ahead.is_full, ahead.is_left, maker.rung) == (False, True, 1)
    with pytest.raises(Closed):
        ahead.put(b"x")
    assert ahead.take() == []


def test_a_bell_that_was_rung_before_is_heard() -> None:
    bell = ThreadBell()
    bell.ring()
    started = time.monotonic()
    bell.wait(5)
    bell.wait(0.01)
    assert time.monotonic() - started < 1


# --- a taker in a thread ---


def taker_of(body: Any, look: Any = lambda quiet_s: b"", every_s: float = 1.0) -> ThreadTaker:
    return ThreadTaker(ThreadMaker(body, as_bytes, copy_context()), look, every_s)


def test_all_chunks_come_in_order() -> None:
    taker = taker_of(str(number) for number in range(1000))
    assert b"".join(taker) == "".join(map(str, range(1000))).encode()
    taker.close()


def test_all_steps_of_a_generator_run_in_one_thread_and_one_context(no_leaks: None) -> None:
    threads = set()

    def items() -> Any:
        try:
            for _ in range(3):
                threads.add(threading.get_ident())
                yield "x"
        finally:
            threads.add(threading.get_ident())

    assert list(taker_of(items())) == [b"x"] * 3
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_taker_that_leaves_closes_the_generator_before_close_returns(no_leaks: None) -> None:
    closed = []

    def items() -> Any:
        try:
            while True:
                yield "x"
        finally:
            time.sleep(0.05)
            closed.append(True)

    taker = taker_of(items())
    next(taker)
    taker.close()
    assert closed == [True]
    taker.close()
    assert list(taker) == []


class NeverBegun:
    """A body that nobody may iterate; it counts how often it is closed."""

    closed = 0

    def __iter__(self) -> Any:
        pytest.fail("it was iterated")

    def close(self) -> None:
        self.closed += 1


def test_a_stream_that_was_never_begun_is_closed(no_leaks: None) -> None:
    body = NeverBegun()
    taker = taker_of(body)
    taker.close()
    taker.close()
    assert body.closed == 1


def test_a_stream_that_no_thread_can_be_started_for_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_worker() -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(run_ahead, "take_worker", take_worker)
    app, body = App(), NeverBegun()
    app.get("/")(lambda: Stream(body, ends_at_stop=True))
    started = time.monotonic()
    assert call_wsgi(app)[0] == 500
    assert time.monotonic() - started < 2
    assert body.closed == 1


def test_close_does_not_wait_for_ever_for_a_generator_that_blocks(no_leaks: None) -> None:
    go_on = threading.Event()

    def items() -> Any:
        yield "x"
        go_on.wait(5)
        yield "y"

    taker = taker_of(items())
    next(taker)
    time.sleep(0.02)
    started = time.monotonic()
    taker.close(0.1)
    assert time.monotonic() - started < 2
    go_on.set()


def test_a_stream_that_ends_in_the_thread_that_makes_it_does_not_wait_for_itself(no_leaks: None) -> None:
    """As the garbage collector does to one that its server forgot."""
    took_s, ended = [], threading.Event()

    def items() -> Any:
        yield "x"
        began = time.monotonic()
        assert taker.close() is False
        took_s.append(time.monotonic() - began)
        ended.set()
        yield "y"

    taker = taker_of(items())
    list(taker)  # to its end, which comes before or after the first item is taken
    assert ended.wait(10)
    assert took_s[0] < 2


def test_a_stream_that_ends_on_the_loop_it_is_made_on_does_not_hold_that(no_leaks: None) -> None:
    took_s, closed = [], threading.Event()

    async def items() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            began = time.monotonic()
            assert taker.close() is False
            took_s.append(time.monotonic() - began)
            await asyncio.sleep(30)
        finally:
            closed.set()

    taker = ThreadTaker(LoopMaker(items(), as_bytes, copy_context()), lambda quiet_s: b"")
    list(taker)  # to its end, which comes before or after the first item is taken
    assert closed.wait(10)
    assert took_s[0] < 2
    stop_loop_thread()


def test_a_generator_that_fails_to_close_is_logged(no_leaks: None, caplog: pytest.LogCaptureFixture) -> None:
    def items() -> Any:
        try:
            yield "x"
            yield "y"
            yield from ("z" for _ in iter(int, 1))
        finally:
            raise KeyError("of the closing")

    taker = taker_of(items())
    next(taker)
    taker.close()
    assert "of the closing" in caplog.text


def test_while_nothing_comes_the_time_is_looked_at(no_leaks: None) -> None:
    go_on = threading.Event()
    quiet: list[float] = []

    def look(quiet_s: float) -> bytes:
        quiet.append(quiet_s)
        go_on.set()
        return b"meanwhile"

    def items() -> Any:
        go_on.wait(5)
        yield "x"

    assert list(taker_of(items(), look, 0.01))[-1] == b"x"
    assert quiet[0] >= 0.009


def test_a_look_may_end_a_stream_that_is_busy(no_leaks: None) -> None:
    def items() -> Any:
        while True:
            yield "x"

    taker = taker_of(items(), lambda quiet_s: None, 0.01)
    assert 0 < sum(1 for _ in taker) < 10_000_000
    taker.close()
