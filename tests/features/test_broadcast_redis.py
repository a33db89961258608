"""What is particular to Redis: other processes, a server that goes away, forks. Nothing depends on a gateway here."""

import contextlib
import logging
import threading
import time
from typing import Any

import anyio
import pytest

redis = pytest.importorskip("redis", reason="redis-py is not installed")

from ambi import Broadcast, Event  # noqa: E402
from tests.children import run_python  # noqa: E402
from tests.features.conftest import MakeBroadcast  # noqa: E402
from tests.features.redis_server import RedisServer  # noqa: E402
from tests.features.test_broadcast import in_thread, taken, until  # noqa: E402


def test_processes_share_channels(over_redis: MakeBroadcast, redis_url: str, prefix: str) -> None:
    broadcast = over_redis()
    with broadcast.subscribe("to us") as messages:
        lines = run_python(f"""
from ambi import Broadcast
broadcast = Broadcast({redis_url!r}, prefix={prefix!r})
with broadcast.subscribe("to them") as messages:
    print(broadcast.publish("to us", "hello from the child").wait())
""")
        message = next(messages)
    assert (message.data, message.id) == ("hello from the child", lines.strip())


def test_a_socket_in_the_file_system_leads_there_too(
    over_redis: MakeBroadcast, redis_socket_url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    by_socket = Broadcast(redis_socket_url, prefix=prefix)
    try:
        with over_redis().subscribe("room") as there, by_socket.subscribe("room") as here:
            last = by_socket.publish("room", "hello").wait()
            assert [(message.data, message.id) for message in (next(there), next(here))] == [("hello", last)] * 2
    finally:
        by_socket.close()
    assert caplog.messages == []


def test_a_client_resumes_at_another_process(over_redis: MakeBroadcast, redis_url: str, prefix: str) -> None:
    broadcast = over_redis()
    ids = [broadcast.publish("room", n).wait() for n in range(10)]
    lines = run_python(f"""
from ambi import Broadcast
broadcast = Broadcast({redis_url!r}, prefix={prefix!r})
with broadcast.subscribe("room", after={ids[3]!r}) as messages:
    print(*[next(messages).data for _ in range(6)], messages.missed)
""")
    assert lines.split() == ["4", "5", "6", "7", "8", "9", "False"]


def test_what_was_published_last_arrives_though_the_process_ends(
    over_redis: MakeBroadcast, redis_url: str, prefix: str
) -> None:
    run_python(f"""
from ambi import Broadcast
broadcast = Broadcast({redis_url!r}, prefix={prefix!r})
for n in range(500):
    broadcast.publish("room", n)
""")
    with over_redis().subscribe("room", after="0-0") as messages:
        assert taken(messages, 500) == list(range(500))


def test_a_client_whose_id_this_process_has_not_seen_yet_gets_nothing_twice(over_redis: MakeBroadcast) -> None:
    """It comes from another process, which was faster."""
    ours, theirs = over_redis(), over_redis()
    with ours.subscribe("room") as messages:
        theirs.publish("room", 0).wait()
        assert next(messages).data == 0
        hub: Any = ours._hub()
        deliver, held = hub._deliver, threading.Event()

        def late(*args: Any) -> None:
            held.wait(10)
            deliver(*args)

        hub._deliver = late
        last = [theirs.publish("room", n).wait() for n in range(1, 6)][-1]
        with ours.subscribe("room", after=last) as again:
            held.set()
            assert taken(messages, 5) == [1, 2, 3, 4, 5]
            theirs.publish("room", 6)
            assert next(again).data == 6
            assert not again.missed


def test_a_new_channel_does_not_wait_for_a_running_read(over_redis: MakeBroadcast) -> None:
    broadcast = over_redis()
    with broadcast.subscribe("first"):
        for n in range(5):
            begun = time.monotonic()
            with broadcast.subscribe(f"room {n}") as messages:
                broadcast.publish(f"room {n}", n)
                assert next(messages).data == n
            assert time.monotonic() - begun < 1, "the read that runs lasts ten seconds"


@pytest.mark.parametrize("stays", [True, False])
def test_a_connection_that_breaks_where_a_channel_begins_delays_nobody(
    over_redis: MakeBroadcast, stays: bool, no_leaks: None
) -> None:
    """Not those either that came to the channel meanwhile, when the first one has left again."""
    broadcast = over_redis()
    hub: Any = broadcast._hub()
    wake, later = hub._wake_follower, []
    with broadcast.subscribe("before") as before:
        broadcast.publish("before", 0)
        next(before)  # the follower waits in its read

        def broken() -> None:
            hub._wake_follower = wake
            later.append(broadcast.subscribe("room"))
            if not stays:
                first.close()
            raise redis.ConnectionError("the connection broke")

        hub._wake_follower = broken
        first = broadcast.subscribe("room")
        until(lambda: bool(later))
        until(lambda: not hub._must_wake)
        broadcast.publish("room", 1)
        for messages in [first, *later] if stays else later:
            assert messages.next_within(5).data == 1, "the read that runs lasts ten seconds"


def test_it_goes_on_after_redis_was_away(
    passing_redis: RedisServer, no_leaks: None, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast, other = Broadcast(passing_redis.url), Broadcast(passing_redis.url)
    try:
        with broadcast.subscribe("room") as messages, other.subscribe("room") as seen_by_other:
            other.publish("room", "before").wait()
            assert (next(messages).data, next(seen_by_other).data) == ("before", "before")
            waiting = in_thread(lambda: taken(messages, 2))
            passing_redis.stop()
            with pytest.raises(redis.ConnectionError):
                other.publish("room", "lost").wait()
            until(lambda: "Redis cannot be read" in caplog.text)
            passing_redis.start()
            # Others publish before this process is back.
            client = redis.Redis.from_url(passing_redis.url)
            client.xadd("ambi:channel:room", {"data": b'"meanwhile"'})
            client.close()
            other.publish("room", "after").wait()
            assert waiting() == ["meanwhile", "after"]
            until(lambda: "Redis can be read again" in caplog.text)
    finally:
        broadcast.close()
        other.close()


def test_entering_a_subscription_fails_without_redis_and_reading_one_waits_for_it(
    passing_redis: RedisServer, no_leaks: None
) -> None:
    passing_redis.stop()
    broadcast = Broadcast(passing_redis.url)
    try:
        with pytest.raises(redis.ConnectionError), broadcast.subscribe("room"):
            pytest.fail("there is no Redis")
        messages = broadcast.subscribe("room", after="0-0")
        waiting = in_thread(lambda: taken(messages, 1))
        passing_redis.start()
        broadcast_again = Broadcast(passing_redis.url)
        broadcast_again.publish("room", "there").wait()
        broadcast_again.close()
        assert waiting() == ["there"]
        messages.close()
    finally:
        broadcast.close()


def test_what_the_library_makes_nothing_of_ends_no_thread(redis_url: str, no_leaks: None) -> None:
    """An exception of a thread would fail the test; with that of the errands whoever publishes would wait for ever."""
    broadcast = Broadcast(f"{redis_url}?no_such_option=1")
    with pytest.raises(TypeError, match="no_such_option"):
        broadcast.publish("room", 1).wait()
    broadcast.close()


def test_a_publisher_without_redis_is_told(passing_redis: RedisServer, no_leaks: None) -> None:
    passing_redis.stop()
    broadcast = Broadcast(passing_redis.url)

    async def publish() -> None:
        with pytest.raises(redis.ConnectionError):
            await broadcast.publish("room", "a")

    try:
        anyio.run(publish)
    finally:
        broadcast.close()


def test_messages_do_not_pile_up_without_end(over_redis: MakeBroadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambi.features.broadcast.redis_streams._BACKLOG", 0)
    with pytest.raises(BufferError, match="0 messages are waiting"):
        over_redis().publish("room", "a").wait()


def test_entries_of_others_are_skipped(
    over_redis: MakeBroadcast, redis_url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast = over_redis()
    first = broadcast.publish("room", "first").wait()
    with broadcast.subscribe("room") as live, contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        key = f"{prefix}channel:room"
        for fields in ({"x": "y"}, {"data": "{"}, {"data": "1", "event": "a\nb"}, {"data": b"\xff"}):
            client.xadd(key, fields)
        broadcast.publish("room", "last").wait()
        assert next(live).data == "last"
        with broadcast.subscribe("room", after=first) as behind:
            assert next(behind).data == "last"
    assert "is no message of ours" in caplog.text


def test_a_batch_of_nothing_but_others_is_passed(
    over_redis: MakeBroadcast, redis_url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    broadcast = over_redis()
    first = broadcast.publish("room", "first").wait()
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client, client.pipeline() as pipe:
        for _ in range(400):
            pipe.xadd(f"{prefix}channel:room", {"x": "y"})
        pipe.execute()
    broadcast.publish("room", "last").wait()
    with broadcast.subscribe("room", after=first) as messages:
        assert next(messages).data == "last"


def test_a_key_of_another_kind_fails_who_subscribes_and_nobody_else(
    over_redis: MakeBroadcast, redis_url: str, prefix: str
) -> None:
    broadcast = over_redis()
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        client.set(f"{prefix}channel:text", "no stream")
    with pytest.raises(redis.ResponseError), broadcast.subscribe("text"):
        pytest.fail("it is no stream")
    with pytest.raises(redis.ResponseError):
        broadcast.publish("text", "a").wait()
    with broadcast.subscribe("room") as messages:
        broadcast.publish("room", "a")
        assert next(messages).data == "a"


def test_a_stream_that_vanished_is_a_gap(over_redis: MakeBroadcast, redis_url: str, prefix: str) -> None:
    broadcast, reset = over_redis(), Event("", event="reset")
    last = broadcast.publish("room", "a").wait()
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        client.delete(f"{prefix}channel:room")
    with broadcast.subscribe("room", after=last, if_missed=reset) as messages:
        broadcast.publish("room", "b")
        assert [next(messages).data, next(messages).data] == ["", "b"]
        assert messages.missed


def test_redis_keeps_about_the_history_and_forgets_a_silent_channel(
    over_redis: MakeBroadcast, redis_url: str, prefix: str
) -> None:
    broadcast = over_redis(history=100, history_s=0.3)
    [broadcast.publish("room", n) for n in range(1000)][-1].wait()
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        key = f"{prefix}channel:room"
        assert 100 <= client.xlen(key) <= 300
        until(lambda: not client.exists(key))


def test_a_process_has_two_connections_whatever_its_subscribers(over_redis: MakeBroadcast, redis_url: str) -> None:
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        before = client.info("clients")["connected_clients"]
        broadcast = over_redis()
        subscriptions = [broadcast.subscribe(f"room {n % 10}").__enter__() for n in range(100)]
        assert client.info("clients")["connected_clients"] == before + 2
        for n in range(10):
            broadcast.publish(f"room {n}", n)
        assert [next(messages).data for messages in subscriptions] == [n % 10 for n in range(100)]


def test_a_forked_child_connects_anew(redis_url: str, prefix: str) -> None:
    """As under a server that preloads: in a process of its own, since a fork cannot be undone."""
    lines = run_python(f"""
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from ambi import Broadcast
broadcast = Broadcast({redis_url!r}, prefix={prefix!r})
with broadcast.subscribe("room") as ours:
    broadcast.publish("room", 1).wait()
    assert next(ours).data == 1
    pid = os.fork()
    if pid == 0:
        with broadcast.subscribe("answers") as answers:
            broadcast.publish("room", "from the child").wait()
            os.write(1, next(answers).data.encode() + b"\\n")
        os._exit(0)
    os.write(1, next(ours).data.encode() + b"\\n")
    broadcast.publish("answers", "from the parent").wait()
    os.waitpid(pid, 0)
""")
    assert sorted(lines.splitlines()) == ["from the child", "from the parent"]


def test_it_works_under_gevent(redis_url: str, prefix: str) -> None:
    """In a process of its own, since patching cannot be undone; made before the patching, as by a preload."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    lines = run_python(
        f"""
from ambi import Broadcast
broadcasts = [Broadcast({redis_url!r}, prefix={prefix!r}), Broadcast()]
from gevent import monkey; monkey.patch_all()
import gevent
for broadcast in broadcasts:
    subscriptions = [broadcast.subscribe("room").__enter__() for _ in range(10)]
    readers = [gevent.spawn(next, messages) for messages in subscriptions]
    gevent.sleep(0.05)
    broadcast.publish("room", "hello").wait()
    gevent.joinall(readers, timeout=10)
    print(*{{reader.value.data for reader in readers}})
    waiting = gevent.spawn(list, broadcast.subscribe("room"))
    gevent.sleep(0.05)
    broadcast.close()
    waiting.join(timeout=10)
    print(waiting.value)
""",
        "-W", "ignore",
    )  # fmt: skip
    assert lines.splitlines() == ["hello", "[]"] * 2
