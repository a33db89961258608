"""What holds after every case, and what single cases ask for besides their status, by id.

A check is given the answer, and `ask`, by which it may send more: it does not know whether that goes to a test client or
to a server.
"""

import re
from collections.abc import Callable, Iterable
from typing import Protocol

import pytest

from ambi import App, ConfigurationError
from tests.corpus.cases import HOST, Answer, Case
from tests.corpus.fixture_app import FILE_BYTES, OUTSIDE, SECRET


class Ask(Protocol):
    """Sends another request to the same application."""

    def __call__(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer: ...


Check = Callable[[Answer, Ask], None]
CHECKS: dict[str, Check] = {}

NOT_COMPARED = frozenset(("connection", "date", "keep-alive", "server", "transfer-encoding", "via"))
"""Fields of the connection and of the server."""
TOKEN = re.compile(rb'(?<=value=")[\w-]{86}')
LEAKS = (b"Traceback", b"site-packages", b'File "', b"/ambi/", b"secret-123", SECRET.encode(), OUTSIDE.encode())


def check_always(case: Case, answer: Answer) -> None:
    """Hold an answer to what the case says of its status, and to what holds for all of them."""
    if case.statuses:
        assert answer.status in case.statuses
    else:
        assert answer.status < 500
    for leak in LEAKS:
        assert leak not in answer.body, f"the body tells {leak!r}"
    for name, value in answer.fields:
        assert not set("\r\n\0") & set(value), f"{name} holds the end of a line: {value!r}"
        if name == "location":
            assert not value.startswith(("//", "/\\")), value
            assert "//evil.test" not in value, value


def check_own(case: Case, answer: Answer, ask: Ask) -> None:
    """Hold it to what this case asks for besides."""
    if case.id in CHECKS:
        CHECKS[case.id](answer, ask)


def comparable(answer: Answer) -> object:
    """Give what of an answer is the same on both gateways: all but the server's own fields, and what is random."""
    fields = sorted(field for field in answer.fields if field[0] not in NOT_COMPARED)
    body, count = TOKEN.subn(b"(random)", answer.body)
    if count:
        fields = [field for field in fields if field[0] not in ("etag", "set-cookie")]
    return answer.status, fields, body


def of(*ids: str) -> Callable[[Check], Check]:
    """Say of which cases a function is the check."""

    def add(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(ids, check))
        return check

    return add


def only_where_it_was_read(answer: Answer) -> bool:
    """Tell whether the application has let the request in; a refusal says the rest."""
    return answer.status == 200


# --- targets ---


@of("request-line/double-encoded-slash")
def decoded_once(answer: Answer, ask: Ask) -> None:
    assert answer.json()["text"] == "a%2Fb"


@of("request-line/encoded-question")
def a_question_mark_of_the_path(answer: Answer, ask: Ask) -> None:
    told = answer.json()
    assert (told["text"], told["query"]) == ("a?admin=1", [])
    assert "%3F" in told["url"]


@of("request-line/encoded-hash")
def a_hash_of_the_path(answer: Answer, ask: Ask) -> None:
    assert answer.json()["text"] == "a#b"
    assert "%23" in answer.json()["url"]


@of("request-line/guard-case")
def paths_have_case(answer: Answer, ask: Ask) -> None:
    assert ask("GET", "/Echo").status == 404


@of("request-line/guard-encoded-letter")
def the_guard_saw_it(answer: Answer, ask: Ask) -> None:
    assert answer.body == b"forbidden"


@of("request-line/method-as-attribute")
def no_helper(answer: Answer, ask: Ask) -> None:
    assert b"helper" not in answer.body


@of("request-line/method-override-ignored")
def still_a_post(answer: Answer, ask: Ask) -> None:
    assert answer.json()["method"] == "POST"


@of("request-line/trace")
def nothing_is_echoed(answer: Answer, ask: Ask) -> None:
    assert b"uthorization" not in answer.body
    assert b"secret" not in answer.body


@of("request-line/head-no-body")
def as_get_would(answer: Answer, ask: Ask) -> None:
    assert answer.body == b""
    assert answer.get("content-length") == ask("GET", "/file").get("content-length") == str(FILE_BYTES)


# --- fields ---


@of("headers/forwarded-host-untrusted")
def nothing_is_believed(answer: Answer, ask: Ask) -> None:
    told, plain = answer.json(), ask("GET", "/echo").json()
    for name in ("host", "scheme", "client", "root_path"):
        assert told[name] == plain[name]
    assert (told["host"], told["scheme"], told["root_path"]) == (HOST, "http", "")


@of("headers/repeated")
def joined_in_order(answer: Answer, ask: Ask) -> None:
    assert dict(answer.json()["headers"])["x-a"] == "1,,3"


@of("headers/underscore")
def no_alias(answer: Answer, ask: Ask) -> None:
    assert "x-auth-user" not in dict(answer.json()["headers"])


@of("headers/vt-ff-nel")
def no_further_line(answer: Answer, ask: Ask) -> None:
    if only_where_it_was_read(answer):
        assert "x-admin" not in dict(answer.json()["headers"])


@of("headers/space-behind")
def no_part_of_the_value(answer: Answer, ask: Ask) -> None:
    told = dict(answer.json()["headers"])
    assert (told["x-name"], told["x-other"]) == ("a", "b")


@of("headers/hop-by-hop")
def authorization_is_there(answer: Answer, ask: Ask) -> None:
    assert dict(answer.json()["headers"])["authorization"] == "Basic dTpw"


@of("caching/unkeyed-header")
def routed_by_its_target(answer: Answer, ask: Ask) -> None:
    assert answer.json()["path"] == "/echo"


# --- cookies ---


def cookies(expected: dict[str, str]) -> Check:
    """Make a check of what is read."""

    def check(answer: Answer, ask: Ask) -> None:
        assert answer.json()["cookies"] == expected

    return check


CHECKS["cookies/bracket-inject"] = cookies({"a": "b]_csrf=injected"})
CHECKS["cookies/percent-name"] = cookies({"%5f%5fHost-sid": "bad"})


@of("cookies/nameless")
def the_named_one_is_read(answer: Answer, ask: Ask) -> None:
    assert answer.json()["cookies"]["a"] == "1"


@of("cookies/unicode-space-prefix")
def no_prefixed_name(answer: Answer, ask: Ask) -> None:
    assert not [name for name in answer.json()["cookies"] if name.startswith("__")]


@of("cookies/empty")
def no_cookies(answer: Answer, ask: Ask) -> None:
    assert not any(answer.json()["cookies"])


@of("cookies/ctl")
def not_sent_back(answer: Answer, ask: Ask) -> None:
    assert not [value for _, value in answer.fields if not value.isprintable()]


# --- queries, forms, JSON ---


@of("query/dup")
def in_order(answer: Answer, ask: Ask) -> None:
    assert answer.json()["query"] == [["a", "1"], ["a", "2"], ["b", "3"], ["a", "4"]]


@of("form/semicolon-field")
def one_field(answer: Answer, ask: Ask) -> None:
    assert answer.json() == [["a", "1;b=2"]]


@of("form/read-twice")
def the_same_again(answer: Answer, ask: Ask) -> None:
    assert answer.json() == [[["a", "1"]], "a=1", [["a", "1"]]]


@of("form/wsgi-terminated")
def read_to_its_end(answer: Answer, ask: Ask) -> None:
    assert answer.json() == [["a", "1"]]


@of("json/overflow")
def no_infinity(answer: Answer, ask: Ask) -> None:
    assert b"nfinity" not in answer.body


@of("json/dup-keys")
def the_last_one_wins(answer: Answer, ask: Ask) -> None:
    if only_where_it_was_read(answer):
        assert answer.json() == {"value": {"role": "admin"}}


# --- multipart ---


@of("multipart/filename-continuation")
def not_put_together(answer: Answer, ask: Ask) -> None:
    assert b"evil.php" not in answer.body


@of("multipart/charset-utf7")
def read_as_utf_8(answer: Answer, ask: Ask) -> None:
    if only_where_it_was_read(answer):
        assert answer.json() == [["a", "+ADw-script+AD4-"]]


@of("multipart/cte-base64")
def bytes_as_sent(answer: Answer, ask: Ask) -> None:
    if only_where_it_was_read(answer):
        assert answer.json() == [["a", "eA=="]]


@of("multipart/boundary-prefix")
def not_cut(answer: Answer, ask: Ask) -> None:
    if only_where_it_was_read(answer):
        assert answer.json()[0] == ["a", "--Bx"]


@of("multipart/crlf-then-flood")
def the_whole_file(answer: Answer, ask: Ask) -> None:
    assert answer.json() == [["f", {"filename": "x", "size": 2 + (8 << 20)}]]


# --- ranges ---


@of("range/unit", "range/if-range-weak", "range/if-range-date", "range/status-not-200", "headers/dates")
def the_whole_of_it(answer: Answer, ask: Ask) -> None:
    assert len(answer.body) == FILE_BYTES
    assert answer.get("content-range") is None


@of("range/past-end")
def told_how_long(answer: Answer, ask: Ask) -> None:
    assert answer.get("content-range") == f"bytes */{FILE_BYTES}"


@of("range/suffix-huge")
def the_whole_as_a_part(answer: Answer, ask: Ask) -> None:
    assert len(answer.body) == FILE_BYTES
    assert answer.get("content-range") == f"bytes 0-{FILE_BYTES - 1}/{FILE_BYTES}"


@of("range/overlap", "range/multi")
def no_more_than_there_is(answer: Answer, ask: Ask) -> None:
    assert len(answer.body) <= FILE_BYTES
    if only_where_it_was_read(answer):
        assert len(answer.body) == FILE_BYTES
        assert answer.get("content-range") is None


@of("range/head")
def no_body(answer: Answer, ask: Ask) -> None:
    assert answer.body == b""


@of("range/not-modified-headers")
def what_is_kept(answer: Answer, ask: Ask) -> None:
    assert answer.body == b""
    assert answer.get("content-length") is None
    whole = ask("GET", "/file")
    for name in ("etag", "vary", "cache-control"):
        assert answer.get(name) == whole.get(name) is not None


# --- static files ---


@of("static/mime")
def nothing_to_guess(answer: Answer, ask: Ask) -> None:
    assert answer.get("content-type") == "application/octet-stream"
    assert answer.get("x-content-type-options") == "nosniff"


@of("static/directory")
def no_listing(answer: Answer, ask: Ask) -> None:
    assert b"b.txt" not in answer.body
    assert b"static/sub" not in answer.body.replace(b"/static/sub", b"")


# --- pages of other sites ---


@of("redirect/dot-segment")
def not_gone_to(answer: Answer, ask: Ask) -> None:
    assert answer.get("location") == "/echo"


@of("cors/suffix", "cors/regex-dot", "cors/prefix", "cors/case", "cors/path-rule", "cors/two-origins")
def may_not_read(answer: Answer, ask: Ask) -> None:
    assert answer.get("access-control-allow-origin") is None
    allowed = ask("GET", "/api", [("Origin", "https://www.example.test")])
    assert allowed.get("access-control-allow-origin") == "https://www.example.test"


@of("cors/wildcard-credentials")
def a_mistake_at_start(answer: Answer, ask: Ask) -> None:
    assert answer.get("access-control-allow-origin") is None
    with pytest.raises(ConfigurationError):
        App().cors(["*"], credentials=True)


@of("cors/private-network")
def the_network_is_private(answer: Answer, ask: Ask) -> None:
    assert answer.get("access-control-allow-private-network") is None


@of("cors/preflight-method")
def not_this_method(answer: Answer, ask: Ask) -> None:
    assert "DELETE" not in (answer.get("access-control-allow-methods") or "")


@of("cors/preflight-headers")
def not_these_fields(answer: Answer, ask: Ask) -> None:
    allowed = answer.get("access-control-allow-headers") or ""
    assert "\x7f" not in allowed
    assert "*" not in allowed


@of("csrf/token-in-html")
def escaped(answer: Answer, ask: Ask) -> None:
    assert b"<script>" not in answer.body
    assert b"&lt;script&gt;" in answer.body


@of("csrf/breach")
def another_mask_each_time(answer: Answer, ask: Ask) -> None:
    name, _, seed = (answer.get("set-cookie") or "").partition(";")[0].partition("=")
    assert seed
    assert seed.encode() not in answer.body, "nor does the page hold what the token is made of"
    pages = (answer, ask("GET", "/csrf", [("Cookie", f"{name}={seed}")]))
    tokens = [TOKEN.findall(page.body)[0] for page in pages]
    assert tokens[0] != tokens[1]
    for token in tokens:
        fields = [("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", f"{name}={seed}")]
        assert ask("POST", "/csrf", fields, b"_csrf=" + token).body == b"changed", "and either will do"


@of("csrf/method-override")
def nothing_changed(answer: Answer, ask: Ask) -> None:
    assert answer.body != b"changed"


# --- bodies ---


@of("body-limits/per-route")
def each_route_its_own(answer: Answer, ask: Ask) -> None:
    assert answer.json() == {"bytes": 20 << 20}
    assert ask("POST", "/upload-little", body=b"x" * 11).status == 413
    assert ask("POST", "/upload-little", body=b"x" * 10).status == 200


# --- caches ---


def _ran(ask: Ask, path: str) -> int:
    return int(ask("GET", "/counted").json().get(path, 0))


@of("caching/vary-star")
def not_kept_as_it_varies(answer: Answer, ask: Ask) -> None:
    assert answer.get("vary") == "*"
    _runs_again(ask, "/cached-vary-star")


@of("caching/private-case")
def not_kept_as_it_is_private(answer: Answer, ask: Ask) -> None:
    _runs_again(ask, "/cached-private")


def _runs_again(ask: Ask, path: str) -> None:
    before = _ran(ask, path)
    ask("GET", path)
    assert _ran(ask, path) == before + 1


@of("caching/absent-vs-empty")
def absent_is_not_empty(answer: Answer, ask: Ask) -> None:
    absent = ask("GET", "/cached-vary")
    assert (answer.json(), absent.json()) == ({"tenant": ""}, {"tenant": None})
    assert answer.get("etag") != absent.get("etag")
    assert "x-tenant" in (answer.get("vary") or "").lower()


@of("compression/etag-weak")
def a_tag_of_this_coding(answer: Answer, ask: Ask) -> None:
    assert answer.get("content-encoding") == "gzip"
    assert "accept-encoding" in (answer.get("vary") or "").lower()
    plain = ask("GET", "/big").get("etag")
    assert plain
    assert answer.get("etag") == f"W/{plain}"


@of("compression/accept-weird")
def not_in_gzip(answer: Answer, ask: Ask) -> None:
    assert answer.get("content-encoding") != "gzip"


@of("rate-limit/ipv6-64")
def what_is_left_is_told(answer: Answer, ask: Ask) -> None:
    assert answer.get("ratelimit-remaining") is not None
