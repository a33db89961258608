"""Every route of httpbin, in process and through both gateways: what clients' own tests look at."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from inspect import iscoroutinefunction

import pytest

from ambi import HTTPError, Middleware, Request
from ambi.testing import Client, Response
from examples.httpbin import app
from examples.httpbin.answers import IndentedJSON
from tests.examples.exchanges import BYTES, FORM, Exchange

ANY = "GET POST PUT DELETE PATCH TRACE"
ROUTES = {
    "/": "GET", "/html": "GET", "/robots.txt": "GET", "/deny": "GET", "/ip": "GET", "/uuid": "GET", "/headers": "GET",
    "/user-agent": "GET", "/get": "GET", "/anything": ANY, "/anything/{}": ANY, "/post": "POST", "/put": "PUT",
    "/patch": "PATCH", "/delete": "DELETE", "/gzip": "GET", "/deflate": "GET", "/brotli": "GET", "/redirect/{}": "GET",
    "/redirect-to": ANY, "/relative-redirect/{}": "GET", "/absolute-redirect/{}": "GET", "/stream/{}": "GET",
    "/status/{}": ANY, "/response-headers": "GET POST", "/cookies": "GET", "/forms/post": "GET",
    "/cookies/set/{}/{}": "GET", "/cookies/set": "GET", "/cookies/delete": "GET", "/basic-auth/{}/{}": "GET",
    "/hidden-basic-auth/{}/{}": "GET", "/bearer": "GET", "/digest-auth/{}/{}/{}": "GET",
    "/digest-auth/{}/{}/{}/{}": "GET", "/digest-auth/{}/{}/{}/{}/{}": "GET", "/delay/{}": ANY, "/drip": "GET",
    "/base64/{}": "GET", "/cache": "GET", "/etag/{}": "GET", "/cache/{}": "GET", "/encoding/utf8": "GET",
    "/bytes/{}": "GET", "/stream-bytes/{}": "GET", "/range/{}": "GET", "/links/{}/{}": "GET", "/links/{}": "GET",
    "/image": "GET", "/image/png": "GET", "/image/jpeg": "GET", "/image/webp": "GET", "/image/svg": "GET",
    "/xml": "GET", "/json": "GET",
}  # fmt: skip
"""The 55 routes of httpbin 0.10.4, with the methods that each has at least."""

MULTIPART = {"content-type": "multipart/form-data; boundary=B"}
DEEP = 20_000 * b"[" + 20_000 * b"]"
EXCHANGES = [
    *(Exchange("GET", target, 200) for target in (
        "/", "/html", "/robots.txt", "/deny", "/ip", "/uuid", "/headers", "/user-agent", "/get", "/anything",
        "/anything/a/b", "/gzip", "/deflate", "/brotli", "/stream/3", "/status/200", "/response-headers", "/cookies",
        "/forms/post", "/delay/0", "/drip?duration=0", "/base64/SGVsbG8=", "/cache", "/etag/x", "/cache/60",
        "/encoding/utf8", "/bytes/10", "/stream-bytes/10", "/range/10", "/links/3/0", "/image", "/image/png",
        "/image/jpeg", "/image/webp", "/image/svg", "/xml", "/json", "/drip?DURATION=0&NumBytes=5", "/stream/0",
        "/bytes/0", "/stream-bytes/0", "/stream-bytes/10?chunk_size=0", "/links/0/0", "/anything/a%2Fb%3F",
        "/cookies?show_env=1",
    )),
    *(Exchange("HEAD", target, 200) for target in ("/get", "/stream/3", "/drip?duration=0", "/range/10", "/image/png")),
    *(Exchange("OPTIONS", target, 200) for target in ("/get", "/anything", "/status/404", "/range/5")),
    *(Exchange(method, "/anything", 200) for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY")),
    *(Exchange(method, "/status/418", 418) for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE")),
    *(Exchange(method, f"/{method.lower()}", 200, FORM, b"a=1&a=2") for method in ("POST", "PUT", "PATCH", "DELETE")),
    *(Exchange("GET", f"/status/{code}", code) for code in (204, 205, 300, 304, 305, 400, 402, 407, 500, 503, 599)),
    *(Exchange("GET", target, 302) for target in (
        "/redirect/1", "/redirect/3", "/relative-redirect/2", "/absolute-redirect/2", "/redirect-to?url=/get",
        "/cookies/set?a=1", "/cookies/set/a/1", "/cookies/delete?a=1", "/links/3", "/redirect-to?url=/&status_code=200",
    )),
    *(Exchange("GET", target, 401) for target in (
        "/basic-auth/u/p", "/bearer", "/digest-auth/auth/u/p", "/digest-auth/auth/u/p/SHA-256",
        "/digest-auth/auth/u/p/MD5/3",
    )),
    *(Exchange("GET", target, 400) for target in (
        "/status/1e2", "/status/199", "/status/600", "/status/200,", "/status/200:x", "/status/200:-1", "/status/200:0",
        "/status/200:nan", "/status/200:1e308,404:1e308", "/redirect/0", "/relative-redirect/0", "/absolute-redirect/0",
        "/redirect-to", "/redirect-to?url=%0D%0A", "/redirect-to?url=/&status_code=x", "/cookies/set?a=%C3%A4",
        "/cookies/set?%20=1", "/cookies/set/a/%00", "/cookies/delete?a%3B=1", "/drip?numbytes=0", "/drip?numbytes=x",
        "/drip?code=100", "/drip?delay=-1", "/drip?duration=inf", "/delay/x", "/delay/nan", "/bytes/9?seed=x",
        "/stream-bytes/9?chunk_size=x", "/range/9?duration=x", "/response-headers?a%20b=1",
        "/response-headers?a=%0A", "/response-headers?connection=close", "/response-headers?Content-Length=1",
        "/response-headers?content-type=%0A", "/etag/%C4%80",
    )),
    *(Exchange("GET", target, 404) for target in (
        "/hidden-basic-auth/u/p", "/range/0", "/range/102401", "/redirect/-1", "/bytes/x", "/nothing",
    )),
    Exchange("GET", "/post", 405),
    Exchange("GET", "/image", 406, {"accept": "text/html"}),
    Exchange("POST", "/redirect-to?url=/post&status_code=307", 307, BYTES, b"\x81"),
    Exchange("POST", "/post", 200, MULTIPART, b"--B\r\nnonsense", remark="malformed"),
    Exchange("POST", "/post?" + 1001 * "a&", 400, MULTIPART, b"--B\r\nnonsense", remark="malformed in two ways"),
    Exchange("POST", "/post?" + 1001 * "a&", 400, BYTES, b"x", remark="with too many arguments"),
    Exchange("POST", "/anything", 200, BYTES, DEEP, remark="deeper than can be read"),
]  # fmt: skip


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(app, gateway=request.param) as client:
        yield client


def template(path: str) -> str:
    return re.sub(r"{.*?}", "{}", path)


# --- the routes ---


def test_every_route_of_httpbin_is_there_with_its_methods():
    assert len(ROUTES) == 55
    found = {template(route.path): set(route.methods) for route in app.routes}
    assert set(found) == set(ROUTES)
    assert not {path: methods for path, methods in ROUTES.items() if not set(methods.split()) <= found[path]}


def test_half_of_the_handlers_are_of_either_colour():
    colours = Counter(iscoroutinefunction(route.handler) for route in app.routes)
    assert abs(colours[True] - colours[False]) <= 1


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange)[:60])
def test_a_route_answers(client: Client, exchange: Exchange):
    response = client.request(
        exchange.method, exchange.target, headers=exchange.headers, content=exchange.body, follow_redirects=False
    )
    assert response.status_code == exchange.status


def test_every_route_is_requested():
    reached: set[str] = set()

    def note(request: Request) -> Middleware:
        if request.route is not None:
            reached.add(template(request.route.path))
        yield

    watched = deepcopy(app)
    watched.middleware(note)
    client = Client(watched)
    for exchange in EXCHANGES:
        client.request(exchange.method, exchange.target, headers=exchange.headers, follow_redirects=False)
    assert reached == set(ROUTES)


def test_the_page_lists_the_routes(client: Client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.count("<tr>") == len(ROUTES)
    assert "<code>/links/{n}/{offset}</code><td>Give a page of n links" in page.text
    links = re.findall('<a href="(.*?)">', page.text)
    assert len(links) > 25
    assert {client.get(link).status_code for link in links if not link.startswith("/dr")} == {200, 302, 400, 401}


# --- what a request said ---


def test_the_names_of_an_answer_are_those_of_httpbin(client: Client):
    shown = {"args", "headers", "origin", "url"}
    with_body = shown | {"data", "files", "form", "json"}
    assert set(client.get("/get").json()) == shown
    assert set(client.post("/post").json()) == with_body
    assert set(client.put("/anything/x").json()) == with_body | {"method"}
    assert set(client.post("/delay/0").json()) == with_body - {"json"}


def test_json_is_sorted_indented_ascii_and_ends_with_a_line_break(client: Client):
    response = client.get("/get?b=ä&a=1")
    assert response.content.endswith(b"\n}\n")
    assert b'"args": {\n    "a": "1",\n    "b": "\\u00e4"\n  }' in response.content
    assert response.headers["content-type"] == "application/json"


def test_arguments_and_fields_that_come_twice_are_lists(client: Client):
    shown = client.post("/post?a=1&b=2&a=3&c=", data=[("x", "1"), ("y", "2"), ("x", "3")]).json()
    assert shown["args"] == {"a": ["1", "3"], "b": "2", "c": ""}
    assert shown["form"] == {"x": ["1", "3"], "y": "2"}
    assert (shown["data"], shown["json"], shown["files"]) == ("", None, {})


def test_files_are_text_or_a_data_url_and_several_of_a_name_a_list(client: Client):
    files = [
        ("f", ("a.txt", b"text", "text/plain")),
        ("f", ("b.bin", b"\x81\x82", "image/x")),
        ("g", ("c.bin", b"\xff", None)),
        ("h", ("large", 200_000 * b"x", None)),
    ]
    shown = client.post("/post", data={"x": "1"}, files=files).json()
    assert shown["files"]["f"] == ["text", "data:image/x;base64,gYI="]
    assert shown["files"]["g"] == "data:application/octet-stream;base64,/w=="
    assert len(shown["files"]["h"]) == 200_000
    assert (shown["form"], shown["data"], shown["json"]) == ({"x": "1"}, "", None)


@pytest.mark.parametrize(
    ("body", "data", "parsed"),
    [
        (b"", "", None),
        (b"plain", "plain", None),
        ("оживлённым".encode(), "оживлённым", None),
        (b"\x01\x81", "data:application/octet-stream;base64,AYE=", None),
        (b'{"a": [1.5, null]}', '{"a": [1.5, null]}', {"a": [1.5, None]}),
        (b"null", "null", None),
        (b"NaN", "NaN", None),
        (b"1e999", "1e999", None),
        (b'"\\ud800"', '"\\ud800"', "\ud800"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_a_body_is_shown_as_data_and_as_json_whatever_it_says_it_is(
    client: Client, body: bytes, data: str, parsed: object, content_type: str | None
):
    headers = {} if content_type is None else {"content-type": content_type}
    shown = client.request("PUT", "/put", headers=headers, content=body).json()
    assert (shown["data"], shown["json"]) == (data, parsed)


def test_a_body_in_a_content_coding_is_shown_as_it_came(client: Client):
    data = zlib.compress(b"{}")
    shown = client.post("/post", headers={"content-encoding": "deflate"}, content=data).json()
    assert shown["headers"]["Content-Encoding"] == "deflate"
    assert "Coding-As-Sent" not in shown["headers"]
    assert (b64decode(shown["data"].partition(",")[2]), shown["json"]) == (data, None)


def test_json_that_can_be_read_but_not_be_written_again_is_refused():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(HTTPError, match="nested too deeply"):
        IndentedJSON().dumps(deep)


def test_json_of_any_depth_is_no_crash(client: Client):
    for depth in range(100, 1000, 100):  # from which on it is too deep is the Python's affair
        assert client.post("/post", content=depth * b"[" + depth * b"]").status_code in (200, 400)


def test_the_url_is_absolute_with_its_query_as_sent(client: Client):
    shown = client.get("/anything/a%20b?x=%2F&y=1+2&z", headers={"host": "example.com:81"}).json()
    assert shown["url"] == "http://example.com:81/anything/a%20b?x=%2F&y=1+2&z"


@pytest.mark.parametrize(
    "headers", [{"x-forwarded-proto": "https"}, {"x-forwarded-protocol": "https"}, {"x-forwarded-ssl": "on"}]
)
def test_the_url_has_the_scheme_that_a_proxy_names(client: Client, headers: dict[str, str]):
    assert client.get("/get", headers=headers).json()["url"] == "https://localhost/get"


def test_the_origin_is_the_client_or_what_a_proxy_says(client: Client):
    assert client.get("/ip").json() == {"origin": "127.0.0.1"}
    assert client.get("/ip", headers={"x-forwarded-for": "1.2.3.4, 5.6.7.8"}).json() == {"origin": "1.2.3.4, 5.6.7.8"}


def test_what_proxies_add_is_hidden_unless_it_is_asked_for(client: Client):
    headers = {"x-b3-traceid": "1", "via": "a", "x-request-id": "b", "user-agent": "me"}
    shown = client.get("/headers", headers=headers).json()["headers"]
    assert shown == {"Host": "localhost", "User-Agent": "me", "X-B3-Traceid": "1"}
    assert client.get("/headers?show_env", headers=headers).json()["headers"]["Via"] == "a"
    assert client.get("/user-agent", headers=headers).json() == {"user-agent": "me"}
    assert client.get("/user-agent").json() == {"user-agent": None}


def test_a_form_that_is_empty_or_malformed_is_shown_as_empty(client: Client):
    for body in (b"", b"--B\r\nnonsense", b"\r\n--B--\r\n"):
        shown = client.post("/anything?a=1", headers=MULTIPART, content=body).json()
        assert (shown["form"], shown["files"], shown["data"], shown["json"]) == ({}, {}, "", None)
        assert (shown["args"], shown["method"]) == ({"a": "1"}, "POST")


# --- statuses, redirects, cookies ---


def test_some_statuses_bring_what_belongs_to_them(client: Client):
    def get(code: int) -> Response:
        return client.get(f"/status/{code}", follow_redirects=False)

    assert [get(code).headers["location"] for code in (301, 302, 303, 305, 307)] == 5 * ["/redirect/1"]
    assert get(401).headers["www-authenticate"] == 'Basic realm="Fake Realm"'
    assert get(407).headers["proxy-authenticate"] == 'Basic realm="Fake Realm"'
    assert get(402).headers["x-more-info"] == "http://vimeo.com/22053820"
    assert "image/webp" in get(406).json()["accept"]
    assert "teapot" in get(418).text
    assert (get(404).content, get(304).content, get(204).content) == (b"", b"", b"")


def test_a_status_is_chosen_by_weight(client: Client):
    assert {client.get("/status/200:0,201:0.5,404:0").status_code for _ in range(20)} == {201}
    assert {client.get("/status/200,201").status_code for _ in range(60)} == {200, 201}


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/redirect/1", "/get"),
        ("/redirect/5", "/relative-redirect/4"),
        ("/redirect/5?absolute=true", "http://localhost/absolute-redirect/4"),
        ("/redirect/1?absolute=TRUE", "http://localhost/get"),
        ("/relative-redirect/1", "/get"),
        ("/relative-redirect/7", "/relative-redirect/6"),
        ("/absolute-redirect/1", "http://localhost/get"),
        ("/absolute-redirect/5", "http://localhost/absolute-redirect/4"),
        ("/redirect-to?URL=http://example.com/a?b%26c", "http://example.com/a?b&c"),
        ("/redirect-to?url=/caf%C3%A9", "/caf%C3%A9"),
        ("/links/7", "/links/7/0"),
    ],
)
def test_a_redirect_leads_on(client: Client, path: str, location: str):
    response = client.get(path, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (302, location)


def test_a_row_of_redirects_ends_at_get(client: Client):
    for path in ("/redirect/4", "/relative-redirect/4", "/absolute-redirect/4", "/redirect/4?absolute=true"):
        response = client.get(path, follow_redirects=True)
        assert (len(response.history), response.json()["url"]) == (4, "http://localhost/get")


def test_cookies_are_set_shown_and_deleted(client: Client):
    assert client.get("/cookies/set?a=1&b=2&a=3", follow_redirects=True).json() == {"cookies": {"a": "1", "b": "2"}}
    assert client.get("/cookies/set/c/x%20y", follow_redirects=True).json()["cookies"]["c"] == "x y"
    assert client.get("/cookies/delete?a&c", follow_redirects=True).json() == {"cookies": {"b": "2"}}
    assert client.get("/cookies", cookies={"__utmz": "1"}).json() == {"cookies": {"b": "2"}}
    assert client.get("/cookies?show_env", cookies={"__utmz": "1"}).json()["cookies"]["__utmz"] == "1"


def test_a_cookie_is_for_scripts_and_for_plain_http_too(client: Client):
    (line,) = client.get("http://example.com/cookies/set/a/1", follow_redirects=False).set_cookies
    assert line == "a=1; Path=/; SameSite=Lax"
    (line,) = client.get("https://example.com/cookies/set/a/1", follow_redirects=False).set_cookies
    assert line == "a=1; Path=/; SameSite=Lax; Secure"


# --- who asks ---


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize(("path", "refusal"), [("basic-auth", 401), ("hidden-basic-auth", 404)])
def test_basic_lets_in_who_is_in_the_path(client: Client, path: str, refusal: int):
    url = f"/{path}/us%C3%A9r/p:w"
    assert client.get(url, headers=basic("usér", "p:w")).json() == {"authenticated": True, "user": "usér"}
    for headers in ({}, basic("usér", "p"), basic("user", "p:w"), {"authorization": "Basic !"}, {"authorization": "x"}):
        response = client.get(url, headers=headers)
        challenge = response.headers.get("www-authenticate")
        assert (response.status_code, response.content) == (refusal, b"")
        assert challenge == ('Basic realm="Fake Realm"' if refusal == 401 else None)


@pytest.mark.parametrize("token", ["abcd1234", "a.b-c_d~e+f/g==", "user:style", "two words"])
def test_bearer_lets_in_every_token(client: Client, token: str):
    response = client.get("/bearer", headers={"authorization": f"Bearer {token}"})
    assert response.json() == {"authenticated": True, "token": token}


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Basic dTpw"}])
def test_bearer_asks_for_a_token(client: Client, headers: dict[str, str]):
    response = client.get("/bearer", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


class Digest:
    """Proves a password by a challenge, as RFC 7616 3.4 says."""

    def __init__(self, response: Response, uri: str, password: str = "p", user: str = "u", **changes: str) -> None:
        self.asked = dict(re.findall(r'(\w+)="?([^",]*)"?', response.headers["www-authenticate"].partition(" ")[2]))
        self.uri, self.user, self.password, self.changes = uri, user, password, changes

    def hash(self, *parts: str | bytes) -> str:
        name = self.asked["algorithm"].replace("-", "").lower()
        return hashlib.new(name, b":".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()

    def headers(self, method: str = "GET", qop: str = "auth", body: bytes = b"") -> dict[str, str]:
        secret = self.hash(self.user, self.asked["realm"], self.password)
        what = self.hash(method, self.uri, *([self.hash(body)] if qop == "auth-int" else []))
        proof = [self.asked["nonce"], *(["00000001", "c", qop] if qop else [])]
        given = {
            "username": self.user, "realm": self.asked["realm"], "nonce": self.asked["nonce"], "uri": self.uri,
            "response": self.hash(secret, *proof, what), "algorithm": self.asked["algorithm"],
            **({"qop": qop, "nc": "00000001", "cnonce": "c"} if qop else {}),
        } | self.changes  # fmt: skip
        tokens = ("algorithm", "nc", "qop")
        written = (
            f"{name}={value}" if name in tokens else f'{name}="{value}"' for name, value in given.items() if value
        )
        return {"authorization": f"Digest {', '.join(written)}"}


@pytest.mark.parametrize("algorithm", ["", "/MD5", "/SHA-256", "/SHA-512", "/unknown"])
@pytest.mark.parametrize("qop", ["auth", "auth-int", ""])
@pytest.mark.parametrize("body", [b"", b"payload"])
def test_digest_lets_in_who_proves_the_password(client: Client, algorithm: str, qop: str, body: bytes):
    url = f"/digest-auth/{qop or 'either'}/u/p{algorithm}"
    challenge = client.get(url)
    expected = {"": "MD5", "/unknown": "MD5"}.get(algorithm, algorithm[1:])
    header = challenge.headers["www-authenticate"]
    assert re.fullmatch(
        rf'Digest realm="httpbin", nonce="\w+", qop="{qop or "auth, auth-int"}", opaque="\w+", '
        rf"algorithm={expected}, stale=false", header
    )  # fmt: skip
    assert {line.partition(";")[0] for line in challenge.set_cookies} == {"stale_after=never", "fake=fake_value"}
    answer = client.request("GET", url, headers=Digest(challenge, url).headers(qop=qop, body=body), content=body)
    assert (answer.status_code, answer.json()) == (200, {"authenticated": True, "user": "u"})


URL = "/digest-auth/auth/u/p"
WRONG = {
    "password": {"password": "wrong"},
    "user": {"user": "other"},
    "username that is not what was proved": {"username": "other"},
    "uri": {"uri": "/get"},
    "uri that cannot be read": {"uri": "http://[/"},
    "query": {"uri": f"{URL}?a=1"},
    "quality": {"qop": "auth-int"},
    "algorithm": {"algorithm": "SHA-256"},
    "response": {"response": "é"},
    "none of it": dict.fromkeys(("username", "realm", "uri", "response", "algorithm", "qop", "nc", "cnonce"), ""),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_digest_refuses_what_proves_nothing(client: Client, wrong: str):
    changes = dict(WRONG[wrong])
    keywords = {name: changes.pop(name) for name in ("password", "user") if name in changes}
    proof = Digest(client.get(URL), URL, **keywords)
    proof.changes = changes
    response = client.get(URL, headers=proof.headers())
    assert response.status_code == 401
    assert response.headers["www-authenticate"].endswith("stale=false")


def test_digest_takes_a_uri_that_is_encoded_otherwise_and_quoted_pairs(client: Client):
    path = "/digest-auth/auth/u/p"
    proof = Digest(client.get(path), "/digest-auth/auth/%75/p?a=%20")
    assert client.get(f"{path}?a=%20", headers=proof.headers()).status_code == 200
    url = '/digest-auth/auth/a"b/p'
    proof = Digest(client.get(url), url.replace('"', "%22"), user='a"b')
    headers = {"authorization": proof.headers()["authorization"].replace('"a"b"', r'"a\"b"')}
    assert client.get(url, headers=headers).json()["user"] == 'a"b'


def test_a_nonce_with_a_wrong_password_is_stale_afterwards(client: Client):
    challenge = client.get(URL)
    assert client.get(URL, headers=Digest(challenge, URL, "wrong").headers()).status_code == 401
    again = client.get(URL, headers=Digest(challenge, URL).headers())
    assert (again.status_code, again.headers["www-authenticate"][-10:]) == (401, "stale=true")


def test_a_nonce_is_stale_after_so_many_requests(client: Client):
    url = f"{URL}/SHA-256/3"
    proof = Digest(client.get(url), url)
    answers = [client.get(url, headers=proof.headers()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 401]
    assert answers[-1].headers["www-authenticate"].endswith("stale=true")


def test_digest_may_ask_for_cookies_too(client: Client):
    url = f"{URL}?require-cookie=1"
    proof = Digest(client.get(url), url)
    client.cookies = {}
    assert client.get(url, headers=proof.headers()).status_code == 401
    client.cookies = {"other": "1"}
    assert client.get(url, headers=proof.headers()).status_code == 403
    assert client.get(url, headers=proof.headers()).status_code == 200


def test_a_count_of_requests_that_is_none_is_no_limit(client: Client):
    proof = Digest(client.get(URL), URL)
    client.cookies = {"stale_after": "x"}
    answer = client.get(URL, headers=proof.headers())
    assert answer.status_code == 200
    assert "stale_after=never; Path=/; SameSite=Lax" in answer.set_cookies


# --- caches and header fields ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": "abc"}, 304),
        ({"if-none-match": '"123", W/"abc"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": "123"}, 200),
        ({"if-match": '"abc"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": "123"}, 412),
        ({"if-match": "123", "if-none-match": "123"}, 200),
    ],
)
def test_conditions_are_held_to_the_tag_in_the_path(client: Client, headers: dict[str, str], status: int):
    response = client.get("/etag/abc", headers=headers)
    assert (response.status_code, response.headers.get("etag")) == (status, None if status == 412 else "abc")


def test_a_cache_is_answered_by_what_it_has(client: Client):
    fresh = client.get("/cache")
    assert fresh.headers["etag"]
    for name, value in (
        ("if-none-match", fresh.headers["etag"]),
        ("if-modified-since", fresh.headers["last-modified"]),
    ):
        assert client.get("/cache", headers={name: value}).status_code == 304
    assert client.get("/cache/60").headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_header_fields_are_those_of_the_query(client: Client, method: str):
    response = client.request(method, "/response-headers?Animal=dog&Animal=cat&X-One=1")
    assert [value for name, value in response.header_lines if name.lower() == "animal"] == ["dog", "cat"]
    shown = response.json()
    assert shown == {
        "Animal": ["dog", "cat"], "X-One": "1", "Content-Type": "application/json",
        "Content-Length": str(len(response.content)),
    }  # fmt: skip


def test_the_content_type_is_that_of_the_query(client: Client):
    response = client.get("/response-headers?content-type=text/plain%3B%20charset%3DUTF-8")
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert json.loads(response.content)["Content-Type"] == "text/plain; charset=UTF-8"


def test_pages_of_every_site_may_read_every_answer(client: Client):
    for path in ("/get", "/basic-auth/u/p", "/nothing", "/status/500"):
        assert client.get(path).headers["access-control-allow-origin"] == "*"
        response = client.get(path, headers={"origin": "https://a.test"})
        assert response.headers["access-control-allow-origin"] == "https://a.test"
        assert response.headers["access-control-allow-credentials"] == "true"
    asked = client.options("/get", headers={"access-control-request-headers": "X-Test"})
    assert asked.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, PATCH, OPTIONS"
    assert (asked.headers["access-control-max-age"], asked.headers["access-control-allow-headers"]) == (
        "3600",
        "X-Test",
    )
    assert "access-control-allow-headers" not in client.options("/get").headers
    assert asked.headers["allow"] == "GET, HEAD, OPTIONS"


def test_an_answer_is_written_as_flask_does_under_wsgi():
    # In ASGI names are lower case, and the reason is the server's.
    seen: list[object] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/digest-auth/auth/u/p", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    environ |= {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http"}
    app(environ, lambda status, fields, *rest: seen.extend((status, {name for name, _ in fields})))
    assert seen[0] == "401 UNAUTHORIZED"
    assert seen[1] == {
        "Content-Type", "WWW-Authenticate", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
        "Set-Cookie", "Cache-Control", "X-Content-Type-Options", "Content-Length",
    }  # fmt: skip


# --- bodies ---


def test_content_codings_can_be_undone(client: Client):
    for path, decode in (("/gzip", gzip.decompress), ("/deflate", zlib.decompress)):
        response = client.get(path)
        assert response.headers["content-encoding"] == path[1:]
        data = response.content if response.content[:1] == b"{" else decode(response.content)
        shown = json.loads(data)
        assert shown["method"] == "GET"
        assert shown["gzipped" if path == "/gzip" else "deflated"] is True


def test_a_stream_is_lines_of_json_with_their_number(client: Client):
    response = client.get("/stream/3?a=1")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert lines[0]["args"] == {"a": "1"}
    assert len(client.get("/stream/101").text.splitlines()) == 100


def test_bytes_are_the_same_for_a_seed(client: Client):
    known = b"\xc5\xd7\x14\x84\xf8\xcf\x9b\xf4\xb7o"
    assert client.get("/bytes/10?seed=0").content == known
    assert client.get("/stream-bytes/10?seed=0&chunk_size=3").content == known
    assert client.get("/bytes/10").content != client.get("/bytes/10").content
    assert len(client.get("/bytes/1000000").content) == 100 * 1024
    assert client.get("/bytes/10").headers["content-type"] == "application/octet-stream"


def test_a_stream_of_bytes_comes_in_chunks_of_the_size_that_is_asked_for(client: Client):
    with client.stream("GET", "/stream-bytes/10?chunk_size=4") as response:
        assert [len(chunk) for chunk in response.iter_bytes()] == [4, 4, 2]


def test_drops_come_with_length_and_status(client: Client):
    with client.stream("GET", "/drip?numbytes=3&duration=0.03&delay=0.01&code=500") as response:
        assert (response.status_code, response.headers["content-length"]) == (500, "3")
        assert list(response.iter_bytes()) == [b"*", b"*", b"*"]
    assert len(client.get("/drip?numbytes=2500&duration=0").content) == 2500


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        (None, 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("bytes=10-14", 206, b"klmno", "bytes 10-14/30"),
        ("bytes=20-", 206, b"uvwxyzabcd", "bytes 20-29/30"),
        ("bytes=-5", 206, b"zabcd", "bytes 25-29/30"),
        ("bytes=-50", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("bytes=0-29", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("bytes=0-30", 416, b"", "bytes */30"),
        ("bytes=30-", 416, b"", "bytes */30"),
        ("bytes=10-5", 416, b"", "bytes */30"),
        ("bytes=-0", 416, b"", "bytes */30"),
        ("bytes=x-y", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("lines=1-2", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("bytes=5", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
        ("bytes=" + 5000 * "1" + "-", 200, b"abcdefghijklmnopqrstuvwxyzabcd", "bytes 0-29/30"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_range_is_what_is_asked_for(
    client: Client, asked: str | None, status: int, content: bytes, content_range: str
):
    headers = {} if asked is None else {"range": asked}
    response = client.get("/range/30?chunk_size=7&duration=0.01", headers=headers)
    assert (response.status_code, response.content) == (status, content)
    assert (response.headers["content-range"], response.headers["etag"]) == (content_range, "range30")
    assert (response.headers["content-length"], response.headers["accept-ranges"]) == (str(len(content)), "bytes")


def test_text_in_base64_is_decoded_and_is_no_page(client: Client):
    response = client.get("/base64/0JfQtNGA0LDQstGB0YLQstGD0LksINC80LjRgCE=")
    assert (response.text, response.headers["content-type"]) == ("Здравствуй, мир!", "text/plain; charset=utf-8")
    assert client.get("/base64/x").text.startswith("That is no text")


def test_links_lead_to_pages_like_theirs(client: Client):
    page = client.get("/links/3/1").text
    assert page.partition("<body>")[2] == "<a href='/links/3/0'>0</a> 1 <a href='/links/3/2'>2</a> </body></html>"
    assert client.get("/links/999/0").text.count("<a ") == 199


STARTS = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF", "image/svg+xml": b"<svg"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "image/png"),
        ("image/webp", "image/webp"),
        ("image/svg+xml", "image/svg+xml"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/*", "image/png"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/webp"),
        ("image/webp;q=0.1, image/jpeg", "image/jpeg"),
        ("image/webp;q=0, image/*", "image/png"),
        ("*/*", None),
        ("text/html", None),
        ("image/png;q=0", None),
    ],
)
def test_an_image_is_of_the_type_that_is_accepted(client: Client, accept: str | None, media_type: str | None):
    response = client.get("/image", headers={} if accept is None else {"accept": accept})
    if media_type is None:
        assert response.status_code == 406
    else:
        assert response.headers["content-type"] == media_type
        assert response.content.startswith(STARTS[media_type])


def test_documents_are_what_they_say(client: Client):
    from xml.etree import ElementTree

    assert client.get("/json").json()["slideshow"]["title"] == "Sample Slide Show"
    xml = client.get("/xml")
    assert (xml.headers["content-type"], ElementTree.fromstring(xml.content).tag) == ("application/xml", "slideshow")
    assert "<h1>Herman Melville - Moby-Dick</h1>" in client.get("/html").text
    assert "∮ E⋅da = Q" in client.get("/encoding/utf8").text
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /deny\n"
    assert "SHOULDN'T" in client.get("/deny").text
    assert 'name="custname"' in client.get("/forms/post").text
