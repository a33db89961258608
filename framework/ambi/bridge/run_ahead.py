"""Running ahead: the chunks of a stream between the side that makes them and the side that sends them.

Where a stream has not the colour of its server, each chunk would cost a crossing. So the maker runs ahead into a
buffer, and the taker takes all there is at once; who has to wait is woken by the other, and nobody who does not wait.

Facts
- A chunk that is made can be taken at once: nothing is held back until there is more of it.
- The buffer holds 32 chunks and 512 KiB; as many may be with the taker, who sends them. A maker that has filled it
  waits; so a client that stops reading stops the maker.
- The maker closes what it iterated, where it iterated it: one thread and one context for all steps of a generator, one
  task for all steps of an async one. A taker that leaves early says so, and the maker stops at its next chunk.
"""

from __future__ import annotations

import collections
import queue
import threading
import time
from typing import Protocol

from ..core.ending import close_iterated
from ..core.errors import ClientDisconnected
from ..core.log import log_failure
from .leaving import Leaving, current_leaving
from .stopping import LOOK_EVERY_S
from .workers import give_back, take_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context
    from typing import Any

    class Bell(Protocol):
        """What wakes one who waits."""

        def ring(self) -> None:
            """Wake whoever waits, or will wait next. From any thread."""
            ...


MAX_CHUNKS = 32
MAX_BYTES = 512 * 1024
CLOSE_S = 5.0
"""How long the thread of a WSGI server waits for a stream that is left to be closed."""


class Closed(Exception):
    """The taker wants no more."""


class LoopStopped(ConnectionResetError):
    """The process ends, and with it the loop a stream was made on: the stream is cut, as by a server that stops."""


class ThreadBell:
    """Wakes a thread."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung: queue.SimpleQueue[None] = queue.SimpleQueue()  # of gevent's, where that has patched it

    def ring(self) -> None:
        """Wake it."""
        self._rung.put(None)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for the next ring; for so long at most."""
        try:
            self._rung.get(timeout=timeout_s)
        except queue.Empty:
            return


class LoopBell:
    """Wakes a task on an event loop.

    Args:
        soon: runs a function on that loop, from any thread.
        make_event: an `Event` of that loop's.
    """

    __slots__ = ("_event", "_make_event", "_soon")

    def __init__(self, soon: Callable[[Callable[[], None]], object], make_event: Callable[[], Any]) -> None:
        self._soon = soon
        self._make_event = make_event
        self._event: Any = None

    def ring(self) -> None:
        """Wake it; where the loop is closed there is nobody to wake."""
        try:
            self._soon(self._ring)
        except RuntimeError:
            return

    def _ring(self) -> None:
        if self._event is not None:
            self._event.set()

    def wait(self) -> Awaitable[Any]:
        """Wait for the next ring. What rings from now on is heard, so look at what is waited for before, not after."""
        self._event = event = self._make_event()
        waiting: Awaitable[Any] = event.wait()
        return waiting


class RunAhead:
    """The buffer. One maker puts chunks, one taker takes them; each has a bell.

    Attributes:
        failure: what ended the maker; raised from `take` behind the last chunk.
        leaving: tells what the maker waits for that the taker wants no more.
        made_by: the id of the thread that the maker has begun in.
    """

    __slots__ = (
        "_bytes", "_chunks", "_closed", "_ended", "_lock", "_maker", "_maker_waits", "_taker", "_taker_waits",
        "failure", "leaving", "made_by",
    )  # fmt: skip

    def __init__(self, *, maker: Bell, taker: Bell) -> None:
        self._maker = maker
        self._taker = taker
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._maker_waits = self._taker_waits = False
        self._closed = self._ended = False
        self.failure: BaseException | None = None
        self.leaving = Leaving()
        self.made_by: int | None = None

    # --- the maker's ---

    def begin(self) -> None:
        """Say that chunks are made from now on, in this thread."""
        self.made_by = threading.get_ident()

    def put(self, chunk: bytes) -> bool:
        """Give one chunk; tell whether the maker has to wait for room before the next.

        Raises:
            Closed: the taker wants no more.
        """
        with self._lock:
            if self._closed:
                raise Closed
            self._chunks.append(chunk)
            self._bytes += len(chunk)
            wakes, self._taker_waits = self._taker_waits, False
            self._maker_waits = is_full = len(self._chunks) >= MAX_CHUNKS or self._bytes >= MAX_BYTES
        if wakes:
            self._taker.ring()
        return is_full

    @property
    def is_left(self) -> bool:
        """Whether the taker wants no more."""
        return self._closed

    @property
    def is_full(self) -> bool:
        """Whether the maker still has to wait."""
        return self._maker_waits

    def wake_taker(self) -> None:
        """Wake the taker for something else than a chunk."""
        self._taker.ring()

    def finish(self, failure: BaseException | None = None) -> None:
        """Say that nothing more comes, and why if it is for a failure."""
        with self._lock:
            self._ended = True
            self.failure = failure
            wakes, self._taker_waits = self._taker_waits, False
        if wakes:
            self._taker.ring()

    # --- the taker's ---

    def take(self) -> list[bytes] | None:
        """Take all chunks there are; none when the taker has to wait for its bell; None at the end.

        Raises:
            BaseException: what ended the maker, once all its chunks are taken.
        """
        with self._lock:
            chunks, self._chunks = self._chunks, []
            self._bytes = 0
            wakes, self._maker_waits = self._maker_waits, False
            is_over = self._ended and not chunks
            self._taker_waits = not chunks and not is_over  # told in here: a whole stream may be made meanwhile
        if wakes:
            self._maker.ring()
        if not is_over:
            return chunks
        if self.failure is not None:
            failure, self.failure = self.failure, None
            try:
                raise failure
            finally:
                del failure  # its traceback holds this frame
        return None

    def close(self) -> None:
        """Take no more; the maker stops at its next chunk."""
        with self._lock:
            self._closed = True
            self._chunks.clear()
            wakes, self._maker_waits = self._maker_waits, False
        if wakes:
            self._maker.ring()
        self.leaving.leave()


# --- the maker in a thread ---


def make_in_thread(
    ahead: RunAhead, bell: ThreadBell, body: Any, encode: Callable[[Any], bytes], context: Context
) -> None:
    """Iterate a body in this thread and in that context, from its first step to its closing."""
    failure: BaseException | None = None
    ahead.begin()
    try:
        context.run(_iterate, ahead, bell, body, encode)
    except Closed:
        pass
    except BaseException as exc:
        failure = exc
    ahead.finish(failure)  # outside of the context, which the taker may need at once
    failure = None  # its traceback holds this frame


def _iterate(ahead: RunAhead, bell: ThreadBell, body: Any, encode: Callable[[Any], bytes]) -> None:
    leaving = current_leaving.set(ahead.leaving)
    iterator = body
    try:
        iterator = iter(body)
        for item in iterator:
            chunk = encode(item)
            if chunk and ahead.put(chunk):
                while ahead.is_full:
                    bell.wait()
    finally:
        try:
            close_iterated(iterator, body)
        finally:
            current_leaving.reset(leaving)  # what runs after the stream is not left with it


class ThreadMaker:
    """Makes the chunks of a sync body in a worker thread, for a server's thread that must not wait for ever."""

    def __init__(self, body: Any, encode: Callable[[Any], bytes], context: Context) -> None:
        self._body = body
        self._encode = encode
        self._context = context
        self.bell = ThreadBell()

    def begin(self, ahead: RunAhead) -> None:
        """Let a worker begin."""
        worker = take_worker()

        def work() -> None:
            make_in_thread(ahead, self.bell, self._body, self._encode, self._context)
            give_back(worker)

        worker.submit(work)

    def serve(self) -> None:
        """A thread needs no other."""

    def cancel(self) -> None:
        """Nobody can interrupt a thread: it stops at its next chunk."""

    def drop(self) -> None:
        """Close a body that was never begun."""
        self._context.run(close_iterated, self._body, self._body)

    is_dead = False


# --- the taker in a server's thread ---


class Maker(Protocol):
    """What makes chunks elsewhere for a thread that takes them.

    Attributes:
        bell: wakes the maker.
        is_dead: it will make nothing more, though it did not say so.
    """

    bell: Any

    @property
    def is_dead(self) -> bool:
        """Whether the thread or loop it lives on is gone."""
        ...

    def begin(self, ahead: RunAhead) -> None:
        """Begin to make chunks."""
        ...

    def serve(self) -> None:
        """Run what it needs the taker's thread for."""
        ...

    def cancel(self) -> None:
        """Interrupt it, where that can be."""
        ...

    def drop(self) -> None:
        """Close a body that was never begun."""
        ...


class ThreadTaker:
    """The iterator of a stream for a server's thread, whose chunks are made elsewhere.

    Args:
        maker: begins with the first chunk that is asked for.
        look: called with the seconds that nothing was sent for; gives a chunk to send meanwhile, b"" for none, None to
            end the stream.
        look_every_s: how often at least, and about twice a second otherwise.

    `close` may come from any thread, more than once, and before the first chunk; it waits for the maker's end, for a
    bounded time.
    """

    def __init__(self, maker: Maker, look: Callable[[float], bytes | None], look_every_s: float = LOOK_EVERY_S) -> None:
        self._maker = maker
        self._look = look
        self._look_every_s = min(look_every_s, LOOK_EVERY_S)
        self._news = ThreadBell()
        self._ahead = RunAhead(maker=maker.bell, taker=self._news)
        self._taken: collections.deque[bytes] = collections.deque()
        self._has_begun = self._has_ended = self._is_through = False
        self._sent_s = self._looked_s = time.monotonic()

    def __iter__(self) -> ThreadTaker:
        return self

    def __next__(self) -> bytes:
        while not self._taken:
            if self._has_ended:
                raise StopIteration
            if not self._has_begun:
                self._begin()
            is_dead = self._maker.is_dead
            chunks = self._take()
            if chunks is None:
                raise StopIteration
            if not chunks and is_dead:
                raise RuntimeError("the loop thread was stopped")
            self._taken.extend(chunks)
            self._maker.serve()
            meanwhile = self._wait_or_look()
            if meanwhile is None:
                raise StopIteration
            if meanwhile:
                return meanwhile
        self._sent_s = time.monotonic()
        return self._taken.popleft()

    def _begin(self) -> None:
        self._has_begun = True
        try:
            self._maker.begin(self._ahead)
        except BaseException:  # no thread can be started: `close` has a body that was never begun
            self._has_begun = False
            raise

    def _wait_or_look(self) -> bytes | None:
        """Wait for a while if there is nothing to give; look at the time when it is time to."""
        if not self._taken:
            self._news.wait(self._look_every_s)
        now = time.monotonic()
        if now - self._looked_s < self._look_every_s:
            return b""
        self._looked_s = now
        meanwhile = self._look(0.0 if self._taken else now - self._sent_s)
        if meanwhile:
            self._sent_s = now
        return meanwhile

    def _take(self) -> list[bytes] | None:
        try:
            chunks = self._ahead.take()
        except BaseException:
            self._has_ended = self._is_through = True
            raise
        if chunks is None:  # never back to False: another thread may have closed it meanwhile
            self._has_ended = self._is_through = True
        return chunks

    def close(self, within_s: float = CLOSE_S) -> bool:
        """Take no more, and wait until the maker has closed what it iterated, or the time is up.

        Nothing is waited for in the maker's own thread, where the collector may end a stream that no server did.

        Returns:
            Whether it has.
        """
        self._taken.clear()
        if self._has_ended:
            return self._is_through
        self._has_ended = True
        if not self._has_begun:
            self._maker.drop()
            return True
        self._ahead.close()
        self._maker.cancel()
        if self._ahead.made_by == threading.get_ident():
            return False
        deadline = time.monotonic() + within_s
        try:
            while not self._is_through and time.monotonic() < deadline and not self._maker.is_dead:
                if self._take() is not None:
                    self._news.wait(min(LOOK_EVERY_S, within_s))
        except Exception as exc:
            if not isinstance(exc, (ClientDisconnected, LoopStopped)):  # it read the body of a client that left
                log_failure("a stream that was left did not close", exc)
        return self._is_through or self._maker.is_dead
