"""The client takes any ASGI and any WSGI application, not ours alone. Each is of one gateway: there is no cell."""

from typing import Any

import pytest

from ambi.testing import AsyncClient, Client


class Crash(Exception):
    """What an application fails with."""


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(scope["state"]).encode()})


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Know no lifespan, and say nothing of it."""
    if scope["type"] == "http":
        await answer(scope, receive, send)


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Know no lifespan, and say so as many do."""
    assert scope["type"] == "http"
    await answer(scope, receive, send)


@pytest.mark.parametrize("app", [silent, refusing])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_application_need_not_know_lifespans(no_leaks: None, app: Any, backend: Any) -> None:
    with Client(app, backend=backend) as client:
        assert client.get("/").text == "{}"


@pytest.mark.anyio
async def test_the_same_awaited() -> None:
    async with AsyncClient(refusing) as client:
        assert (await client.get("/")).text == "{}"


def lively(*answers: str, raises: bool = False) -> Any:
    """Make an application whose lifespan says one thing after the other, and raises in the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await answer(scope, receive, send)
            return
        for said in answers:
            await receive()
            scope["state"]["said"] = said
            await send({"type": said, "message": "why"})
        if raises:
            raise Crash

    return app


@pytest.mark.parametrize(
    ("answers", "raises", "error"),
    [
        (["lifespan.startup.complete", "lifespan.shutdown.complete"], False, None),
        (["lifespan.startup.failed"], False, "the start-up failed: why"),
        (["lifespan.startup.failed"], True, "the start-up failed: why"),
        (["lifespan.startup.complete", "lifespan.shutdown.failed"], False, "the shutdown failed: why"),
        (["lifespan.startup.complete", "lifespan.shutdown.complete"], True, "Crash"),
    ],
)
def test_what_a_lifespan_says_is_told(no_leaks: None, answers: list[str], raises: bool, error: str | None) -> None:
    seen: list[str] = []
    failure: Exception | None = None
    try:
        with Client(lively(*answers, raises=raises)) as client:
            seen.append(client.get("/").text)
    except Exception as exc:
        failure = exc
    assert seen == ([] if "startup.failed" in answers[0] else ["{'said': 'lifespan.startup.complete'}"])
    assert (repr(failure) if failure else "None").find(error or "None") >= 0


def test_a_wsgi_application_may_start_with_its_first_item(no_leaks: None) -> None:
    """PEP 3333 lets a generator say what the answer is when it is first asked for an item."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("X-A", "1")])
        yield b""
        yield b"body"

    with Client(app, "wsgi") as client:
        response = client.get("/")
    assert (response.status_code, response.headers["x-a"], response.text) == (200, "1", "body")
