"""What cannot be seen from outside, or only by who looks closely."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import Engine, event

from ambi import App
from ambi.testing import Client
from examples.conduit import users
from examples.conduit.database import DRIVERS, with_driver
from examples.conduit.settings import Settings
from tests.examples.conduit.api import PASSWORD, Person
from tests.examples.conduit.conftest import QUICK, new_app, person_of

OPERATIONS = {
    "/api/users/login": {"POST"}, "/api/users": {"POST"}, "/api/user": {"GET", "PUT"},
    "/api/profiles/{username}": {"GET"}, "/api/profiles/{username}/follow": {"POST", "DELETE"},
    "/api/articles/feed": {"GET"}, "/api/articles": {"GET", "POST"}, "/api/articles/{slug:slug}": {"GET", "PUT", "DELETE"},
    "/api/articles/{slug:slug}/comments": {"GET", "POST"}, "/api/articles/{slug:slug}/comments/{id}": {"DELETE"},
    "/api/articles/{slug:slug}/favorite": {"POST", "DELETE"}, "/api/tags": {"GET"},
}  # fmt: skip
"""Those of the contract."""


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest, app: App) -> Iterator[Client]:
    gateway: Any = request.param
    with Client(app, gateway, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def own(client: Client) -> Person:
    """Somebody without an account, in a database of their own."""
    return person_of(client)


def test_the_operations_are_those_of_the_contract_and_half_of_the_handlers_are_async(app: App) -> None:
    routes = [route for route in app.routes if route.handler.__module__.startswith("examples.conduit.")]
    found: dict[str, set[str]] = {}
    for route in routes:
        found.setdefault(route.path, set()).update(route.methods)
    assert found == OPERATIONS
    assert sorted(iscoroutinefunction(route.handler) for route in routes) == [False] * 9 + [True] * 10


def test_a_page_of_articles_takes_three_statements(own: Person) -> None:
    reader, writers = own.somebody(), [own.somebody() for _ in range(3)]
    for n in range(6):
        slug = writers[n % 3].writes(tagList=["a", "b"])["slug"]
        reader.post(f"/articles/{slug}/favorite")
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len(reader.get("/articles")["articles"]) == 6
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(statements) == 3
    assert not any("articles.body" in statement for statement in statements)  # what is not sent is not loaded


@pytest.mark.parametrize(
    ("function", "method", "path", "sent"),
    [
        ("comments.shown", "POST", "/comments", {"comment": {"body": "Lost"}}),  # an `async def`
        ("favorites.whole", "POST", "/favorite", None),  # a `def`
    ],
)
def test_what_fails_leaves_nothing_behind(
    own: Person, monkeypatch: pytest.MonkeyPatch, function: str, method: str, path: str, sent: Any
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("behind the INSERT")

    jake = own.somebody()
    made = f"/articles/{jake.writes()['slug']}"
    with monkeypatch.context() as patch:
        patch.setattr(f"examples.conduit.{function}", fail)
        failed = jake.call(method, f"{made}{path}", sent)
    assert failed.errors(500) == {"body": ["Internal Server Error"]}
    assert jake.get(f"{made}/comments")["comments"] == []
    assert jake.get(made)["article"]["favoritesCount"] == 0


def test_nobody_waits_for_who_sends_slowly(own: Person, client: Client, tmp_path: Path) -> None:
    jake = own.somebody()
    slug = jake.writes()["slug"]
    other = sqlite3.connect(tmp_path / "conduit.db", timeout=0, isolation_level=None)

    def slowly() -> Iterator[bytes]:
        yield b'{"comment": {"body": '
        other.execute("BEGIN IMMEDIATE")  # raises where somebody has the lock
        other.execute("COMMIT")
        yield b'"At last"}}'

    headers = {"authorization": f"Token {jake.token}", "content-type": "application/json"}
    answer = client.post(f"/api/articles/{slug}/comments", content=slowly(), headers=headers)
    other.close()
    assert answer.json()["comment"]["body"] == "At last"


def test_readers_do_not_wait_for_a_writer(own: Person, tmp_path: Path) -> None:
    jake = own.somebody()
    made = jake.writes()
    other = sqlite3.connect(tmp_path / "conduit.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM articles")
    try:
        assert jake.get(f"/articles/{made['slug']}") == {"article": made}
        assert jake.get("/user")["user"]["username"] == jake.name
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_token_that_is_too_old_or_of_nobody_is_refused(own: Person, tmp_path: Path) -> None:
    jake = own.somebody()
    secret = (tmp_path / "secret").read_text()
    soon = datetime.now(UTC) + timedelta(hours=1)
    for claims in (
        {"sub": "1", "exp": datetime.now(UTC) - timedelta(seconds=1)}, {"sub": "1"}, {"exp": soon},
        {"sub": "x", "exp": soon},
    ):  # fmt: skip
        jake.token = jwt.encode(claims, secret, "HS256")
        assert jake.call("GET", "/articles").errors(401)["token"] == ["is invalid"]
    jake.token = jwt.encode({"sub": "999", "exp": soon}, secret, "HS256")
    for refused in (jake.call("GET", "/user"), jake.post("/articles", {"article": {}})):
        assert refused.errors(401)["token"] == ["is invalid"]


def test_a_password_is_hashed_anew_where_the_hash_is_weak(own: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    jake = own.somebody()
    made: list[str] = []
    monkeypatch.setattr(users, "needs_rehash", lambda stored: True)
    monkeypatch.setattr(users, "hash_password", lambda password: made.append(QUICK.hash(password)) or made[-1])
    for n in range(2):
        assert own.post("/users/login", {"user": {"email": jake.email, "password": PASSWORD}}).status == 200
        assert len(made) == n + 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_pages_of_other_sites_may_use_it(client: Client, method: str) -> None:
    origin = {"origin": "https://demo.example"}
    asked = {
        **origin, "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,x-requested-with",
    }  # fmt: skip
    preflight = client.options("/api/articles/x", headers=asked)
    assert preflight.status_code == 204
    assert method in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type, x-requested-with"
    refused = client.request(method, "/api/articles/x/favorite", headers=origin)
    for answer in (preflight, refused, client.get("/api/tags", headers=origin)):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "type", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"]
)
@pytest.mark.parametrize("content", [b"", b"{}", b'{"user": {"email": "of another request"}}'])
def test_collections_name_a_type_where_they_send_no_body_or_one_that_nobody_asked_for(
    own: Person, client: Client, type: str, content: bytes
) -> None:
    jake, ann = own.somebody(), own.somebody("ann")
    slug = jake.writes(tagList=["training", "dragons"])["slug"]
    headers = {"authorization": f"Token {ann.token}", "content-type": type, "x-requested-with": "XMLHttpRequest"}
    for method, path in (
        ("GET", "/user"), ("GET", "/articles"), ("GET", "/articles/feed"), ("GET", f"/articles/{slug}"),
        ("GET", f"/articles/{slug}/comments"), ("GET", "/tags"), ("POST", f"/articles/{slug}/favorite"),
        ("DELETE", f"/articles/{slug}/favorite"), ("POST", f"/profiles/{jake.name}/follow"),
        ("DELETE", f"/profiles/{jake.name}/follow"),
    ):  # fmt: skip
        answer = client.request(method, f"/api{path}", headers=headers, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), path
    said = client.post(f"/api/articles/{slug}/comments", headers=headers, content=b'{"comment": {"body": "Thanks"}}')
    assert said.json()["comment"]["author"]["username"] == ann.name
    path = f"/api/articles/{slug}/comments/{said.json()['comment']['id']}"
    gone = client.delete(path, headers=headers, content=content)
    assert (gone.status_code, gone.content) == (204, b"")


def test_a_form_of_a_page_sends_back_what_it_was_given_and_filters_that_are_empty(own: Person) -> None:
    jake = own.somebody()
    article = jake.writes("Sent back", tagList=["one"])
    account = {**jake.account, "bio": "New", "image": None}
    changed = jake.put("/user", {"user": account})
    assert (changed.status, changed.document["user"]["bio"]) == (200, "New")
    kept = jake.put(f"/articles/{article['slug']}", {"article": article}).document["article"]
    assert {**kept, "updatedAt": 0, "author": 0} == {**article, "updatedAt": 0, "author": 0}
    found = own.get("/articles?limit=10&offset=0&tag=&author=&favorited=")
    assert [one["slug"] for one in found["articles"]] == [article["slug"]]
    assert found["articlesCount"] == 1


def test_the_environment_names_what_is_kept_elsewhere(tmp_path: Path) -> None:
    made = Settings.in_folder(tmp_path)
    assert Settings.in_folder(tmp_path) == made
    assert len(made.secret) >= 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    said = {"CONDUIT_DATABASE": "postgresql://me:pw@db/conduit", "CONDUIT_SECRET": "x" * 32}
    there = Settings.in_folder(tmp_path, said)
    assert there.secret == "x" * 32
    assert with_driver(there.database, DRIVERS).drivername == "postgresql+psycopg"
    with pytest.raises(SystemExit, match="has 5 characters"):
        Settings.in_folder(tmp_path, {"CONDUIT_SECRET": "short"})
    with pytest.raises(SystemExit, match="is a mysql"):
        with_driver(Settings.in_folder(tmp_path, {"CONDUIT_DATABASE": "mysql://x/y"}).database, DRIVERS)


def test_a_database_that_is_there_is_kept(tmp_path: Path) -> None:
    with Client(new_app(tmp_path)) as client:
        person_of(client).somebody().writes("Kept")
    with Client(new_app(tmp_path), "asgi") as client:
        assert person_of(client).get("/articles")["articles"][0]["title"] == "Kept"
