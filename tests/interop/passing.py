"""What has to pass unchanged through whatever stands around the application."""

import gc
from typing import Any

from tests.interop.drivers import Answer, Site, ask_wsgi
from tests.interop.ours import Ours

FORM_TYPE = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\ncontent-disposition: form-data; name="title"\r\n\r\nA\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="f.txt"\r\ncontent-type: text/plain\r\n\r\n'
    + b"x" * 100_000
    + b"\r\n--b--\r\n"
)


def _cookies(answer: Answer) -> list[str]:
    """Give the beginnings of our cookies; those of a wrapper may stand beside them."""
    lines = [value[:7] for name, value in answer.lines if name == "set-cookie"]
    return [line for line in lines if line.startswith(("seen", "other"))]


def check_wsgi(app: Any, ours: Ours, prefix: str = "", *, streams: bool = True, **options: Any) -> None:
    """Hold a WSGI application, which leads to the ours below a prefix, to what the ours does by itself."""
    ask = lambda target, **more: ask_wsgi(app, prefix + target, **{**options, **more})  # noqa: E731
    hello = ask("/hello")
    assert (hello.status, hello.text, hello.headers["content-length"]) == (200, "hello", "5")
    head = ask("/hello", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
    assert ask("/where/x").json()["whose"] == ours.name
    assert ask("/echo", body=b"\x00\xff" * 50_000, headers={"content-type": "x/y"}).body == b"\x00\xff" * 50_000
    assert ask("/upload", body=FORM, headers={"content-type": FORM_TYPE}).json() == [
        "A",
        "f.txt",
        "text/plain",
        100_000,
    ]
    assert _cookies(ask("/cookie")) == ["seen=1;", "other=2"]
    assert [ask(path).status for path in ("/nowhere", "/teapot", "/boom")] == [404, 418, 500]
    assert ask("/teapot").headers["content-type"] == "application/problem+json"
    for path, items in (("/stream", [b"a\n", b"b\n"]), ("/stream-async", [b"a\n", b"b\n"]), ("/events", None)):
        ours.gate.clear() if streams else ours.gate.set()
        answer = ask(path, on_item=lambda item: ours.gate.set())
        assert answer.status == 200
        assert items is None or answer.items == items or (not streams and answer.items == [b"".join(items)])
        if items is None:
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.body.endswith(b"id: 1\ndata: one\n\nid: 2\ndata: two\n\n")
    for path in ("/endless", "/endless-async") if streams else ():
        assert ask(path, leaves=True).items == [b"x\n"]
        gc.collect()  # a wrapper that never calls close() (Elastic's) leaves it to this
    if streams:
        assert ours.closed == ["/endless", "/endless-async"]
    assert ours.life == ["start"]


async def check_asgi(
    site: Site, ours: Ours, prefix: str = "", *, root: str | None = None, websocket: bool = True, **options: Any
) -> None:
    """Hold an ASGI application, which leads to the ours below a prefix, to what the ours does by itself."""

    async def ask(target: str, **more: Any) -> Any:
        return await site.ask(prefix + target, **{**options, **more})

    hello = await ask("/hello")
    assert (hello.status, hello.text, hello.headers["content-length"]) == (200, "hello", "5")
    head = await ask("/hello", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
    assert (await ask("/where/x")).json()["whose"] == ours.name
    assert (await ask("/echo", body=b"\x00\xff" * 50_000, headers={"content-type": "x/y"})).body == b"\x00\xff" * 50_000
    upload = await ask("/upload", body=FORM, headers={"content-type": FORM_TYPE})
    assert upload.json() == ["A", "f.txt", "text/plain", 100_000]
    assert _cookies(await ask("/cookie")) == ["seen=1;", "other=2"]
    assert [(await ask(path)).status for path in ("/nowhere", "/teapot", "/boom", "/boom-def")] == [404, 418, 500, 500]
    assert (await ask("/teapot")).headers["content-type"] == "application/problem+json"
    for path in ("/stream", "/stream-async"):
        ours.gate.clear()
        assert (await ask(path, on_item=lambda item: ours.gate.set())).items == [b"a\n", b"b\n"]
    ours.gate.clear()
    events = await ask("/events", on_item=lambda item: ours.gate.set() if b"one" in item else None)
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body.endswith(b"id: 1\ndata: one\n\nid: 2\ndata: two\n\n")
    for path in ("/endless", "/endless-async"):
        assert (await ask(path, leaves=True)).items[0] == b"x\n"
    assert ours.closed == ["/endless", "/endless-async"]
    if websocket:
        await check_websocket(site, ours, prefix, prefix if root is None else root)
    assert ours.life == ["start"]


async def check_websocket(site: Site, ours: Ours, prefix: str = "", root: str = "") -> None:
    """Hold a WebSocket of the ours below a prefix to what it does by itself."""
    async with site.connect(prefix + "/ws") as socket:
        accepted = await socket.next()
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "chat")
        assert await socket.next() == f"{root}|/ws|{ours.name}"
        socket.say("text")
        assert await socket.next() == "text"
        socket.say(b"bytes")
        assert await socket.next() == b"bytes"
        socket.say("bye")
        closed = await socket.next()
        assert (closed["type"], closed["code"], closed["reason"]) == ("websocket.close", 4001, "done")
