"""Ready-made applications of packages mounted in the application, on either gateway: metrics, GraphQL, Socket.IO."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, Middleware, Request
from tests.interop.drivers import Answer, ask_wsgi, in_process, serving
from tests.interop.wrapping import QUIET

pytestmark = QUIET

Ask = Callable[..., Answer]


def mark(request: Request) -> Middleware:
    """Mark what passes."""
    response = yield
    response.headers["x-marked"] = request.path


@pytest.fixture(params=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Iterator[tuple[App, Ask]]:
    """Give an application, and what sends it a request through one gateway after the other."""
    app = App(middleware=[mark])
    app.get("/own")(lambda: "own")
    if request.param == "wsgi":
        with in_process(app):
            yield app, lambda *args, **options: ask_wsgi(app, *args, **options)
        return

    def ask_asgi(*args: Any, **options: Any) -> Answer:
        async def main() -> Answer:
            async with serving(app) as site:
                return await site.ask(*args, **options)

        return anyio.run(main)

    yield app, ask_asgi


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_metrics_of_prometheus(ask: tuple[App, Ask], interface: str) -> None:
    from prometheus_client import CollectorRegistry, Counter, make_asgi_app, make_wsgi_app

    app, send = ask
    registry = CollectorRegistry()
    Counter("orders", "How many.", registry=registry).inc(3)
    app.mount("/metrics", (make_wsgi_app if interface == "wsgi" else make_asgi_app)(registry))
    for target in ("/metrics", "/metrics/"):
        answer = send(target)
        if answer.status == 308:
            continue
        assert "orders_total 3.0" in answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert "x-marked" in answer.headers
    assert answer.status == 200
    assert send("/own").text == "own"


QUERY = json.dumps({"query": "{ hello }"}).encode()
AS_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_graphql_of_ariadne(ask: tuple[App, Ask], interface: str) -> None:
    from ariadne import QueryType, make_executable_schema

    query = QueryType()
    query.set_field("hello", lambda *_: "graph")
    schema = make_executable_schema("type Query { hello: String! }", query)
    if interface == "wsgi":
        from ariadne.wsgi import GraphQL
    else:
        from ariadne.asgi import GraphQL  # type: ignore[assignment]
    app, send = ask
    app.mount("/graphql", GraphQL(schema))
    assert send("/graphql/", body=QUERY, headers=AS_JSON).json() == {"data": {"hello": "graph"}}


def test_graphql_of_strawberry(ask: tuple[App, Ask]) -> None:
    import strawberry
    from strawberry.asgi import GraphQL

    @strawberry.type
    class Query:
        @strawberry.field
        async def hello(self) -> str:
            await anyio.sleep(0)
            return "graph"

    app, send = ask
    app.mount("/graphql", GraphQL(strawberry.Schema(Query)))
    assert send("/graphql/", body=QUERY, headers=AS_JSON).json() == {"data": {"hello": "graph"}}


def test_a_subscription_of_strawberry() -> None:
    """Over a WebSocket in process, which is ASGI's; `tests/features/mount` speaks through others."""
    import strawberry
    from strawberry.asgi import GraphQL

    @strawberry.type
    class Query:
        hello: str = "graph"

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def count(self) -> AsyncIterator[int]:
            for number in range(2):
                await anyio.sleep(0)
                yield number

    app = App(middleware=[mark])
    app.mount("/graphql", GraphQL(strawberry.Schema(Query, subscription=Subscription)))

    async def main() -> None:
        async with serving(app) as site, site.connect("/graphql/", subprotocols=["graphql-transport-ws"]) as ws:
            assert (await ws.next())["subprotocol"] == "graphql-transport-ws"
            ws.say(json.dumps({"type": "connection_init"}))
            ws.say(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { count }"}}))
            answers = [json.loads(await ws.next()) for _ in range(4)]
            assert [answer["type"] for answer in answers] == ["connection_ack", "next", "next", "complete"]
            assert [answer["payload"]["data"] for answer in answers[1:3]] == [{"count": 0}, {"count": 1}]

    anyio.run(main)


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_socket_io(ask: tuple[App, Ask], interface: str) -> None:
    import socketio

    app, send = ask
    if interface == "wsgi":
        app.mount("/live", socketio.WSGIApp(socketio.Server(async_mode="threading", monitor_clients=False)))
        target = "/live/socket.io/?EIO=4&transport=polling"
    else:
        # Its ASGI application looks at the whole path, so that the prefix is part of what it is told.
        app.mount(
            "/live",
            socketio.ASGIApp(
                socketio.AsyncServer(async_mode="asgi", monitor_clients=False), socketio_path="/live/socket.io"
            ),
        )
        target = "/live/socket.io/?EIO=4&transport=polling"
    assert send(target).body[:1] == b"0"
