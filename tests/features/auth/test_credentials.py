"""Basic and Bearer: who is let in, what the others are told, and what handlers are given."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
import pytest

from ambi import App, ConfigurationError, HTTPError, Middleware, Request, Router, WebSocket
from ambi.core.headers import Headers
from ambi.features.auth import Basic, Bearer, Guard
from ambi.features.auth.credentials import _decode_basic
from ambi.testing import WebSocketRefused
from tests.cells import Cell
from tests.core.scaling import assert_linear


@dataclass
class User:
    name: str
    is_admin: bool = False


TEXT: Any = "user:password"
USERS = {"ann": User("ann", is_admin=True), "bob": User("bob"), "Jürgen": User("Jürgen")}


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(params=["def", "async"])
def find(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give a check of each colour, with what a guard is told of it."""

    def find_user(name: str, password: str) -> User | None:
        return USERS.get(name) if password == "pässword" else None

    async def find_user_async(name: str, password: str) -> User | None:
        await anyio.sleep(0)
        return find_user(name, password)

    if request.param == "async":
        return {"check": find_user_async}
    return {"check": find_user}


def test_a_handler_is_given_the_user_it_asks_for(make_client: Any, cell: Cell, find: dict[str, Any]) -> None:
    users, app = Basic(**find), App()

    @app.get("/items/{id}")
    @cell.handler
    def item(id: int, user: Annotated[User, users]) -> Any:
        return {"id": id, "name": user.name}

    @app.get("/order/{id}/{no}")
    @cell.handler
    def order(request: Request, user: Annotated[User, users], no: int, id: int) -> Any:
        return {"path": request.path, "id": id, "no": no, "name": user.name}

    client = make_client(app)
    assert client.get("/items/7", headers=basic("Jürgen", "pässword")).json() == {"id": 7, "name": "Jürgen"}
    found = client.get("/order/7/8", headers=basic("ann", "pässword")).json()
    assert found == {"path": "/order/7/8", "id": 7, "no": 8, "name": "ann"}
    assert client.get("/items/7", headers=basic("ann", "wrong")).status_code == 401
    assert client.get("/items/7").status_code == 401
    assert client.get("/items/x").status_code == 404


def test_a_guard_guards_what_it_is_named_for(make_client: Any, cell: Cell, find: dict[str, Any]) -> None:
    users, app = Basic(**find), App()
    inside = Router(prefix="/inside", middleware=[users])
    inside.get("/")(cell.handler(lambda request: users.value_of(request).name))
    app.include(inside)
    app.get("/")(cell.handler(lambda: "all"))
    client = make_client(app)
    assert client.get("/").text == "all"
    assert client.get("/inside/").status_code == 401
    assert client.get("/inside/", headers=basic("bob", "pässword")).text == "bob"


def test_a_request_is_checked_once_by_each_guard(make_client: Any, cell: Cell) -> None:
    calls: list[str] = []

    def check(name: str, password: str) -> str:
        calls.append(name)
        return name

    users, others = Basic(check), Basic(check)
    app = App(middleware=[users])

    @app.get("/", middleware=[users.requiring(lambda name: True)])
    @cell.handler
    def twice(user: Annotated[str, users], other: Annotated[str, others]) -> str:
        return user + other

    assert make_client(app).get("/", headers=basic("a", "")).text == "aa"
    assert calls == ["a", "a"]


def test_a_check_that_never_waits_runs_where_the_request_is(make_client: Any, cell: Cell) -> None:
    users = Basic(lambda name, password: name or None, blocking=False)
    app = App(middleware=[users])
    app.get("/")(cell.handler(lambda request: users.value_of(request)))
    client = make_client(app)
    assert not users.blocking
    assert client.get("/", headers=basic("a", "")).text == "a"
    assert client.get("/", headers=basic("", "")).status_code == 401


def test_a_check_may_ask_for_the_request(make_client: Any, cell: Cell) -> None:
    users = Basic(lambda request, name, password: f"{name} at {request.path}")
    tokens = Bearer(lambda request, token: f"{token} at {request.path}")
    app = App()
    app.get("/a", middleware=[users])(cell.handler(lambda request: users.value_of(request)))
    app.get("/b", middleware=[tokens])(cell.handler(lambda request: tokens.value_of(request)))
    client = make_client(app)
    assert client.get("/a", headers=basic("x", "y")).text == "x at /a"
    assert client.get("/b", headers=bearer("x")).text == "x at /b"


def test_a_basic_challenge_names_realm_and_charset(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[Basic({"a": "b"}, realm='my "site"\\')])
    app.get("/")(cell.handler(lambda: "in"))
    client = make_client(app)
    for headers in ({}, basic("a", "c"), {"authorization": "Basic ***"}, bearer("b")):
        response = client.get("/", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == r'Basic realm="my \"site\"\\", charset="UTF-8"'
        assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/", headers=basic("a", "b")).text == "in"


def test_a_bearer_challenge_has_an_error_only_for_a_token(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[Bearer({"s3cret": "ci"}, realm="api")])
    app.get("/")(cell.handler(lambda: "in"))
    client = make_client(app)
    challenges = {}
    for value in (
        "",
        "Basic YTpi",
        "Bearer",
        "Bearer wrong",
        "Bearer ===",
        "Bearer s3cret, Bearer s3cret",
        "Bearer sé",
    ):
        response = client.get("/", headers={"authorization": value} if value else {})
        assert response.status_code == 401
        challenges[value] = response.headers["www-authenticate"]
    none = 'Bearer realm="api"'
    wrong = f'{none}, error="invalid_token"'
    assert list(challenges.values()) == [none, none, none, wrong, wrong, wrong, wrong]
    assert client.get("/", headers={"authorization": "bearer   s3cret"}).text == "in"


def test_two_authorizations_are_not_one(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[Basic({"u": "p", "a": "a"})])
    app.get("/")(cell.handler(lambda: "in"))
    headers = [("Authorization", "Basic dTpw"), ("Authorization", "Basic YTph")]
    assert make_client(app).get("/", headers=headers).status_code in (400, 401)


def test_who_is_known_and_may_not_gets_a_403(make_client: Any, cell: Cell, find: dict[str, Any]) -> None:
    users, app = Basic(**find), App()
    admins = users.requiring(lambda user: user.is_admin)
    quick = admins.requiring(lambda user: user.name == "bob")
    tokens = Bearer({"r": {"read"}, "w": {"read", "write"}}, realm="api")
    writers = tokens.requiring(lambda scopes: "write" in scopes, scope="write")
    app.get("/admin")(cell.handler(_naming(admins)))
    app.get("/none", middleware=[quick])(cell.handler(lambda: "in"))
    app.get("/write", middleware=[writers])(cell.handler(lambda: "in"))
    client = make_client(app)
    assert client.get("/admin", headers=basic("ann", "pässword")).text == "ann"
    refused = client.get("/admin", headers=basic("bob", "pässword"))
    assert (refused.status_code, refused.headers.get("www-authenticate")) == (403, None)
    assert client.get("/admin").status_code == 401
    assert client.get("/none", headers=basic("ann", "pässword")).status_code == 403
    refused = client.get("/write", headers=bearer("r"))
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == 'Bearer realm="api", error="insufficient_scope", scope="write"'
    assert client.get("/write").headers["www-authenticate"] == 'Bearer realm="api", scope="write"'
    assert client.get("/write", headers=bearer("w")).text == "in"


def _naming(guard: Guard[User]) -> Callable[..., Any]:
    def handler(user: Annotated[User, guard]) -> Any:
        return user.name

    return handler


def test_credentials_may_be_optional(make_client: Any, cell: Cell, find: dict[str, Any]) -> None:
    users, tokens, app = Basic(**find, required=False), Bearer({"t": "ci"}, required=False), App()

    @app.get("/")
    @cell.handler
    def who(user: Annotated[User | None, users], token: Annotated[str | None, tokens]) -> Any:
        return {"user": user and user.name, "token": token}

    strict = tokens.requiring(lambda owner: True)
    app.get("/strict", middleware=[strict])(cell.handler(lambda: "in"))
    client = make_client(app)
    assert client.get("/").json() == {"user": None, "token": None}
    assert client.get("/", headers=basic("bob", "pässword")).json() == {"user": "bob", "token": None}
    assert client.get("/", headers=bearer("t")).json() == {"user": None, "token": "ci"}
    assert client.get("/", headers=basic("bob", "wrong")).status_code == 401
    assert client.get("/strict").status_code == 401
    assert client.get("/strict", headers=bearer("t")).text == "in"


def test_a_challenge_stays_on_what_an_error_handler_makes_of_it(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[Basic({"a": "b"})])
    app.get("/")(cell.handler(lambda: "in"))

    @app.error(401)
    @cell.handler
    def page(request: Request, error: HTTPError) -> Any:
        return "who are you?", 401 if request.query.get("as") is None else 403

    client = make_client(app)
    assert client.get("/").headers["www-authenticate"].startswith("Basic ")
    assert client.get("/").text == "who are you?"
    assert "www-authenticate" not in client.get("/?as=403").headers


def test_a_check_may_refuse_in_its_own_way(make_client: Any, cell: Cell) -> None:
    def check(token: str) -> str | None:
        raise HTTPError(429, "too many wrong tokens")

    app = App(middleware=[Bearer(check)])
    app.get("/")(cell.handler(lambda: "in"))
    assert make_client(app).get("/", headers=bearer("x")).status_code == 429


def test_false_is_nobody(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[Bearer(lambda token: token == "yes")])
    app.get("/")(cell.handler(lambda: "in"))
    client = make_client(app)
    assert client.get("/", headers=bearer("no")).status_code == 401
    assert client.get("/", headers=bearer("yes")).text == "in"


def test_a_web_socket_can_be_guarded(make_client: Any, cell: Cell) -> None:
    tokens, app = Bearer({"t": "ci"}), App()

    @app.websocket("/ws")
    async def chat(ws: WebSocket, owner: Annotated[str, tokens]) -> None:
        await ws.send(owner)

    client = make_client(app, judged=False)  # the judges know no WebSockets
    with client.websocket("/ws", headers=bearer("t")) as ws:
        assert ws.receive() == "ci"
    with pytest.raises(WebSocketRefused) as refused, client.websocket("/ws"):
        raise AssertionError("the handshake was not refused")
    assert refused.value.response.headers["www-authenticate"] == 'Bearer realm="this site"'


def test_layers_inside_a_guard_see_what_it_found(make_client: Any, cell: Cell) -> None:
    tokens = Bearer({"t": "ci"})

    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-owner"] = tokens.value_of(request)

    app = App(middleware=[tokens, mark])
    app.get("/")(cell.handler(lambda: "in"))
    assert make_client(app).get("/", headers=bearer("t")).headers["x-owner"] == "ci"


def test_what_a_guard_found_is_asked_for_inside_of_it_only(make_client: Any, cell: Cell) -> None:
    tokens, app = Bearer(lambda token: token), App()
    app.get("/")(cell.handler(lambda request: tokens.value_of(request)))
    with pytest.raises(LookupError, match="has not passed <Bearer .*lambda.*>: name it in middleware"):
        make_client(app, raise_server_exceptions=True).get("/")


@pytest.mark.parametrize(
    ("credentials", "found"),
    [
        ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ("Aladdin", "open sesame")),
        ("dGVzdDoxMjPCow==", ("test", "123£")),
        ("Og==", ("", "")),
        ("YTpiOmM=", ("a", "b:c")),
        ("***", None),
        ("YQ==", None),  # no colon
        ("YQA6Yg==", None),  # a control character
        ("dGVzdDoxMjOj", None),  # latin-1
        ("dTpw, Basic YTph", None),
        ("dTpw=", None),  # more at its end than there has to be
        ("dTpw====", None),
        ("Oh==", None),  # another way to write ":"
        ("", None),
        ("é", None),
        ("Y" * 65536, None),
    ],
)
def test_basic_credentials_are_read_strictly(credentials: str, found: object) -> None:
    """Nothing is served, so there is no cell."""
    assert _decode_basic(credentials) == found


def test_hostile_parameters_take_time_in_proportion() -> None:
    """Nothing is served, so there is no cell."""
    guard = Bearer({"t": "ci"})

    class Asking:
        """As much of a request as a guard reads before it refuses."""

        def __init__(self, header: str) -> None:
            self.headers = Headers([("authorization", header)])
            self.authorization = ("bearer", header)
            self.on_response = lambda function: None

    def read(request: Any) -> None:
        with pytest.raises(HTTPError):
            guard.read(request)

    assert_linear(lambda count: Asking('Digest a="' + ',a="' * count), read, size=10_000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Basic(lambda name: None),
            r"test_credentials.*takes \(name, password\), or \(request, name, password\)",
        ),
        (lambda: Basic(lambda a, b, c: None), "with the first parameter named so; not \\(a, b, c\\)"),
        (lambda: Bearer(lambda: None), r"takes \(token\), or \(request, token\)"),
        (lambda: Basic(TEXT), "takes a function or a mapping of names to passwords, not a str"),
        (lambda: Basic({}, realm="Größe"), "a realm is printable ASCII"),
        (lambda: Bearer({}, realm=""), "a realm is printable ASCII"),
        (lambda: Bearer({None: "ci"}), "nobody can send one of the tokens that Bearer was given"),  # type: ignore[dict-item]
        (lambda: Bearer({"": "ci"}), "nobody can send one of the tokens that Bearer was given"),
        (lambda: Bearer({"two words": "ci"}), "nobody can send one of the tokens that Bearer was given"),
        (lambda: Basic({"a:b": "c"}), "nobody can send one of the names and passwords that Basic was given"),
        (lambda: Basic({"a": None}), "nobody can send one of the names and passwords"),  # type: ignore[dict-item]
        (lambda: Bearer({}).requiring(bool, scope='a"b'), "a scope is printable ASCII"),
    ],
)
def test_wrong_use_is_told_at_once(make: Callable[[], object], message: str) -> None:
    """Nothing is served, so there is no cell."""
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_parameter_of_the_path_cannot_be_what_a_guard_found() -> None:
    """Nothing is served, so there is no cell."""
    tokens, app = Bearer({"t": "ci"}), App()

    def owner(user: Annotated[str, tokens]) -> str:
        return user

    with pytest.raises(ConfigurationError, match="owner .*'user' is annotated <Bearer _KnownTokens>"):
        app.get("/{user}")(owner)


def test_a_known_password_is_compared_whole() -> None:
    """Nothing is served, so there is no cell."""
    check = Basic({"ann": "secret", "bob": ""})._check
    assert [check(*pair) for pair in [("ann", "secret"), ("bob", ""), ("ann", ""), ("bob", "secret"), ("", "")]] == [
        "ann", "bob", None, None, None,
    ]  # fmt: skip


def test_a_guard_without_a_colour_crosses_nothing() -> None:
    """It is told of plans, which are the same in every cell."""
    from ambi.core.crossings import count_crossings
    from ambi.core.sides import ASYNC, SYNC

    app = App(middleware=[Bearer({"t": "ci"})])

    async def handler() -> str:
        return "in"

    app.get("/")(handler)
    plan = app._make_plan(app.routes[0])
    assert (count_crossings(plan, ASYNC), count_crossings(plan, SYNC)) == (0, 1)


def test_other_kinds_of_credentials_are_a_guard_of_ones_own(make_client: Any, cell: Cell) -> None:
    class ApiKey(Guard[str]):
        __slots__ = ()

        takes = ("key",)

        def read(self, request: Request) -> tuple[str] | None:
            key = request.headers.get("x-api-key")
            return None if key is None else (key,)

        def challenge(self, error: str | None) -> str:
            return "ApiKey"

    keys, app = ApiKey(lambda key: {"k": "ci"}.get(key)), App()

    @app.get("/")
    @cell.handler
    def owner(name: Annotated[str, keys]) -> str:
        return name

    client = make_client(app)
    assert client.get("/", headers={"x-api-key": "k"}).text == "ci"
    for headers in ({}, {"x-api-key": "x"}):
        assert client.get("/", headers=headers).headers["www-authenticate"] == "ApiKey"


def test_a_kind_of_guard_says_what_it_asks_for() -> None:
    """Nothing is served, so there is no cell."""
    guard: Guard[str] = Guard(lambda: None)
    with pytest.raises(NotImplementedError):
        guard.challenge(None)
