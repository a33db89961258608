"""Which pages of other sites may read an answer."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from ambi import App, ConfigurationError, HTTPError, Middleware, Request, Response
from ambi.features.cors import CORS
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

OURS = "https://example.test"


def cors_of(response: Any) -> dict[str, str]:
    """Give the fields of an answer that have to do with CORS."""
    prefix = "access-control-"
    return {name[len(prefix) :]: value for name, value in response.headers.items() if name.startswith(prefix)}


def preflight(client: Client, path: str = "/api", origin: str = OURS, method: str = "GET", **fields: str) -> Any:
    asked = {f"access-control-request-{name.replace('_', '-')}": value for name, value in fields.items()}
    return client.options(path, headers={"origin": origin, "access-control-request-method": method, **asked})


@pytest.fixture
def shared(app: App, client: Client, cell: Cell) -> Client:
    """Give a client of an application that two origins may read from."""
    app.cors(
        [OURS, "https://www.example.test"], methods=["GET", "PUT"], headers=["X-A", "Content-Type"], expose=["X-B"],
        credentials=True, max_age_s=5,
    )  # fmt: skip
    app.get("/api")(cell.handler(lambda: {"a": 1}))
    app.put("/api")(cell.handler(lambda: {"a": 2}))
    return client


def test_a_page_of_an_allowed_origin_may_read(shared: Client) -> None:
    response = shared.get("/api", headers={"origin": OURS})
    assert response.json() == {"a": 1}
    assert cors_of(response) == {"allow-origin": OURS, "allow-credentials": "true", "expose-headers": "X-B"}
    assert response.headers["vary"] == "Origin"


OTHERS = (
    "https://evilexample.test", "https://wwwXexample.test", "https://example.test.evil.test", "https://evil.test",
    "HTTPS://EXAMPLE.test:443", "https://example.test:8443", "http://example.test", "null", "https://example.test/",
    "https://EXAMPLE.test", "https://example.test https://evil.test", "*", "",
)  # fmt: skip


def test_a_page_of_any_other_origin_may_not(shared: Client) -> None:
    for origin in OTHERS:
        for response in (shared.get("/api", headers={"origin": origin}), preflight(shared, origin=origin)):
            assert response.status_code in (200, 204)
            assert (cors_of(response), origin) == ({}, origin)
            assert "Origin" in response.headers["vary"]


def test_who_says_no_origin_is_told_that_others_may_get_another_answer(shared: Client) -> None:
    response = shared.get("/api")
    assert (response.status_code, cors_of(response), response.headers["vary"]) == (200, {}, "Origin")


def test_a_preflight_names_what_may_be_done(shared: Client) -> None:
    response = preflight(shared, method="DELETE", headers="x-z")
    assert (response.status_code, response.content) == (204, b"")
    assert cors_of(response) == {
        "allow-origin": OURS, "allow-credentials": "true", "allow-methods": "GET, PUT",
        "allow-headers": "X-A, Content-Type", "max-age": "5",
    }  # fmt: skip
    assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/nowhere", "/api/"])
def test_a_preflight_of_a_path_that_is_not_there_lets_the_page_see_the_404(shared: Client, path: str) -> None:
    assert cors_of(preflight(shared, path))["allow-origin"] == OURS
    response = shared.put("/nowhere", headers={"origin": OURS})
    assert (response.status_code, cors_of(response)["allow-origin"]) == (404, OURS)


def test_errors_and_crashes_can_be_read_too(app: App, shared: Client, cell: Cell) -> None:
    @app.get("/gone")
    @cell.handler
    def gone() -> None:
        raise HTTPError(410)

    @app.get("/crash")
    @cell.handler
    def crash() -> None:
        raise RuntimeError("on purpose")

    for method, path, status in (
        ("GET", "/gone", 410), ("GET", "/crash", 500), ("PATCH", "/api", 405), ("GET", "/nowhere", 404),
    ):  # fmt: skip
        response = shared.request(method, path, headers={"origin": OURS})
        assert (response.status_code, cors_of(response)["allow-origin"]) == (status, OURS), path
        assert "origin" in response.headers["vary"].lower()


def test_a_preflight_is_answered_before_a_layer_that_asks_who_the_user_is(app: App, shared: Client) -> None:
    @app.middleware
    def demand_user(request: Request) -> Middleware:
        if "authorization" not in request.headers:
            raise HTTPError(401)
        yield

    assert preflight(shared).status_code == 204
    response = shared.get("/api", headers={"origin": OURS})
    assert (response.status_code, cors_of(response)["allow-origin"]) == (401, OURS)


def test_options_without_a_question_are_the_applications_own(shared: Client) -> None:
    response = shared.options("/api", headers={"origin": OURS})
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert cors_of(response)["allow-origin"] == OURS


def test_a_page_with_credentials_of_an_allowed_origin_may_change_something(shared: Client) -> None:
    fields = {"cookie": "sid=1", "sec-fetch-site": "cross-site"}
    assert shared.put("/api", headers={"origin": OURS, **fields}).status_code == 200
    assert shared.put("/api", headers={"origin": "https://evil.test", **fields}).status_code == 403


def test_a_page_that_gets_no_credentials_may_not_use_those_of_the_user(app: App, client: Client, cell: Cell) -> None:
    app.cors([OURS])
    app.post("/")(cell.handler(lambda: "done"))
    assert client.post("/", headers={"origin": OURS, "cookie": "sid=1"}).status_code == 403
    response = client.post("/", headers={"origin": OURS})
    assert (response.text, cors_of(response)) == ("done", {"allow-origin": OURS})


def test_every_page_may_read_what_is_public(app: App, client: Client, cell: Cell) -> None:
    app.cors(["*"], headers=["*"])
    app.get("/")(cell.handler(lambda: "hello"))
    for headers in ({"origin": "https://anybody.test"}, {"origin": "null"}, {}):
        response = client.get("/", headers=headers)
        assert cors_of(response) == {"allow-origin": "*"}
        assert "vary" not in response.headers


ASKED = {"X-A,x-b ,\tAuthorization": "x-a, x-b, authorization", "x-a, (b), *": "x-a", "a b, x-c*": None, "": None}


def test_of_all_fields_those_are_named_that_are_asked_for_and_can_be_fields(app: App, client: Client) -> None:
    app.cors([OURS], headers=["*"], credentials=True)
    for asked, allowed in ASKED.items():
        response = preflight(client, headers=asked)
        assert cors_of(response).get("allow-headers") == allowed
        assert response.headers["vary"] == "Origin, Access-Control-Request-Headers"


def test_more_fields_than_anybody_sends_are_not_named(app: App, client: Client) -> None:
    app.cors([OURS], headers=["*"])
    named = cors_of(preflight(client, headers=",".join(f"x-{n}" for n in range(1000))))["allow-headers"]
    assert len(named.split(",")) == 100


BELOW = {
    "https://a.example.test": True,
    "https://a.b.example.test": True,
    "https://example.test": False,
    "https://.example.test": False,
    "https://evil.test/.example.test": False,
    "http://a.example.test": False,
    "https://a.example.test.evil.test": False,
    "https://evil.test#.example.test": False,
    "https://aexample.test": False,
    "https://" + "a" * 300 + ".example.test": False,
    "https://A.example.test": False,
}


def test_a_star_is_for_subdomains(app: App, client: Client) -> None:
    app.cors(["https://*.example.test"])
    allowed = {origin: cors_of(preflight(client, origin=origin)).get("allow-origin") == origin for origin in BELOW}
    assert allowed == BELOW


@pytest.mark.parametrize("regex", [r"https://pr-\d+\.example\.test", re.compile(r"https://pr-\d+\.example\.test")])
def test_a_regular_expression_matches_the_whole_origin(app: App, client: Client, regex: Any) -> None:
    app.cors(origin_regex=regex)
    assert cors_of(preflight(client, origin="https://pr-7.example.test"))["allow-origin"] == "https://pr-7.example.test"
    for origin in ("https://pr-7.example.test.evil.test", "https://evil.test?https://pr-7.example.test", "null"):
        assert cors_of(preflight(client, origin=origin)) == {}


def test_a_private_network_is_opened_only_where_that_is_said(app: App, client: Client) -> None:
    app.cors([OURS], prefix="/closed")
    app.cors([OURS], prefix="/open", private_network=True)
    asked = "allow-private-network"
    assert cors_of(preflight(client, "/open", private_network="true"))[asked] == "true"
    assert asked not in cors_of(preflight(client, "/open"))
    assert asked not in cors_of(preflight(client, "/closed", private_network="true"))


PATHS = {
    "/api": True, "/api/x": True, "/%61pi/x": True, "/apix": False, "/API": False, "/": False,
    "/public/%2e%2e/api": False,
}  # fmt: skip


def test_rules_below_a_prefix_are_for_the_path_that_the_router_sees(app: App, client: Client) -> None:
    app.cors([OURS], credentials=True, prefix="/api")
    for ask in (lambda path: client.get(path, headers={"origin": OURS}), lambda path: preflight(client, path)):
        assert {path: cors_of(ask(path)).get("allow-origin") == OURS for path in PATHS} == PATHS


def test_credentials_below_a_prefix_are_not_for_what_is_elsewhere(app: App, client: Client, cell: Cell) -> None:
    app.cors([OURS], credentials=True, prefix="/api")
    app.post("/api")(cell.handler(lambda: "done"))
    app.post("/other")(cell.handler(lambda: "done"))
    headers = {"origin": OURS, "cookie": "sid=1"}
    assert [client.post(path, headers=headers).status_code for path in ("/api", "/other")] == [200, 403]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_the_rules_of_the_longest_prefix_decide_alone(
    app: App, client: Client, cell: Cell, order: tuple[int, ...]
) -> None:
    calls = (
        lambda: app.cors([OURS], credentials=True, methods=["GET", "PUT"]),
        lambda: app.cors(["*"], prefix="/public", methods=["GET"]),
        lambda: app.cors(["https://b.test"], prefix="/public/deep", credentials=True, methods=["GET", "POST"]),
    )
    for index in order:
        calls[index]()
    paths = ["/api", "/public/x", "/public/deep"]
    for path in paths:
        app.route(path, methods=["GET", "POST"])(cell.handler(lambda: "ok"))
    found = {}
    for path in paths:
        for origin in (OURS, "https://b.test"):
            asked, answer = preflight(client, path, origin), client.get(path, headers={"origin": origin})
            posted = client.post(path, headers={"origin": origin, "cookie": "sid=1"}).status_code
            fields = cors_of(asked)
            assert {name: fields.get(name) for name in cors_of(answer)} == cors_of(answer)
            found[path, origin] = cors_of(answer), fields.get("allow-methods"), posted
    named = {"allow-credentials": "true"}
    assert found == {
        ("/api", OURS): ({"allow-origin": OURS, **named}, "GET, PUT", 200),
        ("/api", "https://b.test"): ({}, None, 403),
        ("/public/x", OURS): ({"allow-origin": "*"}, "GET", 403),
        ("/public/x", "https://b.test"): ({"allow-origin": "*"}, "GET", 403),
        ("/public/deep", OURS): ({}, None, 403),
        ("/public/deep", "https://b.test"): ({"allow-origin": "https://b.test", **named}, "GET, POST", 200),
    }


def test_what_a_handler_allows_by_itself_stays(app: App, client: Client, cell: Cell) -> None:
    app.cors([OURS])
    app.get("/font")(cell.handler(lambda: Response(b"font", headers={"access-control-allow-origin": "*"})))
    assert cors_of(client.get("/font", headers={"origin": "https://b.test"})) == {"allow-origin": "*"}
    assert cors_of(client.get("/font", headers={"origin": OURS})) == {"allow-origin": OURS}


ELSE = "https://c.test"


def sharing_app(cell: Cell) -> App:
    inner = App()
    inner.cors([ELSE], credentials=True, methods=["PUT"], expose=["x-own"])
    inner.get("/")(cell.handler(lambda: "inner"))
    return inner


def sharing_guest(cell: Cell) -> Any:
    def guest(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fields = {"allow-origin": ELSE, "allow-credentials": "true", "expose-headers": "x-own", "allow-methods": "PUT"}
        given = fields if environ.get("HTTP_ORIGIN") == ELSE else {}
        named = [(f"access-control-{name}", value) for name, value in given.items()]
        start_response("200 OK", [("content-type", "text/plain"), *named])
        return [b"inner"]

    return guest


@pytest.mark.parametrize("make", [sharing_app, sharing_guest])
def test_what_is_mounted_allows_by_itself_what_is_not_named_around_it(
    app: App, client: Client, cell: Cell, make: Any
) -> None:
    app.cors([OURS], methods=["GET"])
    app.mount("/in", make(cell))
    for answer in (preflight(client, "/in/", ELSE, "PUT"), client.get("/in/", headers={"origin": ELSE})):
        fields = cors_of(answer)
        assert (fields["allow-origin"], fields["allow-credentials"]) == (ELSE, "true")
        assert answer.headers["vary"] == "Origin"
    assert cors_of(preflight(client, "/in/", ELSE, "PUT"))["allow-methods"] == "PUT"
    for answer in (
        preflight(client, "/in/", "https://d.test"),
        client.get("/in/", headers={"origin": "https://d.test"}),
    ):
        assert cors_of(answer) == {}
    assert cors_of(client.get("/in/", headers={"origin": OURS})) == {"allow-origin": OURS}
    assert cors_of(preflight(client, "/in/", OURS))["allow-methods"] == "GET"


@pytest.mark.parametrize("make", [sharing_app, sharing_guest])
def test_what_is_mounted_may_allow_more_than_every_page(app: App, client: Client, cell: Cell, make: Any) -> None:
    app.cors(["*"], expose=["x-all"])
    app.mount("/in", make(cell))
    answer = client.get("/in/", headers={"origin": ELSE})
    assert (
        cors_of(answer).items()
        >= {"allow-origin": ELSE, "allow-credentials": "true", "expose-headers": "x-own"}.items()
    )
    assert answer.headers["vary"] == "Origin"
    assert cors_of(client.get("/in/", headers={"origin": OURS})) == {"allow-origin": "*", "expose-headers": "x-all"}


def test_an_application_around_has_its_rules_for_what_is_mounted_in_it(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    outer.cors([OURS], prefix="/inner")
    inner.get("/")(cell.handler(lambda: "inner"))
    outer.mount("/inner", inner)
    client = make_client(outer)
    assert cors_of(client.get("/inner/", headers={"origin": OURS})) == {"allow-origin": OURS}
    assert cors_of(preflight(client, "/inner/x"))["allow-origin"] == OURS


# No request is made here, so there is no cell.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": ["*"], "credentials": True}, "needs explicit origins="),
        ({"origins": [OURS], "expose": ["*"], "credentials": True}, "needs explicit origins="),
        ({}, "needs origins="),
        ({"origins": OURS}, "takes a list, as origins="),
        ({"origins": ["null"]}, "sandboxed frame"),
        ({"origin_regex": "https://(a|b"}, r"origin_regex='https://\(a|b'.*unterminated subpattern"),
        ({"origins": ["example.test"]}, "scheme and host"),
        ({"origins": ["https://example.test/"]}, "scheme and host"),
        ({"origins": ["https://*.example.test/"]}, "scheme and host"),
        ({"origins": ["https://*"]}, "may have one"),
        ({"origins": ["https://*.test"]}, "may have one"),
        ({"origins": ["https://*.*.example.test"]}, "may have one"),
        ({"origins": ["https://a*.example.test"]}, "may have one"),
        ({"origins": ["https://a b"]}, "scheme and host"),
        ({"origins": [OURS], "methods": "GET"}, "takes a list, as methods="),
        ({"origins": [OURS], "methods": ["get"]}, "in upper case"),
        ({"origins": [OURS], "methods": ["*"]}, "in upper case"),
        ({"origins": [OURS], "headers": ["x a"]}, "is no name of one"),
        ({"origins": [OURS], "expose": "x-a"}, "takes a list, as expose="),
        ({"origins": [OURS], "prefix": "/api/"}, "begins with a slash"),
        ({"origins": [OURS], "prefix": "api"}, "begins with a slash"),
        ({"origins": [OURS], "max_age_s": -1}, "max_age_s= is a whole number"),
        ({"origins": [OURS], "max_age_s": "600\r\nx-a: b"}, "max_age_s= is a whole number"),
    ],
)
def test_rules_that_no_browser_would_follow_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App().cors(**options)


def rules_of(origins: Iterable[str], **options: Any) -> CORS:
    app = App()
    app.cors(origins, **options)
    layer: Any = app.layers[0].function.__self__  # type: ignore[attr-defined]
    (rules,) = layer.rules
    assert isinstance(rules, CORS)
    return rules


def test_two_rules_for_one_prefix_are_refused() -> None:
    app = App()
    app.cors([OURS], prefix="/api")
    app.cors([OURS])
    with pytest.raises(ConfigurationError, match="called twice"):
        app.cors(["*"], prefix="/api")


def test_rules_are_read_once() -> None:
    rules = rules_of((origin for origin in [OURS]), methods=iter(["GET", "GET"]), headers=iter(["x-a"]))
    assert rules.origins == {OURS}
    assert (rules.methods, rules.headers) == ("GET", ("x-a",))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://Example.test", OURS), (f"{OURS}:443", OURS), ("http://example.test:80", "http://example.test"),
        (f"{OURS}:8443", f"{OURS}:8443"), ("https://*.Example.test:443", "https://a.example.test"),
    ],
)  # fmt: skip
def test_an_origin_is_allowed_as_browsers_write_it_however_it_is_named(written: str, sent: str) -> None:
    rules = rules_of([written])
    assert rules.names(sent)
    assert not rules.names(written) or written == sent


@pytest.mark.parametrize(("asked", "named"), [("x-a, \x7f, *", "x-a"), ("x-a\x00b", ""), ("x-a\r\nx-b: c", "")])
def test_what_no_server_would_pass_on_is_not_named_either(asked: str, named: str) -> None:
    rules = rules_of([OURS], methods=["GET"], headers=["*"])
    assert rules._allowed_headers(asked) == named
