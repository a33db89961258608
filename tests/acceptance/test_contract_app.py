"""The application of gunicorn's contract answers as the contract says, through both gateways."""

import time
from typing import Any

import pytest

from ambi.testing import Client
from tests.acceptance import contract_app
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient


@pytest.fixture(params=GATEWAYS, ids=str)  # the application has handlers of both colours itself
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    found: Cell = request.param
    return found


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client(contract_app.app)


def test_it_is_healthy(client: Client) -> None:
    assert (client.get("/health").status_code, client.get("/health").text) == (200, "OK")


def test_the_scope_is_told_in_the_terms_of_asgi(client: Client, cell: Cell) -> None:
    """`asgi` is told by that gateway alone: over WSGI nobody has spoken it."""
    scope: dict[str, Any] = client.get("/scope?foo=bar", headers={"x-custom": "1"}).json()
    assert {"type", "http_version", "method", "scheme", "path", "query_string", "headers", "server"} <= set(scope)
    assert (scope["type"], scope["method"], scope["path"], scope["query_string"]) == (
        "http",
        "GET",
        "/scope",
        "foo=bar",
    )
    assert ["x-custom", "1"] in scope["headers"]
    assert ("asgi" in scope) == (cell.gateway == "asgi")


def test_headers_and_bodies_come_back(client: Client) -> None:
    assert client.get("/headers", headers={"x-custom": "test123"}).json()["x-custom"] == "test123"
    response = client.post("/echo", content=b"\x00\xff", headers={"content-type": "a/b"})
    assert (response.content, response.headers["content-type"]) == (b"\x00\xff", "a/b")
    assert client.post("/echo", content=b"x").headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(("code", "status"), [(200, 200), (204, 204), (404, 404), (503, 503), (100, 400), (600, 400)])
def test_a_status_is_answered_if_it_is_one(client: Client, code: int, status: int) -> None:
    assert client.get(f"/status/{code}").status_code == status


@pytest.mark.parametrize(("target", "size"), [("/large", 1024), ("/large?size=0", 0), ("/large?size=100000", 100_000)])
def test_a_large_body_has_its_size(client: Client, target: str, size: int) -> None:
    assert len(client.get(target).content) == size


@pytest.mark.parametrize("target", ["/large?size=x", "/large?size=-1", "/large?size=1e9", "/delay?seconds=nan"])
def test_a_number_that_is_none_or_too_large_is_refused(client: Client, target: str) -> None:
    assert client.get(target).status_code == 400


def test_a_delay_lasts(client: Client) -> None:
    began = time.monotonic()
    assert client.get("/delay?seconds=0.05").text == "Delayed 0.05 seconds"
    assert time.monotonic() - began >= 0.05


def test_streams_arrive_in_order(client: Client) -> None:
    assert client.get("/streaming").text == "".join(f"chunk-{number}\n" for number in range(10))
    events = client.get("/sse")
    assert events.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert events.text.count("event: message\n") == 5
    assert events.text.endswith("event: done\ndata: {}\n\n")


def test_what_runs_in_the_background_is_counted(client: Client) -> None:
    before = client.get("/background/completed").json()["count"]
    assert client.get("/background?seconds=0").text == "scheduled"
    deadline = time.monotonic() + 5
    while client.get("/background/completed").json()["count"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_lifespan_has_a_state_and_a_counter(client: Client) -> None:
    state = client.get("/lifespan/state").json()
    assert (state["startup_called"], state["custom_data"]) == (True, {"initialized": True})
    assert isinstance(state["startup_time"], float)
    first = client.get("/lifespan/counter").json()["counter"]
    assert client.get("/lifespan/counter").json()["counter"] == first + 1
    assert client.get("/lifespan/state").json()["counter"] == first + 1
