"""What proxies say of a request is believed as far as the application says, and not one step further."""

import contextlib
import copy
import pickle
from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, Redirect, Request, Response, Router, WebSocket
from ambi.core.forwarded import Forwarded
from ambi.features.proxy import TrustedProxies, parse_forwarded
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.core.scaling import assert_linear
from tests.core.vectors import cases

ALL = [f"x-forwarded-{what}" for what in ("for", "proto", "host", "port", "prefix")]
FOR_PROTO = ALL[:2]
PEER = "127.0.0.1"
SPOOFED = {
    "x-forwarded-for": "127.0.0.2", "x-forwarded-proto": "https", "x-forwarded-host": "evil.test",
    "x-forwarded-port": "81", "x-forwarded-prefix": "/x", "forwarded": "host=evil.test;proto=https;for=127.0.0.2",
    "x-original-url": "/admin", "x-rewrite-url": "/admin", "x-real-ip": "127.0.0.2",
}  # fmt: skip

ONCE_A_WAY_IN = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
"""For tables: the fields are read before there is a handler that could have a colour."""


@pytest.fixture
def shown(app: App, cell: Cell) -> App:
    """Give an application that shows what it is told of a request."""

    @app.get("/", name="home")
    @cell.handler
    def show(request: Request) -> dict[str, Any]:
        return {
            "client": request.client and request.client[0], "port": request.client and request.client[1],
            "scheme": request.scheme, "host": request.host, "root_path": request.root_path, "path": request.path,
            "url": str(request.url), "link": request.url_for("home", absolute=True),
        }  # fmt: skip

    return app


def ask(client: Client, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Ask what the application is told."""
    answer = client.get("/", headers={"host": "site.example", **(headers or {})})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


# --- off ---


def test_nothing_is_believed_by_default(shown: App, client: Client) -> None:
    plain = ask(client)
    assert (plain["client"], plain["url"]) == (PEER, "http://site.example/")
    assert ask(client, SPOOFED) == plain


def test_nothing_is_believed_of_a_peer_that_is_not_named(shown: App, client: Client) -> None:
    shown.proxy(trusted=["192.0.2.0/24", "unix"], headers=ALL)
    assert ask(client, SPOOFED) == ask(client)


def test_fields_that_are_not_named_are_not_believed(shown: App, client: Client) -> None:
    shown.proxy(hops=1)
    told = ask(client, SPOOFED)
    assert (told["client"], told["scheme"], told["host"], told["root_path"]) == (
        "127.0.0.2",
        "https",
        "site.example",
        "",
    )


def test_one_family_is_believed_and_the_other_is_not(shown: App, client: Client) -> None:
    shown.proxy(hops=1, headers=["Forwarded"])
    told = ask(client, {**SPOOFED, "forwarded": "for=203.0.113.7;host=good.test"})
    assert (told["client"], told["url"]) == ("203.0.113.7", "http://good.test/")


def test_without_their_fields_nothing_changes(shown: App, client: Client) -> None:
    plain = ask(client)
    shown.proxy(hops=2, headers=ALL)
    assert ask(client) == plain
    shown.proxy(trusted=[PEER], headers=["forwarded"])
    assert ask(client) == plain


# --- what they say ---


@ONCE_A_WAY_IN
def test_what_a_believed_proxy_says(shown: App, client: Client) -> None:
    wrong = {}
    for case in cases("forwarded"):
        shown.proxy(**case["proxy"])
        found = ask(client, case["headers"])
        if any(found[name] != value for name, value in case["told"].items()):
            wrong[case["what"]] = found
    assert wrong == {}


@ONCE_A_WAY_IN
def test_what_no_believed_proxy_says_is_a_400(shown: App, client: Client) -> None:
    wrong = {}
    for case in cases("forwarded-refused"):
        shown.proxy(**case["proxy"])
        answer = client.get("/", headers={"host": "site.example", **case["headers"]})
        if (answer.status_code, answer.headers["content-type"]) != (400, "application/problem+json"):
            wrong[case["what"]] = answer.text
    assert wrong == {}
    assert client.get("/").status_code == 200


def test_the_fields_stay_where_they_are(app: App, client: Client, cell: Cell) -> None:
    app.proxy(hops=1)
    app.get("/")(cell.handler(lambda request: request.headers["x-forwarded-for"]))
    assert client.get("/", headers={"x-forwarded-for": "a.example, 192.0.2.1"}).text == "a.example, 192.0.2.1"


def test_a_field_in_two_lines_is_one_list(shown: App, client: Client) -> None:
    shown.proxy(hops=1)
    lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")]
    assert client.get("/", headers=lines).json()["client"] == "192.0.2.2"


def test_two_host_lines_are_refused_whatever_a_proxy_says(shown: App, client: Client) -> None:
    shown.proxy(hops=1, headers=ALL)
    lines = [("host", "a.example"), ("host", "b.example"), ("x-forwarded-host", "c.example")]
    assert client.get("/", headers=lines).status_code == 400


# --- before everything ---


def test_a_host_line_with_a_comma_is_refused_whatever_a_proxy_says(shown: App, client: Client) -> None:
    shown.proxy(hops=1, headers=["x-forwarded-host"])
    answer = client.get("/", headers={"host": "a.example,b.example", "x-forwarded-host": "c.example"})
    assert (answer.status_code, answer.json()["detail"]) == (400, "the Host header is not a valid host")


def test_routes_of_a_host_are_those_of_the_clients_host(app: App, client: Client, cell: Cell) -> None:
    router = Router(host="{tenant}.example.com")
    router.get("/")(cell.handler(lambda tenant: tenant))
    app.include(router)
    app.proxy(hops=1, headers=ALL)
    assert client.get("/", headers={"x-forwarded-host": "acme.example.com"}).text == "acme"
    assert client.get("/", headers={"host": "acme.example.com", "x-forwarded-host": "x.test"}).status_code == 404


def test_the_hosts_of_a_site_are_those_that_clients_name(make_client: MakeClient, cell: Cell) -> None:
    app = App(allowed_hosts=["shop.example"])
    app.get("/")(cell.handler(lambda request: request.host))
    app.proxy(hops=1, headers=ALL)
    client = make_client(app)
    inner = {"host": "inner.example"}
    assert client.get("/", headers={**inner, "x-forwarded-host": "shop.example"}).text == "shop.example"
    assert client.get("/", headers={**inner, "x-forwarded-host": "evil.test"}).status_code == 400
    assert client.get("/", headers={"host": "shop.example", "x-forwarded-host": "evil.test"}).status_code == 400


def test_cookies_are_secure_where_the_client_speaks_tls(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def give() -> Response:
        response = Response(b"")
        response.set_cookie("a", "b")
        return response

    app.proxy(hops=1)
    assert "; Secure" not in client.get("/").headers["set-cookie"]
    assert "; Secure" in client.get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]


def test_links_and_redirects_have_the_prefix(app: App, client: Client, cell: Cell) -> None:
    app.get("/there", name="there")(cell.handler(lambda: "there"))
    app.get("/", name="home")(cell.handler(lambda request: Redirect(request.url_for("there"))))
    app.proxy(hops=1, headers=ALL)
    assert client.get("/", headers={"x-forwarded-prefix": "/shop%20a/"}).headers["location"] == "/shop%20a/there"


def test_a_prefix_goes_before_that_of_the_server(app: App, make_client: MakeClient, cell: Cell) -> None:
    app.get("/shop/a")(cell.handler(lambda request: f"{request.root_path} {request.path}"))
    app.proxy(hops=1, headers=ALL)
    client = make_client(app, root_path="/inner")
    assert client.get("/shop/a", headers={"x-forwarded-prefix": "/shop"}).text == "/shop/inner /shop/a"


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
def test_a_websocket_is_told_the_same(app: App, cell: Cell) -> None:
    @app.websocket("/ws")
    async def tell(ws: WebSocket) -> None:
        request = ws.request
        assert request.client is not None
        await ws.send(f"{request.client[0]} {request.url}")

    app.proxy(hops=1, headers=ALL)
    said = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "wss", "x-forwarded-host": "a.example"}
    client = Client(app, gateway=cell.gateway, backend=cell.backend)  # the judges know HTTP alone
    with client.websocket("/ws", headers=said) as ws:
        assert ws.receive_text() == "192.0.2.1 https://a.example/ws"


# --- mounted applications ---

SAID = {
    "x-forwarded-for": "192.0.2.1:99", "x-forwarded-proto": "https", "x-forwarded-host": "a.example",
    "x-forwarded-prefix": "/shop",
}  # fmt: skip


def test_a_mounted_app_is_told_the_same(app: App, client: Client, cell: Cell) -> None:
    inner = App()
    inner.get("/x", name="x")(cell.handler(lambda request: f"{request.client} {request.url_for('x', absolute=True)}"))
    app.mount("/in", inner)
    app.proxy(hops=1, headers=ALL)
    assert client.get("/in/x", headers=SAID).text == "('192.0.2.1', 99) https://a.example/shop/in/x"


def test_a_mounted_wsgi_application_is_told_the_same(app: App, client: Client) -> None:
    names = "REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "REMOTE_PORT"

    def guest(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [" ".join(environ[name] for name in names).encode()]

    app.mount("/in", guest, interface="wsgi")
    app.proxy(hops=1, headers=ALL)
    assert client.get("/in/x", headers=SAID).text == "192.0.2.1 https a.example /shop/in /x 99"


def test_a_mounted_asgi_application_is_told_the_same(app: App, make_client: MakeClient) -> None:
    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("there is none")
        host = dict(scope["headers"])[b"host"].decode()
        told = [*scope["client"], scope["scheme"], host, scope["root_path"], scope["path"], scope["raw_path"].decode()]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": " ".join(map(str, told)).encode()})

    app.mount("/in", guest, interface="asgi")
    app.proxy(hops=1, headers=ALL)
    expected = "192.0.2.1 99 https a.example /shop/in /shop/in/x /shop/in/x"
    assert make_client(app).get("/in/x", headers=SAID).text == expected


def test_a_mounted_asgi_application_has_a_number_for_a_port_that_nobody_names(
    app: App, make_client: MakeClient
) -> None:
    told: list[Any] = []

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("there is none")
        told.append(list(scope["client"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    app.mount("/in", guest, interface="asgi")
    app.proxy(hops=1, headers=["x-forwarded-for"])
    assert make_client(app).get("/in/", headers={"x-forwarded-for": "192.0.2.1"}).status_code == 204
    assert told == [["192.0.2.1", 0]]


# --- what a server leaves out: by hand, as no client for tests does ---


class Peer:
    """An edge that knows a peer and fields, and nothing else."""

    def __init__(self, peer: tuple[str, int | None] | None, **fields: str) -> None:
        self.peer = peer
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}

    def header(self, native: object, name: str, /) -> str | None:
        return self.fields.get(name)

    def client(self, native: object, /) -> tuple[str, int | None] | None:
        return self.peer

    def scheme(self, native: object, /) -> str:
        return "http"

    def server(self, native: object, /) -> str:
        return "server.example"


def read(edge: Peer, **options: Any) -> Forwarded | None:
    """Read what the edge says."""
    app = App()
    app.proxy(**options)
    assert app.proxies is not None
    return app.proxies.read(edge, None)  # type: ignore[arg-type]


def test_a_peer_without_an_address_is_believed_where_unix_is_named() -> None:
    edge = Peer(None, x_forwarded_for="192.0.2.1, 10.0.0.1")
    assert read(edge, trusted=["10.0.0.0/8"]) is None
    assert read(edge, trusted=["10.0.0.0/8", "unix"]) == Forwarded(("192.0.2.1", None), "http", None, "")


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "10.0.0.1"])
def test_an_address_of_version_4_is_known_in_the_clothes_of_6(peer: str) -> None:
    told = read(Peer((peer, 1), x_forwarded_for="::ffff:192.0.2.1"), trusted=["10.0.0.0/8"])
    assert told is not None
    assert told.client == ("192.0.2.1", None)


def test_a_peer_that_has_a_name_and_no_address_is_not_believed() -> None:
    assert read(Peer(("testclient", 1), x_forwarded_for="192.0.2.1"), trusted=["0.0.0.0/0", "::/0"]) is None


def test_a_port_goes_to_the_name_of_the_server_where_the_client_named_no_host() -> None:
    told = read(Peer((PEER, 1), x_forwarded_port="8443"), hops=1, headers=["x-forwarded-port"])
    assert told is not None
    assert told.host == "server.example:8443"


def test_peers_that_were_looked_at_are_kept_within_bounds() -> None:
    proxies = TrustedProxies(hops=None, trusted=["10.0.0.0/8"], headers=FOR_PROTO)
    for number in range(600):
        edge: Any = Peer((f"10.0.{number >> 8}.{number & 255}", 1))
        assert proxies.read(edge, None) is not None
    assert len(proxies._known_peers) <= 256


def test_a_host_that_no_request_named_is_put_there(shown: App, client: Client) -> None:
    shown.proxy(hops=1, headers=ALL)
    answer = client.get("/", headers={"host": "", "x-forwarded-host": "a.example"})
    assert answer.json()["host"] == "a.example"


def test_an_application_that_believes_proxies_can_be_copied(cell: Cell) -> None:
    app = App()
    app.proxy(trusted=[PEER])
    for other in (copy.copy(app), pickle.loads(pickle.dumps(app))):
        other.get("/")(show_client)
        client = Client(other, gateway=cell.gateway, backend=cell.backend)
        assert client.get("/", headers={"x-forwarded-for": "192.0.2.1"}).text == "192.0.2.1"


def show_client(request: Request) -> str:
    assert request.client is not None
    return request.client[0]


# --- configured wrongly ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "takes hops= or trusted="),
        ({"hops": 1, "trusted": [PEER]}, "takes hops= or trusted="),
        ({"hops": 0}, "at least 1"),
        ({"hops": True}, "at least 1"),
        ({"hops": "1"}, "at least 1"),
        ({"trusted": "10.0.0.0/8"}, "takes a list, as"),
        ({"trusted": []}, "believes nobody"),
        ({"trusted": ["proxy.example"]}, "'proxy.example' does not appear to be"),
        ({"trusted": ["10.0.0.1/8"]}, "host bits set"),
        ({"hops": 1, "headers": "forwarded"}, "takes a list, as"),
        ({"hops": 1, "headers": []}, "not nothing"),
        ({"hops": 1, "headers": ["x-real-ip"]}, "not .'x-real-ip'."),
        ({"hops": 1, "headers": ["forwarded", "x-forwarded-for"]}, "not both"),
    ],
)
def test_what_believes_nobody_or_everybody_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App().proxy(**options)


@pytest.mark.parametrize("piece", ["for=a,", "\\\\", 'a="b";'])
def test_forwarded_is_parsed_in_one_pass(piece: str) -> None:
    def parse(text: str) -> None:
        with contextlib.suppress(HTTPError):
            parse_forwarded(text)

    assert_linear(lambda size: 'for="' + piece * size, parse)
    assert_linear(lambda size: piece * size, parse)
