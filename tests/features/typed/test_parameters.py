"""Values from signatures: where each comes from, what it may be, and what is told when it does not fit."""

import enum
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NewType, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from ambi import App, BodyStream, ConfigurationError, Limits, Request, UploadFile, WebSocket
from ambi.core.multidict import MultiDict
from ambi.features.typed import Body, Cookie, FileField, Form, Header, Query
from ambi.features.typed.faults import Fault, Misfit
from ambi.features.typed.msgspec_shape import MsgspecShape
from ambi.features.typed.parameters import Parameter, getter_of
from ambi.testing import Client, WebSocketRefused
from tests.cells import Cell
from tests.core.scaling import assert_linear


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


UserId = NewType("UserId", int)


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)


class ItemStruct(msgspec.Struct):
    name: str
    price: float
    tags: list[str] = []


class ItemDict(TypedDict):
    name: str
    price: float
    tags: list[str]


@attrs.define
class ItemAttrs:
    name: str
    price: float
    tags: list[str] = attrs.field(factory=list)


class ItemModel(pydantic.BaseModel):
    name: str
    price: float
    tags: list[str] = []


MODELS = (Item, ItemStruct, ItemDict, ItemAttrs, ItemModel)


def errors(response: Any) -> list[tuple[str, str, str]]:
    """Give location, name or pointer, and message of what a 422 tells."""
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    return [
        (one["location"], one.get("name", one.get("pointer", "")), one["message"]) for one in response.json()["errors"]
    ]


# --- the query ---


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "12", 12), (float, "1.5", 1.5), (bool, "true", True), (bool, "0", False), (str, "null", "null"),
        (Decimal, "1.10", Decimal("1.10")), (date, "2026-02-28", date(2026, 2, 28)),
        (datetime, "2026-02-28T01:02:03Z", datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)), (timedelta, "PT5S", timedelta(seconds=5)),
        (UUID, "00000000-0000-4000-8000-00000000000a", UUID(int=0x40008000_00000000_000A)),
        (Colour, "blue", Colour.BLUE), (Size, "2", Size.LARGE), (Literal["a", "b"], "b", "b"), (Literal[1, 2], "2", 2),
        (UserId, "7", 7), (int | None, "7", 7), (str | None, "null", "null"), (int | str, "x", "x"),
        (Annotated[int, msgspec.Meta(ge=1)], "1", 1), (Annotated[int, pydantic.Field(ge=1)], "1", 1),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_type(kind: Any, text: str, value: Any) -> None:
    app, seen = App(), []

    def handler(x) -> None:
        seen.append(x)

    handler.__annotations__["x"] = kind
    app.get("/")(handler)
    with Client(app, "both") as client:
        assert client.get("/", params={"x": text}).status_code == 204
    if text == "00000000-0000-4000-8000-00000000000a":
        value = UUID(text)
    assert seen == [value, value]
    assert type(seen[0]) is type(value)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (int, ["", "x", "+1", "1_0", " 1", "1.5", "٣", "null"]), (float, ["nan", "inf", "-inf", "1e999", "x", ""]),
        (bool, ["yes", "2", ""]), (date, ["2026-02-30", "20260228", "today"]), (UUID, ["1", "x" * 36]),
        (Colour, ["RED", "green"]), (Literal["a"], ["b"]), (int | None, ["null", ""]),
        (Annotated[int, msgspec.Meta(ge=1, le=5)], ["0", "6"]), (Annotated[str, msgspec.Meta(max_length=2)], ["abc"]),
        (Annotated[int, pydantic.Field(ge=1)], ["0", "x"]), (list[int], ["x"]),
    ],
)  # fmt: skip
def test_what_is_no_value_of_its_type_is_refused(kind: Any, texts: list[str]) -> None:
    app = App()

    def handler(x) -> None: ...

    handler.__annotations__["x"] = kind
    app.get("/")(handler)
    with Client(app, "both") as client:
        for text in texts:
            ((location, name, message),) = errors(client.get("/", params={"x": text}))
            assert (location, name) == ("query", "x"), text
            assert message


def test_everything_that_does_not_fit_is_told_at_once(app: App, client: Client, cell: Cell) -> None:
    @app.post("/{id}")
    @cell.handler
    def handler(
        id: Annotated[int, msgspec.Meta(ge=1)],
        item: Item,
        q: str,
        x_token: Annotated[str, Header()],
        key: Annotated[int, Cookie()],
        limit: int = 3,
    ) -> None: ...

    response = client.post("/0?limit=x", json={"name": 1, "tags": ["a", 2]}, headers={"cookie": "key=k"})
    assert errors(response) == [
        ("path", "id", "Expected `int` >= 1"),
        ("body", "#/name", "Expected `str`, got `int`"),
        ("body", "#/price", "It is missing"),
        ("body", "#/tags/1", "Expected `str`, got `int`"),
        ("query", "q", "It is missing"),
        ("header", "x-token", "It is missing"),
        ("cookie", "key", "Expected `int`, got `str`"),
        ("query", "limit", "Expected `int`, got `str`"),
    ]


def test_what_is_not_sent_is_the_default(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(
        request: Request,
        n: int = 3,
        tags: list[str] = [],  # noqa: B006  # which this is about
        maybe: int | None = None,
        bare: int | None = None,
    ) -> Any:
        tags.append("own")
        return {"all": [n, tags, maybe, bare], "method": request.method}

    for _ in range(2):  # a default that is changed is not the next request's
        assert client.get("/").json() == {"all": [3, ["own"], None, None], "method": "GET"}
    assert client.get("/?n=4&tags=a&tags=b&maybe=1").json()["all"] == [4, ["a", "b", "own"], 1, None]


def test_an_optional_without_a_default_is_none(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(_optional))
    assert client.get("/").json() == [None]
    assert client.get("/?q=null").json() == ["null"]


def _optional(q: str | None) -> list[Any]:
    return [q]


def test_a_single_value_that_is_sent_twice_is_refused(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(n: int, m: int = 0) -> Any:
        return {"n": n}

    assert errors(client.get("/?n=1&n=2")) == [("query", "n", "It is given more than once")]
    assert client.get("/?n=1&other=1&other=2").json() == {"n": 1}


def test_aliases_headers_and_cookies(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(
        q: Annotated[str, Query("search-term")],
        user_agent: Annotated[str, Header()],
        tags: Annotated[list[str], Header("X-Tag")],
        sid: Annotated[str, Cookie("session id")] = "none",
        theme: Annotated[Literal["dark", "light"], Cookie()] = "light",
    ) -> Any:
        return [q, user_agent, tags, sid, theme]

    headers = {"user-agent": "me", "x-tag": "a, b", "cookie": "theme=dark"}
    assert client.get("/?search-term=x", headers=headers).json() == ["x", "me", ["a", "b"], "none", "dark"]
    assert [name for _, name, _ in errors(client.get("/", headers={"user-agent": "me"}))] == ["search-term", "x-tag"]


@dataclass
class Lists:
    ids: list[int]
    tags: list[str] = field(default_factory=lambda: ["none"])


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({"ids": "1"}, [[1], ["none"]]),
        ({"ids": "1,,2 ,\t3,", "tags": "a, ,b"}, [[1, 2, 3], ["a", "b"]]),
        ({"ids": "", "tags": ","}, [[], []]),
        ({"ids": "1", "tags": '"x,y", W/"a\\",b" , z'}, [[1], ['"x,y"', 'W/"a\\",b"', "z"]]),
    ],
)
def test_a_list_in_a_header_field_is_split_as_http_says(
    app: App, client: Client, cell: Cell, headers: Any, value: Any
) -> None:
    @app.get("/")
    @cell.handler
    def handler(ids: Annotated[list[int], Header()], tags: Annotated[list[str], Header()] = ["none"]) -> Any:  # noqa: B006
        return [ids, tags]

    @app.get("/model")
    @cell.handler
    def model(lists: Annotated[Lists, Header()]) -> Any:
        return [lists.ids, lists.tags]

    for path in ("/", "/model"):
        assert client.get(path, headers=headers).json() == value
        assert errors(client.get(path, headers={"tags": "a"})) == [("header", "ids", "It is missing")]


class Filters(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    tags: list[str] = []
    order_by: Literal["new", "old"] = "new"


class FilterModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    limit: int = pydantic.Field(10, ge=1, le=100)
    tags: list[str] = []
    order_by: Literal["new", "old"] = "new"


@pytest.mark.parametrize("kind", [Filters, FilterModel])
def test_a_model_is_the_whole_query(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(filters) -> Any:
        return [filters.limit, filters.tags, filters.order_by]

    handler.__annotations__["filters"] = Annotated[kind, Query()]
    app.get("/")(cell.handler(handler))
    assert client.get("/").json() == [10, [], "new"]
    assert client.get("/?limit=5&tags=a&order_by=old").json() == [5, ["a"], "old"]
    found = errors(client.get("/?limit=0&order_by=x&limit=2"))
    assert [(location, name) for location, name, _ in found] == [("query", "limit"), ("query", "order_by")]
    assert client.get("/?what=1").status_code == 422


class Common(msgspec.Struct):
    x_trace: str
    accept_language: str = "en"


def test_a_model_of_header_fields_and_of_cookies(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(common: Annotated[Common, Header()], jar: Annotated[Common | None, Cookie()] = None) -> Any:
        return [common.x_trace, common.accept_language, jar and jar.x_trace]

    assert client.get("/", headers={"x-trace": "t"}).json() == ["t", "en", None]
    assert client.get("/", headers={"x-trace": "t", "cookie": "x_trace=c; other=1"}).json() == ["t", "en", "c"]
    assert errors(client.get("/")) == [("header", "x-trace", "It is missing")]


@dataclass
class Range:
    low: int
    high: int


class RangeModel(pydantic.BaseModel):
    low: int = pydantic.Field(validation_alias=pydantic.AliasChoices("low", "from"))
    high: int


@pytest.mark.parametrize("kind", [Range, RangeModel])
def test_a_model_that_need_not_be_there_is_not_asked_for_by_the_arguments_of_others(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def handler(page=1, range=None) -> Any:
        return [page, range and range.low]

    for method, place in (("GET", Query), ("POST", Form)):
        handler.__annotations__.update(page=Annotated[int, place()], range=Annotated[kind | None, place()])
        app.route("/", methods=[method])(cell.handler(handler))
        where = "params" if method == "GET" else "data"
        for sent, value in (
            ({}, [1, None]),
            ({"page": "2"}, [2, None]),
            ({"utm_source": "x"}, [1, None]),
            ({"page": "2", "low": "3", "high": "4"}, [2, 3]),
        ):
            assert client.request(method, "/", **{where: sent}).json() == value
        assert [name for _, name, _ in errors(client.request(method, "/", **{where: {"low": "3"}}))] == ["high"]
    if kind is RangeModel:
        assert client.get("/?from=3&high=4").json() == [1, 3]
        assert client.get("/?from=3").status_code == 422


@pytest.mark.parametrize("kind", [Filters, FilterModel])
def test_a_model_that_need_not_be_there_still_forbids_what_it_does_not_know(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def handler(filters=None) -> Any:
        return [filters and filters.limit]

    handler.__annotations__["filters"] = Annotated[kind | None, Query()]
    app.get("/")(cell.handler(handler))
    assert client.get("/").json() == [None]
    assert client.get("/?limit=5").json() == [5]
    assert [name for _, name, _ in errors(client.get("/?limt=5"))] == ["limt"]


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")


def test_a_model_that_need_not_be_there_still_takes_what_it_allows(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(rest: Annotated[Open | None, Query()] = None) -> Any:
        return rest and rest.model_dump()

    assert client.get("/").status_code == 204
    assert client.get("/?a=1").json() == {"a": "1"}


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize(("place", "annotation"), [("q", Query()), ("f", Form())])
def test_a_model_takes_its_fields_in_time_in_proportion_to_what_is_sent(
    place: str, annotation: Any, repeats: bool
) -> None:
    parameter = Parameter(len, place, Annotated[Filters | None, annotation], None)
    get, _ = getter_of(parameter, ("POST",))

    def make(size: int) -> Any:
        pairs = [(f"{number % (size // 2) if repeats else number}", "") for number in range(size)]
        return SimpleNamespace(query=MultiDict(pairs), form=MultiDict(pairs))

    def read(request: Any) -> None:
        with pytest.raises(Misfit):
            get(request)

    assert_linear(make, read, size=200)


# --- the body ---


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_the_body(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(item) -> Any:
        get = item.get if isinstance(item, dict) else lambda name: getattr(item, name)
        return [type(item).__name__, get("name"), get("price"), get("tags")]

    handler.__annotations__["item"] = kind
    app.post("/")(cell.handler(handler))
    body = {"name": "n", "price": 1.5, "tags": ["a"], "unknown": 1}
    wanted = ["dict" if kind is ItemDict else kind.__name__, "n", 1.5, ["a"]]
    assert client.post("/", json=body).json() == wanted
    packed = msgspec.msgpack.encode(body)
    for media_type in ("application/msgpack", "application/vnd.msgpack"):
        assert client.post("/", content=packed, headers={"content-type": media_type}).json() == wanted
    problem = {"content-type": "application/problem+json; charset=utf-8"}
    assert client.post("/", content=msgspec.json.encode(body), headers=problem).json() == wanted
    found = errors(client.post("/", json={"name": 1, "tags": "x"}))
    assert sorted((location, name) for location, name, _ in found) == [
        ("body", "#/name"), ("body", "#/price"), ("body", "#/tags"),
    ]  # fmt: skip
    assert [(location, name) for location, name, _ in errors(client.post("/", json=[1]))] == [("body", "#")]


@pytest.mark.parametrize("kind", [Item, ItemModel])
@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400), (b'{"name":"\xff","price":1}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400), (b"\xc1", "application/msgpack", 400), (b"", "application/json", 422),
        (b"{}", "text/plain", 415), (b"{}", "", 415), (b"a=1", "application/x-www-form-urlencoded", 415),
        (b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--', "multipart/form-data; boundary=b", 415),
        (b"null", "application/json", 422), (b"{}x", "application/json", 400),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read(
    app: App, client: Client, cell: Cell, kind: Any, content: bytes, media_type: str, status: int
) -> None:
    def handler(item) -> None: ...

    handler.__annotations__["item"] = kind
    app.post("/")(cell.handler(handler))
    headers = {"content-type": media_type} if media_type else {}
    assert client.post("/", content=content, headers=headers).status_code == status


def test_a_field_that_is_not_sent_is_told_from_one_that_is_null(app: App, client: Client, cell: Cell) -> None:
    class Changes(msgspec.Struct):
        name: str | msgspec.UnsetType = msgspec.UNSET
        note: str | msgspec.UnsetType | None = msgspec.UNSET

    @app.patch("/")
    @cell.handler
    def change(changes: Changes) -> dict[str, Any]:
        return {"name": changes.name is msgspec.UNSET, "note": str(changes.note)}

    assert client.patch("/", json={}).json() == {"name": True, "note": "UNSET"}
    assert client.patch("/", json={"name": "n", "note": None}).json() == {"name": False, "note": "None"}
    refused = client.patch("/", json={"name": None})
    assert errors(refused) == [("body", "#/name", "Expected `str`, got `null`")]


def test_a_body_that_need_not_be_there(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(item: Item | None = None) -> Any:
        return [item and item.name]

    assert client.post("/").json() == [None]
    assert client.post("/", json={"name": "n", "price": 1}).json() == ["n"]


RATES = {"EUR": 1}


@dataclass
class Price:
    currency: str

    def __post_init__(self) -> None:
        self.rate = RATES[self.currency]


class PriceModel(pydantic.BaseModel):
    currency: str

    @pydantic.field_validator("currency")
    @classmethod
    def is_known(cls, value: str) -> str:
        return value if RATES[value] else ""


@pytest.mark.parametrize("kind", [Range, RangeModel])
def test_a_form_that_need_not_be_the_body_is_not_asked_for_by_the_fields_of_others(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def handler(range=None) -> Any:
        return [range and range.low]

    handler.__annotations__["range"] = Annotated[kind | None, Body(), Form()]
    app.post("/")(cell.handler(handler))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/", content=b"", headers=form).json() == [None]
    assert client.post("/", data={"csrf_token": "x"}).json() == [None]
    assert client.post("/", data={"csrf_token": "x", "low": "1", "high": "2"}).json() == [1]
    assert errors(client.post("/", data={"low": "1"})) == [("body", "#/high", IS_MISSING[kind])]


IS_MISSING = {Range: "It is missing", RangeModel: "Field required"}


@pytest.mark.parametrize("kind", [Price, PriceModel])
def test_an_error_of_a_models_own_code_does_not_mean_that_there_is_no_body(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def needed(price) -> Any:
        return [price.currency]

    def optional(price=None) -> Any:
        return [price and price.currency]

    needed.__annotations__["price"] = Annotated[kind, Body(), Form()]
    optional.__annotations__["price"] = Annotated[kind | None, Body(), Form()]
    for handler in (needed, optional):
        path = f"/{handler.__name__}"
        app.post(path)(cell.handler(handler))
        for sent in ({"json": {"currency": "EUR"}}, {"data": {"currency": "EUR"}}):
            assert client.post(path, **sent).json() == ["EUR"]
        for sent in ({"json": {"currency": "XXX"}}, {"data": {"currency": "XXX"}}):
            assert client.post(path, **sent).status_code == 500
    assert client.post("/optional").json() == [None]
    assert errors(client.post("/needed")) == [("body", "#", "It is missing")]


def test_text_and_bytes_are_the_body_as_it_is(app: App, client: Client, cell: Cell) -> None:
    app.post("/bytes")(cell.handler(_takes_bytes))
    app.post("/text")(cell.handler(_takes_text))
    png = {"content-type": "image/png"}
    assert client.post("/bytes", content=b"\x00\xff", headers=png).json() == [2]
    assert client.post("/bytes", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/text", content="ä".encode()).json() == ["ä"]
    assert client.post("/text", content=b"\xff").status_code == 400


def _takes_bytes(data: Annotated[bytes, Body("image/png")]) -> list[int]:
    return [len(data)]


def _takes_text(data: Annotated[str, Body()]) -> list[str]:
    return [data]


def test_text_and_bytes_that_are_not_sent_are_the_default(app: App, client: Client, cell: Cell) -> None:
    app.post("/bytes")(cell.handler(_may_take_bytes))
    app.post("/text")(cell.handler(_may_take_text))
    assert client.post("/bytes").json() == [None]
    assert client.post("/bytes", content=b"\xff", headers={"content-type": "image/png"}).json() == [1]
    assert client.post("/bytes", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/text").json() == ["none"]
    assert client.post("/text", content=b"t").json() == ["t"]


def _may_take_bytes(data: Annotated[bytes | None, Body("image/png")]) -> list[Any]:
    return [data and len(data)]


def _may_take_text(data: Annotated[str, Body()] = "none") -> list[str]:
    return [data]


def test_scalars_and_lists_of_models_are_bodies_when_marked_or_made_of_models(
    app: App, client: Client, cell: Cell
) -> None:
    app.post("/number")(cell.handler(_takes_number))
    app.post("/items")(cell.handler(_takes_items))
    assert client.post("/number", json=3).json() == [3]
    assert client.post("/items", json=[{"name": "a", "price": 1}]).json() == ["a"]
    assert errors(client.post("/items", json=[{"name": "a", "price": "x"}, {"price": 1}])) == [
        ("body", "#/0/price", "Expected `float`, got `str`"),
        ("body", "#/1/name", "It is missing"),
    ]


def _takes_number(n: Annotated[int, Body()]) -> list[int]:
    return [n]


def _takes_items(items: list[Item]) -> list[str]:
    return [item.name for item in items]


# --- forms ---


def test_fields_and_files_of_a_form(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(
        n: Annotated[int, Form()],
        photo: UploadFile,
        tags: Annotated[list[str], Form("tag")] = [],  # noqa: B006
        more: Annotated[list[UploadFile], FileField("extra")] = [],  # noqa: B006
        last: UploadFile | None = None,
    ) -> Any:
        return [n, photo.read().decode(), tags, [file.filename for file in more], last]

    files = [("photo", ("p.txt", b"abc", "text/plain")), ("extra", ("1", b"", "a/b")), ("extra", ("2", b"", "a/b"))]
    response = client.post("/", data={"n": "1", "tag": ["a", "b"]}, files=files)
    assert response.json() == [1, "abc", ["a", "b"], ["1", "2"], None]
    assert errors(client.post("/", data={"n": "x", "photo": "text", "tag": "a"})) == [
        ("form", "n", "Expected `int`, got `str`"),
        ("form", "photo", "Expected a file, got text"),
    ]
    twice = [
        ("photo", ("1", b"", "a/b")),
        ("photo", ("2", b"", "a/b")),
        ("n", ("n", b"1", "a/b")),
        ("tag", ("t", b"", "a/b")),
    ]
    assert errors(client.post("/", files=twice)) == [
        ("form", "n", "Expected text, got a file"),
        ("form", "photo", "It is given more than once"),
        ("form", "tag", "Expected text, got a file"),
    ]
    assert client.post("/", json={}).status_code == 415


def test_a_file_field_that_was_left_empty_is_as_one_that_was_not_sent(app: App, client: Client, cell: Cell) -> None:
    """It is sent as a file without a name and without a byte. See: HTML, "constructing the entry list"."""

    @app.post("/optional")
    @cell.handler
    def optional(photo: UploadFile | None = None, more: list[UploadFile] = []) -> Any:  # noqa: B006
        return [photo and photo.filename, [file.read().decode() for file in more]]

    @app.post("/wanted")
    @cell.handler
    def wanted(photo: UploadFile) -> None: ...

    def post(path: str, *parts: tuple[str, str, str]) -> Any:
        head = 'Content-Disposition: form-data; name="{}"; filename="{}"\r\nContent-Type: application/octet-stream'
        body = "".join(f"--x\r\n{head.format(name, filename)}\r\n\r\n{data}\r\n" for name, filename, data in parts)
        headers = {"content-type": "multipart/form-data; boundary=x"}
        return client.post(path, content=f"{body}--x--\r\n".encode(), headers=headers)

    assert post("/optional", ("photo", "", ""), ("more", "", "")).json() == [None, []]
    assert post("/optional", ("photo", "empty", ""), ("more", "", "nameless")).json() == ["empty", ["nameless"]]
    assert errors(post("/wanted", ("photo", "", ""))) == [("form", "photo", "It is missing")]


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_the_whole_form(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(item) -> Any:
        get = item.get if isinstance(item, dict) else lambda name: getattr(item, name)
        return [get("name"), get("price"), get("tags")]

    handler.__annotations__["item"] = Annotated[kind, Form()]
    app.post("/")(cell.handler(handler))
    assert client.post("/", data={"name": "n", "price": "1.5", "tags": ["a"]}).json() == ["n", 1.5, ["a"]]
    found = errors(client.post("/", data={"price": "x", "tags": "a"}))
    assert sorted((location, name) for location, name, _ in found) == [("form", "name"), ("form", "price")]
    assert client.post("/", json={"name": "n", "price": 1, "tags": []}).status_code == 415


def test_a_body_may_be_json_or_a_form_where_it_says_so(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(item: Annotated[Item, Body(), Form()]) -> Any:
        return [item.name, item.price, item.tags]

    wanted = ["n", 1.0, ["a"]]
    assert client.post("/", json={"name": "n", "price": 1, "tags": ["a"]}).json() == wanted
    assert client.post("/", data={"name": "n", "price": "1", "tags": "a"}).json() == wanted
    assert client.post("/", data={"name": "n", "price": "1", "tags": "a"}, files={"x": b""}).json() == wanted
    assert [name for _, name, _ in errors(client.post("/", data={"price": "x"}))] == ["#/name", "#/price"]


# --- websockets ---


def test_a_websocket_takes_what_its_request_has() -> None:
    app = App()

    @app.websocket("/{room}")
    async def chat(ws: WebSocket, room: str, token: str, limit: int = 1) -> None:
        await ws.send(f"{room} {token} {limit}")

    for gateway in ("wsgi", "asgi"):
        with Client(app, gateway) as client:
            with client.websocket("/red?token=t&limit=2") as ws:
                assert ws.receive() == "red t 2"
            with pytest.raises(WebSocketRefused) as refused, client.websocket("/red?limit=x"):
                pass
            assert [name for _, name, _ in errors(refused.value.response)] == ["token", "limit"]


# --- errors of developers ---


class Unknown:
    def __init__(self, x: int) -> None: ...


def _two_bodies(a: Item, b: ItemStruct) -> None: ...
def _body_and_form(a: Item, b: Annotated[str, Form()]) -> None: ...
def _form_and_body(b: Annotated[str, Form()], a: Item) -> None: ...
def _unknown(x: Unknown) -> None: ...
def _two_places(x: Annotated[int, Query(), Header()]) -> None: ...
def _body_in_query(x: Annotated[Item, Body(), Query()]) -> None: ...
def _class_of_mark(x: Annotated[int, Query]) -> None: ...
def _file_of_text(x: Annotated[str, FileField()]) -> None: ...
def _bytes(x: bytes) -> None: ...
def _typed_json(x: Annotated[Item, Body("text/csv")]) -> None: ...
def _map_in_query(x: Annotated[dict[str, str], Query()]) -> None: ...
def _named_model(x: Annotated[Item, Query("item")]) -> None: ...
def _stream_and_body(body: BodyStream, x: Item) -> None: ...
def _mixed(x: Annotated[list[Item], pydantic.Field(max_length=Unknown)]) -> None: ...  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (_two_bodies, "'b' and 'a' of _two_bodies .* would both be the body"),
        (_body_and_form, "'b' and 'a' of .* would both be the body"), (_form_and_body, "'a' and 'b' of .* would both"),
        (_unknown, "the parameter 'x' is annotated 'Unknown', which cannot be read or written"),
        (_two_places, r"'x' is marked Query\(\), Header\(\); it can be in one place only"),
        (_body_in_query, "it can be in one place only"), (_class_of_mark, r"the class Query; write Query\(\)"),
        (_file_of_text, r"its type is UploadFile or list\[UploadFile\]"), (_bytes, r"mark it Body\(\) for the whole body"),
        (_typed_json, "a model is JSON or MessagePack"), (_map_in_query, "neither a single value nor a model"),
        (_stream_and_body, "'x' would be read from the body, which the handler streams"), (_mixed, "the parameter 'x'"),
        (_named_model, r"'x' is marked Query\('item'\), and a model has a name for each of its fields"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_registration(handler: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        App().post("/")(handler)
    place = f"{handler.__name__} ({__file__}:{handler.__code__.co_firstlineno}): "
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("annotation", [Item, Annotated[str, Form()], UploadFile, Annotated[bytes, Body()]])
def test_a_get_has_no_body(annotation: Any) -> None:
    def handler(x) -> None: ...

    handler.__annotations__["x"] = annotation
    with pytest.raises(ConfigurationError, match=r"would be read from the body, which a GET has not"):
        App().get("/")(handler)


@pytest.mark.parametrize("annotation", [Item, Annotated[str, Form()], UploadFile, Annotated[bytes, Body()]])
def test_a_websocket_has_no_body(annotation: Any) -> None:
    async def handler(ws: WebSocket, x) -> None: ...

    handler.__annotations__["x"] = annotation
    with pytest.raises(ConfigurationError, match=r"would be read from the body, which a WebSocket has not"):
        App().websocket("/")(handler)


class Deep(msgspec.Struct):
    prices: dict[str, float]
    either: int | list[int] = 0
    rows: tuple[Item, ...] = ()
    more: Annotated[dict[str, list[Item]], msgspec.Meta(max_length=2)] = {}


def test_a_fault_is_pointed_at_however_deep(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(deep: Deep) -> None: ...

    rows = [{"name": "a", "price": 1}, {"name": "b", "price": "x"}]
    body = {"prices": {"a/b~": "x", "c": 1}, "either": ["x"], "rows": rows, "more": {"k": [{"price": 1}]}}
    assert [(name, message) for _, name, message in errors(client.post("/", json=body))] == [
        ("#/prices/a~1b~0", "Expected `float`, got `str`"),
        ("#/either/0", "Expected `int`, got `str`"),
        ("#/rows/1/price", "Expected `float`, got `str`"),
        ("#/more/k/0/name", "It is missing"),
    ]


class Range(msgspec.Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


def test_what_is_wrong_of_the_whole_is_told_of_the_whole(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(span: Range) -> None: ...

    assert errors(client.post("/", json={"low": 2, "high": 1})) == [("body", "#", "low must not be above high")]


class Kind(enum.Enum):
    A = "a"


class One(msgspec.Struct, tag=True):
    x: int


class Two(msgspec.Struct, tag=True):
    x: int


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind = Kind.A
    word: Literal["p", "q"] = "p"
    either: One | Two | None = None


class PydanticOne(pydantic.BaseModel):
    kind: Literal["one"]


class PydanticTwo(pydantic.BaseModel):
    kind: Literal["two"]


class PydanticClosed(pydantic.BaseModel):
    either: Annotated[PydanticOne | PydanticTwo, pydantic.Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("kind", "body", "fault"),
    [
        (Closed, {"kind": "SENT"}, ("#/kind", "Invalid enum value")),
        (Closed, {"word": "SENT"}, ("#/word", "Invalid enum value")),
        (Closed, {"either": {"type": "SENT"}}, ("#/either/type", "Invalid value")),
        (Closed, {"unknown": 1}, ("#/unknown", "Object contains unknown field")),
        (
            PydanticClosed, {"either": {"kind": "SENT"}},
            ("#/either", "The tag does not match any of the expected ones: 'one', 'two'"),
        ),
    ],
)  # fmt: skip
def test_a_fault_does_not_repeat_what_was_sent(
    app: App, client: Client, cell: Cell, kind: Any, body: Any, fault: tuple[str, str]
) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = kind
    app.post("/")(cell.handler(handler))
    assert errors(client.post("/", json=body)) == [("body", *fault)]


@pytest.mark.parametrize("kind", [dict[str, list[int]], Annotated[dict[str, list[int]], pydantic.Field()]])
def test_a_name_that_was_sent_does_not_make_the_answer_a_hundred_times_as_long(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    response = client.post("/", json={"k": ["x"], "k" * 10_000: ["x"] * 100})
    assert len(response.content) < 20_000
    assert [place for _, place, _ in errors(response)][:2] == ["#/k/0", "#"]


def test_to_find_the_faults_of_many_items_does_not_read_their_class_for_each(
    app: App, client: Client, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.post("/")
    @cell.handler
    def handler(items: list[Item]) -> None: ...

    def fail(_kind: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(msgspec.inspect, "type_info", fail)
    assert errors(client.post("/", json=[{"name": "a", "price": "x"}])) == [
        ("body", "#/0/price", "Expected `float`, got `str`")
    ]


class Nest(msgspec.Struct):
    id: int
    nests: list["Nest"] = []


def test_what_does_not_fit_is_refused_however_deep_it_is(app: App, client: Client, cell: Cell) -> None:
    app.limits = Limits(max_json_depth=5000)  # more than Python itself can do

    @app.post("/")
    @cell.handler
    def handler(nest: Nest) -> None: ...

    for depth in (100, 300, *range(430, 530, 3)):  # what reads it, converts it and looks for faults ends at others
        body = b"\x82\xa2id\x01\xa5nests\x91" * depth + b"\x81\xa2id\xa1x"
        response = client.post("/", content=body, headers={"content-type": "application/msgpack"})
        assert response.status_code == (422 if depth < 400 else response.status_code)
        assert response.status_code in (400, 422)


class Floats(msgspec.Struct):
    one: float = 0
    many: list[float] = []


@pytest.mark.parametrize("text", ["nan", "-inf", "Infinity", "NaN"])
def test_text_is_no_number_that_json_has_not_in_lists_and_models_either(
    app: App, client: Client, cell: Cell, text: str
) -> None:
    @app.get("/")
    @cell.handler
    def handler(model: Annotated[Floats, Query()], lone: Annotated[list[float], Query()] = []) -> None: ...  # noqa: B006

    for name in ("one", "many", "lone"):
        assert [e[2] for e in errors(client.get("/", params=[(name, text), *([(name, "1")] * (name != "one"))]))] == [
            "Expected a finite number"
        ]


def test_no_more_faults_are_told_than_a_hundred(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(items: list[int]) -> None: ...

    handler_of_body = Annotated[list[int], Body()]

    def body(items) -> None: ...

    body.__annotations__["items"] = handler_of_body
    app.put("/")(cell.handler(body))
    assert len(errors(client.put("/", json=["x"] * 1000))) == 100
    assert len(errors(client.post("/", params=[("items", "x")] * 50 + [("other", "y")]))) == 50


MISFITS: dict[str, tuple[Any, bytes, tuple[str, str, str]]] = {
    "late": (list[int], b"[" + b"1," * 100_000 + b'""]', ("body", "#/100000", "Expected `int`, got `str`")),
    "late in models": (list[Item], b'[{"name":"a","price":1}' + b',{"name":"a","price":1}' * 20_000 + b',{"name":1}]',
                       ("body", "#/20001/name", "Expected `str`, got `int`")),
    "late in a dict": (dict[str, int], json.dumps({str(n): n for n in range(50_000)} | {"x": ""}).encode(),
                       ("body", "#/...", "Expected `int`, got `str`")),
    "not there": (list[Item], b'[{"name":"a","price":1}' + b',{"name":"a","price":1}' * 20_000 + b',[]]',
                  ("body", "#/20001", "Expected `object`, got `array`")),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_fault_behind_many_places_is_told_by_itself(app: App, client: Client, cell: Cell, name: str) -> None:
    """What went through all of them would hold an event loop for seconds."""
    kind, content, wanted = MISFITS[name]

    def handler(items) -> None: ...

    handler.__annotations__["items"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    assert errors(client.post("/", content=content, headers=JSON_TYPE)) == [wanted]


def test_faults_before_many_places_are_told(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(items: Annotated[list[int], Body()]) -> None: ...

    content = b'["", "",' + b"1," * 100_000 + b'""]'
    assert [place for _, place, _ in errors(client.post("/", content=content, headers=JSON_TYPE))] == ["#/0", "#/1"]


def test_to_refuse_a_list_costs_little_more_than_to_read_it() -> None:
    """No gateway is involved. It has been a second for each mebibyte."""
    shape = MsgspecShape(list[int])
    content = b"[" + b"1," * 250_000 + b'""]'
    calls: list[str] = []
    sys.setprofile(lambda _frame, event, _arg: calls.append(event) if event == "call" else None)
    try:
        with pytest.raises(Misfit) as caught:
            shape.read_json(content)
    finally:
        sys.setprofile(None)
    assert caught.value.faults == [Fault((250_000,), "Expected `int`, got `str`")]
    assert len(calls) < 60_000


@pytest.mark.parametrize("media_type", ["application/json", "application/x+json", "application/msgpack"])
def test_a_body_that_is_parsed_has_a_largest_size(make_client: Any, cell: Cell, media_type: str) -> None:
    app = App(limits=Limits(max_json_bytes=10))

    def handler(body: Annotated[list[str], Body()]) -> list[str]:
        return body

    app.post("/")(cell.handler(handler))
    app.post("/own", max_body_bytes=12)(cell.handler(handler))
    client = make_client(app)
    encode = msgspec.msgpack.encode if "msgpack" in media_type else msgspec.json.encode
    for path, largest in (("/", 10), ("/own", 12)):
        for size in (largest, largest + 1):
            content = encode(["x" * (size - len(encode([""])))])
            response = client.post(path, content=content, headers={"content-type": media_type})
            assert response.status_code == (200 if size == largest else 413)
    assert client.post("/", content=b"x" * 11, headers={"content-type": "image/png"}).status_code == 415


def test_of_more_faults_than_pydantic_can_describe_the_number_is_told(app: App, client: Client, cell: Cell) -> None:
    class Model(pydantic.BaseModel):
        many: list[int]

    def handler(body) -> None: ...

    handler.__annotations__["body"] = Model
    app.post("/")(cell.handler(handler))
    response = client.post("/", json={"many": ["x"] * 5001})
    assert errors(response) == [("body", "#", "5001 values in it are not what was expected")]
    assert len(errors(client.post("/", json={"many": ["x"] * 5000}))) == 100


@pytest.mark.parametrize("kind", [list[int], dict[str, int]])
def test_a_number_beyond_all_floats_is_a_400(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(items) -> None: ...

    handler.__annotations__["items"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    assert client.post("/", content=b'["", 1e999]', headers=JSON_TYPE).status_code == 400


def test_without_msgspec_a_typed_handler_is_refused_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, "ambi.features.typed.msgspec_shape", raising=False)

    def handler(q: int) -> None: ...

    with pytest.raises(
        ImportError, match=r"the parameter 'q' of .*handler .* needs msgspec: pip install 'ambi\[typed\]'"
    ):
        App().get("/")(handler)

    def plain(id: int, request: Request) -> str:
        return f"{id}"

    app = App()
    app.get("/{id}")(plain)
    assert Client(app).get("/3").text == "3"


class Tree(msgspec.Struct):
    name: str
    children: list["Tree"] = []


class TreeModel(pydantic.BaseModel):
    name: str
    children: list["TreeModel"] = []


@pytest.mark.parametrize("kind", [Tree, TreeModel])
def test_a_model_may_hold_itself(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(tree) -> Any:
        return tree

    handler.__annotations__.update(tree=kind)
    handler.__annotations__["return"] = kind
    app.post("/")(cell.handler(handler))
    body = {"name": "a", "children": [{"name": "b", "children": []}]}
    assert client.post("/", json=body).json() == body
    assert [name for _, name, _ in errors(client.post("/", json={"name": "a", "children": [{}]}))] == [
        "#/children/0/name"
    ]


# --- what descriptions promise ---


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Decimal, ["NaN", "Infinity", "1_0", " 1", "١"]), (timedelta, ["1", "0.5", "-3"]), (datetime, ["0", "1e3"]),
        (list[timedelta], ["5"]), (Decimal | None, ["NaN"]),
    ],
)  # fmt: skip
def test_text_that_is_something_else_is_refused(kind: Any, texts: list[str]) -> None:
    app = App()

    def handler(x) -> None: ...

    handler.__annotations__["x"] = kind
    app.get("/")(handler)
    with Client(app, "both") as client:
        for text in texts:
            assert errors(client.get("/", params={"x": text}))


class Times(msgspec.Struct):
    at: datetime | None = None
    age: int | None = None
    word: str | None = None
    amounts: list[Decimal] = []
    count: int = 0


def test_text_in_the_fields_of_a_model_is_refused_with_all_else(make_client: Any, cell: Cell) -> None:
    app = App()

    def times(times: Annotated[Times, Query()]) -> Times:
        return times

    app.get("/")(cell.handler(times))
    client = make_client(app)
    response = client.get("/?at=5&age=null&word=null&amounts=1&amounts=NaN&count=x")
    assert [(where, name) for where, name, _ in errors(response)] == [
        ("query", "at"), ("query", "age"), ("query", "amounts"), ("query", "count"),
    ]  # fmt: skip
    assert client.get("/?word=null&amounts=1.5").json()["word"] == "null"


def test_a_whole_number_is_one_however_it_is_written(make_client: Any, cell: Cell) -> None:
    class Strict(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(strict=True)
        count: int

    class Count(msgspec.Struct):
        count: int
        parts: list[int] = []

    app = App()

    def struct(body: Count) -> int:
        return body.count + sum(body.parts)

    def model(body) -> int:
        return int(body.count)

    model.__annotations__["body"] = Strict
    struct.__annotations__["body"] = Count
    app.post("/struct")(cell.handler(struct))
    app.post("/model")(cell.handler(model))
    client = make_client(app)
    for path in ("/struct", "/model"):
        for number, status in {"3": 200, "3.0": 200, "3e0": 200, "3.5": 422, '"3"': 422, "true": 422}.items():
            content = f'{{"count": {number}}}'
            response = client.post(path, content=content, headers={"content-type": "application/json"})
            assert (path, number, response.status_code) == (path, number, status)
    response = client.post("/struct", content='{"count": 1.0, "parts": [2.0, "x"]}', headers=JSON_TYPE)
    assert [name for _, name, _ in errors(response)] == ["#/parts/1"]
    app.limits = Limits(max_json_depth=5000)
    deep = '{"count": 1.0, "x": ' + "[" * 900 + "]" * 900 + ', "parts": ["x"]}'
    assert client.post("/struct", content=deep, headers=JSON_TYPE).status_code in (400, 422)
    assert client.post("/model", content=deep, headers=JSON_TYPE).status_code in (200, 400)


JSON_TYPE = {"content-type": "application/json"}
MSGPACK_TYPE = {"content-type": "application/msgpack"}


def test_a_body_has_a_greatest_depth_in_every_media_type(app: App, client: Client, cell: Cell) -> None:
    """That of Python depends on how deep its stack is already, and what was read might be too deep to be written."""

    def echo(body):
        return body

    echo.__annotations__ = {"body": dict[str, Any], "return": dict[str, Any]}
    app.post("/")(cell.handler(echo))
    for depth, status in ((400, 200), (401, 400), (970, 400), (975, 400), (980, 400), (985, 400)):
        for inner in ("{}", "[]"):
            text = '{"a":' * (depth - 1) + inner + "}" * (depth - 1)
            packed = b"\x81\xa1a" * (depth - 1) + (b"\x80" if inner == "{}" else b"\x90")
            assert client.post("/", content=text, headers=JSON_TYPE).status_code == status
            assert client.post("/", content=packed, headers=MSGPACK_TYPE).status_code == status


@pytest.mark.parametrize(
    "kind", [Decimal, int | Decimal, float | Decimal, bool | Decimal, int | float | Decimal | None]
)
def test_a_decimal_among_others_is_read_from_numbers_alone(app: App, client: Client, cell: Cell, kind: Any) -> None:
    @dataclass
    class Prices:
        n: kind = 0  # type: ignore[valid-type]

    def one(n) -> bool:
        return n > 5

    def several(n) -> bool:
        return n[0] > 5

    def form(body) -> bool:
        return body.n > 5

    one.__annotations__["n"] = kind
    several.__annotations__["n"] = Annotated[list[kind], Query()]
    form.__annotations__["body"] = Annotated[Prices, Form()]
    app.get("/one")(cell.handler(one))
    app.get("/several")(cell.handler(several))
    app.post("/form")(cell.handler(form))

    def send(text: str) -> set[tuple[int, Any]]:
        answers = [client.get(path, params={"n": text}) for path in ("/one", "/several")]
        answers.append(client.post("/form", data={"n": text}))
        return {(answer.status_code, answer.json() if answer.status_code == 200 else None) for answer in answers}

    for text in ("sNaN", "NaN", "-Infinity", "1_0", " 6", "\N{ARABIC-INDIC DIGIT NINE}", "x", ""):
        assert send(text) == {(422, None)}, text
    assert send("6") == send("6.5") == send("1e1") == {(200, True)}
    assert send("0") == send(".5") == {(200, False)}
    assert send("true") == {(200, False) if kind == bool | Decimal else (422, None)}
