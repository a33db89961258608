"""What features make at random is the same on both gateways for a client that compares them. It is both: no cell."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import HTML, App, Request, Stream, WebSocket
from ambi.core.chance import given_chance, now_s, random_bytes, random_text
from ambi.testing import AsyncClient, Client, GatewaysDiffer

SECRET = "a secret of thirty-two bytes or more"


def make_csrf() -> App:
    app = App()
    app.csrf(secret=SECRET)

    @app.get("/")
    def form(request: Request) -> HTML:
        return HTML(f"{request.csrf_token} {request.csrf_token}")

    @app.post("/")
    async def save() -> str:
        return "saved"

    return app


def make_nonces() -> App:
    app = App()
    app.security()
    app.get("/")(lambda request: HTML(f"<script nonce={request.csp_nonce}></script>"))

    @app.get("/stream")
    async def stream(request: Request) -> Stream:
        async def items() -> AsyncIterator[str]:
            yield request.csp_nonce

        return Stream(items(), content_type="text/html")

    return app


def make_ids() -> App:
    app = App()
    app.request_ids()
    app.get("/")(lambda request: request.trace.traceparent)
    return app


def make_sessions(store: Callable[[], Any] = lambda: None) -> App:
    app = App()
    app.sessions(secret=SECRET, store=store())

    @app.get("/")
    def visit(request: Request) -> dict[str, Any]:
        request.session["visits"] = request.session.get("visits", 0) + 1
        request.session.flash("hello")
        return dict(request.session)

    @app.post("/sign-in")
    async def sign_in(request: Request) -> str:
        request.session.regenerate()
        request.session["user"] = "ada"
        return "welcome"

    return app


def make_stored() -> App:
    from ambi.features.sessions import MemoryStore

    return make_sessions(MemoryStore)


MAKERS = [make_csrf, make_nonces, make_ids, make_sessions, make_stored]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second go by whenever somebody asks for the time."""
    import time

    now, asked = time.time(), iter(range(1_000_000))
    monkeypatch.setattr(time, "time", lambda: now + next(asked))


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_it_is_another_with_each_request(make: Any, no_leaks: None, slow: None) -> None:
    with Client(make, "both") as client:
        first, second = client.get("/"), client.get("/")
        assert (first.text, first.headers) != (second.text, second.headers)


@pytest.mark.parametrize("gateway", ["asyncio", "trio"])
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_client_that_awaits_compares_it_as_well(make: Any, gateway: str, no_leaks: None) -> None:
    import anyio

    async def main() -> None:
        async with AsyncClient(make, "both") as client:
            first, second = await client.get("/"), await client.get("/")
            assert (first.text, first.headers) != (second.text, second.headers)

    anyio.run(main, backend=gateway)


def test_a_form_with_a_token_is_sent_back(no_leaks: None) -> None:
    with Client(make_csrf, "both") as client:
        first, second = client.get("/").text.split()
        assert first != second
        for token in (first, second):
            assert client.post("/", data={"csrf_token": token}).text == "saved"
        assert client.post("/", data={"csrf_token": "x" * 86}).status_code == 403


def test_two_stores_go_on_with_one_session(no_leaks: None) -> None:
    with Client(make_stored, "both") as client:
        client.get("/")
        client.post("/sign-in")
        seen = client.get("/").json()
        assert (seen["user"], seen["visits"]) == ("ada", 2)


def test_one_store_of_both_gateways_takes_the_same_session_twice(no_leaks: None, tmp_path: Path) -> None:
    """One application, and so one store: the second one makes what the first one has made."""
    from ambi.features.sessions import MemoryStore, SQLiteStore

    sqlite = SQLiteStore(tmp_path / "sessions.db")
    for store in (MemoryStore(), sqlite):
        app = App()
        app.sessions(secret=SECRET, store=store)

        @app.post("/")
        def sign_in(request: Request) -> str:
            request.session["user"] = "ada"
            return "welcome"

        @app.get("/")
        def look(request: Request) -> Any:
            return request.session.get("user")

        with Client(app, "both") as client:
            assert client.post("/").text == "welcome"
            assert client.get("/").text == "ada"
    sqlite.close()


def test_the_nonce_of_a_stream_is_one(no_leaks: None) -> None:
    with Client(make_nonces, "both") as client:
        response = client.get("/stream")
        assert f"'nonce-{response.text}'" in response.headers["content-security-policy"]


def test_what_the_application_makes_at_random_differs_still(no_leaks: None) -> None:
    import uuid

    app = App()
    app.get("/")(lambda: str(uuid.uuid4()))
    with Client(app, "both") as client, pytest.raises(GatewaysDiffer):
        client.get("/")


@pytest.mark.parametrize("gateway", ["asyncio", "trio"])
def test_a_websocket_is_given_the_same(gateway: str, no_leaks: None) -> None:
    import anyio

    app = App()

    @app.websocket("/")
    async def told(ws: WebSocket) -> None:
        await ws.send(random_text(8))

    with Client(app, "both") as client, client.websocket("/") as ws:
        assert len(ws.receive_text()) == 11

    async def main() -> None:
        async with AsyncClient(app, "both") as client, client.websocket("/") as ws:
            assert len(await ws.receive_text()) == 11

    anyio.run(main, backend=gateway)


@pytest.fixture
def given() -> Iterator[list[bytes]]:
    """Collect what requests of one gateway are given."""
    yield []
    assert given_chance.get() is None


def test_a_client_of_one_gateway_is_given_real_chance(cell: Any, make_client: Any, given: list[bytes]) -> None:
    app = App()

    @app.get("/")
    @cell.handler
    def handler() -> str:
        assert given_chance.get() is None
        given.append(random_bytes(16))
        return f"{now_s():.0f}"

    client = make_client(app)
    assert int(client.get("/").text) > 1_700_000_000
    client.get("/")
    assert len(set(given)) == 2
