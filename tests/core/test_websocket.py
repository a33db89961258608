"""What a handler may do with a WebSocket and when; what is wrong is told when it is registered. No gateway is needed."""

import copy
import pickle
from typing import Any

import pytest

from ambi import App, BodyStream, ConfigurationError, Response, Router, WebSocket, WebSocketClosed
from ambi.core import websocket
from ambi.core.origins import check_host_patterns, is_allowed
from ambi.core.websocket import (
    ACCEPT,
    CLOSE,
    CLOSED,
    CONNECTING,
    LEAVE,
    OPEN,
    REFUSED,
    TRANSITIONS,
    WebSocketRules,
    check_close,
    closing,
)  # fmt: skip

# --- states ---


class SilentLink:
    """A link that does nothing but end."""

    subprotocols = ()

    def __init__(self) -> None:
        self.gone: WebSocketClosed | None = None


def in_state(state: str) -> WebSocket:
    ws = WebSocket(None, SilentLink())  # type: ignore[arg-type]  # it asks neither for anything here
    ws._state = state
    return ws


@pytest.mark.parametrize("event", [ACCEPT, CLOSE, LEAVE])
@pytest.mark.parametrize("state", [CONNECTING, OPEN, REFUSED, CLOSED])
def test_a_state_changes_as_the_table_says_or_not_at_all(state: str, event: str) -> None:
    ws = in_state(state)
    if (state, event) in TRANSITIONS:
        ws._move(event)
        assert ws._state == TRANSITIONS[state, event]
    else:
        with pytest.raises(RuntimeError, match=rf"ws\.{event}\(\) was called on a WebSocket that is {state} already"):
            ws._move(event)
        assert ws._state == state


def test_nothing_leads_out_of_the_end() -> None:
    assert {after for (before, _), after in TRANSITIONS.items() if before == CLOSED} == {CLOSED}
    assert {after for (before, _), after in TRANSITIONS.items() if before == REFUSED} == {REFUSED}


@pytest.mark.parametrize(("state", "closed"), [(CONNECTING, False), (OPEN, False), (REFUSED, True), (CLOSED, True)])
def test_what_is_told_of_a_state(state: str, closed: bool) -> None:
    assert in_state(state).closed is closed


def test_a_link_that_ended_closes_it() -> None:
    ws = in_state(OPEN)
    ws._link.gone = WebSocketClosed(4001, "x")  # type: ignore[misc]
    assert (ws.closed, ws.close_code, ws.close_reason) == (True, 4001, "x")


# --- close frames ---


def test_the_codes_that_may_be_sent_are_those_of_the_registry() -> None:
    allowed = []
    for code in range(1100):
        try:
            check_close(code, "")
        except ValueError:
            continue
        allowed.append(code)
    assert allowed == [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]


@pytest.mark.parametrize(
    ("status", "code"), [(101, 1000), (200, 1000), (302, 1000), (400, 4400), (499, 4499), (500, 1011), (599, 1011)]
)
def test_the_status_of_the_response_decides_how_it_is_closed(status: int, code: int) -> None:
    response = Response()
    response.status = status
    assert closing(in_state(OPEN), response) == (code, "")


def test_a_closed_websocket_says_how_in_its_message() -> None:
    assert str(WebSocketClosed(4001, "done")) == "the WebSocket is closed: 4001 done"
    assert str(WebSocketClosed()) == "the WebSocket is closed: 1006"


# --- registration ---


def wrong(register: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        register()
    assert "test_websocket.py:" in str(caught.value)


def test_a_handler_must_be_an_async_def() -> None:
    app = App()

    def blocking(ws: WebSocket) -> None: ...

    async def items(ws: WebSocket) -> Any:
        yield ws

    for handler in (blocking, items):
        wrong(lambda handler=handler: app.websocket("/")(handler), "must be an `async def` without `yield`")
    assert app.routes == ()


def test_a_parameter_that_nothing_is_given_for() -> None:
    app = App()

    async def unknown(ws: WebSocket, user) -> None: ...

    async def streaming(ws: WebSocket, body: BodyStream) -> None: ...

    def page(socket: WebSocket) -> None: ...

    def named(ws) -> None: ...

    wrong(lambda: app.websocket("/")(unknown), "'user'.*annotated Request or WebSocket")
    wrong(lambda: app.websocket("/")(streaming), "'body: BodyStream'")
    wrong(lambda: app.get("/")(page), r"only a handler registered with @app\.websocket")
    wrong(lambda: app.get("/")(named), "'ws'.*annotated Request or BodyStream")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": "https://a.example"}, "origins= takes a list"),
        ({"origins": ["a.example"]}, "an origin is scheme and host"),
        ({"origins": ["https://a b"]}, "an origin is scheme and host"),
        ({"subprotocols": "chat"}, "subprotocols= takes a list"),
        ({"subprotocols": ["a b"]}, "a subprotocol is a token"),
        ({"max_message_bytes": 0}, "must be a positive int"),
    ],
)
def test_an_option_that_cannot_be_is_told_with_the_function(options: Any, message: str) -> None:
    async def handler(ws: WebSocket) -> None: ...

    wrong(lambda: App().websocket("/", **options)(handler), message)


def test_two_websockets_of_one_path_could_not_be_told_apart() -> None:
    app = App()

    async def handler(ws: WebSocket) -> None: ...

    app.websocket("/")(handler)
    app.get("/")(lambda: "a page at the same path can")
    wrong(lambda: app.websocket("/", name="other")(handler), "could never be told apart")


def test_the_pseudo_method_is_none_that_a_client_or_a_user_can_name() -> None:
    assert " " in websocket.WEBSOCKET
    with pytest.raises(ConfigurationError):
        App().route("/", methods=[websocket.WEBSOCKET])(lambda: "x")


def test_a_route_is_described_and_survives_a_copy() -> None:
    app = App()
    router = Router(prefix="/api", name="api")

    @router.websocket("/ws/{room}", name="ws")
    async def handler(ws: WebSocket, room: str) -> None: ...

    app.include(router)
    (route,) = app.routes
    assert (repr(route), route.name, app.url_path("api.ws", {"room": "x"})) == (
        "<Route web socket /api/ws/{room}>",
        "api.ws",
        "/api/ws/x",
    )
    assert copy.deepcopy(route).websocket is not None
    again = pickle.loads(pickle.dumps(WebSocketClosed(4001, "x")))
    assert (again.code, again.reason) == (4001, "x")


def test_rules_without_options_allow_what_is_safe() -> None:
    rules = WebSocketRules()
    assert (rules.subprotocols, rules.max_message_bytes, rules.origins.origins) == ((), None, frozenset())


# --- hosts of the site ---


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", "https://a.example", "a.example:80", "*.*.example", "a.*.example", "a b"]
)
def test_a_pattern_that_is_no_host_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="an allowed host is a name alone"):
        App(allowed_hosts=[pattern])


def test_one_text_is_no_list_of_hosts() -> None:
    with pytest.raises(ConfigurationError, match="^allowed_hosts= takes a list"):
        App(allowed_hosts="a.example")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("a.example", True), ("b.a.example", False), ("x.b.example", True), ("x.y.b.example", True), ("b.example", False), ("xb.example", False), (".b.example", False)],
)  # fmt: skip
def test_a_host_is_allowed_by_its_name_or_as_a_subdomain(name: str, allowed: bool) -> None:
    assert is_allowed(name, check_host_patterns(["A.example", "*.B.example"])) is allowed
