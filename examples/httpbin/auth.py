"""Basic, by the guard of `ambi.features.auth`, and Bearer.

Either kind of Basic is a router: an error handler of it makes of the guard's 401 what httpbin answers there.
"""

from hmac import compare_digest
from typing import Annotated

from ambi import JSON, HTTPError, Request, Response, Router
from ambi.features.auth import Basic

from .statuses import answer

basic_routes = Router()
hidden_routes = Router()


def check(request: Request, name: str, password: str) -> str | None:
    """Give the name where name and password are those in the path."""
    user, secret = request.path_params["user"], request.path_params["passwd"]
    same_name = compare_digest(name.encode(), user.encode())
    return name if compare_digest(password.encode(), secret.encode()) and same_name else None


basic = Basic(check, realm="Fake Realm", blocking=False)


@basic_routes.get("/basic-auth/{user}/{passwd}")
def basic_auth(who: Annotated[str, basic]) -> dict[str, object]:
    """Ask for who is in the path, by Basic."""
    return {"authenticated": True, "user": who}


@basic_routes.error(401)
def refuse_basic(request: Request, error: HTTPError) -> Response:
    return answer(401)


@hidden_routes.get("/hidden-basic-auth/{user}/{passwd}")
async def hidden_basic_auth(who: Annotated[str, basic]) -> dict[str, object]:
    """The same without saying so: to others the answer is a 404."""
    return {"authenticated": True, "user": who}


@hidden_routes.error(401)
def hide(request: Request, error: HTTPError) -> Response:
    return answer(404)


routes = Router()
for scheme in (basic_routes, hidden_routes):
    routes.include(scheme)


@routes.get("/bearer")
async def bearer_auth(request: Request) -> Response:
    """Ask for a token, and take any: also those that RFC 6750 does not know, which the guard `Bearer` refuses."""
    scheme, token = request.authorization or ("", "")
    if scheme != "bearer":
        return Response(status=401, headers={"www-authenticate": "Bearer"})
    return JSON({"authenticated": True, "token": token})
