"""A large upload with a progress bar, written to disk while it arrives; it is never in memory as a whole.

    python examples/upload.py       the standard library's server; there is nothing else to install
    gunicorn -k gthread --threads 8 examples.upload:app
    uvicorn examples.upload:app

Files go to the folder that UPLOAD_FOLDER names; without it, to one that is gone when the server stops.
"""

import os
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

try:
    from ambi import HTML, App, BodyStream, HTTPError, Middleware, Request
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None

MAX_BYTES = 4 * 1024**3


def lifespan() -> Iterator[Mapping[str, object]]:
    with TemporaryDirectory(prefix="ambi-upload-") as temporary:
        folder = Path(os.environ.get("UPLOAD_FOLDER") or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        yield {"folder": folder}


app = App(lifespan=lifespan)


@app.middleware
def security_headers(request: Request) -> Middleware:
    response = yield
    response.headers["content-security-policy"] = POLICY


@app.get("/")
def home() -> HTML:
    return HTML(PAGE)


@app.put("/files/{name}", max_body_bytes=MAX_BYTES)  # a limit of its own; the other routes keep the default
def upload(name: str, stream: BodyStream, request: Request) -> dict[str, object]:
    """Write the body to disk, chunk by chunk; while the disk is slow, the client waits.

    A plain `def`, since files block: under ASGI it runs in a worker thread.
    """
    check_name(name)
    folder: Path = request.state.folder
    part = folder / f".{token_hex(8)}.part"
    digest, size = sha256(), 0
    try:
        with part.open("xb") as file:
            for chunk in stream:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        part.replace(folder / name)  # complete, or not there at all
    finally:
        part.unlink(missing_ok=True)
    return {"name": name, "size": size, "sha256": digest.hexdigest()}


def check_name(name: str) -> None:
    """Refuse what could lead out of the folder, be hidden in it, or not be a name everywhere."""
    if name.startswith(".") or not name.isprintable() or set(name) & set('/\\:*?"<>|') or len(name.encode()) > 200:
        raise HTTPError(400, f"{name!r:.80} cannot be the name of a file here.")


STYLE = """
:root { color-scheme: light dark }
body { font: 1.05em/1.6 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 }
label { display: block; margin: 1.5rem 0 .3rem; font-weight: 600 }
input, button { font: inherit }
input { display: block; width: 100%; margin-bottom: .8rem }
button { padding: .3rem 1.1rem }
progress { width: 100%; height: 1.2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem }
dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere }
[hidden] { display: none }
"""
SCRIPT = """
const $ = id => document.getElementById(id);
const mebibytes = bytes => (bytes / 2 ** 20).toFixed(1) + " MiB";

$("form").onsubmit = event => {
  event.preventDefault();
  const file = $("file").files[0], limit = Number($("form").dataset.maxBytes);
  $("stored").hidden = true;
  if (file.size > limit) {
    $("status").textContent = `The file has ${mebibytes(file.size)}; the limit is ${mebibytes(limit)}.`;
    return;
  }
  const request = new XMLHttpRequest();  // fetch() tells nothing of an upload's progress
  request.upload.onprogress = ({loaded, total}) => {
    const percent = Math.floor(100 * loaded / total);
    $("bar").value = percent;
    $("status").textContent = `${percent} % of ${mebibytes(total)}`;
  };
  request.onload = () => finish(file, request);
  request.onerror = request.onabort = () => finish(file, null);
  request.open("PUT", "files/" + encodeURIComponent(file.name));
  request.setRequestHeader("content-type", "application/octet-stream");
  request.responseType = "json";
  request.send(file);
  $("cancel").onclick = () => request.abort();
  $("send").disabled = true;
  $("cancel").disabled = false;
  $("bar").value = 0;
};

async function finish(file, request) {
  $("send").disabled = false;
  $("cancel").disabled = true;
  if (request?.status !== 200) {
    $("status").textContent = request?.response?.detail ?? "The upload broke off.";
    return;
  }
  const stored = request.response;
  $("name").textContent = stored.name;
  $("size").textContent = `${mebibytes(stored.size)} (${stored.size.toLocaleString("en")} bytes)`;
  $("sha256").textContent = stored.sha256;
  $("stored").hidden = false;
  $("status").textContent = await verdict(file, stored.sha256);
}

// The browser wants a file in memory to hash it, and does it only for a secure context: HTTPS, or this machine.
async function verdict(file, expected) {
  if (!window.crypto.subtle || file.size > 2 ** 28) return "Stored.";
  $("status").textContent = "Stored; comparing …";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  const same = Array.from(hash, byte => byte.toString(16).padStart(2, "0")).join("") === expected;
  return same ? "Stored: both ends have the same SHA-256." : "Damaged on the way: the two ends differ!";
}
"""
PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upload</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
<h1>Upload</h1>
<p>The file is written to disk while it arrives.</p>
<form id="form" data-max-bytes="{MAX_BYTES}">
  <label for="file">A file, up to {MAX_BYTES // 1024**3} GiB</label>
  <input id="file" type="file" required>
  <button id="send">Upload</button>
  <button id="cancel" type="button" disabled>Cancel</button>
  <label for="bar">Progress</label>
  <progress id="bar" max="100" value="0"></progress>
  <p id="status" role="status">Nothing sent yet.</p>
</form>
<dl id="stored" hidden>
  <dt>Name</dt><dd id="name"></dd>
  <dt>Size</dt><dd id="size"></dd>
  <dt>SHA-256</dt><dd id="sha256"></dd>
</dl>
<script>{SCRIPT}</script>
</html>
"""
# The page runs its own script and no other: it is allowed by its hash.
POLICY = (
    f"default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; "
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
