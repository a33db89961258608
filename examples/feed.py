"""A live feed over server-sent events, that a page goes on with after a reload: nothing missed, nothing twice.

    python examples/feed.py       the standard library's server; there is nothing else to install
    gunicorn -k gthread --threads 100 examples.feed:app      a thread for each page that is open
    uvicorn examples.feed:app

Several processes or machines share a feed through Redis: `pip install 'ambi[redis]'`, and

    BROADCAST_URL=redis://localhost/0 gunicorn -k gthread --threads 100 --workers 2 examples.feed:app
"""

import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

try:
    from ambi import HTML, SSE, App, Broadcast, Event, HTTPError, Middleware, Request
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None

app = App()
broadcast = Broadcast(os.environ.get("BROADCAST_URL", "memory://"), history=200)


@app.middleware
def security_headers(request: Request) -> Middleware:
    response = yield
    response.headers["content-security-policy"] = POLICY


@app.get("/")
def home() -> HTML:
    return HTML(PAGE)


@app.post("/posts")
def post(request: Request) -> None:
    text = request.form.field("text").strip()
    if not 0 < len(text) <= 500:
        raise HTTPError(400, "A post has 1 to 500 characters.")
    broadcast.publish("feed", text).wait()  # answered when it is in the feed


@app.get("/events")
def events(request: Request) -> SSE:
    """Begin after what the page has seen.

    A browser that lost the connection says so itself, in Last-Event-ID; a page that was loaded anew has to remember
    it. One that comes for the first time gets what the feed still has.
    """
    return SSE(feed(request.last_event_id or request.query.get("after") or "0"), retry=1000)


async def feed(after: str) -> AsyncIterator[Event]:
    """Give the events of the feed. An `async def`: on an event loop, waiting takes no thread."""
    yield Event(str(os.getpid()), event="worker")
    async with broadcast.subscribe("feed", after=after) as posts:
        async for event in posts:
            yield event


STYLE = """
:root { color-scheme: light dark }
body { font: 1.05em/1.6 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 }
form { display: flex; gap: .6rem; align-items: end; margin: 1.5rem 0 }
label { flex: 1; font-weight: 600 }
input, button { font: inherit; padding: .3rem .6rem; box-sizing: border-box }
input { width: 100%; font-weight: 400 }
ol { list-style: none; padding: 0 }
li { padding: .5rem .8rem; border-left: 3px solid #2a7; margin: .5rem 0; background: #8881; overflow-wrap: anywhere }
footer { opacity: .7; font-size: .9em }
"""
SCRIPT = """
const $ = id => document.getElementById(id);
// What was seen, and the id of the last of it: written together, so that they agree whenever the page is left.
const seen = JSON.parse(localStorage.getItem("feed")) ?? {last: "", posts: []};

function show(text) {
  const item = document.createElement("li");
  item.textContent = text;  // text, never markup
  $("posts").prepend(item);
}

function connect() {
  const source = new EventSource("events?after=" + encodeURIComponent(seen.last));
  source.addEventListener("worker", ({data}) => { $("worker").textContent = data; });
  source.onopen = () => { $("status").textContent = "Live."; };
  source.onmessage = ({data, lastEventId}) => {
    seen.last = lastEventId;
    seen.posts = [...seen.posts, data].slice(-200);
    localStorage.setItem("feed", JSON.stringify(seen));
    show(data);
  };
  source.onerror = () => {
    $("status").textContent = "Connection lost; coming back …";
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);  // else it comes back by itself
  };
}

$("form").onsubmit = async event => {
  event.preventDefault();
  const response = await fetch("posts", {method: "POST", body: new URLSearchParams(new FormData($("form")))});
  if (response.ok) $("form").reset();
  else $("status").textContent = (await response.json()).detail;
};

seen.posts.forEach(show);
connect();
"""
PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Feed</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
<h1>Feed</h1>
<p>Open it twice, post something, reload, stop the server and start it again.</p>
<form id="form">
  <label>New post <input id="text" name="text" maxlength="500" required autocomplete="off"></label>
  <button id="post">Post</button>
</form>
<p id="status" role="status">Connecting …</p>
<ol id="posts" aria-label="Posts, the latest first" aria-live="polite"></ol>
<footer>The feed comes from process <span id="worker">…</span></footer>
<script>{SCRIPT}</script>
</html>
"""
# The page runs its own script and no other: it is allowed by its hash.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
)

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
