"""Where a redirect may lead that a request has asked for."""

from typing import Any

import pytest

from ambi import App, ConfigurationError, Request
from ambi.features.auth import is_safe_target, safe_redirect
from ambi.testing import Client
from tests.cells import Cell

UNSAFE = [
    "",
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/a/..//evil.test",
    "/%2e//evil.test",
    "/.%2E//evil.test",
    "/a/.",
    "\\\\evil.test",
    "\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    " /a",
    "/a\r\nSet-Cookie: x=y",
    "/a b",
    "/a\x00",
    "/a\x7f",
    "/a\x85",
    "/a\xa0",
    "/\ud800",
    "a/b",
    "?next",
    "#here",
    "evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https:///evil.test",
    "http:999999999",
    "http://evil.test",
    "https://evil.test",
    "https://example.test\\@evil.test",
    "https://example.test@evil.test",
    "https://example.test:pw@evil.test/",
    "https://example。test@evil.test",
    "https://example。test/",
    "https://example.test.evil.test",
    "https://evil.test/example.test",
    "https://evil.test?example.test",
    "https://evil.test#example.test",
    "https://evil.test%2f.example.test",
    "https://example.test%2eevil.test/",
    "https://evilexample.test",
    "https://example.test:8443/",
    "https://example.test:99999/",
    "https://[::1]@evil.test",
    "https://[::ffff:1.2.3.4/",
    "ftp://example.test/",
    "javascript://example.test/%0aalert(1)",
    "javascript:alert(1)",
    "\x08javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "://example.test/",
    "/" + "a" * 8192,
    "\u2100" * 150_000,
]

SAFE = [
    "/",
    "/orders?page=2&next=//evil.test#top",
    "/a/https://evil.test",
    "/...//a/.b/c..?to=/../",
    "/@evil.test",
    "/é/\u2100",
    "/%2f%2fevil.test",
    "https://example.test",
    "https://example.test/a?b",
    "HTTPS://EXAMPLE.test/a",
    "https://example.test:443/a",
    "https://example.test:/@evil.test",
    "https://www.example.test/a",
]


@pytest.fixture
def site(make_client: Any, cell: Cell) -> Client:
    app = App()

    @app.post("/login")
    @cell.handler
    def login(request: Request) -> Any:
        return safe_redirect(
            request, request.json(), request.url_for("home"), allowed_hosts=["example.test", "*.example.test"]
        )

    app.get("/home", name="home")(cell.handler(lambda: "home"))
    client: Client = make_client(app, base_url="https://example.test")
    return client


def test_an_unsafe_target_leads_to_the_fallback(site: Client) -> None:
    for target in UNSAFE:
        response = site.post("/login", json=target)
        assert (response.status_code, response.headers["location"]) == (303, "/home"), repr(target[:80])
        assert not response.content


def test_a_safe_target_is_where_it_leads(site: Client) -> None:
    for target in SAFE:
        response = site.post("/login", json=target)
        location = response.headers["location"]
        assert location.isascii()
        assert location == target or not target.isascii(), repr(target)


def test_no_target_leads_to_the_fallback(site: Client) -> None:
    assert site.post("/login", content=b"null").headers["location"] == "/home"


HOSTS = [
    ("http://example.test", "http://example.test/a", True),
    ("http://example.test", "https://example.test/a", True),  # an upgrade
    ("https://example.test", "http://example.test/a", False),  # a downgrade
    ("http://localhost:8000", "http://localhost:8000/a", True),
    ("http://localhost:8000", "http://localhost/a", False),
    ("http://localhost:8000", "http://localhost:9000/a", False),
    ("http://localhost:8000", "https://localhost/a", False),
    ("http://[::1]:8000", "http://[::1]:8000/a", True),
    ("http://example.test", "http://other.test/a", False),
]


def test_the_host_of_the_request_is_this_site(make_client: Any, cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: {"safe": is_safe_target(request, request.query["next"])}))
    for scheme in ("http", "https"):
        client = make_client(app, base_url=f"{scheme}://localhost")
        for base_url, target, is_safe in HOSTS:
            of, host = base_url.split("://")
            if of == scheme:
                response = client.get("/", params={"next": target}, headers={"host": host})
                assert response.json() == {"safe": is_safe}, (base_url, target)


def test_with_allowed_hosts_the_host_of_the_request_is_not_believed(make_client: Any, cell: Cell) -> None:
    app = App(allowed_hosts=["example.test"])

    @app.get("/")
    @cell.handler
    def tell(request: Request) -> Any:
        return [is_safe_target(request, f"https://{host}/a") for host in ("evil.test", "example.test")]

    made = {}
    for host in ("evil.test", "example.test"):
        response = make_client(app, base_url=f"https://{host}").get("/")
        made[host] = response.json() if response.status_code == 200 else "refused"
    assert made["example.test"] == [False, True]
    assert made["evil.test"] in ([False, True], "refused")


def test_a_host_that_is_none_is_an_error(make_client: Any, cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda request: safe_redirect(request, "/", allowed_hosts=["https://example.test"])))
    with pytest.raises(ConfigurationError, match="an allowed host is a name alone"):
        make_client(app, raise_server_exceptions=True).get("/")
