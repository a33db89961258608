"""Fields that take from a page what it does not need."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import HTML, App, ConfigurationError, File, HTTPError, Request, Response, Stream, WebSocket
from ambi.features.security import CSP
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

POLICY = "content-security-policy"
REPORTED = "content-security-policy-report-only"
DEFAULT = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none';"
    " base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
OF_ALL = {"referrer-policy": "strict-origin-when-cross-origin", "cross-origin-resource-policy": "same-origin"}
OF_DOCUMENTS = {POLICY: DEFAULT, "x-frame-options": "DENY", "cross-origin-opener-policy": "same-origin"}


def fields_of(response: Any) -> dict[str, str]:
    names = {*OF_ALL, *OF_DOCUMENTS, REPORTED, "permissions-policy", "reporting-endpoints"}
    return {name: value for name, value in response.headers.items() if name in names}


def add_page(app: App, cell: Cell, **headers: str) -> None:
    app.get("/")(cell.handler(lambda: HTML("<p>page", headers=headers)))


def test_a_page_has_all_of_them(app: App, client: Client, cell: Cell) -> None:
    app.security()
    add_page(app, cell)
    response = client.get("/")
    assert fields_of(response) == {**OF_ALL, **OF_DOCUMENTS}
    assert response.headers["x-content-type-options"] == "nosniff"


DOCUMENTS = {
    "text/html": True,
    "Text/HTML; charset=utf-8": True,
    "application/xhtml+xml": True,
    "image/svg+xml": True,
    "application/xml": True,
    "text/xml": True,
    "application/atom+xml": True,
    "application/json": False,
    "text/plain": False,
    "image/png": False,
    "text/css": False,
}


def test_what_is_no_document_has_no_policy(app: App, client: Client, cell: Cell) -> None:
    app.security()
    app.get("/")(cell.handler(lambda request: Response(b"x", content_type=request.query["type"])))
    for media_type, is_document in DOCUMENTS.items():
        found = fields_of(client.get("/", params={"type": media_type}))
        assert (found, media_type) == ({**OF_ALL, **OF_DOCUMENTS} if is_document else OF_ALL, media_type)


def test_errors_and_crashes_have_them(app: App, client: Client, cell: Cell) -> None:
    app.security()

    @app.get("/gone")
    @cell.handler
    def gone() -> None:
        raise HTTPError(410)

    @app.get("/crash")
    @cell.handler
    def crash() -> None:
        raise RuntimeError("on purpose")

    for path, status in (("/gone", 410), ("/crash", 500), ("/nowhere", 404)):
        response = client.get(path, headers={"accept": "text/html"})
        assert (response.status_code, fields_of(response)) == (status, {**OF_ALL, **OF_DOCUMENTS})


def test_what_a_handler_set_itself_stays(app: App, client: Client, cell: Cell) -> None:
    own = {
        POLICY: "default-src 'none'",
        "x-frame-options": "SAMEORIGIN",
        "cross-origin-resource-policy": "cross-origin",
    }
    app.security()
    add_page(app, cell, **own)
    assert fields_of(client.get("/")) == {**OF_ALL, **OF_DOCUMENTS, **own}


def test_each_page_that_asks_has_a_nonce_of_its_own(app: App, client: Client, cell: Cell) -> None:
    app.security()
    app.get("/")(cell.handler(lambda request: HTML(f"{request.csp_nonce} {request.csp_nonce}")))
    found = set()
    for _ in range(2):
        response = client.get("/")
        nonce, again = response.text.split()
        assert nonce == again
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce)
        assert f"script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';" in response.headers[POLICY]
        found.add(nonce)
    assert len(found) == 2


def test_a_page_that_the_browser_has_keeps_its_policy(app: App, client: Client, cell: Cell) -> None:
    app.security()

    @app.get("/")
    @cell.handler
    def page(request: Request) -> Response:
        return Response(b"", 304, {"etag": '"a"', "x-nonce": request.csp_nonce}, content_type="text/html")

    assert fields_of(client.get("/")) == OF_ALL


def test_a_stream_may_use_the_nonce_in_any_item(app: App, client: Client, cell: Cell) -> None:
    app.security()

    def sync(request: Request) -> Iterator[str]:
        yield "first "
        yield request.csp_nonce

    async def asynchronous(request: Request) -> AsyncIterator[str]:
        yield "first "
        yield request.csp_nonce

    make = cell.pick(sync, asynchronous)
    app.get("/")(cell.handler(lambda request: Stream(make(request), content_type="text/html")))
    response = client.get("/")
    assert f"'nonce-{response.text.removeprefix('first ')}'" in response.headers[POLICY]


def test_a_file_cannot_use_it(app: App, client: Client, cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>page")
    app.security()
    app.get("/")(cell.handler(lambda: File(tmp_path / "page.html")))
    response = client.get("/")
    assert (response.text, fields_of(response)) == ("<p>page", {**OF_ALL, **OF_DOCUMENTS})


def test_websockets_are_open_as_before(app: App, make_client: MakeClient) -> None:
    app.security()
    app.cors(["https://a.test"], credentials=True)
    app.https()
    app.csrf(secret="s" * 32)

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        await ws.send(await ws.receive())

    with make_client(app, judged=False).websocket("/ws") as ws:
        ws.send("hello")
        assert ws.receive_text() == "hello"


def test_another_policy_is_only_reported(app: App, client: Client, cell: Cell) -> None:
    app.security(
        csp=None,
        csp_report_only={"default-src": ["self"], "report-to": "csp"},
        reporting={"csp": "https://reports.example.com/csp"},
        frame=None, opener=None, referrer="no-referrer", resource="cross-origin", permissions="camera=()",
    )  # fmt: skip
    add_page(app, cell)
    assert fields_of(client.get("/")) == {
        REPORTED: "default-src 'self'; report-to csp",
        "reporting-endpoints": 'csp="https://reports.example.com/csp"',
        "referrer-policy": "no-referrer", "cross-origin-resource-policy": "cross-origin",
        "permissions-policy": "camera=()",
    }  # fmt: skip


def test_both_policies_have_the_same_nonce(app: App, client: Client, cell: Cell) -> None:
    app.security(csp={"script-src": "nonce"}, csp_report_only={"style-src": "nonce"}, frame="sameorigin")
    app.get("/")(cell.handler(lambda request: HTML(request.csp_nonce)))
    response = client.get("/")
    assert response.headers[POLICY] == f"script-src 'nonce-{response.text}'"
    assert response.headers[REPORTED] == f"style-src 'nonce-{response.text}'"
    assert response.headers["x-frame-options"] == "SAMEORIGIN"


# No request is made here, so there is no cell.


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ({"default-src": "self"}, "default-src 'self'"),
        ({"default-src": "'self'"}, "default-src 'self'"),
        ({"default-src": "none"}, "default-src 'none'"),
        ({"img-src": "self data: https://*.example.com"}, "img-src 'self' data: https://*.example.com"),
        ({"script-src": ["sha256-abc=", "strict-dynamic", "unsafe-inline"]}, "script-src 'sha256-abc=' 'strict-dynamic' 'unsafe-inline'"),
        ({"script-src": ["self", "nonce", "https:"]}, "script-src 'self' 'nonce-N' https:"),
        ({"upgrade-insecure-requests": []}, "upgrade-insecure-requests"),
        ({"sandbox": "allow-scripts", "report-to": "self"}, "sandbox allow-scripts; report-to self"),
        ({"require-trusted-types-for": "script", "trusted-types": "none default"}, "require-trusted-types-for 'script'; trusted-types none default"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_policy_is_written_as_browsers_read_it(directives: dict[str, Any], text: str) -> None:
    assert CSP(directives).text("N") == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"csp": "default-src 'self'"}, "is a mapping, as"),
        ({"csp": {"scripts": "self"}}, "no directive 'scripts'"),
        ({"csp": {"img-src": ["self;"]}}, "is no source of img-src"),
        ({"csp": {"img-src": ["self data:"]}}, "is no source of img-src"),
        ({"csp": {"img-src": ["a,b"]}}, "is no source of img-src"),
        ({"csp": {"img-src": ["a\r\nb"]}}, "is no source of img-src"),
        ({"csp": {"img-src": ["https://b\u00fccher.example"]}}, "is no source of img-src"),
        ({"csp": {"img-src": [""]}}, "is no source of img-src"),
        ({"csp": {"img-src": ["none", "self"]}}, "has 'none' beside others"),
        ({"csp": {"img-src": ["nonce"]}}, "takes no nonce"),
        ({"csp": {"script-src": ["nonce-abc"]}}, "the same for all pages"),
        ({"frame": "allow"}, "is 'deny', 'sameorigin' or None"),
        ({"permissions": "camera=()\n"}, "control character"),
        ({"reporting": {"csp": 'https://a.test/"; b="https://evil.test'}}, "is no URL"),
        ({"reporting": {"csp": "https://a.test/\\"}}, "is no URL"),
        ({"reporting": {"csp": "https://a.test/\r\nx: y"}}, "is no URL"),
        ({"reporting": {"csp": "https://b\u00fccher.test/"}}, "is no URL"),
        ({"reporting": {"csp": ""}}, "is no URL"),
        ({"reporting": {"CSP": "/csp"}}, "'CSP' is no name"),
        ({"reporting": {'a="x", b': "/csp"}}, "is no name"),
        ({"reporting": {"": "/csp"}}, "is no name"),
        ({"reporting": {"1": "/csp"}}, "is no name"),
        ({"headers": "x"}, "headers"),
    ],
)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigurationError, TypeError), match=message):
        App().security(**options)
