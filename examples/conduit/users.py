"""Signing up and in, and one's own account."""

from typing import Annotated

from msgspec import UNSET
from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ambi import Router
from ambi.features.auth import hash_password, needs_rehash, verify_password
from ambi.features.typed import Status

from .contract import NOTHING
from .errors import BODY, Refused, refuses
from .models import User
from .security import Me, make_token
from .settings import Settings
from .shapes import Account, AccountAnswer, LoginRequest, NewUserRequest, UserChangesRequest

users = Router(tags=["User and Authentication"])


@users.post("/users", responses=refuses(*BODY, 409))
def sign_up(body: NewUserRequest, database: Session, settings: Settings) -> Annotated[AccountAnswer, Status(201)]:
    """Register a new user."""
    new = body.user
    hashed = hash_password(new.password)  # before the transaction begins, which is at its first statement
    user = User(username=new.username, email=new.email, password_hash=hashed)
    save(database, user, new.username, new.email)
    return account_of(user, settings)


@users.post("/users/login", responses=refuses(401, *BODY))
def sign_in(body: LoginRequest, database: Session, settings: Settings) -> AccountAnswer:
    """Sign an existing user in."""
    query = select(User.id, User.password_hash).where(User.email == body.user.email)
    user_id, hashed = database.execute(query).one_or_none() or (None, None)
    database.rollback()  # a password takes long to check, and nobody is to wait for that
    # A user who is not there takes as long as a wrong password, and is told the same.
    if not verify_password(body.user.password, hashed) or hashed is None:
        raise Refused(401, {"credentials": "invalid"})
    if needs_rehash(hashed):
        stronger = hash_password(body.user.password)
        database.execute(update(User).where(User.id == user_id).values(password_hash=stronger))
    return account_of(database.get_one(User, user_id), settings)


@users.get("/user", responses=refuses(401))
def show_account(me: Me, settings: Settings) -> AccountAnswer:
    """Get the user who is signed in."""
    return account_of(me, settings)


@users.put("/user", responses=refuses(401, 409, *BODY))
def change_account(me: Me, body: UserChangesRequest, database: Session, settings: Settings) -> AccountAnswer:
    """Change the user who is signed in: what is given."""
    changes = body.user
    username = me.username if changes.username is UNSET else changes.username
    email = me.email if changes.email is UNSET else changes.email
    if changes.password is not UNSET:
        database.rollback()
        me.password_hash = hash_password(changes.password)
    if changes.bio is not UNSET:
        me.bio = changes.bio or None
    if changes.image is not UNSET:
        me.image = changes.image or None
    save(database, me, username, email)
    return account_of(me, settings)


def save(database: Session, user: User, username: str, email: str) -> None:
    """Save a user under a name and an address.

    Raises:
        Refused: somebody else has one of them. Asking beforehand would leave a moment for that.
    """
    try:
        with database.begin_nested():
            user.username, user.email = username, email
            database.add(user)
    except IntegrityError:
        rivals = select(User).where(or_(User.username == username, User.email == email))
        others = [other for other in database.scalars(rivals) if other is not user]
        taken = {"username": [o.username for o in others], "email": [o.email for o in others]}
        wanted = {"username": username, "email": email}
        raise Refused(409, {n: "has already been taken" for n in wanted if wanted[n] in taken[n]}) from None


def account_of(user: User, settings: Settings) -> AccountAnswer:
    token = make_token(user.id, settings)
    return AccountAnswer(Account(user.email, token, user.username, user.bio or NOTHING, user.image or NOTHING))
