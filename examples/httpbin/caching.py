"""What caches go by, and answers whose header fields the request names.

Clients' tests compare entity tags as text, so these have no quotes, and are compared without: `response.etag` and
`request.check_conditions` are what an application uses.
"""

from time import time
from uuid import uuid4

from ambi import JSON, HTTPError, Request, Response, Router

from .answers import IndentedJSON, add_field
from .echo import describe, gather
from .statuses import answer

routes = Router()


def shown(request: Request) -> JSON:
    return JSON(describe(request, "url", "args", "headers", "origin"))


@routes.get("/cache")
def cache(request: Request) -> Response:
    """Answer 304 to a request that has a condition, whichever."""
    if request.headers.get("if-modified-since") or request.headers.get("if-none-match"):
        return answer(304)
    response = shown(request)
    response.etag, response.last_modified = uuid4().hex, time()
    return response


@routes.get("/cache/{value:int}")
async def cache_for(request: Request, value: int) -> Response:
    """Answer with a Cache-Control of so many seconds."""
    response = shown(request)
    response.headers["cache-control"] = f"public, max-age={value}"
    return response


@routes.get("/etag/{etag}")
def etag(request: Request, etag: str) -> Response:
    """Answer If-None-Match and If-Match for an entity tag."""
    if_none_match, if_match = tags(request, "if-none-match"), tags(request, "if-match")
    if if_match and not if_none_match and not {"*", etag} & if_match:
        return answer(412)
    response = answer(304) if {"*", etag} & if_none_match else shown(request)
    add_field(response, "etag", etag)
    return response


def tags(request: Request, field: str) -> set[str]:
    """Give the entity tags in a field, without `W/` and quotes."""
    parts = (part.strip() for part in request.headers.get(field, "").split(","))
    return {part.removeprefix("W/").strip('"') for part in parts if part}


@routes.route("/response-headers", methods=["GET", "POST"])
async def response_headers(request: Request) -> Response:
    """Answer with each argument as a header field, and with a body that shows them."""
    pairs = [(name, value) for name, value in request.query.pairs() if name.lower() != "content-type"]
    if any(name.lower() == "content-length" for name, _ in pairs):
        raise HTTPError(400, "the length of the body is what it is")
    kinds = [value for name, value in request.query.pairs() if name.lower() == "content-type"]
    content_type = kinds[-1] if kinds else "application/json"
    response = Response()
    for name, value in pairs:
        add_field(response, name, value)
    response.headers.pop("content-type", None)
    add_field(response, "content-type", content_type)
    response.body = with_own_length({**gather(pairs), "Content-Type": content_type})
    return response


def with_own_length(fields: dict[str, object]) -> bytes:
    """Write fields as JSON, with the length of that among them; it is found when writing it changes nothing more."""
    body, length = b"", -1
    while len(body) != length:
        length = len(body)
        body = IndentedJSON().dumps({**fields, "Content-Length": str(length)}).encode()
    return body
