"""Tokens, and who asks.

A token is a JWT of HS256: whose it is, and until when it is good. It is sent as `Authorization: Token ...`; `Bearer`
will do as well.

    viewer: Viewer       the id of who asks, or None: for what everybody may see
    me: Me, AsyncMe      the user who asks, loaded in the request's transaction; 401 without
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ambi import Request
from ambi.core.contract import Demand
from ambi.features.auth import Guard
from ambi.features.typed import Provide

from .errors import Refused
from .models import User
from .settings import Settings

LIFETIME = timedelta(days=30)
ALGORITHM = "HS256"
SCHEME = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token ` and a JWT"}
SCHEMES = ("token", "bearer")
CHALLENGE = {"www-authenticate": 'Token realm="Conduit"'}


def make_token(user_id: int, settings: Settings) -> str:
    """Make a token of a user."""
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + LIFETIME}
    return jwt.encode(claims, settings.secret, ALGORITHM)


def read_token(request: Request, token: str) -> int | None:
    """Give whose a token is; None where it is no good."""
    settings: Settings = request.state.settings
    try:
        claims = jwt.decode(token, settings.secret, [ALGORITHM], options={"require": ["sub", "exp"]})
        return int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None


class TokenGuard(Guard[int]):
    """Read the token of a request."""

    __slots__ = ()

    takes = ("token",)

    def __init__(self, *, required: bool) -> None:
        super().__init__(read_token, blocking=False, required=required)
        self.demand = Demand((401,), "Token", SCHEME, is_required=required)

    def read(self, request: Request) -> tuple[str] | None:
        scheme, token = request.authorization or ("", "")
        return (token,) if scheme in SCHEMES else None

    def refusal(self, request: Request, *, shown: bool) -> Refused:
        return Refused(401, {"token": "is invalid" if shown else "is missing"}, CHALLENGE)


Viewer = Annotated[int | None, TokenGuard(required=False)]
UserId = Annotated[int, TokenGuard(required=True)]


def load_me(user_id: UserId, database: Session) -> User:
    return known(database.get(User, user_id))


async def load_me_async(user_id: UserId, database: AsyncSession) -> User:
    return known(await database.get(User, user_id))


def known(user: User | None) -> User:
    """Give a user; whoever has a token of one that is gone gets a 401."""
    if user is None:
        raise Refused(401, {"token": "is invalid"}, CHALLENGE)
    return user


Me = Annotated[User, Provide(load_me)]
AsyncMe = Annotated[User, Provide(load_me_async)]
