"""Tests of hello.py. Each one runs twice: with the app under WSGI, and under ASGI."""

import pytest

from ambi import App
from ambi.testing import AsyncClient, Client, HTTPStatusError


def test_a_user_is_json(client: Client) -> None:
    response = client.get("/users/1")
    assert response.status_code == 200
    assert response.json() == {"id": 1, "name": "Ada"}
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/users/3", "/users/ada"])
def test_nobody_else_is_there(client: Client, path: str) -> None:
    with pytest.raises(HTTPStatusError, match="404 Not Found"):
        client.get(path).raise_for_status()


def test_a_greeting_is_escaped(client: Client) -> None:
    assert client.post("/greet", data={"name": "<you>"}).text == "<p>Hello, &lt;you&gt;!</p>"


def test_the_countdown_comes_line_by_line(client: Client) -> None:
    with client.stream("GET", "/countdown") as response:
        assert next(response.iter_lines()) == "3"


@pytest.mark.gateway("both")
def test_both_gateways_give_the_same_page(client: Client) -> None:
    """Fails with the difference, if there is one."""
    assert client.get("/").is_success


@pytest.mark.anyio
async def test_breakfast_is_ready(app: App, anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("this app is written with asyncio")
    async with AsyncClient(app) as client:
        assert (await client.get("/breakfast")).json() == {"drink": "tea is ready", "food": "toast is ready"}
