"""Only requests for the hosts of the site are answered."""

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from ambi import App, Middleware, Request
from ambi.core.origins import HostCheck
from tests.calls import call_asgi, call_wsgi, environ_of, scope_of, sending_body
from tests.cells import Cell
from tests.conftest import MakeClient

WARNING = "Name the hosts of this site"


def app_for(cell: Cell, *hosts: str, debug: bool = False) -> App:
    app = App(allowed_hosts=hosts, debug=debug)
    app.get("/", name="index")(cell.handler(lambda request: request.url_for("index", absolute=True)))
    return app


HOSTS = {
    "example.test": 200,
    "EXAMPLE.test:8000": 200,
    "a.example.test": 200,
    "a.b.example.test": 200,
    "[::1]:80": 200,
    "evilexample.test": 400,
    "example.test.evil.test": 400,
    "evil.test": 400,
    "localhost": 400,
    "127.0.0.1": 400,
    "example.test.": 400,
    ".example.test": 400,
    "good.test@example.test": 400,
    "example.test:99999": 400,
    "example.test/?x=": 400,
    "": 400,  # HTTP/1.1 names a host (RFC 9112 3.2), and an http URL has none that is empty (RFC 9110 4.2.1)
}


def test_hosts_of_the_site_are_answered_and_others_refused(make_client: MakeClient, cell: Cell) -> None:
    client = make_client(app_for(cell, "example.test", "*.example.test", "[::1]"))
    for _ in range(2):  # what was found good once is remembered, what was refused is not
        assert {host: client.get("/", headers={"host": host}).status_code for host in HOSTS} == HOSTS


@pytest.mark.parametrize(("version", "status"), [("1.0", 200), ("1.1", 400), ("2", 200)])
def test_who_names_no_host_is_let_in_only_where_the_protocol_allows_it(cell: Cell, version: str, status: int) -> None:
    """HTTP/1.0 knows no Host; HTTP/2 has a field of its own for it, which not every server hands on as one."""
    app = app_for(cell, "example.test")
    if cell.gateway == "wsgi":
        assert call_wsgi(app, environ_of(SERVER_PROTOCOL=f"HTTP/{version}"))[0] == status
    else:
        with start_blocking_portal(cell.backend) as portal:
            assert portal.call(call_asgi, app, scope_of(http_version=version), sending_body(b""))[0] == status


def test_the_refusal_names_the_host_and_passes_the_layers(make_client: MakeClient, cell: Cell) -> None:
    app = app_for(cell, "example.test")

    @app.middleware
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-seen"] = "yes"

    response = make_client(app).get("/", headers={"host": "evil.test"})
    assert response.json()["detail"] == "the host evil.test is not one of this site's"
    assert response.headers["x-seen"] == "yes"


def test_the_names_of_the_machine_are_let_in_while_debugging(make_client: MakeClient, cell: Cell) -> None:
    client = make_client(app_for(cell, "example.test", debug=True))
    hosts = {"localhost:8000": 200, "127.0.0.1": 200, "app.localhost": 200, "[::1]:5000": 200, "evil.test": 400}
    assert {host: client.get("/", headers={"host": host}).status_code for host in hosts} == hosts


def test_where_no_hosts_are_named_all_are_answered_and_the_first_is_warned_of(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(app_for(cell))
    assert client.get("/", headers={"host": "localhost:8000"}).text == "http://localhost:8000/"
    assert caplog.records == []
    for host in ("shop.test", "shop.test", "other.test"):
        assert client.get("/", headers={"host": host}).text == f"http://{host}/"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "a request for the host shop.test is answered" in caplog.text
    assert WARNING in caplog.text


def test_nobody_is_warned_while_debugging(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(app_for(cell, debug=True))
    assert client.get("/", headers={"host": "shop.test"}).status_code == 200
    assert caplog.records == []


def test_an_application_that_is_mounted_leaves_hosts_to_the_one_around_it_or_has_its_own(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    outer = app_for(cell, "a.test", "b.test")
    outer.mount("/any", app_for(cell))
    outer.mount("/own", app_for(cell, "b.test"))
    client = make_client(outer)
    found = {
        (path, host): client.get(f"{path}/", headers={"host": host}).status_code
        for path in ("/any", "/own")
        for host in ("a.test", "b.test", "c.test")
    }
    assert found == {
        ("/any", "a.test"): 200, ("/any", "b.test"): 200, ("/any", "c.test"): 400,
        ("/own", "a.test"): 400, ("/own", "b.test"): 200, ("/own", "c.test"): 400,
    }  # fmt: skip
    assert WARNING not in caplog.text


def test_a_websocket_to_another_host_is_refused(make_client: MakeClient, cell: Cell) -> None:
    app = app_for(cell, "example.test")
    response = make_client(app).get("/", headers={"host": "evil.test", "upgrade": "websocket", "connection": "upgrade"})
    assert response.status_code == 400


def test_256_hosts_are_remembered(make_client: MakeClient, cell: Cell) -> None:
    app = app_for(cell, "*.example.test")
    client = make_client(app)
    sizes = []
    for number in range(300):
        assert client.get("/", headers={"host": f"h{number}.example.test"}).status_code == 200
        sizes.append(len(app._host_check.known))
    assert max(sizes) == 256
    assert app._host_check.known >= {None, ""}, "none at all is known ever after"


def test_nothing_is_known_before_a_request() -> None:
    """No request is made here, so there is no cell."""
    assert HostCheck(()).known == {None, ""}


def test_a_host_that_is_none_is_none_to_layers_either(app: App, cell: Cell, make_client: MakeClient) -> None:
    seen: list[str] = []

    @app.middleware
    def look(request: Request) -> Middleware:
        seen.append(request.host)
        yield

    app.get("/")(cell.handler(lambda: ""))
    client = make_client(app, base_url="http://shop.test", judged=False)
    for host in ("a b", "shop.test/a", "user@shop.test", "shop.test:99999"):
        assert client.get("/", headers={"host": host}).status_code == 400
    assert set(seen) == {"shop.test"}


def ask_for(app: App, cell: Cell, server: str, *, cookie: str = "", origin: str = "") -> tuple[int, str]:
    """Call the application as a server does whose socket has a path or no name, for a client that names no host."""
    if cell.gateway == "wsgi":
        environ = environ_of(body=b"x", SERVER_NAME=server, SERVER_PORT="", HTTP_COOKIE=cookie, HTTP_ORIGIN=origin)
        status, _, body = call_wsgi(app, environ)
    else:
        fields = {b"content-length": b"1", b"cookie": cookie.encode(), b"origin": origin.encode()}
        scope = scope_of(body=b"x", server=(server, None), headers=list(fields.items()))
        status, _, body = anyio.run(call_asgi, app, scope, sending_body(b"x"), backend=cell.backend)
    return status, body.decode()


@pytest.mark.parametrize("server", ["/run/shop.sock", ""])
def test_the_path_of_a_unix_socket_is_no_host(app: App, cell: Cell, server: str) -> None:
    """A balancer that looks whether the server lives need not name one; the test client always does."""
    app.https(exempt=["/"])
    app.post("/")(cell.handler(lambda request: f"{request.host!r} {request.is_loopback}"))
    assert ask_for(app, cell, server) == (200, "'' False")
    for origin in ("https://run", "http://localhost", "https://"):
        status, body = ask_for(app, cell, server, cookie="sid=1", origin=origin)
        assert (status, "a page of another site" in body) == (403, True)
