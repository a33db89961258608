"""Who may see it: this machine, and no page of another site that is open on it."""

import logging
from typing import Any

import pytest

from ambi import App
from ambi.features.debug.showing import is_loopback_address, is_loopback_host
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient


def crash() -> None:
    raise ValueError("the cause")


@pytest.fixture
def app(cell: Cell) -> App:
    app = App(debug=True)
    app.get("/")(cell.handler(crash))
    return app


def come_from(app: App, address: str | None) -> None:
    """Let the server say that all requests come from an address; None for a Unix socket."""
    change(app, {"REMOTE_ADDR": address or ""}, {"client": None if address is None else (address, 1234)})


def change(app: App, environ: dict[str, Any], scope: dict[str, Any]) -> None:
    """Let the server say something else of all requests."""
    inner_wsgi, inner_asgi = app.wsgi, app.asgi

    def wsgi(own: Any, start_response: Any) -> Any:
        return inner_wsgi({**own, **environ}, start_response)

    async def asgi(own: Any, receive: Any, send: Any) -> None:
        await inner_asgi({**own, **scope} if own["type"] == "http" else own, receive, send)

    app.wsgi, app.asgi = wsgi, asgi


def is_shown(client: Client, caplog: pytest.LogCaptureFixture, **headers: str) -> bool:
    """Tell whether it is, and hold that one line says why not."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "ambi.request"):
        text = client.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()}).text
        miss = client.get("/missing", headers={name.replace("_", "-"): value for name, value in headers.items()}).text
    lines = [r.getMessage() for r in caplog.records if r.name == "ambi.request" and "debug page" in r.getMessage()]
    shown = "the cause" in text
    assert ("no route has this path" in miss) is shown
    assert len(lines) == (not shown)
    return shown


PEERS = {
    "127.0.0.1": True, "127.8.9.1": True, "::1": True, "::ffff:127.0.0.1": True,
    "10.0.0.1": False, "192.168.1.5": False, "0.0.0.0": False, "::ffff:10.0.0.1": False, "fe80::1": False,
    "testclient": False, None: False,
}  # fmt: skip


@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_the_peer_is_this_machine(
    app: App, client: Client, cell: Cell, peer: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    come_from(app, peer)
    assert is_shown(client, caplog) is PEERS[peer]


HOSTS = {
    "localhost": True, "localhost:8000": True, "LOCALHOST": True, "shop.localhost:8000": True, "127.0.0.1": True, "127.1.2.3:80": True,
    "[::1]": True, "[::1]:8000": True,
    "evil.example": False, "localhost.evil.example": False, "127.0.0.1.evil.example": False, "10.0.0.1": False,
    "notlocalhost": False, "[::2]": False, "[fe80::1]:80": False,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_is_this_machine_so_that_no_name_that_leads_here_can_read_it(
    app: App, client: Client, cell: Cell, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_shown(client, caplog, host=host) is HOSTS[host]


PROXIED = {
    "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "localhost", "x-forwarded-proto": "http", "x-forwarded-anything": "x",
    "forwarded": "for=127.0.0.1", "via": "1.1 proxy", "x-real-ip": "127.0.0.1", "cf-connecting-ip": "127.0.0.1",
}  # fmt: skip


@pytest.mark.parametrize("name", PROXIED)
def test_what_comes_through_a_proxy_does_not_see_it(
    app: App, client: Client, cell: Cell, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not is_shown(client, caplog, **{name: PROXIED[name]})
    assert f"as {name} says" in caplog.text


def test_a_proxy_that_says_nothing_is_told_by_what_no_browser_does(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    site = {"sec_fetch_site": "same-origin", "sec_fetch_mode": "navigate"}
    assert not is_shown(client, caplog, referer="https://shop.example/cart", **site)
    assert is_shown(client, caplog, referer="http://localhost/cart", **site)
    # As from a page of somebody who signs users in, and sends them back.
    assert is_shown(
        client, caplog, referer="https://login.example/", sec_fetch_site="cross-site", sec_fetch_mode="navigate"
    )
    change(app, {"SERVER_PROTOCOL": "HTTP/1.0"}, {"http_version": "1.0"})
    assert not is_shown(client, caplog)


def test_a_proxy_that_is_believed_and_names_this_machine_as_its_client(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.proxy(trusted=["127.0.0.1"], headers=["x-forwarded-for", "x-forwarded-host"])
    assert is_shown(client, caplog, x_forwarded_for="127.0.0.1")
    assert is_shown(client, caplog, x_forwarded_for="::1", x_forwarded_host="localhost")
    assert not is_shown(client, caplog, x_forwarded_for="10.0.0.1")
    assert "the client 10.0.0.1 is not this machine" in caplog.text
    assert not is_shown(client, caplog, x_forwarded_for="127.0.0.1, 10.0.0.1")
    assert not is_shown(client, caplog, x_forwarded_for="unknown")
    assert not is_shown(client, caplog, x_forwarded_for="127.0.0.1", x_forwarded_host="evil.example")
    assert not is_shown(client, caplog, x_forwarded_for="127.0.0.1", forwarded="for=10.0.0.1")
    assert not is_shown(client, caplog, x_forwarded_for="127.0.0.1", via="1.1 x")


def test_who_is_believed_must_be_on_this_machine_as_well(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.proxy(hops=1)
    come_from(app, "10.0.0.1")
    assert not is_shown(client, caplog, x_forwarded_for="127.0.0.1", host="localhost")
    assert "the peer 10.0.0.1 is not this machine" in caplog.text


def test_a_page_of_another_site_does_not_see_it_whatever_cors_allows(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.cors(origins=["*"])
    assert not is_shown(client, caplog, origin="https://evil.example", sec_fetch_site="cross-site")
    assert not is_shown(client, caplog, origin="null")
    assert not is_shown(client, caplog, origin="https://localhost.evil.example")
    assert not is_shown(client, caplog, sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert is_shown(client, caplog, origin="http://localhost:5173", sec_fetch_site="same-site", sec_fetch_mode="cors")
    assert is_shown(client, caplog, origin="http://127.0.0.1:5173", sec_fetch_site="cross-site", sec_fetch_mode="cors")
    assert is_shown(client, caplog, sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert is_shown(client, caplog, sec_fetch_site="none", sec_fetch_mode="navigate")


def test_where_it_is_not_shown_the_users_own_handler_answers(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.error(500)
    def sorry() -> str:
        return "sorry"

    assert client.get("/", headers={"host": "evil.example"}).text == "sorry"


def test_addresses_and_hosts_that_are_none() -> None:
    assert not is_loopback_address("127.0.0.1:80")
    assert not is_loopback_host("")
    assert not is_loopback_host("a b")


def test_the_plain_answer_says_nothing(make_client: MakeClient, app: App, cell: Cell) -> None:
    come_from(app, "10.0.0.1")
    client = make_client(app)
    assert client.get("/").json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert client.get("/missing").json() == {"type": "about:blank", "title": "Not Found", "status": 404}
