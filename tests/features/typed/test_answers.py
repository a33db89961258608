"""What a handler says that it returns decides what is sent: the encoding, the fields, the status, streams."""

import datetime
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypedDict, TypeVar
from urllib.parse import parse_qsl

import msgspec
import pydantic
import pytest

from ambi import (
    JSON,
    App,
    CallNext,
    ConfigurationError,
    Event,
    HTTPError,
    JSONLines,
    Middleware,
    Request,
    Response,
    Text,
)
from ambi.features.typed import Body, Status
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

T = TypeVar("T")


class Public(msgspec.Struct):
    id: int
    name: str


class Private(Public):
    password: str = "secret"


class Plain(msgspec.Struct):
    """A class of which there is no subclass."""

    id: int
    name: str


class Keys(TypedDict):
    id: int
    name: str


class Holder(msgspec.Struct):
    keys: Keys


@dataclass
class DataHolder:
    keys: Keys


class Shallow(msgspec.Struct):
    """A page of what has no subclass."""

    items: list[Plain]
    first: Plain | None = None


@dataclass
class Entity:
    """As an ORM has it whose classes are dataclasses."""

    id: int = 1
    name: str = "n"
    password: str = "secret"


class Part(msgspec.Struct, Generic[T]):
    of: T
    owner: Public


@dataclass
class DataPart(Generic[T]):
    of: T
    owner: Public


class PublicPart(Part[Public]):
    """Holds what its variable stands for."""


class Tree(msgspec.Struct):
    leaf: Plain
    trees: list["Tree"] = []


@dataclass
class Data:
    id: int
    name: str


class Model(pydantic.BaseModel):
    id: int
    name: str


class PrivateModel(Model):
    password: str = "secret"


class Row:
    """As an ORM has it."""

    id = 1
    name = "n"
    password = "secret"


class Page(msgspec.Struct):
    items: list[Public]
    at: datetime.date | None = None


ROW: Any = Row()
DICT: Any = {"id": 1, "name": "n", "password": "secret"}
SENT = b'{"id":1,"name":"n"}'


def answering(app: App, cell: Cell, returns: Any, value: Any, path: str = "/") -> None:
    """Register a handler that says it returns the one and returns the other."""

    def handler():
        if isinstance(value, Exception):
            raise value
        return value

    handler.__annotations__["return"] = returns
    app.get(path)(cell.handler(handler))


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Public, Public(1, "n")), (Public, Private(1, "n")), (Public, DICT), (Public, ROW), (Plain, Plain(1, "n")),
        (Plain, DICT), (Data, Data(1, "n")), (Data, DICT), (Data, ROW), (Model, Model(id=1, name="n")),
        (Model, PrivateModel(id=1, name="n")), (Model, DICT), (Model, ROW), (Public | None, Private(1, "n")),
        (Response | Public, DICT), (Response[Public], DICT), (JSON[Public], JSON(Private(1, "n"))),
        (tuple[Public, int], (DICT, 200)), (Annotated[Public, "a note"], DICT),
    ],
)  # fmt: skip
def test_fields_that_are_not_named_stay_here(app: App, client: Client, cell: Cell, returns: Any, value: Any) -> None:
    answering(app, cell, returns, value)
    response = client.get("/")
    assert (response.status_code, response.content) == (200, SENT)
    assert response.headers["content-type"] == "application/json"


PRIVATE: Any = Private(1, "n")
ENTITY: Any = Entity()


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Holder, Holder(DICT)), (DataHolder, DataHolder(DICT)), (list[Holder], [Holder(DICT)]),
        (Shallow, Shallow([ENTITY])), (Shallow, Shallow([DICT])), (Shallow, Shallow([], ENTITY)),
        (Tree, Tree(Plain(1, "n"), [Tree(ENTITY)])), (Part[int], Part(1, PRIVATE)), (Part[Plain], Part(ENTITY, PRIVATE)),
        (DataPart[int], DataPart(1, PRIVATE)), (dict[str, Part[int]], {"a": Part(1, PRIVATE)}),
        (PublicPart, PublicPart(PRIVATE, PRIVATE)), (JSON[Part[int]], JSON(Part(1, PRIVATE))),
        (Iterator[Holder], [Holder(DICT)]), (dict[str, Plain], {"a": ENTITY}), (tuple[Public, ...], (PRIVATE,)),
    ],
)  # fmt: skip
def test_no_field_leaves_inside_of_a_generic_a_typed_dict_or_what_has_another_class(
    app: App, client: Client, cell: Cell, returns: Any, value: Any
) -> None:
    def handler():
        return iter(value) if returns == Iterator[Holder] else value

    handler.__annotations__["return"] = returns
    app.get("/")(cell.handler(handler))
    response = client.get("/")
    assert b"secret" not in response.content
    assert response.status_code == 200


def test_a_tree_is_written_however_deep_it_is(app: App, client: Client, cell: Cell) -> None:
    tree = Tree(Plain(1, "n"))
    for _ in range(300):
        tree = Tree(Plain(1, "n"), [tree])
    answering(app, cell, Tree, tree)
    assert client.get("/").content.count(SENT) == 301


@pytest.mark.parametrize(
    ("returns", "value", "sent"),
    [
        (list[Public], [Private(1, "n"), DICT, ROW], [{"id": 1, "name": "n"}] * 3),
        (list[Plain], [Plain(1, "n")], [{"id": 1, "name": "n"}]), (list[Plain], [DICT], [{"id": 1, "name": "n"}]),
        (list[Model], [PrivateModel(id=1, name="n")], [{"id": 1, "name": "n"}]),
        (dict[str, Public], {"a": Private(1, "n")}, {"a": {"id": 1, "name": "n"}}),
        (Page, Page([Private(1, "n")]), {"items": [{"id": 1, "name": "n"}], "at": None}),
        (Page, {"items": [Private(1, "n")], "at": datetime.date(2026, 1, 2)},
         {"items": [{"id": 1, "name": "n"}], "at": "2026-01-02"}),
        (Public | None, None, None), (int, 3, 3), (bool, True, True), (set[int], {1}, [1]), (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)  # fmt: skip
def test_nor_do_fields_of_what_is_inside_leave(
    app: App, client: Client, cell: Cell, returns: Any, value: Any, sent: Any
) -> None:
    answering(app, cell, returns, value)
    assert client.get("/").json() == sent


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Public, {"id": 1}),
        (Plain, {"id": 1}),
        (Public, "text"),
        (list[Public], [1]),
        (Model, {"id": "x"}),
        (Data, None),
    ],
)
def test_a_value_that_is_something_else_is_an_error_that_names_the_handler(
    make_client: Any, cell: Cell, caplog: pytest.LogCaptureFixture, returns: Any, value: Any, debug: bool
) -> None:
    app = App(debug=debug)
    answering(app, cell, returns, value)
    assert make_client(app).get("/").status_code == 500
    line = answering.__code__.co_firstlineno + 3
    assert f"{__file__}:{line}) returned {type(value).__name__}, which is not what it says" in caplog.text


def test_in_debug_a_value_of_the_right_class_is_checked_whole(
    make_client: Any, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: Any = "x"
    for debug, status in ((False, 200), (True, 500)):
        app = App(debug=debug)
        answering(app, cell, Plain, Plain(wrong, "n"))
        assert make_client(app).get("/").status_code == status
    assert "Expected `int`, got `str`" in caplog.text


@pytest.mark.parametrize(
    ("returns", "value", "status", "content"),
    [
        (Annotated[Public, Status(201)], Public(1, "n"), 201, SENT),
        (Annotated[Public, Status(201)], (DICT, 202), 202, SENT),
        (Annotated[Public, Status(201)], JSON(DICT, 203), 203, SENT),
        (Annotated[None, Status(202)], None, 202, b""), (Annotated[str, Status(201)], "x", 201, b"x"),
        (Annotated[str, Status(201)], Text("x", 202), 202, b"x"), (Annotated[str, Status(201)], ("x", 203), 203, b"x"),
        (Public, (DICT, 202, {"x-a": "b"}), 202, SENT), (Public, (DICT, HTTPStatus.CREATED), 201, SENT),
        (tuple[Public, int], (DICT, HTTPStatus.CREATED), 201, SENT),
        (tuple[Public, HTTPStatus], (DICT, HTTPStatus.CREATED), 201, SENT), (str, ("x", HTTPStatus.CREATED), 201, b"x"),
        (tuple[Public, bool], (DICT, True), 200, b"[" + SENT + b",true]"),
        (tuple[Public, bool] | None, (DICT, True), 200, b"[" + SENT + b",true]"),
        (Public, (DICT, True), 500, None), (Public, Text("else", 203), 203, b"else"),
        (Public, HTTPError(404), 404, None),
    ],
)  # fmt: skip
def test_the_status_is_that_of_the_annotation_unless_the_value_has_one(
    app: App, client: Client, cell: Cell, returns: Any, value: Any, status: int, content: bytes | None
) -> None:
    answering(app, cell, returns, value)
    response = client.get("/")
    assert response.status_code == status
    assert content is None or response.content == content
    if isinstance(value, tuple) and len(value) == 3:
        assert response.headers["x-a"] == "b"


@pytest.mark.parametrize("code", [99, 600, True, "201"])
def test_a_status_that_is_none_is_told_at_registration(code: Any) -> None:
    def handler() -> Any: ...

    handler.__annotations__["return"] = Annotated[Public, Status(code)]
    with pytest.raises(ConfigurationError, match="its return annotation says"):
        App().get("/")(handler)


@pytest.mark.parametrize("returns", [Row, list[Row], Iterator[Row]])
def test_a_type_that_cannot_be_written_is_told_at_registration(returns: Any) -> None:
    def handler() -> Any: ...

    handler.__annotations__["return"] = returns
    with pytest.raises(
        ConfigurationError,
        match="(gives|returns) is annotated .*Row.*, which cannot be read or written: Row is no type",
    ):
        App().get("/")(handler)


# --- by Accept ---


@pytest.mark.parametrize("value", [Public(1, "ä&="), Model(id=1, name="ä&=")])
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"), ("*/*", "application/json"), ("text/html", "application/json"),
        ("application/msgpack", "application/msgpack"), ("application/vnd.msgpack", "application/vnd.msgpack"),
        ("application/x-msgpack;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, application/x-msgpack", "application/x-msgpack"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_the_client_chooses_the_media_type(
    app: App, client: Client, cell: Cell, value: Any, accept: str | None, media_type: str
) -> None:
    answering(app, cell, type(value), value)
    response = client.get("/", headers={"accept": accept} if accept else {})
    assert (response.headers["content-type"], response.headers["vary"]) == (media_type, "accept")
    wanted = {"id": 1, "name": "ä&="}
    if "json" in media_type:
        assert response.json() == wanted
    elif "msgpack" in media_type:
        assert msgspec.msgpack.decode(response.content) == wanted
    else:
        assert parse_qsl(response.text) == [("id", "1"), ("name", "ä&=")]


class Flat(msgspec.Struct):
    tags: list[str]
    inner: Plain
    nothing: int | None = None
    yes: bool = True


def test_a_form_has_names_several_times_and_objects_as_json(app: App, client: Client, cell: Cell) -> None:
    answering(app, cell, Flat, Flat(["a", "b"], Plain(1, "n")))
    answering(app, cell, list[Plain], [], "/list")
    form = {"accept": "application/x-www-form-urlencoded"}
    assert parse_qsl(client.get("/", headers=form).text) == [
        ("tags", "a"), ("tags", "b"), ("inner", '{"id":1,"name":"n"}'), ("yes", "true"),
    ]  # fmt: skip
    assert client.get("/list", headers=form).headers["content-type"] == "application/json"  # which no form can be


# --- streams ---


def test_a_generator_of_values_is_sent_a_line_each(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def rows() -> Iterator[Public]:
        yield Public(1, "n")
        yield Private(1, "n")
        yield DICT

    response = client.get("/")
    assert response.headers["content-type"] == "application/jsonl"
    assert response.content == (SENT + b"\n") * 3


def test_a_generator_of_events_is_an_event_stream(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def events() -> Annotated[Iterator[Event], Status(203)]:
        yield Event("a")

    response = client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (203, "text/event-stream")
    assert b"data: a\n\n" in response.content


def test_a_generator_of_text_is_sent_as_it_is(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def text(n: int = 2) -> Iterator[str]:
        yield from "ab"[:n]

    @app.get("/status")
    @cell.handler
    def with_status() -> Annotated[Iterator[bytes], Status(203)]:
        yield b"x"

    assert client.get("/").text == "ab"
    assert [client.get("/status").status_code, client.get("/status").text] == [203, "x"]


def test_what_returns_an_iterator_or_a_response_instead_is_sent_alike(app: App, client: Client, cell: Cell) -> None:
    def items() -> Iterator[Public]:
        yield Public(1, "n")

    async def async_items() -> AsyncIterator[Public]:
        yield Public(1, "n")

    answering(app, cell, Iterator[Public], items(), "/sync")
    answering(app, cell, AsyncIterator[Public], async_items(), "/async")
    answering(app, cell, Iterator[Public], Text("else"), "/else")
    assert client.get("/sync").content == client.get("/async").content == SENT + b"\n"
    assert client.get("/else").text == "else"


def test_the_items_of_lines_that_a_handler_makes_itself_are_those_that_it_says(
    app: App, client: Client, cell: Cell
) -> None:
    def handler():
        return JSONLines([ENTITY, DICT], headers={"x-own": "1"})

    handler.__annotations__["return"] = Iterator[Data]
    app.get("/")(cell.handler(handler))
    response = client.get("/")
    assert response.content == (SENT + b"\n") * 2
    assert response.headers["x-own"] == "1"


@pytest.mark.parametrize("makes", [False, True], ids=["generator", "JSONLines"])
def test_fields_that_are_not_named_stay_here_behind_layers_that_return_the_stream(
    app: App, client: Client, cell: Cell, makes: bool
) -> None:
    @app.middleware
    async def outer(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    @app.middleware
    def inner(request: Request) -> Middleware:
        response = yield
        return response

    def items() -> Iterator[Public]:
        yield Private(1, "n")

    def lines() -> Iterator[Public]:
        return JSONLines(items())  # type: ignore[return-value]  # which a handler may as well

    app.get("/")(cell.handler(lines if makes else items))
    assert client.get("/").content == SENT + b"\n"


def test_an_item_that_is_something_else_cuts_the_stream(make_client: Any, cell: Cell) -> None:
    app = App()

    @app.get("/")
    @cell.handler
    def rows() -> Iterator[Public]:
        yield Public(1, "n")
        yield "text"  # type: ignore[misc]

    with pytest.raises(Exception, match=r"Expected `object`, got `str`|[Cc]losed|cut|incomplete"):
        make_client(app, raise_server_exceptions=True).get("/")


# --- what stays as it was ---


def test_plain_annotations_ask_for_nothing(app: App, client: Client, cell: Cell) -> None:
    for index, (returns, value) in enumerate(
        [
            (str, "x"),
            (dict[str, Any], {}),
            (Text, Text("")),
            (list[int], []),
            (None, None),
            (str | Response, ""),
            (Any, ""),
        ]
    ):
        answering(app, cell, returns, value, f"/{index}")
    assert [route.bound.contract for route in app.routes] == [None] * 7
    assert client.get("/1").json() == {}


def test_an_annotation_for_type_checkers_alone_is_told_of() -> None:
    def handler(request: Request) -> "NotThere": ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError, match="what it returns cannot be resolved.*for type checkers only"):
        App().get("/")(handler)


@dataclass
class Leaf:
    name: str
    n: int = 0
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Branch:
    leaf: Leaf
    leaves: list[Leaf] = field(default_factory=list)
    by_name: dict[str, Leaf] | None = None
    pair: tuple[Leaf, int] | None = None
    label: str = "x"


@dataclass(slots=True)
class Slotted:
    leaf: Leaf
    n: int = 0


class HoldsLeaf(msgspec.Struct):
    leaf: Leaf
    n: int = 0


@dataclass
class Generically(Generic[T]):
    of: T
    n: int = 0


LEAF = {"name": "a", "n": 0, "tags": []}
BRANCH = {"leaf": LEAF, "leaves": [], "by_name": None, "pair": None, "label": "x"}
LEFT_OUT: list[tuple[Any, Any, Any]] = [
    (Leaf, {"name": "a"}, LEAF),
    (Annotated[list[Leaf], Body()], [{"name": "a"}, {"name": "a", "n": 0}], [LEAF, LEAF]),
    (Annotated[dict[str, Leaf], Body()], {"k": {"name": "a"}}, {"k": LEAF}),
    (Branch, {"leaf": {"name": "a"}}, BRANCH),
    (
        Branch,
        {"leaf": LEAF, "leaves": [{"name": "a"}], "by_name": {"k": {"name": "a"}}, "pair": [{"name": "a"}, 1]},
        BRANCH | {"leaves": [LEAF], "by_name": {"k": LEAF}, "pair": [LEAF, 1]},
    ),
    (Slotted, {"leaf": {"name": "a"}}, {"leaf": LEAF, "n": 0}),
    (HoldsLeaf, {"leaf": {"name": "a"}}, {"leaf": LEAF, "n": 0}),
    (Generically[Leaf], {"of": {"name": "a"}}, {"of": LEAF, "n": 0}),
]


@pytest.mark.parametrize("debug", [False, True])
def test_what_a_client_left_out_of_a_dataclass_is_sent_by_its_default(
    make_client: MakeClient, cell: Cell, debug: bool
) -> None:
    app = App(debug=debug)

    def same(body):
        return body

    def narrowed():
        return sent[0]

    sent: list[Any] = []
    for number, (kind, _, _) in enumerate(LEFT_OUT):
        same.__annotations__.update({"body": kind, "return": kind})
        app.post(f"/{number}")(cell.handler(same))
        narrowed.__annotations__["return"] = kind
        app.get(f"/{number}")(cell.handler(narrowed))
    client = make_client(app)
    for number, (_, given, answer) in enumerate(LEFT_OUT):
        sent[:] = [given]
        packed = client.post(f"/{number}", json=given, headers={"accept": "application/msgpack"})
        assert client.post(f"/{number}", json=given).json() == answer
        assert msgspec.msgpack.decode(packed.content) == answer
        assert client.get(f"/{number}").json() == answer
