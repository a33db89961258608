"""The requests that the examples are tried with: by tests in both gateways, by the demo on real servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FORM = {"content-type": "application/x-www-form-urlencoded"}
AS_JSON = {"content-type": "application/json"}
BYTES = {"content-type": "application/octet-stream"}
MCP = {
    "host": "localhost:8000",  # the server answers to no strange name
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
}
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass(frozen=True)
class Exchange:
    """A request, and the status that its answer must have. An endless answer is left when it has begun."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    remark: str = ""
    endless: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.remark}".rstrip()


# One list for each file in examples/; every route of the app has to be in it.
EXCHANGES: dict[str, list[Exchange]] = {
    "chat": [
        Exchange("GET", "/", 303),
        Exchange("GET", "/rooms/lobby", 200),
        Exchange("HEAD", "/rooms/lobby", 200),
        Exchange("POST", "/rooms/lobby", 405),
    ],
    "feed": [
        Exchange("GET", "/", 200),
        Exchange("HEAD", "/", 200),
        Exchange("POST", "/posts", 204, FORM, b"text=Hello+%3Cworld%3E"),
        Exchange("POST", "/posts", 400, FORM, b"text=+"),
        Exchange("POST", "/posts", 400, FORM, b"other=1"),
        Exchange("POST", "/posts", 400, FORM, b"text=" + 501 * b"a"),
        Exchange("GET", "/events", 200, endless=True),
        Exchange("GET", "/events?after=no-id-at-all", 200, endless=True),
        Exchange("GET", "/events", 200, {"last-event-id": "1-0"}, endless=True, remark="again"),
        Exchange("HEAD", "/events", 200),
    ],
    "hello": [
        Exchange("GET", "/", 200),
        Exchange("HEAD", "/", 200),
        Exchange("GET", "/users/1", 200),
        Exchange("HEAD", "/users/1", 200),
        Exchange("GET", "/users/3", 404),
        Exchange("GET", "/users/3", 404, BROWSER, remark="as a browser"),
        Exchange("GET", "/users/ada", 404),
        Exchange("POST", "/greet", 200, FORM, b"name=Ada+%3CLovelace%3E"),
        Exchange("GET", "/greet", 405),
        Exchange("OPTIONS", "/greet", 204),
        Exchange("GET", "/breakfast", 200),
        Exchange("GET", "/breakfast/", 308),
        Exchange("GET", "/countdown", 200),
        Exchange("HEAD", "/countdown", 200),
        Exchange("GET", "/nowhere", 404),
        Exchange("GET", "/%FF", 400),
        Exchange("DELETE", "/users/1", 405),
    ],
    "mcp_anywhere": [
        Exchange("GET", "/", 200),
        Exchange("GET", "/teas/Sencha", 200),
        Exchange("GET", "/teas/Coffee", 404),
        Exchange("POST", "/mcp", 200, MCP, b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'),
        Exchange("POST", "/mcp", 421, {**MCP, "host": "tea.example"}, b"{}", remark="by a strange name"),
        Exchange("GET", "/nothing", 404),
    ],
    "techempower": [
        Exchange("GET", "/json", 200),
        Exchange("GET", "/plaintext", 200),
        Exchange("GET", "/db", 200),
        Exchange("GET", "/queries?queries=3", 200),
        Exchange("GET", "/queries?queries=3&queries=4", 422),
        Exchange("GET", "/cached-worlds?count=3", 200),
        Exchange("GET", "/fortunes", 200),
        Exchange("HEAD", "/fortunes", 200),
        Exchange("GET", "/updates?queries=3", 200),
        Exchange("POST", "/updates", 405),
    ],
    "todo_backend": [
        Exchange("GET", "/todos", 200),
        Exchange("POST", "/todos", 201, AS_JSON, b'{"title": "Buy tea", "order": 3}'),
        Exchange("POST", "/todos", 422, AS_JSON, b'{"title": ""}'),
        Exchange("POST", "/todos", 400, AS_JSON, b'{"title": ', remark="half of a body"),
        Exchange("POST", "/todos", 415, FORM, b"title=Buy+tea"),
        Exchange("OPTIONS", "/todos", 204, {"origin": "https://a.test", "access-control-request-method": "POST"}),
        Exchange("DELETE", "/todos", 204),
        Exchange("GET", "/todos/1", 404),
        Exchange("GET", f"/todos/{10**30}", 404, remark="a number beyond numbers"),
        Exchange("PATCH", "/todos/1", 404, AS_JSON, b'{"completed": true}'),
        Exchange("DELETE", "/todos/1", 204),
    ],
    "upload": [
        Exchange("GET", "/", 200),
        Exchange("HEAD", "/", 200),
        Exchange("PUT", "/files/notes%20%C3%BC.txt", 200, BYTES, b"streamed to disk"),
        Exchange("PUT", "/files/empty", 200, BYTES),
        Exchange("PUT", "/files/.hidden", 400, BYTES, b"x"),
        Exchange("PUT", "/files/a%5Cb", 400, BYTES, b"x"),
        Exchange("PUT", "/files/..%2Fb", 404, BYTES, b"x"),
        Exchange("PUT", f"/files/{300 * 'a'}", 400, BYTES, b"x"),
        Exchange("POST", "/files/notes.txt", 405),
    ],
}
