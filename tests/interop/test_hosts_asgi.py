"""The application inside hosts that speak ASGI: below a prefix it does what it does at the root."""

import contextlib
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.interop.drivers import HOST, serving
from tests.interop.host_apps import ASGI_HOSTS, in_fastapi, who
from tests.interop.ours import Ours
from tests.interop.passing import check_asgi

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what other packages use is their affair


@pytest.fixture(params=ASGI_HOSTS)
def name(request: pytest.FixtureRequest) -> str:
    """Give one host after the other."""
    found: str = request.param
    return found


def test_everything_works_below_a_prefix(name: str) -> None:
    ours = Ours()
    host = ASGI_HOSTS[name]({"/in": ours.app})

    async def main() -> None:
        async with serving(host) as site:
            assert (await site.ask("/own")).text == "own"
            await check_asgi(site, ours, "/in")

    anyio.run(main)
    assert ours.life == ["start", "stop"]  # whether or not the host sends a lifespan


def test_it_knows_where_it_stands(name: str) -> None:
    ours = Ours()

    async def main() -> None:
        async with serving(ASGI_HOSTS[name]({"/in": ours.app})) as site:
            assert (await site.ask("/in/where/%C3%A4?q=1")).json() == {
                "root": "/in", "path": "/where/ä", "rest": "ä", "url": f"http://{HOST}/in/where/%C3%A4?q=1",
                "link": "/in/where/%C3%A4%20b", "whose": "ours", "query": "q=1",
            }  # fmt: skip

    anyio.run(main)


def test_what_the_host_sets_in_a_context_variable_is_seen_in_both_colours(name: str) -> None:
    ours = Ours()
    ours.look = who.get

    async def main() -> None:
        async with serving(ASGI_HOSTS[name]({"/in": ours.app})) as site:
            assert [(await site.ask(f"/in/{page}")).text for page in ("context", "context-async")] == [name, name]

    anyio.run(main)


def test_one_application_stands_in_two_places_and_starts_once(name: str) -> None:
    ours = Ours()

    async def main() -> None:
        async with serving(ASGI_HOSTS[name]({"/in": ours.app, "/too": ours.app})) as site:
            links = [(await site.ask(f"{prefix}/where/x")).json()["link"] for prefix in ("/in", "/too")]
            assert links == ["/in/where/%C3%A4%20b", "/too/where/%C3%A4%20b"]

    anyio.run(main)
    assert ours.life == ["start", "stop"]


def test_it_stands_two_prefixes_deep_in_starlette() -> None:
    ours = Ours()

    async def main() -> None:
        async with serving(ASGI_HOSTS["starlette"]({"/in": ours.app})) as site:
            await check_asgi(site, ours, "/deep/in")
            assert (await site.ask("/deep/in/where/x")).json()["link"] == "/deep/in/where/%C3%A4%20b"

    anyio.run(main)


def test_fastapis_test_client_reaches_it() -> None:
    from fastapi.testclient import TestClient

    ours = Ours()
    with TestClient(in_fastapi({"/in": ours.app})) as client:
        assert client.get("/own").text == "own"
        assert client.get("/in/where/x").json()["root"] == "/in"
        assert [client.get("/in/cookie").text for _ in range(2)] == ["none", "none"]  # Secure, and the client says http
        assert client.get("/in/boom").status_code == 500
        with client.websocket_connect("/in/ws") as ws:
            assert ws.receive_text() == "/in|/ws|ours"
    assert ours.life == ["start", "stop"]


@pytest.mark.parametrize("by", ["running", "asgi-lifespan"])
def test_the_lifespan_of_a_host_can_hold_that_of_the_application(by: str) -> None:
    """Where it has to be there before the first request, and the host sends none."""
    from asgi_lifespan import LifespanManager
    from starlette.applications import Starlette

    ours = Ours()

    @contextlib.asynccontextmanager
    async def lifespan(host: Starlette) -> AsyncIterator[None]:
        async with ours.app.running() if by == "running" else LifespanManager(ours.app):
            yield

    host = Starlette(lifespan=lifespan)
    host.mount("/in", ours.app)

    async def main() -> None:
        async with serving(host) as site:
            assert ours.life == ["start"]
            assert (await site.ask("/in/where/x")).json()["whose"] == "ours"
        assert ours.life == ["start", "stop"]

    anyio.run(main)
    assert ours.life == ["start", "stop"]
