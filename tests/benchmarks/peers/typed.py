# What a peer's types say is not checked: it need not be installed, and not all of them have any.
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false
"""The peers that have typed handlers, each as its own documentation shows it. `typed.py` has ours, and what is asked."""

from typing import Annotated, Any

import msgspec


class Item(msgspec.Struct):
    name: str
    price: float
    tags: list[str]


class Answer(msgspec.Struct):
    id: int
    name: str
    n: int


def fastapi(colour: str) -> Any:
    from fastapi import Depends, FastAPI
    from pydantic import BaseModel

    class ItemModel(BaseModel):
        name: str
        price: float
        tags: list[str]

    class AnswerModel(BaseModel):
        id: int
        name: str
        n: int

    app = FastAPI()
    if colour == "async def":

        async def database() -> str:
            return "database"

        async def user(database: Annotated[str, Depends(database)]) -> str:
            return f"user of {database}"

        @app.post("/items/{id}")
        async def change(id: int, item: ItemModel, user: Annotated[str, Depends(user)], n: int = 3) -> AnswerModel:
            return AnswerModel(id=id, name=f"{item.name}, {user}", n=n)

    else:

        def database() -> str:
            return "database"

        def user(database: Annotated[str, Depends(database)]) -> str:
            return f"user of {database}"

        @app.post("/items/{id}")
        def change(id: int, item: ItemModel, user: Annotated[str, Depends(user)], n: int = 3) -> AnswerModel:
            return AnswerModel(id=id, name=f"{item.name}, {user}", n=n)

    return app


def litestar(colour: str) -> Any:
    from litestar import Litestar, post
    from litestar.di import Provide

    if colour == "async def":

        async def database() -> str:
            return "database"

        async def user(database: str) -> str:
            return f"user of {database}"

        provided = {"database": Provide(database), "user": Provide(user)}

        @post("/items/{id:int}", dependencies=provided, status_code=200)
        async def change(id: int, data: Item, user: str, n: int = 3) -> Answer:
            return Answer(id, f"{data.name}, {user}", n)

    else:
        waits = colour == "def"

        def database() -> str:
            return "database"

        def user(database: str) -> str:
            return f"user of {database}"

        provided = {
            "database": Provide(database, sync_to_thread=waits),
            "user": Provide(user, sync_to_thread=waits),
        }

        @post("/items/{id:int}", dependencies=provided, status_code=200, sync_to_thread=waits)
        def change(id: int, data: Item, user: str, n: int = 3) -> Answer:
            return Answer(id, f"{data.name}, {user}", n)

    return Litestar([change])
