"""What is in the database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, String, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps no time zone, so it is taken off on the way in and put on again on the way out."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Model(DeclarativeBase):
    """What all tables are known to."""


class User(Model):
    """Somebody who has signed up.

    Attributes:
        name: as it is shown.
        key: the same without regard to case: no two users have one that looks alike.
    """

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    key: Mapped[str] = mapped_column(String(90), unique=True)
    password_hash: Mapped[str]
    joined_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Post(Model):
    """An entry of the guestbook.

    Attributes:
        ticket: of the form that it came by, so that a form that is sent twice is one post.
        image: the name of its picture's file; None without one.
        alt: what the picture shows.
    """

    __tablename__ = "post"
    __table_args__ = (UniqueConstraint("author_id", "ticket"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    ticket: Mapped[str] = mapped_column(String(32))
    text: Mapped[str]
    image: Mapped[str | None]
    alt: Mapped[str] = mapped_column(default="")
    written_at: Mapped[datetime] = mapped_column(Moment, default=now)
    changed_at: Mapped[datetime | None] = mapped_column(Moment)
