"""WSGI middlewares of other people around the application: each does its work, and lets everything else pass.

Around `app` itself, and assigned to `app.wsgi`. Streams are watched item by item, and the lifespan runs.
"""

import gzip
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambi.gunicorn import find_app
from tests.interop.drivers import HOST, ask_wsgi, in_process
from tests.interop.ours import TEXT, Ours
from tests.interop.passing import check_wsgi
from tests.interop.reporting import events_of_sentry
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

pytestmark = [
    *QUIET,
    # Werkzeug's lint misses the body where the answer to a HEAD says how long that of a GET would be.
    pytest.mark.filterwarnings("ignore:Content-Length and the number of bytes sent"),
]

Ask = Callable[..., Any]
Effect = Callable[[Ask], None]

HERE = Path(__file__).parent
WRAPPERS = Wrappers()
wrapper = WRAPPERS.note
COLLECTING = {"werkzeug.ProfilerMiddleware"}
"""Those that hold a stream back until it is whole, whatever makes it."""
HIDING = {"newrelic", "webob"}
"""Those that do not tell what they wrap, so that the gunicorn hook does not find the application."""


@pytest.fixture(scope="session")
def multiprocessing_has_its_heap() -> None:
    """Make what values of processes are kept in, once for all of a process: Werkzeug's debugger has one."""
    multiprocessing.Value("i")


@pytest.mark.parametrize("side", ways("wsgi"))
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_does_its_work_and_lets_everything_else_pass(
    name: str, side: str, multiprocessing_has_its_heap: None
) -> None:
    ours = Ours()
    served, effect = WRAPPERS.put(name, ours, side)
    with in_process(ours.app):
        effect(lambda *args, **options: ask_wsgi(served, *args, **options))
        check_wsgi(served, ours, streams=name not in COLLECTING)
    assert ours.life == ["start", "stop"]


def unseen(ask: Ask) -> None:
    """Be the effect of a wrapper whose work shows nowhere here: it answers."""
    assert ask("/hello").text == "hello"


# --- files in front ---


@wrapper("whitenoise")
def whitenoise(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from whitenoise import WhiteNoise

    def effect(ask: Ask) -> None:
        assert ask("/static/ours.py").body == (HERE / "ours.py").read_bytes()
        part = ask("/static/ours.py", headers={"range": "bytes=0-4"})
        assert (part.status, part.body) == (206, (HERE / "ours.py").read_bytes()[:5])

    return WhiteNoise(app, root=str(HERE), prefix="static/"), effect


@wrapper("servestatic")
def servestatic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from servestatic import ServeStatic

    def effect(ask: Ask) -> None:
        assert ask("/static/ours.py").body == (HERE / "ours.py").read_bytes()

    return ServeStatic(app, root=str(HERE), prefix="static/"), effect


@wrapper("werkzeug.SharedDataMiddleware")
def shared_data(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from werkzeug.middleware.shared_data import SharedDataMiddleware

    def effect(ask: Ask) -> None:
        assert ask("/static/ours.py").body == (HERE / "ours.py").read_bytes()

    return SharedDataMiddleware(app, {"/static": str(HERE)}), effect


# --- proxies, prefixes ---


@wrapper("werkzeug.ProxyFix")
def proxy_fix(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from werkzeug.middleware.proxy_fix import ProxyFix

    def effect(ask: Ask) -> None:
        told = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.test", "x-forwarded-prefix": "/pre"}
        where = ask("/where/x", headers=told).json()
        assert where["url"] == "https://shop.test/pre/where/x"
        assert (where["root"], where["path"], where["link"]) == ("/pre", "/where/x", "/pre/where/%C3%A4%20b")

    return ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1), effect


@wrapper("werkzeug.DispatcherMiddleware and prometheus-client")
def dispatcher(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from prometheus_client import CollectorRegistry, Counter, make_wsgi_app
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    registry = CollectorRegistry()
    Counter("orders", "How many.", registry=registry).inc()

    def effect(ask: Ask) -> None:
        assert "orders_total 1.0" in ask("/metrics").text

    return DispatcherMiddleware(app, {"/metrics": make_wsgi_app(registry)}), effect


# --- judging, tracing, measuring ---


@wrapper("werkzeug.LintMiddleware")
def lint(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from werkzeug.middleware.lint import LintMiddleware

    def effect(ask: Ask) -> None:
        assert ask("/hello").text == "hello"  # a warning would fail

    return LintMiddleware(app), effect


@wrapper("werkzeug.ProfilerMiddleware")
def profiler(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import io

    from werkzeug.middleware.profiler import ProfilerMiddleware

    report = io.StringIO()

    def effect(ask: Ask) -> None:
        ask("/hello")
        assert "PATH: '/hello'" in report.getvalue()

    return ProfilerMiddleware(app, stream=report), effect


@wrapper("werkzeug.DebuggedApplication")
def debugged(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from werkzeug.debug import DebuggedApplication

    def effect(ask: Ask) -> None:
        # Nothing to debug: the application answers errors by itself.
        assert ask("/boom").headers["content-type"] == "application/problem+json"

    return DebuggedApplication(app), effect


@wrapper("opentelemetry-instrumentation-wsgi")
def opentelemetry(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    provider, exporter = traced(ours)

    def effect(ask: Ask) -> None:
        here = [ask(path).text for path in ("/context", "/context-async", "/nowhere")]
        spans = exporter.get_finished_spans()
        assert [span.attributes.get("http.status_code") for span in spans] == [200, 200, 404]
        assert [str(span.context.trace_id) for span in spans[:2]] == here[:2]

    return OpenTelemetryMiddleware(app, tracer_provider=provider), effect


@wrapper("elastic-apm")
def elastic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from elasticapm.middleware import ElasticAPM

    return ElasticAPM(app, client_of_elastic()), unseen


@wrapper("newrelic")
def newrelic(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import newrelic.agent

    ours.look = newrelic.agent.current_transaction

    def effect(ask: Ask) -> None:
        # Without a licence key no transaction is made; the wrapper is passed all the same.
        assert ask("/context").text == "None"

    return newrelic.agent.WSGIApplicationWrapper(app), effect


@wrapper("paste.translogger")
def translogger(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from paste.translogger import TransLogger

    lines, logger = logger_of_lines("interop.wsgi")

    def effect(ask: Ask) -> None:
        ask("/teapot")
        assert '"GET /teapot HTTP/1.1" 418' in lines[-1]

    return TransLogger(app, logger=logger, setup_console_handler=False), effect


# --- header fields, sessions, guards ---


@wrapper("secure")
def secure(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from secure import Secure
    from secure.middleware import SecureWSGIMiddleware

    def effect(ask: Ask) -> None:
        assert "strict-transport-security" in ask("/hello").headers

    return SecureWSGIMiddleware(app, secure=Secure.with_default_headers()), effect


@wrapper("wsgicors")
def cors(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from wsgicors import CORS

    def effect(ask: Ask) -> None:
        answer = ask("/hello", headers={"origin": "https://a.test"})
        assert answer.headers["access-control-allow-origin"] in ("*", "https://a.test")

    return CORS(app, headers="*", methods="*", origin="*"), effect


@wrapper("beaker")
def beaker(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from beaker.middleware import SessionMiddleware

    count_in_session(ours, "beaker.session")

    def effect(ask: Ask) -> None:
        first = ask("/session")
        second = ask("/session-async", headers=session_cookie(first))
        assert (first.text, second.text) == ("1", "2")

    return SessionMiddleware(app, {"session.type": "memory", "session.auto": True}), effect


@wrapper("wsgi-basic-auth")
def basic_auth(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from wsgi_basic_auth import BasicAuth

    def effect(ask: Ask) -> None:
        assert ask("/secret").status == 401

    return BasicAuth(app, users={"a": "b"}, include_paths=["/secret"]), effect


@wrapper("repoze.who")
def who(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from repoze.who.classifiers import default_challenge_decider, default_request_classifier
    from repoze.who.middleware import PluggableAuthenticationMiddleware
    from repoze.who.plugins.basicauth import BasicAuthPlugin

    @ours.app.get("/secret")
    def secret() -> tuple[str, int]:
        return "who are you?", 401

    def effect(ask: Ask) -> None:
        answer = ask("/secret")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="here"')

    basic = BasicAuthPlugin("here")
    plugins: tuple[Any, ...] = ([("basic", basic)], [], [("basic", basic)], [])
    return PluggableAuthenticationMiddleware(
        app, *plugins, default_request_classifier, default_challenge_decider
    ), effect  # fmt: skip


@wrapper("webob")
def webob(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from webob.dec import wsgify

    @wsgify.middleware
    def marking(request: Any, inner: Any) -> Any:
        response = request.get_response(inner)
        response.headers["x-marked"] = request.path
        return response

    def effect(ask: Ask) -> None:
        assert ask("/hello").headers["x-marked"] == "/hello"

    return marking(app), effect


@wrapper("paste.gzipper")
def gzipper(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from paste.gzipper import middleware

    def effect(ask: Ask) -> None:
        answer = ask("/text", headers={"accept-encoding": "gzip"})
        assert gzip.decompress(answer.body).decode() == TEXT

    return middleware(app), effect


# --- real time ---


@wrapper("python-socketio")
def socketio(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import socketio

    def effect(ask: Ask) -> None:
        answer = ask("/socket.io/?EIO=4&transport=polling")
        assert json.loads(answer.body[1:])["pingInterval"] == 25000

    return socketio.WSGIApp(socketio.Server(async_mode="threading", monitor_clients=False), app), effect


@wrapper("python-engineio")
def engineio(app: Any, ours: Ours) -> tuple[Any, Effect]:
    import engineio

    def effect(ask: Ask) -> None:
        assert ask("/engine.io/?EIO=4&transport=polling").body[:1] == b"0"

    return engineio.WSGIApp(engineio.Server(async_mode="threading"), app), effect


# --- who reports errors ---


@wrapper("sentry-sdk")
def sentry(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    def effect(ask: Ask) -> None:
        for path in ("/boom", "/boom-def"):
            with events_of_sentry() as events:
                assert ask(path).status == 500
            [event] = events
            assert event["exception"]["values"][-1]["type"] == "RuntimeError"
            assert event["request"]["url"] == f"http://{HOST}{path}"

    return SentryWsgiMiddleware(app), effect


@wrapper("bugsnag")
def bugsnag(app: Any, ours: Ours) -> tuple[Any, Effect]:
    from bugsnag.wsgi.middleware import BugsnagMiddleware

    return BugsnagMiddleware(app), unseen


# --- what drives it, and what looks into it ---


@pytest.mark.parametrize("name", sorted(WRAPPERS.keys() - HIDING))
def test_the_hook_of_gunicorn_finds_the_application_in_a_wrapper(name: str) -> None:
    ours = Ours()
    assert find_app(WRAPPERS[name](ours.app, ours)[0]) is ours.app


def gateway_event(path: str) -> dict[str, Any]:
    """Make an event of an API Gateway, version 1."""
    return {
        "version": "1.0", "resource": "/{proxy+}", "path": path, "httpMethod": "GET", "headers": {"Host": HOST},
        "multiValueHeaders": {"Host": [HOST]}, "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "p", "httpMethod": "GET", "path": path, "identity": {"sourceIp": "203.0.113.9"}},
        "body": None, "isBase64Encoded": False,
    }  # fmt: skip


def test_apig_wsgi_and_serverless_wsgi_answer_an_event_of_an_api_gateway() -> None:
    import serverless_wsgi
    from apig_wsgi import make_lambda_handler

    ours = Ours()
    with in_process(ours.app):
        first = make_lambda_handler(ours.app)(gateway_event("/where/x"), None)
        second = serverless_wsgi.handle_request(ours.app, gateway_event("/where/x"), None)
    for answer in (first, second):
        assert (answer["statusCode"], json.loads(answer["body"])["whose"]) == (200, "ours")


def test_webtest_and_requests_drive_it_in_process() -> None:
    import requests
    import webtest
    import wsgi_intercept
    from wsgi_intercept import requests_intercept

    ours = Ours()
    client = webtest.TestApp(ours.app)
    requests_intercept.install()
    wsgi_intercept.add_wsgi_intercept("ours.test", 80, lambda: ours.app)
    try:
        with in_process(ours.app):
            form = client.post("/upload", {"title": "A"}, upload_files=[("file", "f.txt", b"1234", "text/plain")])
            assert form.json == ["A", "f.txt", "text/plain", 4]
            assert requests.get("http://ours.test/where/x", timeout=5).json()["whose"] == "ours"
    finally:
        wsgi_intercept.remove_wsgi_intercept("ours.test", 80)
        requests_intercept.uninstall()


@pytest.fixture(scope="session")
def asgiref_has_its_thread() -> None:
    """Start the thread that asgiref starts once for all of a process."""
    from asgiref.sync import SyncToAsync

    SyncToAsync.single_thread_executor.submit(int).result()


def test_asgiref_lifts_its_wsgi_side(asgiref_has_its_thread: None) -> None:
    """Though it is an ASGI application: what stands around one side may need it."""
    import anyio
    from asgiref.wsgi import WsgiToAsgi

    from tests.interop.drivers import Site

    ours = Ours()

    async def main() -> None:
        site = Site(WsgiToAsgi(ours.app))
        assert (await site.ask("/where/x")).json()["whose"] == "ours"
        ours.gate.set()
        assert (await site.ask("/stream-async")).body == b"a\nb\n"

    with in_process(ours.app):
        anyio.run(main)
