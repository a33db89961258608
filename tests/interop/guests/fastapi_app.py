"""FastAPI: models, dependencies, background tasks, an upload, a WebSocket; `def` and `async def` side by side."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    Form,
    HTTPException,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    status,
)
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.sessions import SessionMiddleware

REPORT = Path(__file__).parent / "report.txt"
left: list[str] = []
jobs: list[str] = []


class NewItem(BaseModel):
    name: str
    price: float = 0


class Item(NewItem):
    id: int


items: dict[int, Item] = {1: Item(id=1, name="Chair", price=42)}


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {"greeting": "started", "loop": asyncio.get_running_loop()}


app = FastAPI(title="Guest", lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key="dev")


@app.middleware("http")
async def add_path_header(request: Request, call_next: Any) -> Response:
    response = await call_next(request)
    response.headers["x-path"] = request.url.path
    return response


@app.get("/", response_class=HTMLResponse)
async def index(request: Request) -> str:
    return f'<!doctype html><title>FastAPI</title><a href="{request.url_for("show_login")}">Log in</a>'


@app.get("/login", response_class=HTMLResponse)
def show_login() -> str:
    return '<form method="post"><input name="name"><button>Log in</button></form>'


@app.post("/login")
async def login(request: Request, name: Annotated[str, Form()]) -> Response:
    request.session["name"] = name
    return RedirectResponse(request.url_for("me"), status.HTTP_303_SEE_OTHER)


def current_name(request: Request) -> str:
    if "name" not in request.session:
        raise HTTPException(status.HTTP_302_FOUND, headers={"Location": str(request.url_for("show_login"))})
    return request.session["name"]


@app.get("/me", response_class=PlainTextResponse)
def me(name: Annotated[str, Depends(current_name)]) -> str:
    return f"Hello {name}"


@app.get("/logout")
async def logout(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse(request.url_for("index"))


@app.get("/api/items")
async def list_items() -> list[Item]:
    return list(items.values())


@app.post("/api/items", status_code=201)
def add_item(new: NewItem, response: Response, request: Request) -> Item:
    number = max(items) + 1
    items[number] = Item(id=number, **new.model_dump())
    response.headers["location"] = str(request.url_for("get_item", number=number))
    return items[number]


@app.get("/api/items/{number}")
async def get_item(number: int) -> Item:
    if number not in items:
        raise HTTPException(404, "no such item")
    return items[number]


@app.delete("/api/items/{number}", status_code=204)
def delete_item(number: int) -> None:
    del items[number]


@app.post("/upload")
async def upload(file: UploadFile, note: Annotated[str, Form()]) -> dict[str, Any]:
    content = await file.read()
    digest = hashlib.sha256(content).hexdigest()
    return {"name": file.filename, "size": len(content), "sha256": digest, "note": note}


@app.post("/unread", response_class=PlainTextResponse)
async def unread() -> str:
    return "not interested"


@app.get("/stream")
def stream(request: Request) -> StreamingResponse:
    def rows() -> Iterator[str]:
        for number in range(4):
            yield f"row {number} of {request.url.path}\n"
            time.sleep(0.02)

    return StreamingResponse(rows(), media_type="text/plain")


@app.get("/endless")
async def endless() -> StreamingResponse:
    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                await asyncio.sleep(0.01)
        finally:
            left.append("endless")

    return StreamingResponse(ticks(), media_type="text/plain")


@app.get("/left")
async def who_left() -> list[str]:
    return left


@app.get("/old")
async def old(request: Request) -> Response:
    return RedirectResponse(request.url_for("index"), 301)


@app.get("/report")
async def report() -> FileResponse:
    return FileResponse(REPORT)


@app.get("/cookies", response_class=PlainTextResponse)
async def cookies(request: Request, response: Response) -> str:
    response.set_cookie("first", "1", path=request.scope["root_path"] or "/")
    response.set_cookie("second", "2", httponly=True)
    return "two cookies"


@app.get("/echo/{rest:path}")
@app.post("/echo/{rest:path}")
@app.put("/echo/{rest:path}")
async def echo(rest: str, request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "rest": rest,
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode(),
        "root": request.scope["root_path"],
        "url": str(request.url),
        "base": str(request.base_url),
        "query": request.query_params.multi_items(),
        "client": request.client.host if request.client else None,
        "body": (await request.body()).decode(),
        "accept": ",".join(request.headers.getlist("accept")).replace(" ", ""),  # servers join fields as they like
        "x": request.headers.get("x-test"),
    }


@app.get("/boom")
def boom() -> str:
    raise RuntimeError("boom")


@app.get("/state")
async def state(request: Request) -> dict[str, Any]:
    same_loop = request.state.loop is asyncio.get_running_loop()
    return {"greeting": request.state.greeting, "same loop": same_loop}


def work() -> None:
    time.sleep(0.05)
    jobs.append("done")


@app.get("/jobs")
async def list_jobs() -> list[str]:
    return jobs


@app.post("/jobs", status_code=202)
async def start_job(tasks: BackgroundTasks) -> dict[str, bool]:
    tasks.add_task(work)
    return {"accepted": True}


@app.websocket("/ws")
async def socket(ws: WebSocket, token: str = "") -> None:
    if token == "wrong":
        await ws.close(status.WS_1008_POLICY_VIOLATION)
        return
    await ws.accept("chat" if "chat" in ws.scope["subprotocols"] else None)
    try:
        while True:
            message = await ws.receive_text()
            if message == "bye":
                await ws.close(4000, "asked to")
                return
            await ws.send_text(f"echo {message}")
    except WebSocketDisconnect:
        left.append("socket")
