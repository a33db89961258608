"""What a handler learns of its request is the same in every cell."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ambi import App, HTTPError, Limits, Middleware, Request, Router
from ambi.testing import Client
from ambi.testing.messages import Request as SentRequest
from tests.cells import Cell
from tests.conftest import MakeClient

METHODS = ("GET", "POST", "PATCH", "DELETE")


@pytest.fixture
def seen(app: App, cell: Cell) -> dict[str, Any]:
    """Register a route for every path and method, which notes what `look` finds."""
    notes: dict[str, Any] = {"look": lambda request: None}

    @app.route("/{rest:path}", methods=METHODS)
    @app.route("/", methods=METHODS)
    @cell.handler
    def show(request: Request) -> str:
        notes["found"] = notes["look"](request)
        return "seen"

    return notes


def look(seen: dict[str, Any], client: Client, url: str, what: Any, **options: Any) -> Any:
    """Send a request, give what `what` finds on it."""
    seen.pop("found", None)
    seen["look"] = what
    response = client.request(options.pop("method", "GET"), url, **options)
    assert response.status_code == 200, response.text
    return seen["found"]


# --- where it was sent to ---


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/%C3%BC", "/ü"),
        ("/ü", "/ü"),
        ("/%E2%82%AC/x", "/€/x"),
        ("/a%2Fb", "/a/b"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/a;b=c", "/a;b=c"),
        ("/a//b", "/a//b"),
        ("/a/", "/a/"),
        ("/%25", "/%"),
        ("/%2541", "/%41"),
    ],
)
def test_the_path_is_decoded_once(seen: dict[str, Any], client: Client, target: str, path: str) -> None:
    assert look(seen, client, target, lambda request: request.path) == path


@pytest.mark.parametrize("target", ["/%FF", "/a/%C3", "/%ED%A0%80", "/%C0%AF"])
def test_a_path_that_is_no_utf_8_is_a_400(seen: dict[str, Any], client: Client, target: str) -> None:
    assert client.get(target).status_code == 400


@pytest.mark.parametrize("target", ["/a#b", "/a?b#c", "/a#?b", "/#/../a", "/#"])
def test_a_target_with_a_fragment_is_a_400(
    seen: dict[str, Any], make_client: MakeClient, app: App, target: str
) -> None:
    """Servers cut it off, and what a proxy before them has forbidden or allowed is another path than is served."""
    asked = SentRequest("GET", "http", "localhost", target, header_lines=[("host", "localhost")])
    refused = make_client(app, judged=False).send(asked)
    assert refused.status_code == 400
    assert refused.json()["detail"] == "the target of the request holds a character that must be percent-encoded"


@pytest.mark.parametrize(
    "target", ["/a\x01b", "/a\tb?c", "/\x00", "/\x7f/../a", "/%41\x1f", "/\xc3\xbc\x0b", "http://localhost/a\tb"]
)
def test_a_path_with_a_control_byte_is_a_400(
    seen: dict[str, Any], make_client: MakeClient, app: App, target: str
) -> None:
    """waitress and Werkzeug let it pass, and waitress leaves out a tab: then "/ad min" is "/admin" to it alone."""
    asked = SentRequest("GET", "http", "localhost", target, header_lines=[("host", "localhost")])
    refused = make_client(app, judged=False).send(asked)
    assert refused.status_code == 400
    assert refused.json()["detail"] == "the target of the request holds a character that must be percent-encoded"


def test_a_control_character_that_is_encoded_is_one_of_the_path(seen: dict[str, Any], client: Client) -> None:
    assert look(seen, client, "/a%01b%7F", lambda request: request.path) == "/a\x01b\x7f"


@pytest.mark.parametrize("target", ["a", "a/b?c=/d", "ftp://localhost/a", "://localhost/a", "localhost:80"])
def test_a_target_that_is_no_path_and_no_absolute_form_is_a_400(
    seen: dict[str, Any], make_client: MakeClient, app: App, target: str
) -> None:
    asked = SentRequest("GET", "http", "localhost", target, header_lines=[("host", "localhost")])
    assert make_client(app, judged=False).send(asked).status_code == 400


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://localhost/a%20b", "/a b"), ("HTTPS://other.example:81/a?x=1", "/a"), ("http://localhost", "/"),
        ("http://user@localhost/%2541", "/%41"),
    ],
)  # fmt: skip
def test_an_absolute_target_is_the_path_in_it(
    seen: dict[str, Any], make_client: MakeClient, app: App, target: str, path: str
) -> None:
    """RFC 9112 3.2.2. uvicorn with h11 hands the whole of it on."""
    seen["look"] = lambda request: request.path
    asked = SentRequest("GET", "http", "localhost", target, header_lines=[("host", "localhost")])
    assert make_client(app, judged=False).send(asked).status_code == 200
    assert seen["found"] == path


def test_the_parameters_of_the_path_have_names(app: App, client: Client, cell: Cell) -> None:
    @app.get("/{year:int}/{slug}")
    @cell.handler
    def article(request: Request) -> dict[str, Any]:
        return request.path_params

    assert client.get("/2024/hello%20world").json() == {"year": 2024, "slug": "hello world"}


@pytest.mark.parametrize("method", METHODS)
def test_the_method_is_as_sent(seen: dict[str, Any], client: Client, method: str) -> None:
    assert look(seen, client, "/", lambda request: request.method, method=method) == method


def test_the_url_is_absolute_and_can_be_sent(seen: dict[str, Any], client: Client) -> None:
    url = look(
        seen, client, "/a%20b/%C3%BC?x=1&y=%20", lambda request: request.url, headers={"host": "shop.example:81"}
    )
    assert str(url) == "http://shop.example:81/a%20b/%C3%BC?x=1&y=%20"
    assert (url.scheme, url.host, url.hostname, url.port) == ("http", "shop.example:81", "shop.example", 81)
    assert (url.path, url.query) == ("/a b/ü", "x=1&y=%20")


def test_urls_are_equal_by_their_text(seen: dict[str, Any], client: Client) -> None:
    first = look(seen, client, "/a?b=c", lambda request: request.url)
    second = look(seen, client, "/a?b=c", lambda request: request.url)
    assert first == second == "http://localhost/a?b=c"
    assert hash(first) == hash(second)
    assert first != look(seen, client, "/a?b=d", lambda request: request.url)
    assert repr(first) == "URL('http://localhost/a?b=c')"


@pytest.mark.parametrize("host", ["example.com", "example.com:8080", "[::1]:80", "127.0.0.1", "EXAMPLE.com"])
def test_the_host_is_as_the_client_named_it(seen: dict[str, Any], client: Client, host: str) -> None:
    assert look(seen, client, "/", lambda request: request.host, headers={"host": host}) == host


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "a@b",
        "a,b",
        "[::1",
        "a:b",
        "a:99999",
        "a:1:2",
        "exa\\mple",
        "[]",
        "a:٣".encode().decode("latin-1"),
    ],
)
def test_a_host_that_is_none_is_a_400(seen: dict[str, Any], client: Client, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 400


def test_two_hosts_are_a_400(seen: dict[str, Any], client: Client) -> None:
    assert client.get("/", headers=[("host", "a.example"), ("host", "b.example")]).status_code == 400


def test_without_a_host_field_the_server_names_the_host(
    seen: dict[str, Any], make_client: MakeClient, app: App
) -> None:
    client = make_client(app, base_url="http://inside:8000")
    host, url = look(seen, client, "/x", lambda request: (request.host, str(request.url)), headers={"host": ""})
    assert (host, url) == ("inside:8000", "http://inside:8000/x")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_scheme_is_the_servers(seen: dict[str, Any], make_client: MakeClient, app: App, scheme: str) -> None:
    client = make_client(app, base_url=f"{scheme}://shop.example")
    found = look(seen, client, "/", lambda request: (request.scheme, str(request.url), request.url.port))
    assert found == (scheme, f"{scheme}://shop.example/", 443 if scheme == "https" else 80)


def test_the_client_has_an_address_and_a_port(seen: dict[str, Any], client: Client) -> None:
    assert look(seen, client, "/", lambda request: request.client) == ("127.0.0.1", 50000)


def test_a_request_knows_its_gateway_and_application(
    seen: dict[str, Any], client: Client, cell: Cell, app: App
) -> None:
    found = look(seen, client, "/", lambda request: (request.gateway, request.app, request.limits))
    assert found == (cell.gateway, app, app.limits)


def test_the_servers_own_structure_is_there(seen: dict[str, Any], client: Client, cell: Cell) -> None:
    native = look(seen, client, "/x", lambda request: request.native)
    assert native["PATH_INFO" if cell.gateway == "wsgi" else "path"] == "/x"


def test_the_route_is_there(app: App, client: Client, cell: Cell) -> None:
    @app.get("/users/{id:int}", name="user")
    @cell.handler
    def user(request: Request, id: int) -> dict[str, Any]:
        assert request.route is not None
        return {"path": request.route.path, "name": request.route.name, "methods": list(request.route.methods)}

    assert client.get("/users/7").json() == {"path": "/users/{id:int}", "name": "user", "methods": ["GET"]}


def test_a_request_shows_its_method_and_path(seen: dict[str, Any], client: Client) -> None:
    assert look(seen, client, "/a?secret=1", repr) == "<Request GET /a>"


# --- the mount prefix ---


def where(request: Request) -> dict[str, Any]:
    return {
        "root_path": request.root_path, "path": request.path, "url": str(request.url), "link": request.url_for("where", id=1),
    }  # fmt: skip


@pytest.mark.parametrize("root_path", ["", "/proxy", "/pro%20xy", "/prö"])
def test_the_servers_prefix_is_the_root_path(app: App, make_client: MakeClient, cell: Cell, root_path: str) -> None:
    app.get("/at/{id:int}", name="where")(cell.handler(lambda request, id: where(request)))
    from urllib.parse import quote, unquote

    decoded = unquote(root_path)
    found = make_client(app, root_path=decoded).get("/at/5").json()
    prefix = quote(decoded)
    assert found == {
        "root_path": decoded, "path": "/at/5", "url": f"http://localhost{prefix}/at/5", "link": f"{prefix}/at/1",
    }  # fmt: skip


@pytest.mark.parametrize("root_path", ["", "/proxy"])
def test_every_mount_adds_to_the_root_path(make_client: MakeClient, cell: Cell, root_path: str) -> None:
    outer, middle, inner = App(), App(), App()
    for app in (outer, middle, inner):
        app.get("/at/{id:int}", name="where")(cell.handler(lambda request, id: where(request)))
    middle.mount("/inner", inner)
    outer.mount("/middle", middle)
    client = make_client(outer, root_path=root_path)
    for mounted in ("", "/middle", "/middle/inner"):
        prefix = root_path + mounted
        assert client.get(f"{mounted}/at/5").json() == {
            "root_path": prefix, "path": "/at/5", "url": f"http://localhost{prefix}/at/5", "link": f"{prefix}/at/1",
        }  # fmt: skip


def test_a_prefix_ends_at_a_slash(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    inner.get("/{rest:path}")(cell.handler(lambda rest: f"inner {rest}"))
    outer.get("/{rest:path}")(cell.handler(lambda rest: f"outer {rest}"))
    outer.mount("/in", inner)
    client = make_client(outer)
    assert client.get("/inside").text == "outer inside"


# --- links ---


def test_a_link_takes_the_parameters_of_its_route(app: App, client: Client, cell: Cell) -> None:
    @app.get("/items/{id:int}/{name}")
    @cell.handler
    def item(id: int, name: str) -> str:
        return "item"

    @app.get("/")
    @cell.handler
    def links(request: Request) -> list[str]:
        return [
            request.url_for("item", id=3, name="a b/ü".replace("/", "")),
            request.url_for("item", id=3, name="x", page=2, q="a&b"),
            request.url_for("item", absolute=True, id=3, name="x"),
        ]

    assert client.get("/").json() == [
        "/items/3/a%20b%C3%BC", "/items/3/x?page=2&q=a%26b", "http://localhost/items/3/x",
    ]  # fmt: skip


def test_a_link_leads_where_its_route_is(app: App, client: Client, cell: Cell) -> None:
    api = Router(prefix="/api", name="api")
    app.include(api)

    @api.get("/files/{rest:path}")
    @cell.handler
    def file(rest: str) -> str:
        return rest

    @app.get("/")
    @cell.handler
    def link(request: Request) -> str:
        return request.url_for("api.file", rest="a b/c%d/ü")

    assert client.get(client.get("/").text).text == "a b/c%d/ü"


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("missing", {}, "no route is named 'missing'"),
        ("item", {}, "needs a value for 'id'"),
        ("twice", {}, "several routes share it"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_lookup_error(
    app: App, client: Client, cell: Cell, name: str, params: dict[str, Any], problem: str
) -> None:
    app.get("/{id:int}", name="item")(cell.handler(lambda id: "item"))

    def twice() -> str:
        return "twice"

    app.get("/first")(twice)
    app.get("/second")(twice)

    @app.get("/")
    @cell.handler
    def link(request: Request) -> str:
        with pytest.raises(LookupError, match=problem):
            request.url_for(name, **params)
        return "raised"

    assert client.get("/").text == "raised"


# --- the query ---


@pytest.mark.parametrize(
    ("target", "pairs"),
    [
        ("/", []),
        ("/?", []),
        ("/?a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("/?a", [("a", "")]),
        ("/?=1", [("", "1")]),
        ("/?a=b=c", [("a", "b=c")]),
        ("/?&&a=1&", [("a", "1")]),
        ("/?a+b=c+d", [("a b", "c d")]),
        ("/?a=%C3%BC", [("a", "ü")]),
        ("/?a=%2B%26%3D", [("a", "+&=")]),
        ("/?a=%FF", [("a", "\ufffd")]),
        ("/?a=%zz%", [("a", "%zz%")]),
        ("/?a;b=1", [("a;b", "1")]),
    ],
)
def test_the_query_is_pairs_in_order(
    seen: dict[str, Any], client: Client, target: str, pairs: list[tuple[str, str]]
) -> None:
    assert look(seen, client, target, lambda request: list(request.query.pairs())) == pairs


def test_a_query_argument_is_the_first_of_its_name(seen: dict[str, Any], client: Client) -> None:
    query = look(seen, client, "/?a=1&b=2&a=3", lambda request: request.query)
    assert (query["a"], query.get("b"), query.get("c"), query.get("c", "d")) == ("1", "2", None, "d")
    assert (query.getlist("a"), query.getlist("c")) == (["1", "3"], [])
    assert (list(query), len(query), "a" in query, "c" in query) == (["a", "b"], 2, True, False)
    with pytest.raises(KeyError):
        query["c"]


def test_the_query_string_is_as_received(seen: dict[str, Any], client: Client) -> None:
    assert look(seen, client, "/?a=%20+b&&", lambda request: request.query_string) == "a=%20+b&&"


def test_too_many_query_arguments_are_a_400(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda request: str(len(request.query))))
    assert client.get("/?" + "&".join(f"a{n}=1" for n in range(1000))).text == "1000"
    assert client.get("/?" + "&".join(f"a{n}=1" for n in range(1001))).status_code == 400


# --- header fields and cookies ---


def test_header_fields_have_no_case(seen: dict[str, Any], client: Client) -> None:
    headers = look(seen, client, "/", lambda request: request.headers, headers={"X-Thing": "Value"})
    assert headers["x-thing"] == headers["X-THING"] == "Value"
    assert "X-thing" in headers
    assert headers.get("absent") is None


def test_white_space_around_a_value_is_no_part_of_it(app: App, make_client: MakeClient, cell: Cell) -> None:
    """uvicorn with httptools and Werkzeug's server leave it behind a value; RFC 9110 5.5 has it taken away."""

    @app.post("/", csrf=False)
    @cell.handler
    def tell(request: Request) -> Any:
        fields = request.headers
        return [
            fields["x-a"],
            fields["x-b"],
            request.host,
            request.authorization,
            request.content_type[0],
            request.text,
        ]

    fields = [
        ("host", "example.com\t"), ("x-a", "a \t"), ("x-b", "1 "), ("x-b", "2\t"), ("authorization", "Bearer  "),
        ("content-type", "text/plain "), ("content-length", "3"),
    ]  # fmt: skip
    asked = SentRequest("POST", "http", "example.com", "/", header_lines=fields, body=b"abc")
    told = make_client(app, judged=False).send(asked).json()
    assert [told[0], told[1].replace(" ", ""), *told[2:]] == ["a", "1,2", "example.com", None, "text/plain", "abc"]


def test_lines_of_one_field_are_joined_in_order(seen: dict[str, Any], client: Client) -> None:
    lines = [("x-a", "1"), ("x-b", "2"), ("x-a", "3, 4")]
    assert (
        look(seen, client, "/", lambda request: request.headers["x-a"], headers=lines) == "1,3, 4"
    )  # as gunicorn has it


def test_empty_lines_of_one_field_leave_no_space_at_an_end(seen: dict[str, Any], client: Client) -> None:
    lines = [("x-a", ""), ("x-a", ""), ("x-b", "1"), ("x-b", "")]
    found = look(seen, client, "/", lambda request: (request.headers["x-a"], request.headers["x-b"]), headers=lines)
    assert found == (",", "1,")


def test_lines_of_cookies_are_joined_as_cookies(seen: dict[str, Any], client: Client) -> None:
    lines = [("cookie", "a=1"), ("cookie", "b=2; a=3")]
    found = look(seen, client, "/", lambda request: (request.headers["cookie"], request.cookies), headers=lines)
    assert found == ("a=1; b=2; a=3", {"a": "1", "b": "2"})


def test_fields_with_an_underscore_are_dropped(seen: dict[str, Any], client: Client) -> None:
    headers = look(
        seen, client, "/", lambda request: request.headers, headers=[("x-user", "alice"), ("x_admin", "yes")]
    )
    assert (headers["x-user"], headers.get("x-admin"), headers.get("x_admin")) == ("alice", None, None)


def test_the_fields_of_a_request_cannot_be_changed(seen: dict[str, Any], client: Client) -> None:
    headers = look(seen, client, "/", lambda request: request.headers)
    with pytest.raises(TypeError):
        headers["x"] = "y"


def test_bytes_of_a_field_are_latin_1(seen: dict[str, Any], client: Client) -> None:
    assert (
        look(seen, client, "/", lambda request: request.headers["x-name"], headers={"x-name": "M\xfcller"}) == "Müller"
    )


def test_content_type_and_length_are_header_fields(seen: dict[str, Any], client: Client) -> None:
    headers = look(
        seen, client, "/", lambda request: request.headers, method="POST", content=b"abc",
        headers={"content-type": "a/b"},
    )  # fmt: skip
    assert (headers["content-type"], headers["content-length"]) == ("a/b", "3")


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1; a=2", {"a": "1"}),
        ('a="x y"; b=', {"a": "x y", "b": ""}),
        ("novalue; a=1;; =2", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=%41", {"a": "%41"}),
        ("", {}),
    ],
)
def test_cookies_are_read_in_one_lenient_pass(
    seen: dict[str, Any], client: Client, header: str, cookies: dict[str, str]
) -> None:
    assert look(seen, client, "/", lambda request: request.cookies, headers={"cookie": header}) == cookies


def test_the_client_keeps_cookies_and_sends_them_back(app: App, client: Client, cell: Cell) -> None:
    from ambi import Text

    @app.get("/set")
    @cell.handler
    def set_cookie() -> Text:
        response = Text("set")
        response.set_cookie("who", "alice")
        return response

    app.get("/get")(cell.handler(lambda request: request.cookies.get("who", "nobody")))
    assert client.get("/get").text == "nobody"
    client.get("/set")
    assert client.get("/get").text == "alice"
    assert client.get("/get", cookies={"who": "bob"}).text == "bob"


# --- what it says about itself ---


def test_a_handler_may_negotiate(seen: dict[str, Any], client: Client) -> None:
    headers = {
        "accept": "text/html;q=0.5, application/json",
        "accept-encoding": "gzip;q=0.5, br",
        "accept-language": "de, en;q=0.5",
    }
    found = look(
        seen, client, "/",
        lambda request: (
            request.accepts("text/html", "application/json"), request.accepts("image/png"),
            request.accepts_encoding("gzip", "br"), request.accepts_language("en", "de"),
        ),
        headers=headers,
    )  # fmt: skip
    assert found == ("application/json", None, "br", "de")


def test_the_media_type_is_apart_from_its_parameters(seen: dict[str, Any], client: Client) -> None:
    found = look(
        seen, client, "/", lambda request: request.content_type, method="POST", content=b"x",
        headers={"content-type": 'Text/Plain; Charset="UTF-8"'},
    )  # fmt: skip
    assert found == ("text/plain", {"charset": "UTF-8"})


def test_credentials_are_apart_from_their_scheme(seen: dict[str, Any], client: Client) -> None:
    headers = {"authorization": "Bearer abc.def"}
    assert look(seen, client, "/", lambda request: request.authorization, headers=headers) == ("bearer", "abc.def")
    assert look(seen, client, "/", lambda request: request.authorization) is None


def test_preconditions_are_read(seen: dict[str, Any], client: Client) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    headers = {
        "if-none-match": 'W/"a", "b"',
        "if-match": "*",
        "if-modified-since": date,
        "if-unmodified-since": "never",
    }
    none_match, match, modified, unmodified = look(
        seen, client, "/",
        lambda request: (
            request.if_none_match, request.if_match, request.if_modified_since, request.if_unmodified_since
        ),
        headers=headers,
    )  # fmt: skip
    assert (none_match.weak, none_match.strong, match.any) == ({"a"}, {"b"}, True)
    assert (modified, unmodified) == (datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://localhost", True), ("http://127.0.0.1:8000", True), ("http://app.localhost", True),
        ("https://localhost", False), ("http://shop.example", False),
    ],
)  # fmt: skip
def test_loopback_is_plain_http_to_this_machine(
    seen: dict[str, Any], make_client: MakeClient, app: App, base_url: str, expected: bool
) -> None:
    assert look(seen, make_client(app, base_url=base_url), "/", lambda request: request.is_loopback) is expected


# --- state ---


def test_a_middleware_leaves_state_for_the_handler(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def user(request: Request) -> Middleware:
        assert "user" not in request.state
        request.state.user = request.query["user"]
        yield
        assert request.state.seen

    @app.get("/")
    @cell.handler
    def who(request: Request) -> str:
        request.state["seen"] = True
        return f"{request.state.user} {request.state['user']}"

    assert client.get("/?user=alice").text == "alice alice"
    assert client.get("/?user=bob").text == "bob bob"


def test_state_that_is_not_there_says_what_is(seen: dict[str, Any], client: Client) -> None:
    def ask(request: Request) -> str:
        request.state.known = 1
        with pytest.raises(AttributeError, match="the state holds no 'unknown'; it holds known") as caught:
            request.state.unknown  # noqa: B018
        del request.state.known
        assert len(request.state) == 0
        return str(caught.value)

    assert look(seen, client, "/", ask)


def test_limits_are_the_applications(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_query_fields=2))

    @app.get("/")
    @cell.handler
    def count(request: Request) -> str:
        with pytest.raises(HTTPError):
            request.query  # noqa: B018
        return str(request.limits.max_query_fields)

    assert make_client(app).get("/?a&b&c").text == "2"
