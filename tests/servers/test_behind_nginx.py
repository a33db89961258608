"""Behind a real nginx that ends TLS: what is believed is right, and what is not configured changes nothing.

No cells: the servers are real. `/gunicorn` and `/uvicorn` lead to an application that believes nginx, over a Unix socket
and the X-Forwarded fields; `/forwarded` to one that believes RFC 7239; `/plain-…` to one that believes nobody.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest

from tests.servers.nginx import CLIENT, FORWARDED, X_FORWARDED, Behind, Nginx, behind_nginx, why_not

GUNICORN = (sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "4", "-b", "{at}")
UVICORN = (sys.executable, "-m", "uvicorn", "--no-proxy-headers", "--lifespan", "off")
# gunicorn believes a proxy on the same machine by itself, and uvicorn too: without that nothing here would be ours.
DOUBTING = ("--forwarded-allow-ips", "192.0.2.1")

SERVERS = [
    Behind((*GUNICORN, "proxied_app:believing"), "/gunicorn", X_FORWARDED, over_unix=True),
    Behind((*UVICORN, "--uds", "{path}", "proxied_app:believing"), "/uvicorn", X_FORWARDED, over_unix=True),
    Behind((*GUNICORN, *DOUBTING, "proxied_app:forwarded"), "/forwarded", FORWARDED),
    Behind((*GUNICORN, *DOUBTING, "proxied_app:plain"), "/plain-gunicorn"),
    Behind((*UVICORN, "--port", "{port}", "proxied_app:plain"), "/plain-uvicorn"),
]
SPOOFED = {
    "X-Forwarded-For": "10.6.6.6", "X-Forwarded-Proto": "ftp", "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Prefix": "//evil.test", "X-Forwarded-Port": "666", "X-Real-IP": "10.6.6.6",
    "Forwarded": 'for=10.6.6.6;proto=http;host="evil.test"',
}  # fmt: skip
BOTH = pytest.mark.parametrize("place", ["/gunicorn", "/uvicorn"])
SPOOFING = pytest.mark.parametrize("headers", [{}, SPOOFED], ids=["honest", "spoofed"])


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Give an nginx with the servers behind it."""
    reason = why_not() or next(
        (f"{name} is not installed" for name in ("gunicorn", "uvicorn") if find_spec(name) is None), None
    )
    if reason:
        pytest.skip(reason)
    with behind_nginx(tmp_path_factory.mktemp("nginx"), SERVERS) as nginx:
        yield nginx


def told(nginx: Nginx, path: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = nginx.get(path, headers)
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.text)
    return found


@BOTH
@SPOOFING
@pytest.mark.parametrize("path", ["/", "/async"])
def test_client_address_and_links_are_right(nginx: Nginx, place: str, path: str, headers: dict[str, str]) -> None:
    site = f"https://localhost:{nginx.port}{place}"
    expected = {"client": CLIENT, "url": site + path, "root_path": place, "link": f"{site}/"}
    assert told(nginx, place + path, headers) == expected


@BOTH
@SPOOFING
def test_redirects_lead_back_through_nginx(nginx: Nginx, place: str, headers: dict[str, str]) -> None:
    assert nginx.get(f"{place}/go", headers).headers["location"] == f"https://localhost:{nginx.port}{place}/"
    # nginx writes the path it knows in place of one that is relative to it, so what matters is where it leads.
    assert nginx.get(f"{place}/go-relative", headers).headers["location"].endswith(f"{place}/")
    slash = nginx.get(f"{place}/slash", headers)
    assert (slash.status, slash.headers["location"].endswith("slash/")) == (308, True)


@BOTH
@SPOOFING
def test_cookies_are_secure(nginx: Nginx, place: str, headers: dict[str, str]) -> None:
    """On loopback they are not, where the application takes the connection for plain http."""
    assert "; Secure" in nginx.get(f"{place}/cookie", headers).headers["set-cookie"]


@BOTH
@SPOOFING
def test_a_mounted_application_is_told_the_same(nginx: Nginx, place: str, headers: dict[str, str]) -> None:
    expected = f"{CLIENT} https localhost:{nginx.port} {place}/guest /x"
    assert nginx.get(f"{place}/guest/x", headers).text == expected


@BOTH
@SPOOFING
def test_a_websocket_is_told_the_same(nginx: Nginx, place: str, headers: dict[str, str]) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    address = f"wss://localhost:{nginx.port}{place}/ws"
    plain = address.replace("wss:", "ws:")  # the connection has TLS already, so the client is told of none
    connect = partial(client.connect, plain, additional_headers=headers, proxy=None, open_timeout=10)
    with nginx.connect() as connection, connect(sock=connection) as ws:
        found = json.loads(ws.recv(timeout=10))
    assert (found["client"], found["url"]) == (CLIENT, address.replace("wss:", "https:"))


@SPOOFING
def test_forwarded_is_believed_alone_where_it_is_named(nginx: Nginx, headers: dict[str, str]) -> None:
    site = f"https://localhost:{nginx.port}"
    expected = {"client": CLIENT, "url": f"{site}/", "root_path": "", "link": f"{site}/"}
    assert told(nginx, "/forwarded/", headers) == expected


@pytest.mark.parametrize("opened", ['for="', 'for=10.6.6.6;x="', "for=10.6.6.6;host=evil.test;"])
def test_what_a_client_opens_does_not_swallow_what_nginx_adds(nginx: Nginx, opened: str) -> None:
    answer = nginx.get("/forwarded/", {"Forwarded": opened})
    if answer.status != 400:
        assert json.loads(answer.text)["client"] == CLIENT
        assert "evil" not in answer.text


@pytest.mark.parametrize("place", ["/plain-gunicorn", "/plain-uvicorn"])
@SPOOFING
def test_without_configuration_nothing_is_believed(nginx: Nginx, place: str, headers: dict[str, str]) -> None:
    found = told(nginx, f"{place}/", headers)
    assert (found["client"], found["root_path"]) == ("127.0.0.1", "")
    assert found["url"].startswith("http://127.0.0.1:")  # what nginx sends as Host when it is not told otherwise
    assert found["link"] == found["url"]
    assert "; Secure" not in nginx.get(f"{place}/cookie", headers).headers["set-cookie"]
