"""https alone: redirects, refusals, and what browsers remember."""

from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, WebSocket
from tests.cells import Cell
from tests.conftest import MakeClient

HSTS = "strict-transport-security"


@pytest.fixture
def served(app: App, cell: Cell) -> App:
    @app.get("/crash")
    @cell.handler
    def crash() -> None:
        raise RuntimeError("on purpose")

    @app.get("/gone")
    @cell.handler
    def gone() -> None:
        raise HTTPError(410)

    app.route("/a b/{x:path}", methods=["GET", "POST", "DELETE"])(cell.handler(lambda x: x))
    return app


def test_what_is_asked_for_by_http_is_redirected_whole(served: App, make_client: MakeClient) -> None:
    served.https()
    client = make_client(served, base_url="http://shop.test:8080", root_path="/r\u00fcck")
    for method in ("GET", "HEAD"):
        response = client.request(method, "/a%20b/%C3%BC%3F?q=%20x&y=1")
        assert response.status_code == 308
        assert response.headers["location"] == "https://shop.test/r%C3%BCck/a%20b/%C3%BC%3F?q=%20x&y=1"
        assert HSTS not in response.headers
    assert client.get("/nowhere").status_code == 308


def test_what_was_sent_in_clear_is_refused_and_not_repeated(served: App, make_client: MakeClient) -> None:
    served.https()
    client = make_client(served, base_url="http://shop.test")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = client.request(method, "/a b/c")
        assert response.status_code == 403
        assert response.json()["detail"].startswith("this site is served over https alone")


@pytest.mark.parametrize("host", ["evil.test", "a b", "user@shop.test", "shop.test/a"])
def test_a_host_that_is_refused_is_redirected_to_nowhere(cell: Cell, make_client: MakeClient, host: str) -> None:
    """Else the list of allowed hosts would be no help against who writes another's name into the cache of a proxy."""
    app = App(allowed_hosts=["shop.test"])
    app.https()
    app.get("/")(cell.handler(lambda: ""))
    client = make_client(app, base_url="http://shop.test", judged=False)
    for path in ("/", "/nowhere"):
        response = client.get(path, headers={"host": host})
        assert (response.status_code, response.headers.get("location")) == (400, None)
    assert client.get("/").headers["location"] == "https://shop.test/"


def test_a_handshake_is_refused(served: App, make_client: MakeClient) -> None:
    served.https()

    @served.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.accept()

    client = make_client(served, base_url="http://shop.test")
    assert client.get("/ws", headers={"upgrade": "WebSocket", "connection": "upgrade"}).status_code == 403


def test_browsers_are_told_over_tls_alone_and_with_every_answer(served: App, make_client: MakeClient) -> None:
    served.https(hsts_s=3600, subdomains=True)
    client = make_client(served, base_url="https://shop.test")
    for path, status in (("/a b/c", 200), ("/gone", 410), ("/crash", 500), ("/nowhere", 404)):
        response = client.get(path)
        assert (response.status_code, response.headers[HSTS]) == (status, "max-age=3600; includeSubDomains")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "max-age=31536000"),
        ({"subdomains": True, "preload": True}, "max-age=31536000; includeSubDomains; preload"),
        ({"hsts_s": 0}, None),
    ],
)
def test_how_long_is_up_to_the_application(
    served: App, make_client: MakeClient, options: dict[str, Any], field: str | None
) -> None:
    served.https(**options)
    response = make_client(served, base_url="https://shop.test").get("/a b/c")
    assert response.headers.get(HSTS) == field


def test_the_machines_own_names_are_left_alone(served: App, make_client: MakeClient) -> None:
    served.https()
    client = make_client(served)
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "shop.localhost"):
        for scheme in ("http", "https"):
            response = client.post(f"{scheme}://{host}/a b/c")
            assert (response.text, HSTS in response.headers) == ("c", False)


def test_a_proxy_may_redirect_instead(served: App, make_client: MakeClient) -> None:
    served.https(redirect=False)
    assert make_client(served, base_url="http://shop.test").post("/a b/c").text == "c"


def test_another_port_and_paths_that_are_exempt(served: App, make_client: MakeClient) -> None:
    served.https(port=8443, exempt=["/gone"])
    client = make_client(served, base_url="http://shop.test:8080")
    assert client.get("/a b/c").headers["location"] == "https://shop.test:8443/a%20b/c"
    assert client.get("/gone").status_code == 410
    assert client.get("/gone/x").status_code == 308


def test_a_redirect_that_may_go_round_in_circles_is_warned_of_once(
    served: App, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    served.debug = True  # no warning of hosts
    served.https()
    client = make_client(served, base_url="http://shop.test")
    assert client.get("/a b/c").status_code == 308
    assert client.get("/a b/c", headers={"x-forwarded-proto": "http"}).status_code == 308
    assert caplog.records == []
    for _ in range(2):
        assert client.get("/a b/c", headers={"x-forwarded-proto": "HTTPS"}).status_code == 308
    assert len(caplog.records) == 1
    assert "goes round in circles until the application is told to believe the proxy" in caplog.text


def test_it_comes_before_cors(served: App, make_client: MakeClient) -> None:
    served.cors(["*"])
    served.https()
    client = make_client(served, base_url="http://shop.test")
    headers = {"origin": "https://a.test", "access-control-request-method": "GET"}
    assert client.options("/a b/c", headers=headers).status_code == 403


# No request is made here, so there is no cell.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preload": True}, "needs subdomains=True"),
        ({"preload": True, "subdomains": True, "hsts_s": 3600}, "needs subdomains=True"),
        ({"hsts_s": -1}, "hsts_s= is a whole number"),
        ({"exempt": "/healthz"}, "exempt= takes a list"),
        ({"exempt": ["healthz"]}, "a list of paths"),
    ],
)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App().https(**options)
