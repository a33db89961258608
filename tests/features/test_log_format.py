"""The form of log lines: one object of JSON a line, whatever is in it; or text for a person.

No cells: a formatter knows no gateway; what it finds of a request is in the request's context, and has its test below.
"""

import io
import json
import logging
import logging.config
import logging.handlers
import queue
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambi import App, ConfigurationError
from ambi.features import log_format
from ambi.features.log_format import ConsoleFormatter, JSONFormatter, configure, log_config
from ambi.testing import Client
from tests.cells import Cell
from tests.profiles import examples

JSON = JSONFormatter()
TEXT = ConsoleFormatter()


def record(message: Any = "sold", *args: Any, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "shop", "levelname": "WARNING", "levelno": 30, "msg": message, "args": args, "created": 1.5, **extra}
    )
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    return made


def line(*args: Any, **options: Any) -> Any:
    text = JSON.format(record(*args, **options))
    assert "\n" not in text
    return json.loads(text)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as exc:
        return exc


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


# --- JSON ---


def test_a_line_says_when_how_grave_where_and_what() -> None:
    assert JSON.format(record("sold %d of %s", 3, "tea")) == (
        '{"time":"1970-01-01T00:00:01.500+00:00","level":"WARNING","logger":"shop","message":"sold 3 of tea"}'
    )


def test_an_exception_is_in_three_parts() -> None:
    told = line(error=raised(ValueError("first\nsecond")))["exception"]
    assert (told["type"], told["message"]) == ("ValueError", "first\nsecond")
    assert told["stack"].startswith("Traceback (most recent call last)")
    assert "in raised" in told["stack"]


def test_an_exception_of_a_module_has_its_whole_name() -> None:
    assert line(error=raised(ConfigurationError("x")))["exception"]["type"] == "ambi.core.errors.ConfigurationError"


def test_an_exception_that_cannot_be_told_is_named() -> None:
    told = line(error=raised(Mute()))["exception"]
    assert told["message"] == "<its str raised RuntimeError>"


def test_an_exception_that_another_thread_made_text_is_shown() -> None:
    assert line(exc_text="Traceback ...")["exception"] == {"stack": "Traceback ..."}


def test_exc_info_without_an_exception_is_none() -> None:
    assert "exception" not in line(exc_info=(None, None, None))


def test_a_stack_that_was_asked_for_is_shown() -> None:
    assert line(stack_info="Stack (most recent call last): ...")["stack"].startswith("Stack")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None), (True, True), (3, 3), (1.5, 1.5), ("ü\n", "ü\n"), (float("nan"), "nan"), (float("inf"), "inf"),
        ([1, (2, {3})], [1, [2, [3]]]), ({"a": {1: b"x"}}, {"a": {"1": "b'x'"}}),
        (datetime(2026, 1, 31, tzinfo=UTC), "datetime.datetime(2026, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)"),
        (10**5000, "<int of 16610 bits>"), (Unspeakable(), "<a Unspeakable whose repr raised RuntimeError>"),
        ([[[[[[1]]]]]], [[[["[[1]]"]]]]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_extra_gave_is_there_by_name(value: Any, shown: Any) -> None:
    assert line(amount=value)["amount"] == shown


def test_no_extra_takes_the_place_of_a_member() -> None:
    told = line(time="never", level="none", logger="x")
    assert (told["time"], told["level"], told["logger"]) == ("1970-01-01T00:00:01.500+00:00", "WARNING", "shop")


def test_what_uvicorn_says_twice_is_there_once() -> None:
    assert "color_message" not in line(color_message="\x1b[1msold")


def test_a_message_that_does_not_fit_its_arguments_is_told_all_the_same() -> None:
    assert line("%d sold", "x")["message"].startswith("'%d sold' does not fit its arguments ('x',): TypeError(")
    assert "whose repr raised" in line(Unspeakable(), "x")["message"]


HOSTILE = ["a\nb", "a\r\nb", "a\u2028b", "\x1b[2J", "\u202egpj", "\ud800", '"}\n{"level":"INFO"', "\x00", "\x85"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_begins_a_line_or_hides_one(text: str) -> None:
    written = JSON.format(record(text, error=raised(ValueError(text)), name=text, extra_one=text, **{text: text}))
    assert written.isascii()
    assert written.isprintable()
    told = json.loads(written)
    assert (told["message"], told["logger"], told["extra_one"], told[text]) == (text,) * 4


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=examples(60))
@given(st.text(max_size=50), st.dictionaries(st.sampled_from(["one", "two", "three"]), VALUES))
def test_whatever_there_is_becomes_one_line_of_json(message: str, extra: dict[str, Any]) -> None:
    told = line(message.replace("%", ""), error=raised(ValueError(message)), **extra)
    assert told.keys() == extra.keys() | {"time", "level", "logger", "message", "exception"}


@pytest.mark.parametrize(
    "text", ["x" * 10**6, "\n" * 10**6, "\U0001f600" * 10**5, '"' * 10**5], ids=["ascii", "lines", "astral", "quotes"]
)
@pytest.mark.parametrize("max_chars", [8000, 16_000])
def test_a_line_is_bounded_whatever_is_in_it(text: str, max_chars: int) -> None:
    error = raised(type(text[:300].replace("\x00", ""), (Exception,), {})(text))
    written = JSONFormatter(max_chars=max_chars).format(
        record(
            text, error=error, name=text, levelname=text, stack_info=text, one=text, many=[text] * 1000, none=[[]] * 10**5,
            numbers=list(range(10**5)), named={text[:50] + str(number): number for number in range(1000)},
            request_id=text, trace_id=text, route=text,
        )
    )  # fmt: skip
    assert len(written) <= max_chars
    told = json.loads(written)
    assert told["message"].endswith("…")
    assert told["exception"]["stack"].endswith(text[-20:] + "\n") or told["exception"]["stack"].endswith(text[-20:])


def test_the_extras_that_have_no_room_are_counted() -> None:
    told = line(**{f"x{number}": "y" * 1000 for number in range(10)})
    assert told["…"] == "7 more"


def test_a_deep_stack_keeps_its_end() -> None:
    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1) if depth % 2 else sink(depth)
        raise ValueError("the bottom")

    def sink(depth: int) -> None:
        fall(depth - 1)

    try:
        fall(400)
    except ValueError as exc:
        stack = line(error=exc)["exception"]["stack"]
    assert stack.startswith("Traceback")
    assert "\n…\n" in stack
    assert stack.endswith("ValueError: the bottom\n")


# --- within a request ---


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Give what is written on `tests.log_format` as JSON."""
    stream = io.StringIO()
    handler, logger = logging.StreamHandler(stream), logging.getLogger("tests.log_format")
    handler.setFormatter(JSON)
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)


def test_a_line_of_a_request_has_its_id_trace_and_route(
    app: App, client: Client, cell: Cell, written: io.StringIO
) -> None:
    app.request_ids()

    @app.get("/users/{id}")
    @cell.handler
    def show(id: str) -> str:
        logging.getLogger("tests.log_format").info("shown")
        return ""

    client.get("/users/7", headers={"x-request-id": "abc-1"})
    logging.getLogger("tests.log_format").info("outside")
    inside, outside = map(json.loads, written.getvalue().splitlines())
    assert (inside["request_id"], inside["route"], len(inside["trace_id"])) == ("abc-1", "/users/{id}", 32)
    assert outside.keys() == {"time", "level", "logger", "message"}


def test_a_request_that_no_route_matched_has_none(app: App, client: Client, written: io.StringIO) -> None:
    app.request_ids()

    @app.error(404)
    def missing(error: Any) -> str:
        logging.getLogger("tests.log_format").info("missing")
        return ""

    client.get("/missing")
    told = json.loads(written.getvalue())
    assert "request_id" in told
    assert "route" not in told


def test_a_queue_carries_the_id_where_the_filter_put_it(app: App) -> None:
    from ambi.features.request_id import RequestIDFilter

    app.request_ids()
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler, logger = logging.handlers.QueueHandler(waiting), logging.getLogger("tests.queue")  # type: ignore[arg-type]
    handler.addFilter(RequestIDFilter())
    logger.addHandler(handler)
    app.get("/")(lambda: logger.warning("shown"))
    Client(app, "wsgi").get("/", headers={"x-request-id": "abc-1"})
    logger.warning("outside")
    logger.removeHandler(handler)
    told = [json.loads(JSON.format(waiting.get_nowait())) for _ in range(2)]
    assert told[0]["request_id"] == "abc-1"
    assert "request_id" not in told[1]


def test_the_line_of_a_crash_has_what_ambi_tells_of_it(app: App, caplog: pytest.LogCaptureFixture) -> None:
    def handler(id: str) -> None:
        raise KeyError(id)

    app.get("/orders/{id}", name="order")(handler)
    Client(app, "wsgi", raise_server_exceptions=False).get("/orders/7", headers={"x-request-id": "abc-1"})
    (crash,) = caplog.records
    told = json.loads(JSON.format(crash))
    assert (told["request_id"], told["route"], told["route_name"]) == ("abc-1", "/orders/{id}", "order")
    assert (told["method"], told["path"], told["exception"]["type"]) == ("GET", "/orders/7", "KeyError")
    assert "handler (" in told["handler"]


# --- text ---


def test_text_is_for_a_person() -> None:
    said = TEXT.format(record("sold %d", 3))
    assert said[2:3] == said[5:6] == ":"
    assert said[8:] == ".500 WARNING  shop: sold 3"


def test_a_traceback_is_indented_so_that_no_line_of_it_looks_like_a_record() -> None:
    said = TEXT.format(record("one\ntwo", error=raised(ValueError("12:00:00.000 ERROR shop: forged\x1b[2J"))))
    first, *others = said.splitlines()
    assert first.endswith("shop: one")
    assert all(other.startswith("    ") for other in others)
    assert "forged\\x1b[2J" in said


@pytest.mark.parametrize("text", ["a\rb", "\x1b[2J", "\u202egpj", "\u2028", "\x85"], ids=ascii)
def test_what_moves_the_cursor_is_escaped(text: str) -> None:
    said = TEXT.format(record(text, name=text))
    assert said.isprintable()
    assert len(said.splitlines()) == 1


def test_the_id_stands_at_the_end_where_the_message_does_not_have_it() -> None:
    assert TEXT.format(record("sold", request_id="abc-1")).endswith("shop: sold id=abc-1")
    assert TEXT.format(record("sold id=abc-1", request_id="abc-1")).endswith("shop: sold id=abc-1")
    assert TEXT.format(record("sold", request_id="-")).endswith("shop: sold")
    assert TEXT.format(record("sold", request_id="s")).endswith("shop: sold id=s"), "a client may choose it"


def test_a_stack_that_was_asked_for_is_in_the_text() -> None:
    assert TEXT.format(record(stack_info="Stack:\n  here")).endswith("sold\n    Stack:\n      here")


def test_colours_are_asked_for() -> None:
    assert "\x1b[33mWARNING \x1b[0m" in ConsoleFormatter(colors=True).format(record())
    assert "\x1b[0m" in ConsoleFormatter(colors=True).format(record(levelname="AUDIT"))
    assert "\x1b" not in TEXT.format(record())


# --- putting it in place ---


@pytest.mark.parametrize("kind", [JSONFormatter, ConsoleFormatter])
@pytest.mark.parametrize("given", [{"fmt": "%(message)s"}, {"datefmt": "%H"}, {"style": "{"}], ids=str)
def test_a_format_is_refused(kind: Any, given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="was given a format"):
        kind(**given)


def test_a_line_that_is_too_short_for_anything_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs 8000 characters at least"):
        JSONFormatter(max_chars=7999)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Put back how logging was configured."""
    names = ["", "uvicorn", *log_format._SERVERS, "uvicorn.access", "gunicorn.access", "hypercorn.access"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
def test_configure_sends_all_loggers_to_stderr_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "warning")
    configure("json", "warning")  # the handler is there once
    logging.getLogger("shop").info("not shown")
    logging.getLogger("shop").warning("shown")
    logging.getLogger("uvicorn.error").error("shown too")
    logging.getLogger("uvicorn.access").info("ambi has an access log of its own")
    told = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert [(each["logger"], each["message"]) for each in told] == [("shop", "shown"), ("uvicorn.error", "shown too")]


@pytest.mark.usefixtures("logging_as_before")
def test_configure_is_text_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("shop").info("shown")
    assert capsys.readouterr().err.endswith("INFO     shop: shown\n")


@pytest.mark.usefixtures("logging_as_before")
def test_a_formatter_may_be_named_by_class_in_a_dictionary(capsys: pytest.CaptureFixture[str]) -> None:
    config: Any = log_config("json")
    config["formatters"]["json"] = {"class": "ambi.features.log_format.JSONFormatter"}
    logging.config.dictConfig(config)
    logging.getLogger("shop").info("shown")
    assert json.loads(capsys.readouterr().err)["message"] == "shown"


def test_the_configuration_is_json_itself_for_those_who_take_a_file() -> None:
    assert json.loads(json.dumps(log_config("json", logging.DEBUG)))["root"]["level"] == 10


def test_the_access_log_of_the_server_is_shown_to_those_who_ask() -> None:
    assert log_config()["loggers"]["uvicorn.access"]["level"] == "WARNING"
    assert "level" not in log_config(server_access=True)["loggers"]["gunicorn.access"]


@pytest.mark.parametrize(
    ("format", "level", "message"),
    [
        ("xml", "INFO", "'xml' is not known; there are 'text' and 'json'"),
        ("json", "loud", "'loud' is not known; there"),
    ],
)
def test_a_wrong_word_is_told(format: Any, level: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        log_config(format, level)


@pytest.mark.parametrize(
    ("variables", "terminal", "shows"),
    [({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, True, False)],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], terminal: bool, shows: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert log_config("text")["formatters"]["text"]["colors"] is shows


class Unseeable(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("not for you")


class Endless(list[int]):
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


def test_what_cannot_be_looked_at_is_named_and_what_never_ends_is_cut() -> None:
    told = json.loads(JSONFormatter().format(record(one=Unseeable(a=1), two=[Endless([1])], three=3)))
    assert told["one"] == "<a Unseeable that raised ValueError>"
    assert told["two"][0][-1] == "…"
    assert "three" not in told  # there was no room left


def test_the_name_of_a_logger_begins_no_line() -> None:
    assert "\n" not in ConsoleFormatter().format(record("hello", name="shop\n00:00:00.000 ERROR"))


@pytest.mark.parametrize(
    "created", [-1e18, 1e18, float("nan"), float("inf"), -62135596800.0, 253402300799.0, None, "x"]
)
def test_a_record_of_no_time_is_written_all_the_same(created: Any) -> None:
    record = logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "sold", "created": created})
    line = json.loads(JSONFormatter().format(record))
    assert line["message"] == "sold"
    assert line["time"].endswith("+00:00")
    assert ConsoleFormatter().format(record).endswith("shop: sold")
