"""Decorators give back the function that they are given, with its type; handlers of every kind are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, assert_type

from ambi import (
    HTML,
    JSON,
    App,
    BodyStream,
    CallNext,
    Event,
    File,
    HTTPError,
    JSONLines,
    Layer,
    Middleware,
    Redirect,
    Request,
    Response,
    Router,
    Stream,
    Text,
)

app = App()
router = Router(prefix="/api", name="api")


@app.get("/def/{id}", name="of", middleware=[], max_body_bytes=1000, csrf=False, tags=["a"])
def of_def(request: Request, id: int) -> str:
    return f"{request.method} {id}"


@router.post("/async")
async def of_async() -> dict[str, int]:
    return {"n": 1}


@app.put("/stream")
def of_stream(body: BodyStream) -> Iterator[bytes]:
    yield from body


@router.patch("/stream")
async def of_async_stream(body: BodyStream) -> AsyncIterator[str]:
    async for chunk in body:
        yield chunk.decode()


@router.delete("/both")
@app.query("/both")
@app.route("/both", methods=["GET", "POST"])
def of_both() -> None: ...


def called(request: Request) -> None:
    assert_type(of_def(request, 1), str)


of_def_again: Callable[[Request, int], str] = of_def
of_async_again: Callable[[], Coroutine[Any, Any, dict[str, int]]] = of_async
of_stream_again: Callable[[BodyStream], Iterator[bytes]] = of_stream
of_async_stream_again: Callable[[BodyStream], AsyncIterator[str]] = of_async_stream
assert_type(of_both, Callable[[], None])


class Items:
    """Methods as handlers."""

    def get(self) -> list[int]:
        return []


app.resource("/items", Items())


# --- answers ---


@app.get("/answers/{kind}")
def answer(kind: str) -> Response | str | tuple[str, int] | tuple[dict[str, str], int, dict[str, str]] | None:
    match kind:
        case "text":
            return Text("a", 201, {"x-a": "b"})
        case "html":
            return HTML("<p>")
        case "json":
            return JSON({"a": 1})
        case "redirect":
            return Redirect("/", 303)
        case "file":
            return File(__file__, filename="code.py")
        case "stream":
            return Stream(iter([b"a"]), "text/plain")
        case "lines":
            return JSONLines([1, 2])
        case "with status":
            return "a", 201
        case "with fields":
            return {"a": "b"}, 201, {"x-a": "b"}
        case _:
            raise HTTPError(404, "no such kind")


response = Response(b"", 200, {"x-a": "b"})
response.headers["x-b"] = "c"
response.set_cookie("a", "b")
assert_type(response.status, int)
assert_type(Event({"n": 1}, id="7").id, str | None)


# --- layers and errors ---


@app.middleware
def timing(request: Request) -> Middleware:
    response = yield
    assert_type(response, Response)
    if request.method == "GET":
        return Text("other")


@router.middleware(blocking=True, body=True)
def waiting(request: Request) -> Middleware:
    if not request.body:
        return "no body", 400
    yield


@app.middleware
async def awaiting(request: Request, call_next: CallNext) -> Response:
    response = await call_next(request)
    assert_type(response, Response)
    return response


timing_again: Callable[[Request], Middleware] = timing
waiting_again: Callable[[Request], Middleware] = waiting
awaiting_again: Callable[[Request, CallNext], Awaitable[Response]] = awaiting
assert_type(app.middleware(Layer(timing)), Layer)
app.surround(timing, rank=5)


@app.error(404)
def missing(request: Request, error: HTTPError) -> str:
    return f"no {request.path}: {error.detail}"


@router.error(KeyError)
async def no_key(request: Request, error: KeyError) -> tuple[str, int]:
    return str(error), 404


missing_again: Callable[[Request, HTTPError], str] = missing
no_key_again: Callable[[Request, KeyError], Coroutine[Any, Any, tuple[str, int]]] = no_key
app.include(router)


def wrong(request: Request) -> None:
    app.get("/", names="a")(of_both)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.get("/", name=1)(of_both)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.get("/")(1)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    app.route()(of_both)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.error("404")(missing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.include("api")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    of_def(request, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Text(b"bytes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.middleware(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
