"""Images, by name or by what the client accepts. `File` gives them an entity tag and ranges."""

from ambi import File, Request, Response, Router

from .documents import FILES
from .statuses import answer

routes = Router()

NAMES = {
    "image/webp": "hill.webp", "image/svg+xml": "hill.svg", "image/jpeg": "hill.jpg", "image/png": "hill.png",
}  # fmt: skip
"""By media type; of those that a client likes alike, it is given the first."""


def picture(media_type: str) -> File:
    return File(FILES / NAMES[media_type], content_type=media_type)


@routes.get("/image")
async def image(request: Request) -> Response:
    """Give an image of the type that the client likes best.

    Of those it names: `*/*` alone names none, for which httpbin has a 406.
    """
    accept = request.headers.get("accept", "").lower()
    if not accept:
        return picture("image/png")
    named = [media_type for media_type in NAMES if media_type in accept]
    chosen = request.accepts(*named)
    if chosen is None and "image/*" in accept:
        chosen = request.accepts("image/png")
    return answer(406) if chosen is None else picture(chosen)


@routes.get("/image/webp")
async def webp() -> File:
    """Give an image as WebP."""
    return picture("image/webp")


@routes.get("/image/svg")
def svg() -> File:
    """Give an image as SVG."""
    return picture("image/svg+xml")


@routes.get("/image/jpeg")
async def jpeg() -> File:
    """Give an image as JPEG."""
    return picture("image/jpeg")


@routes.get("/image/png")
def png() -> File:
    """Give an image as PNG."""
    return picture("image/png")
