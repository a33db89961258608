"""What is loaded when, and how much of it. Nothing is served to a client here, so there is no cell.

Which module may import which is held by import-linter (`nox -s arch`); these tests hold what happens at run time.
"""

import ast
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import ambi
from tests.children import run_python

PACKAGE = Path(ambi.__file__).parent
CORE = sorted((PACKAGE / "core").glob("*.py"))
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "ambi."))

SERVE_OVER_WSGI = """
import io, sys
from ambi import App, Middleware, Request, Router

app = App(allowed_hosts=["shop.example"])

@app.middleware
def mark(request: Request) -> Middleware:
    response = yield
    response.headers["x-path"] = request.path

@app.middleware(blocking=True)
def wait(request: Request) -> Middleware:
    yield

@app.error(KeyError)
def handle(request, error):
    return "handled"

@app.get("/users/{id}")
def user(request: Request, id: int):
    return {"id": id, "q": request.query.get("q"), "c": request.cookies, "h": dict(request.headers)}

@app.post("/echo")
def echo(request: Request):
    return request.json()

@app.get("/error")
def error():
    raise KeyError

@app.get("/stream")
def stream():
    yield "a"

def ask(path, body=b""):
    environ = {
        "REQUEST_METHOD": "POST" if body else "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "q=1",
        "SERVER_NAME": "inside", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_COOKIE": "a=b",
        "HTTP_HOST": "shop.example", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json",
    }
    statuses = []
    chunks = app(environ, lambda status, headers, exc_info=None: statuses.append(status))
    body = b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return statuses[0], body

assert ask("/users/7")[1].startswith(b'{"id":7')
assert ask("/echo", b'[1]') == ("200 OK", b"[1]")
assert ask("/error") == ("500 Internal Server Error", b"handled")
assert ask("/stream") == ("200 OK", b"a")
assert ask("/missing")[0] == "404 Not Found"
assert ask("/users/x")[0] == "404 Not Found"
loaded = {name.partition(".")[0] for name in sys.modules}
"""


@pytest.mark.parametrize(
    "unwanted",
    [
        "asyncio", "anyio", "trio", "concurrent", "logging", "multipart", "socket", "ssl", "email", "http", "tempfile", "decimal", "uuid",
        "typing_extensions",
    ],
)  # fmt: skip
def test_serving_a_def_over_wsgi_loads_nothing_it_does_not_need(unwanted: str, loaded_by_serving: set[str]) -> None:
    assert unwanted not in loaded_by_serving


@pytest.fixture(scope="module")
def loaded_by_serving() -> set[str]:
    """Give the top-level modules that serving a `def` over WSGI has loaded, in a process that did nothing else."""
    return set(run_python(SERVE_OVER_WSGI + "print(*sorted(loaded))", "-S").split())


def test_an_async_handler_is_what_loads_an_event_loop() -> None:
    lines = run_python(
        SERVE_OVER_WSGI
        + """
assert "asyncio" not in sys.modules

@app.get("/async")
async def asynchronous():
    return "async"

assert "asyncio" not in sys.modules, "registering is not serving"
assert ask("/async") == ("200 OK", b"async")
print("asyncio" in sys.modules, "anyio" in sys.modules)
"""
    )
    assert lines.split() == ["True", "False"]


def test_every_module_can_be_imported_first() -> None:
    """There is no order that works by chance."""
    run_python(f"""
import importlib, sys
for name in {MODULES!r}:
    for loaded in [module for module in sys.modules if module.partition(".")[0] == "ambi"]:
        del sys.modules[loaded]
    importlib.import_module(name)
""", timeout_s=120)  # fmt: skip


IMPURE = {
    "anyio", "asyncio", "concurrent", "gevent", "logging.handlers", "multiprocessing", "queue", "select", "selectors", "signal", "sniffio",
    "socket", "socketserver", "ssl", "subprocess", "threading", "_thread", "trio", "wsgiref",
}  # fmt: skip


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_the_core_imports_no_thread_and_no_loop(path: Path) -> None:
    """Wherever in the file the import stands, and whether for typing only or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            names.add("above the core")
    assert not {name for name in names if name.partition(".")[0] in IMPURE or name == "above the core"}


def test_importing_is_fast(tmp_path: Path) -> None:
    """At most half of what bottle takes, the fastest to import of the known ones."""
    pytest.importorskip("bottle", reason="bottle, which it is measured against, is not installed")
    # Processor time is less noisy than the clock, two processes in turn less than two series, and the least of each
    # less than the middle: what else a machine does only ever adds. Where that was much, it is measured for longer.
    measure = "import time; begun = time.process_time(); import {}; print(time.process_time() - begun)"
    times: dict[str, list[float]] = {"ambi": [], "bottle": []}
    for turn in range(60):
        for name, found in times.items():
            cache = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
            seconds = float(run_python(measure.format(name), "-W", "default", variables=cache))
            if turn:  # the first one of each has to compile
                found.append(seconds)
        if turn > 10 and min(times["ambi"]) <= min(times["bottle"]) / 2:
            break
    ours, theirs = min(times["ambi"]), min(times["bottle"])
    print(f"import ambi: {ours * 1000:.1f} ms, import bottle: {theirs * 1000:.1f} ms")
    assert ours <= theirs / 2


def test_the_runtime_needs_three_packages() -> None:
    imported: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.partition(".")[0])
    import sys

    # trio is imported where it runs already, and pytest by what pytest loads; so they are there.
    assert imported - sys.stdlib_module_names - {"trio", "pytest"} <= {
        "anyio",
        "multipart",
        "typing_extensions",
        *EXTRAS,
        *FOR_DEVELOPMENT,
    }


EXTRAS = {"wsproto", "jinja2", "itsdangerous", "limits", "msgspec", "pydantic", "redis", "argon2"}
"""What optional features need; they say so at start-up."""
FOR_DEVELOPMENT = {"uvicorn", "watchfiles"}
"""What `ambi run` uses where it is installed."""


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert importlib.util.find_spec("ambi.core.pipeline") is not None
