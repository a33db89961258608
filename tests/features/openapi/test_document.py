"""What a description says of an application. Nothing is served here, so there is no cell."""

import enum
import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, List, Literal, Optional, Union  # noqa: UP035  # as older code has it
from uuid import UUID

import msgspec
import pydantic
import pytest

from ambi import (
    SSE,
    App,
    BodyStream,
    ConfigurationError,
    Event,
    Router,
    UploadFile,
)
from ambi.features.auth import Basic, Bearer, LoginRequired
from ambi.features.json_lines import JSONLines
from ambi.features.typed import Body, Cookie, Form, Header, Provide, Query, Status
from tests.features.openapi.describing import giving, named, operation, operation_of, refs


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Item(msgspec.Struct):
    """Something to sell."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    colour: Colour | None = None


class Filter(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, description="How many")]
    words: list[str] = []
    colour: Colour | None = None


class Times(msgspec.Struct):
    by_name: dict[str, datetime]
    pair: tuple[int, timedelta]
    row: tuple[time, ...]
    unique: set[Decimal]
    maybe: list[datetime] | None
    either: int | time
    inner: "Times | None" = None


class Problem(msgspec.Struct):
    why: str


# --- the application ---


def test_the_order_of_registration_changes_nothing() -> None:
    def first(item: Item) -> Item: ...
    def second(colour: Colour) -> Colour: ...
    def third(filter: Annotated[Filter, Query()]) -> list[Item]: ...

    handlers = [("/b", "post", first, ("z", "a")), ("/a", "get", second, ("b",)), ("/b", "get", third, ())]
    texts = []
    for order in (handlers, handlers[::-1]):
        app = App()
        for path, method, handler, tags in order:
            getattr(app, method)(path, tags=tags)(handler)
        texts.append(json.dumps(app.openapi_document()))
    assert texts[0] == texts[1]
    assert list(json.loads(texts[0])["paths"]) == ["/a", "/b"]
    assert list(json.loads(texts[0])["paths"]["/b"]) == ["get", "post"]
    assert [tag["name"] for tag in json.loads(texts[0])["tags"]] == ["a", "b", "z"]


# --- what is said of an operation ---


# --- paths ---


@pytest.mark.parametrize(
    ("path", "kind", "schema"),
    [
        ("/{x}", str, {"type": "string"}),
        ("/{x}", int, {"type": "integer", "format": "int64", "minimum": 0}),
        ("/{x:int}", None, {"type": "integer", "format": "int64", "minimum": 0}),
        ("/{x}", float, {"type": "number", "minimum": 0}),
        ("/{x:path}", None, {"type": "string"}), ("/{x}", UUID, {"type": "string", "format": "uuid"}),
        ("/{x}", date, {"type": "string", "format": "date"}),
        ("/{x}", Decimal, {"type": "string", "format": "decimal", "pattern": r"^\d+(\.\d+)?$"}),
        ("/{x}", Colour, {"type": "string", "enum": ["red", "blue"]}), ("/{x}", Size, {"enum": [1, 2]}),
        ("/{x}", Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        ("/{x}", Annotated[int, msgspec.Meta(ge=1, le=9)], {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9}),
        (
            "/{x}", Annotated[int, pydantic.Field(gt=3)],
            {"type": "integer", "format": "int64", "minimum": 0, "exclusiveMinimum": 3},
        ),
        ("/{x:two}", None, {"type": "string"}),
    ],
)  # fmt: skip
def test_a_value_of_the_path_is_described_by_what_matches_it(path: str, kind: Any, schema: dict[str, Any]) -> None:
    def handler(x): ...

    if kind is not None:
        handler.__annotations__["x"] = kind
    app = App()
    app.converter("two", lambda text: text * 2)
    app.get(path)(handler)
    found = operation(app, "/{x}")
    assert found["parameters"] == [{"name": "x", "in": "path", "required": True, "schema": schema}]
    assert "404" in found["responses"]


# --- parameters ---


def test_parameters_are_described_where_they_are() -> None:
    def handler(
        q: int,
        colour: Colour = Colour.RED,
        day: date | None = None,
        since: Annotated[datetime, Query("from", description="Since", deprecated=True, example=datetime(2026, 1, 2))] =  # noqa: DTZ001
        datetime(2026, 1, 1),  # noqa: DTZ001
        words: list[str] = [],  # noqa: B006
        x_token: Annotated[str, Header(description="Who")] = "",
        seen: Annotated[list[int], Cookie()] = [],  # noqa: B006
        size: Annotated[int, msgspec.Meta(le=3, description="How large")] = 1,
    ) -> None: ...

    found = operation_of(handler)
    assert found["parameters"] == [
        {"name": "q", "in": "query", "required": True, "schema": {"type": "integer"}},
        {
            "name": "colour", "in": "query", "required": False,
            "schema": {"$ref": "#/components/schemas/Colour", "default": "red"},
        },
        {"name": "day", "in": "query", "required": False, "schema": {"type": "string", "format": "date"}},
        {
            "name": "from", "in": "query", "required": False, "description": "Since", "deprecated": True,
            "example": "2026-01-02T00:00:00",
            "schema": {"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00"},
        },
        {
            "name": "words", "in": "query", "required": False,
            "schema": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        {
            "name": "x-token", "in": "header", "required": False, "description": "Who",
            "schema": {"type": "string", "default": ""},
        },
        {
            "name": "seen", "in": "cookie", "required": False, "style": "form", "explode": False,
            "schema": {"type": "array", "items": {"type": "integer"}, "default": []},
        },
        {
            "name": "size", "in": "query", "required": False, "description": "How large",
            "schema": {"type": "integer", "maximum": 3, "default": 1},
        },
    ]  # fmt: skip
    assert found["responses"] == {"204": {"description": "No Content"}, **refs("422", "default")}


def test_the_fields_of_a_model_are_parameters() -> None:
    def handler(filter: Annotated[Filter, Query()]) -> None: ...

    limit, words, colour = operation_of(handler)["parameters"]
    assert limit == {
        "name": "limit", "in": "query", "required": True, "description": "How many",
        "schema": {"type": "integer", "minimum": 1},
    }  # fmt: skip
    assert words["schema"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert colour["schema"] == {"$ref": "#/components/schemas/Colour"}  # there is no null in a query
    assert (words["required"], colour["required"]) == (False, False)


def test_a_model_of_the_header_has_names_of_fields() -> None:
    class Fields(pydantic.BaseModel):
        x_token: str
        page_size: int = 3

    def handler(fields: Annotated[Fields, Header()]) -> None: ...

    found = operation_of(handler)["parameters"]
    assert [(one["name"], one["required"]) for one in found] == [("x-token", True), ("page-size", False)]


def test_a_model_with_a_default_needs_none_of_its_fields() -> None:
    def handler(filter: Annotated[Filter | None, Query()] = None) -> None: ...

    assert [one["required"] for one in operation_of(handler)["parameters"]] == [False, False, False]


def test_what_providers_take_is_described_as_well() -> None:
    def paging(page: int = 1) -> int:
        return page

    def handler(page: Annotated[int, Provide(paging)]) -> None: ...

    assert [one["name"] for one in operation_of(handler)["parameters"]] == ["page"]


# --- bodies ---


def test_a_model_is_a_body_of_several_media_types() -> None:
    def handler(item: Annotated[Item, Body(description="It", example=Item("a"))]) -> None: ...

    ref = {"schema": {"$ref": "#/components/schemas/Item"}, "example": {"name": "a", "colour": None}}
    assert operation_of(handler, "post")["requestBody"] == {
        "content": {"application/json": ref, "application/msgpack": ref}, "required": True, "description": "It",
    }  # fmt: skip


def test_a_body_that_may_be_missing_is_not_required() -> None:
    def handler(item: Item | None = None) -> None: ...

    found = operation_of(handler, "post")["requestBody"]
    assert found["required"] is False
    either = found["content"]["application/json"]["schema"]["anyOf"]
    assert sorted(either, key=str) == [{"$ref": "#/components/schemas/Item"}, {"type": "null"}]  # in msgspec's order


def test_bytes_and_text_are_bodies_of_their_media_type() -> None:
    def pdf(data: Annotated[bytes, Body("application/pdf")]) -> None: ...
    def text(text: Annotated[str, Body()]) -> None: ...
    def stream(stream: BodyStream) -> None: ...

    assert operation_of(pdf, "post")["requestBody"] == {"content": {"application/pdf": {}}, "required": True}
    assert operation_of(text, "post")["requestBody"] == {
        "content": {"text/plain": {"schema": {"type": "string"}}}, "required": False,
    }  # fmt: skip
    assert operation_of(stream, "post")["requestBody"] == {"content": {"application/octet-stream": {}}}


def test_single_fields_and_models_make_one_form() -> None:
    def handler(
        filter: Annotated[Filter, Form()],
        name: Annotated[str, Form(description="Whose", example="Ada")],
        age: Annotated[int, Form("years", deprecated=True)] = 3,
    ) -> None: ...

    found = operation_of(handler, "post")["requestBody"]
    assert list(found["content"]) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    schema = found["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["limit", "name"]
    assert list(schema["properties"]) == ["limit", "words", "colour", "name", "years"]
    assert schema["properties"]["name"] == {"type": "string", "description": "Whose", "examples": ["Ada"]}
    assert schema["properties"]["years"] == {"type": "integer", "default": 3, "deprecated": True}
    assert found["required"] is True


def test_files_are_parts_of_any_type() -> None:
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}

    def handler(one: UploadFile, many: list[UploadFile] = [], note: Annotated[str, Form()] = "") -> None: ...  # noqa: B006

    found = operation_of(handler, "post")["requestBody"]
    assert found == {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "one": file, "many": {"type": "array", "items": file}, "note": {"type": "string", "default": ""},
                    },
                    "required": ["one"],
                }
            }
        },
        "required": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        list[UploadFile],
        list[UploadFile] | None,
        tuple[UploadFile, ...],
        List[UploadFile],  # noqa: UP006  # as older code has it
        Optional[List[UploadFile]],  # noqa: UP006, UP045  # likewise
    ],
    ids=str,
)
def test_several_files_are_described_so_however_their_list_is_written(kind: Any) -> None:
    def handler(many: kind) -> None: ...

    content = operation_of(handler, "post")["requestBody"]["content"]["multipart/form-data"]
    assert content["schema"]["properties"]["many"]["type"] == "array"


def test_a_form_of_optional_fields_is_not_required() -> None:
    def handler(name: Annotated[str, Form()] = "") -> None: ...

    assert operation_of(handler, "post")["requestBody"]["required"] is False


def test_a_body_that_may_be_a_form_has_text_there() -> None:
    def handler(item: Annotated[Item, Body(), Form()]) -> None: ...

    content = operation_of(handler, "post")["requestBody"]["content"]
    assert list(content) == [
        "application/json", "application/msgpack", "application/x-www-form-urlencoded", "multipart/form-data",
    ]  # fmt: skip
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Item"}
    assert content["multipart/form-data"]["schema"]["properties"]["colour"] == {"$ref": "#/components/schemas/Colour"}


# --- answers ---


@pytest.mark.parametrize(("returns", "media_type"), [(SSE, "text/event-stream"), (JSONLines, "application/jsonl")])
def test_a_response_that_streams_has_its_media_type(returns: Any, media_type: str) -> None:
    content = operation_of(giving(returns))["responses"]["200"]["content"]
    assert content == {media_type: {"schema": {"type": "string"}}}


def test_a_typed_handler_gives_its_type_with_its_status() -> None:
    def handler() -> Annotated[list[Item], Status(201)]: ...

    schema = {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}
    assert operation_of(handler)["responses"]["201"] == {
        "description": "Created", "content": {"application/json": schema, "application/msgpack": schema},
    }  # fmt: skip


def test_a_status_nobody_knows_has_a_description_all_the_same() -> None:
    def handler() -> Annotated[Item, Status(299)]: ...

    assert operation_of(handler)["responses"]["299"]["description"] == "Success"


def test_streams_are_described_by_their_items() -> None:
    def lines() -> Iterator[Item]:
        yield Item("a")

    async def events() -> AsyncIterator[Event]:
        yield Event("x")

    assert operation_of(lines)["responses"]["200"]["content"] == {
        "application/jsonl": {"schema": {"$ref": "#/components/schemas/Item"}}
    }
    content = operation_of(events)["responses"]["200"]["content"]
    assert list(content["text/event-stream"]["schema"]["properties"]) == ["event", "data", "id", "retry"]


def test_what_refuses_is_listed() -> None:
    app = App()

    @app.post("/items/{id}")
    def change(id: int, item: Item) -> None: ...

    @app.post("/raw")
    def raw(data: Annotated[bytes, Body()]) -> None: ...

    @app.post("/pdf")
    def pdf(data: Annotated[bytes, Body("application/pdf")]) -> None: ...

    @app.post("/pdf-or-none")
    def pdf_or_none(data: Annotated[bytes | None, Body("application/pdf")]) -> None: ...

    @app.post("/stream")
    def stream(stream: BodyStream) -> None: ...

    @app.get("/{page}")
    def paged(page: Annotated[int, msgspec.Meta(ge=1)]) -> None: ...

    document = app.openapi_document()
    responses = {path: list(next(iter(item.values()))["responses"]) for path, item in document["paths"].items()}
    assert responses == {
        "/items/{id}": ["204", "400", "404", "413", "415", "422", "default"], "/raw": ["204", "413", "default"],
        "/pdf": ["204", "413", "415", "default"], "/pdf-or-none": ["204", "413", "415", "default"], "/stream": ["204", "413", "default"],
        "/{page}": ["204", "404", "422", "default"],
    }  # fmt: skip
    assert not document["paths"]["/pdf-or-none"]["post"]["requestBody"]["required"]
    assert set(document["components"]["responses"]) == {
        "BadRequest", "NotFound", "ContentTooLarge", "UnsupportedMediaType", "UnprocessableContent", "Problem",
    }  # fmt: skip
    invalid = document["components"]["responses"]["UnprocessableContent"]["content"]["application/problem+json"]
    assert invalid == {"schema": {"$ref": "#/components/schemas/ValidationProblem"}}


def test_responses_that_no_signature_tells_can_be_told() -> None:
    def handler() -> Item: ...

    found = operation_of(
        handler,
        responses={
            409: "It is there already", 404: Problem, 202: None, "3XX": {"headers": {}}, 503: {"description": "Busy"},
            "default": "All else",
        },
    )["responses"]  # fmt: skip
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem_"}}}
    assert list(found) == ["200", "202", "3XX", "404", "409", "503", "default"]
    assert found["409"] == {"description": "It is there already", "content": problem}
    assert found["404"] == {
        "description": "Not Found", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }  # fmt: skip
    assert found["202"] == {"description": "Accepted"}
    assert found["3XX"] == {"description": "", "headers": {}}
    assert found["503"] == {"description": "Busy"}
    assert found["default"] == {"description": "All else", "content": problem}


def test_a_type_of_ours_gives_way_to_one_of_the_same_name() -> None:
    app = App()

    @app.get("/")
    def handler() -> Problem: ...

    schemas = app.openapi_document()["components"]["schemas"]
    assert list(schemas) == ["Problem", "Problem_"]
    assert schemas["Problem"]["properties"] == {"why": {"type": "string"}}


# --- who may ---


def test_guards_are_security_schemes() -> None:
    app = App()
    bearer, basic = Bearer({"t": "ci"}), Basic({"ada": "x"})
    admins = bearer.requiring(bool, scope="admin").requiring(bool, scope="write")
    maybe = Bearer({"t": "ci"}, required=False)
    api = Router(prefix="/api", middleware=[basic])

    @app.get("/me")
    def me(user: Annotated[str, bearer]) -> None: ...

    @app.get("/admin")
    def admin(user: Annotated[str, admins]) -> None: ...

    @app.get("/maybe")
    def either(user: Annotated[str | None, maybe]) -> None: ...

    @api.get("/both")
    def both(user: Annotated[str, bearer]) -> None: ...

    def account(user: Annotated[str, bearer]) -> str:
        return user

    @app.get("/provided")
    def provided(account: Annotated[str, Provide(account)]) -> None: ...

    @app.get("/open")
    def unguarded() -> None: ...

    app.include(api)
    document = app.openapi_document()
    assert {path: item["get"].get("security") for path, item in document["paths"].items()} == {
        "/me": [{"bearer": []}], "/admin": [{"bearer": ["admin", "write"]}], "/maybe": [{"bearer": []}, {}],
        "/api/both": [{"basic": [], "bearer": []}], "/provided": [{"bearer": []}], "/open": None,
    }  # fmt: skip
    assert document["components"]["securitySchemes"] == {
        "basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"},
    }  # fmt: skip
    assert document["paths"]["/admin"]["get"]["responses"] == {
        "204": {"description": "No Content"}, **refs("401", "403", "default"),
    }  # fmt: skip
    assert "headers" in document["components"]["responses"]["Unauthorized"]
    assert "401" in document["paths"]["/maybe"]["get"]["responses"]  # wrong ones are refused


def test_a_login_and_a_rate_limit_are_told_by_what_they_refuse_with() -> None:
    app = App()
    app.rate_limit("5/minute")
    logged_in = LoginRequired(lambda request: None, login="/login")

    @app.get("/")
    def handler(user: Annotated[str, logged_in]) -> None: ...

    assert list(operation(app)["responses"]) == ["204", "401", "429", "default"]
    assert "security" not in operation(app)


# --- what is mounted, and what is sent to others ---


def test_a_mounted_application_is_described_below_its_path() -> None:
    app, inner, innermost = App(middleware=[Bearer({"t": "ci"})]), App(), App()
    app.openapi(path=None)
    inner.get("/a")(named("a"))
    innermost.get("/")(named("b"))
    app.get("/own")(named("own"))
    app.mount("/inner", inner)
    inner.mount("/most", innermost)
    paths = app.openapi_document()["paths"]
    assert list(paths) == ["/inner/a", "/inner/most/", "/own"]
    assert paths["/inner/most/"]["get"]["security"] == [{"bearer": []}]


def test_webhooks_are_described_without_being_served() -> None:
    app, hooks = App(), Router()

    @hooks.post("/order-paid", responses={410: "Send no more"})
    def order_paid(item: Item) -> None:
        """An order was paid."""

    app.openapi(path=None, webhooks=hooks)
    document = app.openapi_document()
    assert document["paths"] == {}
    found = document["webhooks"]["order-paid"]["post"]
    assert found["summary"] == "An order was paid"
    assert found["responses"] == {"204": {"description": "No Content"}, "410": {"description": "Send no more"}}
    assert "Item" in document["components"]["schemas"]
    hooks.post("/late")(named("late"))
    assert list(app.openapi_document()["webhooks"]) == ["late", "order-paid"]


# --- names of types ---


def test_types_of_one_name_are_told_apart() -> None:
    def make(name: str) -> Any:
        made = msgspec.defstruct("Item", [(name, int)])
        made.__module__ = f"shop.{name}"
        return made

    app = App()
    for path, kind in {"/a": make("one"), "/b": make("other")}.items():
        handler = named(f"get_{path[1:]}")
        handler.__annotations__["return"] = kind
        app.get(path)(handler)
    schemas = app.openapi_document()["components"]["schemas"]
    assert {name: list(schema["properties"]) for name, schema in schemas.items() if name != "Problem"} == {
        "shop.one.Item": ["one"], "shop.other.Item": ["other"],
    }  # fmt: skip
    ref = operation(app, "/b")["responses"]["200"]["content"]["application/json"]["schema"]
    assert ref == {"$ref": "#/components/schemas/shop.other.Item"}


def test_types_of_two_libraries_are_told_apart() -> None:
    inner: Any = pydantic.create_model("Item", y=(int, ...))
    outer: Any = pydantic.create_model("Outer", item=(inner, ...), items=(list[inner], ...))
    app = App()

    @app.get("/a")
    def a() -> Item: ...

    app.get("/b")(giving(outer))
    schemas = app.openapi_document()["components"]["schemas"]
    assert {name: list(schema["properties"]) for name, schema in schemas.items() if name not in ("Problem", "Colour")} == {
        "Item": ["name", "colour"], "Item_": ["y"], "Outer": ["item", "items"],
    }  # fmt: skip
    assert schemas["Outer"]["properties"]["item"] == {"$ref": "#/components/schemas/Item_"}
    assert schemas["Outer"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Item_"}


def test_a_model_that_reads_and_writes_differently_is_two() -> None:
    class Account(pydantic.BaseModel):
        name: str
        shown: Annotated[str, pydantic.Field(default="")]

        @pydantic.computed_field
        def length(self) -> int:
            return len(self.name)

    app = App()

    def handler(account) -> None: ...

    handler.__annotations__ |= {"account": Account, "return": Account}
    app.post("/")(handler)
    schemas = app.openapi_document()["components"]["schemas"]
    assert "length" not in schemas["Account-Input"]["properties"]
    assert "length" in schemas["Account-Output"]["properties"]


def test_a_type_that_nobody_refers_to_is_left_out() -> None:
    app = App()

    @app.get("/")
    def handler(filter: Annotated[Filter, Query()]) -> None: ...

    assert "Filter" not in app.openapi_document()["components"]["schemas"]


# --- without what others need ---


def test_plain_handlers_are_described_without_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()

    @app.get("/{id:int}/{colour}", responses={404: "None"})
    def handler(id: int, colour: Colour) -> dict[str, list[int]]: ...

    app.get("/typed", responses={404: Item})(named("typed"))
    monkeypatch.setitem(sys.modules, "msgspec", None)
    with pytest.raises(ImportError, match=r"pip install 'ambi\[typed\]'"):
        app.openapi_document()
    plain = App()
    plain.get("/{id:int}/{colour}", responses={404: "None"})(handler)
    found = operation(plain, "/{id}/{colour}")
    assert [one["schema"]["type"] for one in found["parameters"]] == ["integer", "string"]
    assert found["responses"]["200"]["content"]["application/json"]["schema"]["additionalProperties"]["type"] == "array"


def test_a_type_without_a_schema_is_an_error_that_says_so() -> None:
    class Odd:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            from pydantic_core import core_schema

            return core_schema.is_instance_schema(cls)

    class Model(pydantic.BaseModel):
        odd: Odd

    app = App()

    @app.get("/")
    def handler() -> Model: ...

    with pytest.raises(ConfigurationError, match="pydantic has no JSON Schema for a type of a handler"):
        app.openapi_document()


# --- defaults and examples ---


@pytest.mark.parametrize(
    ("kind", "default", "written"),
    [
        (Decimal, Decimal("1.5"), "1.5"), (timedelta, timedelta(seconds=5), "0:00:05"), (Size, Size.LARGE, 2),
        (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"), (set[int], {2, 1}, [1, 2]),
        (time, time(1, 2), "01:02:00"),
    ],
)  # fmt: skip
def test_a_default_is_written_as_json_can_say_it(kind: Any, default: Any, written: Any) -> None:
    def handler(x=default) -> None: ...

    handler.__annotations__["x"] = kind
    assert operation_of(handler)["parameters"][0]["schema"]["default"] == written


def test_an_example_may_be_a_model() -> None:
    class Model(pydantic.BaseModel):
        x: int
        day: date

    def handler(item: Annotated[Model, Body(example=Model(x=1, day=date(2026, 1, 2)))]) -> None: ...

    content = operation_of(handler, "post")["requestBody"]["content"]
    assert content["application/json"]["example"] == {"x": 1, "day": "2026-01-02"}


def test_a_union_of_models_is_described() -> None:
    class Cat(msgspec.Struct, tag="cat"):
        at: datetime

    class Dog(msgspec.Struct, tag="dog"):
        name: str

    app = App()

    def handler(animal) -> None: ...

    handler.__annotations__["animal"] = Union[Cat, Dog]  # noqa: UP007
    app.post("/")(handler)
    document = app.openapi_document()
    schema = document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["discriminator"]["mapping"] == {
        "cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog",
    }  # fmt: skip
    assert document["components"]["schemas"]["Cat"]["properties"]["at"] == {"type": "string", "format": "date-time"}


def test_times_are_told_apart_from_other_text_wherever_they_are() -> None:
    app = App()
    app.get("/")(giving(dict[str, list[Times]]))
    schemas = app.openapi_document()["components"]["schemas"]["Times"]["properties"]
    moment = {"type": "string", "format": "date-time"}
    assert schemas["by_name"]["additionalProperties"] == moment
    assert "pattern" in schemas["pair"]["prefixItems"][1]
    assert schemas["row"]["items"] == {"type": "string", "format": "time"}
    assert schemas["unique"]["items"]["type"] == ["string", "number"]
    assert "uniqueItems" not in schemas["unique"]
    assert schemas["maybe"]["anyOf"][0]["items"] == moment
    assert {"type": "string", "format": "time"} in schemas["either"]["anyOf"]


def test_a_response_of_a_type_that_nobody_knows_is_an_error() -> None:
    class Unknown: ...

    app = App()
    app.get("/", responses={404: Unknown})(named("handler"))
    with pytest.raises(ConfigurationError, match="msgspec has no JSON Schema for a type of a handler"):
        app.openapi_document()
