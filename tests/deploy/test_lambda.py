"""The handlers of the page on AWS Lambda, called in process with events as the gateways send them.

No cells: an adapter has its side.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.calls import stop_lifespans
from tests.deploy.pages import write

ADAPTERS = {"lambda_function": "mangum", "lambda_wsgi": "apig_wsgi", "lambda_serverless": "serverless_wsgi"}
HOST, CLIENT = "shop.example.com", "198.51.100.4"
FIELDS = {
    "host": HOST, "accept": "*/*", "user-agent": "curl/8.5.0", "x-forwarded-for": CLIENT, "x-forwarded-port": "443",
    "x-forwarded-proto": "https", "x-amzn-trace-id": "Root=1-6744f7a0-0123456789abcdef01234567",
}  # fmt: skip

Event = dict[str, Any]


def body_of(content: bytes) -> Event:
    return {"body": base64.b64encode(content).decode() if content else None, "isBase64Encoded": bool(content)}


def http_api(method: str, path: str, content: bytes = b"", fields: dict[str, str] | None = None) -> Event:
    """Make an event of an HTTP API, or of a function URL: payload format 2.0."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {**FIELDS, **(fields or {})}, **body_of(content),
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef1234", "domainName": HOST, "domainPrefix": "shop",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": CLIENT, "userAgent": "curl"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
            "time": "26/Nov/2026:05:00:00 +0000", "timeEpoch": 1795669200000,
        },
    }  # fmt: skip


def rest_api(method: str, path: str, content: bytes = b"", fields: dict[str, str] | None = None) -> Event:
    """Make an event of a REST API: payload format 1.0."""
    found = {**FIELDS, **(fields or {})}
    return {
        "version": "1.0", "resource": "/{proxy+}", "path": path, "httpMethod": method,
        "headers": found, "multiValueHeaders": {name: [value] for name, value in found.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")}, "stageVariables": None, **body_of(content),
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef1234", "domainName": HOST, "httpMethod": method,
            "identity": {"sourceIp": CLIENT, "userAgent": "curl/8.5.0"}, "path": f"/prod{path}", "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "resourcePath": "/{proxy+}", "stage": "prod",
        },
    }  # fmt: skip


def load_balancer(method: str, path: str, content: bytes = b"", fields: dict[str, str] | None = None) -> Event:
    """Make an event of an Application Load Balancer."""
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/6d0ecf831eec9f09"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}}, "httpMethod": method, "path": path,
        "queryStringParameters": {}, "headers": {**FIELDS, **(fields or {})}, **body_of(content),
    }  # fmt: skip


GATEWAYS = pytest.mark.parametrize("event", [http_api, rest_api, load_balancer], ids=lambda make: make.__name__)


@pytest.fixture
def loop() -> Iterator[None]:
    """Give the thread a loop of its own and take it away: Mangum asks for the current one, and makes one if need be."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    tasks = asyncio.all_tasks(made)
    for task in tasks:
        task.cancel()
    made.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    made.close()
    asyncio.set_event_loop(None)
    stop_lifespans()


def load(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, app: str = "") -> Any:
    """Import a handler of the page, around the shop or around another application."""
    if find_spec(ADAPTERS[name]) is None:
        pytest.skip(f"{ADAPTERS[name]} is not installed")
    write("deploy/index.md", folder)
    write("deploy/lambda.md", folder)
    if app:
        (folder / "shop.py").write_text(app)
    monkeypatch.syspath_prepend(str(folder))
    for module in ("shop", name):
        monkeypatch.delitem(sys.modules, module, raising=False)
    invalidate_caches()
    try:
        return import_module(name).handler
    finally:
        for module in ("shop", name):
            sys.modules.pop(module, None)


def read(answer: Event) -> bytes:
    body: str = answer["body"]
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()


@GATEWAYS
@pytest.mark.parametrize("name", ADAPTERS)
def test_an_event_of_each_gateway_is_answered(
    name: str, event: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: None
) -> None:
    handler = load(name, tmp_path, monkeypatch)
    for path in ("/", "/async"):
        answer = handler(event("GET", path), None)
        assert answer["statusCode"] == 200, answer
        told = json.loads(read(answer))
        assert told["url"] == f"https://{HOST}{path}"
        assert told["client"] == CLIENT
    assert handler(event("GET", "/nowhere"), None)["statusCode"] == 404
    sent = handler(event("POST", "/photos", b"\x00\xff" * 500, {"content-length": "1000"}), None)
    assert (sent["statusCode"], json.loads(read(sent))) == (200, {"bytes": 1000})


LIVING = """
from ambi import App, Request, Response
seen = []
async def lifespan():
    seen.append("up")
    yield {"pool": object()}
    seen.append("down")
app = App(lifespan=lifespan)
@app.get("/")
async def home(request: Request):
    request.after(seen.append, "after")
    return {"seen": seen, "pool": id(request.state.pool)}
@app.get("/stream")
def stream():
    return Response(iter([b"one ", b"two"]), content_type="text/plain")
@app.get("/bytes")
def picture():
    return Response(b"\\xff\\xd8\\xff", content_type="image/jpeg")
"""


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_application_starts_once_and_stays_as_long_as_the_function_is_warm(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: None
) -> None:
    handler = load(name, tmp_path, monkeypatch, LIVING)
    first = json.loads(read(handler(http_api("GET", "/"), None)))
    assert first["seen"] == ["up"]
    second = json.loads(read(handler(http_api("GET", "/"), None)))
    assert (second["pool"], second["seen"].count("up")) == (first["pool"], 1)


def test_with_the_lifespan_of_mangum_it_starts_with_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: None
) -> None:
    """What the page advises against."""
    load("lambda_function", tmp_path, monkeypatch, LIVING)
    mangum = import_module("mangum")
    module = import_module("shop")
    handler = mangum.Mangum(module.app, lifespan="auto")
    for _ in range(2):
        handler(http_api("GET", "/"), None)
    sys.modules.pop("shop", None)
    assert module.seen.count("up") == 2


@GATEWAYS
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_stream_is_collected_and_bytes_are_told_by_their_coding(
    name: str, event: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: None
) -> None:
    handler = load(name, tmp_path, monkeypatch, LIVING)
    assert read(handler(event("GET", "/stream"), None)) == b"one two"
    picture = handler(event("GET", "/bytes"), None)
    assert (picture["isBase64Encoded"], read(picture)) == (True, b"\xff\xd8\xff")
