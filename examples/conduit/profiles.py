"""Other people, and following them."""

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from ambi import Router

from .database import add_once
from .errors import Refused, refuses
from .models import Follow, User
from .security import Me, Viewer
from .selections import profile_of
from .shapes import ProfileAnswer, Username

profiles = Router(tags=["Profile"])


@profiles.get("/profiles/{username}", responses=refuses(401, 404, 422))
def show_profile(username: Username, viewer: Viewer, database: Session) -> ProfileAnswer:
    """Get a profile."""
    user = user_named(username, database)
    follows = exists().where(Follow.followed_id == user.id, Follow.follower_id == viewer)
    return ProfileAnswer(profile_of(user, bool(database.scalar(select(follows)))))


@profiles.post("/profiles/{username}/follow", responses=refuses(401, 404, 422))
def follow(username: Username, me: Me, database: Session) -> ProfileAnswer:
    """Follow a user: what they write is in one's feed from now on."""
    user = user_named(username, database)
    add_once(database, insert(Follow).values(follower_id=me.id, followed_id=user.id))
    return ProfileAnswer(profile_of(user, following=True))


@profiles.delete("/profiles/{username}/follow", responses=refuses(401, 404, 422))
def unfollow(username: Username, me: Me, database: Session) -> ProfileAnswer:
    """Follow a user no more."""
    user = user_named(username, database)
    database.execute(delete(Follow).where(Follow.follower_id == me.id, Follow.followed_id == user.id))
    return ProfileAnswer(profile_of(user, following=False))


def user_named(username: str, database: Session) -> User:
    user = database.scalar(select(User).where(User.username == username))
    if user is None:
        raise Refused(404, {"profile": "not found"})
    return user
