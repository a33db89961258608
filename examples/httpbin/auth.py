"""Basic and Bearer, by the guards of `ambi.features.auth`, with httpbin's own refusals.

Each scheme is a router: an error handler of it makes of the guard's 401 what httpbin answers there.
"""

from hmac import compare_digest
from typing import Annotated

from ambi import HTTPError, Request, Response, Router
from ambi.features.auth import Basic, Bearer

from .statuses import answer

basic_routes = Router()
hidden_routes = Router()
bearer_routes = Router()


def check(request: Request, name: str, password: str) -> str | None:
    """Give the name where name and password are those in the path."""
    user, secret = request.path_params["user"], request.path_params["passwd"]
    same_name = compare_digest(name.encode(), user.encode())
    return name if compare_digest(password.encode(), secret.encode()) and same_name else None


def know(token: str) -> str:
    """Take every token for that of somebody known by it."""
    return token


basic = Basic(check, realm="Fake Realm", blocking=False)
bearer = Bearer(know, blocking=False)


@basic_routes.get("/basic-auth/{user}/{passwd}")
def basic_auth(who: Annotated[str, basic]) -> dict[str, object]:
    """Ask for the name and the password that are in the path."""
    return {"authenticated": True, "user": who}


@basic_routes.error(401)
def refuse_basic(request: Request, error: HTTPError) -> Response:
    return answer(401)


@hidden_routes.get("/hidden-basic-auth/{user}/{passwd}")
async def hidden_basic_auth(who: Annotated[str, basic]) -> dict[str, object]:
    """The same, but without saying so: the answer is a 404."""
    return {"authenticated": True, "user": who}


@hidden_routes.error(401)
def hide(request: Request, error: HTTPError) -> Response:
    return answer(404)


@bearer_routes.get("/bearer")
async def bearer_auth(token: Annotated[str, bearer]) -> dict[str, object]:
    """Ask for a token, and take any."""
    return {"authenticated": True, "token": token}


@bearer_routes.error(401)
def refuse_bearer(request: Request, error: HTTPError) -> Response:
    return Response(status=401, headers={"www-authenticate": "Bearer"})


routes = Router()
for scheme in (basic_routes, hidden_routes, bearer_routes):
    routes.include(scheme)
