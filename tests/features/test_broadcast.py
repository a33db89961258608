"""Messages go to everybody who subscribed, in order, none twice and none lost: in memory and over Redis."""

import contextlib
import dataclasses
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from ambi import App, Broadcast, ConfigurationError, Event, Request
from ambi.bridge.stopping import forget_stopping, tell_stopping
from ambi.features.broadcast import Subscription
from ambi.features.broadcast.channels import id_of, order_of
from ambi.features.broadcast.waiting import Lock
from ambi.testing import Client
from tests.cells import Cell
from tests.children import run_python
from tests.features.conftest import MakeBroadcast
from tests.features.event_stream import Reader
from tests.leaks import busy_workers


def taken(subscription: Any, number: int) -> list[Any]:
    """Give the data of so many messages."""
    return [next(subscription).data for _ in range(number)]


def in_thread(function: Callable[[], Any]) -> Callable[[], Any]:
    """Run a function in a thread; what comes back waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(10)
        assert results, "it waits still"
        return results[0]

    return result


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


# --- in every cell ---


@pytest.fixture
def ask(app: App, client: Client, cell: Cell) -> Callable[..., Any]:
    """Give what runs the one of two functions that has the colour of the cell, as a handler."""

    def ask(sync: Callable[..., Any], asynchronous: Callable[..., Any]) -> Any:
        app.get("/")(cell.pick(sync, asynchronous))
        response = client.get("/")
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def test_a_subscriber_gets_what_is_published(ask: Any, broadcast: Broadcast) -> None:
    def sync() -> Any:
        with broadcast.subscribe("room") as messages:
            broadcast.publish("other", "not for us")
            published = broadcast.publish("room", {"n": 1}, event="x").wait()
            broadcast.publish("room", "two")
            first, second = next(messages), next(messages)
            return [first.data, first.event, first.id == published, second.data, second.event]

    async def asynchronous() -> Any:
        async with broadcast.subscribe("room") as messages:
            broadcast.publish("other", "not for us")
            published = await broadcast.publish("room", {"n": 1}, event="x")
            broadcast.publish("room", "two")
            first, second = await anext(messages), await anext(messages)
            return [first.data, first.event, first.id == published, second.data, second.event]

    assert ask(sync, asynchronous) == [{"n": 1}, "x", True, "two", None]


def test_who_waits_is_woken(ask: Any, broadcast: Broadcast) -> None:
    def publish_later() -> None:
        time.sleep(0.05)
        broadcast.publish("room", "late")

    def sync() -> Any:
        with broadcast.subscribe("room") as messages:
            thread = threading.Thread(target=publish_later)
            thread.start()
            found = [message.data for message in messages if messages.close() is None]
            thread.join()
            return found

    async def asynchronous() -> Any:
        async with broadcast.subscribe("room") as messages:
            thread = threading.Thread(target=publish_later)
            thread.start()
            found = []
            async for message in messages:
                found.append(message.data)
                await messages.aclose()
            await anyio.to_thread.run_sync(thread.join)
            return found

    assert ask(sync, asynchronous) == ["late"]


def test_who_comes_back_gets_what_was_missed_and_then_what_is_new(ask: Any, broadcast: Broadcast) -> None:
    def sync() -> Any:
        ids = [broadcast.publish("room", n).wait() for n in range(5)]
        with broadcast.subscribe("room", after=ids[1]) as messages:
            old = taken(messages, 3)
            broadcast.publish("room", "new")
            return [old, next(messages).data, messages.missed]

    async def asynchronous() -> Any:
        ids = [await broadcast.publish("room", n) for n in range(5)]
        async with broadcast.subscribe("room", after=ids[1]) as messages:
            old = [(await anext(messages)).data for _ in range(3)]
            broadcast.publish("room", "new")
            return [old, (await anext(messages)).data, messages.missed]

    assert ask(sync, asynchronous) == [[2, 3, 4], "new", False]


def test_a_subscription_ends_when_it_is_closed_while_it_waits(ask: Any, broadcast: Broadcast) -> None:
    def close_later(messages: Any) -> threading.Timer:
        timer = threading.Timer(0.05, messages.close)
        timer.start()
        return timer

    def sync() -> Any:
        messages = broadcast.subscribe("room")
        timer = close_later(messages)
        left = [message.data for message in messages]
        timer.join()
        return left + list(messages)

    async def asynchronous() -> Any:
        messages = broadcast.subscribe("room")
        timer = close_later(messages)
        left = [message.data async for message in messages]
        await anyio.to_thread.run_sync(timer.join)
        return left + [message async for message in messages]

    assert ask(sync, asynchronous) == []


def test_a_response_may_be_a_subscription(app: App, client: Client, cell: Cell, broadcast: Broadcast) -> None:
    from ambi import SSE  # here, as broadcasts have tests without event streams

    @app.get("/")
    @cell.handler
    def events(request: Request) -> Any:
        return SSE(broadcast.subscribe("room", after=request.last_event_id))

    first = broadcast.publish("room", "one").wait()
    second = broadcast.publish("room", {"n": 2}, event="x").wait()
    reader = Reader()
    with client.stream("GET", "/", headers={"last-event-id": first}) as response:
        chunks = response.iter_bytes()
        while not reader.events:
            reader.feed(next(chunks))
        third = broadcast.publish("room", "three").wait()
        while len(reader.events) < 2:
            reader.feed(next(chunks))
    assert [(event.data, event.event, event.id) for event in reader.events] == [
        ('{"n":2}', "x", second), ("three", "message", third)
    ]  # fmt: skip
    until(lambda: not is_read(broadcast, "room"))


def is_read(broadcast: Broadcast, name: str) -> bool:
    """Tell whether a channel has subscribers."""
    channel = broadcast._hub()._channels.get(name)
    return channel is not None and bool(channel.subscriptions)


@pytest.fixture(params=["the subscription", "a generator of a generator"])
def waiting_stream(request: pytest.FixtureRequest, app: App, cell: Cell) -> tuple[Broadcast, list[str]]:
    """Give a broadcast, and what happens to a stream at "/" whose items are its messages, however indirectly."""
    broadcast = Broadcast()  # whether Redis is behind it changes nothing here
    happened: list[str] = []

    from ambi import SSE

    def inner() -> Iterator[Any]:
        try:
            with broadcast.subscribe("room") as messages:
                for message in messages:
                    yield message.data
        finally:
            happened.append("closed")

    async def inner_async() -> AsyncGenerator[Any]:
        try:
            async with broadcast.subscribe("room") as messages:
                async for message in messages:
                    yield message.data
        finally:
            happened.append("closed")

    def outer() -> Iterator[Any]:
        yield from inner()

    async def outer_async() -> AsyncIterator[Any]:
        async with contextlib.aclosing(inner_async()) as items:
            async for item in items:
                yield item

    @app.get("/")
    @cell.handler
    def stream() -> Any:
        if request.param == "the subscription":
            return SSE(broadcast.subscribe("room"), keep_alive_s=0.6)
        return SSE(outer_async() if cell.is_async else outer(), keep_alive_s=0.6)

    return broadcast, happened


def test_under_wsgi_a_subscription_takes_no_thread_but_the_servers(
    app: App, client: Client, cell: Cell, broadcast: Broadcast
) -> None:
    """WSGI alone: an ASGI server iterates it on its loop."""
    from ambi import SSE

    if cell.gateway == "asgi":
        pytest.skip("there is no thread for it at all")
    app.get("/")(cell.handler(lambda: SSE(broadcast.subscribe("room"))))
    before = busy_workers()
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b": open\n\n"
        broadcast.publish("room", "hello")
        assert next(chunks).endswith(b"data: hello\n\n")
        assert busy_workers() == before


def test_a_client_that_leaves_ends_the_stream_that_waits_for_a_message(
    waiting_stream: tuple[Broadcast, list[str]], client: Client
) -> None:
    broadcast, happened = waiting_stream
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b": open\n\n"
        assert next(chunks) == b": keep-alive\n\n", "so it waits, and the client is shown life"
        assert is_read(broadcast, "room")
        begun = time.monotonic()
    until(lambda: not is_read(broadcast, "room"))
    assert time.monotonic() - begun < 2, "nobody waited for the thread that waits"
    assert happened in ([], ["closed"])


def test_a_server_that_stops_ends_the_stream_that_waits_for_a_message(
    waiting_stream: tuple[Broadcast, list[str]], client: Client
) -> None:
    broadcast, happened = waiting_stream
    begun = time.monotonic()
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b": open\n\n"
        assert next(chunks) == b": keep-alive\n\n"
        tell_stopping()
        try:
            assert b"".join(chunks) in (b"", b": keep-alive\n\n")
        finally:
            forget_stopping()
    until(lambda: not is_read(broadcast, "room"))
    assert time.monotonic() - begun < 3
    assert happened in ([], ["closed"])


def test_a_task_that_waits_can_be_cancelled(ask: Any, broadcast: Broadcast) -> None:
    async def asynchronous() -> Any:
        async with broadcast.subscribe("room") as messages:
            with anyio.move_on_after(0.02):
                await anext(messages)
            broadcast.publish("room", "after")
            return [(await anext(messages)).data, len(messages._channel.waiting)]

    def sync() -> Any:
        return ["after", 0]  # a thread cannot be cancelled

    assert ask(sync, asynchronous) == ["after", 0]


# --- what does not depend on a gateway has no cell ---


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("data", "delivered"),
    [
        ("text", "text"),
        ("", ""),
        (0, 0),
        (False, False),
        ((1, 2), [1, 2]),
        (Point(1), {"x": 1}),
        ([], []),
        ("ü\n", "ü\n"),
    ],
)
def test_data_comes_out_as_json_gives_it_back(broadcast: Broadcast, data: Any, delivered: Any) -> None:
    with broadcast.subscribe("room") as messages:
        broadcast.publish("room", data)
        assert next(messages).data == delivered


def test_who_subscribes_and_then_publishes_gets_the_message(broadcast: Broadcast) -> None:
    """Without waiting for anything between."""
    for n in range(20):
        messages = broadcast.subscribe(f"room {n}")
        broadcast.publish(f"room {n}", n)
        assert messages.next_within(10).data == n


def test_a_wait_may_have_an_end(broadcast: Broadcast) -> None:
    with broadcast.subscribe("room") as messages:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            messages.next_within(0.05)
        assert 0.04 < time.monotonic() - begun < 2
        assert not messages._channel.waiting, "nobody is left to be woken"
        broadcast.publish("room", 1)
        assert messages.next_within(10).data == 1
    with pytest.raises(StopIteration):
        messages.next_within(10)


@pytest.mark.parametrize("data", [None, b"bytes", object(), Event("a"), float("nan")])
def test_what_no_client_could_be_sent_is_refused_where_it_is_published(broadcast: Broadcast, data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        broadcast.publish("room", data)


def test_an_event_type_that_cannot_be_is_refused(broadcast: Broadcast) -> None:
    with pytest.raises(ValueError, match="one line"):
        broadcast.publish("room", "a", event="a\nb")


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (7, TypeError), (None, TypeError)])
def test_a_channel_has_a_name(broadcast: Broadcast, name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="channel"):
        broadcast.publish(name, "a")
    with pytest.raises(error, match="channel"):
        broadcast.subscribe(name)


def test_any_text_is_a_name(broadcast: Broadcast) -> None:
    names = ["ü \n\0", "a:b", "*", "x" * 1000, "channel:"]
    subscriptions = [broadcast.subscribe(name).__enter__() for name in names]
    for name in names:
        broadcast.publish(name, name)
    assert [next(messages).data for messages in subscriptions] == names


def test_all_subscribers_get_all_messages_in_order(broadcast: Broadcast) -> None:
    subscriptions = [broadcast.subscribe("room").__enter__() for _ in range(20)]
    results = [in_thread(partial(taken, messages, 200)) for messages in subscriptions]
    for n in range(200):
        broadcast.publish("room", n)
    assert [result() for result in results] == [list(range(200))] * 20


def test_many_tasks_of_one_loop_are_woken(broadcast: Broadcast) -> None:
    async def main() -> None:
        got: list[Any] = []

        async def read(messages: Any) -> None:
            async for message in messages:
                got.append(message.data)
                break

        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                messages = broadcast.subscribe("room")
                await messages.__aenter__()
                tasks.start_soon(read, messages)
            await anyio.sleep(0.05)
            await broadcast.publish("room", "hello")
        assert got == ["hello"] * 200

    anyio.run(main)


def test_who_subscribes_while_others_publish_misses_nothing_and_gets_nothing_twice(
    make_broadcast: MakeBroadcast,
) -> None:
    broadcast = make_broadcast(history=100_000)  # in memory thousands are published until another thread's turn
    stop = threading.Event()
    published = [broadcast.publish("room", 0).wait()]

    def publish() -> int:
        n = 0
        while not stop.is_set():
            n += 1
            published.append(broadcast.publish("room", n).wait())
            time.sleep(0)
        return n

    last = in_thread(publish)
    try:
        for turn in range(40):
            start = len(published) - 1 - turn % 5
            with broadcast.subscribe("room", after=published[start]) as messages:
                assert taken(messages, 20) == list(range(start + 1, start + 21))
                assert not messages.missed
    finally:
        stop.set()
    assert last() > 0


def test_ids_grow(broadcast: Broadcast) -> None:
    ids = [order_of(broadcast.publish("room", n).wait()) for n in range(300)]
    assert None not in ids
    assert ids == sorted(set(ids), key=lambda order: order or (0, 0))


@pytest.mark.parametrize(
    "unknown",
    [
        "", "x", "1-", "-1", "1-2-3", "١-١", "99999999999999999999999", "$", "1\0", "a" * 5000, "+", "(1-1", "1-*",
        "18446744073709551616", "18446744073709551616-0", "0-18446744073709551616",
        "18446744073709551615-18446744073709551615",  # the last there is: nothing comes after it
    ],
)  # fmt: skip
def test_an_id_that_is_none_gives_all_that_is_left(broadcast: Broadcast, unknown: str) -> None:
    reset = Event("", event="reset")
    for n in range(3):
        broadcast.publish("room", n).wait()
    with broadcast.subscribe("room", after=unknown, if_missed=reset) as messages:
        assert next(messages) == reset
        assert [messages.next_within(10).data for _ in range(3)] == [0, 1, 2]
        assert messages.missed


@pytest.mark.parametrize("future", ["18000000000000000-0", "18446744073709551615-18446744073709551614"])
@pytest.mark.parametrize("number", [0, 2, 300])
def test_an_id_of_the_future_gives_all_that_is_left_too(broadcast: Broadcast, future: str, number: int) -> None:
    """It is of a clock that was set back since; Redis gives what there is in batches."""
    reset = Event("", event="reset")
    for receipt in [broadcast.publish("room", n) for n in range(number)]:
        receipt.wait()
    with broadcast.subscribe("room", after=future, if_missed=reset) as messages:
        broadcast.publish("room", "new")
        assert next(messages) == reset
        assert taken(messages, number + 1) == [*range(number), "new"]
        broadcast.publish("room", "newer")
        assert messages.next_within(10).data == "newer"
        assert messages.missed


def test_no_id_of_a_client_fails_a_subscription(broadcast: Broadcast) -> None:
    """Whatever it is, what is published next comes."""
    chance = random.Random(12)
    parts = ["", "0", "00", "1", "-", "+", "(", "*", "$", ".", "e", "\0", "\n", " ", "é", "²", "x"]
    parts += [str(number + offset) for number in (2**31, 2**63, 2**64, 10**19, 10**20) for offset in (-2, -1, 0, 1)]
    ids = {"".join(chance.choices(parts, k=chance.randint(1, 4))) for _ in range(100)}
    ids |= {f"{chance.choice(parts)}-{chance.choice(parts)}" for _ in range(100)}
    for seen in sorted(ids):
        broadcast.publish(seen + "?", "before")
        with broadcast.subscribe(seen + "?", after=seen) as messages:
            broadcast.publish(seen + "?", "after")
            while messages.next_within(10).data != "after":
                pass


def test_zero_is_the_beginning(broadcast: Broadcast) -> None:
    for n in range(3):
        broadcast.publish("room", n).wait()
    with broadcast.subscribe("room", after="0-0") as messages:
        assert taken(messages, 3) == [0, 1, 2]
        assert not messages.missed


def test_a_client_is_told_what_it_may_have_missed(make_broadcast: MakeBroadcast) -> None:
    broadcast = make_broadcast(history=100)
    reset = Event("", event="reset")
    first = broadcast.publish("room", 0).wait()
    last = [broadcast.publish("room", n) for n in range(1, 1000)][-1].wait()
    with broadcast.subscribe("room", after=first, if_missed=reset) as messages:
        assert next(messages) == reset
        oldest = next(messages).data
        assert oldest > 100
        assert taken(messages, 999 - oldest) == list(range(oldest + 1, 1000))
        assert messages.missed
    with broadcast.subscribe("room", after=last, if_missed=reset) as messages:
        broadcast.publish("room", "next")
        assert next(messages).data == "next"
        assert not messages.missed


def test_a_slow_subscriber_is_served_from_the_history(make_broadcast: MakeBroadcast) -> None:
    broadcast = make_broadcast(history=3000)
    with broadcast.subscribe("room") as messages:
        [broadcast.publish("room", n) for n in range(1500)][-1].wait()
        assert taken(messages, 1500) == list(range(1500))
        assert not messages.missed


def test_a_subscriber_slower_than_the_history_goes_on_with_the_oldest(make_broadcast: MakeBroadcast) -> None:
    broadcast = make_broadcast(history=100)
    with broadcast.subscribe("room", if_missed=Event("", event="reset")) as messages:
        broadcast.publish("room", 0)
        assert next(messages).data == 0
        last = [broadcast.publish("room", n) for n in range(1, 1000)][-1].wait()
        until(lambda: id_of(messages._channel.end) == last)
        found = taken(messages, 2)
        while found[-1] != 999:
            found += taken(messages, 1)
        at = found.index("")
        assert found[:at] == list(range(1, at + 1))
        assert found[at + 1 :] == list(range(found[at + 1], 1000))
        assert messages.missed


def test_a_subscriber_slower_than_the_history_may_be_disconnected(make_broadcast: MakeBroadcast) -> None:
    broadcast = make_broadcast(history=100, policy="disconnect")
    messages = broadcast.subscribe("room").__enter__()
    last = [broadcast.publish("room", n) for n in range(1000)][-1].wait()
    until(lambda: id_of(messages._channel.end) == last)
    found = in_thread(lambda: [message.data for message in messages])()
    assert found == list(range(len(found)))
    assert len(found) < 1000
    assert messages.missed
    # It is not ended again when it comes back with an id that is gone.
    with broadcast.subscribe("room", after="1-1") as again:
        assert next(again).data > 800


def test_closing_the_broadcast_ends_all_that_wait_and_it_can_be_used_again(broadcast: Broadcast) -> None:
    with broadcast.subscribe("room") as messages:
        result = in_thread(lambda: list(messages))
        until(lambda: bool(messages._channel.waiting))
        broadcast.close()
        assert result() == []
    broadcast.close()
    with broadcast.subscribe("room") as messages:
        broadcast.publish("room", "again")
        assert next(messages).data == "again"


def test_who_comes_while_it_is_closed_does_not_wait_for_ever(broadcast: Broadcast) -> None:
    """In a thread that has begun to use it just before."""
    hub = broadcast._hub()
    broadcast.close()
    assert list(Subscription(hub, "room", None, None)) == []
    assert list(Subscription(hub, "room", "0-0", None)) == []
    if broadcast.scheme == "redis":
        with pytest.raises(RuntimeError, match="was closed meanwhile"):
            hub.publish("room", b"1", Event(1)).wait()


def test_a_subscription_that_is_dropped_is_forgotten(broadcast: Broadcast) -> None:
    messages = broadcast.subscribe("room").__enter__()
    channel = messages._channel
    del messages
    assert not channel.subscriptions


@pytest.mark.parametrize("kind", ["generator", "task"])
def test_what_the_garbage_collector_closes_does_not_wait_for_the_lock_of_its_own_thread(
    broadcast: Broadcast, kind: str
) -> None:
    """It runs in the middle of other code: here, while that takes the lock to subscribe."""
    hub: Any = broadcast._hub()

    def messages_of(name: str) -> Iterator[Any]:
        with broadcast.subscribe(name) as messages:
            yield messages
            yield from messages

    async def left_behind() -> Any:
        """Give something that reads "left" and was left there, and the subscription."""
        if kind == "generator":
            reader = messages_of("left")
            return reader, next(reader)
        subscription = await broadcast.subscribe("left").__aenter__()
        reading = subscription.__anext__()
        reading.send(None)
        return reading, subscription

    async def collected_meanwhile() -> Any:
        reader, subscription = await left_behind()
        make, hub.channel = hub.channel, lambda name: (reader.close(), make(name))[1]
        with broadcast.subscribe("room") as messages:
            hub.channel = make
            broadcast.publish("room", "still here")
            return [messages.next_within(10).data, len(subscription._channel.waiting), subscription._ended]

    seen = in_thread(lambda: anyio.run(collected_meanwhile))()
    assert seen == ["still here", 0, kind == "generator"]
    until(lambda: kind == "task" or "left" not in hub._channels)


def test_a_subscription_that_is_closed_gives_nothing_though_another_thread_has_the_lock() -> None:
    """In memory, where the message is there already."""
    broadcast = Broadcast()
    hub: Any = broadcast._hub()
    messages = broadcast.subscribe("room")
    broadcast.publish("room", 1)
    with hub.lock:
        in_thread(messages.close)()
        assert messages in messages._channel.subscriptions
    assert messages not in messages._channel.subscriptions
    assert list(messages) == []


def test_a_channel_that_nobody_uses_is_forgotten() -> None:
    """In memory alone: Redis forgets its streams itself."""
    broadcast = Broadcast(history_s=0.05)
    kept = broadcast.subscribe("kept")
    for n in range(50):
        broadcast.publish(f"room {n}", n)
        broadcast.subscribe(f"empty {n}").close()
    time.sleep(0.1)
    for n in range(100):
        broadcast.publish(f"later {n}", n)
    names = set(broadcast._hub()._channels)
    assert not {f"room {n}" for n in range(50)} & names
    assert not {f"empty {n}" for n in range(50)} & names
    broadcast.publish("kept", 1)
    assert next(kept).data == 1


def test_a_failure_that_nobody_asked_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    from ambi.features.broadcast import Receipt

    receipt = Receipt(Lock())
    receipt.settle(None, OSError("no Redis"))
    with pytest.raises(OSError, match="no Redis"):
        receipt.wait()
    del receipt
    assert not caplog.records
    receipt = Receipt(Lock())
    receipt.settle(None, OSError("no Redis"))
    del receipt
    assert "could not be published: OSError('no Redis')" in caplog.text


# --- putting it together ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "amqp://user:secret@host"}, "not a URL that begins with 'amqp'"),
        ({"url": "memory"}, "memory://"),
        ({"url": "redis://user:secret@host:port"}, "redis://host:port/db was expected"),
        ({"history": 0}, "at least 1, not 0"),
        ({"history_s": 0}, "above 0, not 0"),
        ({"policy": "wait"}, "'drop_oldest' or 'disconnect', not 'wait'"),
    ],
)
def test_wrong_arguments_are_told_at_once(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Broadcast(**options)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_url_is_not_shown() -> None:
    pytest.importorskip("redis", reason="redis-py is not installed")
    assert repr(Broadcast("redis://:secret@localhost")) == "<Broadcast redis>"


def test_a_missing_package_is_told_at_start_up() -> None:
    lines = run_python("""
import sys
sys.modules["redis"] = None
from ambi import Broadcast
Broadcast()
try:
    Broadcast("redis://localhost")
except ImportError as exc:
    print(exc)
""")
    assert lines.strip() == "Broadcast('redis://...') needs redis-py: pip install 'ambi[redis]'"


def test_a_def_needs_no_event_loop() -> None:
    """Nor is anything of a broadcast loaded before it is named."""
    run_python("""
import sys
import ambi
assert not {"ambi.core.events", "ambi.features.sse", "ambi.features.broadcast"} & set(sys.modules)
from ambi import Broadcast
broadcast = Broadcast()
with broadcast.subscribe("a") as messages:
    broadcast.publish("a", 1).wait()
    assert next(messages).data == 1
assert "asyncio" not in sys.modules and "anyio" not in sys.modules
""")


def test_a_forked_child_begins_anew() -> None:
    """In a process of its own: a fork cannot be undone."""
    lines = run_python("""
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from ambi import Broadcast
broadcast = Broadcast()
broadcast.publish("a", "before")
pid = os.fork()
if pid == 0:
    with broadcast.subscribe("a", after="0-0") as messages:
        broadcast.publish("a", "in the child")
        os.write(1, next(messages).data.encode() + b"\\n")
    os._exit(0)
os.waitpid(pid, 0)
with broadcast.subscribe("a", after="0-0") as messages:
    os.write(1, next(messages).data.encode() + b"\\n")
""")
    assert lines.splitlines() == ["in the child", "before"]
