"""The clients of tests."""

from __future__ import annotations

from typing import Any, assert_type

from ambi import App
from ambi.testing import AsyncClient, Client, Response, ServerSentEvent

app = App()


@app.get("/")
def home() -> str:
    return "home"


with Client(app, gateway="wsgi") as client:
    answer = client.get("/", params={"a": "b"}, headers={"x-a": "b"})
    assert_type(answer, Response)
    assert_type(answer.status_code, int)
    assert_type(answer.text, str)
    assert answer.text == "home"


def further(client: Client) -> None:
    assert_type(client.post("/", json={"a": 1}).json(), Any)
    with client.stream("GET", "/") as streamed:
        assert_type(streamed, Response)
    with client.events("/") as events:
        assert_type(next(events), ServerSentEvent)
    with client.websocket("/") as ws:
        ws.send("a")
        assert_type(ws.receive_text(), str)


async def awaited() -> None:
    async with AsyncClient(app, gateway="both") as client:
        assert_type(await client.get("/"), Response)


def wrong(client: Client) -> None:
    Client(app, gateway="cgi")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", param={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.get("/").status  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
