"""What a description says of plain handlers, for which no other feature is needed. Nothing is served here: no cell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import (
    HTML,
    JSON,
    App,
    ConfigurationError,
    Layer,
    Middleware,
    Redirect,
    Request,
    Response,
    Router,
    Text,
    WebSocket,
)
from ambi.core.contract import Demand
from tests.features.openapi.describing import named, operation, operation_of, refs

JSON_OF = "application/json"


def test_the_application_says_what_it_is() -> None:
    app = App()
    app.openapi(
        title="Shop", version="2", description="*All*", path=None, info={"license": {"name": "MIT"}},
        servers=["https://a.example/", {"url": "//b", "description": "B"}],
    )  # fmt: skip
    document = app.openapi_document()
    assert list(document) == ["openapi", "info", "servers", "paths", "components"]
    assert document["openapi"] == "3.1.1"
    assert document["info"] == {"title": "Shop", "version": "2", "description": "*All*", "license": {"name": "MIT"}}
    assert document["servers"] == [{"url": "https://a.example/"}, {"url": "//b", "description": "B"}]
    assert document["paths"] == document["components"] == {}


def test_an_application_is_described_with_defaults_as_well() -> None:
    app = App()
    app.get("/")(lambda: None)
    document = app.openapi_document()
    assert document["info"] == {"title": "API", "version": "0.1.0"}
    assert list(document["paths"]) == ["/"]


def test_an_application_has_one_description() -> None:
    app = App()
    app.openapi(path=None)
    with pytest.raises(
        ConfigurationError,
        match=r"openapi\(...\) is set up at .*test_plain.py:\d+ already, so it cannot be at .*test_plain.py:\d+",
    ):
        app.openapi(path=None)


def test_what_is_no_operation_is_left_out(tmp_path: Path) -> None:
    app = App()

    @app.websocket("/ws")
    async def chat(ws: WebSocket) -> None: ...

    @app.get("/internal", openapi=False)
    def internal() -> None: ...

    @app.route("/", methods=["GET", "HEAD", "OPTIONS", "QUERY", "PURGE"])
    def page() -> None: ...

    app.static("/assets", tmp_path)
    assert {path: list(item) for path, item in app.openapi_document()["paths"].items()} == {"/": ["get"]}


def test_a_docstring_is_a_summary_and_a_description() -> None:
    def handler() -> None:
        """Get what
        there is.

        It is *all* of it.

        Even this.

        Args:
            nothing: at all.
        """

    found = operation_of(handler)
    assert found["summary"] == "Get what there is"
    assert found["description"] == "It is *all* of it.\n\nEven this."


@pytest.mark.parametrize(
    ("text", "summary", "description"),
    [
        (None, "Get user by id", None), ("", "Get user by id", None), ("One.", "One", None),
        ("One.\n\nTwo.\f\nThree.", "One", "Two."), ("One.\n\n:param x: it", "One", None),
        ("One.\n\nReturns:\n    two", "One", None), ("Args:\n    x: it", "Get user by id", None),
    ],
)  # fmt: skip
def test_of_a_docstring_that_is_taken_which_is_for_clients(
    text: str | None, summary: str, description: str | None
) -> None:
    def get_user_byId() -> None: ...  # noqa: N802

    get_user_byId.__doc__ = text
    found = operation_of(get_user_byId)
    assert (found["summary"], found.get("description")) == (summary, description)


def test_operations_have_ids_of_their_own() -> None:
    app, api = App(), Router(prefix="/api", name="api.v1")
    api.get("/users/{id}")(named("user", "id"))
    app.get("/users/{id}", name="user")(named("user", "id"))
    app.get("/a")(named("page"))
    app.get("/b")(named("page"))
    app.route("/c", methods=["GET", "POST"], name="both")(named("page"))
    app.include(api)
    paths = app.openapi_document()["paths"]
    assert {path: [one["operationId"] for one in item.values()] for path, item in paths.items()} == {
        "/a": ["page_get_a"], "/b": ["page_get_b"], "/c": ["both_get", "both_post"],
        "/api/users/{id}": ["api_v1_user"], "/users/{id}": ["user"],
    }  # fmt: skip


def test_tags_are_those_of_routers_and_routes_or_the_name_of_a_router() -> None:
    app = App()
    app.openapi(path=None, tags={"orders": "What was bought", "admin": "Inside"})
    outer = Router(prefix="/outer", name="outer", tags=["admin"])
    inner = Router(prefix="/inner", name="inner")
    plain = Router(prefix="/plain", name="plain")
    outer.get("/a", tags=["orders", "admin"])(named("a"))
    inner.get("/b")(named("b"))
    plain.get("/c")(named("c"))
    app.get("/d")(named("d"))
    outer.include(inner)
    app.include(outer)
    app.include(plain)
    document = app.openapi_document()
    assert {path: item["get"].get("tags") for path, item in document["paths"].items()} == {
        "/outer/a": ["admin", "orders"], "/outer/inner/b": ["admin"], "/plain/c": ["plain"], "/d": None,
    }  # fmt: skip
    assert document["tags"] == [
        {"name": "orders", "description": "What was bought"}, {"name": "admin", "description": "Inside"},
        {"name": "plain"},
    ]  # fmt: skip


def test_an_operation_can_be_deprecated_and_rewritten() -> None:
    def handler() -> str: ...

    found = operation_of(
        handler,
        deprecated=True,
        openapi={
            "summary": "Mine",
            "x-cost": 3,
            "responses": {200: {"description": "Fine"}, 418: {"description": "Tea"}},
        },
    )
    assert found["deprecated"] is True
    assert (found["summary"], found["x-cost"]) == ("Mine", 3)
    assert found["responses"] == {"200": {"description": "Fine"}, "418": {"description": "Tea"}, **refs("default")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"openapi": "no"}, "openapi= is a dict of members of the Operation Object, or False; not 'no'"),
        ({"responses": {"ok": "x"}}, 'responses= has statuses as its keys: 404, "4XX" or "default", not \'ok\''),
        ({"responses": {99: "x"}}, 'responses= has statuses as its keys: 404, "4XX" or "default", not 99'),
        ({"tags": "users"}, "tags= takes a list, as tags=['users'], not one text"),
    ],
)
def test_a_wrong_remark_is_an_error_at_registration(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        App().get("/", **options)(named("handler"))
    assert str(caught.value).endswith(message)


def test_a_router_for_a_host_has_that_as_its_server() -> None:
    app, tenants, fixed = App(), Router(host="{tenant}.example.com"), Router(host="api.example.com")
    tenants.get("/a")(named("a", "tenant"))
    fixed.get("/b")(named("b"))
    app.include(tenants)
    app.include(fixed)
    found = operation(app, "/a")
    assert found["servers"] == [{"url": "//{tenant}.example.com", "variables": {"tenant": {"default": "tenant"}}}]
    assert "parameters" not in found
    assert operation(app, "/b")["servers"] == [{"url": "//api.example.com"}]


def test_a_path_is_written_without_converters_but_with_what_stands_around_a_value() -> None:
    app = App()
    app.get("/files/{name}.json/{rest:path}")(named("file", "name", "rest"))
    assert list(app.openapi_document()["paths"]) == ["/files/{name}.json/{rest}"]


def test_paths_that_differ_in_names_alone_are_one_path() -> None:
    app = App()

    @app.get("/{id:int}")
    def by_id(id: int) -> None: ...

    @app.get("/{name}")
    def by_name(name: str) -> None: ...

    @app.delete("/{name}")
    def remove(name: str) -> None: ...

    (path,) = app.openapi_document()["paths"].items()
    assert path[0] == "/{id}"
    assert {method: one["operationId"] for method, one in path[1].items()} == {"get": "by_id", "delete": "remove"}
    assert path[1]["delete"]["parameters"][0]["name"] == "id"


def test_of_routes_that_look_the_same_the_one_that_is_tried_first_is_described() -> None:
    app = App()
    app.get("/{x}", name="text")(named("text", "x"))
    app.get("/{x:int}", name="number")(named("number", "x"))
    assert operation(app, "/{x}")["operationId"] == "number"


def test_of_routes_that_differ_in_names_alone_the_one_that_is_tried_first_is_described() -> None:
    app = App()
    app.get("/{a}", name="text")(named("text", "a"))
    app.get("/{b:int}", name="number")(named("number", "b"))
    found = operation(app, "/{a}")
    assert found["operationId"] == "number"
    assert found["parameters"][0]["name"] == "a"


@pytest.mark.parametrize(
    ("returns", "status", "content"),
    [
        (None, "204", None), (Any, "200", None), (Response, "200", None), (tuple[str, int], "200", None),
        (str, "200", {"text/plain": {"schema": {"type": "string"}}}), (bytes, "200", {"application/octet-stream": {}}),
        (dict, "200", {JSON_OF: {"schema": {"type": "object"}}}), (list, "200", {JSON_OF: {"schema": {"type": "array"}}}),
        (dict[str, int], "200", {JSON_OF: {"schema": {"type": "object", "additionalProperties": {"type": "integer"}}}}),
        (dict[str, Any], "200", {JSON_OF: {"schema": {"type": "object"}}}),
        (list[dict[str, str]], "200", {JSON_OF: {"schema": {"type": "array", "items": {
            "type": "object", "additionalProperties": {"type": "string"}}}}}),
        (HTML, "200", {"text/html": {"schema": {"type": "string"}}}),
        (Text, "200", {"text/plain": {"schema": {"type": "string"}}}), (JSON, "200", {JSON_OF: {}}),
        (Iterator[str], "200", {"text/plain": {"schema": {"type": "string"}}}),
        (dict | Redirect, "200", {JSON_OF: {"schema": {"type": "object"}}}), (str | dict, "200", None),
    ],
)  # fmt: skip
def test_a_plain_handler_gives_what_its_annotation_says(returns: Any, status: str, content: Any) -> None:
    def handler(): ...

    handler.__annotations__["return"] = returns
    found = operation_of(handler)["responses"]
    assert list(found) == [status, "default"]
    assert found[status].get("content") == content


def test_a_redirect_says_where_to() -> None:
    def handler() -> Redirect: ...

    found = operation_of(handler)["responses"]["303"]
    assert found["headers"] == {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
    assert "content" not in found


def test_any_layer_can_say_what_it_demands() -> None:
    def check(request: Request) -> Middleware:
        yield

    key = Layer(check, demand=Demand((401,), "key", {"type": "apiKey", "in": "header", "name": "x-key"}))
    app = App(middleware=[key])
    app.get("/")(named("handler"))
    document = app.openapi_document()
    assert document["paths"]["/"]["get"]["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["name"] == "x-key"


def test_mounted_applications_can_be_left_out() -> None:
    app, inner = App(), App()
    app.openapi(path=None, mounted=False)
    inner.get("/a")(named("a"))
    app.mount("/inner", inner)
    assert app.openapi_document()["paths"] == {}
