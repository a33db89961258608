"""Fan-out of messages to many clients, over processes and machines.

waiting.py        waiting in either colour
channels.py       channels in memory, subscriptions, receipts
redis_streams.py  the same over Redis
"""

from __future__ import annotations

import os
import weakref

from ...core.errors import ConfigurationError
from ...core.events import Event
from ...core.json import StandardJSON
from .channels import Hub, Receipt, Subscription

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.json import JSONCodec
    from .channels import Policy

__all__ = ["Broadcast", "Receipt", "Subscription"]


class Broadcast:
    """Deliver what is published in a channel to everybody who has subscribed to it.

    Args:
        url: "memory://" within this process; "redis://host:port/db" (also rediss:// and unix://) over all processes
            and machines that use the same Redis. Needs `pip install 'ambi[redis]'`.
        history: how many messages a channel keeps for those who come back, 1,000 by default; in Redis, about so many.
        history_s: how long a channel is kept to which nothing more is published, in seconds; an hour by default.
        policy: what happens to a subscriber so slow that the next message is gone from the history: "drop_oldest" (the
            default) goes on with the oldest there is, "disconnect" ends its subscription, so that a client comes back.
        prefix: of the keys in Redis; channels of different applications must not meet.
        json: the codec of the data, as for `App(json=...)`.

    Raises:
        ConfigurationError: an argument cannot be.
        ImportError: redis-py is missing.

    Example:
        >>> broadcast = Broadcast()
        >>> with broadcast.subscribe("prices") as prices:
        ...     receipt = broadcast.publish("prices", {"EUR": 12}, event="quote")
        ...     next(prices).data
        {'EUR': 12}

    `publish` never waits, so it is the same in `def` and `async def`; a subscription is iterated by `for` and by
    `async for`. Nothing is connected before the first use, and a forked child connects anew.
    """

    def __init__(
        self,
        url: str = "memory://",
        *,
        history: int = 1000,
        history_s: float = 3600,
        policy: Policy = "drop_oldest",
        prefix: str = "ambi:",
        json: JSONCodec | None = None,
    ) -> None:
        if not isinstance(history, int) or history < 1:
            raise ConfigurationError(f"Broadcast(history=...) takes a number of messages, at least 1, not {history!r}")
        if not history_s > 0:
            raise ConfigurationError(f"Broadcast(history_s=...) takes a number of seconds above 0, not {history_s!r}")
        if policy not in ("drop_oldest", "disconnect"):
            raise ConfigurationError(f"Broadcast(policy=...) is 'drop_oldest' or 'disconnect', not {policy!r}")
        self._json: JSONCodec = json or StandardJSON()
        scheme = url.partition("://")[0]
        self.scheme = scheme
        if scheme in ("redis", "rediss", "unix"):
            try:
                from .redis_streams import RedisHub, check_url
            except ImportError as exc:
                raise ImportError(f"Broadcast('{scheme}://...') needs redis-py: pip install 'ambi[redis]'") from exc
            if not check_url(url):  # the message does not show it: it may hold a password
                raise ConfigurationError(f"the URL of the broadcast is none; {scheme}://host:port/db was expected")
            self._make: Callable[[], Hub] = lambda: RedisHub(url, prefix, self._json, history, history_s, policy)
        elif url == "memory://":
            self._make = lambda: Hub(history, history_s, policy)
        else:
            raise ConfigurationError(
                f"Broadcast takes memory://, redis://, rediss:// or unix://, not a URL that begins with {scheme!r}"
            )
        self._hubs: dict[str, Hub] = {}  # one, made when first used; none in a process forked since
        _all.add(self)

    def publish(self, channel: str, data: Any, *, event: str | None = None) -> Receipt:
        """Send a message to all subscribers of a channel. Never waits; messages of one process keep their order.

        Args:
            channel: its name; any text.
            data: text or any other JSON-able value but None; subscribers get it as JSON gives it back.
            event: the type of the event, see `Event`.

        Returns:
            a receipt: `await` it in an `async def`, call its `wait()` in a `def`, to have the message's id or the
            failure. Who does not care leaves it; a failure is logged then.

        Raises:
            TypeError: the data is None, or cannot be written as JSON.
            ValueError: the channel has no name, or the event is none.
        """
        _check_name(channel)
        if data is None:
            raise TypeError("None cannot be published: an event without data is not told of; publish {} or ''")
        text = self._json.dumps(data)
        encoded = text if isinstance(text, bytes) else text.encode("utf-8")
        return self._hub().publish(channel, encoded, Event(self._json.loads(encoded), event=event))

    def subscribe(self, channel: str, *, after: str | None = None, if_missed: Event | None = None) -> Subscription:
        """Get the messages of a channel from now on, or after the one that a client saw last.

        Args:
            channel: its name.
            after: `request.last_event_id`: first what was missed since, then what is new, with no gap and none twice.
                An id that is not known (any more) gives all that is left.
            if_missed: sent first where messages are missing, so that a client fetches afresh what it shows.

        Returns:
            a subscription, that can be iterated in either colour or given to `SSE`. Its items are `Event`s.

        Raises:
            ValueError: the channel has no name.
        """
        _check_name(channel)
        return Subscription(self._hub(), channel, after, if_missed)

    def close(self) -> None:
        """End all subscriptions and connections of this process. Never waits; later use begins anew."""
        hub = self._hubs.pop("", None)
        if hub is not None:
            hub.close()

    def _hub(self) -> Hub:
        hub = self._hubs.get("")
        return hub if hub is not None else self._hubs.setdefault("", self._make())

    def _forget(self) -> None:
        self._hubs.clear()

    def __repr__(self) -> str:
        return f"<Broadcast {self.scheme}>"  # the URL may hold a password


def _check_name(channel: str) -> None:
    if not isinstance(channel, str):
        raise TypeError(f"the name of a channel must be a str, not {channel!r:.80}")
    if not channel:
        raise ValueError("a channel must have a name")


_all: weakref.WeakSet[Broadcast] = weakref.WeakSet()


def _forget_after_fork() -> None:
    for broadcast in list(_all):
        broadcast._forget()


os.register_at_fork(after_in_child=_forget_after_fork)
