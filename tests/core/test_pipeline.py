"""The life of a request, driven by hand as a bridge drives it: what runs, in which order, and on which side."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ambi.core.ending import release, run_after
from ambi.core.error_handling import ErrorHandlers
from ambi.core.errors import ClientDisconnected, HTTPError
from ambi.core.json import StandardJSON
from ambi.core.middleware import Layer, Middleware
from ambi.core.pipeline import respond
from ambi.core.plan import Plan
from ambi.core.request import Request
from ambi.core.response import Response, Stream, Text
from ambi.core.sides import ASYNC, SYNC, Side, on_sync_side
from tests.core.fakes import FakeBody, drive, make_request, run


class Place:
    """Where the request is: the driver goes where it is told, the pieces note what they see."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.notes: list[str] = []

    def note(self, what: str) -> None:
        self.notes.append(f"{what}@{self.side.name}")


class Trial:
    """One request through one plan."""

    def __init__(self, side: Side = SYNC, body: FakeBody | None = None, **request: Any) -> None:
        self.place = Place(side)
        self.start = side
        self.layers: list[Layer] = []
        self.errors = ErrorHandlers()
        self.request = make_request(body=body, **request)
        self.options: dict[str, Any] = {}
        self.result: Any = "done"
        self.hops = 0

    # what the user wrote

    def handler(self, colour: str) -> None:
        def call(request: Request) -> Any:
            self.place.note("handler")
            if isinstance(self.result, BaseException):
                raise self.result
            return self.result

        async def call_async(request: Request) -> Any:
            return call(request)

        self.function: Callable[..., Any] = call_async if colour == "async" else call
        self.options |= {"is_async": colour == "async", "blocking": colour == "def"}

    def layer(
        self, name: str, kind: str = "plain", act: Callable[[Request, Response], Any] | None = None, body: bool = False
    ) -> None:
        def generator(request: Request) -> Middleware:
            self.place.note(f"{name}+")
            try:
                response = yield
            except BaseException as exc:
                self.place.note(f"{name}!{type(exc).__name__}")
                raise
            self.place.note(f"{name}-")
            return act(request, response) if act else None

        async def waiting(request: Request, call_next: Any) -> Any:
            self.place.note(f"{name}+")
            try:
                response = await call_next(request)
            except BaseException as exc:
                self.place.note(f"{name}!{type(exc).__name__}")
                raise
            self.place.note(f"{name}-")
            return (act and act(request, response)) or response

        self.layers.append(Layer(waiting if kind == "async" else generator, blocking=kind == "blocking", body=body))

    def on_error(self, key: Any, result: Any, colour: str = "def") -> None:
        def call(request: Request, error: Any) -> Any:
            self.place.note(f"error {type(error).__name__}")
            if isinstance(result, BaseException):
                raise result
            return result

        async def call_async(request: Request, error: Any) -> Any:
            return call(request, error)

        self.errors.add(key, call_async if colour == "async" else call)

    # what the bridge does

    def coroutine(self) -> Any:
        plan = Plan(
            self.function, self.function, codec=StandardJSON(), max_body_bytes=100, layers=tuple(self.layers),
            errors=(self.errors,), loads_body=True, **self.options,
        )  # fmt: skip
        return respond(self.request, plan, self.start)

    def go(self) -> Response:
        response: Response = self.follow(self.coroutine())
        return response

    def finish(self) -> None:
        self.follow(release(self.request, self.place.side))

    def follow(self, coroutine: Any) -> Any:
        """Drive a coroutine, and go where it says."""
        try:
            while True:
                side = coroutine.send(None)
                assert side is not self.place.side, "it asked for the side it is on"
                self.place.side = side
                self.hops += 1
        except StopIteration as stop:
            return stop.value

    @property
    def notes(self) -> str:
        return " ".join(self.place.notes)


def trial(colour: str = "def", side: Side = SYNC, **options: Any) -> Trial:
    made = Trial(side, **options)
    made.handler(colour)
    return made


@pytest.fixture(params=["def", "inline", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    """Give the kinds of handlers; `inline` is a `def` that never blocks."""
    found: str = request.param
    return found


@pytest.fixture(params=[SYNC, ASYNC], ids=lambda side: side.name)
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.param
    return found


def body_of(response: Response) -> Any:
    return response.body


# --- sides ---


@pytest.mark.parametrize(
    ("side", "colour", "notes"),
    [
        (SYNC, "def", "handler@sync"),
        (SYNC, "inline", "handler@sync"),
        (SYNC, "async", "handler@async"),
        (ASYNC, "def", "handler@sync"),
        (ASYNC, "inline", "handler@async"),
        (ASYNC, "async", "handler@async"),
    ],
)
def test_a_handler_runs_on_its_side_after_one_hop_at_most(side: Side, colour: str, notes: str) -> None:
    made = trial(colour, side)
    assert body_of(made.go()) == b"done"
    assert made.notes == notes
    assert made.hops == (0 if notes.endswith(f"@{side.name}") else 1)


def test_pieces_that_agree_with_the_gateway_never_suspend() -> None:
    for colour, start, kind in (
        ("def", SYNC, "blocking"),
        ("async", ASYNC, "plain"),
        ("inline", ASYNC, "plain"),
        ("def", SYNC, "plain"),
    ):
        made = trial(colour, start)
        made.layer("a", kind)
        made.layer("b")
        made.go()
        assert made.hops == 0


def test_layers_open_outermost_first_and_close_innermost_first(colour: str, side: Side) -> None:
    made = trial(colour, side)
    for name, kind in (("a", "plain"), ("b", "async"), ("c", "blocking"), ("d", "plain")):
        made.layer(name, kind)
    assert body_of(made.go()) == b"done"
    assert [note.partition("@")[0] for note in made.place.notes] == [
        "a+",
        "b+",
        "c+",
        "d+",
        "handler",
        "d-",
        "c-",
        "b-",
        "a-",
    ]


def test_each_step_of_a_layer_runs_where_it_must(colour: str, side: Side) -> None:
    made = trial(colour, side)
    for name, kind in (("a", "plain"), ("b", "async"), ("c", "blocking"), ("d", "plain")):
        made.layer(name, kind)
    made.go()
    at = {note.partition("@")[0]: note.partition("@")[2] for note in made.place.notes}
    assert at["a+"] == at["a-"] == side.name, "a generator goes on where it began"
    assert at["b+"] == at["b-"] == "async"
    assert at["c+"] == at["c-"] == "sync"
    assert at["d+"] == at["d-"] == "sync", "opened between two blocking pieces: no hop for it"
    assert at["handler"] == ("async" if colour == "async" else "sync")


def test_contiguous_sync_pieces_are_one_hop() -> None:
    made = trial("def", ASYNC)
    made.layer("a")
    made.layer("b", "blocking")
    made.layer("c", "blocking")
    made.go()
    assert made.notes == "a+@async b+@sync c+@sync handler@sync c-@sync b-@sync a-@async"
    assert made.hops == 2


def test_a_request_that_crossed_over_stays_there_until_it_must_go_back() -> None:
    made = trial("async", SYNC)
    made.layer("a")
    made.layer("b")
    made.go()
    assert made.notes == "a+@sync b+@sync handler@async b-@sync a-@sync"
    assert made.hops == 2


def test_a_function_may_be_called_on_the_sync_side_and_back() -> None:
    def divide(a: int, b: int) -> float:
        return a / b

    assert drive(on_sync_side(divide, 6, 3)) == (2, [SYNC, ASYNC])
    sides: list[Side] = []
    coroutine = on_sync_side(divide, 6, 0)
    with pytest.raises(ZeroDivisionError):
        while True:
            sides.append(coroutine.send(None))
    assert sides == [SYNC, ASYNC]
    assert (repr(SYNC), repr(ASYNC)) == ("<sync side>", "<async side>")


# --- layers that answer ---


@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_a_layer_may_answer_at_once(kind: str, colour: str, side: Side) -> None:
    def answer(request: Request) -> Any:
        made.place.note("answer")
        return "no", 403
        yield

    async def answer_async(request: Request, call_next: Any) -> Any:
        made.place.note("answer")
        return "no", 403

    made = trial(colour, side)
    made.layer("a")
    made.layers.append(Layer(answer_async if kind == "async" else answer, blocking=kind == "blocking"))
    made.layer("c")
    response = made.go()
    assert (response.status, response.body) == (403, b"no")
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "answer", "a-"]


@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_a_layer_may_replace_the_response(kind: str, colour: str, side: Side) -> None:
    made = trial(colour, side)
    made.layer("a")
    made.layer("b", kind, act=lambda request, response: {"was": response.body.decode()})  # type: ignore[union-attr]
    assert body_of(made.go()) == b'{"was":"done"}'


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_layer_that_makes_no_response_is_a_crash(kind: str, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    def silent(request: Request) -> Any:
        return
        yield

    async def silent_async(request: Request, call_next: Any) -> Any:
        return object()

    made = trial("inline", side)
    made.layer("a")
    made.layers.append(Layer(silent_async if kind == "async" else silent))
    assert made.go().status == 500
    assert "a!" in made.notes
    assert "ended without a `yield` and without a response" in caplog.text or "silent_async" in caplog.text


def test_a_layer_that_yields_twice_is_a_crash(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[bool] = []

    def twice(request: Request) -> Iterator[None]:
        try:
            yield
            yield
        finally:
            closed.append(True)

    made = trial("inline", side)
    made.layer("a")
    made.layers.append(Layer(twice))
    assert made.go().status == 500
    assert closed == [True]
    assert "yielded twice; it yields once" in caplog.text
    assert "a!RuntimeError" in made.notes


def test_a_layer_that_replaces_the_response_by_nonsense_is_a_crash(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    made = trial("inline", side)
    made.layer("a")
    made.layer("b", act=lambda request, response: object())
    assert made.go().status == 500
    assert "generator" in caplog.text
    assert "a!TypeError" in made.notes


# --- exceptions ---


@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_an_unexpected_exception_passes_every_layer_as_an_exception(
    kind: str, colour: str, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    made = trial(colour, side)
    made.layer("a", kind)
    made.layer("b", kind)
    made.result = KeyError("secret")
    response = made.go()
    assert response.status == 500
    assert b"secret" not in body_of(response)
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "b+", "handler", "b!KeyError", "a!KeyError"]
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is made.result
    assert f"crashed in {made.function.__qualname__}" in record.getMessage()


@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_an_http_error_is_a_response_for_every_layer(
    kind: str, colour: str, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    made = trial(colour, side)
    made.layer("a", kind, act=lambda request, response: response.headers.append("x-seen", str(response.status)))
    made.result = HTTPError(418, "short and stout")
    response = made.go()
    assert (response.status, response.headers["x-seen"]) == (418, "418")
    assert b"short and stout" in body_of(response)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_client_that_left_is_no_crash(colour: str, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = trial(colour, side)
    made.result = ClientDisconnected()
    assert made.go().status == 400
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_a_layer_may_turn_an_exception_into_a_response(colour: str, side: Side) -> None:
    def catching(request: Request) -> Any:
        try:
            yield
        except KeyError:
            return "caught", 409

    made = trial(colour, side)
    made.layer("a")
    made.layers.append(Layer(catching))
    made.result = KeyError()
    response = made.go()
    assert (response.status, response.body) == (409, b"caught")
    assert "a-" in made.notes


def test_a_layer_that_swallows_an_exception_is_a_crash_that_shows_it(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    def swallowing(request: Request) -> Any:
        with contextlib.suppress(KeyError):
            yield

    made = trial("inline", side)
    made.layers.append(Layer(swallowing))
    made.result = KeyError("lost")
    assert made.go().status == 500
    assert "swallowed KeyError('lost') and returned no response" in caplog.text


def test_a_layer_that_turns_an_exception_into_nonsense_is_a_crash(side: Side) -> None:
    def nonsense(request: Request) -> Any:
        try:
            yield
        except KeyError:
            return object()

    def again(request: Request) -> Any:
        try:
            yield
        except TypeError:
            yield

    made = trial("inline", side)
    made.layer("a")
    made.layers += [Layer(again), Layer(nonsense)]
    made.result = KeyError()
    assert made.go().status == 500
    assert "a!RuntimeError" in made.notes


@pytest.mark.parametrize("step", ["open", "close"])
@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_what_a_layer_raises_goes_outward(step: str, kind: str, side: Side) -> None:
    def generator(request: Request) -> Any:
        if step == "open":
            raise ValueError
        yield
        raise ValueError

    async def waiting(request: Request, call_next: Any) -> Any:
        if step == "close":
            await call_next(request)
        raise ValueError

    made = trial("inline", side)
    made.layer("a")
    made.layers.append(Layer(waiting if kind == "async" else generator, blocking=kind == "blocking"))
    made.layer("c")
    assert made.go().status == 500
    assert [note.partition("@")[0] for note in made.place.notes] == [
        "a+",
        *(["c+", "handler", "c-"] if step == "close" else []),
        "a!ValueError",
    ]


@pytest.mark.parametrize(
    "error",
    [
        HTTPError(400, headers={"x": "a\nb"}),
        HTTPError(400, headers={"connection": "close"}),
        HTTPError(400, extensions={"x": object()}),
    ],
    ids=["a field that cannot be sent", "a field of the connection", "no JSON"],
)
def test_an_error_that_cannot_be_rendered_is_a_crash(
    error: HTTPError, colour: str, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    made = trial(colour, side)
    made.layer("a")
    made.result = error
    assert made.go().status == 500
    assert [note.partition("@")[0] for note in made.place.notes] == [
        "a+",
        "handler",
        f"a!{'TypeError' if error.extensions else 'ValueError'}",
    ]


# --- error handlers ---


@pytest.mark.parametrize("handler_colour", ["def", "async"])
def test_an_error_handler_makes_a_response_before_the_layers_see_it(
    handler_colour: str, colour: str, side: Side
) -> None:
    made = trial(colour, side)
    made.layer("a")
    made.on_error(KeyError, "handled", handler_colour)
    made.result = KeyError()
    response = made.go()
    assert (response.status, response.body) == (500, b"handled")
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "handler", "error KeyError", "a-"]
    assert f"error KeyError@{'async' if handler_colour == 'async' else 'sync'}" in made.place.notes


@pytest.mark.parametrize(
    ("result", "expected"),
    [("text", 404), ({"a": 1}, 404), (None, 404), (("x", 410), 410), (Text("x", 200), 200), (Text("x"), 200)],
)
def test_a_plain_value_has_the_status_of_the_error_and_any_other_its_own(result: Any, expected: int) -> None:
    made = trial()
    made.on_error(404, result)
    made.result = HTTPError(404)
    assert made.go().status == expected


def test_what_an_error_handler_raises_is_handled_once_more_further_out(side: Side) -> None:
    made = trial("inline", side)
    made.layer("a")
    made.on_error(KeyError, HTTPError(409))
    made.result = KeyError()
    assert made.go().status == 409


@pytest.mark.parametrize("key", [Exception, 500])
@pytest.mark.parametrize("handler_colour", ["def", "async"])
def test_the_last_handler_runs_when_all_layers_have_seen_the_exception(
    key: Any, handler_colour: str, colour: str, side: Side
) -> None:
    made = trial(colour, side)
    made.layer("a")
    made.on_error(key, "sorry", handler_colour)
    made.result = KeyError()
    response = made.go()
    assert (response.status, response.body) == (500, b"sorry")
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "handler", "a!KeyError", "error KeyError"]


def test_a_last_handler_that_fails_is_logged_too_and_the_plain_500_is_sent(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    made = trial("inline", side)
    made.on_error(Exception, ValueError("second"))
    made.result = KeyError("first")
    response = made.go()
    assert response.status == 500
    assert "KeyError: 'first'" in caplog.text
    assert "ValueError: second" in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 2


def test_the_log_of_a_failing_error_handler_shows_both_errors(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    made = trial("inline", side)
    made.on_error(KeyError, ValueError("second"))
    made.result = KeyError("first")
    assert made.go().status == 500
    assert "KeyError: 'first'" in caplog.text
    assert "ValueError: second" in caplog.text


def test_an_error_handler_may_raise_the_error_again(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    made = trial("inline", side)
    made.result = KeyError("again")
    made.on_error(KeyError, made.result)
    assert made.go().status == 500
    assert made.result.__context__ is None
    assert caplog.text.count("KeyError: 'again'") == 1


@pytest.mark.parametrize("key", [KeyError, Exception])
def test_a_cancelled_error_handler_is_cancelled(key: Any, side: Side) -> None:
    made = trial("inline", side)
    made.on_error(key, Cancelled())
    made.result = KeyError()
    with pytest.raises(Cancelled):
        made.go()


@pytest.mark.parametrize(("status", "logged"), [(400, True), (403, True), (404, False), (405, False), (503, True)])
def test_a_refusal_is_logged_but_for_paths_that_are_not_there(
    status: int, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = trial()
    made.result = HTTPError(status)
    made.go()
    assert [record.levelname for record in caplog.records] == ["INFO"] * logged


# --- what ends a request from outside ---


class Cancelled(BaseException): ...


@pytest.mark.parametrize("kind", ["plain", "blocking", "async"])
def test_a_cancellation_passes_every_layer_and_no_handler(kind: str, colour: str, side: Side) -> None:
    made = trial(colour, side)
    made.layer("a", kind)
    made.on_error(Exception, "never")
    made.result = Cancelled()
    with pytest.raises(Cancelled):
        made.go()
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "handler", "a!Cancelled"]
    for ask in (made.request.on_response, made.request.on_sent, made.request.after):
        with pytest.raises(RuntimeError, match="comes too late"):
            ask(print)


def test_a_cancellation_on_the_way_to_a_side_closes_what_is_open() -> None:
    made = trial("def", ASYNC)
    made.layer("a")
    coroutine = made.coroutine()
    assert coroutine.send(None) is SYNC
    with pytest.raises(Cancelled):
        coroutine.throw(Cancelled())
    assert made.notes == "a+@async a!Cancelled@async"


def test_a_cancellation_on_the_way_back_closes_what_is_open() -> None:
    made = trial("def", ASYNC)
    made.layer("a")
    made.layer("b")
    coroutine = made.coroutine()
    assert coroutine.send(None) is SYNC
    assert coroutine.send(None) is ASYNC
    with pytest.raises(Cancelled):
        coroutine.throw(Cancelled())
        while True:  # it may try to go there once more
            coroutine.send(None)
    assert [note.partition("@")[0] for note in made.place.notes] == [
        "a+",
        "b+",
        "handler",
        "b!Cancelled",
        "a!Cancelled",
    ]


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_a_request_that_is_dropped_closes_what_is_open_without_going_anywhere(hops: int) -> None:
    made = trial("async", SYNC)
    made.layer("a")
    made.layer("b", "blocking")
    made.layer("c", "async")
    made.layer("d", "blocking")
    coroutine = made.coroutine()
    for _ in range(hops):
        coroutine.send(None)
    opened = [note[0] for note in made.place.notes if "+" in note]
    coroutine.close()
    assert [note[0] for note in made.place.notes if "!GeneratorExit" in note] == opened[::-1]


# --- the body ---


def test_the_body_is_loaded_behind_the_layers_and_before_the_handler(colour: str, side: Side) -> None:
    body = FakeBody(b"abc", side=side)
    made = trial(colour, side, body=body)
    seen: list[int] = []
    made.layer("a", act=lambda request, response: seen.append(len(request.body)))

    def peek(request: Request) -> Middleware:
        seen.append(len(body.chunks))
        yield

    made.layers.append(Layer(peek))
    made.go()
    assert seen == [1, 3]
    assert made.hops in (0, 2) if colour != "inline" else made.hops == 0


def test_the_body_is_read_on_the_side_of_the_server() -> None:
    for server, gateway in ((SYNC, ASYNC), (ASYNC, SYNC)):
        made = trial("inline", gateway, body=FakeBody(b"abc", side=server))
        made.go()
        assert made.request.body == b"abc"
        assert made.hops == 1


def test_a_layer_that_wants_the_body_has_it_before_any_layer_is_opened(side: Side) -> None:
    body = FakeBody(b"abc", side=side)
    made = trial("inline", side, body=body)
    seen: list[Any] = []

    def outer(request: Request) -> Middleware:
        seen.append(request.body)
        yield

    made.layers.append(Layer(outer))
    made.layer("b", body=True)
    made.go()
    assert seen == [b"abc"]


def test_a_body_that_is_too_large_is_a_response_for_the_layers(colour: str, side: Side) -> None:
    made = trial(colour, side, body=FakeBody(b"x" * 101, side=side))
    made.layer("a")
    assert made.go().status == 413
    assert [note.partition("@")[0] for note in made.place.notes] == ["a+", "a-"]


def test_a_layer_that_answers_leaves_the_body_unread() -> None:
    body = FakeBody(b"x")
    made = trial("def", body=body)

    def refuse(request: Request) -> Any:
        return "no", 403
        yield

    made.layers.append(Layer(refuse))
    assert made.go().status == 403
    assert body.chunks == [b"x"]


# --- the end ---


def test_callbacks_see_what_is_sent_at_last(colour: str, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    def broken(response: Response) -> None:
        raise RuntimeError("in a callback")

    made = trial(colour, side)
    made.result = KeyError()
    made.request.on_response(broken)
    made.request.on_response(lambda response: response.headers.append("x-status", str(response.status)))
    assert made.go().headers["x-status"] == "500"
    assert "in a callback" in caplog.text


def test_callbacks_run_once_whatever_layers_there_are() -> None:
    made = trial("async", ASYNC)
    made.layer("a", "async")
    made.layer("b", "async")
    seen: list[int] = []
    made.request.on_response(lambda response: seen.append(response.status))
    made.go()
    assert seen == [200]


def test_a_status_that_cannot_be_sent_is_a_crash(side: Side) -> None:
    def spoil(request: Request, response: Response) -> None:
        response.status = 1000

    made = trial("inline", side)
    made.layer("a", act=spoil)
    assert made.go().status == 500


def test_what_is_to_run_afterwards_runs_in_order_each_on_its_side(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    request, done = make_request(), []

    async def waiting(number: int) -> None:
        done.append(number)

    def broken() -> None:
        raise RuntimeError("afterwards")

    request.after(done.append, 1)
    request.after(broken)
    request.after(waiting, 2)
    request.after(done.append, 3)
    _, sides = drive(run_after(request, side))
    assert done == [1, 2, 3]
    assert sides == ([ASYNC, SYNC] if side is SYNC else [SYNC, ASYNC, SYNC])
    assert "RuntimeError: afterwards" in caplog.text


def test_the_files_of_a_form_are_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from ambi.core.forms import Form, UploadFile
    from ambi.core.headers import Headers

    request = make_request()
    upload = UploadFile("f", Headers())
    request.loaded_form(Form([("f", upload)]))
    request.after(lambda: upload.read())
    run(run_after(request, SYNC))
    assert not upload.file.closed
    run(release(request, SYNC))
    assert upload.file.closed


@pytest.fixture(params=["plain", "blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give the kinds of layers."""
    found: str = request.param
    return found


class Closable(list[str]):
    """A stream that notes where it is closed."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    def close(self) -> None:
        self.place.note("closed")


class AsyncClosable:
    """The same for an event loop."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __aiter__(self) -> AsyncIterator[str]:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.place.note("closed")


@pytest.mark.parametrize(("stream", "where"), [(Closable, "sync"), (AsyncClosable, "async")])
@pytest.mark.parametrize("by", ["handler", "error handler"])
def test_a_stream_that_was_not_sent_is_closed_at_the_end_on_its_side(
    stream: Any, where: str, by: str, kind: str, side: Side
) -> None:
    made = trial("inline", side)
    made.result = Stream(stream(made.place))
    if by == "error handler":
        made.on_error(KeyError, made.result)
        made.result = KeyError()
    made.layer("a", kind, act=lambda request, response: ["instead"])
    response = made.go()
    assert response.body == b'["instead"]'
    made.request.sends(response)
    made.place.notes.clear()
    made.finish()
    assert made.notes == f"closed@{where}"


def test_the_stream_of_a_request_that_was_cancelled_is_closed() -> None:
    made = trial("def", ASYNC)
    made.result = Stream(Closable(made.place))
    made.layer("a")
    coroutine = made.coroutine()
    assert coroutine.send(None) is SYNC
    assert coroutine.send(None) is ASYNC
    with pytest.raises(Cancelled):
        coroutine.throw(Cancelled())
        while True:
            coroutine.send(None)
    made.place.notes.clear()
    made.finish()
    assert made.notes == "closed@sync"


def test_a_stream_that_does_not_close_is_logged_and_the_others_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    class Broken(list[str]):
        def close(self) -> None:
            raise RuntimeError("does not close")

    class Closable(list[str]):
        def close(self) -> None:
            closed.append("closed")

    request = make_request()
    for body in (Broken(), Closable(), ["plain"]):
        request.drop(Stream(body))
    run(release(request, SYNC))
    assert closed == ["closed"]
    assert "does not close" in caplog.text


# --- plans ---


def plan(**options: Any) -> Plan:
    return Plan(run, lambda request: "", codec=StandardJSON(), max_body_bytes=7, **options)


def test_a_plan_needs_the_loop_if_some_piece_is_async() -> None:
    def generator(request: Request) -> Middleware:
        yield

    async def waiting(request: Request, call_next: Any) -> Any: ...

    assert not plan(layers=(Layer(generator), Layer(generator, blocking=True)), blocking=True).needs_loop
    assert plan(layers=(Layer(generator), Layer(waiting))).needs_loop
    assert plan(is_async=True).needs_loop
    assert plan().described.startswith("run (")


def test_a_plan_within_another_application_keeps_what_is_its_own() -> None:
    def generator(request: Request) -> Middleware:
        yield

    inner_layer, outer_layer = Layer(generator, body=True), Layer(generator)
    inner_errors, outer_errors = ErrorHandlers(), ErrorHandlers()
    inner = plan(layers=(inner_layer,), errors=(inner_errors,), blocking=True, loads_body=True)
    outer = inner.within((outer_layer,), (outer_errors,))
    assert outer.layers == (outer_layer, inner_layer)
    assert outer.errors == (inner_errors, outer_errors)
    assert (outer.max_body_bytes, outer.blocking, outer.body_first, outer.depth) == (7, True, True, 2)
