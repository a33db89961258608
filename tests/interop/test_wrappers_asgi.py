"""ASGI middlewares of other people around the application: each does its work, and lets everything else pass.

Around `app` itself, and assigned to `app.asgi`. Streams are watched item by item, WebSockets spoken to, the lifespan run.
"""

import asyncio
import base64
import json
import re
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ambi import Request
from tests.interop.drivers import HOST, Site, ask_wsgi, in_process, loop_of_its_own, serving
from tests.interop.ours import TEXT, Ours
from tests.interop.passing import check_asgi
from tests.interop.wrapping import (
    QUIET,
    Wrappers,
    client_of_elastic,
    count_in_session,
    logger_of_lines,
    session_cookie,
    traced,
    ways,
)

pytestmark = QUIET

Effect = Callable[[Site], Awaitable[None]]

WRAPPERS = Wrappers()
wrapper = WRAPPERS.note


@pytest.mark.parametrize("side", ways("asgi"))
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_does_its_work_and_lets_everything_else_pass(name: str, side: str) -> None:
    ours = Ours()
    served, effect = WRAPPERS.put(name, ours, side)

    async def main() -> None:
        async with serving(served) as site:
            await effect(site)
            await check_asgi(site, ours)

    anyio.run(main)
    assert ours.life == ["start", "stop"]


async def unseen(site: Site) -> None:
    """Be the effect of a wrapper whose work shows nowhere here: it answers."""
    assert (await site.ask("/hello")).text == "hello"


# --- identity, tracing, measuring ---


@wrapper("asgi-correlation-id")
def correlation_id(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_correlation_id import CorrelationIdMiddleware
    from asgi_correlation_id.context import correlation_id

    ours.look = correlation_id.get
    sent = "8a9c1b9e3f0d4c6e9c8d7b6a5f4e3d2c"

    async def effect(site: Site) -> None:
        for path in ("/context", "/context-async"):
            answer = await site.ask(path, headers={"x-request-id": sent})
            assert (answer.text, answer.headers["x-request-id"]) == (sent, sent)

    return CorrelationIdMiddleware(app), effect


@wrapper("asgi-request-id")
def request_id(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_request_id import RequestIdMiddleware, request_id_ctx_var

    ours.look = request_id_ctx_var.get

    async def effect(site: Site) -> None:
        answer = await site.ask("/context")
        assert answer.text == answer.headers["request-id"]
        assert len(answer.text) > 20

    return RequestIdMiddleware(app), effect


@wrapper("starlette-context")
def starlette_context(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette_context import context
    from starlette_context.middleware import RawContextMiddleware
    from starlette_context.plugins import RequestIdPlugin

    ours.look = lambda: context["X-Request-ID"]

    async def effect(site: Site) -> None:
        for path in ("/context", "/context-async"):
            answer = await site.ask(path)
            assert answer.text == answer.headers["x-request-id"]

    return RawContextMiddleware(app, plugins=[RequestIdPlugin()]), effect


@wrapper("opentelemetry-instrumentation-asgi")
def opentelemetry(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from opentelemetry import trace
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    provider, exporter = traced(ours)

    async def effect(site: Site) -> None:
        here = [(await site.ask(path)).text for path in ("/context", "/context-async", "/nowhere")]
        spans = [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.SERVER]
        assert [span.attributes.get("http.status_code") for span in spans] == [200, 200, 404]
        assert [str(span.context.trace_id) for span in spans[:2]] == here[:2]

    return OpenTelemetryMiddleware(app, tracer_provider=provider), effect


@wrapper("elastic-apm")
def elastic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import elasticapm
    from elasticapm.contrib.asgi import ASGITracingMiddleware

    ours.look = elasticapm.get_trace_parent_header

    async def effect(site: Site) -> None:
        header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        assert header.split("-")[1] in (await site.ask("/context", headers={"traceparent": header})).text

    return ASGITracingMiddleware(app, client=client_of_elastic()), effect


@wrapper("newrelic")
def newrelic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import newrelic.agent

    ours.look = newrelic.agent.current_transaction

    async def effect(site: Site) -> None:
        # Without a licence key no transaction is made; the wrapper is passed all the same.
        assert (await site.ask("/context")).text == "None"

    return newrelic.agent.ASGIApplicationWrapper(app), effect


@wrapper("timing-asgi")
def timing(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from timing_asgi import TimingClient, TimingMiddleware

    seen: list[str] = []

    class Client(TimingClient):
        def timing(self, metric_name: str, timing: float, tags: Any) -> None:
            seen.extend(tag for tag in tags if tag.startswith("http_status"))

    async def effect(site: Site) -> None:
        await site.ask("/teapot")
        assert "http_status:418" in seen

    return TimingMiddleware(app, client=Client()), effect


@wrapper("starlette-exporter")
def starlette_exporter(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import prometheus_client
    from starlette_exporter import PrometheusMiddleware

    async def effect(site: Site) -> None:
        await site.ask("/teapot")
        assert b"starlette_requests_total" in prometheus_client.generate_latest()

    return PrometheusMiddleware(app, filter_unhandled_paths=False), effect


@wrapper("prometheus-fastapi-instrumentator")
def instrumentator(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import prometheus_client
    from prometheus_fastapi_instrumentator.middleware import PrometheusInstrumentatorMiddleware

    registry = prometheus_client.CollectorRegistry()

    async def effect(site: Site) -> None:
        await site.ask("/teapot")
        assert b'status="4xx"' in prometheus_client.generate_latest(registry)

    return PrometheusInstrumentatorMiddleware(app, registry=registry), effect


@wrapper("asgi-logger")
def asgi_logger(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_logger import AccessLoggerMiddleware

    lines, logger = logger_of_lines("interop.asgi")

    async def effect(site: Site) -> None:
        await site.ask("/teapot")
        assert re.search(r"/teapot.*418", lines[-1])

    return AccessLoggerMiddleware(app, logger=logger), effect


@wrapper("uvicorn.MessageLoggerMiddleware")
def message_logger(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from uvicorn.middleware.message_logger import MessageLoggerMiddleware

    return MessageLoggerMiddleware(app), unseen


# --- content codings ---


def packed(coding: str, unpack: Callable[[bytes], bytes] | None) -> Effect:
    """Make the effect of a wrapper that packs."""

    async def effect(site: Site) -> None:
        answer = await site.ask("/text", headers={"accept-encoding": coding})
        assert answer.headers["content-encoding"] == coding
        assert len(answer.body) < len(TEXT) / 5
        assert unpack is None or unpack(answer.body).decode() == TEXT

    return effect


def gunzip(data: bytes) -> bytes:
    return zlib.decompress(data, 31)


@wrapper("brotli-asgi")
def brotli(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import brotli
    from brotli_asgi import BrotliMiddleware

    return BrotliMiddleware(app), packed("br", brotli.decompress)


@wrapper("zstd-asgi")
def zstd(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from zstd_asgi import ZstdMiddleware

    return ZstdMiddleware(app), packed("zstd", None)


@wrapper("starlette-compress")
def compress(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette_compress import CompressMiddleware

    return CompressMiddleware(app), packed("gzip", gunzip)


@wrapper("asgi-gzip")
def asgi_gzip(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_gzip import GZipMiddleware

    return GZipMiddleware(app), packed("gzip", gunzip)


@wrapper("starlette.GZipMiddleware")
def gzip(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.middleware.gzip import GZipMiddleware

    return GZipMiddleware(app), packed("gzip", gunzip)


@wrapper("msgpack-asgi")
def msgpack(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import msgpack
    from msgpack_asgi import MessagePackMiddleware

    async def effect(site: Site) -> None:
        answer = await site.ask("/where/x", headers={"accept": "application/vnd.msgpack"})
        assert msgpack.unpackb(answer.body)["rest"] == "x"

    return MessagePackMiddleware(app), effect


# --- proxies, hosts, schemes ---


@wrapper("uvicorn.ProxyHeadersMiddleware")
def uvicorn_proxy(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    async def effect(site: Site) -> None:
        headers = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
        assert (await site.ask("/where/x", headers=headers)).json()["url"] == f"https://{HOST}/where/x"

    return ProxyHeadersMiddleware(app, trusted_hosts="*"), effect


@wrapper("hypercorn.ProxyFixMiddleware")
def hypercorn_proxy(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from hypercorn.middleware import ProxyFixMiddleware

    async def effect(site: Site) -> None:
        headers = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.test"}
        assert (await site.ask("/where/x", headers=headers)).json()["url"] == "https://shop.test/where/x"

    return ProxyFixMiddleware(app), effect


@wrapper("starlette.TrustedHostMiddleware")
def trusted_host(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    async def effect(site: Site) -> None:
        assert (await site.ask("/hello", headers={"host": "evil.test"})).status == 400

    return TrustedHostMiddleware(app, allowed_hosts=[HOST]), effect


def test_a_redirect_to_https_stands_before_the_application() -> None:
    from hypercorn.middleware import HTTPToHTTPSRedirectMiddleware
    from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware

    async def main() -> None:
        for wrapped in (HTTPSRedirectMiddleware(Ours().app), HTTPToHTTPSRedirectMiddleware(Ours().app, HOST)):
            async with serving(wrapped) as site:
                assert (await site.ask("/hello")).headers["location"] == f"https://{HOST}/hello"
                secure = await site.ask("/where/x", scheme="https")
                assert secure.json()["url"] == f"https://{HOST}/where/x"

    anyio.run(main)


# --- headers, sessions, guards ---


@wrapper("starlette.CORSMiddleware")
def cors(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.middleware.cors import CORSMiddleware

    async def effect(site: Site) -> None:
        asked = {"origin": "https://a.test", "access-control-request-method": "PUT"}
        assert (await site.ask("/hello", method="OPTIONS", headers=asked)).status == 200
        for path in ("/hello", "/boom"):
            answer = await site.ask(path, headers={"origin": "https://a.test"})
            assert answer.headers["access-control-allow-origin"] == "https://a.test"

    return CORSMiddleware(app, allow_origins=["https://a.test"], allow_methods=["*"]), effect


@wrapper("asgi-cors")
def asgi_cors(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_cors import asgi_cors

    async def effect(site: Site) -> None:
        assert (await site.ask("/hello")).headers["access-control-allow-origin"] == "*"

    return asgi_cors(app, allow_all=True), effect


@wrapper("secure")
def secure(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from secure import Secure
    from secure.middleware import SecureASGIMiddleware

    async def effect(site: Site) -> None:
        assert "strict-transport-security" in (await site.ask("/hello")).headers

    return SecureASGIMiddleware(app, secure=Secure.with_default_headers()), effect


def counted(ours: Ours) -> Effect:
    """Make the effect of a wrapper that keeps a session in a cookie."""
    count_in_session(ours, "session")

    async def effect(site: Site) -> None:
        first = await site.ask("/session")
        second = await site.ask("/session-async", headers=session_cookie(first))
        assert (first.text, second.text) == ("1", "2")

    return effect


@wrapper("starlette.SessionMiddleware")
def session(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.middleware.sessions import SessionMiddleware

    return SessionMiddleware(app, secret_key="for tests"), counted(ours)


@wrapper("asgi-sessions")
def asgi_sessions(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_sessions import SessionMiddleware

    return SessionMiddleware(app, secret_key="for tests, and long enough for it"), counted(ours)


@wrapper("starsessions")
def starsessions(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starsessions import CookieStore, SessionAutoloadMiddleware, SessionMiddleware

    store = CookieStore(secret_key="for tests")
    inner = SessionAutoloadMiddleware(app)
    return SessionMiddleware(inner, store=store, lifetime=60, cookie_https_only=False), counted(ours)


@wrapper("asgi-csrf")
def asgi_csrf(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_csrf import asgi_csrf

    @ours.app.post("/guarded")
    def guarded() -> str:
        return "done"

    async def effect(site: Site) -> None:
        form = {"content-type": "application/x-www-form-urlencoded", "cookie": "csrftoken=x"}
        assert (await site.ask("/guarded", body=b"a=b", headers=form)).status == 403

    unguarded = ("/echo", "/upload")
    return asgi_csrf(app, signing_secret="s", skip_if_scope=lambda scope: scope["path"] in unguarded), effect


@wrapper("asgi-ratelimit")
def rate_limit(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from ratelimit import RateLimitMiddleware, Rule
    from ratelimit.backends.simple import MemoryBackend

    async def who(scope: Any) -> tuple[str, str]:
        return "somebody", "default"

    @ours.app.get("/limited")
    def limited() -> str:
        return "in time"

    async def effect(site: Site) -> None:
        assert [(await site.ask("/limited")).status for _ in range(2)] == [200, 429]

    return RateLimitMiddleware(app, who, MemoryBackend(), {"^/limited": [Rule(minute=1)]}), effect


@wrapper("asgi-auth-github")
def auth_github(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_auth_github import GitHubAuth

    async def effect(site: Site) -> None:
        assert "github.com/login" in (await site.ask("/-/auth-start")).headers.get("location", "github.com/login")

    return GitHubAuth(app, client_id="x", client_secret="y", allow_users=["x"], require_auth=False), effect


@wrapper("asgi-idempotency-header")
def idempotency(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from idempotency_header_middleware import IdempotencyHeaderMiddleware
    from idempotency_header_middleware.backends import MemoryBackend

    calls: list[int] = []

    @ours.app.post("/pay")
    def pay() -> list[int]:
        calls.append(1)
        return calls

    async def effect(site: Site) -> None:
        key = {"idempotency-key": "2f4f6c4e-8b1c-4c5e-9a52-0b8c4d7f1a11", "content-type": "application/json"}
        answers = [(await site.ask("/pay", body=b"{}", headers=key)).json() for _ in range(2)]
        assert (answers, calls) == ([[1], [1]], [1])

    return IdempotencyHeaderMiddleware(app, backend=MemoryBackend()), effect


@wrapper("starlette.AuthenticationMiddleware")
def authentication(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
    from starlette.middleware.authentication import AuthenticationMiddleware

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> Any:
            return AuthCredentials(["in"]), SimpleUser("somebody")

    @ours.app.get("/who")
    def who(request: Request) -> str:
        return str(request.native["user"].display_name)

    async def effect(site: Site) -> None:
        assert (await site.ask("/who")).text == "somebody"

    return AuthenticationMiddleware(app, backend=Backend()), effect


@wrapper("starlette.BaseHTTPMiddleware")
def base_http(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from starlette.middleware.base import BaseHTTPMiddleware

    async def dispatch(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-dispatched"] = request.url.path
        return response

    async def effect(site: Site) -> None:
        assert (await site.ask("/hello")).headers["x-dispatched"] == "/hello"

    return BaseHTTPMiddleware(app, dispatch), effect


# --- what is put into the scope, or in front ---


@wrapper("asgi-htmx")
def htmx(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_htmx import HtmxMiddleware

    @ours.app.get("/htmx")
    def asked(request: Request) -> str:
        return str(bool(request.native["htmx"]))

    async def effect(site: Site) -> None:
        answers = [(await site.ask("/htmx", headers=fields)).text for fields in ({}, {"hx-request": "true"})]
        assert answers == ["False", "True"]

    return HtmxMiddleware(app), effect


@wrapper("asgi-user-agents")
def user_agents(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_user_agents import UAMiddleware

    @ours.app.get("/agent")
    def agent(request: Request) -> str:
        return str(request.native["ua"].browser.family)

    async def effect(site: Site) -> None:
        firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
        assert (await site.ask("/agent", headers={"user-agent": firefox})).text == "Firefox"

    return UAMiddleware(app), effect


@wrapper("asgi-babel")
def babel(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_babel import BabelMiddleware, current_locale

    ours.look = lambda: getattr(current_locale.get(), "language", None)

    async def effect(site: Site) -> None:
        assert (await site.ask("/context", headers={"accept-language": "fr"})).text == "fr"

    return BabelMiddleware(app, locales_dirs=[]), effect


@wrapper("asgi-tools")
def asgi_tools(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgi_tools.middleware import StaticFilesMiddleware

    async def effect(site: Site) -> None:
        assert (await site.ask("/files/ours.py")).body == (Path(__file__).parent / "ours.py").read_bytes()

    return StaticFilesMiddleware(app, url_prefix="/files", folders=[Path(__file__).parent]), effect


@wrapper("fastapi-events")
def fastapi_events(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from fastapi_events.dispatcher import dispatch
    from fastapi_events.handlers.base import BaseEventHandler
    from fastapi_events.middleware import EventHandlerASGIMiddleware

    seen: list[Any] = []

    class Handler(BaseEventHandler):
        async def handle(self, event: Any) -> None:
            seen.append(event)

    def ordered() -> str:
        dispatch("ordered", payload={"item": 7})
        return "ordered"

    ours.look = ordered

    async def effect(site: Site) -> None:
        assert [(await site.ask(path)).text for path in ("/context", "/context-async")] == ["ordered", "ordered"]
        await anyio.sleep(0)
        assert seen == [("ordered", {"item": 7})] * 2

    return EventHandlerASGIMiddleware(app, handlers=[Handler()]), effect


@wrapper("servestatic")
def servestatic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from servestatic import ServeStaticASGI

    async def effect(site: Site) -> None:
        assert (await site.ask("/static/ours.py")).body == (Path(__file__).parent / "ours.py").read_bytes()

    return ServeStaticASGI(app, root=str(Path(__file__).parent), prefix="static/"), effect


@wrapper("python-socketio")
def socketio(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import socketio

    async def effect(site: Site) -> None:
        answer = await site.ask("/socket.io/?EIO=4&transport=polling")
        assert answer.body[:1] == b"0"
        assert "websocket" in json.loads(answer.body[1:])["upgrades"]

    return socketio.ASGIApp(socketio.AsyncServer(async_mode="asgi", monitor_clients=False), app), effect


@wrapper("python-engineio")
def engineio(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import engineio

    async def effect(site: Site) -> None:
        assert (await site.ask("/engine.io/?EIO=4&transport=polling")).body[:1] == b"0"

    return engineio.ASGIApp(engineio.AsyncServer(async_mode="asgi"), app), effect


@wrapper("channels")
def channels(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from channels.routing import ProtocolTypeRouter

    return ProtocolTypeRouter({"http": app, "websocket": app, "lifespan": app}), unseen


@wrapper("asgiref.guarantee_single_callable")
def asgiref(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from asgiref.compatibility import guarantee_single_callable, is_double_callable

    async def effect(site: Site) -> None:
        assert not is_double_callable(app)

    return guarantee_single_callable(app), effect


# --- who reports errors ---


@wrapper("sentry-sdk")
def sentry(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

    from tests.interop.reporting import events_of_sentry

    async def effect(site: Site) -> None:
        for path in ("/boom", "/boom-def"):
            with events_of_sentry() as events:
                assert (await site.ask(path)).status == 500
            [event] = events
            assert event["exception"]["values"][-1]["type"] == "RuntimeError"
            assert event["request"]["url"].endswith(path)

    return SentryAsgiMiddleware(app), effect


@wrapper("rollbar")
def rollbar(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from rollbar.contrib.asgi import ReporterMiddleware

    return ReporterMiddleware(app), unseen


@wrapper("bugsnag")
def bugsnag(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from bugsnag.asgi import BugsnagMiddleware

    return BugsnagMiddleware(app), unseen


# --- what drives it ---


def test_asgi_lifespan_starts_and_stops_it() -> None:
    import httpx
    from asgi_lifespan import LifespanManager

    ours = Ours()

    async def main() -> None:
        async with LifespanManager(ours.app) as manager:
            assert ours.life == ["start"]
            async with httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://x") as client:
                assert (await client.get("/where/x")).json()["whose"] == "ours"

    anyio.run(main)
    assert ours.life == ["start", "stop"]


def test_starlettes_test_client_drives_it() -> None:
    from starlette.testclient import TestClient

    ours = Ours()
    with TestClient(ours.app) as client:
        assert client.get("/where/x").json()["whose"] == "ours"
        assert client.post("/upload", data={"title": "A"}, files={"file": ("f.txt", b"1234", "text/plain")}).json() == [
            "A", "f.txt", "text/plain", 4,
        ]  # fmt: skip
        with client.websocket_connect("/ws", subprotocols=["chat"]) as ws:
            assert ws.accepted_subprotocol == "chat"
            assert ws.receive_text() == "|/ws|ours"
            ws.send_text("bye")
            assert ws.receive()["code"] == 4001
    assert ours.life == ["start", "stop"]


def event_of(path: str) -> Any:
    """Make an event of an API Gateway, version 2."""
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9"}
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "q=%C3%A9", "cookies": ["seen=1"],
        "headers": {"host": "api.test", "x-forwarded-proto": "https", "x-forwarded-port": "443"}, "body": None,
        "isBase64Encoded": False, "requestContext": {"http": http, "stage": "$default"},
    }  # fmt: skip


@pytest.mark.parametrize("lifespan", ["auto", "off"])
def test_mangum_answers_an_event_of_an_api_gateway(lifespan: str, no_new_loop: None) -> None:
    from mangum import Mangum

    ours = Ours()
    answer = Mangum(ours.app, lifespan=lifespan)(event_of("/where/a b"), {})  # type: ignore[arg-type]
    assert answer["statusCode"] == 200
    found = json.loads(answer["body"])
    assert (found["rest"], found["query"], found["whose"]) == ("a b", "q=%C3%A9", "ours")
    assert found["url"].startswith("https://api.test/where/")
    cookie = Mangum(ours.app, lifespan=lifespan)(event_of("/cookie"), {})  # type: ignore[arg-type]
    assert (cookie["body"], [line[:7] for line in cookie["cookies"]]) == ("1", ["seen=1;", "other=2"])


def test_mangum_brings_a_body_that_no_field_tells_of(no_new_loop: None) -> None:
    from mangum import Mangum

    event = event_of("/echo")
    event["requestContext"]["http"]["method"] = "POST"
    event |= {"body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    answer = Mangum(Ours().app, lifespan="off")(event, {})  # type: ignore[arg-type]
    assert (answer["isBase64Encoded"], base64.b64decode(answer["body"])) == (True, b"\x00\xff")


def test_the_communicators_of_channels_drive_it() -> None:
    from channels.testing import HttpCommunicator, WebsocketCommunicator

    ours = Ours()

    async def main() -> None:
        answer = await HttpCommunicator(ours.app, "POST", "/echo", body=b"abc").get_response()
        assert (answer["status"], answer["body"]) == (200, b"abc")
        ws = WebsocketCommunicator(ours.app, "/ws", subprotocols=["chat"])
        assert await ws.connect() == (True, "chat")
        assert await ws.receive_from() == "|/ws|ours"
        await ws.send_to(bytes_data=b"bytes")
        assert await ws.receive_from() == b"bytes"
        await ws.disconnect()
        assert (await WebsocketCommunicator(ours.app, "/nowhere").connect())[0] is False

    asyncio.run(main())


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_what_lifts_a_wsgi_application_lifts_it(server: str) -> None:
    if server == "uvicorn":
        from uvicorn.middleware.wsgi import WSGIMiddleware as Lift
    else:
        from hypercorn.middleware import AsyncioWSGIMiddleware as Lift  # type: ignore[assignment]
    ours = Ours()
    ours.gate.set()

    async def main() -> None:
        site = Site(Lift(ours.app))  # type: ignore[arg-type]
        assert (await site.ask("/echo", body=b"z" * 60_000)).body == b"z" * 60_000
        assert [(await site.ask(path)).body for path in ("/stream", "/stream-async")] == [b"a\nb\n"] * 2

    with in_process(ours.app):
        asyncio.run(main())


@pytest.fixture
def no_new_loop() -> Any:
    """Give the thread a loop of its own and take it away: Mangum asks for the current one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.set_event_loop(None)


def test_hypercorns_dispatcher_leads_to_it_below_a_prefix() -> None:
    from hypercorn.middleware.dispatcher import AsyncioDispatcherMiddleware

    ours, other = Ours(), Ours("other")

    async def main() -> None:
        async with serving(AsyncioDispatcherMiddleware({"/in": ours.app, "": other.app})) as site:
            assert (await site.ask("/in/hello")).text == "hello"
            assert (await site.ask("/where/x")).json()["whose"] == "other"

    anyio.run(main)
    assert (ours.life, other.life) == (["start", "stop"], ["start", "stop"])


def test_it_becomes_a_wsgi_application_by_a2wsgi() -> None:
    """Though it is one: what stands around one side may need it."""
    from a2wsgi import ASGIMiddleware

    ours = Ours()
    with loop_of_its_own() as loop:
        assert ask_wsgi(ASGIMiddleware(ours.app, loop=loop), "/where/x").json()["whose"] == "ours"
