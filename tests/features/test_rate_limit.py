"""Rate limits count on every gateway alike, in memory and over Redis, and tell clients what is left."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ambi import App, CallNext, ConfigurationError, Layer, Middleware, Request, Response, Router
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.redis_server import RedisServer

pytest.importorskip("limits", reason="limits is not installed")

from limits.storage import RedisStorage, storage_from_string

from ambi.core.crossings import count_crossings
from ambi.core.sides import ASYNC, SYNC
from ambi.features.rate_limit import client_address, limiter, rate_limit
from ambi.features.rate_limit.keys import as_key
from ambi.features.rate_limit.memory import MemoryStore

Storage = Callable[[], Any]
NOWHERE = "redis://127.0.0.1:1/0"  # where nothing listens


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest, no_leaks: None) -> Iterator[str]:
    """Give the URI of a store: of memory, and of a Redis whose numbers no other test uses."""
    if request.param == "memory":
        yield "memory://"
        return
    url: str = request.getfixturevalue("redis_url")
    yield url
    store = storage_from_string(url)
    assert isinstance(store, RedisStorage)
    store.reset()
    store.storage.connection_pool.disconnect()


@pytest.fixture(autouse=True)
def closed_stores(monkeypatch: pytest.MonkeyPatch, no_leaks: None) -> Iterator[None]:
    """Close the connections of the stores that a test has made, as the end of a process does, before leaks are looked for."""
    made: list[Any] = []

    def opened(uri: str, **options: Any) -> Any:
        made.append(storage_from_string(uri, **options))
        return made[-1]

    monkeypatch.setattr(limiter, "storage_from_string", opened)
    yield
    for store in made:
        store.storage.connection_pool.disconnect()


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time of day stand still, by which windows are counted: a busy machine changes no number then."""
    now = float(int(time.time()))
    monkeypatch.setattr(time, "time", lambda: now)


def statuses(client: Client, *paths: str) -> list[int]:
    return [client.get(path).status_code for path in paths]


def test_past_the_limit_the_answer_is_a_429_that_says_when_to_come_again(
    app: App, client: Client, cell: Cell, storage: str, no_time_passes: None
) -> None:
    app.rate_limit("2/minute", storage=storage)
    ran: list[str] = []
    app.get("/")(cell.handler(lambda: ran.append("ran") or "ok"))
    assert statuses(client, "/", "/") == [200, 200]
    refused = client.get("/")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["violated-policies"] == ["default"]
    assert problem["detail"].startswith("more than 2 requests within 60 s")
    assert ran == ["ran", "ran"]


def test_clients_are_told_what_is_left(
    app: App, client: Client, cell: Cell, storage: str, no_time_passes: None
) -> None:
    app.rate_limit(["3/minute", "50/hour"], storage=storage, name="api")
    app.get("/")(cell.handler(lambda: "ok"))
    headers = client.get("/").headers
    assert headers["ratelimit-policy"] == '"api-60";q=3;w=60, "api-3600";q=50;w=3600'
    assert headers["ratelimit"] == '"api-60";r=2;t=60, "api-3600";r=49;t=3600'
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("3", "2")
    assert headers["ratelimit-reset"] == "60"


def test_whatever_is_sent_tells_it(app: App, client: Client, cell: Cell) -> None:
    """The 500 of a crash, and a 404, which counts as well: or a scan would be free."""
    app.rate_limit("10/minute")

    def crash() -> None:
        raise KeyError

    app.get("/crash")(cell.handler(crash))
    for remaining, path in [("9", "/crash"), ("8", "/missing")]:
        assert client.get(path).headers["ratelimit-remaining"] == remaining


def test_a_response_that_is_returned_again_and_again_tells_the_newest(app: App, client: Client, cell: Cell) -> None:
    app.rate_limit("9/minute")
    shared = Response(b"ok")
    app.get("/")(cell.handler(lambda: shared))
    told = [client.get("/").headers["ratelimit-policy"] for _ in range(3)]
    assert told == ['"default";q=9;w=60'] * 3


def test_a_route_has_limits_of_its_own_inside_those_of_all(app: App, client: Client, cell: Cell, storage: str) -> None:
    app.rate_limit("5/minute", storage=storage)
    tight = rate_limit("1/minute", storage=storage)
    app.get("/a", middleware=[tight])(cell.handler(lambda: "a"))
    app.get("/b", middleware=[tight])(cell.handler(lambda: "b"))
    app.get("/c")(cell.handler(lambda: "c"))
    assert statuses(client, "/a", "/b", "/a", "/b", "/c", "/c") == [200, 200, 429, 429, 200, 429]
    headers = client.get("/a").headers
    assert headers["ratelimit-policy"] == '"default";q=5;w=60'  # it did not come as far as the route's


def test_the_nearest_limit_is_the_one_that_old_fields_speak_of(app: App, client: Client, cell: Cell) -> None:
    app.rate_limit("100/minute")
    app.get("/", middleware=[rate_limit("2/minute")])(cell.handler(lambda: "ok"))
    headers = client.get("/").headers
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("2", "1")
    assert headers["ratelimit-policy"] == '"default";q=100;w=60, "route";q=2;w=60'


def test_routes_share_a_limit_by_its_name(app: App, client: Client, cell: Cell) -> None:
    shared = rate_limit("1/minute", name="search")
    for path in ("/a", "/b"):
        app.get(path, middleware=[shared])(cell.handler(lambda: "ok"))
    assert statuses(client, "/a", "/b") == [200, 429]


def test_limits_of_one_name_count_together(
    app: App, make_client: MakeClient, cell: Cell, storage: str, no_time_passes: None
) -> None:
    for path in ("/a", "/b"):
        named = rate_limit("3/minute", name="search", storage=storage)
        app.get(path, middleware=[named])(cell.handler(lambda: "ok"))
    other = rate_limit("3/minute", name="other", storage=storage)
    app.get("/c", middleware=[other])(cell.handler(lambda: "ok"))
    assert statuses(make_client(app), "/a", "/b", "/a", "/b", "/a", "/c") == [200, 200, 200, 429, 429, 200]


def test_in_memory_two_applications_count_apart(make_client: MakeClient, cell: Cell) -> None:
    """As those of two tests do, or one and what is mounted in it."""
    outer, inner = App(), App()
    outer.rate_limit("2/minute")
    inner.rate_limit("2/minute")
    for app in (outer, inner):
        app.get("/")(cell.handler(lambda: "ok"))
    outer.mount("/in", inner)
    assert statuses(make_client(outer), "/in/", "/in/", "/in/") == [200, 200, 429]
    assert statuses(make_client(inner), "/") == [429], "it was asked twice from outside"


def test_without_a_name_each_route_counts_for_itself_in_a_store_that_several_share(
    app: App, client: Client, cell: Cell, no_time_passes: None
) -> None:
    store = MemoryStore()  # stands for one over the network

    def limit() -> Layer:
        return rate_limit("2/minute", storage=store)

    for path in ("/shop", "/admin"):
        inner = App(middleware=[limit()])
        inner.get("/login", middleware=[limit()])(cell.handler(lambda: "ok"))
        app.mount(path, inner)
    router = Router(prefix="/r", middleware=[limit()])
    router.get("/x", middleware=[limit(), limit()])(cell.handler(lambda: "ok"))
    app.include(router)
    app.middleware(limit())
    for path in ("/shop/login", "/admin/login", "/r/x", "/shop/missing", "/missing"):
        there = 404 if "missing" in path else 200
        assert (statuses(client, *[path] * 3), path) == ([there, there, 429], path)


def test_a_prefix_that_a_client_names_is_not_counted_apart(
    app: App, client: Client, cell: Cell, no_time_passes: None
) -> None:
    app.proxy(headers=["x-forwarded-prefix"], hops=1)
    inner = App()
    inner.get("/", middleware=[rate_limit("2/minute")])(cell.handler(lambda: "ok"))
    app.mount("/in", inner)
    prefixes = ("/a", "/b", "/c")
    found = [client.get("/in/", headers={"x-forwarded-prefix": prefix}).status_code for prefix in prefixes]
    assert found == [200, 200, 429]


def test_a_router_has_a_limit(app: App, client: Client, cell: Cell) -> None:
    router = Router(prefix="/api", middleware=[rate_limit("1/minute", name="api")])
    router.get("/a")(cell.handler(lambda: "ok"))
    app.include(router)
    app.get("/")(cell.handler(lambda: "ok"))
    assert statuses(client, "/api/a", "/api/a", "/", "/") == [200, 429, 200, 200]


def test_what_is_refused_takes_nothing_of_the_longer_limits(app: App, client: Client, cell: Cell, storage: str) -> None:
    app.rate_limit("2/minute; 5/hour", storage=storage)
    app.get("/")(cell.handler(lambda: "ok"))
    assert statuses(client, *["/"] * 9) == [200] * 2 + [429] * 7
    assert client.get("/").headers["ratelimit-policy"] == '"default-60";q=2;w=60'


def test_a_request_may_cost_more_or_nothing(app: App, client: Client, cell: Cell, storage: str) -> None:
    app.rate_limit("10/minute", storage=storage, cost=lambda request: int(request.query.get("n", "1")))
    app.get("/")(cell.handler(lambda: "ok"))
    assert statuses(client, "/?n=6", "/?n=5", "/?n=4", "/?n=1", "/?n=0") == [200, 429, 200, 429, 200]


def test_who_is_refused_waits_until_there_is_as_much_as_the_request_takes(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unit is there earlier."""
    now = time.time()
    clock = [now]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    app.rate_limit("5/minute", cost=lambda request: int(request.query["n"]))
    app.get("/")(cell.handler(lambda: "ok"))
    for after, cost in ((0, 1), (10, 1), (20, 3)):
        clock[0] = now + after
        assert client.get(f"/?n={cost}").status_code == 200
    clock[0] = now + 30
    waits = {}
    for cost in (1, 2, 3, 5):
        refused = client.get(f"/?n={cost}")
        assert refused.status_code == 429
        waits[cost] = int(refused.headers["retry-after"])
    assert waits == {1: 30, 2: 40, 3: 50, 5: 50}
    for cost in (2, 3):
        clock[0] = now + 30 + waits[cost]
        assert client.get(f"/?n={cost}").status_code == 200


def test_a_wait_for_more_than_one_is_long_enough_in_every_store(
    app: App, client: Client, cell: Cell, storage: str
) -> None:
    app.rate_limit("5/minute", storage=storage, cost=lambda request: int(request.query["n"]))
    app.get("/")(cell.handler(lambda: "ok"))
    assert statuses(client, "/?n=4") == [200]
    assert client.get("/?n=2").headers["retry-after"] == "60"


@pytest.mark.parametrize("strategy", ["moving-window", "fixed-window"])
def test_what_costs_more_than_a_limit_ever_has_is_refused_for_good_and_takes_nothing(
    app: App, client: Client, cell: Cell, storage: str, strategy: Any
) -> None:
    app.rate_limit(
        "20/minute; 10/hour", storage=storage, strategy=strategy, cost=lambda request: int(request.query["n"])
    )
    app.get("/")(cell.handler(lambda: "ok"))
    refused = client.get("/?n=11", headers={"accept": "application/json"})
    assert (refused.status_code, "retry-after" in refused.headers) == (429, False)  # it would be refused then as well
    assert refused.json()["detail"] == "this request takes 11 of a limit that has 10 within 3600 s: it is never let in"
    assert refused.json()["violated-policies"] == ["default-3600"]
    assert statuses(client, "/?n=10", "/?n=1") == [200, 429]


def test_what_is_exempt_is_not_counted(app: App, client: Client, cell: Cell) -> None:
    app.rate_limit("1/minute", exempt=lambda request: request.path == "/health")
    for path in ("/health", "/"):
        app.get(path)(cell.handler(lambda: "ok"))
    assert statuses(client, "/health", "/health", "/", "/") == [200, 200, 200, 429]
    assert "ratelimit" not in client.get("/health").headers


def test_who_is_counted_is_the_applications_to_say(app: App, client: Client, cell: Cell, storage: str) -> None:
    app.rate_limit("1/minute", by=lambda request: request.headers.get("x-key"), storage=storage)
    app.get("/")(cell.handler(lambda: "ok"))
    keys = ["a", "a", "b", "a/b", "a/b", "ü" * 200, "ü" * 200]
    answers = [client.get("/", headers={"x-key": key.encode().decode("latin-1")}).status_code for key in keys]
    assert answers == [200, 429, 200, 200, 429, 200, 429]
    assert statuses(client, "/", "/") == [200, 200]  # None is not counted


def test_head_counts_and_the_automatic_options_do_not(app: App, client: Client, cell: Cell) -> None:
    app.rate_limit("1/minute")
    app.get("/")(cell.handler(lambda: "ok"))
    app.options("/own")(cell.handler(lambda: "ok"))
    assert [client.options("/").status_code for _ in range(2)] == [204, 204]
    assert (client.head("/").status_code, client.get("/").status_code) == (200, 429)
    assert client.options("/own").status_code == 429


def test_options_of_a_mounted_application_are_its_own_and_count(app: App, client: Client, cell: Cell) -> None:
    def guest(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"all that there is"]

    app.rate_limit("1/minute")
    app.mount("/guest", guest)
    assert [client.options("/guest/").status_code for _ in range(2)] == [200, 429]


def test_a_layer_inside_an_async_one_counts(app: App, client: Client, cell: Cell, storage: str) -> None:
    async def around(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    layers = [around, rate_limit("1/minute", storage=storage)]
    app.get("/", middleware=layers)(cell.handler(lambda: "ok"))
    assert statuses(client, "/", "/") == [200, 429]


def test_a_stream_is_counted_once_and_holds_no_thread(app: App, client: Client, cell: Cell, storage: str) -> None:
    def items() -> Any:
        yield "a"
        yield "b"

    app.get("/", middleware=[rate_limit("1/minute", storage=storage)])(cell.handler(items))
    assert (client.get("/").text, client.get("/").status_code) == ("ab", 429)


def test_many_at_once_are_not_let_in_too_often(app: App, client: Client, cell: Cell, storage: str) -> None:
    app.rate_limit("10/minute", storage=storage)
    app.get("/")(cell.handler(lambda: "ok"))
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(statuses(client, *["/"] * 5))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == [200] * 10 + [429] * 10


# --- which thread asks ---


def test_a_store_over_the_network_is_asked_in_a_thread_that_is_free_again_before_the_handler_begins(
    app: App, client: Client, cell: Cell, redis_url: str
) -> None:
    """Under ASGI; under WSGI, and for a `def` handler, it is the request's own."""
    held: list[bool] = []

    def outer(request: Request) -> Middleware:
        yield
        held.append(request._sync_side is not None)

    layer = rate_limit("100/minute", storage=redis_url, by=lambda request: f"{time.monotonic()}")
    app.get("/", middleware=[outer, layer])(cell.handler(lambda: "ok"))
    assert client.get("/").status_code == 200
    assert held == [cell.gateway == "asgi" and not cell.is_async]


def test_the_limit_is_there_again_when_its_window_is_over(redis_url: str) -> None:
    """Of Redis, on one gateway, since that takes a second; of memory see below."""
    clients: list[Client] = []
    for strategy in ("moving-window", "fixed-window"):
        app = App()
        app.rate_limit("1/second", storage=redis_url, strategy=strategy, name=strategy)
        app.get("/")(lambda: "ok")
        clients.append(Client(app, gateway="wsgi"))
    assert [statuses(client, "/", "/") for client in clients] == [[200, 429]] * 2
    time.sleep(1.05)
    assert [statuses(client, "/") for client in clients] == [[200]] * 2


def test_redis_can_estimate(redis_url: str) -> None:
    """On one gateway, as it is the library that counts."""
    app = App()
    app.rate_limit("2/hour", storage=redis_url, strategy="sliding-window-counter", name="estimated")
    app.get("/")(lambda: "ok")
    assert statuses(Client(app, gateway="wsgi"), "/", "/", "/") == [200, 200, 429]


# --- a store that is away ---


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that failed be asked again at once, almost."""
    monkeypatch.setattr(limiter, "RETRY_S", 0.05)


def test_without_its_store_requests_are_let_through_and_that_is_logged_once(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.rate_limit("1/minute", storage=NOWHERE)
    app.get("/")(cell.handler(lambda: "ok"))
    with caplog.at_level(logging.WARNING):
        answers = [client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert not any("ratelimit" in answer.headers for answer in answers)
    [record] = caplog.records
    assert record.message.startswith("the store of rate limits does not answer, and requests are let through uncounted")


def test_an_application_may_refuse_requests_without_the_store(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.rate_limit("1/minute", storage=NOWHERE, fail_open=False)
    app.get("/")(cell.handler(lambda: "ok"))
    for _ in range(2):
        answer = client.get("/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_store_that_comes_back_counts_again(
    app: App, client: Client, cell: Cell, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    """One that fails on demand, since a Redis takes long to start."""

    class Failing(MemoryStore):
        is_away = True

        @property
        def base_exceptions(self) -> tuple[type[Exception], ...]:
            return (LookupError,)

        def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
            if self.is_away:
                raise LookupError("away")
            return super().acquire_entry(key, limit, expiry, amount)

    store = Failing()
    app.rate_limit("1/minute", storage=store)
    app.get("/")(cell.handler(lambda: "ok"))
    with caplog.at_level(logging.WARNING):
        assert statuses(client, "/", "/") == [200, 200]
        store.is_away = False
        time.sleep(0.06)
        assert statuses(client, "/", "/") == [200, 429]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the store of rate limits does not answer, and requests are let through uncounted meanwhile",
        "the store of rate limits answers again",
    ]


@pytest.mark.usefixtures("redis_url")  # which says why, where there is no client of Redis
def test_a_redis_that_accepts_and_says_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one gateway, as it is the client of Redis that tries: each further try would take another time-out."""
    monkeypatch.setattr(limiter, "TIMEOUT_S", 0.05)
    tries = 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = App()
        app.rate_limit("1/minute", storage=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        app.get("/")(lambda: "ok")
        assert statuses(Client(app, gateway="wsgi"), "/", "/") == [200, 200]
        silent.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                tries += 1
    assert tries == 1


def test_a_redis_that_is_stopped_delays_nobody(passing_redis: RedisServer, impatient: None) -> None:
    """On one gateway: what is tried is the client of Redis, whose own habit is to try for seconds."""
    app = App()
    app.rate_limit("1/minute", storage=passing_redis.url)
    app.get("/")(lambda: "ok")
    with Client(app, gateway="wsgi") as client:
        assert statuses(client, "/", "/") == [200, 429]
        passing_redis.stop()
        started = time.monotonic()
        assert statuses(client, "/", "/") == [200, 200]
        assert time.monotonic() - started < 2
        passing_redis.start()
        time.sleep(0.06)
        assert statuses(client, "/") == [429]  # it was kept on disk


# --- keys: nothing is served, so there is no cell ---


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("no:address", "no:address"),
    ],
)
def test_an_address_counts_with_its_network(address: str, key: str) -> None:
    class Asked:
        client = (address, 1234)

    assert client_address(Asked()) == key  # type: ignore[arg-type]


def test_clients_without_an_address_are_one() -> None:
    class Asked:
        client = None

    assert client_address(Asked()) == "unknown"  # type: ignore[arg-type]


def test_addresses_of_one_subscriber_count_together(app: App, client: Client, cell: Cell) -> None:
    app.rate_limit("1/minute")
    app.get("/limited")(cell.handler(lambda: "ok"))
    wsgi, asgi, address = app.wsgi, app.asgi, [""]
    app.wsgi = lambda environ, start: wsgi({**environ, "REMOTE_ADDR": address[0]}, start)

    async def from_address(scope: Any, receive: Any, send: Any) -> None:
        await asgi({**scope, "client": (address[0], 1)}, receive, send)

    app.asgi = from_address
    found = []
    for address[0] in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        found += statuses(client, "/limited")
    assert found == [200, 429, 200]


@pytest.mark.parametrize("text", ["a/b", "a\nb", "ü", "x" * 65, "\ud800"])
def test_a_text_that_could_be_mistaken_is_hashed(text: str) -> None:
    assert len(as_key(text)) == 32
    assert as_key("plain-1.2.3.4") == "plain-1.2.3.4"


# --- the store in memory ---


def test_memory_forgets_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), [1000.0]
    monkeypatch.setattr("ambi.features.rate_limit.memory.time.time", lambda: now[0])
    for key in "abc":
        assert store.acquire_entry(key, 1, 10)
        assert store.incr(key, 10) == 1
    assert store.get_moving_window("a", 1, 10) == (1000.0, 1)
    assert (store.get("a"), store.get_expiry("a")) == (1, 1010.0)
    now[0] = 1010.0
    assert store.acquire_entry("d", 1, 10)
    assert store.incr("d", 10) == 1
    assert store.get_moving_window("a", 1, 10) == (1010.0, 0)
    assert (store.get("a"), store.get_expiry("a")) == (0, 1010.0)
    assert store.reset() == 2


def test_memory_lets_a_window_move(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), [0.0]
    monkeypatch.setattr("ambi.features.rate_limit.memory.time.time", lambda: now[0])
    found = []
    for now[0] in (0, 4, 8, 10, 12, 14):
        found.append(store.acquire_entry("a", 2, 10))
    assert found == [True, True, False, True, False, True]


def test_memory_counts_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over may then stand behind what is not."""
    store, now = MemoryStore(), [5000.0]
    monkeypatch.setattr("ambi.features.rate_limit.memory.time.time", lambda: now[0])
    assert (store.incr("a", 10), store.acquire_entry("a", 2, 10)) == (1, True)
    now[0] = 1000.0
    assert (store.incr("b", 10), store.acquire_entry("b", 2, 10)) == (1, True)
    now[0] = 1020.0
    assert store.incr("b", 10) == 1
    assert not store.acquire_entry("b", 2, 10, 3)  # more than there can be
    now[0] = 5020.0
    assert (store.incr("c", 10), store.acquire_entry("c", 2, 10)) == (1, True)
    assert store.reset() == 2


def test_memory_has_an_end() -> None:
    store = MemoryStore(max_keys=2)
    for key in "abc":
        assert store.acquire_entry(key, 1, 60)
        store.incr(key, 60)
    assert [store.get(key) for key in "abc"] == [0, 1, 1]
    assert [store.get_moving_window(key, 1, 60)[1] for key in "abc"] == [0, 1, 1]
    store.clear("c")
    assert (store.get("c"), store.get_moving_window("c", 1, 60)[1], store.check()) == (0, 0, True)


# --- registration ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limits": "often"}, "the rate limit 'often' cannot be read"),
        ({"limits": "0/minute"}, "allows at least one request"),
        ({"limits": []}, "allows at least one request"),
        ({"name": 'a"b'}, "is made of letters"),
        ({"cost": 6}, "from 0 to 5, not 6"),
        ({"cost": True}, "from 0 to 5, not True"),
        ({"strategy": "leaky"}, "'fixed-window'"),
        ({"strategy": "sliding-window-counter"}, "MemoryStore cannot count"),
        ({"storage": 7}, "storage= is a URI"),
        ({"storage": "async+redis://localhost"}, "no event loop waits"),
        ({"storage": "nothing://localhost"}, "unknown storage scheme"),
    ],
)
def test_what_cannot_be_is_said_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        given: dict[str, Any] = {"limits": "5/minute", **options}
        App().rate_limit(**given)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "storage", "line"),
    [
        ("limits", "memory://", "pip install 'ambi[ratelimit]'"),
        ("redis", "redis://localhost", "pip install 'ambi[redis]'"),
        ("pymemcache", "memcached://localhost:1", "'memcached://localhost:1' needs a library besides `limits`"),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(missing: str, storage: str, line: str) -> None:
    from tests.children import run_python

    run_python(f"""
        import sys
        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == {missing!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Missing())
        from ambi import App
        try:
            App().rate_limit("5/minute", storage={storage!r})
        except ImportError as exc:
            assert {line!r} in str(exc), exc
        else:
            raise SystemExit("nothing was said")
    """)


def test_crossings_are_those_of_the_form_that_is_taken() -> None:
    app = App()
    layer = rate_limit("1/minute", storage=NOWHERE)

    async def asynchronous() -> None: ...

    def items() -> Any:
        yield "a"

    counted = {}
    for handler in (asynchronous, items, lambda: None):
        app.get(f"/{handler.__name__.strip('<>')}", middleware=[layer])(handler)
        plan = app._make_plan(app.routes[-1])
        counted[handler.__name__] = [count_crossings(plan, side) for side in (SYNC, ASYNC)]
    assert counted == {"asynchronous": [1, 0], "items": [0, 0], "<lambda>": [0, 1]}


def test_a_form_for_the_loop_stands_for_a_blocking_generator_only() -> None:
    def generator(request: Request) -> Middleware:
        yield

    async def on_loop(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    with pytest.raises(ConfigurationError, match="stands for a blocking=True generator"):
        Layer(generator, on_loop=on_loop)
    with pytest.raises(ConfigurationError, match="stands for a blocking=True generator"):
        Layer(generator, blocking=True, on_loop=generator)  # type: ignore[arg-type]


def test_what_is_left_is_told_without_counting_all_that_came() -> None:
    """A large limit is asked with each request, by all clients, while others wait."""
    store, entries = MemoryStore(), 200_000
    assert store.acquire_entry("key", entries, 3600, amount=entries)
    started = time.process_time()
    for _ in range(100):
        assert store.get_moving_window("key", entries, 3600)[1] == entries
    assert time.process_time() - started < 0.1  # counted one by one it was a second
