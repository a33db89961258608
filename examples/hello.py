"""A first look at ambi: one file for any server.

Start it with one of these, in the folder above:

    python examples/hello.py       the standard library's server; there is nothing else to install
    gunicorn examples.hello:app    a WSGI server
    uvicorn examples.hello:app     an ASGI server
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from html import escape

try:
    from ambi import HTML, App, HTTPError, Middleware, Request
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None


async def lifespan() -> AsyncIterator[Mapping[str, object]]:
    """Make what all requests share; what stands after the `yield` runs when the server stops."""
    yield {"users": {1: "Ada", 2: "Grace"}}


app = App(lifespan=lifespan)


@app.middleware
def security_headers(request: Request) -> Middleware:
    response = yield  # the rest of the app runs here
    response.headers["content-security-policy"] = POLICY


@app.get("/")
def home() -> HTML:
    return HTML(PAGE)


@app.get("/users/{id}")
def user(id: int, request: Request) -> dict[str, object]:
    """Answer with JSON. `{id}` is a number because the parameter says so: /users/ada is a 404 by itself."""
    if id not in request.state.users:
        raise HTTPError(404, f"There is no user {id}.")
    return {"id": id, "name": request.state.users[id]}


@app.post("/greet")
def greet(request: Request) -> HTML:
    """Read a form. The body is there when the handler runs, so this works in an `async def` just the same."""
    return HTML(f"<p>Hello, {escape(request.form.field('name'))}!</p>")


@app.get("/breakfast")
async def breakfast() -> dict[str, str]:
    """Wait for two things at once, on a WSGI server too."""
    tea, toast = await asyncio.gather(make("tea"), make("toast"))
    return {"drink": tea, "food": toast}


@app.get("/countdown")
async def countdown() -> AsyncIterator[str]:
    """Stream: each line is sent when it is yielded."""
    for number in (3, 2, 1):
        yield f"{number}\n"
        await asyncio.sleep(0.2)
    yield "Lift-off!\n"


async def make(thing: str) -> str:
    await asyncio.sleep(0.2)
    return f"{thing} is ready"


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ambi</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark }
body { font: 1.1em/1.6 system-ui; max-width: 34em; margin: 2em auto; padding: 0 1em }
</style>
<h1>Hello from ambi</h1>
<p>One <code>app</code>, under a WSGI server and an ASGI server alike.</p>
<ul>
  <li><a href="users/1">A user</a>, as JSON, and <a href="users/3">one who is not there</a></li>
  <li><a href="breakfast">Breakfast</a>, from an <code>async def</code></li>
  <li><a href="countdown">A countdown</a>, streamed</li>
</ul>
<form action="greet" method="post"><input name="name" value="you"> <button>Greet</button></form>
</html>
"""

if __name__ == "__main__":
    from contextlib import suppress
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    class ThreadingServer(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with make_server("127.0.0.1", port, app, ThreadingServer) as server, suppress(KeyboardInterrupt):
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C to stop)")
        server.serve_forever()
