"""The feed of `app.py` as it is written with Starlette: what the memory of a client is compared with."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.streaming.app import census, topic


async def follow(request: Request) -> Response:
    return StreamingResponse(topic.follow(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


async def tell(request: Request) -> Response:
    return JSONResponse(census() | {"pid": os.getpid()})


app = Starlette(
    routes=[
        Route("/async/feed", follow),
        Route("/census", tell),
    ]
)
