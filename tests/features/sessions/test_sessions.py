"""What handlers see of a session, the same in a cookie and in a store."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, Middleware, Redirect, Request, Router, Stream
from ambi.features.sessions import MemoryStore, SessionStore, SQLiteStore
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.sessions.conftest import SECRET, cookie_of

Change = Callable[[Any], Any]


@pytest.fixture
def visit(app: App, client: Client, cell: Cell) -> Callable[..., Any]:
    """Give what lets a handler do something with the session, and gives what came of it."""
    todo: list[Change] = []

    def handler(request: Request) -> Any:
        return {"got": todo[-1](request.session)}

    app.route("/", methods=["GET", "POST"])(cell.handler(handler))

    def visit(change: Change, method: str = "POST", **options: Any) -> Any:
        todo.append(change)
        return client.request(method, "/", **options)

    return visit


def counted(session: Any) -> int:
    session["n"] = session.get("n", 0) + 1
    return int(session["n"])


def test_what_is_set_is_there_in_the_next_request(visit: Callable[..., Any]) -> None:
    assert [visit(counted, method).json()["got"] for method in ("POST", "GET", "POST")] == [1, 2, 3]


def test_clients_have_sessions_of_their_own(visit: Callable[..., Any], make_browser: Callable[[], Client]) -> None:
    visit(counted)
    assert make_browser().post("/").json() == {"got": 1}
    assert visit(counted).json() == {"got": 2}


def test_who_does_not_touch_it_gets_no_cookie_and_no_vary(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: "hello"))
    response = client.get("/")
    assert "set-cookie" not in response.headers
    assert "vary" not in response.headers
    assert "cache-control" not in response.headers


def test_who_reads_it_varies_by_cookie_and_makes_none(visit: Callable[..., Any], kept: SessionStore | None) -> None:
    response = visit(lambda session: session.get("n"), "GET")
    assert response.headers["vary"] == "Cookie"
    assert "set-cookie" not in response.headers
    if isinstance(kept, SQLiteStore):
        with kept._connected() as connection:
            assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_an_answer_that_sets_the_cookie_is_for_no_cache(visit: Callable[..., Any]) -> None:
    response = visit(counted)
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["vary"] == "Cookie"
    assert "; HttpOnly; SameSite=Lax" in response.headers["set-cookie"]
    assert "; Max-Age=1209600; Path=/" in response.headers["set-cookie"]


def test_a_handler_that_would_have_it_cached_is_overruled_only_then(app: App, client: Client, cell: Cell) -> None:
    @app.get("/{how}")
    @cell.handler
    def page(how: str, request: Request) -> Any:
        request.session["n"] = how
        return "hello", 200, {"cache-control": how}

    assert client.get("/public").headers["cache-control"] == "private, no-store"
    client.cookies = {}
    assert client.get("/private").headers["cache-control"] == "private"


CHANGES: list[tuple[Change, Any]] = [
    (lambda s: s["list"].append(2), {"list": [1, 2], "dict": {"a": 1}}),
    (lambda s: s["dict"].update(b=2), {"list": [1], "dict": {"a": 1, "b": 2}}),
    (lambda s: s.pop("list"), {"dict": {"a": 1}}),
    (lambda s: s.pop("none", 1), {"list": [1], "dict": {"a": 1}}),
    (lambda s: s.popitem() and None, {"dict": {"a": 1}}),
    (lambda s: s.__delitem__("dict"), {"list": [1]}),
    (lambda s: s.update(c=None), {"list": [1], "dict": {"a": 1}, "c": None}),
    (lambda s: s.__ior__({"d": "é\ud800"}) and None, {"list": [1], "dict": {"a": 1}, "d": "é\ud800"}),
    (lambda s: s.setdefault("list", []).append(3), {"list": [1, 3], "dict": {"a": 1}}),
    (lambda s: s.clear(), {}),
]


def test_every_way_to_change_it_is_saved(visit: Callable[..., Any]) -> None:
    for change, after in CHANGES:
        visit(lambda s: s.clear() or s.update(list=[1], dict={"a": 1}))
        assert visit(change).status_code == 200
        found: list[Any] = []
        visit(lambda s, found=found: found.append(dict(s)), "GET")
        assert found == [after]


def test_values_may_be_merged_into_it_by_an_operator(app: App, client: Client, cell: Cell) -> None:
    @app.post("/merge")
    @cell.handler
    def merge(request: Request) -> dict[str, Any]:
        request.session |= {"n": 1}
        with pytest.raises(AttributeError, match=r"as with request\.session\.update"):
            request.session = {}  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        return dict(request.session)

    assert client.post("/merge").json() == {"n": 1}
    assert client.post("/merge").json() == {"n": 1}


def test_reading_alone_saves_nothing(visit: Callable[..., Any]) -> None:
    visit(lambda s: s.update(list=[1]))
    response = visit(lambda s: [*s, len(s), "list" in s, "n" in s, repr(s)], "GET")
    assert response.json()["got"] == ["list", 1, True, False, "<Session of 1 keys>"]
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("in_place", [False, True])
def test_what_json_cannot_say_is_an_error_before_the_response(
    visit: Callable[..., Any], caplog: pytest.LogCaptureFixture, in_place: bool
) -> None:
    visit(lambda s: s.update(list=[1]))
    for value, why in (
        ({1}, "holds a set"), (object(), "holds a object"), ({1: 2}, "keys that are no str"),
        ([{"a": b""}], "holds a bytes"), (float("nan"), "not JSON compliant"),
    ):  # fmt: skip
        response = visit(lambda s, value=value: s["list"].append(value) if in_place else s.update(list=value), "GET")
        assert response.status_code == 500
        assert why in caplog.text
    assert visit(lambda s: s["list"]).json() == {"got": [1]}


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({1}, "TypeError"),
        (float("nan"), "ValueError"),
        (float("-inf"), "ValueError"),
        (nested(50_000), "ValueError"),
        (nested(101), "ValueError"),
        (10**4300, "ValueError"),
        ([[0] * 50_000] * 50_000, "ValueError"),
    ],
    ids=["set", "nan", "infinity", "nested", "nested too deeply", "number", "large"],
)
def test_what_json_cannot_say_is_an_error_where_it_is_set(visit: Callable[..., Any], value: Any, error: str) -> None:
    def change(session: Any) -> str:
        try:
            session["a"] = value
        except (TypeError, ValueError) as exc:
            return f"{type(exc).__name__}: {exc}"
        return "it was taken"

    assert visit(change).json()["got"].startswith(f"{error}: session['a'] holds ")
    assert visit(lambda s: dict(s)).json() == {"got": {}}


def test_a_value_that_holds_itself_is_an_error(visit: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert visit(lambda s: s.update(a=endless)).status_code == 500
    assert "holds itself" in caplog.text


def test_what_is_nested_less_deeply_is_kept(visit: Callable[..., Any]) -> None:
    assert visit(lambda s: s.update(a=nested(100))).status_code == 200
    assert visit(lambda s: s["a"]).json() == {"got": nested(100)}


def test_a_key_is_a_text_that_can_be_kept(visit: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    assert visit(lambda s: s.__setitem__("\ud800", 2)).status_code == 500
    assert "the key '\\ud800' of a session holds a lone surrogate" in caplog.text


def test_a_key_is_a_text(visit: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    assert visit(lambda s: s.__setitem__(1, 2)).status_code == 500
    assert "the key 1 of a session must be a str" in caplog.text


def test_a_crash_saves_nothing_and_an_http_error_does(app: App, client: Client, cell: Cell) -> None:
    @app.post("/{how}")
    @cell.handler
    def post(how: str, request: Request) -> Any:
        request.session[how] = 1
        if how == "crash":
            raise RuntimeError("boom")
        if how == "refuse":
            raise HTTPError(403)
        return dict(request.session)

    assert client.post("/crash").status_code == 500
    assert client.post("/refuse").status_code == 403
    assert client.post("/end").json() == {"refuse": 1, "end": 1}


def test_it_passes_a_redirect(app: App, client: Client, cell: Cell) -> None:
    @app.post("/save")
    @cell.handler
    def save(request: Request) -> Redirect:
        request.session.flash("saved")
        request.session.flash("<b>twice</b>", "warning")
        return Redirect("/")

    @app.get("/")
    @cell.handler
    def page(request: Request) -> Any:
        return {"flashes": [[f.text, f.category] for f in request.session.flashes()]}

    assert client.post("/save", follow_redirects=True).json() == {
        "flashes": [["saved", "info"], ["<b>twice</b>", "warning"]]
    }
    assert client.get("/").json() == {"flashes": []}


def test_many_messages_keep_their_order(visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 7)  # a clock may be coarse
    visit(lambda s: [s.flash(str(n)) for n in range(12)] and None)
    assert visit(lambda s: [f.text for f in s.flashes()]).json()["got"] == [str(n) for n in range(12)]


def test_a_logout_forgets_everything_and_the_cookie(visit: Callable[..., Any], client: Client) -> None:
    visit(counted)
    response = visit(lambda s: s.clear())
    assert cookie_of(response) == ""
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert visit(lambda s: dict(s), "GET").json() == {"got": {}}


def test_what_is_set_behind_a_clear_is_a_new_session(visit: Callable[..., Any]) -> None:
    old = cookie_of(visit(counted))

    def begin_anew(session: Any) -> None:
        session.clear()
        session["m"] = 1

    response = visit(begin_anew)
    assert cookie_of(response) not in (None, "", old)
    assert visit(lambda s: dict(s)).json() == {"got": {"m": 1}}


def test_a_clear_where_there_is_nothing_sets_nothing(visit: Callable[..., Any]) -> None:
    assert "set-cookie" not in visit(lambda s: s.clear()).headers


def test_a_middleware_behind_it_sees_it_in_both_directions(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def guard(request: Request) -> Middleware:
        seen = request.session.get("n", 0)
        request.session["n"] = seen + 1
        response = yield
        request.session["n"] += 1
        response.headers["x-seen"] = str(seen)

    app.get("/")(cell.handler(lambda: "hello"))
    assert [client.get("/").headers["x-seen"] for _ in range(3)] == ["0", "2", "4"]
    assert client.get("/missing").headers["x-seen"] == "6"


def test_an_application_without_sessions_is_told_what_to_call() -> None:
    """No gateway is involved: it is the request itself that says so."""
    app = App()
    app.get("/")(lambda request: str(request.session))
    with pytest.raises(RuntimeError, match=r"call app\.sessions\(secret=\.\.\.\)"):
        Client(app, gateway="wsgi").get("/")


def test_a_stream_may_read_what_was_read_and_change_nothing(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def post(request: Request) -> Stream:
        request.session["n"] = 1

        def items() -> Iterator[str]:
            yield str(request.session["n"])
            try:
                request.session["n"] = 2
            except RuntimeError as exc:
                yield f" {exc}"

        return Stream(items())

    assert client.post("/").text == (
        "1 the session is changed behind the response, where no cookie can be set and nothing is saved: change it in an"
        " HTTP handler, before it returns"
    )


def test_a_stream_is_not_the_first_to_read_it(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def get(request: Request) -> Stream:
        def items() -> Iterator[str]:
            try:
                yield str(request.session.get("n"))
            except RuntimeError as exc:
                yield str(exc)

        return Stream(items())

    assert client.get("/").text.startswith("the session is read for the first time behind the response")


def test_a_session_ends_when_it_is_not_used(visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    visit(counted)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 14 * 24 * 3600 + 5)
    assert visit(counted).json() == {"got": 1}


def test_a_session_that_is_used_lives_on(visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    visit(counted)
    now, day = time.time(), 24 * 3600
    for days in (1, 10, 20, 30):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * day)
        response = visit(lambda s: s["n"], "GET")
        assert response.json() == {"got": 1}
        assert ("set-cookie" in response.headers) == (days != 1)  # a tenth of its age has to be over


def test_an_absolute_age_is_not_extended(
    make_client: MakeClient, cell: Cell, kept: SessionStore | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    app.sessions(SECRET, store=kept, max_age_s=100, sliding=False)
    app.get("/")(cell.handler(lambda request: str(request.session.get("n"))))
    app.post("/begin")(cell.handler(lambda request: str(counted(request.session))))
    client = make_client(app)
    client.post("/begin")
    now = time.time()
    for s in (40, 90):
        monkeypatch.setattr(time, "time", lambda s=s: now + s)
        assert client.get("/").text == str(s // 40)
        client.post("/begin")
    kept_by_the_client = dict(client.cookies)
    monkeypatch.setattr(time, "time", lambda: now + 103)
    client.cookies = kept_by_the_client  # one that does not look at Max-Age
    assert client.post("/begin").text == "1"


def test_a_regenerated_session_lives_as_long_as_a_new_one(
    make_client: MakeClient, cell: Cell, kept: SessionStore | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    app.sessions(SECRET, store=kept, max_age_s=100, sliding=False)
    app.post("/begin")(cell.handler(lambda request: str(counted(request.session))))
    app.post("/login")(cell.handler(lambda request: str(request.session.regenerate())))
    client = make_client(app)
    client.post("/begin")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90)
    assert "set-cookie" in client.post("/login").headers
    monkeypatch.setattr(time, "time", lambda: now + 150)
    assert client.post("/begin").text == "2"


def test_each_application_has_its_own_sessions(app: App, client: Client, cell: Cell, kept: SessionStore | None) -> None:
    inner = App()
    inner.sessions(SECRET, cookie="inner", store=MemoryStore() if kept else None)
    handler = cell.handler(lambda request: str(counted(request.session)))
    inner.post("/")(handler)
    app.post("/")(handler)
    app.mount("/inner", inner)

    @app.middleware
    def around(request: Request) -> Middleware:
        request.session.setdefault("around", 0)
        yield
        request.session["around"] += 1

    app.get("/around")(cell.handler(lambda request: str(request.session["around"])))
    assert [client.post("/").text, client.post("/").text, client.post("/inner/").text, client.post("/inner/").text] == [
        "1",
        "2",
        "1",
        "2",
    ]
    assert client.get("/around").text == "4"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"secret": "short"}, "a session secret of 5 bytes"),
        ({"secret": [SECRET, b"x" * 31]}, "of 31 bytes"),
        ({"secret": []}, "an empty list"),
        ({"secret": [None]}, "not NoneType"),
        ({"max_age_s": 0}, "max_age_s= is a whole number, 1 or more"),
        ({"cookie": "a b"}, "is no cookie name"),
        ({"samesite": "none", "secure": False}, "need secure"),
        ({"cookie": "__Host-s", "path": "/a"}, "path='/'"),
        ({"store": object()}, "is no session store: it has no load, save"),
        ({"exclusive": True}, "needs a store"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_registration(options: Any, why: str) -> None:
    """No gateway is involved."""
    given: dict[str, Any] = {"secret": SECRET}
    with pytest.raises(ConfigurationError) as caught:
        App().sessions(**{**given, **options})
    assert why in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_application_has_sessions_once() -> None:
    app = App()
    app.sessions(SECRET)
    with pytest.raises(
        ConfigurationError,
        match=r"sessions\(...\) is set up at .*test_sessions.py:\d+ already, so it cannot be at .*test_sessions.py:\d+",
    ):
        app.sessions(SECRET)


def test_without_itsdangerous_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "itsdangerous", None)
    with pytest.raises(ImportError, match=r"pip install 'ambi\[sessions\]'"):
        App().sessions(SECRET)


def test_a_router_included_has_the_sessions_of_its_application(app: App, client: Client, cell: Cell) -> None:
    router = Router(prefix="/r")
    router.post("/")(cell.handler(lambda request: str(counted(request.session))))
    app.include(router)
    assert [client.post("/r/").text for _ in range(2)] == ["1", "2"]


def test_nothing_is_logged_of_what_clients_do(
    visit: Callable[..., Any], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for value in ("", ".", "a.b.c", "=" * 50, "x" * 5000, "é"):
            response = visit(
                lambda s: dict(s), "GET", headers={"cookie": f"session={value}".encode().decode("latin-1")}
            )
            assert (response.status_code, response.json()) == (200, {"got": {}})
            assert "set-cookie" not in response.headers
    assert [record for record in caplog.records if record.name.startswith("ambi")] == []
