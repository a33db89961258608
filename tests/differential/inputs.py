"""What is sent: by subject, the tables of tests/data, the corpus, and generated requests, the same ones on each run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.core.vectors import cases
from tests.differential.apps import THEN
from tests.differential.exchange import Sent
from tests.fuzz.finding import of_corpus, small_body

SUBJECTS = ("query", "form", "cookies", "multipart", "range", "conditions", "static", "redirects")
URLENCODED = ("content-type", "application/x-www-form-urlencoded")
MULTIPART = ("content-type", "multipart/form-data; boundary=B")


def latin(text: str) -> str:
    """Give the latin-1 reading of a text that goes over the wire as UTF-8; of one that is in latin-1, as it is."""
    return text if all(c <= "\xff" for c in text) else text.encode().decode("latin-1")


def query(text: str) -> Sent:
    return Sent(f"/query?{text}")


def form(text: str) -> Sent:
    return Sent("/form", (URLENCODED,), text.encode("latin-1"), "POST")


def cookies(text: str) -> Sent:
    return Sent("/cookies", (("cookie", text),))


def multipart(body: bytes) -> Sent:
    return Sent("/form", (MULTIPART,), body, "POST")


def disposition(line: str) -> Sent:
    return multipart(f"--B\r\nContent-Disposition: {line}\r\n\r\nx\r\n--B--\r\n".encode("latin-1"))


def file(method: str = "GET", **fields: str) -> Sent:
    """Ask for the file, with fields whose names have underscores for hyphens."""
    return Sent("/file", tuple((name.replace("_", "-"), value) for name, value in fields.items()), b"", method)


def static(path: str, method: str = "GET", **fields: str) -> Sent:
    return file(method, **fields)._replace(target=f"/static{path}")


def redirect(to: str) -> Sent:
    return Sent(f"/to?to={quote(to, safe='')}")


# --- those that are known ---


def known(subject: str) -> Iterator[Sent]:
    """Give the requests of a subject that stand in a table."""
    yield from _KNOWN[subject]()


def _queries() -> Iterator[Sent]:
    yield from (query(latin(case["text"])) for case in cases("queries") if not set(case["text"]) & set("\r\n\0 #"))


def _forms() -> Iterator[Sent]:
    yield from (form(latin(case["text"])) for case in cases("queries"))
    yield from (form(body.decode("latin-1")) for body in of_corpus("form", small_body))


def _cookies() -> Iterator[Sent]:
    yield from (cookies(latin(case["header"])) for case in cases("cookies") if not set(case["header"]) & set("\r\n\0"))


def _multiparts() -> Iterator[Sent]:
    yield from (disposition(case["value"].encode().decode("latin-1")) for case in cases("dispositions"))
    yield from (multipart(case["body"].encode("latin-1")) for case in cases("multipart-refused"))
    for found in of_corpus("multipart", small_body):
        boundary = found.partition(b"\r\n")[0].removeprefix(b"--")
        yield multipart(found.replace(boundary, b"B") if 0 < len(boundary) < 70 else found)


RANGES = (
    "bytes=0-4", "bytes=5-", "bytes=-3", "bytes=0-0", "bytes=9-9", "bytes=9-20", "bytes=0-", "bytes=-20", "bytes=10-", "bytes=20-30",
    "bytes=5-4", "bytes=-0", "bytes=", "bytes=-", "bytes", "items=0-4", "BYTES=0-4", "bytes =0-4", "bytes= 0-4", "bytes=0 - 4",
    "bytes=0-4,6-7", "bytes=0-4,", "bytes=,0-4", "bytes=0-4,0-4", "bytes=0-1,5-4", "bytes=+0-4", "bytes=0-+4", "bytes=--4", "bytes=a-b",
    "bytes=0x0-4", "bytes=00-04", "bytes=0-99999999999999999999999", "bytes=99999999999999999999999-", "bytes=1_0-", "bytes=\xb2-",
    "bytes=0-4;x", "bytes=0-4=5", "", "bytes=0-1,20-30", "bytes=-5,-3", "none",
)  # fmt: skip
IF_RANGES = (
    "",
    '"v1"',
    '"v2"',
    'W/"v1"',
    THEN,
    "Sun, 06 Nov 1994 08:49:36 GMT",
    "Sun, 06 Nov 1994 08:49:38 GMT",
    "v1",
    "*",
    '"v1", "v2"',
    "x",
)
TAGS = (
    '"v1"', '"v2"', 'W/"v1"', "*", '"v0", "v1"', '"v0","v1"', 'W/"v0", W/"v1"', "v1", '"v1', 'v1"', "", " ", ",", '"a,v1"', '"v0" "v1"',
    '* , "v2"', 'w/"v1"', '"V1"', '"v0", v1', 'W/v1', '"v0", *', "'v1'", '"\xe9"', '"v1" ; x', "\t\"v1\"", '"v0",,"v1"', '"v1", junk',
)  # fmt: skip
DATES = (
    THEN, "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    "Mon, 06 Nov 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 09:49:37 +0100", "Sun, 06 Nov 1994 08:49:37 UTC", "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:60 GMT", "1994-11-06T08:49:37Z",
    "784111777", "Sun, 06 Nov 2994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 31 Feb 1995 08:49:37 GMT", "x", "0", "", "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT; length=10",
)  # fmt: skip


def _ranges() -> Iterator[Sent]:
    yield from (file(range=value) for value in RANGES)
    yield from (file(range="bytes=0-4", if_range=value) for value in IF_RANGES)
    yield from (file("HEAD", range=value) for value in ("bytes=0-4", "bytes=20-", "bytes=x"))


def _conditions() -> Iterator[Sent]:
    for method in ("GET", "HEAD"):
        yield from (file(method, if_none_match=tag) for tag in TAGS)
        yield from (file(method, if_match=tag) for tag in TAGS)
    for date in DATES:
        yield file(if_modified_since=date)
        yield file(if_unmodified_since=date)
        for tag in ('"v1"', '"v2"'):
            yield file(if_none_match=tag, if_modified_since=date)
            yield file(if_match=tag, if_unmodified_since=date)
    yield file(if_none_match='"v1"', range="bytes=0-4")
    yield file(if_none_match='"v2"', range="bytes=0-4")
    yield file(if_match='"v2"', range="bytes=0-4")


PATHS = (
    "/a.txt", "/sub/b.txt", "/sub/", "/sub", "/sub?x=1", "/", "", "/empty", "/empty/", "/missing", "/a.txt/", "/a.txt/x", "/%C3%BC.txt", "/a%20b.txt",
    "/.env", "/%2eenv", "/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/sub/../a.txt", "/sub/%2e%2e/a.txt", "/./a.txt", "//a.txt",
    "/sub//b.txt", "/sub%2fb.txt", "/sub%5cb.txt", "/..%5coutside.txt", "/a.txt%00", "/%00", "/a.txt%0a", "/link-out", "/link-in", "/%ff", "/%FC.txt",
    "/a.txt%20", "/A.TXT", "/archive.tar.gz", "//etc/passwd", "/%2fetc/passwd", "/sub/index.html", "/" + "x" * 300, "/sub/.", "/sub/..", "/sub%2f",
    "/a.txt?x", "/a%2Etxt", "/a%252Etxt", "/C:/a.txt", "/~", "/%7e/a", "/sub/index.html/",
)  # fmt: skip


def _statics() -> Iterator[Sent]:
    for path in PATHS:
        yield static(path)
        yield static(path, "HEAD")
    yield from (static("/a.txt", range=value) for value in ("bytes=0-4", "bytes=50-", "bytes=-2", "bytes=0-1,3-4"))
    yield from (static("/a.txt", if_modified_since=date) for date in DATES[:4])
    yield from (static(path, if_none_match="*") for path in ("/a.txt", "/missing", "/sub/"))
    yield from (static("/a.txt", method) for method in ("POST", "PUT", "DELETE", "OPTIONS"))


LOCATIONS = (
    "/a", "a", "./a", "../a", "?q=1", "#f", "/a?b=c&d=%20#f", "https://example.org/", "https://example.org/ü?ü#ü", "//example.org/a", "/a b", "/ü", "/%zz",
    "/%C3%BC", "/a%2Fb", "/{x}", "/[x]", "/a|b", "/a\"b", "/<a>", "/a\\b", "/\\example.org", "https:example.org", "javascript:alert(1)", "mailto:a@b.c",
    "/a'b", "/a`b", "/a^b", "/a~b", "/a!$&'()*+,;=:@", "https://example.org:8443/a", "https://user:pw@example.org/", "https://bücher.example/", "http://[::1]/",
    "/a\tb", " /a", "/a ", "/日本", "/a%", "/a;b?c;d", "*", "/a?b?c", "/a#b#c", "/%0d%0aset-cookie:%20a=b", "https://example.org", "/.", "/..//a",
)  # fmt: skip


def _redirects() -> Iterator[Sent]:
    yield from (redirect(to) for to in LOCATIONS)
    yield from (
        Sent(target)
        for target in (
            "/slash",
            "/slash?a=1&b=%20",
            "/slash/",
            "/slash//",
            "//slash",
            "/slash/?x",
            "/%73lash",
            "/slash%2f",
        )
    )
    yield from (redirect(to) for to in ("/a\r\nset-cookie: a=b", "/a\0b", "/a\x7fb", ""))


_KNOWN: dict[str, Any] = {
    "query": _queries, "form": _forms, "cookies": _cookies, "multipart": _multiparts, "range": _ranges, "conditions": _conditions,
    "static": _statics, "redirects": _redirects,
}  # fmt: skip

# --- those that are generated ---

_field = st.text("ab=&%+;?0Cc'\"<>", max_size=14) | st.sampled_from(
    ["\xc3\xbc=\xff", "%C3%BC", "%c3%", "a=%ff", "+%2B+", "&&", "a"]
)
_query_text = _field | st.lists(_field, max_size=4).map("&".join)
_cookie_text = st.lists(
    st.text('ab= "\\;0127,\t\xc3\xbc\xa0', max_size=8) | st.sampled_from(['a="b', "a=1", "a", "=", '"', 'q="\\073"', " a = b "]), max_size=4
).map("; ".join)  # fmt: skip
_piece = st.sampled_from([
    b"--B\r\n", b"--B--\r\n", b"\r\n", b"\r\n--B\r\n", b"\r\n--B--", b"--B \r\n", b'Content-Disposition: form-data; name="a"\r\n',
    b'Content-Disposition: form-data; name="f"; filename="x.txt"\r\n', b"Content-Type: text/plain; charset=latin-1\r\n", b"X: y\r\n", b"x", b"\xc3\xbc",
    b'Content-Disposition: form-data; name="a"\r\n\r\n', b"\n", b"--B", b"--", b'content-disposition: form-data; name=a; filename="\\"x\\\\"\r\n\r\n',
])  # fmt: skip
_content = st.binary(max_size=6) | st.sampled_from([b"", b"\r\n", b"--B", b"\r\n--Bx", b"\r", b"\n--B", b"\xff"])
_part = st.builds(
    lambda name, filename, content: (
        b'--B\r\nContent-Disposition: form-data; name="' + name + b'"' + filename + b"\r\n\r\n" + content + b"\r\n"
    ),
    st.sampled_from([b"a", b"b", b"\xc3\xbc", b"a b", b"a;b", b"a=b", b""]),
    st.sampled_from([b"", b'; filename="x.txt"', b"; filename=x", b'; filename=""', b'; filename="C:\\x"', b'; filename="a;b"']),
    _content,
)  # fmt: skip
_bodies = st.lists(_part, max_size=3).map(lambda parts: b"".join(parts) + b"--B--\r\n") | st.lists(
    _piece, max_size=8
).map(b"".join)
_number = st.sampled_from(["", "0", "1", "4", "9", "10", "11", "99"])
_range_text = st.builds("bytes={}-{}".format, _number, _number) | st.text("bytes=-,0 9", max_size=12).map(
    lambda t: f"bytes={t}"
)
_tag_list = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3).map(", ".join)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "if_none_match": _tag_list, "if_match": _tag_list, "if_modified_since": st.sampled_from(DATES),
        "if_unmodified_since": st.sampled_from(DATES), "range": _range_text, "if_range": st.sampled_from(IF_RANGES),
    },
)  # fmt: skip
_path = st.lists(
    st.sampled_from(["a.txt", "sub", "b.txt", "..", ".", "%2e%2e", "", "link-in", "link-out", ".env", "index.html", "static", "%2f", "empty", "x"]),
    max_size=4,
).map(lambda parts: "/" + "/".join(parts))  # fmt: skip
_location = st.text("ab/:?#[]@!$&'()*+,;=%20.~-_|\"<>\\^`{} üé", max_size=12).map(lambda t: f"/{t}") | st.sampled_from(
    LOCATIONS
)
_method = st.sampled_from(["GET", "GET", "HEAD"])

GENERATED: dict[str, st.SearchStrategy[Sent]] = {
    "query": _query_text.filter(lambda t: "#" not in t).map(query),
    "form": _query_text.map(form),
    "cookies": _cookie_text.filter(bool).map(cookies),
    "multipart": _bodies.map(multipart),
    "range": st.builds(
        lambda m, r, i: file(m, range=r, **({"if_range": i} if i else {})),
        _method,
        _range_text,
        st.sampled_from(IF_RANGES),
    ),
    "conditions": st.builds(lambda m, fields: file(m, **fields), _method, _fields),
    "static": st.builds(static, _path, _method),
    "redirects": _location.map(redirect),
}
