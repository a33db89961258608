"""What a request said, as JSON."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

from ambi import JSON, HTTPError, Request, Response, Router, UploadFile

from .around import CODING_AS_SENT

routes = Router()

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
PROXY_FIELDS = frozenset((
    "connect-time", "total-route-time", "via", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto",
    "x-forwarded-protocol", "x-forwarded-ssl", "x-heroku-dynos-in-use", "x-heroku-queue-depth",
    "x-heroku-queue-wait-time", "x-real-ip", "x-request-id", "x-request-start", "x-varnish",
))  # fmt: skip
"""What proxies add; shown to those who ask with `show_env`."""

Reader = Callable[[Request], Any]


def describe(request: Request, *names: str, **more: object) -> dict[str, object]:
    """Give what is asked for of a request, by name: `describe(request, "url", "args")`."""
    return {name: READERS[name](request) for name in names} | more


def read_url(request: Request) -> str:
    """Give the URL. The scheme is the one a proxy names, whoever that is; an application believes only its own."""
    headers, url = request.headers, str(request.url)
    scheme = headers.get("x-forwarded-proto") or headers.get("x-forwarded-protocol")
    if scheme is None and headers.get("x-forwarded-ssl") == "on":
        scheme = "https"
    return url if scheme is None else f"{scheme}:{url.partition(':')[2]}"


def read_origin(request: Request) -> str | None:
    """Give the address of the client, or what a proxy says of it."""
    return request.headers.get("x-forwarded-for") or (request.client[0] if request.client else None)


def read_headers(request: Request) -> dict[str, str]:
    hidden = frozenset[str]() if "show_env" in request.query else PROXY_FIELDS
    shown = ((name, value) for name, value in request.headers.items() if name not in hidden)
    return {"Content-Encoding" if name == CODING_AS_SENT else name.title(): value for name, value in shown}


def is_form(request: Request) -> bool:
    return request.content_type[0] in FORMS


def read_form(request: Request) -> dict[str, Any]:
    if not is_form(request):
        return {}
    return gather((name, value) for name, value in request.form.pairs() if isinstance(value, str))


def read_files(request: Request) -> dict[str, Any]:
    if not is_form(request):
        return {}
    pairs = request.form.pairs()
    return gather((name, read_file(value)) for name, value in pairs if isinstance(value, UploadFile))


def read_file(file: UploadFile) -> str:
    return as_text(file.read(), file.content_type or "application/octet-stream")


def read_data(request: Request) -> str:
    return "" if is_form(request) else as_text(request.body, "application/octet-stream")


def read_json(request: Request) -> Any:
    """Give the body as JSON, whatever it says it is; None for what is no JSON."""
    if is_form(request):
        return None
    try:
        return request.app.json.loads(request.body)
    except (ValueError, RecursionError):
        return None


def as_text(data: bytes, content_type: str) -> str:
    """Give bytes as text: those that are no UTF-8 as a `data:` URL. See: RFC 2397."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return f"data:{content_type};base64,{b64encode(data).decode()}"


def gather(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Make a dict of pairs: a list for a name that comes more than once, else the value itself."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


READERS: dict[str, Reader] = {
    "url": read_url, "args": lambda request: gather(request.query.pairs()), "form": read_form, "data": read_data,
    "origin": read_origin, "headers": read_headers, "files": read_files, "json": read_json,
    "method": lambda request: request.method,
}  # fmt: skip
OF_A_BODY = ("url", "args", "form", "data", "origin", "headers", "files", "json")


@routes.get("/get")
async def get(request: Request) -> dict[str, object]:
    """Show a GET."""
    return describe(request, "url", "args", "headers", "origin")


@routes.post("/post")
def post(request: Request) -> dict[str, object]:
    """Show a POST, with its form or data."""
    return describe(request, *OF_A_BODY)


@routes.put("/put")
async def put(request: Request) -> dict[str, object]:
    """Show a PUT."""
    return describe(request, *OF_A_BODY)


@routes.patch("/patch")
def patch(request: Request) -> dict[str, object]:
    """Show a PATCH."""
    return describe(request, *OF_A_BODY)


@routes.delete("/delete")
async def delete(request: Request) -> dict[str, object]:
    """Show a DELETE."""
    return describe(request, *OF_A_BODY)


ANY_METHOD = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY")


@routes.route("/anything", methods=ANY_METHOD)
def anything(request: Request) -> dict[str, object]:
    """Show a request of any method."""
    return describe(request, "method", *OF_A_BODY)


@routes.route("/anything/{rest:path}", methods=ANY_METHOD)
async def anything_below(request: Request) -> dict[str, object]:
    """Show a request of any method, for any path."""
    return describe(request, "method", *OF_A_BODY)


@routes.error(400)
def show_malformed(request: Request, error: HTTPError) -> Response:
    """Show a form that cannot be read as an empty one, as httpbin does; other applications leave the 400 as it is."""
    if not is_form(request):
        raise error
    return JSON(describe(request, "method", "url", "args", "origin", "headers", form={}, files={}, data="", json=None))


@routes.get("/headers")
def headers(request: Request) -> dict[str, object]:
    """Show the header fields; with `?show_env` those of proxies too."""
    return describe(request, "headers")


@routes.get("/ip")
async def ip(request: Request) -> dict[str, object]:
    """Show the client's address."""
    return describe(request, "origin")


@routes.get("/user-agent")
def user_agent(request: Request) -> dict[str, object]:
    """Show the User-Agent."""
    return {"user-agent": request.headers.get("user-agent")}
