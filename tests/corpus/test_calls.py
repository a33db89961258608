"""Our own functions, called with what a client has written.

Each function here is the test of the cases that `covers` names; `ledger.py` asks for them.
"""

import ast
import base64
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from jinja2 import DictLoader

import ambi
from ambi import App, ConfigurationError, File, Limits, Redirect, Request, Response, Text
from ambi.features.auth import is_safe_target, safe_redirect
from ambi.features.auth.redirects import MAX_TARGET_CHARS
from ambi.features.sessions import MemoryStore
from ambi.features.templates import Templates
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

F = TypeVar("F", bound=Callable[..., Any])

KEY = "a key of thirty-two bytes, for tests alone"
COVERED: dict[str, str] = {}
"""The id of a case -> the test of it in this file."""


def covers(*ids: str) -> Callable[[F], F]:
    """Say of which cases a function is the test."""

    def note(function: F) -> F:
        COVERED.update(dict.fromkeys(ids, function.__name__))
        return function

    return note


def answered_by(app: App, cell: Cell, make_client: MakeClient, function: Callable[[], Any]) -> Any:
    """Register a handler that returns what the function gives, and ask it."""

    @app.get("/")
    @cell.handler
    def handler() -> Any:
        return function()

    return make_client(app).get("/")


# --- cookies that are set ---

COOKIES = {
    "cookies/set-name-sep": ("a=b", "x"),
    "cookies/set-name-ctl": ("a\r\nX: y", "x"),
    "cookies/set-value-crlf": ("a", "x\r\nX-I: 1"),
    "cookies/set-value-nonlatin": ("a", "Ā"),
    "cookies/set-too-big": ("a", "x" * 5000),
}


@covers(*COOKIES)
@pytest.mark.parametrize(("name", "value"), COOKIES.values(), ids=COOKIES)
def test_a_cookie_that_cannot_be_sent_is_refused_where_it_is_set(
    app: App, make_client: MakeClient, cell: Cell, name: str, value: str
) -> None:
    def answer() -> Response:
        response = Text("")
        with pytest.raises(ValueError, match="cookie"):
            response.set_cookie(name, value)
        return response

    answered = answered_by(app, cell, make_client, answer)
    assert answered.status_code == 200
    assert answered.headers.get("set-cookie") is None


@covers("cookies/delete")
def test_a_cookie_is_deleted_with_what_it_was_set_with(app: App, make_client: MakeClient, cell: Cell) -> None:
    def answer() -> Response:
        response = Text("")
        response.delete_cookie("__Host-a", path="/", secure=True)
        return response

    field = answered_by(app, cell, make_client, answer).headers["set-cookie"]
    name, *attributes = field.split("; ")
    assert name == "__Host-a="
    assert {"Max-Age=0", "Path=/", "Secure", "SameSite=Lax"} <= set(attributes)


# --- redirects ---

TARGETS = {
    "redirect/slash-backslash": "/\\evil.test",
    "redirect/no-slash-scheme": "https:evil.test",
    "redirect/userinfo-backslash": "https://example.test\\@evil.test",
    "redirect/javascript-ctl": "\x08javascript:alert(1)",
    "redirect/tab-host": "/\t/evil.test",
    "redirect/numeric-host": "http:999999999",
    "redirect/fullwidth": "https://example。test@evil.test",
    "redirect/data": "data:text/html,<script>alert(1)</script>",
}


@covers(*TARGETS)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_that_leads_away_is_not_gone_to(make_client: MakeClient, cell: Cell, target: str) -> None:
    app = App(allowed_hosts=["example.test"])

    @app.get("/")
    @cell.handler
    def login(request: Request) -> Response:
        assert not is_safe_target(request, target, allowed_hosts=["example.test"])
        return safe_redirect(request, target, fallback="/home")

    answered = make_client(app, base_url="http://example.test").get("/")
    assert answered.headers["location"] == "/home"


@covers("redirect/crlf")
def test_a_target_does_not_end_its_line() -> None:
    try:
        location = Redirect("/a\r\nSet-Cookie: x=y").headers["location"]
    except ValueError:
        return
    assert location.isprintable()


@covers("redirect/html-body")
def test_a_redirect_has_no_markup_of_its_target(app: App, make_client: MakeClient, cell: Cell) -> None:
    answered = answered_by(app, cell, make_client, lambda: Redirect('/"><script>'))
    assert b"<script>" not in answered.content
    assert "<" not in answered.headers["location"]


@covers("redirect/unicode-time")
def test_a_target_has_a_longest_length(make_client: MakeClient, cell: Cell) -> None:
    app = App()

    @app.get("/")
    @cell.handler
    def login(request: Request) -> Response:
        assert not is_safe_target(request, "/" + "℀" * 500_000)
        assert not is_safe_target(request, "/" + "a" * MAX_TARGET_CHARS)
        return safe_redirect(request, "/" + "℀" * 500_000, fallback="/home")

    assert make_client(app).get("/").headers["location"] == "/home"


@covers("redirect/relative-host")
def test_a_path_stays_one_whatever_the_host(make_client: MakeClient, cell: Cell) -> None:
    app = App(allowed_hosts=["example.test"])

    @app.get("/")
    @cell.handler
    def away() -> Response:
        return Redirect("/a")

    client = make_client(app, base_url="http://example.test")
    assert client.get("/").headers["location"] == "/a"
    refused = client.get("/", headers={"host": "evil.test"})
    assert (refused.status_code, refused.headers.get("location")) == (400, None)


# --- fields of a response ---


def _set(name: str, value: str) -> Callable[[Response], None]:
    return lambda response: response.headers.__setitem__(name, value)


def _tag(response: Response) -> None:
    response.etag = 'a"\r\nX: y'


FIELDS: dict[str, list[Callable[[Response], Any]]] = {
    "splitting/value-lf": [_set("x", text) for text in ("a\nb", "a\rb", "a\0b")],
    "splitting/content-disposition": [lambda _: File(__file__, filename="a\r\nX: y")],
    "splitting/etag": [_tag],
    "splitting/wsgi-hop": [_set("Connection", "x"), _set("Keep-Alive", "x"), _set("Upgrade", "x")],
    "splitting/te-from-app": [_set("Transfer-Encoding", "chunked")],
}


@covers(*FIELDS)
@pytest.mark.parametrize("changes", FIELDS.values(), ids=FIELDS)
def test_a_field_that_cannot_be_sent_is_a_500_that_is_logged(
    app: App, make_client: MakeClient, cell: Cell, changes: list[Callable[[Response], Any]], caplog: Any
) -> None:
    @app.get("/{number}")
    @cell.handler
    def handler(number: int) -> Response:
        response = Text("")
        changes[number](response)
        return response

    client = make_client(app)
    for number in range(len(changes)):
        caplog.clear()
        answered = client.get(f"/{number}")
        assert answered.status_code == 500
        assert answered.headers.get("x") is None
        [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert record.exc_info[0] is ValueError


@covers("splitting/content-length-mismatch")
def test_the_length_is_that_of_the_body(app: App, make_client: MakeClient, cell: Cell) -> None:
    answered = answered_by(app, cell, make_client, lambda: Response(b"abc", headers={"Content-Length": "9"}))
    assert (answered.headers["content-length"], answered.content) == ("3", b"abc")


# --- sessions ---


class Site:
    """An application with a session that is shown and set; `get` gives what it holds."""

    def __init__(self, cell: Cell, make_client: MakeClient, **options: Any) -> None:
        self.app = App(csrf=False)
        self.app.sessions(KEY, **options)

        @self.app.get("/")
        @cell.handler
        def show(request: Request) -> dict[str, Any]:
            return dict(request.session)

        @self.app.post("/")
        @cell.handler
        def change(request: Request) -> dict[str, Any]:
            request.session.update(request.json())
            return {}

        @self.app.post("/login")
        @cell.handler
        def login(request: Request) -> dict[str, Any]:
            request.session.regenerate()
            request.session["user"] = "ann"
            return {}

        self.client: Client = make_client(self.app)
        self.name = options.get("cookie", "session")

    def get(self, cookie: str) -> Any:
        """Show what is remembered of a client with this cookie."""
        self.client.cookies.clear()
        response = self.client.get("/", headers={"cookie": f"{self.name}={cookie}"})
        assert response.status_code == 200
        return response.json()

    def new(self, **values: Any) -> str:
        """Give the cookie of a new session."""
        self.client.cookies.clear()
        assert self.client.post("/", json=values).status_code == 200
        return self.client.cookies[self.name]


@covers("session/forged")
def test_a_signature_with_one_bit_changed_is_no_session(make_client: MakeClient, cell: Cell) -> None:
    site = Site(cell, make_client)
    cookie = site.new(a=1)
    assert site.get(cookie) == {"a": 1}
    # The lowest bits of the last character are padding; any other one says something.
    for place in (0, len(cookie) // 2, -2):
        character = "A" if cookie[place] != "A" else "B"
        forged = cookie[:place] + character + cookie[place:][1:]
        assert site.get(forged) == {}


@covers("session/name-swap")
def test_a_value_is_good_for_its_own_cookie_alone(make_client: MakeClient, cell: Cell) -> None:
    one, other = Site(cell, make_client, cookie="a"), Site(cell, make_client, cookie="b")
    longer = Site(cell, make_client, cookie="ab")
    cookie = one.new(a=1)
    assert one.get(cookie) == {"a": 1}
    for site in (other, longer):
        assert site.get(cookie) == {}
        assert site.get("b" + cookie) == site.get(cookie[1:]) == {}


@covers("session/salt-swap")
def test_what_was_signed_for_something_else_is_no_session(make_client: MakeClient, cell: Cell) -> None:
    site = Site(cell, make_client)
    payload = site.new(a=1).rsplit(".", 2)[0]
    assert site.get(site.new(a=1)) == {"a": 1}
    for salt in ("reset-password", "itsdangerous.Signer", "cookie-session", "session"):
        assert site.get(TimestampSigner(KEY, salt=salt).sign(payload).decode()) == {}
        assert site.get(str(URLSafeTimedSerializer(KEY, salt=salt).dumps({"a": 1}))) == {}


@covers("session/alg-confusion")
def test_a_token_does_not_choose_its_algorithm(make_client: MakeClient, cell: Cell) -> None:
    site = Site(cell, make_client)

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for algorithm in ("none", "None", "HS256", "RS256"):
        for signature in ("", "AAAA"):
            assert site.get(f"{part({'alg': algorithm})}.{part({'a': 1})}.{signature}") == {}


@covers("session/fixation")
def test_an_id_that_a_client_brings_is_not_taken_over(make_client: MakeClient, cell: Cell) -> None:
    site = Site(cell, make_client, store=MemoryStore())
    theirs = site.new(a=1)
    site.client.cookies.clear()
    site.client.post("/login", headers={"cookie": f"session={theirs}"})
    after = site.client.cookies["session"]
    assert after != theirs
    assert site.get(after) == {"a": 1, "user": "ann"}
    assert site.get(theirs) == {}, "whoever planted it is not logged in"
    for planted in ("chosen-by-the-attacker", theirs):
        site.client.cookies.clear()
        site.client.post("/", json={"b": 2}, headers={"cookie": f"session={planted}"})
        assert site.client.cookies["session"] not in (planted, after)


@covers("session/restored-after-delete")
def test_a_session_that_was_deleted_stays_deleted(make_client: MakeClient, cell: Cell) -> None:
    site, browsers = Site(cell, make_client, store=MemoryStore(), exclusive=False), []

    @site.app.post("/logout")
    @cell.handler
    def logout(request: Request) -> str:
        request.session.clear()
        return ""

    @site.app.post("/slow")
    @cell.handler
    def slow(request: Request) -> str:
        request.session["late"] = True
        browsers[0].post("/logout", headers={"cookie": f"session={cookie}"})
        return ""

    cookie = site.new(a=1)
    browsers.append(Client(site.app, "wsgi"))
    if cell.gateway == "wsgi" and not cell.is_async:  # one thread: in the others a handler would wait for itself
        site.client.cookies.clear()
        site.client.post("/slow", headers={"cookie": f"session={cookie}"})
    else:
        site.client.cookies.clear()
        site.client.post("/logout", headers={"cookie": f"session={cookie}"})
        site.client.post("/", json={"late": True}, headers={"cookie": f"session={cookie}"})
    assert site.get(cookie) == {}


@covers("session/store-flood")
def test_nothing_is_kept_of_those_who_only_look(make_client: MakeClient, cell: Cell) -> None:
    store = MemoryStore()
    site = Site(cell, make_client, store=store)
    kept = vars(store).copy()
    for _ in range(200):
        site.client.cookies.clear()
        response = site.client.get("/")
        assert response.headers.get("set-cookie") is None
    assert {name: value for name, value in vars(store).items() if isinstance(value, dict) and value} == {}
    assert vars(store).keys() == kept.keys()


@covers("session/mutation-tracking")
def test_whatever_changes_it_is_saved(make_client: MakeClient, cell: Cell) -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "append": lambda session: session["list"].append(1),
        "nested": lambda session: session["dict"].update(a=1),
        "popitem": lambda session: session.popitem(),
        "update": lambda session: session.__ior__({"new": 1}),
        "setdefault": lambda session: session.setdefault("new", []).append(1),
        "clear": lambda session: session.clear(),
        "pop": lambda session: session.pop("list"),
        "delete": lambda session: session.__delitem__("list"),
    }
    for store in (None, MemoryStore()):
        site = Site(cell, make_client, store=store)

        @site.app.post("/{change}")
        @cell.handler
        def change(request: Request, change: str) -> dict[str, Any]:
            changes[change](request.session)
            return dict(request.session)

        for name in changes:
            before = {"list": [], "dict": {}}
            cookie = site.new(**before)
            site.client.cookies.clear()
            changed = site.client.post(f"/{name}", headers={"cookie": f"session={cookie}"}).json()
            assert changed != before
            # What lies in the cookie is in the one that came back; what lies in a store is under the same id.
            forgets = name == "clear" and store is None
            assert site.get(site.client.cookies.get("session") or ("" if forgets else cookie)) == changed, name


@covers("session/too-big", "session/non-serialisable")
def test_what_cannot_be_kept_is_an_error_where_it_is_set(make_client: MakeClient, cell: Cell, caplog: Any) -> None:
    site = Site(cell, make_client)
    values: dict[str, tuple[Any, type[Exception]]] = {"big": ("y" * 5000, ValueError), "set": ({1}, TypeError)}

    @site.app.post("/{kind}")
    @cell.handler
    def change(request: Request, kind: str) -> None:
        request.session["x"] = values[kind][0]

    cookie = site.new(a=1)
    for kind, (_, error) in values.items():
        caplog.clear()
        refused = site.client.post(f"/{kind}", headers={"cookie": f"session={cookie}"})
        assert (refused.status_code, refused.headers.get("set-cookie")) == (500, None), "the old one is kept"
        [record] = caplog.records
        assert record.exc_info[0] is error
    assert site.get(cookie) == {"a": 1}


# --- the rest ---


@covers("body-limits/limit-types")
@pytest.mark.parametrize("limit", [0, -1, True, "16", 1.5, float("nan")])
def test_a_limit_is_a_positive_number(app: App, limit: Any) -> None:
    with pytest.raises(ConfigurationError):
        Limits(max_body_bytes=limit)
    with pytest.raises(ConfigurationError):
        app.post("/", max_body_bytes=limit)(lambda: "")


@covers("json/parse-cache-race")
def test_each_request_has_its_own_json(app: App, make_client: MakeClient, cell: Cell) -> None:
    @app.post("/", csrf=False)
    @cell.handler
    def echo(request: Request) -> Any:
        return [request.json(), request.json()]

    client = make_client(app)

    def ask(number: int) -> bool:
        return client.post("/", json={"n": number}).json() == [{"n": number}, {"n": number}]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(40)))


@covers("logging/secrets")
def test_the_log_of_a_failure_shows_no_secrets(app: App, make_client: MakeClient, cell: Cell, caplog: Any) -> None:
    app.access_log()

    @app.post("/reset/{token}", csrf=False)
    @cell.handler
    def fail(request: Request, token: str) -> None:
        raise ValueError("no")

    fields = {"authorization": "Bearer in-the-field", "cookie": "sid=in-the-cookie"}
    caplog.set_level(logging.DEBUG, "ambi")
    make_client(app).post("/reset/in-the-path?token=in-the-query", headers=fields, json={"password": "in-the-body"})
    assert any(record.exc_info for record in caplog.records)
    assert "in-the-" not in "\n".join(map(logging.Formatter().format, caplog.records))


@covers("templates/autoescape")
@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.xml", "a", "a.svg", "a.html.j2"])
def test_every_template_escapes(name: str) -> None:
    page = Templates(DictLoader({name: "{{ text }}"})).render(name, text="<script>")
    assert page.body == b"&lt;script&gt;"


@covers("templates/ssti")
def test_there_is_no_way_from_text_to_a_template() -> None:
    assert not [name for name in dir(Templates) if "string" in name.lower() or "source" in name.lower()]
    page = Templates(DictLoader({"a": "{{ text }}"})).render("a", text="{{ 7 * 7 }}{% include 'a' %}")
    assert page.body == b"{{ 7 * 7 }}{% include &#39;a&#39; %}"


@covers("templates/json-in-script")
def test_data_does_not_end_its_script() -> None:
    data = {"a": "</script><script>&'\u2028\u2029"}
    page = Templates(DictLoader({"a": "<script>{{ data|tojson }}</script>"})).render("a", data=data)
    assert isinstance(page.body, bytes)
    inner = page.body.decode().removeprefix("<script>").removesuffix("</script>")
    assert not set("<>&'\u2028\u2029") & set(inner)
    assert json.loads(inner) == data


@covers("deps/asserts-off")
def test_nothing_depends_on_an_assert() -> None:
    """With `python -O` they are not there."""
    for path in Path(ambi.__file__).parent.rglob("*.py"):
        asserts = [node.lineno for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Assert)]
        assert asserts == [], path
