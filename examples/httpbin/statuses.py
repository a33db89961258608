"""/status: an answer of any status, with what belongs to some of them."""

import random
from math import isfinite

from ambi import JSON, HTTPError, Request, Response, Router

routes = Router()

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")
ACCEPTED = ["image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*"]
TEAPOT = r"""
    -=[ teapot ]=-

          _
      .--(_)--.   __
   __/         \ /  )
  (__  .     .  Y  /
     \  '---'   | /
      \_________|'
"""
CHALLENGE = 'Basic realm="Fake Realm"'


def answer(status: int) -> Response:
    """Make an answer of a status: a redirect says where to, a 401 what to send, a teapot shows itself."""
    if status in (301, 302, 303, 305, 307):
        return Response(status=status, headers={"location": "/redirect/1"})
    if status == 401:
        return Response(status=401, headers={"www-authenticate": CHALLENGE})
    if status == 402:
        return Response("First the money, please.", 402, {"x-more-info": "http://vimeo.com/22053820"})
    if status == 406:
        return JSON({"message": "None of the media types in Accept is one of these.", "accept": ACCEPTED}, 406)
    if status == 407:
        return Response(status=407, headers={"proxy-authenticate": CHALLENGE})
    if status == 418:
        return Response(TEAPOT, 418, {"x-more-info": "http://tools.ietf.org/html/rfc2324"})
    return Response(status=status)


@routes.route("/status/{codes}", methods=METHODS)
async def status(request: Request, codes: str) -> Response:
    """Answer with a status, or with one of several by chance: `200,404` or `200:9,500:1`."""
    choices = [read_choice(choice) for choice in codes.split(",")]
    weights = [weight for _, weight in choices]
    if not 0 < sum(weights) < float("inf"):
        raise HTTPError(400, "the weights of the status codes must have a sum over 0")
    return answer(random.choices([code for code, _ in choices], weights)[0])  # noqa: S311  # no secret


def read_choice(text: str) -> tuple[int, float]:
    """Read `code` or `code:weight`.

    Raises:
        HTTPError: 400 for what is neither, and for a code that no final answer can have: 1xx comes before one.
    """
    code, _, weight = text.partition(":")
    try:
        number, share = int(code), float(weight or 1)
    except ValueError:
        number, share = 0, 0
    if not 200 <= number <= 599 or not isfinite(share) or share < 0:
        raise HTTPError(400, f"{text[:40]!r} is no status code from 200 to 599, nor one with a weight, as 200:9")
    return number, share
