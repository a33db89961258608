"""Forks, exits and gevent. One gateway alone: a WSGI server forks and patches; an ASGI server owns its loop.

Each runs in a process of its own, since none of it can be undone.
"""

from typing import Any

import pytest

from tests.children import run_python

PRELUDE = """
import io, os, sys, threading, warnings
from ambi import App, Text

# Since 3.12 a fork with threads warns; that a preloading server does it is the point here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # whole lines, also from several processes

def ask(app, path="/"):
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "inside",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
    }
    chunks = app(environ, lambda status, headers, exc_info=None: None)
    body = b"".join(chunks).decode()
    if hasattr(chunks, "close"):
        chunks.close()
    return body

def threads():
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("ambi"))
"""


def run(code: str, **options: Any) -> list[str]:
    """Run a program behind the prelude; give the lines it wrote."""
    import textwrap

    return run_python(PRELUDE + textwrap.dedent(code), **options).splitlines()


# --- forks ---


def test_a_forked_child_starts_a_loop_thread_of_its_own() -> None:
    lines = run("""
        import asyncio
        app = App()

        @app.get("/")
        async def handler():
            await asyncio.sleep(0.001)
            return str(os.getpid())

        assert ask(app) == str(os.getpid()) and threads() == ["ambi-loop"]
        child = os.fork()
        if child == 0:
            assert threads() == []
            say("child", ask(app) == str(os.getpid()), threads())
            os._exit(0)
        os.waitpid(child, 0)
        say("parent", ask(app) == str(os.getpid()), threads())
    """)
    assert lines == ["child True ['ambi-loop']", "parent True ['ambi-loop']"]


def test_a_fork_while_the_loop_thread_is_busy_does_no_harm() -> None:
    lines = run("""
        import asyncio
        app = App()

        @app.get("/")
        async def handler():
            await asyncio.sleep(0.001)
            return "ok"

        def load():
            for _ in range(60):
                ask(app)

        ask(app)  # everything is imported: a fork in the middle of an import is more than Python can mend
        others = [threading.Thread(target=load) for _ in range(3)]
        for thread in others:
            thread.start()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                say(ask(app))
                os._exit(0)
            os.waitpid(child, 0)
        for thread in others:
            thread.join()
    """)
    assert lines == ["ok"] * 5


def test_a_preloaded_application_starts_in_each_child() -> None:
    """As under `gunicorn --preload`: made in the master, forked, served."""
    lines = run("""
        async def lifespan():
            yield {"pid": os.getpid()}

        app = App(lifespan=lifespan)
        app.get("/")(lambda request: str(request.state.pid == os.getpid()))
        for _ in range(2):
            child = os.fork()
            if child == 0:
                say(ask(app), ask(app))
                os._exit(0)
            os.waitpid(child, 0)
        assert threads() == []
    """)
    assert lines == ["True True"] * 2


def test_what_a_master_started_is_not_taken_for_started_in_a_child() -> None:
    lines = run("""
        def lifespan():
            yield {"pid": os.getpid()}

        app = App(lifespan=lifespan)
        app.get("/")(lambda request: str(request.state.pid == os.getpid()))
        say(ask(app))
        child = os.fork()
        if child == 0:
            say(ask(app))
            os._exit(0)
        os.waitpid(child, 0)
    """)
    assert lines == ["True", "True"]


def test_idle_workers_are_forgotten_in_a_child() -> None:
    """ASGI for once: a process that served on a loop forks, and serves on another loop."""
    lines = run("""
        import asyncio
        app = App()
        app.get("/")(lambda: threading.current_thread().name)

        async def serve():
            sent = []
            async def send(message):
                sent.append(message)
            scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
            await app(scope, None, send)
            return sent[1]["body"].decode()

        say(asyncio.run(serve()), threads())
        child = os.fork()
        if child == 0:
            say(asyncio.run(serve()), threads())
            os._exit(0)
        os.waitpid(child, 0)
    """)
    assert lines == ["ambi-worker ['ambi-worker']"] * 2


# --- exits ---

LIFESPANS = {
    "def": """
        def lifespan():
            say("up")
            yield
            say("down")
    """,
    "async": """
        import asyncio

        async def lifespan():
            await asyncio.sleep(0)
            say("up")
            yield
            await asyncio.sleep(0.01)
            say("down", threading.current_thread().name)
    """,
}


@pytest.mark.parametrize("colour", LIFESPANS)
@pytest.mark.parametrize(
    ("end", "status"), [("", 0), ("sys.exit(3)", 3), ("import signal; os.kill(os.getpid(), signal.SIGINT)", 1)],
    ids=["end", "sys.exit", "interrupt"],
)  # fmt: skip
def test_a_process_that_ends_stops_what_it_started(colour: str, end: str, status: int) -> None:
    import textwrap

    code = f"""
        app = App(lifespan=lifespan)
        app.get("/")(lambda: "ok")
        say(ask(app))
        {"try:" if "SIGINT" in end else "if True:"}
            {end or "pass"}
        {"except KeyboardInterrupt: raise SystemExit(1)" if "SIGINT" in end else ""}
    """
    lines = run(textwrap.dedent(LIFESPANS[colour]) + textwrap.dedent(code), status=status)
    assert lines == ["up", "ok", "down" if colour == "def" else "down ambi-loop"]


def test_a_forked_child_does_not_stop_what_its_parent_started() -> None:
    import textwrap

    lines = run(
        textwrap.dedent(LIFESPANS["async"])
        + textwrap.dedent("""
        app = App(lifespan=lifespan)
        app.get("/")(lambda: "ok")
        ask(app)
        child = os.fork()
        if child == 0:
            sys.exit(0)  # its exit handlers are the parent's, by copy
        os.waitpid(child, 0)
        say("child gone")
    """)
    )
    assert lines == ["up", "child gone", "down ambi-loop"]


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_what_a_parent_started_stays_suspended_in_a_child(colour: str) -> None:
    """A generator that is dropped is closed: a pool of processes in a handler would end its parent's connections."""
    lines = run(f"""
        import gc

        {colour} lifespan():
            try:
                yield
            finally:
                say("down", os.getpid() == parent)

        parent = os.getpid()
        app = App(lifespan=lifespan)
        app.get("/")(lambda: "ok")
        for _ in range(2):
            say(ask(app))
            child = os.fork()
            if child == 0:
                gc.collect()
                say(ask(app))
                app.lifespans.stop_in_process()
                os._exit(0)
            os.waitpid(child, 0)
    """)
    assert lines == ["ok", "ok", "down False"] * 2 + ["down True"]


def test_a_child_of_multiprocessing_stops_what_it_started() -> None:
    """It leaves through os._exit, where no atexit runs (granian's workers)."""
    lines = run("""
        import multiprocessing

        def lifespan():
            say("up")
            yield
            say("down")

        def work():
            app = App(lifespan=lifespan)
            app.get("/")(lambda: "ok")
            say(ask(app))

        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join()
    """)
    assert lines == ["up", "ok", "down"]


def test_an_idle_loop_thread_keeps_no_process_alive() -> None:
    lines = run(
        """
        app = App()

        @app.get("/")
        async def handler():
            return "ok"

        say(ask(app))
    """,
        timeout_s=10,
    )
    assert lines == ["ok"]


def test_a_stream_that_is_open_keeps_no_process_alive() -> None:
    lines = run(
        """
        import asyncio
        app = App()

        @app.get("/")
        async def items():
            try:
                while True:
                    yield "x"
                    await asyncio.sleep(60)
            finally:
                say("closed")

        environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "inside",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
        }
        chunks = app(environ, lambda status, headers, exc_info=None: None)
        say(next(iter(chunks)).decode())
    """,
        timeout_s=10,
    )
    assert lines == ["x", "closed"]


# --- gevent ---


@pytest.mark.parametrize("patched", ["before", "after"])
def test_the_loop_thread_works_under_gevent(patched: str) -> None:
    """As in gunicorn's gevent worker; with --preload the application is imported before the patches."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    patch = "from gevent import monkey; monkey.patch_all()"
    code = """
        import asyncio, time
        import gevent

        async def lifespan():
            yield {"greeting": "ok"}

        app = App(lifespan=lifespan)

        @app.get("/")
        async def handler(request):
            await asyncio.sleep(0.1)
            return request.state.greeting

        @app.get("/sync")
        def sync():
            time.sleep(0.1)
            return "ok"

        @app.get("/stream")
        async def stream():
            for word in ("o", "k"):
                await asyncio.sleep(0.01)
                yield word

        for path in ("/", "/sync", "/stream"):
            begun = time.perf_counter()
            jobs = [gevent.spawn(ask, app, path) for _ in range(20)]
            gevent.joinall(jobs, timeout=10)
            took = time.perf_counter() - begun
            say(path, {job.value for job in jobs}, "at once" if took < 1 else took)
    """
    import textwrap

    # gevent itself warns and imports what warns: only ours are errors here.
    options = ("-W", "default")
    before = patch + "\n" + PRELUDE if patched == "before" else PRELUDE + "\n" + patch + "\n"
    lines = run_python(before + textwrap.dedent(code), *options).splitlines()
    assert lines == ["/ {'ok'} at once", "/sync {'ok'} at once", "/stream {'ok'} at once"]
