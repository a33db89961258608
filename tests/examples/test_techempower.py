"""The test types of TechEmpower: what its rules ask of each answer."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from ambi.testing import Client
from tests.examples.test_examples import fresh_app


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORLD_DATABASE", str(tmp_path / "world.db"))
    return tmp_path / "world.db"


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest, database: Path) -> Iterator[Client]:
    with Client(partial(fresh_app, "techempower"), request.param) as client:
        yield client


def table(database: Path) -> dict[int, int]:
    with closing(sqlite3.connect(database)) as db:
        return dict(db.execute("SELECT id, randomnumber FROM world"))


def test_json_and_text_are_as_short_as_they_can_be(client: Client):
    json, text = client.get("/json"), client.get("/plaintext")
    assert (json.content, json.headers["content-type"]) == (b'{"message":"Hello, World!"}', "application/json")
    assert (text.content, text.headers["content-type"]) == (b"Hello, World!", "text/plain; charset=utf-8")


@pytest.mark.parametrize("path", ["/queries?queries=", "/cached-worlds?count=", "/updates?queries="])
def test_a_number_of_worlds_is_one_to_500_whatever_is_asked_for(client: Client, path: str):
    asked = {"2": 2, "0": 1, "foo": 1, "501": 500, "": 1, "500": 500, "-1": 1, "1.5": 1, 5000 * "9": 1, "\u0663": 3}
    for text, number in asked.items():
        worlds = client.get(path + quote(text)).json()
        assert len({world["id"] for world in worlds}) == number
        assert all(set(world) == {"id", "randomNumber"} for world in worlds)
        assert all(1 <= world["randomNumber"] <= 10_000 for world in worlds)


def test_a_world_is_as_the_database_has_it(client: Client, database: Path):
    world = client.get("/db").json()
    assert table(database)[world["id"]] == world["randomNumber"]
    assert len(client.get("/queries").json()) == len(client.get("/updates").json()) == 1


def test_updates_are_in_the_database_as_they_were_told(client: Client, database: Path):
    before = table(database)
    told = {world["id"]: world["randomNumber"] for world in client.get("/updates?queries=500").json()}
    after = table(database)
    assert after == {**before, **told}
    assert sum(after[key] != before[key] for key in told) > 450


def test_fortunes_are_sorted_escaped_and_one_more(client: Client):
    page = client.get("/fortunes")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    messages = re.findall(r"<td>\d+</td><td>(.*)</td>", page.text)
    assert messages[0].startswith("&lt;script&gt;alert(&#34;")
    assert messages[-1] == "フレームワークのベンチマーク"
    assert "<td>0</td><td>Additional fortune added at request time.</td>" in page.text
    assert len(messages) == 13


def test_a_second_process_takes_the_database_that_is_there(client: Client, database: Path):
    client.get("/db")
    before = table(database)
    with Client(partial(fresh_app, "techempower"), "wsgi") as other:
        assert other.get("/db").status_code == 200
    assert table(database) == before
