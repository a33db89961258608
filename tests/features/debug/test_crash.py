"""What is shown of a crash: in three forms, on both gateways, and whose answer it takes the place of."""

import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from ambi import App, HTTPError, Middleware, Request, Response, Router, Stream, Text
from ambi.features import debug
from ambi.testing import Client
from tests.cells import Cell, Gateway
from tests.conftest import MakeClient

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"accept": "application/json"}
FORMS = {"text/html": HTML, "text/plain": {"accept": "*/*"}, "application/problem+json": JSON}


@pytest.fixture
def app() -> App:
    return App(debug=True)


def price_of(item: str) -> int:
    prices = {"tea": 3}
    return prices[item]


def fail(id: int = 5) -> str:
    try:
        price_of("milk")
    except KeyError as exc:
        raise ValueError(f"no price in <order> {id}") from exc
    return "never"


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_a_browser_gets_a_page(app: App, client: Client, cell: Cell) -> None:
    app.get("/orders/{id}")(cell.handler(fail))
    response = client.get("/orders/7", headers=HTML)
    assert response.status_code == 500
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    text = response.text
    assert "<h1><small>500 Internal Server Error</small>ValueError</h1>" in text
    assert "no price in &lt;order&gt; 7" in text
    assert "It was raised from this exception, its direct cause:" in text
    assert "<h3>KeyError</h3>" in text
    assert f'class="failing" aria-current="true"><b>{price_of.__code__.co_firstlineno + 2}</b>' in text
    assert "<mark>prices[item]</mark>" in text
    assert '<th scope="row">prices</th><td>{&#x27;tea&#x27;: 3}</td>' in text
    assert "test_crash.py:" in text


def test_the_page_loads_and_runs_nothing(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(fail))
    response = client.get("/", headers=HTML)
    policy = response.headers["content-security-policy"]
    nonce = re.search(r"style-src 'nonce-([\w-]{16,})'", policy)
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in response.text
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    page = Page(response.text)
    assert not {"script", "img", "iframe", "form", "object"}.intersection(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert {value for name, value in page.attributes if name == "href" and str(value)[:1] != "#"} == {"data:,"}


@pytest.mark.parametrize("kind", FORMS)
def test_nobody_keeps_it(app: App, client: Client, cell: Cell, kind: str) -> None:
    app.get("/")(cell.handler(fail))
    headers = client.get("/", headers=FORMS[kind]).headers
    assert headers["content-type"].partition(";")[0] == kind
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["vary"] == "accept"


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "image/png"])
def test_a_terminal_gets_text_whose_end_matters_most(app: App, client: Client, cell: Cell, accept: str | None) -> None:
    app.get("/orders/{id}")(cell.handler(fail))
    response = client.get("/orders/7", headers={} if accept is None else {"accept": accept})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    lines = response.text.splitlines()
    assert lines[0] == "500 Internal Server Error"
    assert lines[-3] == "ValueError: no price in <order> 7"
    assert lines[-1].startswith("GET /orders/7 in ")
    assert "The exception above was the direct cause of this one:" in lines
    at = lines.index("KeyError: 'milk'")
    assert any(line.strip() == "item = 'milk'" for line in lines[:at])
    assert any(re.fullmatch(r"    > +\d+      return prices\[item\]", line) for line in lines[:at])


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
def test_a_program_gets_a_problem_document(app: App, client: Client, cell: Cell, accept: str) -> None:
    app.get("/orders/{id}", name="order")(cell.handler(fail))
    response = client.get("/orders/7?page=2&page=3&x=1", headers={"accept": accept})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {name: problem[name] for name in ("type", "title", "status", "detail")} == {
        "type": "about:blank", "title": "Internal Server Error", "status": 500,
        "detail": "ValueError: no price in <order> 7",
    }  # fmt: skip
    told = problem["debug"]
    assert told["exception"]["type"] == "ValueError"
    assert told["exception"]["cause"]["type"] == "KeyError"
    last = told["exception"]["cause"]["frames"][-1]
    assert (last["function"], last["of"], last["source"]) == ("price_of", "user", "return prices[item]")
    assert last["locals"] == {"item": "'milk'", "prices": "{'tea': 3}"}
    assert told["request"]["URL"] == "http://localhost/orders/7?page=2&page=3&x=1"
    assert told["query"] == {"page": ["2", "3"], "x": "1"}
    assert told["path_parameters"] == {"id": "7"}
    assert told["plan"]["route"] == "GET /orders/{id}  named order"
    assert told["server"]["gateway"] == cell.gateway.upper()


def test_the_plan_is_shown_as_it_is_on_this_gateway(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def counted(request: Request) -> Middleware:
        yield

    @app.middleware(blocking=True)
    def waiting(request: Request) -> Middleware:
        yield

    app.get("/")(cell.handler(fail))
    plan = client.get("/", headers=JSON).json()["debug"]["plan"]
    assert plan["layer 1"].endswith("generator")
    assert ".counted  tests/features/debug/test_crash.py:" in plan["layer 1"]
    assert plan["layer 2"].endswith("blocking")
    handler = "async def" if cell.is_async else "def"
    assert plan["handler"].startswith("fail  tests/features/debug/test_crash.py:")
    assert plan["handler"].endswith(f"  {handler}")
    crossings = {("wsgi", False): 0, ("wsgi", True): 1, ("asgi", False): 1, ("asgi", True): 2}
    assert plan["crossings"] == f"{crossings[cell.gateway, cell.is_async]} under {cell.gateway.upper()}"
    assert plan["way in"].startswith("thread: " if cell.gateway == "wsgi" else "event loop: ")


def test_a_handler_that_never_blocks_is_said_to(app: App, client: Client) -> None:
    app.get("/", blocking=False)(fail)
    assert client.get("/", headers=JSON).json()["debug"]["plan"]["handler"].endswith("  def, which does not block")


def test_a_head_has_the_fields_alone(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(fail))
    response = client.head("/", headers=HTML)
    assert (response.status_code, response.content) == (500, b"")
    assert int(response.headers["content-length"]) > 1000


def test_callbacks_on_the_response_see_it(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def marked(request: Request) -> Middleware:
        request.on_response(lambda response: response.headers.update({"x-mark": "yes"}))
        yield

    app.security()
    app.get("/")(cell.handler(fail))
    headers = client.get("/", headers=HTML).headers
    assert headers["x-mark"] == "yes"
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'nonce-")
    assert headers["referrer-policy"] == "no-referrer"


def test_off_by_default(client: Client, cell: Cell, make_client: MakeClient) -> None:
    app = App()
    app.get("/")(cell.handler(fail))
    response = make_client(app).get("/", headers=HTML)
    assert "ValueError" not in response.text
    assert "content-security-policy" not in response.headers


def test_it_is_turned_on_and_off_while_the_application_serves(client: Client, cell: Cell, app: App) -> None:
    app.get("/")(cell.handler(fail))
    for is_on in (False, True, False):
        app.debug = is_on
        assert ("ValueError" in client.get("/").text) is is_on


def test_each_mounted_application_has_its_own_flag(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(debug=True), App()
    outer.mount("/in", inner)
    outer.middleware(passing)
    outer.get("/")(cell.handler(fail))
    inner.get("/")(cell.handler(fail))
    client = make_client(outer)
    assert "ValueError" in client.get("/").text
    assert "ValueError" not in client.get("/in/").text
    inner.debug, outer.debug = True, False
    assert "ValueError" not in client.get("/").text
    plan = client.get("/in/", headers=JSON).json()["debug"]["plan"]
    assert [name for name in plan if name.startswith("layer")] == ["layer 2"]
    assert plan["layer 2"].startswith("passing  ")


def passing(request: Request) -> Middleware:
    yield


def test_it_takes_the_place_of_handlers_for_whatever_crashes(app: App, client: Client, cell: Cell) -> None:
    @app.error(Exception)
    def sorry() -> str:
        return "sorry"

    app.get("/")(cell.handler(fail))
    assert "ValueError: no price" in client.get("/").text
    app.debug = False
    assert client.get("/").text == "sorry"


def test_handlers_for_an_exception_of_its_own_kind_come_first(app: App, client: Client, cell: Cell) -> None:
    @app.error(ValueError)
    def known(request: Request) -> str:
        return "known"

    app.get("/")(cell.handler(fail))
    assert (client.get("/").status_code, client.get("/").text) == (500, "known")


def test_an_answer_of_a_handler_stays_what_it_is(app: App, client: Client, cell: Cell) -> None:
    def refuse(status: int) -> None:
        raise HTTPError(status, "on purpose")

    app.get("/{status}")(cell.handler(refuse))
    for status in (403, 404, 405, 503):
        response = client.get(f"/{status}")
        assert (response.status_code, response.json()["detail"]) == (status, "on purpose")


def test_an_error_handler_that_crashes_is_shown_with_what_it_handled(app: App, client: Client, cell: Cell) -> None:
    @app.error(ValueError)
    def broken() -> str:
        raise LookupError("broken handler")

    app.get("/")(cell.handler(fail))
    told = client.get("/", headers=JSON).json()["debug"]["exception"]
    assert told["type"] == "LookupError"
    assert told["context"]["type"] == "ValueError"
    assert told["context"]["cause"]["type"] == "KeyError"


def test_a_stream_that_fails_before_its_first_item_is_shown(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[bytes]:
        if price_of("milk"):
            yield b"never"

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    told = client.get("/", headers=JSON).json()["debug"]
    assert told["exception"]["type"] == "KeyError"
    assert told["exception"]["frames"][-1]["function"] == "price_of"
    assert told["plan"]["route"].startswith("GET /")


def test_a_stream_that_has_begun_is_cut_as_ever(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[bytes]:
        yield b"begun"
        price_of("milk")

    app.get("/")(cell.handler(lambda: Stream(cell.handler(items)())))
    received = b""
    with pytest.raises(KeyError), client.stream("GET", "/") as response:
        assert response.status_code == 200
        for chunk in response.iter_bytes():
            received += chunk
    assert received == b"begun"


def test_a_layer_that_crashes_is_open_and_one_that_passes_it_on_is_not(app: App, client: Client, cell: Cell) -> None:
    app.middleware(passing)

    @app.middleware
    def crashing(request: Request) -> Middleware:
        yield
        price_of("milk")

    app.get("/")(cell.handler(lambda: "fine"))
    text = client.get("/", headers=HTML).text
    opened = re.findall(
        r'<details class="frame user"( open)?><summary><code>[^<]*</code> in <code>([^<]*)</code>', text
    )
    names = {name.rpartition(".")[2]: bool(is_open) for is_open, name in opened}
    assert names == {"passing": False, "crashing": True, "price_of": True}
    assert re.search(r"\d frames of <code>ambi</code>, <code>passing</code>", text)


def test_the_request_is_told_of(app: App, client: Client, cell: Cell) -> None:
    app.request_ids()
    app.post("/send")(cell.handler(lambda: fail()))
    headers = {**JSON, "x-shown": "<b>", "x-api-key": "k-123456789"}
    form, cookies = {"name": "Ada", "password": "pw-123456"}, {"theme": "dark", "none": ""}
    told = client.post("/send", data=form, headers=headers, cookies=cookies).json()["debug"]
    assert told["request"]["method"] == "POST"
    assert told["request"]["client"] == "127.0.0.1"
    assert told["request"]["body"] == "27 bytes, application/x-www-form-urlencoded"
    assert told["request"]["request id"]
    assert told["form"] == {"name": "Ada", "password": "••••••"}
    assert told["cookies"] == {"theme": "••••••", "none": ""}
    assert told["header_fields"]["x-shown"] == "<b>"
    assert told["header_fields"]["x-api-key"] == "••••••"
    assert told["header_fields"]["cookie"] == "••••••"


def test_files_of_a_form_are_told_of_by_name_and_size(app: App, client: Client, cell: Cell) -> None:
    app.post("/send")(cell.handler(lambda: fail()))
    files = {"picture": ("a.png", b"12345", "image/png")}
    told = client.post("/send", data={"note": "hi"}, files=files, headers=JSON).json()["debug"]
    assert told["form"] == {"note": "hi", "picture": "a file, 'a.png', 5 bytes"}
    assert told["request"]["body"] == "a form, multipart/form-data"


def test_what_cannot_be_read_of_a_request_does_not_hide_the_crash(app: App, client: Client, cell: Cell) -> None:
    app.post("/send")(cell.handler(lambda: fail()))
    many = "&".join(f"a{n}=1" for n in range(1100))
    form = {"content-type": "application/x-www-form-urlencoded", **JSON}
    told = client.post(f"/send?{many}", content=many, headers=form).json()["debug"]
    assert told["query"] == {"(not read)": "400 Bad Request: the query has more than 1000 arguments"} or (
        "(not read)" in told["query"]
    )
    assert "(not read)" in told["form"]


def test_a_body_that_no_one_has_read_is_said_to_be_so(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def crashing(request: Request) -> Middleware:
        price_of("milk")
        yield

    app.post("/send")(cell.handler(lambda: "never"))
    told = client.post("/send", content=b"12345", headers=JSON).json()["debug"]
    assert told["request"]["body"] == "not read, no content type"


def test_groups_are_shown_with_their_members(app: App, client: Client, cell: Cell) -> None:
    def several() -> None:
        group = ExceptionGroup("inner", [KeyError("b")])
        error = ExceptionGroup("several", [ValueError("a"), group])
        error.add_note("while <cleaning>")
        raise error

    app.get("/")(cell.handler(several))
    told = client.get("/", headers=JSON).json()["debug"]["exception"]
    assert told["message"] == "several (2 sub-exceptions)"
    assert told["notes"] == ["while <cleaning>"]
    assert [member["type"] for member in told["exceptions"]] == ["ValueError", "ExceptionGroup"]
    assert told["exceptions"][1]["exceptions"][0]["message"] == "'b'"
    text = client.get("/").text
    assert "  | member 2 of 2" in text
    assert "  |   | KeyError: 'b'" in text
    page = client.get("/", headers=HTML).text
    assert "Exception 2 of the group" in page
    assert "while &lt;cleaning&gt;" in page


def test_of_a_large_group_the_first_members_are_shown(app: App, client: Client, cell: Cell) -> None:
    def many() -> None:
        raise ExceptionGroup("many", [ExceptionGroup("several", [ValueError(n) for n in range(9)]) for _ in range(9)])

    app.get("/")(cell.handler(many))
    told = client.get("/", headers=JSON).json()["debug"]["exception"]
    assert len(told["exceptions"]) == 2
    assert told["notes"] == ["(7 of 9 members are not shown)"]


def test_notes_that_are_none_are_left_out(app: App, client: Client, cell: Cell) -> None:
    def odd() -> None:
        error = ValueError("odd")
        error.__notes__ = 5  # type: ignore[assignment]
        raise error

    app.get("/")(cell.handler(odd))
    assert "notes" not in client.get("/", headers=JSON).json()["debug"]["exception"]


def test_a_context_is_told_from_a_cause_and_a_suppressed_one_is_not_shown(app: App, client: Client, cell: Cell) -> None:
    def handled(how: str) -> None:
        try:
            price_of("milk")
        except KeyError:
            if how == "plain":
                raise ValueError("after")  # noqa: B904  # the context is what is tested
            raise ValueError("after") from None

    app.get("/{how}")(cell.handler(handled))
    text = client.get("/plain").text
    assert "While the exception above was handled, this one was raised:" in text
    assert "KeyError" not in client.get("/none", headers=JSON).json()["debug"]["exception"]


def test_a_chain_that_leads_back_to_itself_ends(app: App, client: Client, cell: Cell) -> None:
    def circle() -> None:
        first, second = ValueError("first"), KeyError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    app.get("/")(cell.handler(circle))
    told = client.get("/", headers=JSON).json()["debug"]["exception"]
    assert told["cause"]["type"] == "KeyError"
    assert "cause" not in told["cause"]


def test_of_a_recursion_the_first_and_the_last_frames_are_shown(app: App, client: Client, cell: Cell) -> None:
    def deeper(depth: int) -> int:
        return deeper(depth + 1) if depth < 200 else price_of("milk")

    app.get("/")(cell.handler(lambda: deeper(0)))
    told = client.get("/", headers=JSON).json()["debug"]["exception"]
    assert len(told["frames"]) == 40
    assert told["frames_left_out"] > 150
    assert told["frames"][-1]["function"] == "price_of"
    assert f"... {told['frames_left_out']:,} frames left out ..." in client.get("/").text
    page = client.get("/", headers=HTML).text
    assert f"{told['frames_left_out']:,} frames are left out" in page
    assert page.count('<details class="frame user" open>') == 3


def test_everything_shown_is_escaped(app: App, client: Client, cell: Cell) -> None:
    planted = "<script>alert('\"&\u202e\x00</script>"

    class Odd:
        def __repr__(self) -> str:
            return planted

    def odd(request: Request) -> None:
        odd_one, text = Odd(), planted
        error = type("</h1><script>", (Exception,), {})(planted, odd_one, text)
        error.add_note(planted)
        raise error

    app.get("/{rest:path}")(odd if not cell.is_async else cell.pick(odd, wrapped(odd)))
    target = "/%3Cscript%3E?%3Cscript%3E=%3Cscript%3E"
    response = client.get(target, headers={**HTML, "x-script": "<script>", "cookie": "<script>=1"})
    assert response.status_code == 500
    assert "script" not in Page(response.text).tags
    assert "<script>" not in response.text
    assert response.text.count("&lt;script&gt;") > 10
    assert client.get(target).status_code == client.get(target, headers=JSON).status_code == 500


def wrapped(function: Any) -> Any:
    async def handler(request: Request) -> None:
        function(request)

    return handler


def test_text_that_is_no_text_is_sent_all_the_same(app: App, client: Client, cell: Cell) -> None:
    def surrogates() -> None:
        raise ValueError("lone \ud800 one\r\nsecond line")

    app.get("/")(cell.handler(surrogates))
    for accept in FORMS.values():
        assert "second line" in client.get("/", headers=accept).text


def test_what_a_terminal_shows_moves_no_cursor(app: App, client: Client, cell: Cell) -> None:
    def crash(name: str) -> None:
        raise ValueError(f"\x1b[2J{name}\u202e\ttab\x9b")

    app.get("/{name}")(cell.handler(crash))
    text = client.get("/%1B%5D0;x").text
    assert "ValueError: \\x1b[2J\\x1b]0;x\\u202e\ttab\\x9b\n" in text
    assert not {"\x1b", "\u202e", "\x9b"} & set(text)


def test_both_gateways_say_the_same_but_for_their_names() -> None:
    for colour in ("def", "async def"):
        app = App(debug=True)
        app.middleware(passing)

        @app.middleware
        async def awaiting(request: Request, call_next: Any) -> Response:
            return await call_next(request)

        app.get("/orders/{id}")(fail if colour == "def" else async_fail)
        named = {"x-request-id": "abc"}
        gateways: tuple[Gateway, ...] = ("wsgi", "asgi")
        clients = [Client(app, gateway, raise_server_exceptions=False, headers=named) for gateway in gateways]
        answers = [
            [client.get("/orders/7?a=1", headers=accept) for accept in FORMS.values()] for client in clients
        ]  # fmt: skip
        for one, other in zip(*answers, strict=True):
            assert without_gateway(one.text) == without_gateway(other.text)
            skipped = ("content-length", "content-security-policy")
            fields = [{n: v for n, v in answer.headers.items() if n not in skipped} for answer in (one, other)]
            assert fields[0] == fields[1]


async def async_fail(id: int) -> str:
    return fail(id)


def without_gateway(text: str) -> str:
    text = re.sub(r'nonce(-|=")[\w-]+', "", text).replace("WSGI", "").replace("ASGI", "")
    return re.sub(r"way in.*|crossings.*|<tr><th[^>]*>(way in|crossings)<.*?</tr>|\"server\": \"unknown\",", "", text)


def test_a_report_that_cannot_be_made_is_logged_and_the_plain_answer_sent(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("the reporter itself")

    monkeypatch.setattr(debug, "show_failure", broken)
    monkeypatch.setattr(debug, "show_miss", broken)
    app.get("/")(cell.handler(fail))
    app.get("/stream")(cell.handler(lambda: Stream(map(price_of, ["milk"]))))
    for path, status in (("/", 500), ("/stream", 500), ("/missing", 404)):
        caplog.clear()
        response = client.get(path)
        assert (response.status_code, response.json()["status"]) == (status, status)
        assert "the debug page was not made" in [record.getMessage() for record in caplog.records]


def test_no_thread_for_it_leaves_the_plain_answer(caplog: pytest.LogCaptureFixture) -> None:
    # Only an async handler under ASGI needs one: elsewhere the request is on a thread already.
    import anyio

    from ambi import Limits
    from ambi.testing import AsyncClient

    app = App(debug=True, limits=Limits(threads=1, queue_timeout_s=0.05))
    release = []

    @app.get("/held")
    def held() -> str:
        import time

        while not release:
            time.sleep(0.005)
        return "held"

    @app.get("/")
    async def crashing() -> str:
        return fail()

    async def main() -> None:
        async with AsyncClient(app, raise_server_exceptions=False) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.get, "/held")
            await anyio.sleep(0.02)
            response = await client.get("/")
            release.append(True)
            assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}

    anyio.run(main)
    assert "there was no thread to make the debug page on" in [record.getMessage() for record in caplog.records]


def test_a_websocket_that_crashes_is_closed_as_ever(app: App, make_client: MakeClient) -> None:
    from ambi import WebSocket
    from ambi.testing import WebSocketRefused

    @app.websocket("/talk")
    async def talk(ws: WebSocket) -> None:
        price_of("milk")

    client = make_client(app, judged=False)  # the judge of ASGI knows no WebSockets
    with pytest.raises(WebSocketRefused) as refused, client.websocket("/talk"):
        pass
    assert refused.value.response.status_code == 500
    assert "KeyError" not in refused.value.response.text


def test_the_log_has_one_line_of_the_crash(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app.get("/")(cell.handler(fail))
    with caplog.at_level(logging.INFO):
        client.get("/")
    assert [record.levelname for record in caplog.records if record.name.startswith("ambi")] == ["ERROR"]


def test_the_exception_lets_its_frames_go(app: App, client: Client, cell: Cell) -> None:
    error = ValueError("the same again and again")

    def again() -> None:
        raise error

    app.get("/")(cell.handler(again))
    assert "again and again" in client.get("/").text
    assert error.__traceback__ is None


def test_a_start_that_fails_is_not_shown(make_client: MakeClient, cell: Cell) -> None:
    def lifespan() -> Iterator[None]:
        price_of("milk")
        yield

    app = App(debug=True, lifespan=lifespan)
    app.get("/")(cell.handler(lambda: Text("never")))
    client = make_client(app, lifespan=False)
    assert client.get("/").json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


def test_routers_of_routers_are_named(app: App, client: Client, cell: Cell) -> None:
    router = Router(prefix="/api", name="api")
    router.get("/fail")(cell.handler(fail))
    app.include(router)
    assert client.get("/api/fail", headers=JSON).json()["debug"]["plan"]["route"] == "GET /api/fail  named api.fail"


def test_code_without_a_source_is_shown_by_its_name(app: App, client: Client, cell: Cell) -> None:
    made: dict[str, Any] = {}
    exec(compile("def made_up(id):\n    raise ValueError(id)\n", "<made up>", "exec"), made)
    app.get("/")(cell.handler(lambda: made["made_up"](5)))
    for accept in FORMS.values():
        assert "made up" in client.get("/", headers=accept).text
    frame = client.get("/", headers=JSON).json()["debug"]["exception"]["frames"][-1]
    assert (frame["file"], frame["line"], frame["source"], frame["locals"]) == ("<made up>", 2, "", {"id": "5"})


def test_frames_of_libraries_are_folded(app: App, client: Client, cell: Cell) -> None:
    import json

    app.get("/")(cell.handler(lambda: json.loads("[")))
    page = client.get("/", headers=HTML).text
    assert re.search(r"\d frames of <code>json</code>", page)
    frames = client.get("/", headers=JSON).json()["debug"]["exception"]["frames"]
    assert [frame["of"] for frame in frames[-2:]] == ["library", "library"]
    assert frames[-1]["locals"]["s"] == "'['"


def test_where_no_frame_is_the_users_the_last_one_is_open(app: App, client: Client) -> None:
    app.get("/{id}")(of_a_library)
    opened = re.findall(r'<details class="frame (\w+)" open>', client.get("/x", headers=HTML).text)
    assert opened == ["library"]


def of_a_library(id: str) -> int:
    return int(id)


of_a_library.__code__ = of_a_library.__code__.replace(co_filename="/usr/lib/python3/dist-packages/odd.py")


def test_a_traceback_that_says_less_than_usual_is_shown(app: App, client: Client, cell: Cell) -> None:
    # As template engines make them.
    from types import TracebackType

    def rewritten() -> None:
        try:
            price_of("milk")
        except KeyError as exc:
            tb = exc.__traceback__
            assert tb is not None
            assert tb.tb_next is not None
            made = TracebackType(None, tb.tb_next.tb_frame, -1, tb.tb_next.tb_lineno)
            raise exc.with_traceback(made) from None

    app.get("/")(cell.handler(rewritten))
    frames = client.get("/", headers=JSON).json()["debug"]["exception"]["frames"]
    assert frames[-1]["source"] == "return prices[item]"


def test_the_server_is_told_as_it_says_of_itself_or_as_its_code_does(make_client: MakeClient, cell: Cell) -> None:
    app = App(debug=True)
    app.get("/")(cell.handler(fail))
    inner_wsgi, inner_asgi = app.wsgi, app.asgi

    def wsgi(environ: Any, start_response: Any) -> Any:
        return inner_wsgi({**environ, "SERVER_SOFTWARE": "waitress"}, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        async def receive_there() -> Any:
            return await receive()

        receive_there.__module__ = "waitress.asgi"
        await inner_asgi(scope, receive_there, send)

    app.wsgi, app.asgi = wsgi, asgi
    client = make_client(app)
    assert client.get("/", headers=JSON).json()["debug"]["server"]["server"].startswith("waitress")


def test_several_values_of_one_name_are_a_list(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: fail()))
    assert client.get("/?a=1&a=2&a=3", headers=JSON).json()["debug"]["query"] == {"a": ["1", "2", "3"]}


def test_a_function_without_code_is_told_by_its_name() -> None:
    from ambi.core.pieces import piece_of
    from ambi.features.debug.asking import place_of

    assert place_of(piece_of(len)) == "len"


def test_a_handler_that_is_no_function_is_named(app: App, client: Client) -> None:
    class Handler:
        def __call__(self, request: Request) -> str:
            return fail()

    app.get("/")(Handler())
    handler = client.get("/", headers=JSON).json()["debug"]["plan"]["handler"]
    assert "Handler" in handler
