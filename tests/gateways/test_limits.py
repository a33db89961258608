"""What a request may be as a whole, in every cell; limits of bodies stand in `test_bodies.py`."""

from typing import Any

import pytest

from ambi import App, ConfigurationError, Limits, Middleware, Request
from ambi.testing import Client
from ambi.testing.messages import Request as SentRequest
from tests.cells import Cell
from tests.conftest import MakeClient


def client_within(make_client: MakeClient, cell: Cell, **limits: Any) -> Client:
    """Give a client of an application with these limits, which answers "ok" to everything."""
    app = App(limits=Limits(**limits))
    app.get("/{rest:path}")(cell.handler(lambda rest: "ok"))
    app.get("/")(cell.handler(lambda: "ok"))

    @app.middleware
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-layer"] = "passed"

    return make_client(app)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/" + "x" * 99, 200), ("/" + "x" * 100, 414), ("/?" + "x" * 98, 200), ("/?" + "x" * 99, 414), ("/" + "%41" * 34, 414),
        ("/" + "%C3%BC" * 16, 200), ("/" + "x" * 60 + "?" + "y" * 60, 414),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_a_target_past_the_limit_is_a_414(make_client: MakeClient, cell: Cell, target: str, status: int) -> None:
    response = client_within(make_client, cell, max_target_bytes=100).get(target)
    assert (response.status_code, response.headers["x-layer"]) == (status, "passed")


@pytest.mark.parametrize(("count", "status"), [(9, 200), (10, 431), (5000, 431)])
def test_header_lines_past_the_limit_are_a_431(make_client: MakeClient, cell: Cell, count: int, status: int) -> None:
    """One line of the ten is Host. Lines of one field cannot be told apart under WSGI, so each has a name of its own."""
    client = client_within(make_client, cell, max_header_lines=10)
    response = client.get("/", headers=[(f"x-{n}", "1") for n in range(count)])
    assert (response.status_code, response.headers["x-layer"]) == (status, "passed")


@pytest.mark.parametrize(
    ("values", "status"), [([900], 200), ([1100], 431), ([100] * 8, 200), ([100] * 12, 431), ([10_000], 431)], ids=str
)
def test_header_bytes_past_the_limit_are_a_431(
    make_client: MakeClient, cell: Cell, values: list[int], status: int
) -> None:
    client = client_within(make_client, cell, max_header_lines=20, max_header_bytes=1000)
    response = client.get("/", headers=[(f"x-{n}", "v" * size) for n, size in enumerate(values)])
    assert response.status_code == status


@pytest.mark.parametrize(
    ("sizes", "status"),
    [
        ([(3, 984)], 200), ([(3, 985)], 431), ([(980, 7)], 200), ([(980, 8)], 431), ([(329, 0)] * 3, 200), ([(330, 0)] * 3, 431),
        ([(100, 1)] * 12, 431), ([(4000, 1)], 431),
    ],
    ids=str,
)  # fmt: skip
def test_names_and_values_of_header_fields_are_weighed_to_the_byte(
    make_client: MakeClient, cell: Cell, sizes: list[tuple[int, int]], status: int
) -> None:
    """Thirteen bytes are those of the Host line."""
    lines = [(f"x{n}".ljust(name, "a"), "v" * value) for n, (name, value) in enumerate(sizes)]
    asked = SentRequest("GET", "http", "localhost", "/", header_lines=[("host", "localhost"), *lines])
    assert client_within(make_client, cell, max_header_bytes=1000).send(asked).status_code == status


@pytest.mark.parametrize(("count", "status"), [(8, 200), (9, 431)])
def test_as_many_lines_as_allowed_may_be_large(make_client: MakeClient, cell: Cell, count: int, status: int) -> None:
    lines = [("x-large", "v" * 30_000), ("host", "localhost"), *((f"x-{n}", "1") for n in range(count))]
    asked = SentRequest("GET", "http", "localhost", "/", header_lines=lines)
    assert client_within(make_client, cell, max_header_lines=10).send(asked).status_code == status


def test_a_large_line_is_large_before_the_host_and_behind_it(make_client: MakeClient, cell: Cell) -> None:
    host, large = ("host", "localhost"), ("x-large", "v" * 2000)
    for lines in ([host, large], [large, host]):
        asked = SentRequest("GET", "http", "localhost", "/", header_lines=lines)
        assert client_within(make_client, cell, max_header_bytes=1000).send(asked).status_code == 431


def test_names_alone_can_pass_the_limit_of_bytes(make_client: MakeClient, cell: Cell) -> None:
    lines = [(f"x{n}".ljust(7000, "a"), "v") for n in range(10)]
    assert client_within(make_client, cell).get("/", headers=lines).status_code == 431


def test_cookies_past_the_limit_are_ignored(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_cookies=2, max_cookie_bytes=20))
    app.get("/")(cell.handler(lambda request: dict(request.cookies)))
    client = make_client(app)
    assert client.get("/", headers={"cookie": "a=1; b=2; c=3"}).json() == {"a": "1", "b": "2"}
    assert client.get("/", headers={"cookie": "a=1; b=" + "x" * 50}).json()["a"] == "1"


def test_the_defaults_are_those_of_the_documentation(make_client: MakeClient, cell: Cell) -> None:
    client = client_within(make_client, cell)
    assert client.get("/" + "x" * 8191).status_code == 200
    assert client.get("/" + "x" * 8192).status_code == 414
    assert client.get("/", headers=[(f"x-{n}", "1") for n in range(98)]).status_code == 200
    assert client.get("/", headers=[(f"x-{n}", "1") for n in range(100)]).status_code == 431
    assert client.get("/", headers={"x-a": "v" * 60_000}).status_code == 200
    assert client.get("/", headers={"x-a": "v" * 70_000}).status_code == 431


def test_limits_show_what_was_set() -> None:
    """Nothing is served here, so there is no cell."""
    limits = Limits(max_body_bytes=10, body_timeout_s=0.5)
    assert repr(limits) == "Limits(max_body_bytes=10, body_timeout_s=0.5)"
    assert (limits.max_body_bytes, limits.max_cookies, Limits().max_body_bytes) == (10, 200, 16 << 20)
    with pytest.raises(AttributeError, match="frozen"):
        limits.max_body_bytes = 20


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"max_boddy_bytes": 1}, "no 'max_boddy_bytes'"), ({"threads": 0}, "positive int"), ({"threads": -1}, "positive int"),
        ({"threads": 1.5}, "positive int"), ({"threads": True}, "positive int"), ({"threads": "4"}, "positive int"),
        ({"body_timeout_s": 0}, "positive float"),
    ],
)  # fmt: skip
def test_a_limit_that_is_none_is_refused(values: dict[str, Any], problem: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ConfigurationError, match=problem):
        Limits(**values)
