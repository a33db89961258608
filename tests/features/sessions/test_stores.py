"""What every store does, and what requests that meet in one do to each other."""

import logging
import os
import sqlite3
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, Middleware, Request, WebSocket
from ambi.features.sessions import MemoryStore, RedisStore, SessionStore, SQLiteStore, Unavailable
from ambi.testing import Client
from tests.blocking import blocking_calls_forbidden
from tests.cells import Cell
from tests.children import run_python
from tests.conftest import MakeClient
from tests.features.redis_server import RedisServer
from tests.features.sessions.conftest import SECRET, cookie_of

# --- the stores themselves: no gateway is involved ---


@pytest.fixture
def let_pass(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Give what lets seconds pass for all that a store keeps, with no wait: a slow machine changes nothing."""
    passed_s = 0.0
    now = time.time

    def let_pass(seconds: float) -> None:
        nonlocal passed_s
        passed_s += seconds
        monkeypatch.setattr(time, "time", lambda: now() + passed_s)
        if isinstance(store, RedisStore):  # which has a clock of its own
            for key in list(store._client.scan_iter(f"{store._prefix}*")):
                store._client.pexpire(key, store._client.pttl(key) - int(seconds * 1000))

    return let_pass


def test_a_store_keeps_what_is_saved(store: SessionStore) -> None:
    assert store.load("a") is None
    assert store.save("a", {"k": (None, "1"), "": (None, '"é"')}, ttl_s=10, new=True) == []
    assert store.load("a") == {"k": "1", "": '"é"'}
    assert store.save("a", {"k": ("1", None), "l": (None, "[2]")}, ttl_s=None, new=False) == []
    assert store.load("a") == {"": '"é"', "l": "[2]"}
    assert store.load("b") is None
    assert [store.delete("a"), store.delete("a"), store.load("a")] == [True, False, None]


def test_a_session_without_values_is_one(store: SessionStore) -> None:
    store.save("a", {"k": (None, "1")}, ttl_s=10, new=True)
    store.save("a", {"k": ("1", None)}, ttl_s=10, new=False)
    assert store.load("a") == {}


def test_what_was_deleted_is_not_saved_again(store: SessionStore) -> None:
    assert store.save("a", {"k": (None, "1")}, ttl_s=10, new=False) is None
    assert store.load("a") is None


def test_changes_are_merged_by_key_and_a_conflict_is_told(store: SessionStore) -> None:
    store.save("a", {"k": (None, "1"), "l": (None, "1")}, ttl_s=10, new=True)
    assert store.save("a", {"k": ("1", "2")}, ttl_s=10, new=False) == []
    assert store.save("a", {"l": ("1", "2")}, ttl_s=10, new=False) == []
    assert store.save("a", {"k": ("1", "2")}, ttl_s=10, new=False) == []  # the same
    assert store.save("a", {"k": ("1", "3"), "l": ("2", "3"), "m": (None, "3")}, ttl_s=10, new=False) == ["k"]
    assert store.save("a", {"m": (None, None)}, ttl_s=10, new=False) == ["m"]
    assert store.load("a") == {"k": "3", "l": "3"}


def test_a_session_ends_and_one_that_is_saved_lives_on(store: SessionStore, let_pass: Callable[[float], None]) -> None:
    for name in ("a", "b", "c"):
        store.save(name, {"k": (None, "1")}, ttl_s=1000, new=True)
    store.save("b", {}, ttl_s=3000, new=False)
    store.save("c", {"k": ("1", "2")}, ttl_s=None, new=False)
    let_pass(500)
    assert [store.load(name) for name in ("a", "b", "c")] == [{"k": "1"}, {"k": "1"}, {"k": "2"}]
    let_pass(600)
    assert [store.load(name) for name in ("a", "b", "c")] == [None, {"k": "1"}, None]
    assert store.save("a", {}, ttl_s=10, new=False) is None


def test_a_lock_is_had_by_one_and_lapses(store: SessionStore, let_pass: Callable[[float], None]) -> None:
    assert store.lock("a", "me", 2000)
    assert not store.lock("a", "you", 9000)
    assert store.lock("b", "you", 9000)
    store.unlock("a", "you")
    assert not store.lock("a", "you", 9000)
    store.unlock("a", "me")
    assert store.lock("a", "you", 1000)
    let_pass(500)
    assert not store.lock("a", "me", 9000)
    let_pass(600)
    assert store.lock("a", "me", 9000)
    store.unlock("a", "you")
    assert not store.lock("a", "you", 9000)


def test_threads_that_change_different_keys_lose_nothing(store: SessionStore) -> None:
    store.save("a", {}, ttl_s=60, new=True)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: store.save("a", {str(n): (None, "1")}, ttl_s=60, new=False), range(100)):
            pass
    assert len(store.load("a") or ()) == 100


def test_memory_has_a_bound() -> None:
    store = MemoryStore(max_sessions=2)
    for name in ("a", "b"):
        store.save(name, {}, ttl_s=60, new=True)
    store.save("a", {}, ttl_s=60, new=False)
    store.save("c", {}, ttl_s=60, new=True)
    assert [store.load(name) for name in ("a", "b", "c")] == [{}, None, {}]


def test_a_full_memory_keeps_who_logs_in() -> None:
    """No gateway is involved: the new session does not push out the old one that it goes on from."""
    app = App()
    app.sessions(SECRET, store=MemoryStore(max_sessions=2))
    app.post("/")(lambda request: request.session.update(n=1))
    app.post("/login")(lambda request: request.session.regenerate())
    app.get("/")(lambda request: dict(request.session))
    older, newer = Client(app, gateway="wsgi"), Client(app, gateway="wsgi")
    older.post("/")
    newer.post("/")
    assert cookie_of(older.post("/login")) is not None
    assert older.get("/").json() == {"n": 1}


def test_a_file_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        SQLiteStore(tmp_path / "none" / "sessions.db")


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    store.save("a", {}, ttl_s=60, new=True)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["sessions.db", "sessions.db-shm", "sessions.db-wal"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    store.close()
    again = SQLiteStore(tmp_path / "sessions.db")
    assert again.load("a") == {}
    again.close()


class Meets(sqlite3.Connection):
    """A connection that meets another process at changing the file's mode: SQLite refuses one of them at once."""

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql:
            raise sqlite3.OperationalError("database is locked")
        return super().execute(sql, *args)


def test_two_processes_may_make_the_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Meets, **options))
    store = SQLiteStore(tmp_path / "sessions.db")
    store.save("a", {"key": (None, "1")}, ttl_s=60, new=True)
    assert store.load("a") == {"key": "1"}


def test_a_file_that_is_no_database_leaves_nothing_open(tmp_path: Path, no_leaks: None) -> None:
    path = tmp_path / "sessions.db"
    path.write_text("this is a text and no database, which is seen as soon as it is opened")
    with pytest.raises(sqlite3.DatabaseError):
        SQLiteStore(path).load("a")


def test_old_sessions_go_from_the_file(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    store.save("a", {}, ttl_s=-1, new=True)
    store.save("b", {}, ttl_s=60, new=True)
    with store._connected() as connection:
        assert connection.execute("SELECT name FROM session").fetchall() == [("b",)]
    store.close()


def test_a_write_that_fails_is_no_write(tmp_path: Path, no_leaks: None) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    store.save("a", {"k": (None, "1")}, ttl_s=60, new=True)
    with pytest.raises(TypeError):
        store.save("a", {"k": ("1", {2})}, ttl_s=60, new=False)  # type: ignore[dict-item]
    assert store.load("a") == {"k": "1"}
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_connections_of_its_own(tmp_path: Path) -> None:
    lines = run_python(f"""
import os
from ambi.features.sessions import SQLiteStore
store = SQLiteStore({str(tmp_path / "sessions.db")!r})
store.save("a", {{"k": (None, "1")}}, ttl_s=60, new=True)
ours = store._idle.take(); store._idle.give_back(ours)
child = os.fork()
if child == 0:
    store.save("a", {{"k": ("1", "2")}}, ttl_s=60, new=False)
    theirs = store._idle.take()
    os._exit(0 if theirs is not ours and store.load("a") == {{"k": "2"}} else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), store.load("a"))
""")
    assert lines == "0 {'k': '2'}\n"


def test_a_file_that_another_process_is_about_to_make_is_waited_for(tmp_path: Path, no_leaks: None) -> None:
    other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE other (n)")
    other.execute("BEGIN")
    other.execute("SELECT * FROM other").fetchall()  # a lock, in the mode of before
    timer = threading.Timer(0.1, other.close)
    timer.start()
    store = SQLiteStore(tmp_path / "sessions.db")
    store.save("a", {}, ttl_s=60, new=True)
    timer.join()
    store.close()


def test_a_file_that_stays_locked_is_an_error(tmp_path: Path, no_leaks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambi.features.sessions.sqlite_store._BUSY_S", 0.05)
    other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked"):
        SQLiteStore(tmp_path / "sessions.db").load("a")
    other.close()


def test_a_lock_may_be_asked_for_while_another_thread_loads_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is there then, and empty."""
    app = App()
    app.sessions(SECRET, store=MemoryStore())
    app.post("/")(lambda request: str(request.session.setdefault("n", 1)))
    client = Client(app, gateway="wsgi")
    client.post("/")
    monkeypatch.setitem(sys.modules, "asyncio", types.ModuleType("asyncio"))
    assert client.post("/").text == "1"


def test_without_redis_py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r"pip install 'ambi\[redis\]'"):
        RedisStore("redis://127.0.0.1/0")


# --- requests that meet ---


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, no_leaks: None, tmp_path: Path) -> Iterator[SessionStore]:
    """Give a store; what follows is the same in a Redis."""
    if request.param == "memory":
        yield MemoryStore()
        return
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def counter(app: App, cell: Cell) -> None:
    """Let the application count, with a pause in which another request may come."""

    def count(request: Request) -> str:
        found = request.session.get("n", 0)
        request.session["n"] = found + 1
        return str(found + 1)

    app.route("/", methods=["GET", "POST"])(cell.handler(count))


def meanwhile(app: App, other: Callable[[], object]) -> None:
    """Let something happen while the handler of GET and POST /meanwhile has the session."""

    @app.route("/meanwhile", methods=["GET", "POST"])
    def handler(request: Request) -> str:
        request.session["n"] = request.session.get("n", 0) + 10
        other()
        return "done"


def only_session(store: Any) -> str:
    """Give the name of the one session in a store."""
    if isinstance(store, MemoryStore):
        return next(iter(store._kept))
    with store._connected() as connection:
        return str(connection.execute("SELECT name FROM session").fetchone()[0])


def test_requests_of_one_session_that_change_it_wait_for_each_other(
    app: App, client: Client, cell: Cell, counter: None, kept: SessionStore
) -> None:
    value = cookie_of(client.post("/")) or ""

    def others(n: int) -> str:
        return client.post("/", cookies={"session": value}).text

    with ThreadPoolExecutor(4) as pool:
        seen = sorted(map(int, pool.map(others, range(20))))
    assert seen == list(range(2, 22))


def test_a_session_that_was_deleted_meanwhile_stays_deleted(
    app: App, client: Client, counter: None, kept: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/")
    name = only_session(kept)
    meanwhile(app, lambda: kept.delete(name))
    with caplog.at_level(logging.INFO, "ambi.sessions"):
        response = client.post("/meanwhile")
    assert response.text == "done"
    assert "set-cookie" not in response.headers
    assert kept.load(name) is None
    assert "it stays deleted" in caplog.text
    assert client.post("/").text == "1"


def test_a_session_that_was_deleted_meanwhile_is_not_regenerated(
    app: App, client: Client, counter: None, kept: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/")
    name = only_session(kept)

    @app.post("/login")
    def login(request: Request) -> None:
        request.session.regenerate()
        kept.delete(name)

    with caplog.at_level(logging.INFO, "ambi.sessions"):
        assert "set-cookie" not in client.post("/login").headers
    assert "while a request regenerated it" in caplog.text
    with pytest.raises((StopIteration, TypeError)):  # there is none, nor a new one
        only_session(kept)
    assert client.post("/").text == "1"


@pytest.mark.parametrize(("how", "left"), [("regenerate", {"n": 1}), ("clear", {})])
def test_a_store_without_room_takes_nothing_but_what_a_logout_gives_up(
    app: App, make_client: MakeClient, cell: Cell, counter: None, kept: Any, monkeypatch: pytest.MonkeyPatch,
    how: str, left: dict[str, int],
) -> None:  # fmt: skip
    @app.post("/change")
    @cell.handler
    def change(request: Request) -> None:
        getattr(request.session, how)()
        request.session["user"] = "ann"

    @app.get("/see")
    @cell.handler
    def see(request: Request) -> dict[str, Any]:
        return dict(request.session)

    def full(*args: Any, **options: Any) -> None:
        raise Unavailable("full", 507)

    client = make_client(app, raise_server_exceptions=False)
    client.post("/")
    monkeypatch.setattr(kept, "save", full)
    assert client.post("/change").status_code == 507
    monkeypatch.undo()
    assert client.get("/see").json() == left
    assert client.post("/change").status_code == 204
    assert client.get("/see").json() == {**left, "user": "ann"}


def test_a_read_does_not_wait_and_what_it_overwrites_is_told(
    app: App, client: Client, counter: None, kept: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/")
    name = only_session(kept)
    meanwhile(app, lambda: kept.save(name, {"n": ("1", "2"), "m": (None, "3")}, ttl_s=60, new=False))
    assert kept.lock(name, "somebody", 60)
    assert client.get("/meanwhile").text == "done"
    assert kept.load(name) == {"n": "11", "m": "3"}
    assert "the last one won: ['n']" in caplog.text


def test_who_waits_too_long_is_told_to_come_again(
    app: App, client: Client, counter: None, kept: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambi.features.sessions.keeping.LEASE_S", 0.05)
    client.post("/")
    assert kept.lock(only_session(kept), "somebody", 60)
    response = client.post("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert client.get("/").text == "2"


@pytest.mark.parametrize("fails", ["load", "lock"])
def test_who_asks_again_after_a_failure_does_not_wait_for_its_own_lock(
    app: App, client: Client, cell: Cell, counter: None, kept: Any, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr("ambi.features.sessions.keeping.LEASE_S", 0.05)
    client.post("/")
    asked: list[str] = []
    lock, load = kept.lock, kept.load

    def locked(*args: Any) -> bool:
        asked.append("lock")
        return fails != "lock" and lock(*args)

    def loaded(name: str) -> Any:
        asked.append("load")
        if fails == "load" and asked.count("load") == 1:
            raise Unavailable("away for a moment")
        return load(name)

    @app.post("/twice")
    @cell.handler
    def twice(request: Request) -> list[int]:
        seen: list[int] = []
        for _ in range(2):
            try:
                request.session.get("n")
            except (HTTPError, Unavailable) as exc:
                seen.append(exc.status)
                asked.append("again")
        return seen

    monkeypatch.setattr(kept, "lock", locked)
    monkeypatch.setattr(kept, "load", loaded)
    assert client.post("/twice").json() == [503, 503]
    assert asked.index("again") == len(asked) - 2
    monkeypatch.undo()
    assert client.post("/").text == "2"


def test_mounted_applications_with_the_same_sessions_do_not_lock_each_other_out(
    app: App, client: Client, cell: Cell, counter: None, kept: SessionStore
) -> None:
    """The outermost has the lock, and for longest: no other takes it, waits for it, or gives it back."""
    is_held: list[bool] = []

    def around(request: Request) -> Middleware:
        request.session["around"] = True
        yield
        if request.path != "/":
            is_held.append(not kept.lock(only_session(kept), "somebody", 60))

    app.middleware(blocking=True)(around)
    inner, innermost = App(), App()
    for mounted in (inner, innermost):
        mounted.sessions(SECRET, store=kept)
        mounted.post("/")(cell.handler(lambda request: request.session.update(n=request.session["n"] + 1)))
    inner.mount("/inner", innermost)
    app.mount("/inner", inner)
    client.post("/")
    assert [client.post("/inner/").status_code, client.post("/inner/inner/").status_code] == [204, 204]
    assert is_held == [True, True]
    assert client.post("/").text == "4"


@pytest.mark.parametrize("when", ["before", "after"])
def test_mounted_applications_with_the_same_sessions_make_one_together(
    app: App, make_client: MakeClient, cell: Cell, kept: SessionStore, when: str
) -> None:
    """Whoever comes first, for a new client and at a login."""

    def visited(request: Request) -> Middleware:
        if when == "before":
            request.session["visits"] = request.session.get("visits", 0) + 1
        yield
        if when == "after":
            request.session["visits"] = request.session.get("visits", 0) + 1

    app.middleware(blocking=True)(visited)
    inner, other = App(), App()
    inner.sessions(SECRET, store=kept)
    other.sessions(SECRET, store=kept, cookie="other")
    inner.post("/add")(cell.handler(lambda request: request.session.update(cart=["shoes"])))
    inner.post("/login")(cell.handler(lambda request: request.session.regenerate()))
    other.post("/add")(cell.handler(lambda request: request.session.update(own=1)))
    for mounted in (inner, other):
        mounted.get("/see")(cell.handler(lambda request: dict(request.session)))
    app.mount("/shop", inner)
    app.mount("/other", other)
    client = make_client(app)
    first = client.post("/shop/add")
    assert len(first.headers.get_list("set-cookie")) == 1
    assert client.get("/shop/see").json() == {"cart": ["shoes"], "visits": 1}
    assert cookie_of(client.post("/shop/login")) not in (None, cookie_of(first))
    assert client.get("/shop/see").json() == {"cart": ["shoes"], "visits": 3}
    assert len(make_client(app).post("/other/add").headers.get_list("set-cookie")) == 2


def test_a_lock_is_given_back_however_a_request_ends(
    app: App, client: Client, cell: Cell, counter: None, kept: SessionStore
) -> None:
    @app.post("/{how}")
    @cell.handler
    def post(how: str, request: Request) -> str:
        if how == "crash":
            raise RuntimeError(request.session["n"])
        if how == "read":
            return str(request.session["n"])
        return "untouched"

    client.post("/")
    name = only_session(kept)
    for how in ("crash", "read", "untouched", "missing/path"):
        client.post(f"/{how}")
        assert kept.lock(name, how, 60), how
        kept.unlock(name, how)
    client.post("/")
    assert kept.lock(name, "end", 60)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_change_that_cannot_be_told_is_an_error_like_others(
    app: App, client: Client, cell: Cell, counter: None, kept: SessionStore, method: str
) -> None:
    """As where another thread changes a dict while its values are looked at."""

    class Changing(dict[str, Any]):
        def values(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    @app.route("/change", methods=["GET", "POST"])
    @cell.handler
    def change(request: Request) -> None:
        request.session["list"] = found = []
        found.append(Changing(a=1))

    app.error(RuntimeError)(lambda error: (str(error), 409))
    client.post("/")
    response = client.request(method, "/change")
    assert (response.status_code, response.text) == (409, "dictionary changed size during iteration")
    assert kept.lock(only_session(kept), "end", 60)


def test_who_does_not_touch_a_session_does_not_fail_with_its_store(
    app: App, client: Client, cell: Cell, counter: None, kept: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise OSError("the store is away")

    app.get("/untouched")(cell.handler(lambda: "fine"))
    client.post("/")
    monkeypatch.setattr(type(kept), "load", broken)
    assert client.get("/untouched").text == "fine"
    assert client.get("/").status_code == 500


def test_a_lock_that_cannot_be_given_back_is_no_failure(
    app: App, client: Client, counter: None, kept: SessionStore, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(*args: Any) -> None:
        raise OSError("the store is away")

    client.post("/")
    monkeypatch.setattr(type(kept), "unlock", broken)
    assert client.post("/").text == "2"
    assert "lapses in 10 s" in caplog.text


def test_it_is_loaded_only_when_touched_where_that_may_block() -> None:
    """Under WSGI, where all of the route is in the server's thread. Elsewhere it is there before the handler is."""
    store, app = MemoryStore(), App()
    loads: list[str] = []
    load = store.load
    store.load = lambda name: loads.append(name) or load(name)  # type: ignore[method-assign]
    app.sessions(SECRET, store=store)
    app.post("/")(lambda request: str(request.session.setdefault("n", 1)))
    app.get("/untouched")(lambda: "fine")

    @app.get("/async")
    async def asynchronous() -> str:
        return "fine"

    client = Client(app, gateway="wsgi")
    client.post("/")
    client.get("/untouched")
    assert len(loads) == 0
    client.post("/")
    assert len(loads) == 1
    client.get("/async")
    assert len(loads) == 2


def test_exclusive_says_who_waits(
    make_client: MakeClient, cell: Cell, kept: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambi.features.sessions.keeping.LEASE_S", 0.02)
    value = None
    for exclusive, statuses in ((True, [503, 503]), (False, [200, 200]), (None, [200, 503])):
        app = App()
        app.sessions(SECRET, store=kept, exclusive=exclusive)
        handler = cell.handler(lambda request: str(request.session.setdefault("n", 1)))
        app.route("/", methods=["GET", "POST"])(handler)
        client = make_client(app)
        if value is None:
            value = cookie_of(client.post("/")) or ""
            assert kept.lock(only_session(kept), "somebody", 60)
        client.cookies = {"session": value}
        assert [client.get("/").status_code, client.post("/").status_code] == statuses


def test_an_async_error_handler_may_be_the_first_to_read_it(kept: SessionStore) -> None:
    """Under WSGI, where nothing was read ahead for a `def`: it reads without waiting for others."""
    app = App()
    app.sessions(SECRET, store=kept, exclusive=True)

    @app.error(404)
    async def missing(request: Request, error: Any) -> str:
        return str(request.session["n"])

    @app.get("/gone")
    def gone(request: Request) -> None:
        from ambi import HTTPError

        raise HTTPError(404)

    app.post("/")(lambda request: str(request.session.setdefault("n", 1)))
    client = Client(app, gateway="wsgi")
    client.post("/")
    assert kept.lock(only_session(kept), "somebody", 60)
    assert client.get("/gone").text == "1"


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@pytest.mark.parametrize("in_store", [True, False])
def test_a_websocket_reads_the_session_and_cannot_change_it(gateway: Any, in_store: bool, no_leaks: None) -> None:
    """A WebSocket has one colour."""
    app = App()
    app.sessions(SECRET, store=MemoryStore() if in_store else None, exclusive=True if in_store else None)
    app.post("/")(lambda request: str(request.session.setdefault("n", 1)))

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.send(str(ws.request.session["n"]))
        try:
            ws.request.session["n"] = 2
        except RuntimeError as exc:
            await ws.send(str(exc))

    with Client(app, gateway=gateway) as client:
        client.post("/")
        with client.websocket("/ws") as session:
            assert session.receive_text() == "1"
            assert session.receive_text().startswith(
                "the session is changed in a WebSocket, where no cookie can be set"
            )
        assert client.post("/").text == "1"


# --- Redis ---


@pytest.mark.parametrize("url", ["redis_url", "redis_socket_url"])
def test_a_redis_session_in_every_cell(
    make_client: MakeClient, cell: Cell, url: str, prefix: str, request: pytest.FixtureRequest
) -> None:
    store = RedisStore(request.getfixturevalue(url), prefix=prefix)
    app = App()
    app.sessions(SECRET, store=store)

    @app.post("/")
    @cell.handler
    def count(request: Request) -> str:
        request.session["n"] = request.session.get("n", 0) + 1
        return str(request.session["n"])

    app.post("/login")(cell.handler(lambda request: str(request.session.regenerate())))
    app.post("/logout")(cell.handler(lambda request: str(request.session.clear())))
    client = make_client(app)
    assert [client.post("/").text, client.post("/").text] == ["1", "2"]
    before = dict(client.cookies)
    client.post("/login")
    assert client.post("/").text == "3"
    client.post("/logout")
    assert client.post("/").text == "1"
    client.cookies = before
    assert client.post("/").text == "1"
    store.close()


def test_a_redis_that_is_away_fails_only_who_asks(passing_redis: RedisServer) -> None:
    store = RedisStore(passing_redis.url)
    app = App()
    app.sessions(SECRET, store=store)
    app.post("/")(lambda request: str(request.session.setdefault("n", 1)))
    app.get("/untouched")(lambda: "fine")
    client = Client(app, gateway="asgi", raise_server_exceptions=False)
    assert client.post("/").text == "1"
    passing_redis.stop()
    assert client.get("/untouched").text == "fine"
    answer = client.post("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    passing_redis.start()
    assert client.post("/").text == "1"
    store.close()


@pytest.mark.parametrize(
    ("setting", "value", "back", "status"), [("maxmemory", "1", "0", 507), ("replicaof", "127.0.0.1 1", "no one", 503)]
)
def test_a_redis_that_takes_nothing_says_so(
    passing_redis: RedisServer, setting: str, value: str, back: str, status: int
) -> None:
    """Its memory is full, or it has become a copy of another one."""
    store = RedisStore(passing_redis.url)

    def put(value: str) -> None:
        if setting == "replicaof":
            store._client.execute_command("REPLICAOF", *value.split(" "))
        else:
            store._client.config_set(setting, value)

    assert store.save("a", {"k": (None, "1")}, ttl_s=60, new=True) == []
    put(value)
    with pytest.raises(Unavailable) as caught:
        store.save("a", {"k": ("1", "2")}, ttl_s=60, new=False)
    assert caught.value.status == status
    put(back)
    assert store.load("a") == {"k": "1"}
    store.close()


@pytest.fixture
def lossy(redis_url: str, prefix: str, no_leaks: None) -> Iterator[tuple[RedisStore, set[str]]]:
    """Give a store, and the commands whose next answer is lost with its connection."""
    import redis

    lost: set[str] = set()
    store = RedisStore(redis_url, prefix=prefix)

    class Lossy(redis.Connection):
        last = ""

        def send_command(self, *args: Any, **options: Any) -> Any:
            self.last = str(args[0])
            return super().send_command(*args, **options)

        def read_response(self, *args: Any, **options: Any) -> Any:
            answer = super().read_response(*args, **options)
            if self.last in lost:
                lost.discard(self.last)
                self.disconnect()
                raise redis.ConnectionError("the connection broke")
            return answer

    store._client.connection_pool.connection_class = Lossy
    store.lock("before", "me", 10)  # the scripts are there
    store.save("before", {"k": (None, "1")}, ttl_s=10, new=True)
    store.unlock("before", "me")
    yield store, lost
    store.close()


def test_a_lock_whose_answer_was_lost_is_had(lossy: tuple[RedisStore, set[str]]) -> None:
    store, lost = lossy
    lost |= {"SET", "EVALSHA"}
    assert store.lock("a", "me", 10)
    assert not store.lock("a", "you", 10)
    lost |= {"EVALSHA"}
    store.unlock("a", "me")
    assert store.lock("a", "you", 10)


def test_a_change_whose_answer_was_lost_is_no_conflict_with_itself(lossy: tuple[RedisStore, set[str]]) -> None:
    store, lost = lossy
    lost |= {"EVALSHA"}
    assert store.save("before", {"k": ("1", "2"), "l": (None, "3")}, ttl_s=10, new=False) == []
    lost |= {"HGETALL"}
    assert store.load("before") == {"k": "2", "l": "3"}
    assert not lost


def test_who_deletes_a_session_and_gets_no_answer_is_not_told_that_there_was_none(
    lossy: tuple[RedisStore, set[str]], cell: Cell, make_client: MakeClient
) -> None:
    store, lost = lossy
    app = App()
    app.sessions(SECRET, store=store)

    @app.post("/login")
    @cell.handler
    def login(request: Request) -> str:
        request.session.regenerate()
        request.session["n"] = 1
        return "in"

    client = make_client(app, raise_server_exceptions=False)
    assert client.post("/login").status_code == 200
    lost |= {"DEL"}
    assert client.post("/login").status_code == 503
    assert client.post("/login").status_code == 200


def test_one_session_in_every_cell_is_not_lost_between_threads(store: SessionStore) -> None:
    """Forty requests of eight threads, half of them of either gateway, on one session: not one is lost."""
    app = App()
    app.sessions(SECRET, store=store)

    @app.post("/def")
    def count(request: Request) -> str:
        request.session["n"] = request.session.get("n", 0) + 1
        return str(request.session["n"])

    @app.post("/async")
    async def acount(request: Request) -> str:
        return count(request)

    with Client(app, gateway="wsgi") as wsgi, Client(app, gateway="asgi") as asgi, blocking_calls_forbidden():
        value = cookie_of(wsgi.post("/def")) or ""
        jobs = [(client, path) for client in (wsgi, asgi) for path in ("/def", "/async")] * 10
        results: list[int] = []

        def work(job: tuple[Client, str]) -> None:
            results.append(int(job[0].post(job[1], headers={"cookie": f"session={value}"}).text))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, jobs))
    assert sorted(results) == list(range(2, 42))
