"""Channels in memory: the last messages of each, and the subscriptions that read them.

A channel is a log, and a subscription a place in it. So a slow reader costs no memory of its own: there is no queue to
bound, and nothing is lost to it as long as the log still has what comes next. When the log has dropped that, the
policy decides.

Facts
- An id is that of a Redis stream, `milliseconds-number`: it grows with every message of the channel, and in a later
  process too, where a plain number would begin again and hide messages from clients that come back.
- Everything of a hub is changed under its one lock, which is never held while something waits. What a generator does
  that is closed by the garbage collector, in the middle of anything, is left to the lock instead.
"""

from __future__ import annotations

import bisect
import collections
import time
import weakref
from typing import Final

from ...bridge.leaving import current_leaving
from ...core.events import Event
from .waiting import Lock, LoopWaiter, ThreadWaiter, wake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any, Literal, Self

    from .waiting import Waiter

    Order = tuple[int, int]
    Policy = Literal["drop_oldest", "disconnect"]

FIRST: Final = (0, 0)
_ID_LIMIT = 2**64
_LAST: Final = (_ID_LIMIT - 1, _ID_LIMIT - 1)
"""No message can follow this one, and Redis refuses to look for one."""


def order_of(id: str) -> Order | None:
    """Read an id, which may come from a client; None for what is none."""
    milliseconds, _, number = id.partition("-")
    parts = (milliseconds, number or "0")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 20 for part in parts):
        return None
    order = int(parts[0]), int(parts[1])
    return order if max(order) < _ID_LIMIT else None


def id_of(order: Order) -> str:
    """Write an id."""
    return f"{order[0]}-{order[1]}"


class Channel:
    """The last messages of one channel.

    Attributes:
        log: messages with their places in order, oldest first.
        start: every message after this one is in the log.
        end: the last message.
        count: how many messages ever were in the log; the index of the next.
        followed: whether messages come in; `start` and `end` are known then.
    """

    __slots__ = ("count", "end", "followed", "log", "name", "start", "subscriptions", "touched_s", "waiting")

    def __init__(self, name: str, size: int, *, followed: bool) -> None:
        self.name = name
        self.log: collections.deque[tuple[Order, Event]] = collections.deque(maxlen=size)
        self.start: Order = FIRST
        self.end: Order = FIRST
        self.count = 0
        self.followed = followed
        self.waiting: set[Waiter] = set()
        self.subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self.touched_s = time.monotonic()

    def append(self, order: Order, event: Event) -> None:
        """Take a new message."""
        if len(self.log) == self.log.maxlen:
            self.start = self.log[0][0]
        self.log.append((order, event))
        self.end = order
        self.count += 1
        self.touched_s = time.monotonic()

    def taken_waiting(self) -> set[Waiter]:
        """Give those who wait for a message, and forget them."""
        waiting, self.waiting = self.waiting, set()
        return waiting

    def index_after(self, order: Order) -> int:
        """Give the index of the first message after this place that the log has or will have."""
        behind = len(self.log) - bisect.bisect_right(self.log, order, key=_place)
        return self.count - behind

    def knows(self, order: Order) -> bool:
        """Tell whether this is a message of the log, or the last one before it."""
        at = bisect.bisect_left(self.log, order, key=_place)
        return order == self.start or (at < len(self.log) and self.log[at][0] == order)


def _place(entry: tuple[Order, Event]) -> Order:
    return entry[0]


class Hub:
    """All channels that this process holds: here those of `memory://`.

    Args:
        history: how many messages a channel keeps.
        history_s: how long a channel without a new message and without subscribers is kept.
        policy: what happens to a subscription whose next message is gone.
    """

    follows = True

    def __init__(self, history: int, history_s: float, policy: Policy) -> None:
        self.lock = Lock()
        self._history = history
        self._history_s = history_s
        self._policy = policy
        self._is_closed = False
        self._channels: collections.OrderedDict[str, Channel] = collections.OrderedDict()

    # --- publishing ---

    def publish(self, name: str, data: bytes, event: Event) -> Receipt:
        """Give a message to all subscriptions of a channel; never waits."""
        with self.lock:
            channel = self.channel(name)
            now = time.time_ns() // 1_000_000
            order = (now, 0) if now > channel.end[0] else (channel.end[0], channel.end[1] + 1)
            event = event.with_id(id_of(order))
            channel.append(order, event)
            waiting = channel.taken_waiting()
        wake(waiting)
        return Receipt(self.lock, event.id)

    def channel(self, name: str) -> Channel:
        """Give a channel, made when first named; called under the lock."""
        channel = self._channels.get(name)
        if channel is None:
            self._forget_idle()
            channel = self._channels[name] = Channel(name, self._history, followed=self.follows)
        self._channels.move_to_end(name)
        return channel

    def _forget_idle(self) -> None:
        """Forget channels that nobody has used for long: two looked at for one made, so they cannot pile up."""
        oldest_s = time.monotonic() - self._history_s
        for name in [name for name, _ in zip(self._channels, range(2), strict=False)]:
            channel = self._channels[name]
            if channel.subscriptions or (channel.log and channel.touched_s > oldest_s):
                self._channels.move_to_end(name)
            else:
                del self._channels[name]

    # --- subscribing ---

    def begin(self, subscription: Subscription, name: str) -> None:
        """Put a new subscription at its place; never waits."""
        with self.lock:
            subscription._channel = channel = self.channel(name)
            channel.subscriptions.add(subscription)
            self.place(subscription)
            subscription._ended = self._is_closed

    def place(self, subscription: Subscription) -> None:
        """Find the place of a subscription in the log; called under the lock."""
        channel, position = subscription._channel, subscription._position
        if position is None:
            subscription._position = channel.end
            subscription._index = channel.count
        else:
            # One that lies ahead is none of ours, and must not hide what is there.
            subscription._index = channel.index_after(position if position <= channel.end else FIRST)
            if not channel.knows(position):
                subscription.note_missed()
        subscription._placed = True

    def take(self, subscription: Subscription, waiter: Waiter | None) -> Event | Literal["ended"] | None:
        """Give the next message of a subscription; None when there is none yet, and then `waiter` will be woken."""
        with self.lock:
            while not subscription._ended:
                if subscription._gap_due:
                    subscription._gap_due = False
                    if subscription._if_missed is not None:
                        return subscription._if_missed
                found = self.next_of(subscription)
                if found is not None:
                    subscription._position = found[0]
                    return found[1]
                if not subscription._gap_due:
                    break
            if subscription._ended:
                return "ended"
            subscription._waiter = waiter
            if waiter is not None and subscription._placed:
                subscription._channel.waiting.add(waiter)
            return None

    def next_of(self, subscription: Subscription) -> tuple[Order, Event] | None:
        """Give what comes next, if it is there; called under the lock."""
        channel = subscription._channel
        first = channel.count - len(channel.log)
        if subscription._index < first:
            self.fallen_behind(subscription)
            return None
        if subscription._index == channel.count:
            return None
        entry = channel.log[subscription._index - first]
        subscription._index += 1
        return entry

    def fallen_behind(self, subscription: Subscription) -> None:
        """Go on with what is left, or end, now that the next message is gone; called under the lock."""
        channel = subscription._channel
        subscription._index = channel.count - len(channel.log)
        self.lose(subscription)

    def lose(self, subscription: Subscription) -> None:
        """Do by the policy with a subscription that has lost messages; called under the lock."""
        subscription.note_missed()
        if self._policy == "disconnect":
            self._end(subscription)

    def await_begun(self, subscription: Subscription, waiter: Waiter) -> bool:
        """Tell whether a subscription has begun; if not, `waiter` will be woken. Raises: why it cannot begin."""
        with self.lock:
            failure, subscription._failure = subscription._failure, None
            if failure is not None:
                raise failure
            if not subscription._asked or subscription._ended:
                return True
            subscription._waiter = waiter
            return False

    def forget_waiter(self, subscription: Subscription, waiter: Waiter) -> None:
        """Take note that somebody does not wait any more; never waits."""

        def forget() -> tuple[()]:
            subscription._channel.waiting.discard(waiter)
            return ()

        self.lock.leave(forget)

    def end(self, subscriptions: Iterable[Subscription]) -> None:
        """End subscriptions, and wake who waits for their messages; never waits."""
        ending = list(subscriptions)
        for one in ending:
            one._ended = True  # whoever takes from it from now on is told so, though the rest may come a moment later
        self.lock.leave(lambda: [waiter for one in ending if (waiter := self._end(one)) is not None])

    def _end(self, subscription: Subscription) -> Waiter | None:
        subscription._ended = True
        subscription._batch.clear()
        channel = subscription._channel
        channel.subscriptions.discard(subscription)
        waiter, subscription._waiter = subscription._waiter, None
        if waiter is not None:
            channel.waiting.discard(waiter)
        if not channel.subscriptions and not channel.log and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]
        return waiter

    def close(self) -> None:
        """End every subscription, those too that somebody is about to make."""
        with self.lock:
            self._is_closed = True
            subscriptions = [one for channel in self._channels.values() for one in channel.subscriptions]
        self.end(subscriptions)


class Subscription:
    """The messages of a channel, as they come; `for` and `async for` both iterate it, one reader at a time.

    It takes its place when it is made; with a server behind the channel, a moment later: entering it with `with` or
    `async with` waits for that. It is closed by leaving that block, by `close` from any thread or loop, by
    `Broadcast.close`, and by whoever sends it as a response.

    Attributes:
        missed: messages after the id that was asked for are not there any more.
    """

    __slots__ = (
        "__weakref__", "_asked", "_batch", "_behind", "_channel", "_ended", "_failure", "_gap_due", "_hub",
        "_if_missed", "_index", "_placed", "_position", "_skip", "_waiter", "missed",
    )  # fmt: skip

    _channel: Channel

    def __init__(self, hub: Hub, name: str, after: str | None, if_missed: Event | None) -> None:
        self._hub = hub
        self._if_missed = if_missed
        self._position: Order | None = None  # of the last message given
        self._index = 0  # of the next message in the log, once placed
        self._placed = self._ended = self.missed = self._gap_due = False
        self._waiter: Waiter | None = None
        # Of use with a server behind the channel alone:
        self._batch: collections.deque[tuple[Order, Event]] = collections.deque()  # older messages, fetched
        self._skip: Order = FIRST  # what the log may still bring of what was fetched
        self._asked = self._behind = False  # a fetch is under way; it lost its place in the log
        self._failure: BaseException | None = None
        if after is not None:
            order = order_of(after)
            is_one = order is not None and order != _LAST
            self._position = order if is_one else FIRST
            if not is_one:
                self.note_missed()
        hub.begin(self, name)

    def note_missed(self) -> None:
        """Take note that messages are lost to it; called under the lock."""
        self.missed = self._gap_due = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return self._next(None)

    def next_within(self, timeout_s: float) -> Event:
        """Give the next message, waiting for so many seconds at most.

        Raises:
            TimeoutError: there was none.
            StopIteration: it has ended.
        """
        return self._next(time.monotonic() + timeout_s)

    def _next(self, deadline_s: float | None) -> Event:
        found = self._hub.take(self, None)
        while found is None:
            waiter = ThreadWaiter()
            found = self._hub.take(self, waiter)
            if found is None:
                self._wait_in_thread(waiter, deadline_s)
                found = self._hub.take(self, None)
                if found is None and deadline_s is not None and time.monotonic() >= deadline_s:
                    raise TimeoutError("no message came in time")
        if found == "ended":
            raise StopIteration
        return found

    def _wait_in_thread(self, waiter: ThreadWaiter, deadline_s: float | None) -> None:
        """Wait; who makes a stream of the messages, however indirectly, is told here that the stream is left."""
        leaving = current_leaving.get()
        if leaving is not None:
            leaving.add(self.close)
        try:
            waiter.wait(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
        finally:
            self._hub.forget_waiter(self, waiter)
            if leaving is not None:
                leaving.discard(self.close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        found = self._hub.take(self, None)
        while found is None:
            waiter = LoopWaiter()
            found = self._hub.take(self, waiter)
            if found is None:
                try:
                    await waiter.wait()
                finally:
                    self._hub.forget_waiter(self, waiter)
                found = self._hub.take(self, None)
        if found == "ended":
            raise StopAsyncIteration
        return found

    def __enter__(self) -> Self:
        try:
            while not self._hub.await_begun(self, waiter := ThreadWaiter()):
                waiter.wait()
        except BaseException:
            self.close()
            raise
        return self

    async def __aenter__(self) -> Self:
        try:
            while not self._hub.await_begun(self, waiter := LoopWaiter()):
                await waiter.wait()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End it: who waits for a message, in whatever thread or task, gets no more. Idempotent."""
        self._hub.end((self,))

    async def aclose(self) -> None:
        """As `close`; neither waits for anything."""
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Receipt:
    """What `publish` gives: the message is on its way. Await it, or call `wait()`, to know that it has arrived.

    Whoever does neither finds a failure in the log.
    """

    __slots__ = ("_failure", "_id", "_lock", "_seen", "_waiting")

    def __init__(self, lock: Lock, id: str | None = None) -> None:
        self._lock = lock
        self._id = id
        self._failure: BaseException | None = None
        self._seen = False
        self._waiting: list[Waiter] = []

    def settle(self, id: str | None, failure: BaseException | None) -> None:
        """Tell how it went."""
        with self._lock:
            self._id, self._failure = id, failure
            waiting, self._waiting = self._waiting, []
        wake(waiting)

    def _unsettled(self, waiter: Waiter | None) -> bool:
        with self._lock:
            settled = self._id is not None or self._failure is not None
            if not settled and waiter is not None:
                self._waiting.append(waiter)
            return not settled

    def _outcome(self) -> str:
        self._seen = True
        if self._failure is not None:
            raise self._failure
        return str(self._id)

    def wait(self) -> str:
        """Wait in this thread until the message has arrived, and give its id. Not for code on an event loop.

        Raises:
            Exception: why it did not arrive.
        """
        if self._unsettled(None) and self._unsettled(waiter := ThreadWaiter()):
            waiter.wait()
        return self._outcome()

    async def _arrived(self) -> str:
        if self._unsettled(None) and self._unsettled(waiter := LoopWaiter()):
            await waiter.wait()
        return self._outcome()

    def __await__(self) -> Any:
        return self._arrived().__await__()

    def __del__(self) -> None:
        if self._failure is not None and not self._seen:
            import logging

            logging.getLogger("ambi.error").error("a message could not be published: %r", self._failure)
