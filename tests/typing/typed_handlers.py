"""Typed handlers: marks, what they say they return, providers and guards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, assert_type

import msgspec

from ambi import App, Request, UploadFile
from ambi.features.auth import Bearer
from ambi.features.typed import Body, Cookie, FileField, Form, Header, Provide, Query, Status


class Item(msgspec.Struct):
    name: str
    price: int = 0


@dataclass
class Session:
    name: str


@dataclass
class User:
    name: str


def open_session(request: Request) -> Iterator[Session]:
    yield Session(request.path)


def find_user(token: str) -> User | None:
    return User(token)


app = App()
app.provide(Session, open_session)
bearer = Bearer(find_user)


@app.post("/items/{shop}")
def add(
    shop: str,
    item: Item,
    session: Session,
    user: Annotated[User, bearer],
    q: Annotated[str | None, Query(alias="search")] = None,
    agent: Annotated[str, Header()] = "",
    seen: Annotated[bool, Cookie()] = False,
) -> Annotated[Item, Status(201)]:
    assert_type(q, str | None)
    assert_type(user, User)
    return Item(f"{shop} {item.name} {session.name} {user.name} {agent} {seen}")


@app.post("/upload")
async def upload(
    title: Annotated[str, Form()],
    files: Annotated[list[UploadFile], FileField()],
    session: Annotated[Session, Provide(open_session, scope="request")],
) -> list[Item]:
    return [Item(title, len(files)), Item(session.name)]


@app.put("/raw")
def raw(data: Annotated[bytes, Body("application/octet-stream")]) -> int:
    return len(data)


assert_type(add("a", Item("b"), Session("c"), User("d")), Item)


def test_double() -> None:
    def other() -> Session:
        return Session("other")

    with app.override({open_session: other}):
        pass


def wrong() -> None:
    app.provide(Session)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.provide(Session, open_session, scope="apps")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Query(aliases="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Status("201")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
