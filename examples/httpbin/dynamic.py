"""Answers that are made for each request."""

from base64 import urlsafe_b64decode
from uuid import uuid4

import anyio

from ambi import Request, Router

from .arguments import read_seconds
from .echo import describe

routes = Router()

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")
LONGEST_DELAY_S = 10


@routes.get("/uuid")
def uuid() -> dict[str, str]:
    """Give a random UUID."""
    return {"uuid": str(uuid4())}


@routes.get("/base64/{value}")
def decode_base64(value: str) -> str:
    """Decode base64, of the alphabet for URLs, to text: plain text, whatever is in it."""
    try:
        return urlsafe_b64decode(value.encode()).decode()
    except ValueError:
        return "That is no text in base64. Try /base64/SFRUUEJJTiBpcyBhd2Vzb21l\n"


@routes.route("/delay/{delay}", methods=METHODS)
async def delay(request: Request, delay: str) -> dict[str, object]:
    """Wait for so many seconds, at most ten, and show the request."""
    await anyio.sleep(read_seconds("the delay", delay, LONGEST_DELAY_S))
    return describe(request, "url", "args", "form", "data", "origin", "headers", "files")
