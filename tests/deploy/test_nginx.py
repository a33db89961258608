"""The nginx of its page, before gunicorn and uvicorn as their pages start them.

No cells: the servers are real, over a Unix socket.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.nginx import SITE, Site, nginx
from tests.deploy.pages import blocks, commands, write
from tests.deploy.running import STOP_S, Events, Program, need, serve, slow
from tests.servers.nginx import CLIENT

MIB = 1024**2


def command_of(server: str, folder: Path) -> str:
    """Give the command line of the page, with the socket of the test."""
    (found,) = commands("deploy/nginx.md", server)
    return found.replace("/run/shop/shop.sock", f"{folder}/shop.sock")


@contextlib.contextmanager
def served(server: str, folder: Path) -> Iterator[tuple[Site, Program]]:
    """Run the shop, with what the page on nginx has besides, behind nginx."""
    need("nginx", "openssl", server)
    write("deploy/index.md", folder)
    write("deploy/gunicorn.md", folder)
    more = [block.text for block in blocks("deploy/nginx.md") if block.language == "python" and not block.not_run]
    (folder / "more.py").write_text("\n".join(more))
    (folder / "site_of_pages.py").write_text(
        'from more import app as more\nfrom shop import app\napp.mount("/more", more)\n'
    )
    (folder / "assets").mkdir()
    (folder / "assets" / "app.js").write_text("plain")
    (folder / "assets" / "app.js.gz").write_bytes(gzip.compress(b"packed"))
    (folder / "private").mkdir()
    (folder / "private" / "7.pdf").write_bytes(b"%PDF of nginx")
    command = command_of(server, folder).replace("shop:app", "site_of_pages:app")
    with serve(command, folder, f"{folder}/shop.sock") as program, nginx(folder) as site:
        yield site, program


@pytest.fixture(scope="module", params=["gunicorn", "uvicorn"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(request.param, tmp_path_factory.mktemp("site")) as (site, _):
        yield site


@pytest.mark.parametrize(
    "spoofed", [{}, {"X-Forwarded-For": "10.6.6.6", "X-Forwarded-Proto": "http"}], ids=["", "spoofed"]
)
@pytest.mark.parametrize("path", ["/", "/async"])
def test_the_client_and_the_scheme_are_right(site: Site, path: str, spoofed: dict[str, str]) -> None:
    status, _, body = site.ask(path, headers=spoofed)
    assert (status, json.loads(body)) == (200, {"client": CLIENT, "url": f"https://{SITE}{path}"})


def test_http_is_sent_to_https(site: Site) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.plain, timeout=10)) as connection:
        connection.request("GET", "/a?b=c", headers={"Host": SITE})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["location"]) == (308, f"https://{SITE}/a?b=c")


def test_events_pass_one_by_one(site: Site) -> None:
    """A buffer of nginx holds some hundred of them: for a minute and longer, if it were in use."""
    with Events(site.connection(), "/ticks") as events:
        assert [events.next()["data"] for _ in range(3)] == ["0", "1", "2"]


def test_a_stream_passes_where_its_handler_says_so(site: Site) -> None:
    status, headers, body = site.ask("/more/progress")
    assert (status, body) == (200, b"10 %\n20 %\n")
    assert "x-accel-buffering" not in headers  # nginx keeps it for itself


def test_a_websocket_passes(site: Site) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    # The connection has TLS already, so the client is told of none.
    with (
        site.connect() as connection,
        client.connect(
            f"ws://{SITE}/echo", sock=connection, proxy=None, open_timeout=10, origin=f"https://{SITE}"
        ) as socket,
    ):
        socket.send("hello")
        assert socket.recv(timeout=10) == "hello"


def test_a_page_of_another_site_opens_no_websocket(site: Site) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    exceptions = pytest.importorskip("websockets.exceptions")
    with site.connect() as connection, pytest.raises(exceptions.InvalidStatus, match="403"):
        client.connect(f"ws://{SITE}/echo", sock=connection, proxy=None, open_timeout=10, origin="https://evil.test")


def test_an_upload_passes_up_to_the_limit_and_nginx_refuses_more(site: Site) -> None:
    assert site.ask("/photos", "POST", body=b"x" * (7 * MIB))[::2] == (200, b'{"bytes":7340032}')
    status, headers, body = site.ask("/photos", "POST", headers={"Expect": "100-continue"}, body=b"x" * (9 * MIB))
    assert (status, headers["content-type"]) == (413, "text/html")
    assert b"nginx" in body


def test_where_nginx_takes_more_the_application_refuses_it(site: Site) -> None:
    status, headers, _ = site.ask("/videos/", "POST", headers={"Content-Length": str(9 * MIB)}, body=b"")
    assert (status, headers["content-type"]) in [(404, "application/problem+json"), (413, "application/problem+json")]


def test_assets_are_nginxs_own(site: Site) -> None:
    status, headers, body = site.ask("/assets/app.js", headers={"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"], gzip.decompress(body)) == (200, "gzip", b"packed")
    assert headers["cache-control"].endswith("immutable")
    assert site.ask("/assets/app.js")[2] == b"plain"


def test_a_private_file_is_sent_when_the_handler_says_so_and_else_to_nobody(site: Site) -> None:
    status, headers, body = site.ask("/more/invoices/7")
    assert (status, headers["content-type"], body) == (200, "application/pdf", b"%PDF of nginx")
    assert site.ask("/private/7.pdf")[0] == 404
    assert site.ask("/more/invoices/8")[0] == 404


@pytest.mark.parametrize("server", [pytest.param("gunicorn", marks=slow), "uvicorn"])
def test_a_stop_ends_open_event_streams_well(server: str, tmp_path: Path) -> None:
    with served(server, tmp_path) as (site, program), Events(site.connection(), "/ticks") as events:
        assert events.next()["data"] == "0"
        program.terminate()
        started = time.monotonic()
        with pytest.raises(EOFError):  # after the last chunk: a stream that is cut raises IncompleteRead
            while True:
                events.next()
        assert time.monotonic() - started < 5
        assert program.ended_within(STOP_S)
        assert "Traceback" not in program.log
