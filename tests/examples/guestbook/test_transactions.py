"""What is committed and what is rolled back, in the database and in the folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from ambi import App, HTTPError, Redirect
from ambi.testing import Client
from examples.guestbook.database import Database, open_database, when_committed, when_rolled_back
from examples.guestbook.models import Post, User
from examples.guestbook.settings import Settings
from examples.guestbook.site import make_site
from tests.examples.guestbook.person import PNG, Person, errors


class Trouble(Exception):
    """What a handler of these tests raises."""


def users(rows: Session) -> list[str]:
    return list(rows.scalars(select(User.name)))


def outcome(name: str) -> Any:
    if name == "HTTPError":
        raise HTTPError(409)
    if name == "crash":
        raise Trouble
    return {"plain": "done", "redirect": Redirect("/"), "404": ("not there", 404), "500": ("broken", 500)}[name]


@pytest.mark.parametrize("name", ["plain", "redirect", "404", "500", "HTTPError", "crash"])
def test_what_is_answered_with_a_success_is_committed_and_nothing_else(
    app: App, client: Client, rows: Session, name: str
):
    said: list[str] = []

    @app.post("/try", csrf=False)
    def write(database: Database) -> Any:
        when_committed(database, lambda: said.append("committed"))
        when_rolled_back(database, lambda: said.append("rolled back"))
        database.add(User(name="Eve", key="eve", password_hash=""))
        database.flush()
        return outcome(name)

    if name == "crash":
        with pytest.raises(Trouble):
            client.post("/try")
    else:
        client.post("/try")
    is_success = name in ("plain", "redirect")
    assert users(rows) == (["Eve"] if is_success else [])
    assert said == (["committed"] if is_success else ["rolled back"])


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_somebody_who_sends_slowly_holds_no_connection(
    settings: Settings, rows: Session, gateway: Literal["wsgi", "asgi"], monkeypatch: pytest.MonkeyPatch
):
    engines: list[Engine] = []

    def open_and_note(path: Path) -> Engine:
        engines.append(open_database(path))
        return engines[-1]

    monkeypatch.setattr("examples.guestbook.site.open_database", open_and_note)
    with Client(make_site(settings), gateway, headers={"accept": "text/html"}) as client:
        person = Person(client)
        person.sign_up("Ann")
        body = urlencode({**person.fields("/posts/new"), "text": "slow", "alt": ""}).encode()
        held: list[int] = []

        def slowly() -> Iterator[bytes]:
            for index in range(len(body)):
                held.append(engines[0].pool.checkedout())
                yield body[index : index + 1]

        form = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("/posts/1/edit", content=slowly(), headers=form).status_code == 404
    assert set(held) == {0}


def test_a_commit_that_fails_takes_the_picture_back(
    person: Person, rows: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    person.become("Ann")
    fields = {**person.fields("/posts/new"), "text": "hello", "alt": ""}
    seen: list[Path] = []

    def fail(session: Session) -> None:
        seen.extend(settings.uploads.iterdir())
        raise Trouble

    monkeypatch.setattr(Session, "commit", fail)
    with pytest.raises(Trouble):
        person.client.post("/posts/new", data=fields, files={"image": ("a.png", PNG)})
    assert [path.suffix for path in seen] == [".png"]
    assert list(settings.uploads.iterdir()) == []
    assert rows.scalars(select(Post)).all() == []


def test_a_picture_is_deleted_only_when_its_post_is(
    person: Person, rows: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    person.become("Ann")
    person.post("stays", ("a.png", PNG))
    fields = person.fields("/posts/1/delete")
    with monkeypatch.context() as patched:

        def fail(session: Session) -> None:
            raise Trouble

        patched.setattr(Session, "commit", fail)
        with pytest.raises(Trouble):
            person.client.post("/posts/1/delete", data=fields)
    assert len(list(settings.uploads.iterdir())) == 1
    assert len(rows.scalars(select(Post)).all()) == 1


def test_a_crash_is_a_page_that_tells_nothing(app: App, settings: Settings, caplog: pytest.LogCaptureFixture):
    @app.get("/crash")
    def crash() -> None:
        raise Trouble("the secret cause")

    for gateway in ("wsgi", "asgi"):
        with Client(app, gateway, headers={"accept": "text/html"}, raise_server_exceptions=False) as client:
            answer = client.get("/crash")
            assert (answer.status_code, "That went wrong" in answer.text) == (500, True)
            assert "secret cause" not in answer.text
            assert "content-security-policy" in answer.headers
            problem = client.get("/crash", headers={"accept": "application/json"})
            assert (problem.status_code, problem.json()["title"]) == (500, "Internal Server Error")
    assert "the secret cause" in caplog.text


def test_who_loses_a_race_for_a_name_is_told_so(person: Person, rows: Session, monkeypatch: pytest.MonkeyPatch):
    """The name is taken while the password is hashed."""

    def hash_slowly(password: str) -> str:
        rows.add(User(name="Grace", key="grace", password_hash=""))
        rows.commit()
        return "hashed"

    monkeypatch.setattr("examples.guestbook.accounts.hash_password", hash_slowly)
    assert errors(person.sign_up("grace")) == ["Somebody has this name already."]
    assert users(rows) == ["Ann", "Bob", "Grace"]


def test_a_database_may_be_opened_by_many_at_once(settings: Settings):
    first, second = open_database(settings.database), open_database(settings.database)
    with first.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    first.dispose()
    second.dispose()
