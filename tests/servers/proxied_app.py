"""What stands behind nginx: three applications, of which two believe what it says, each in its own words."""

from __future__ import annotations

from typing import Any

from ambi import App, Redirect, Request, Response, WebSocket


def told(request: Request) -> dict[str, Any]:
    return {
        "client": request.client and request.client[0], "url": str(request.url), "root_path": request.root_path,
        "link": request.url_for("home", absolute=True),
    }  # fmt: skip


def guest(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("content-type", "text/plain")])
    names = "REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO"
    return [" ".join(environ[name] for name in names).encode()]


def make() -> App:
    app = App()
    app.get("/", name="home")(told)
    app.get("/slash/")(told)
    app.mount("/guest", guest, interface="wsgi")

    @app.get("/async")
    async def tell_async(request: Request) -> dict[str, Any]:
        return told(request)

    @app.get("/go")
    def go(request: Request) -> Response:
        return Redirect(request.url_for("home", absolute=True))

    @app.get("/go-relative")
    def go_relative(request: Request) -> Response:
        return Redirect(request.url_for("home"))

    @app.get("/cookie")
    def cookie() -> Response:
        response = Response(b"")
        response.set_cookie("a", "b")
        return response

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.send_json(told(ws.request))

    return app


plain, believing, forwarded = make(), make(), make()
believing.proxy(
    trusted=["unix"],
    headers=["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix"],
)
forwarded.proxy(hops=1, headers=["forwarded"])
