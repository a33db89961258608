"""Requests that pages of other sites send with the user's cookies: refused by default, and by a token where asked."""

import json
from typing import Any

import jinja2
import pytest

from ambi import App, BodyStream, ConfigurationError, HTTPError, Middleware, Request, Response, Router
from ambi.features.csrf import rotate_csrf_token
from ambi.testing import Client
from tests.calls import environ_of
from tests.cells import Cell
from tests.conftest import MakeClient

SECRET = "a secret of thirty-two bytes or more"
OTHER_SECRET = "another secret of thirty-two bytes or more"
COOKIE = {"cookie": "sid=1"}


@pytest.fixture
def changing(app: App, client: Client, cell: Cell) -> Client:
    """Give a client of an application in which POST and others change something."""
    app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE", "PURGE"])(
        cell.handler(lambda: "done")
    )
    return client


# --- without a token, by default ---


FROM: list[tuple[dict[str, str], int]] = [
    ({}, 200),  # no browser
    ({"sec-fetch-site": "same-origin"}, 200),
    ({"sec-fetch-site": "same-origin", "origin": "https://behind-a-proxy.test"}, 200),
    ({"sec-fetch-site": "none"}, 200),  # typed, or a bookmark
    ({"sec-fetch-site": "same-site"}, 403),
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "cross-site", "origin": "http://localhost"}, 403),
    ({"sec-fetch-site": "Same-Origin"}, 403),
    ({"sec-fetch-site": ""}, 200),  # an empty field is none
    ({"origin": "http://localhost"}, 200),
    ({"origin": "https://localhost"}, 200),  # a proxy speaks TLS
    ({"origin": "https://localhost:443"}, 200),
    ({"origin": "http://localhost:80"}, 200),
    ({"origin": "HTTP://LOCALHOST"}, 200),
    ({"origin": "http://localhost:443"}, 403),
    ({"origin": "http://localhost:8000"}, 403),
    ({"origin": "https://evil.test"}, 403),
    ({"origin": "http://localhost.evil.test"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://localhost http://evil.test"}, 403),
    ({"origin": "https://evil.test", "referer": "http://localhost/"}, 403),
    ({"origin": "https://evil.test", "x-requested-with": "XMLHttpRequest"}, 403),
    ({"origin": "https://evil.test", "content-type": "text/plain"}, 403),
    ({"referer": "http://localhost/page?x=1"}, 200),
    ({"referer": "http://localhost"}, 200),
    ({"referer": "http://localhost/sign-in?next=https://evil.test/"}, 200),
    ({"referer": "http://evil.test/?next=http://localhost/"}, 403),
    ({"referer": "http://localhost.evil.test/"}, 403),
    ({"referer": "http://evil.test?http://localhost/"}, 403),
    ({"referer": "http://localhost@evil.test/"}, 403),
    ({"referer": "about:blank"}, 403),
    ({"origin": "app://localhost"}, 403),  # whoever makes up a scheme names its hosts as he likes
    ({"origin": "ws://localhost"}, 403),
    ({"referer": "data:,http://localhost/"}, 403),
]


def test_a_page_of_another_site_cannot_use_the_cookies_of_the_user(changing: Client) -> None:
    for headers, status in FROM:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = changing.request(method, "/", headers={**COOKIE, **headers})
            assert (response.status_code, headers) == (status, headers)


def test_what_changes_nothing_may_come_from_everywhere(app: App, changing: Client, make_client: MakeClient) -> None:
    headers = {
        **COOKIE,
        "sec-fetch-site": "cross-site",
        "origin": "https://evil.test",
        "x-http-method-override": "POST",
    }
    for method in ("GET", "HEAD", "OPTIONS"):
        assert changing.request(method, "/", headers=headers).status_code in (200, 204)
    unjudged = make_client(app, judged=False)  # wsgiref.validate knows none of these methods
    found = {
        method: unjudged.request(method, "/", headers=headers).status_code for method in ("QUERY", "TRACE", "PURGE")
    }
    assert found == {"QUERY": 200, "TRACE": 200, "PURGE": 403}


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ({}, 200),
        ({"authorization": "Bearer abc"}, 200),
        ({"authorization": "Basic YTpi"}, 403),  # a browser adds it by itself
        ({"authorization": "Digest username=a"}, 403),
        ({"authorization": "Negotiate abc"}, 403),
        ({"authorization": "NTLM abc"}, 403),
        ({"cookie": "sid=1", "authorization": "Bearer abc"}, 403),
        ({"cookie": "a"}, 403),
    ],
)
def test_without_credentials_there_is_nothing_to_use(
    changing: Client, credentials: dict[str, str], status: int
) -> None:
    headers = {"origin": "https://evil.test", **credentials}
    assert changing.post("/", headers=headers).status_code == status


def test_an_http_page_is_no_page_of_an_https_site(app: App, make_client: MakeClient, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda: "done"))
    client = make_client(app, base_url="https://localhost")
    assert client.post("/", headers={**COOKIE, "origin": "https://localhost"}).status_code == 200
    for origin in ("http://localhost", "HTTP://localhost"):
        assert client.post("/", headers={**COOKIE, "origin": origin}).status_code == 403
    assert client.post("/", headers={**COOKIE, "referer": "http://localhost/"}).status_code == 403


def test_the_refusal_says_why_and_is_seen_by_the_layers_of_the_application(
    app: App, changing: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-seen"] = str(request.route is not None)

    with caplog.at_level("INFO", "ambi.request"):
        response = changing.post("/", headers={**COOKIE, "origin": "https://evil.test"})
    assert response.json()["detail"] == (
        "this was sent by a page of another site (https://evil.test), which the application does not trust"
    )
    assert response.headers["x-seen"] == "True"
    assert "evil.test" in caplog.text
    without = changing.post("/", headers={**COOKIE, "sec-fetch-site": "same-site"})
    assert without.json()["detail"] == "this was sent by a page of another site, which the application does not trust"


@pytest.mark.parametrize(("length", "shown"), [(100, "https://" + "a" * 92), (101, "https://" + "a" * 92 + "…")])
def test_the_refusal_names_no_more_than_a_hundred_characters_of_a_page(
    changing: Client, length: int, shown: str
) -> None:
    response = changing.post("/", headers={**COOKIE, "origin": "https://".ljust(length, "a")})
    assert f"another site ({shown})," in response.json()["detail"]


def test_nothing_is_read_of_a_body_that_is_refused(app: App, client: Client, cell: Cell) -> None:
    app.post("/", max_body_bytes=10)(cell.handler(lambda request: request.text))

    def body() -> Any:
        raise AssertionError("the body was asked for")
        yield b""

    response = client.post("/", content=body(), headers={**COOKIE, "origin": "https://evil.test"})
    assert response.status_code == 403


def test_pages_of_trusted_origins_may(app: App, changing: Client) -> None:
    app.csrf(origins=["https://Admin.example.com"])
    headers = {**COOKIE, "sec-fetch-site": "cross-site"}
    for origin in ("https://admin.example.com", "https://ADMIN.example.com"):
        assert changing.post("/", headers={**headers, "origin": origin}).status_code == 200
    assert changing.post("/", headers={**headers, "origin": "https://admin.example.com.evil.test"}).status_code == 403


@pytest.mark.parametrize(
    ("named", "sent", "status"),
    [
        ("https://A.test:443", "https://a.test", 200),
        ("http://a.test:80", "http://a.test", 200),
        ("http://a.test:443", "http://a.test:443", 200),
        ("http://a.test:443", "http://a.test", 403),
        ("https://[::443]", "https://[::443]", 200),
    ],
)
def test_origins_may_be_named_with_the_port_that_browsers_leave_out(
    app: App, changing: Client, named: str, sent: str, status: int
) -> None:
    app.csrf(origins=[named])
    headers = {**COOKIE, "sec-fetch-site": "cross-site", "origin": sent}
    assert changing.post("/", headers=headers).status_code == status


def test_a_route_may_be_for_every_page(app: App, client: Client, cell: Cell) -> None:
    app.post("/webhook", csrf=False)(cell.handler(lambda: "done"))
    app.route("/hook", methods=["POST"], csrf=False)(cell.handler(lambda: "done"))
    app.post("/other")(cell.handler(lambda: "done"))
    headers = {**COOKIE, "origin": "https://evil.test"}
    assert [client.post(path, headers=headers).status_code for path in ("/webhook", "/hook", "/other")] == [
        200,
        200,
        403,
    ]


def test_an_application_may_check_nothing(make_client: MakeClient, cell: Cell) -> None:
    app = App(csrf=False)
    app.post("/")(cell.handler(lambda: "done"))
    app.cors(["https://a.test"], credentials=True)
    assert make_client(app).post("/", headers={**COOKIE, "origin": "https://evil.test"}).status_code == 200


def test_a_mounted_application_checks_for_itself(make_client: MakeClient, cell: Cell) -> None:
    outer, strict, open_ = App(csrf=False), App(), App(csrf=False)
    for path, inner in (("/strict", strict), ("/open", open_)):
        inner.post("/x")(cell.handler(lambda: "done"))
        outer.mount(path, inner)
    client = make_client(outer)
    headers = {**COOKIE, "origin": "https://evil.test"}
    assert [client.post(f"{path}/x", headers=headers).status_code for path in ("/strict", "/open")] == [403, 200]


def test_a_get_and_what_carries_nothing_are_not_looked_at(app: App, cell: Cell) -> None:
    """The cost, in the fields that are asked for: by WSGI, whose environ can be watched; the cell is of no matter."""
    if cell.gateway != "wsgi" or cell.is_async:
        return
    app.route("/", methods=["GET", "POST"])(lambda: "done")

    def asked(**changes: Any) -> set[str]:
        class Watched(dict[str, Any]):
            def __contains__(self, key: object) -> bool:
                found.add(str(key))
                return super().__contains__(key)

        found: set[str] = set()
        app.wsgi(Watched(environ_of(**changes)), lambda status, headers, exc_info=None: print)
        return {key for key in found if key in ("HTTP_COOKIE", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_REFERER")}

    assert asked(HTTP_COOKIE="a=b", HTTP_ORIGIN="https://evil.test") == set()
    assert asked(REQUEST_METHOD="POST", HTTP_ORIGIN="https://evil.test") == {"HTTP_COOKIE"}
    assert "HTTP_ORIGIN" in asked(REQUEST_METHOD="POST", HTTP_COOKIE="a=b")


# --- by a token ---


@pytest.fixture
def tokened(app: App, client: Client, cell: Cell) -> Client:
    """Give a client of an application whose forms carry a token."""
    app.csrf(secret=SECRET)
    app.get("/csrf")(cell.handler(lambda request: request.csrf_token))
    app.post("/csrf")(cell.handler(lambda request: "done"))
    return client


def test_a_form_with_the_token_of_its_page_is_taken(tokened: Client) -> None:
    token = tokened.get("/csrf").text
    assert tokened.post("/csrf", data={"a": "1", "csrf_token": token}).text == "done"
    assert tokened.post("/csrf", data={"csrf_token": token}, files={"f": b"file"}).text == "done"
    assert tokened.post("/csrf", json={}, headers={"x-csrf-token": token}).text == "done"


def test_a_request_with_another_token_or_none_is_refused(tokened: Client) -> None:
    token = tokened.get("/csrf").text
    for bad in ("", "x", "x" * 86, "\u00fc", "A" * 85 + "=", " " * 86):
        assert tokened.post("/csrf", data={"csrf_token": bad}).status_code == 403
    assert tokened.post("/csrf", json={"csrf_token": token}).status_code == 403
    assert tokened.post("/csrf").status_code == 403
    for place in (0, 50):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert tokened.post("/csrf", headers={"x-csrf-token": changed}).status_code == 403


def test_a_file_in_place_of_the_token_is_none(tokened: Client) -> None:
    token = tokened.get("/csrf").text
    assert tokened.post("/csrf", files={"csrf_token": ("t.txt", token.encode(), "text/plain")}).status_code == 403


@pytest.mark.parametrize("cookie", ["csrf", "shop"])
def test_an_application_and_what_is_mounted_in_it_each_have_their_token(
    app: App, client: Client, cell: Cell, cookie: str
) -> None:
    inner = App()
    inner.csrf(secret=OTHER_SECRET, cookie=cookie, always=True)
    inner.get("/")(cell.handler(lambda request: request.csrf_token))
    inner.post("/")(cell.handler(lambda: "done"))
    app.csrf(secret=SECRET)
    tokens: list[str] = []

    @app.middleware
    def frame(request: Request) -> Middleware:
        if request.method == "GET":
            tokens.append(request.csrf_token)
        yield

    app.post("/")(cell.handler(lambda: "done"))
    app.mount("/shop", inner)
    first, second = client.get("/shop/"), client.get("/shop/")
    names = [line.partition("=")[0] for line in first.headers.get_list("set-cookie")]
    assert names == (["csrf"] if cookie == "csrf" else ["csrf", "shop"])
    assert "set-cookie" not in second.headers
    for token in (first.text, second.text):
        assert client.post("/shop/", headers={"x-csrf-token": token}).text == "done"
    for token in tokens:
        assert client.post("/", headers={"x-csrf-token": token}).text == "done"
    assert client.post("/shop/", headers={"x-csrf-token": tokens[0]}).status_code == 403


WITHOUT: list[tuple[dict[str, str], str]] = [
    ({"cookie": "sid=1"}, "a=1"),
    ({"origin": "https://evil.test"}, "a=1"),
    ({"referer": "https://localhost.evil.test/"}, "a=1"),
    ({"x-requested-with": "XMLHttpRequest", "origin": "https://evil.test"}, "a=1"),
    ({"cookie": "a=b]_csrf=injected"}, "csrf_token=injected"),
    ({"cookie": "csrf=x", "origin": "https://evil.test"}, "csrf_token=x"),
    ({"cookie": "csrf=AAAAAAAAAAAAAAAAAAAAAA"}, "csrf_token=AAAAAAAAAAAAAAAAAAAAAA"),
    ({"content-type": "text/plain", "origin": "https://evil.test"}, "{}"),
    ({}, "a=1"),
]


def test_what_shows_neither_a_token_nor_a_page_of_ours_is_refused(tokened: Client) -> None:
    for headers, body in WITHOUT:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        assert (tokened.post("/csrf", content=body, headers=sent).status_code, headers) == (403, headers)


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://localhost"}, {"authorization": "Bearer abc"}]
)
def test_what_shows_it_needs_no_token(tokened: Client, headers: dict[str, str]) -> None:
    assert tokened.post("/csrf", headers=headers).text == "done"


def test_pages_of_trusted_origins_need_no_token(app: App, tokened: Client) -> None:
    app.csrf(origins=["https://admin.example.com"])
    assert tokened.post("/csrf", headers={"origin": "https://admin.example.com"}).text == "done"
    assert tokened.post("/csrf", headers={"origin": "https://www.example.com"}).status_code == 403


def test_a_token_may_be_asked_for_always(app: App, client: Client, cell: Cell) -> None:
    app.csrf(secret=SECRET, always=True)
    app.get("/")(cell.handler(lambda request: request.csrf_token))
    app.post("/")(cell.handler(lambda: "done"))
    token = client.get("/").text
    headers = {"sec-fetch-site": "same-origin"}
    assert client.post("/", headers=headers).status_code == 403
    assert client.post("/", headers={**headers, "x-csrf-token": token}).text == "done"
    assert client.post("/", headers={"authorization": "Bearer a"}).text == "done"
    for scheme in ("Basic", "digest", "Negotiate", "NTLM"):  # which a browser adds by itself
        assert client.post("/", headers={"authorization": f"{scheme} a"}).status_code == 403
    assert client.post("/", headers={"sec-fetch-site": "cross-site", "x-csrf-token": token}).status_code == 403


def test_a_token_is_good_for_one_browser(app: App, tokened: Client, make_client: MakeClient) -> None:
    token = tokened.get("/csrf").text
    other = make_client(app)
    assert other.post("/csrf", data={"csrf_token": token}).status_code == 403
    other.get("/csrf")
    assert other.post("/csrf", data={"csrf_token": token}).status_code == 403


def test_each_page_has_another_text_and_all_are_good(tokened: Client) -> None:
    tokens = [tokened.get("/csrf").text for _ in range(3)]
    assert len(set(tokens)) == 3
    shared = [place for place in range(len(tokens[0])) if len({token[place] for token in tokens}) == 1]
    assert len(shared) < 10  # nothing of the secret stays in place for a compressor to find
    assert [tokened.post("/csrf", data={"csrf_token": token}).text for token in tokens] == ["done"] * 3


def test_a_page_with_a_token_is_kept_out_of_caches_and_its_cookie_is_set_once(tokened: Client) -> None:
    first, second = tokened.get("/csrf"), tokened.get("/csrf")
    assert first.headers["set-cookie"].startswith("csrf=")
    assert first.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert "set-cookie" not in second.headers
    for response in (first, second):
        assert (response.headers["vary"], response.headers["cache-control"]) == ("Cookie", "private")
    assert "vary" not in tokened.post("/csrf", headers={"authorization": "Bearer a"}).headers


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("public, max-age=60", "private, max-age=60"),
        ("max-age=60, S-MaxAge=600", "private, max-age=60"),
        ("no-cache", "private, no-cache"),
        ('private="set-cookie"', 'private, private="set-cookie"'),
        ("Private, max-age=60", "Private, max-age=60"),
        ("no-store", "no-store"),
    ],
)
def test_a_page_with_a_token_is_never_for_caches_that_others_share(
    app: App, client: Client, cell: Cell, said: str, sent: str
) -> None:
    """Who gets the page out of such a cache has the seed or the token of somebody else."""
    app.csrf(secret=SECRET)

    @app.get("/cached")
    @cell.handler
    def cached(request: Request) -> Response:
        return Response(request.csrf_token, headers={"cache-control": said})

    assert client.get("/cached").headers["cache-control"] == sent


def test_so_is_an_answer_that_rotates(app: App, client: Client, cell: Cell) -> None:
    app.csrf(secret=SECRET)

    @app.get("/out")
    @cell.handler
    def out(request: Request) -> Response:
        rotate_csrf_token(request)
        return Response(b"bye", headers={"cache-control": "public"})

    assert client.get("/out").headers["cache-control"] == "private"


def test_what_a_page_says_of_caches_itself_stays(app: App, tokened: Client, cell: Cell) -> None:
    @app.get("/own")
    @cell.handler
    def own(request: Request) -> Any:
        return request.csrf_token + request.csrf_token, 200, {"cache-control": "no-store"}

    response = tokened.get("/own")
    assert (len(response.text), response.headers["cache-control"]) == (172, "no-store")
    assert [tokened.post("/csrf", data={"csrf_token": response.text[n : n + 86]}).text for n in (0, 86)] == ["done"] * 2


def test_the_cookie_of_a_real_site_cannot_be_set_by_another_host_of_its_domain(
    app: App, make_client: MakeClient, cell: Cell
) -> None:
    app.csrf(secret=SECRET)
    app.get("/")(cell.handler(lambda request: request.csrf_token))
    app.post("/")(cell.handler(lambda: "done"))
    client = make_client(app, base_url="https://example.com")
    response = client.get("/")
    assert response.headers["set-cookie"].startswith("__Host-csrf=")
    assert response.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert client.post("/", data={"csrf_token": response.text}).text == "done"


def test_a_planted_cookie_is_replaced_and_never_shown(tokened: Client) -> None:
    for planted in ('"><script>', "A" * 21, "A" * 23, "\u00fc" * 22):
        response = tokened.get("/csrf", headers=[("cookie", f"csrf={planted}")])
        assert planted not in response.text
        assert len(response.text) == 86
        assert "set-cookie" in response.headers
        tokened.cookies = {}


def test_a_token_bound_to_a_user_changes_at_sign_in(app: App, client: Client, cell: Cell) -> None:
    app.csrf(secret=SECRET, bound_to=lambda request: request.headers.get("x-user", ""))
    app.get("/")(cell.handler(lambda request: request.csrf_token))
    app.post("/")(cell.handler(lambda: "done"))
    token = client.get("/").text
    assert client.post("/", data={"csrf_token": token}).text == "done"
    assert client.post("/", data={"csrf_token": token}, headers={"x-user": "ann"}).status_code == 403
    of_ann = client.get("/", headers={"x-user": "ann"}).text
    assert client.post("/", data={"csrf_token": of_ann}, headers={"x-user": "ann"}).text == "done"
    assert client.post("/", data={"csrf_token": of_ann}, headers={"x-user": "bob"}).status_code == 403


def test_tokens_are_rotated_at_sign_in(app: App, tokened: Client, cell: Cell) -> None:
    @app.post("/sign-in")
    @cell.handler
    def sign_in(request: Request) -> str:
        rotate_csrf_token(request)
        rotate_csrf_token(request)
        return request.csrf_token

    before = tokened.get("/csrf").text
    after = tokened.post("/sign-in", data={"csrf_token": before})
    assert after.headers["set-cookie"].count("csrf=") == 1
    assert tokened.post("/csrf", data={"csrf_token": before}).status_code == 403
    assert tokened.post("/csrf", data={"csrf_token": after.text}).text == "done"


def test_secrets_are_rotated_by_naming_the_old_one_second(make_client: MakeClient, cell: Cell) -> None:
    def client_of(*secrets: str | bytes) -> Client:
        app = App()
        app.csrf(secret=secrets)
        app.get("/")(cell.handler(lambda request: request.csrf_token))
        app.post("/")(cell.handler(lambda: "done"))
        return make_client(app)

    old = client_of(SECRET)
    token = old.get("/").text
    for secrets, status in (((OTHER_SECRET.encode(), SECRET), 200), ((OTHER_SECRET,), 403)):
        client = client_of(*secrets)
        client.cookies = dict(old.cookies)
        assert client.post("/", data={"csrf_token": token}).status_code == status


def test_a_stream_shows_its_token_in_the_header_field(app: App, tokened: Client, cell: Cell) -> None:
    def sync(body: BodyStream) -> str:
        return str(sum(len(chunk) for chunk in body))

    async def asynchronous(body: BodyStream) -> str:
        return str(sum([len(chunk) async for chunk in body]))

    app.post("/stream")(cell.pick(sync, asynchronous))
    token = tokened.get("/csrf").text
    assert tokened.post("/stream", data={"csrf_token": token}).status_code == 403
    assert tokened.post("/stream", content=b"abc", headers={"x-csrf-token": token}).text == "3"


@pytest.mark.parametrize("where", ["early", "late"])
def test_a_template_that_is_streamed_has_a_token_that_is_good(
    app: App, tokened: Client, cell: Cell, where: str
) -> None:
    before = {"early": "", "late": "x" * 10_000}[where]
    source = jinja2.DictLoader({"form.html": before + "<{{ csrf_token() }}>"})
    templates = app.templates(source, enable_async=True)
    stream = templates.stream_async if cell.is_async else templates.stream
    app.get("/form")(cell.handler(lambda request: stream("form.html", request)))
    for sets_cookie in (True, False):
        page = tokened.get("/form")
        assert ("set-cookie" in page.headers, page.headers["cache-control"]) == (sets_cookie, "private")
        token = page.text.removeprefix(before).strip("<>")
        assert tokened.post("/csrf", data={"csrf_token": token}).text == "done"


def test_a_stream_may_use_the_token_that_its_handler_asked_for(app: App, tokened: Client, cell: Cell) -> None:
    @app.get("/asked")
    @cell.handler
    def asked(request: Request) -> Any:
        assert request.csrf_token

        def pieces() -> Any:
            yield "x"
            yield request.csrf_token

        return pieces()

    token = tokened.get("/asked").text.removeprefix("x")
    assert tokened.post("/csrf", data={"csrf_token": token}).text == "done"


@pytest.mark.parametrize("has_cookie", [False, True])
def test_a_token_that_is_first_asked_for_in_a_stream_is_an_error(
    app: App, tokened: Client, cell: Cell, has_cookie: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/late")
    @cell.handler
    def late(request: Request) -> Any:
        yield request.csrf_token

    if has_cookie:
        tokened.get("/csrf")
    assert tokened.get("/late").status_code == 500
    assert "the CSRF token is asked for while the response is sent" in caplog.text


def test_tokens_are_not_rotated_in_a_stream(
    app: App, tokened: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/late")
    @cell.handler
    def late(request: Request) -> Any:
        rotate_csrf_token(request)
        yield "x"

    assert tokened.get("/late").status_code == 500
    assert "the CSRF token is asked for while the response is sent" in caplog.text


def test_names_can_be_chosen(app: App, client: Client, cell: Cell) -> None:
    app.csrf(secret=SECRET, field="_token", header="X-XSRF-Token", cookie="xsrf")
    app.get("/")(cell.handler(lambda request: request.csrf_token))
    app.post("/")(cell.handler(lambda: "done"))
    response = client.get("/")
    assert response.headers["set-cookie"].startswith("xsrf=")
    assert client.post("/", data={"_token": response.text}).text == "done"
    assert client.post("/", headers={"x-xsrf-token": response.text}).text == "done"
    refused = client.post("/", data={"csrf_token": response.text})
    assert "form field '_token' or the field x-xsrf-token" in json.loads(refused.content)["detail"]


def test_a_route_without_the_check_needs_no_token(app: App, tokened: Client, cell: Cell) -> None:
    app.post("/open", csrf=False)(cell.handler(lambda: "done"))
    assert tokened.post("/open", headers={"origin": "https://evil.test", "cookie": "a=b"}).text == "done"


def test_the_other_methods_of_a_guarded_route_need_no_token(app: App, tokened: Client, cell: Cell) -> None:
    app.route("/both", methods=["GET", "POST"])(cell.handler(lambda: "done"))
    assert tokened.get("/both").text == "done"
    assert tokened.post("/both").status_code == 403


def test_a_form_past_its_limits_is_what_it_was(app: App, tokened: Client) -> None:
    response = tokened.post("/csrf", data=[(f"f{n}", "") for n in range(1001)])
    assert response.status_code == 413


def test_without_a_secret_there_are_no_tokens(app: App, client: Client, cell: Cell) -> None:
    def ask(function: Any) -> Response:
        @cell.handler
        def handler(request: Request) -> str:
            try:
                function(request)
            except RuntimeError as exc:
                raise HTTPError(418, str(exc)) from None
            return ""

        app.get(f"/{function.__name__}")(handler)
        return client.get(f"/{function.__name__}")  # type: ignore[return-value]

    def token(request: Request) -> str:
        return request.csrf_token

    for function in (token, rotate_csrf_token):
        assert "app.csrf(secret=...) gives it some" in ask(function).text  # type: ignore[attr-defined]


# No request is made here, so there is no cell.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secret": "short"}, "32 bytes or more"),
        ({"secret": []}, "32 bytes or more"),
        ({"secret": [SECRET, b"short"]}, "32 bytes or more"),
        ({"secret": [None]}, "a CSRF secret is a str or bytes, not NoneType"),
        ({"secret": SECRET, "cookie": "__Host-csrf"}, "without a prefix"),
        ({"secret": SECRET, "cookie": "a b"}, "without a prefix"),
        ({"secret": SECRET, "header": "a b"}, "is no header field name"),
        ({"origins": "https://a.test"}, "^origins= takes a list"),
        ({"secret": SECRET, "bound_to": "user_id"}, "bound_to= is a function"),
        ({"origins": ["null"]}, "an origin is scheme and host"),
        ({"origins": ["*"]}, "an origin is scheme and host"),
        ({"origins": ["https://a.test://b.test"]}, "an origin is scheme and host"),
    ],
)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App().csrf(**options)


def test_an_application_that_checks_nothing_cannot_be_told_how() -> None:
    with pytest.raises(ConfigurationError, match="App\\(csrf=False\\) says that nothing is"):
        App(csrf=False).csrf(origins=["https://a.test"])


def test_routes_tell_whether_they_are_guarded() -> None:
    app, api = App(), Router(prefix="/api")
    app.get("/")(lambda: "")
    app.post("/")(lambda: "")
    api.delete("/x", csrf=False)(lambda: "")
    app.include(api)
    app.route("/q", methods=["GET", "HEAD", "QUERY", "OPTIONS"])(lambda: "")
    assert [route.is_guarded for route in app.routes] == [False, True, False, False]


def test_a_router_may_be_for_pages_of_all_sites(app: App, client: Client, cell: Cell) -> None:
    outer, hooks = Router(prefix="/hooks", csrf=False), Router(prefix="/inner")
    outer.post("/a")(cell.handler(lambda: "done"))
    hooks.post("/b")(cell.handler(lambda: "done"))
    outer.include(hooks)
    app.include(outer)
    app.post("/c")(cell.handler(lambda: "done"))
    headers = {**COOKIE, "sec-fetch-site": "cross-site", "origin": "https://bank.test"}
    answers = [client.post(path, headers=headers).status_code for path in ("/hooks/a", "/hooks/inner/b", "/c")]
    assert answers == [200, 200, 403]
    app.csrf(secret=SECRET)
    answers = [client.post(path, headers=headers).status_code for path in ("/hooks/a", "/hooks/inner/b", "/c")]
    assert answers == [200, 200, 403]
