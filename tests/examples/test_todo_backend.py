"""The Todo-Backend API, in the steps that its own suite takes in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ambi.testing import Client
from tests.examples.test_examples import fresh_app

ORIGIN = {"origin": "https://todobackend.com"}


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(partial(fresh_app, "todo_backend"), request.param, headers=ORIGIN) as client:
        yield client


def add(client: Client, title: str, **fields: Any) -> dict[str, Any]:
    response = client.post("/todos", json={"title": title, **fields})
    assert response.status_code == 201
    todo: dict[str, Any] = response.json()
    return todo


def test_what_is_added_is_listed_and_has_an_absolute_address_of_its_own(client: Client):
    assert client.get("/todos").json() == []
    todo = add(client, "walk the dog")
    assert (todo["title"], todo["completed"], todo["order"]) == ("walk the dog", False, None)
    assert todo["url"].startswith("http://localhost/todos/")
    assert client.get(todo["url"]).json() == todo
    assert client.get("/todos").json() == [todo]


def test_they_are_listed_by_their_order_and_those_without_one_last(client: Client):
    for title, order in (("none", None), ("second", 2), ("first", 1), ("none either", None)):
        add(client, title, order=order)
    assert [todo["title"] for todo in client.get("/todos").json()] == ["first", "second", "none", "none either"]


@pytest.mark.parametrize(
    "change",
    [{"title": "bathe the cat"}, {"completed": True}, {"order": 95}, {"order": None}, {"title": "x", "order": 10}, {}],
)
def test_a_change_is_kept_and_what_was_not_sent_stays(client: Client, change: dict[str, Any]):
    todo = add(client, "walk the dog", order=3)
    changed = client.patch(todo["url"], json=change)
    assert (changed.status_code, changed.json()) == (200, {**todo, **change})
    assert client.get(todo["url"]).json() == {**todo, **change}
    assert client.get("/todos").json() == [{**todo, **change}]


@pytest.mark.parametrize("change", [{"title": ""}, {"title": None}, {"completed": "yes"}, {"order": 2**63}])
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(client: Client, change: dict[str, Any]):
    todo = add(client, "walk the dog")
    assert client.patch(todo["url"], json={"order": 4, **change}).status_code == 422
    assert client.get(todo["url"]).json() == todo


def test_one_can_be_removed_and_all_can(client: Client):
    urls = [add(client, title)["url"] for title in ("a", "b", "c")]
    assert client.delete(urls[1]).status_code == 204
    assert client.get(urls[1]).status_code == 404
    assert [todo["url"] for todo in client.get("/todos").json()] == [urls[0], urls[2]]
    assert client.delete("/todos").status_code == 204
    assert client.get("/todos").json() == []


def test_pages_of_any_site_may_do_all_of_that(client: Client):
    asks = {"access-control-request-headers": "content-type"}
    for method in ("GET", "POST", "PATCH", "DELETE"):
        answer = client.options("/todos", headers={**asks, "access-control-request-method": method})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert method in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "content-type"
    for answer in (client.get("/todos"), client.get("/todos/1"), client.post("/todos", json={})):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_two_processes_share_a_list_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TODO_DATABASE", str(tmp_path / "todos.db"))
    app = partial(fresh_app, "todo_backend")
    with Client(app, "wsgi") as one, Client(app, "asgi") as other:
        todo = add(one, "walk the dog")
        assert other.get("/todos").json() == [todo]
        other.patch("/todos/1", json={"completed": True})
        assert one.get("/todos/1").json() == {**todo, "completed": True}
    with Client(app, "asgi") as later:
        assert len(later.get("/todos").json()) == 1


def test_its_suite_names_a_type_with_every_request_also_where_it_sends_no_body(client: Client):
    json = {"content-type": "application/json", "accept": "text/plain, */*; q=0.01"}
    url = add(client, "walk the dog")["url"]
    for method, target, status in (
        ("GET", "/todos", 200),
        ("GET", url, 200),
        ("DELETE", url, 204),
        ("DELETE", "/todos", 204),
    ):
        answer = client.request(method, target, headers=json)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "*")


def test_its_page_sends_back_all_that_it_was_given(client: Client):
    todo = add(client, "walk the dog", order=1)
    changed = client.patch(todo["url"], json={**todo, "completed": True})
    assert (changed.status_code, changed.json()) == (200, {**todo, "completed": True})
