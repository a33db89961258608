"""Channels in Redis: one stream each, over all processes and machines.

    the follower    a thread that waits in one XREAD for all channels that have subscribers here
    the errands     a thread that does the rest, in order: XADD, where a channel ends, what a subscription missed

So a process has two connections, however many clients, and no code on an event loop ever waits for Redis itself.

Facts
- A blocked XREAD cannot be told of another stream. So each process has a stream of its own among those it waits for,
  and adds to it when a channel comes along: a new channel costs a round trip and no polling.
- A subscription that begins in the past, or has fallen behind the log that this process keeps of a channel, gets its
  messages by XRANGE, a batch when it asks for more, until it has caught up with the log. Log and batches overlap and
  never leave a gap; by their ids what came already is skipped.
- The follower goes on after the last id it saw, so a lost connection loses nothing that Redis kept.
- A failed XADD is not repeated, as it may have arrived.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import weakref
from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...bridge.exits import at_exit
from ...core.events import Event
from .channels import FIRST, Channel, Hub, Receipt, Subscription, id_of, order_of
from .waiting import wake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...core.json import JSONCodec
    from .channels import Order, Policy
    from .waiting import Waiter

    Entry = tuple[bytes, dict[bytes, bytes]]

_BLOCK_S = 10
_TIMEOUT_S = 5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 3.0
_KEPT = 256
"""How many messages of a channel this process keeps at most; older ones are fetched."""
_BATCH = 128
_BACKLOG = 10_000
"""How many messages may be on their way to Redis."""

_redis: Any = redis  # its annotations are too loose to be of use
_log = logging.getLogger("ambi.broadcast")


class _Message(NamedTuple):
    """A message on its way to Redis."""

    key: str
    fields: dict[str, bytes]
    receipt: Receipt


class RedisHub(Hub):
    """The channels of a process, with Redis behind them.

    Args:
        url: of Redis.
        prefix: of its keys.
        codec: reads the data of messages.
        history: how many messages Redis keeps of a channel, about.
        history_s: for how long Redis keeps a channel to which nothing is published.
        policy: what happens to a subscription whose next message is gone.
    """

    follows = False

    def __init__(self, url: str, prefix: str, codec: JSONCodec, history: int, history_s: float, policy: Policy) -> None:
        super().__init__(min(history, _KEPT), history_s, policy)
        self._prefix = f"{prefix}channel:"
        self._control = f"{prefix}wake:{os.urandom(8).hex()}"
        self._maxlen = history
        self._codec = codec
        self._client = _connect(url, _TIMEOUT_S)
        self._following = _connect(url, _BLOCK_S + _TIMEOUT_S)
        self._errands: queue.SimpleQueue[_Message | Subscription | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._must_wake = False  # of the thread of errands: the follower reads on without a channel that has begun

    # --- what the rest of the process asks for; none of it waits ---

    def publish(self, name: str, data: bytes, event: Event) -> Receipt:
        """Send a message on its way to Redis."""
        self._start()
        receipt = Receipt(self.lock)
        if self._is_closed or self._errands.qsize() >= _BACKLOG:
            closed = RuntimeError("the broadcast was closed meanwhile")
            full = BufferError(f"{_BACKLOG} messages are waiting for Redis already")
            receipt.settle(None, closed if self._is_closed else full)
            return receipt
        fields = {"data": data} if event.event is None else {"data": data, "event": event.event.encode()}
        self._errands.put(_Message(self._prefix + name, fields, receipt))
        return receipt

    def begin(self, subscription: Subscription, name: str) -> None:
        """Put a new subscription at its place, or have it found out where that is."""
        self._start()
        with self.lock:
            subscription._channel = channel = self.channel(name)
            channel.subscriptions.add(subscription)
            subscription._ended = self._is_closed
            position = subscription._position
            if channel.followed and (position is None or channel.start <= position <= channel.end):
                self.place(subscription)
            else:
                self._ask(subscription)

    def next_of(self, subscription: Subscription) -> tuple[Order, Event] | None:
        """Give what comes next, if it is there; else have it fetched."""
        if subscription._batch:
            return subscription._batch.popleft()
        if not subscription._placed:
            self._ask(subscription)
            return None
        found = super().next_of(subscription)
        while found is not None and found[0] <= subscription._skip:
            found = super().next_of(subscription)
        return found

    def fallen_behind(self, subscription: Subscription) -> None:
        """Have fetched what the log has dropped; what Redis has dropped too is lost."""
        subscription._placed, subscription._behind = False, True
        self._ask(subscription)

    def _ask(self, subscription: Subscription) -> None:
        if not subscription._asked:
            subscription._asked = True
            self._errands.put(subscription)

    def close(self) -> None:
        """End every subscription, and the threads as soon as what was published before is on its way."""
        super().close()
        self._closing.set()
        self._errands.put(None)  # its thread tells the follower, whose connection must not be closed under its feet

    def flush(self) -> None:
        """Wait, for a bounded time, until what was published is on its way: the process is about to end."""
        self.close()
        for thread in self._threads[:1]:  # the other one has nothing to lose
            thread.join(_TIMEOUT_S)

    def _start(self) -> None:
        if self._threads:
            return
        threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in ((self._run_errands, "ambi-broadcast"), (self._follow, "ambi-broadcast-follower"))
        ]
        with self.lock:
            if self._threads:
                return
            self._threads = threads
        for thread in threads:
            thread.start()
        hub = weakref.ref(self)

        def flush() -> None:
            found = hub()
            if found is not None:
                found.flush()

        at_exit(flush)

    # --- the thread of errands ---

    def _run_errands(self) -> None:
        later: list[Subscription] = []
        pause_s = _FIRST_PAUSE_S
        while True:
            errands, stop = self._collect(pause_s if later else None)
            later = self._do_in_order([*later, *errands], stopping=stop)
            errands.clear()  # nothing of a subscription is held while this waits
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) if later else _FIRST_PAUSE_S
            if stop:
                break
        try:
            self._wake_follower()  # it may have begun another read since it was told to end
        except Exception:  # whatever it is: the follower ends by itself when its read is over
            _log.debug("Redis could not be told of the end", exc_info=True)
        self._client.close()

    def _do_in_order(self, errands: list[_Message | Subscription], *, stopping: bool) -> list[Subscription]:
        """Do what was asked for; give those who have to ask again.

        Who subscribes and then publishes gets the message: so nothing is sent before what was asked for earlier.
        """
        again: list[Subscription] = []
        messages: list[_Message] = []
        for errand in errands:
            if isinstance(errand, _Message):
                messages.append(errand)
                continue
            self._send(messages)
            messages = []
            if not stopping and not self._serve(errand):
                again.append(errand)
        self._send(messages)
        return again

    def _collect(self, timeout_s: float | None) -> tuple[list[_Message | Subscription], bool]:
        """Wait for errands and take all there are; and whether these are the last."""
        found: list[_Message | Subscription] = []
        try:
            errand = self._errands.get(timeout=timeout_s)
            while errand is not None:
                found.append(errand)
                if len(found) >= 512:
                    return found, False
                errand = self._errands.get_nowait()
        except queue.Empty:
            return found, False
        return found, True

    def _send(self, messages: list[_Message]) -> None:
        """Add messages to their streams, all in one round trip."""
        if not messages:
            return
        expiry_ms = int(self._history_s * 1000)
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for key, fields, _ in messages:
                    pipe.xadd(key, fields, maxlen=self._maxlen, approximate=True)
                    pipe.pexpire(key, expiry_ms)
                results = pipe.execute(raise_on_error=False)[::2]
        except Exception as exc:  # who published is told
            results = [exc] * len(messages)
        for message, result in zip(messages, results, strict=True):
            if isinstance(result, Exception):
                message.receipt.settle(None, result)
            else:
                message.receipt.settle(result.decode(), None)

    def _serve(self, subscription: Subscription) -> bool:
        """Find the place of a subscription, or give it its next batch; false where Redis cannot be asked."""
        channel = subscription._channel
        try:
            if not channel.followed:
                self._begin_following(channel)
            if self._must_wake:
                self._wake_follower()
                self._must_wake = False
            self._fetch(subscription)
        except Exception as exc:  # the thread goes on for all others
            with self.lock:
                subscription._failure = exc
                waiting = [subscription._waiter] if subscription._waiter is not None else []
                done = subscription._ended and not self._must_wake  # others may read the channel by now
            wake(waiting)
            return done
        return True

    def _begin_following(self, channel: Channel) -> None:
        """Find out where a channel ends, and have the follower go on from there."""
        last: Any = self._client.xrevrange(self._prefix + channel.name, count=1)
        with self.lock:
            channel.start = channel.end = _order(last[0][0]) if last else FIRST
            channel.followed = self._must_wake = True

    def _wake_follower(self) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xadd(self._control, {"w": ""}, maxlen=1, approximate=False)
            pipe.expire(self._control, 60)
            pipe.execute()

    def _fetch(self, subscription: Subscription) -> None:
        """Give a subscription its next older messages, and its place in the log where it has caught up."""
        position, channel = subscription._position, subscription._channel
        entries: Sequence[Entry] = ()
        is_known = True
        if position is not None:
            key = self._prefix + channel.name
            with self._client.pipeline(transaction=False) as pipe:
                pipe.xrange(key, id_of(position), id_of(position))
                pipe.xrange(key, f"({id_of(position)}", "+", count=_BATCH)
                known, entries = pipe.execute()
            is_known = bool(known) if position != FIRST else self._is_whole(key)
            if not is_known and not entries and not subscription._behind:  # it lies ahead of all, and is none of ours
                entries = self._client.xrange(key, count=_BATCH)
        batch = [message for entry in entries if (message := self._read(channel, entry)) is not None]
        with self.lock:
            subscription._asked = False
            subscription._failure = None
            waiter, subscription._waiter = subscription._waiter, None
            if not is_known and subscription._behind:
                self.lose(subscription)
            elif not is_known:
                subscription.note_missed()
            subscription._behind = False
            if not subscription._ended:
                subscription._batch.extend(batch)
                self._settle(subscription, _order(entries[-1][0]) if entries else None, is_known)
        wake([waiter] if waiter is not None else [])

    def _is_whole(self, key: str) -> bool:
        """Tell whether a stream still has its first message, as far as Redis can tell: since 7.0."""
        try:
            info: Any = self._client.xinfo_stream(key)
        except redis.ResponseError:  # there is no such stream
            return True
        return bool(info.get("entries-added", info["length"]) == info["length"])

    def _settle(self, subscription: Subscription, last: Order | None, is_known: bool) -> None:
        """Give a subscription its place in the log, if the log has all that comes after its batch."""
        channel, position = subscription._channel, subscription._position
        if position is None:
            self.place(subscription)
            return
        reached = last or position
        if not subscription._batch:  # nothing of it could be read
            subscription._position = reached
        if last is None or reached >= channel.start:
            subscription._index = channel.index_after(reached)
            # An id that Redis does not know may be one of the future: it must not hide what comes.
            subscription._skip = reached if is_known or last is not None else FIRST
            subscription._placed = True

    def _read(self, channel: Channel, entry: Entry) -> tuple[Order, Event] | None:
        """Read an entry of a stream; None for one that is not ours."""
        place = entry[0].decode()
        try:
            name = entry[1].get(b"event")
            data = self._codec.loads(entry[1][b"data"])
            event = Event(data, event=None if name is None else name.decode(), id=place)
        except Exception as exc:  # whatever a codec raises
            _log.warning("the entry %s of channel %r is no message of ours: %r", place, channel.name, exc)
            return None
        return _order(entry[0]), event

    # --- the thread of the follower ---

    def _follow(self) -> None:
        seen = "0-0"
        pause_s = _FIRST_PAUSE_S
        lost = False
        while not self._closing.is_set():
            try:
                reply: Any = self._following.xread(
                    {self._control: seen, **self._places()}, count=_BATCH, block=_BLOCK_S * 1000
                )
            except Exception as exc:  # whatever it is: with this thread all subscriptions of the process would stop
                if not lost and not self._closing.is_set():
                    lost = True
                    _log.warning("Redis cannot be read: %r; trying again, and going on after the last message", exc)
                self._closing.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            if lost:
                _log.warning("Redis can be read again")
            lost, pause_s = False, _FIRST_PAUSE_S
            streams: list[tuple[bytes, list[Entry]]] = reply or []
            for key, entries in streams:
                if key.decode() == self._control:
                    seen = entries[-1][0].decode()
                else:
                    self._deliver(key.decode().removeprefix(self._prefix), entries)
        self._following.close()

    def _places(self) -> dict[Any, Any]:
        """Give the streams to wait for, and after which message; forget channels that nobody reads any more."""
        with self.lock:
            for name in [name for name, channel in self._channels.items() if not channel.subscriptions]:
                del self._channels[name]
            followed = [channel for channel in self._channels.values() if channel.followed]
            return {self._prefix + channel.name: id_of(channel.end) for channel in followed}

    def _deliver(self, name: str, entries: Sequence[Entry]) -> None:
        """Put messages in the log of their channel, and wake who waits for them."""
        waiting: set[Waiter] = set()
        channel = self._channels.get(name)
        if channel is None:
            return
        read = [(_order(entry[0]), self._read(channel, entry)) for entry in entries]
        with self.lock:
            for order, message in read:
                if not channel.followed or order <= channel.end:
                    continue
                if message is None:
                    channel.end = order
                else:
                    channel.append(*message)
            waiting = channel.taken_waiting()
        wake(waiting)


def _connect(url: str, timeout_s: float) -> Any:
    """Make a client; it connects when first used. Raises: ValueError for a URL that is none."""
    keep_alive = {} if url.startswith("unix://") else {"socket_keepalive": True}  # redis-py refuses it for a file
    return _redis.Redis.from_url(
        url, decode_responses=False, protocol=2, socket_timeout=timeout_s, socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0), **keep_alive,
    )  # fmt: skip


def check_url(url: str) -> bool:
    """Tell whether redis-py can read a URL; nothing is connected."""
    try:
        _redis.ConnectionPool.from_url(url)
    except ValueError:
        return False
    return True


def _order(id: bytes) -> Order:
    return order_of(id.decode()) or FIRST
