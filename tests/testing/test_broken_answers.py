"""What a server could not send is an error of the test as well. Foreign applications: ours has its own judges."""

from collections.abc import Iterator
from typing import Any

import pytest

from ambi import App, Stream
from ambi.testing import AsyncClient, BrokenAnswer, Client
from tests.conftest import MakeClient


def wsgi(status: str, length: str | None, *chunks: bytes) -> Any:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(status, [("Content-Length", length)] if length is not None else [])
        return iter(chunks)

    return app


def asgi(status: str, length: str | None, *chunks: bytes) -> Any:
    lines = [(b"content-length", length.encode())] if length is not None else []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": int(status[:3]), "headers": lines})
            for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})

    return app


BROKEN = [
    ("200 OK", "3", "the body goes on after the 3 bytes that Content-Length says"),
    ("200 OK", "9", "the body ended after 4 bytes; Content-Length says 9"),
    ("204 No Content", None, "the answer to GET with status 204 has a body of 4 bytes"),
    ("304 Not Modified", None, "the answer to GET with status 304 has a body of 4 bytes"),
]


@pytest.mark.parametrize(("status", "length", "said"), BROKEN)
@pytest.mark.parametrize(("make", "gateway"), [(wsgi, "wsgi"), (asgi, "asgi")])
def test_a_body_that_is_not_what_its_head_says_is_told(
    no_leaks: None, make: Any, gateway: Any, status: str, length: str | None, said: str
) -> None:
    with Client(make(status, length, b"1234"), gateway) as client, pytest.raises(BrokenAnswer, match=said):
        client.get("/")


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "length", "said"), BROKEN)
@pytest.mark.parametrize(("make", "gateway"), [(wsgi, "wsgi"), (asgi, "asgi")])
async def test_the_same_awaited(make: Any, gateway: Any, status: str, length: str | None, said: str) -> None:
    async with AsyncClient(make(status, length, b"1234"), gateway) as client:
        with pytest.raises(BrokenAnswer, match=said):
            await client.get("/")


@pytest.mark.parametrize(("make", "gateway"), [(wsgi, "wsgi"), (asgi, "asgi")])
def test_a_head_may_declare_what_is_not_sent(make: Any, gateway: Any) -> None:
    with Client(make("200 OK", "9"), gateway) as client:
        assert client.head("/").headers["content-length"] == "9"
    with Client(make("304 Not Modified", "9"), gateway) as client:
        assert client.get("/").content == b""


def test_the_body_of_a_head_is_stripped_as_asgi_servers_do_and_wsgi_servers_do_not() -> None:
    assert Client(asgi("200 OK", "4", b"1234")).head("/").content == b""
    with pytest.raises(BrokenAnswer, match="the answer to HEAD with status 200 has a body"):
        Client(wsgi("200 OK", "4", b"1234"), "wsgi").head("/")


def test_a_stream_may_be_left_before_its_declared_end(make_client: MakeClient) -> None:
    app = App()

    @app.get("/")
    def stream() -> Stream:
        return Stream(iter([b"12", b"34"]), headers={"content-length": "4"})

    with make_client(app).stream("GET", "/") as response:
        assert next(response.iter_bytes()) == b"12"


def test_an_asgi_answer_has_a_first_and_a_last_message(no_leaks: None) -> None:
    async def headless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.body", "body": b"x"})

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    with (
        Client(headless) as client,
        pytest.raises(BrokenAnswer, match=r"began its answer with {'type': 'http.response.b"),
    ):
        client.get("/")
    with Client(endless) as client, pytest.raises(BrokenAnswer, match="the application ended before its answer did"):
        client.get("/")


def test_a_wsgi_application_has_to_say_what_the_answer_is() -> None:
    def silent(environ: Any, start_response: Any) -> list[bytes]:
        return [b"x"]

    with pytest.raises(BrokenAnswer, match="without a call of start_response"):
        Client(silent, "wsgi").get("/")


def test_what_a_wsgi_application_writes_comes_before_its_body() -> None:
    def old(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"1")
        write(b"2")
        return [b"3"]

    assert Client(old, "wsgi").get("/").content == b"123"
