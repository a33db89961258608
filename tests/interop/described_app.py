"""An application with a parameter of every kind, for clients that are made of its description."""

import enum
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic

from ambi import App, Event, HTTPError, Request, Router, UploadFile
from ambi.features.auth import Basic, Bearer
from ambi.features.typed import Body, Cookie, FileField, Form, Header, Query, Status


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Item(msgspec.Struct):
    """Something to sell."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str] = []
    colour: Colour | None = None
    ratio: Decimal | None = None
    since: datetime | None = None
    at: time | None = None
    parts: set[int] = msgspec.field(default_factory=set)
    raw: bytes = b""


class Node(msgspec.Struct):
    value: int
    children: list["Node"] = []


class Cat(msgspec.Struct, tag="cat"):
    lives: Annotated[int, msgspec.Meta(ge=0, le=9)]


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    name: str


@dataclass
class Point:
    x: float
    y: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)


class Address(TypedDict, total=False):
    street: str
    number: int


@attrs.define
class Wheel:
    spokes: int
    kind: Literal["steel", "wood"] = "steel"


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    number: Annotated[int, pydantic.Field(ge=1)]
    note: str | None = None
    lines: list[str] = []


class Filter(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    words: list[str] = []
    since: date | None = None
    colour: Colour = Colour.RED


class Contact(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    age: int | None = None
    colours: list[Colour] = []


app = App()
bearer = Bearer({"secret": "ci"})
basic = Basic({"ada": "lovelace"})
admins = bearer.requiring(lambda name: name == "admin", scope="admin")


# --- values of the path ---


@app.get("/path/{number}/{price}/{id}/{day}/{colour}/{size}/{kind}")
def of_path(
    number: int, price: float, id: UUID, day: date, colour: Colour, size: Size, kind: Literal["a", "b"]
) -> dict[str, str]:
    return {"id": str(id), "day": day.isoformat(), "colour": colour.value}


@app.get("/bounded/{page}")
async def bounded(page: Annotated[int, msgspec.Meta(ge=1, le=100)]) -> dict[str, int]:
    return {"page": page}


@app.get("/amounts/{amount:decimal}/{rest:path}")
async def amount(amount: Decimal, rest: str):
    return {"amount": str(amount), "rest": rest}


# --- the query, the header, cookies ---


@app.get("/query")
def of_query(
    number: int,
    ratio: float = 1.0,
    exact: bool = False,
    word: str | None = None,
    colour: Colour | None = None,
    size: Size = Size.SMALL,
    day: date | None = None,
    id: UUID | None = None,
    kind: Literal["a", "b"] = "a",
    numbers: list[int] = [],  # noqa: B006
    bounded: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1,
    short: Annotated[str, msgspec.Meta(max_length=3)] = "",
    checked: Annotated[int, pydantic.Field(ge=1)] = 1,
    from_: Annotated[str, Query("from", description="Where from", example="here")] = "",
) -> dict[str, int]:
    return {"number": number}


@app.get("/times")
async def of_times(
    at: datetime | None = None, hour: time | None = None, amount: Decimal | None = None, lasts: timedelta | None = None
) -> dict[str, str]:
    return {"at": str(at), "hour": str(hour), "amount": str(amount), "lasts": str(lasts)}


@app.get("/filter")
async def filtered(filter: Annotated[Filter, Query()]) -> Filter:
    return filter


@app.get("/header")
def of_header(
    x_token: Annotated[str, Header()],
    x_number: Annotated[int, Header()] = 0,
    sid: Annotated[str, Cookie()] = "",
    seen: Annotated[int | None, Cookie()] = None,
) -> dict[str, int]:
    return {"number": x_number}


# --- bodies ---


@app.post("/items", responses={409: "It is there already"}, tags=["items"])
def add_item(item: Item) -> Annotated[Item, Status(201)]:
    """Add an item.

    It is kept for a moment.
    """
    return item


@app.put("/items/{id:int}", tags=["items"])
async def put_item(id: int, item: Item, dry: bool = False) -> Item:
    if id == 0:
        raise HTTPError(404)
    return item


@app.post("/trees")
async def add_tree(tree: Node) -> Node:
    return tree


@app.post("/animals")
def add_animal(animal: Cat | Dog) -> Cat | Dog:
    return animal


@app.post("/points")
async def add_points(points: Annotated[list[Point], Body(description="All of them")]) -> list[Point]:
    return points


@app.patch("/addresses")
def change_address(address: Address) -> Address:
    return address


@app.post("/wheels")
def add_wheel(wheel: Wheel | None = None) -> Wheel | None:
    return wheel


@app.post("/orders")
async def add_order(order: Order) -> Order:
    return order


@app.post("/raw")
def raw(data: Annotated[bytes, Body("application/octet-stream")]) -> dict[str, int]:
    return {"bytes": len(data)}


@app.post("/text")
async def text(text: Annotated[str, Body("text/plain")]) -> str:
    return text


@app.post("/form")
def form(name: Annotated[str, Form()], age: Annotated[int, Form()] = 0) -> dict[str, str]:
    return {"name": name}


@app.post("/contact")
async def contact(contact: Annotated[Contact, Form()]) -> Contact:
    return contact


@app.post("/either")
def either(contact: Annotated[Contact, Body(), Form()]) -> Contact:
    return contact


@app.post("/upload")
def upload(file: UploadFile, note: Annotated[str, Form()], more: Annotated[list[UploadFile], FileField()] = []):  # noqa: B006
    return {"file": file.filename, "note": note, "more": len(more)}


# --- who may, and what streams ---


@app.get("/me")
def me(user: Annotated[str, bearer]) -> dict[str, str]:
    return {"name": user}


@app.get("/basic")
async def with_password(user: Annotated[str, basic]):
    return {"name": user}


@app.delete("/items/{id:int}", tags=["items"])
def delete_item(id: int, user: Annotated[str, admins]) -> None: ...


@app.get("/events")
async def events() -> AsyncIterator[Event]:
    yield Event("one")


@app.get("/lines")
def lines() -> Iterator[Item]:
    yield Item("one", 1.0)


@app.get("/old", deprecated=True)
def old(request: Request) -> str:
    return request.method


hooks = Router()


@hooks.post("/order-paid")
def order_paid(order: Order) -> None:
    """An order was paid."""


app.openapi(title="Everything", version="1", webhooks=hooks, tags={"items": "What there is to buy"})
