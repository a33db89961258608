"""Questions about the head of a request: what of it reaches a handler, and what is refused before."""

from __future__ import annotations

import json

from tests.servers.probes.expectations import must_answer, must_answer_json
from tests.servers.probing import Section, must_equal
from tests.servers.processes import Running

section = Section("What a request says")


@section.probe
def the_query_is_decoded_in_order(server: Running) -> None:
    """The query is decoded, in order, with repeated and empty arguments."""
    pairs = [["a", "1"], ["a", "2"], ["b", ""], ["ü", "x y"], ["c", "+"]]
    must_answer_json(server.get("/query?a=1&a=2&b=&%C3%BC=x+y&c=%2B"), pairs)


@section.probe
def the_path_is_decoded_once(server: Running) -> None:
    """The path is decoded as UTF-8, exactly once."""
    for target, wanted in [("caf%C3%A9/%e2%98%83", "café/☃"), ("a%20b+c", "a b+c"), ("100%25", "100%")]:
        must_answer_json(server.get(f"/path/{target}"), wanted)


@section.probe
def an_escaped_escape_stays_one(server: Running) -> None:
    """`%252F` in the path is the text `%2F`."""
    must_answer_json(server.get("/path/a%252Fb"), "a%2Fb")


@section.probe
def an_escaped_slash_is_a_slash(server: Running) -> None:
    """`%2F` in the path is a slash in it."""
    must_answer_json(server.get("/path/a%2Fb"), "a/b")


@section.probe
def a_path_that_is_no_text_is_refused(server: Running) -> None:
    """A path that is not UTF-8 is answered with 400."""
    must_answer(server.get("/path/%ff"), 400)


@section.probe
def an_absolute_target_is_understood(server: Running) -> None:
    """`GET http://host/path` is the same request as `GET /path`."""
    answer = server.get(f"http://127.0.0.1:{server.port}/where")
    must_answer(answer, 200)
    must_equal("the path", json.loads(answer.body)["path"], "/where")


@section.probe
def the_request_knows_where_it_came_in(server: Running) -> None:
    """Scheme, host, client, path and link are the same from every server."""
    host = f"127.0.0.1:{server.port}"
    wanted = {
        "scheme": "http",
        "host": host,
        "client": "127.0.0.1",
        "root": "",
        "path": "/where",
        "link": "/where",
        "url": f"http://{host}/where?q=1",
    }
    answer = server.get("/where?q=1")
    must_answer(answer, 200)
    seen = json.loads(answer.body)
    for name, value in wanted.items():
        must_equal(name, str(seen[name]).replace(host, "HOST"), value.replace(host, "HOST"))


@section.probe
def repeated_fields_are_joined(server: Running) -> None:
    """A field that comes twice is one field with a comma."""
    answer = server.get("/fields/x-two", ("X-Two", "a"), ("X-Two", "b"))
    must_answer(answer, 200)
    must_equal("the field", [part.strip() for part in (json.loads(answer.body) or "").split(",")], ["a", "b"])


@section.probe
def repeated_cookie_fields_are_joined(server: Running) -> None:
    """Two Cookie fields are the cookies of both."""
    answer = server.get("/cookies", ("Cookie", "a=1"), ("Cookie", "b=2"))
    must_answer(answer, 200)
    must_equal("the cookies, as JSON,", answer.body.replace(b", ", b","), b'{"a":"1","b":"2"}')


@section.probe
def a_field_with_an_underscore_is_dropped(server: Running) -> None:
    """`X_Secret` is not taken for `X-Secret`."""
    must_answer_json(server.get("/fields/x-secret", ("X_Secret", "spoofed")), None)


@section.probe
def bytes_in_a_field_are_latin_1(server: Running) -> None:
    """Bytes above ASCII in a field are read as Latin-1."""
    must_answer_json(server.get("/fields/x-name", ("X-Name", "caf\xe9")), "café")


@section.probe
def a_malformed_host_is_refused(server: Running) -> None:
    """A malformed Host is answered with 400."""
    for host in ("exa mple", "user@example", "example/path", "example:port", "[::1"):
        must_equal(f"the status with Host {host!r}", server.get("/def/hello", ("Host", host)).status, 400)


@section.probe
def two_hosts_are_refused(server: Running) -> None:
    """Two Host fields are answered with 400."""
    must_answer(server.get("/def/hello", ("Host", "one.example"), ("Host", "two.example")), 400)


@section.probe
def a_target_that_is_too_long_is_refused(server: Running) -> None:
    """A target of 9,000 bytes is answered with 414."""
    must_answer(server.get("/def/hello?" + "x" * 9000), 414)


@section.probe
def too_many_fields_are_refused(server: Running) -> None:
    """120 fields are answered with 431."""
    must_answer(server.get("/def/hello", *((f"X-{number}", "x") for number in range(120))), 431)
