"""What is in the state: of requests, WebSockets and applications."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Protocol, TypedDict, assert_type

from ambi import App, CallNext, Middleware, Request, Response, Router, State, WebSocket


class Database:
    def ask(self) -> int:
        return 1


@dataclass
class Started:
    """What the lifespan yields."""

    db: Database
    name: str = "shop"


class ShopState(Protocol):
    """What handlers see: what the lifespan yielded, and what a layer adds."""

    db: Database
    user: str | None


class ShopDict(TypedDict):
    """The same by items."""

    db: Database
    user: NotRequired[str]


# --- of an application ---

app = App[ShopState]()
assert_type(app, App[ShopState])
assert_type(app.state, ShopState)
annotated: App[ShopState] = App()
bare = App()
assert_type(bare.state, Any)


class Shop(App[ShopState]):
    """A class of one's own."""


def once_started(own: Shop) -> None:
    assert_type(app.state.db, Database)
    assert_type(annotated.state.user, str | None)
    assert_type(own.state.db, Database)


@app.lifespan
async def start(app: App[ShopState]) -> AsyncIterator[Started]:
    yield Started(Database())


@bare.lifespan
def start_with_items() -> Iterator[ShopDict]:
    yield {"db": Database()}


start_again: Callable[[App[ShopState]], AsyncIterator[Started]] = start
App(lifespan=start_with_items)


def takes_any(app: App) -> None: ...


takes_any(app)
takes_any(bare)


# --- of a request ---


@app.get("/attributes")
def by_attributes(request: Request[ShopState]) -> int:
    assert_type(request.state, ShopState)
    assert_type(request.state.user, str | None)
    request.state.user = "alice"
    return request.state.db.ask()


@app.get("/items")
async def by_items(request: Request[ShopDict]) -> int:
    assert_type(request.state.get("user"), str | None)
    return request.state["db"].ask()


@app.get("/dataclass")
def by_what_was_yielded(r: Annotated[Request[Started], "the request"]) -> str:
    return r.state.name


@app.get("/bare")
def by_nothing(request: Request) -> str:
    assert_type(request, Request[Any])
    state: State = request.state
    state.user = "bob"
    return str(request.state.user)


@app.websocket("/socket")
async def talk(ws: WebSocket[ShopState]) -> None:
    assert_type(ws.state.db, Database)
    assert_type(ws.request, Request[ShopState])
    await ws.send(str(ws.state.user))


router = Router()


@router.middleware
def note_user(request: Request[ShopState]) -> Middleware:
    request.state.user = request.headers.get("x-user")
    yield


@router.middleware
async def check_user(request: Request[ShopState], call_next: CallNext) -> Response:
    return await call_next(request)


@router.error(KeyError)
def failed(request: Request[ShopState], error: KeyError) -> str:
    return f"{request.state.user}: {error}"


def helper(request: Request) -> str:
    return request.path


def passed_on(request: Request[ShopState]) -> str:
    return helper(request)


app.rate_limit("5/minute", by=passed_on)


def wrong(request: Request[ShopState], by_items: Request[ShopDict], ws: WebSocket[ShopState]) -> None:
    request.state.dv  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    request.state.db.sak()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    request.state.user = 1  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    by_items.state["dv"]  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    ws.state.dv  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    app.state.dv  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    app.state = 1  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
