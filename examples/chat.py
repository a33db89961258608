"""Rooms to talk in, over WebSockets, on a WSGI server as well as on an ASGI server.

    gunicorn -k gthread --threads 100 examples.chat:app      a thread for each page; pip install 'ambi[websocket]'
    uvicorn examples.chat:app                                pip install 'uvicorn[standard]'

Several processes or machines share the rooms through Redis: `pip install 'ambi[redis]'`, and

    BROADCAST_URL=redis://localhost/0 gunicorn -k gthread --threads 100 --workers 2 examples.chat:app
"""

import os
from asyncio import TaskGroup
from base64 import b64encode
from collections.abc import AsyncIterable
from contextlib import suppress
from hashlib import sha256

try:
    from ambi import HTML, App, Broadcast, Event, Middleware, Redirect, Request, WebSocket, WebSocketClosed
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None

app = App()
broadcast = Broadcast(os.environ.get("BROADCAST_URL", "memory://"), history=100)


@app.middleware
def security_headers(request: Request) -> Middleware:
    response = yield
    response.headers["content-security-policy"] = POLICY


@app.get("/")
def home() -> Redirect:
    return Redirect("rooms/lobby")


@app.get("/rooms/{room}")
def page(room: str) -> HTML:
    """Give the page, the same for all rooms: it takes the name of its room from its address."""
    return HTML(PAGE)


@app.websocket("/rooms/{room}", max_message_bytes=4096)
async def join(ws: WebSocket, room: str) -> None:
    """Pass on what is said in the room to this page, and what this page says to the room.

    Who comes gets the last hundred messages; who comes back after a lost connection, what was said since.
    """
    name = ws.query.get("name", "").strip()[:40] or "Somebody"
    channel = f"room:{room}"
    await ws.send_json({"worker": os.getpid()})
    async with broadcast.subscribe(channel, after=ws.query.get("after") or "0") as said, TaskGroup() as tasks:
        tasks.create_task(pass_on(said, ws))
        async for text in ws:
            if isinstance(text, str) and text.strip():
                broadcast.publish(channel, {"name": name, "text": text})
        said.close()  # the page has left; this ends `pass_on`


async def pass_on(said: AsyncIterable[Event], ws: WebSocket) -> None:
    with suppress(WebSocketClosed):
        async for event in said:
            await ws.send_json({"id": event.id, **event.data})
        await ws.close(1012)  # nothing more is heard from the room: the page shall come back


STYLE = """
:root { color-scheme: light dark }
body { font: 1.05em/1.6 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 }
form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: 1.5rem 0 }
label { font-weight: 600; flex: 3 1 14rem }
label:first-child { flex: 1 1 7rem }
input, button { font: inherit; padding: .3rem .6rem; box-sizing: border-box }
input { width: 100%; font-weight: 400 }
#said { height: 15rem; overflow-y: auto; border: 1px solid #8886; border-radius: .4rem; padding: .6rem 1rem }
#said p { margin: .2rem 0; overflow-wrap: anywhere }
#said b { margin-right: .6rem; color: #2a7 }
footer { opacity: .7; font-size: .9em }
"""
SCRIPT = """
const $ = id => document.getElementById(id);
let socket, last = "", delay = 500;

function connect() {
  const query = new URLSearchParams({name: $("name").value, after: last});
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[?#].*|$/, "?" + query));
  socket.onopen = () => { delay = 500; $("status").textContent = "Connected."; $("send").disabled = false; };
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.worker) { $("worker").textContent = message.worker; return; }
    last = message.id;
    show(message);
  };
  socket.onclose = () => {
    $("status").textContent = "Not connected; trying again …";
    $("send").disabled = true;
    setTimeout(connect, delay);
    delay = Math.min(2 * delay, 10_000);
  };
}

function show({name, text}) {
  const line = document.createElement("p"), who = document.createElement("b");
  who.textContent = name;  // text, never markup: this comes from strangers
  line.append(who, text);
  $("said").append(line);
  line.scrollIntoView({block: "nearest"});
}

$("form").onsubmit = event => {
  event.preventDefault();
  socket.send($("text").value);
  $("text").value = "";
};
$("name").onchange = () => { localStorage.setItem("name", $("name").value); socket.close(); };

$("name").value = localStorage.getItem("name") ?? "";
$("room").textContent = decodeURIComponent(location.pathname.split("/").at(-1));
connect();
"""
PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chat</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
<h1>Room: <span id="room"></span></h1>
<p id="status" role="status">Connecting …</p>
<div id="said" role="log" aria-label="What was said" tabindex="0"></div>
<form id="form">
  <label>Your name <input id="name" maxlength="40" placeholder="Somebody" autocomplete="nickname"></label>
  <label>Message <input id="text" maxlength="1000" required autocomplete="off"></label>
  <button id="send" disabled>Send</button>
</form>
<footer>Connected to process <span id="worker">…</span></footer>
<script>{SCRIPT}</script>
</html>
"""
# The page runs its own script and no other: it is allowed by its hash.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
)

if __name__ == "__main__":
    raise SystemExit("The standard library has no server for WebSockets; start this with one of:\n" + (__doc__ or ""))
