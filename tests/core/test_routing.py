"""What is registered on routers and applications, and the errors that say at once where it is wrong."""

import functools
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from ambi import App, BodyStream, ConfigurationError, Layer, Request, Router, WebSocket
from ambi.core.matching import Parameter
from ambi.core.routing import match_host, parse_host_template


def at(function: Callable[..., Any]) -> str:
    """Give how an error about a function must begin."""
    return f"{function.__qualname__} ({__file__}:{function.__code__.co_firstlineno}): "


def error_of(register: Callable[[Callable[..., Any]], Any], function: Callable[..., Any]) -> str:
    """Give the message of the error at registration, behind the name, file and line of the function."""
    with pytest.raises(ConfigurationError) as caught:
        register(function)
    message = str(caught.value)
    assert message.startswith(at(function)), message
    return message.removeprefix(at(function))


def path_of(app: App, name: str, /, **params: object) -> str:
    return app.url_path(name, params)


def nothing() -> None: ...


def with_id(id: int) -> None: ...


# --- what is registered ---


def test_a_decorator_gives_the_function_back() -> None:
    app = App()
    for decorate in (app.get, app.post, app.put, app.patch, app.delete, app.head, app.options, app.query):
        assert decorate(f"/{decorate.__name__}")(nothing) is nothing
    assert app.route("/any", methods=["GET", "M-SEARCH"])(nothing) is nothing
    assert [route.methods for route in app.routes] == [
        ("GET",), ("POST",), ("PUT",), ("PATCH",), ("DELETE",), ("HEAD",), ("OPTIONS",), ("QUERY",), ("GET", "M-SEARCH")
    ]  # fmt: skip


def test_a_route_shows_what_it_is() -> None:
    app = App()
    app.post("/users/{id}", name="user")(with_id)
    [route] = app.routes
    assert (route.path, route.name, route.param_names, route.handler) == ("/users/{id}", "user", ("id",), with_id)
    assert repr(route) == "<Route POST /users/{id}>"
    assert repr(app) == "<App />"
    assert repr(Router(prefix="/api")) == "<Router /api>"


def test_methods_named_twice_are_one() -> None:
    app = App()
    app.route("/", methods=["GET", "POST", "GET"])(nothing)
    assert app.routes[0].methods == ("GET", "POST")


def test_prefixes_and_names_of_nested_routers_are_joined() -> None:
    app, api, users = App(), Router(prefix="/api", name="api"), Router(prefix="/users/{id}", name="users")
    users.get("/edit")(with_id)
    users.get("", name="show")(with_id)
    api.include(users)
    app.include(api)
    api.get("/late")(nothing)
    users.post("", name="change")(with_id)
    assert [(route.path, route.name) for route in app.routes] == [
        ("/api/users/{id}/edit", "api.users.with_id"),
        ("/api/users/{id}", "api.users.show"),
        ("/api/late", "api.nothing"),
        ("/api/users/{id}", "api.users.change"),
    ]


def test_an_empty_path_is_that_of_the_router() -> None:
    app, router = App(), Router()
    router.get("")(nothing)
    app.include(router)
    assert app.routes[0].path == "/"


def test_one_router_may_be_included_in_several() -> None:
    shared, one, other = Router(), App(), App()
    shared.get("/health")(nothing)
    one.include(shared)
    other.include(shared)
    shared.get("/later")(lambda: None)
    assert [r.path for r in one.routes] == [r.path for r in other.routes] == ["/health", "/later"]


def test_a_resource_registers_its_methods_and_nothing_else() -> None:
    class Items:
        def get(self, id: int) -> None: ...

        def delete(self, id: int) -> None: ...

        def secret(self) -> None: ...

        trace = connect = secret

    app = App()
    app.resource("/items/{id}", Items())
    app.resource("/things/{id}", Items(), name="thing")
    assert [(route.methods, route.name) for route in app.routes] == [
        (("GET",), "Items.get"), (("DELETE",), "Items.delete"), (("GET",), "thing.get"), (("DELETE",), "thing.delete")
    ]  # fmt: skip
    assert path_of(app, "thing.get", id=7) == "/things/7"


# --- what is refused, and where it says that this is ---


@pytest.mark.parametrize("path", ["users", "{id}", " /users", "http://a/"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    assert "must begin with a slash" in error_of(App().get(path), nothing)
    assert "must begin with a slash" in error_of(Router(prefix="/api").get(path), nothing)


@pytest.mark.parametrize(
    ("path", "braces"),
    [("/users/<id>", "{id}"), ("/users/<int:id>", "{id:int}"), ("/<string:name>/x", "{name}"), ("/<path:rest>", "{rest:path}")],
)  # fmt: skip
def test_parameters_as_others_write_them_are_told_to_be_in_braces(path: str, braces: str) -> None:
    assert error_of(App().get(path), nothing).endswith(f"parameters are written {braces}")


@pytest.mark.parametrize("verb", ["get", "post", "route", "websocket"])
def test_a_decorator_of_routes_that_is_not_called_is_refused(verb: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing \(.*\): a route has a path, so its decorator is called"):
        getattr(App(), verb)(nothing)


def test_a_route_is_one_for_get_where_no_method_is_said() -> None:
    app = App()
    app.route("/")(nothing)
    assert app.routes[0].methods == ("GET",)


@pytest.mark.parametrize("path", ["/{", "/{}", "/{a}{b}", "/{a}/{a}", "/{a b}", "/{1}"])
def test_a_wrong_path_names_the_function(path: str) -> None:
    assert repr(path) in error_of(App().get(path), lambda a=None: None)


@pytest.mark.parametrize(
    "methods", [["get"], ["GET", "post"], ["Get"], [""], ["GET /"], ["GET\n"], ["GÉT"], ["GET,POST"]]
)
def test_methods_are_upper_case_tokens(methods: list[str]) -> None:
    assert "methods are upper case" in error_of(App().route("/", methods=methods), nothing)


def test_a_route_has_methods() -> None:
    assert error_of(App().route("/", methods=[]), nothing) == "the route '/' has no methods"


def test_one_text_is_no_list_of_methods() -> None:
    assert "methods=['GET']" in error_of(App().route("/", methods="GET"), nothing)


def test_a_handler_can_be_called() -> None:
    with pytest.raises(ConfigurationError, match=r"the handler of '/' must be a function, not 7"):
        App().get("/")(7)  # type: ignore[type-var]


def test_a_parameter_that_nothing_can_be_given_for_is_named() -> None:
    def handler(id: int, page) -> None: ...

    def socket(ws: WebSocket) -> None: ...

    def unannotated(req) -> None: ...

    assert error_of(App().get("/{id}"), handler) == (
        "nothing can be given for the parameter 'page'; parameters of the path are 'id';"
        " others are annotated Request or BodyStream, or with what they are read as"
    )
    assert "it takes a WebSocket as 'ws'" in error_of(App().get("/{id}"), socket)
    assert "the parameter 'req'; parameters of the path are none" in error_of(App().get("/"), unannotated)


def test_a_method_without_its_object_is_named() -> None:
    class Items:
        def get(self) -> None: ...

    assert "it takes 'self': register the bound method, or a whole object with app.resource()" in error_of(
        App().get("/"), Items.get
    )


def test_a_handler_that_takes_anything_is_refused() -> None:
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert (
        "the parameter *args: Any takes anything; name each parameter (a decorator must use functools.wraps)"
        in error_of(App().get("/"), wrapper)
    )


def test_a_decorated_handler_is_named_by_its_own_line() -> None:
    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    def handler(page) -> None: ...

    with pytest.raises(ConfigurationError, match="'page'") as caught:
        App().get("/")(decorator(handler))
    assert str(caught.value).startswith(at(handler))


def test_an_unknown_converter_is_named_with_those_that_are_known() -> None:
    assert error_of(App().get("/{id:number}"), with_id) == (
        "the path '/{id:number}' names an unknown converter 'number';"
        " there are date, decimal, float, int, path, str, uuid"
    )


def test_an_annotation_that_no_converter_makes_is_named() -> None:
    def handler(id: bytes) -> None: ...

    assert error_of(App().get("/{id}"), handler) == (
        "the path parameter 'id' is annotated <class 'bytes'>, which no converter makes;"
        " add one with app.converter(...)"
    )


def test_an_annotation_that_cannot_be_resolved_is_named() -> None:
    def handler(id: "Missing") -> None:  # type: ignore[name-defined]  # noqa: F821
        ...

    assert "the annotation 'Missing' of 'id' cannot be resolved: name 'Missing' is not defined" in error_of(
        App().get("/{id}"), handler
    )


def test_routes_that_cannot_be_told_apart_name_each_other() -> None:
    app = App()

    def first(a: str) -> None: ...

    def second(b: str) -> None: ...

    app.get("/{a}")(first)
    assert error_of(app.get("/{b}"), second) == (
        f"GET /{{b}} could never be told apart from GET /{{a}} of {at(first).removesuffix(': ')}; give one of them"
        " another path or method, or a converter that the other has not, as {id:int}"
    )


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1", True])
def test_a_limit_of_a_route_is_checked(limit: Any) -> None:
    assert "max_body_bytes must be a positive int" in error_of(App().post("/", max_body_bytes=limit), nothing)


def test_a_misspelt_option_is_named_with_those_that_are_known() -> None:
    message = error_of(App().get("/", nmae="x"), nothing)  # type: ignore[call-arg]
    known = "name, middleware, max_body_bytes, blocking, cancel_on_disconnect, csrf, timeout_s, tags, deprecated, responses, openapi"
    assert message == f"a route has no option 'nmae'; it has {known}"


def test_a_name_is_given_once() -> None:
    app = App()
    app.get("/a", name="one")(nothing)
    assert error_of(app.get("/b", name="one"), nothing) == "there is a route named 'one' already"


def test_a_layer_of_a_route_names_its_own_function() -> None:
    def no_layer(request: Request) -> None: ...

    with pytest.raises(ConfigurationError, match="it is neither") as caught:
        App().get("/", middleware=[no_layer])(nothing)
    assert str(caught.value).startswith(at(no_layer))


@pytest.mark.parametrize("prefix", ["api", "/", "/api/", "api/"])
def test_a_prefix_begins_with_a_slash_and_does_not_end_with_one(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the prefix '{prefix}' must begin with a slash and not end with one"):
        Router(prefix=prefix)


def test_a_router_is_not_within_itself() -> None:
    outer, inner, innermost = Router(), Router(), Router()
    outer.include(inner)
    inner.include(innermost)
    for holder, held in ((outer, outer), (outer, inner), (inner, outer), (innermost, outer)):
        with pytest.raises(ConfigurationError, match="cannot be included"):
            holder.include(held)


@pytest.mark.parametrize(
    "resource", [object(), type("Items", (), {"get": nothing}), type("Items", (), {"get": 7})(), None]
)
def test_a_resource_is_an_object_with_methods(resource: object) -> None:
    with pytest.raises(ConfigurationError, match="takes an object with methods named get, post"):
        App().resource("/", resource)


def test_the_parameters_of_a_path_and_its_prefix_have_different_names() -> None:
    app, router = App(), Router(prefix="/{id}")
    app.include(router)
    assert "names a parameter twice" in error_of(router.get("/{id}"), with_id)


# --- annotations ---


class Colour(Enum):
    RED = "red"


def test_a_parameter_takes_its_converter_from_the_annotation() -> None:
    app = App()

    @app.get("/{a}/{b}/{c}/{d}/{e}/{f:int}/{g}")
    def handler(a: int, b: UUID, c: Colour, d: Literal["x"], e: Annotated[float, "metres"], f: str, g) -> None: ...

    names = [segment.converter.name for segment in app.routes[0].segments if isinstance(segment, Parameter)]
    assert names == ["int", "uuid", "Colour", "typing.Literal['x']", "float", "int", "str"]


def test_annotations_written_as_text_are_resolved_where_the_function_stands() -> None:
    class Local(Enum):
        ONE = "1"

    app = App()

    @app.get("/{kind}/{id}")
    def handler(kind: "Local", id: "UUID", request: "Request") -> None: ...

    names = [segment.converter.name for segment in app.routes[0].segments if isinstance(segment, Parameter)]
    assert names == ["Local", "uuid"]


def test_a_converter_of_the_application_serves_its_annotation_and_its_name() -> None:
    class Slug(str):
        __slots__ = ()

    def slug(text: str) -> Slug:
        if not text.islower():
            raise ValueError(text)
        return Slug(text)

    app = App()
    app.converter("slug", slug, annotation=Slug)
    app.get("/a/{name}", name="a")(lambda name: None)
    app.get("/b/{name:slug}", name="b")(lambda name: None)

    @app.get("/c/{name}", name="c")
    def handler(name: Slug) -> None: ...

    assert path_of(app, "a", name="X") == "/a/X"
    assert path_of(app, "b", name="x") == "/b/x"
    for name in ("b", "c"):
        with pytest.raises(ValueError, match="'X' is no value"):
            path_of(app, name, name="X")


# --- url_for ---


@pytest.mark.parametrize(
    ("template", "params", "path"),
    [
        ("/", {}, "/"),
        ("/a b/ü", {}, "/a%20b/%C3%BC"),
        ("/{x}", {"x": "a b"}, "/a%20b"),
        ("/{x}", {"x": "?#%"}, "/%3F%23%25"),
        ("/{x}", {"x": "ü:@!$&'()*+,;="}, "/%C3%BC:@!$&'()*+,;="),
        ("/{x:int}", {"x": 7}, "/7"),
        ("/{x:path}", {"x": "a/b c//d/"}, "/a/b%20c//d/"),
        ("/f/{x:path}", {"x": ".."}, "/f/.."),
        ("/v{x:int}.ü", {"x": 7}, "/v7.%C3%BC"),
        ("/{x:date}", {"x": "2024-01-02"}, "/2024-01-02"),
        ("/{x}", {"x": "a", "page": 2, "q": "ü&"}, "/a?page=2&q=%C3%BC%26"),
        ("/", {"page": 2}, "/?page=2"),
    ],
)
def test_the_url_of_a_route_is_built(template: str, params: dict[str, object], path: str) -> None:
    app = App()
    app.get(template, name="it")(nothing)
    assert path_of(app, "it", **params) == path


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("/{x}", ""),
        ("/{x}", "a/b"),
        ("/{x}", "/evil.example"),
        ("/{x:int}", "a"),
        ("/{x:int}", -1),
        ("/{x:int}", True),
        ("/{x:uuid}", "1"),
        ("/{x:path}", ""),
        ("/{x:path}", "/evil.example"),
        ("/{x:path}", "/"),
        ("/f/{x:path}", "/a"),
        ("/{x:date}", "today"),
    ],
)
def test_a_value_that_the_route_would_not_match_is_refused(template: str, value: object) -> None:
    app = App()
    app.get(template, name="it")(nothing)
    with pytest.raises(ValueError, match=r"url_for\('it'\): .* is no value of 'x'"):
        path_of(app, "it", x=value)


def test_what_cannot_be_built_is_named() -> None:
    app = App()
    app.get("/{id}", name="user")(nothing)
    with pytest.raises(LookupError, match="needs a value for 'id'"):
        path_of(app, "user")
    with pytest.raises(LookupError, match="no route is named 'usr': there is none; did you mean user[?]"):
        path_of(app, "usr")


def test_a_name_that_functions_share_by_chance_names_none_of_them() -> None:
    app = App()
    for number in range(3):
        app.get(f"/{number}")(lambda: None)
    app.get("/named", name="<lambda>2")(nothing)
    with pytest.raises(LookupError, match="several routes share it; give them names"):
        path_of(app, "<lambda>")
    assert path_of(app, "<lambda>2") == "/named"


# --- hosts ---


@pytest.mark.parametrize(
    ("template", "host", "values"),
    [
        ("shop.example", "shop.example", ()),
        ("Shop.Example", "shop.example", ()),
        ("shop.example", "a.shop.example", None),
        ("shop.example", "shop", None),
        ("shop.example", "shopXexample", None),
        ("{tenant}.shop.example", "a.shop.example", ("a",)),
        ("{tenant}.shop.example", "a.b.shop.example", None),
        ("{tenant}.shop.example", ".shop.example", None),
        ("{tenant}.shop.example", "shop.example", None),
        ("{a}.{b}.example", "x.y.example", ("x", "y")),
        ("api-{region}.shop.example", "api-eu.shop.example", ("eu",)),
        ("api-{region}.shop.example", "evil.shop.example", None),
        ("api-{region}.shop.example", "api-.shop.example", None),
        ("{region}-api.shop.example", "eu-api.shop.example", ("eu",)),
        ("{region}-api.shop.example", "eu.shop.example", None),
        ("API-{region}.shop.example", "api-eu.shop.example", ("eu",)),
        ("[::1]", "[::1]", ()),
    ],
)
def test_a_host_is_matched_label_by_label(template: str, host: str, values: tuple[str, ...] | None) -> None:
    assert match_host(parse_host_template(template), host) == values


def test_a_host_parameter_keeps_the_case_of_its_name() -> None:
    app, router = App(), Router(host="{tenantId}.shop.example")

    @router.get("/{page}")
    def handler(tenantId: str, page: int) -> None: ...  # noqa: N803

    app.include(router)
    assert app.routes[0].param_names == ("tenantId", "page")


@pytest.mark.parametrize(
    "host",
    [
        "shop.example:8000",
        "{tenant:int}.shop.example",
        "{tenant.example",
        "{a}.{a}.example",
        "{}.example",
        "shop.example/a",
    ],
)
def test_a_host_that_could_not_be_matched_is_refused(host: str) -> None:
    app, router = App(), Router(host=host)
    router.get("/")(nothing)
    with pytest.raises(ConfigurationError) as caught:
        app.include(router)
    assert str(caught.value).startswith(at(nothing))


def test_a_host_parameter_is_text() -> None:
    def handler(tenant: int) -> None: ...

    app, router = App(), Router(host="{tenant}.shop.example")
    app.include(router)
    assert "the host parameter 'tenant' is text, not <class 'int'>" in error_of(router.get("/"), handler)


def test_host_and_path_name_different_parameters() -> None:
    def handler(id: str) -> None: ...

    app, router = App(), Router(host="{id}.shop.example")
    app.include(router)
    assert "'id' is a parameter of the host and of the path" in error_of(router.get("/{id}"), handler)


def test_only_one_of_the_routers_has_a_host() -> None:
    app, outer, inner = App(), Router(host="a.example"), Router(host="b.example")
    outer.include(inner)
    app.include(outer)
    assert "only one of its routers may have a host" in error_of(inner.get("/"), nothing)


# --- middlewares and error handlers ---


def test_layers_are_taken_as_functions_or_as_layers() -> None:
    def generator(request: Request) -> Iterator[None]:
        yield

    layer = Layer(generator, blocking=True)
    router = Router(middleware=[generator, layer])
    assert router.middleware(generator) is generator
    assert router.middleware(blocking=True, body=True)(generator) is generator
    assert [(each.function, each.blocking, each.body) for each in router.layers] == [
        (generator, False, False), (generator, True, False), (generator, False, False), (generator, True, True)
    ]  # fmt: skip
    assert router.layers[1] is layer


def test_an_error_handler_is_given_back() -> None:
    def handler(request: Request, error: Exception) -> None: ...

    router = Router()
    assert router.error(404)(handler) is handler
    assert router.error(KeyError)(handler) is handler


def test_a_stream_may_be_asked_for_once_in_any_place() -> None:
    app = App()

    @app.post("/{id}")
    def handler(stream: BodyStream, id: int, request: Request) -> None: ...

    assert app.routes[0].bound.streams_body
