"""`ambi shell`: code with an application that has been started. What it sends goes through the client of tests, which has
tests of its own on both gateways; here the cells are the two that the shell has.
"""

import ast
import io
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambi.cli import console
from ambi.cli.awaiting import WAIT, Awaiting
from ambi.cli.shell import _run_here
from tests.cli.conftest import Result, Site
from tests.cli.terminal import Terminal

SHOP = """
    import asyncio
    import threading
    from contextlib import asynccontextmanager

    from ambi import App, Request

    said = []

    async def lifespan():
        said.append("started")
        yield {"loop": asyncio.get_running_loop()}
        said.append("stopped")

    app = App(lifespan=lifespan)

    @app.get("/")
    def home(request: Request):
        return f"hello over {request.gateway}"

    @app.get("/broken")
    def broken():
        raise KeyError("x")

    async def where():
        return asyncio.get_running_loop() is app.lifespan_state["loop"]

    @asynccontextmanager
    async def opened():
        yield 5

    async def count():
        for n in range(3):
            yield n
"""
Run = Callable[..., Result]


@pytest.fixture(params=["asgi", "wsgi"])
def run(request: pytest.FixtureRequest, site: Site) -> Run:
    site.write(SHOP)

    def run_in(code: str) -> Result:
        return site.run("shell", "shop:app", "--gateway", request.param, "-c", code)

    return run_in


def test_the_application_is_there_and_started_and_is_stopped(run: Run, site: Site) -> None:
    result = run("import shop; print(app is shop.app, shop.said); said = shop.said")
    assert (result.status, result.out, result.err) == (0, "True ['started']\n", "")
    assert sys.modules["shop"].said == ["started", "stopped"]


def test_the_client_sends_it_requests(run: Run) -> None:
    result = run("print(client.get('/').text == f'hello over {client.gateway}', Client(app, 'wsgi').get('/').text)")
    assert result.out == "True hello over wsgi\n"


def test_code_may_await_on_the_loop_of_the_lifespan(run: Run) -> None:
    assert run("import shop\nprint(await shop.where())").out == "True\n"


@pytest.mark.parametrize(
    ("code", "out"),
    [
        ("x = await asyncio.sleep(0, 1)\nprint(x, client.get('/').status_code)", "1 200"),
        ("for n in (1, 2):\n    print(await asyncio.sleep(0, n), end=' ')", "1 2 "),
        ("print([await asyncio.sleep(0, n) for n in (1, 2)])", "[1, 2]"),
        ("print(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))", "[1, 2]"),
        ("print(await asyncio.sleep(0, await asyncio.sleep(0, 3)))", "3"),
        ("async with shop.opened() as five:\n    six = five + await asyncio.sleep(0, 1)\nprint(five, six)", "5 6"),
        ("async for n in shop.count():\n    import os.path as path, string\n    def f(): ...\nprint(n, path, string, f)", "2 <module"),
        ("print([n async for n in shop.count()])", "[0, 1, 2]"),
        ("async with shop.opened():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n        kept = str(error)\nprint(kept)", "division"),
        ("async with shop.opened() as x:\n    match [x, 1, 2], {'a': 1, 'b': 2}:\n        case [first, *rest], {'a': 1, **more}:\n            pass\nprint(first, rest, more)", "5 [1, 2] {'b': 2}"),
        ("async with shop.opened():\n    class C: ...\n    del x\nprint(C, 'x' in globals())", "<class '__main__.C'> False"),
        ("async def f():\n    return await asyncio.sleep(0, 4)\nclass D:\n    f = lambda: 1\nprint(await f())", "4"),
        ("from __future__ import annotations\ndef f(a: nothing): ...\nprint(f.__annotations__)", "{'a': 'nothing'}"),
        ("def f(a: int): ...\nprint(f.__annotations__)", "{'a': <class 'int'>}"),
    ],
)  # fmt: skip
def test_await_works_at_the_top_level(run: Run, code: str, out: str) -> None:
    head = "from __future__ import annotations\n" if code.startswith("from __future__") else ""
    result = run(f"{head}import asyncio, shop\nx = 0\n{code.removeprefix(head)}")
    assert (result.status, result.err) == (0, "")
    assert out in result.out


@pytest.mark.parametrize(
    ("code", "status", "err"),
    [
        ("1 / 0", 1, 'File "<-c>", line 1, in <module>\n'),
        ("async def f():\n    1 / 0\nawait f()", 1, 'File "<-c>", line 3, in <module>\n    await f()\n  File "<-c>", line 2, in f\n'),
        ("x = (", 1, "SyntaxError: '(' was never closed"),
        ("client.get('/broken')", 1, "KeyError: 'x'\n"),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("async def f(): raise SystemExit(3)\nawait f()", 3, ""),
        ("async def f(): raise KeyboardInterrupt\nawait f()", 130, "KeyboardInterrupt\n"),
        ("import asyncio\nasync def f(): asyncio.current_task().cancel(); await asyncio.sleep(1)\nawait f()", 1, "RuntimeError: what was awaited was cancelled\n"),
    ],
)  # fmt: skip
def test_it_ends_as_the_code_does(run: Run, code: str, status: int, err: str) -> None:
    result = run(code)
    assert (result.status, result.out) == (status, "")
    assert err in result.err
    assert "console.py" not in result.err
    assert "from_thread" not in result.err


def test_code_is_read_from_what_is_no_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(SHOP)
    monkeypatch.setattr(sys, "stdin", io.StringIO("print(client.get('/').text)\nraise ValueError('here')\n"))
    result = site.run("shell", "shop:app")
    assert (result.status, result.out) == (1, "hello over asgi\n")
    assert "File \"<stdin>\", line 2, in <module>\n    raise ValueError('here')\n" in result.err
    monkeypatch.setattr(sys, "stdin", None)
    result = site.run("shell", "shop:app")
    assert (result.status, result.err) == (
        2,
        "ambi shell: there is no standard input to read code from; -c CODE was expected\n",
    )


def test_what_the_module_prints_is_none_of_the_codes_output(site: Site) -> None:
    site.write("print('hello')\nfrom ambi import App\napp = App()")
    result = site.run("shell", "shop:app", "-c", "print(1)")
    assert (result.out, result.err) == ("1\n", "hello\n")


def test_a_start_that_fails_is_shown_with_its_place(site: Site) -> None:
    site.write(
        "from ambi import App\ndef lifespan():\n    raise OSError('no database')\n    yield\napp = App(lifespan=lifespan)"
    )
    result = site.run("shell", "shop:app", "-c", "print(1)")
    assert (result.status, result.out) == (1, "")
    assert (
        "ambi shell: shop:app raised an error\n  shop.py:3, in lifespan\n    raise OSError('no database')\n"
        in result.err
    )


@pytest.mark.parametrize(
    ("hosts", "url"),
    [("[]", "http://localhost/"), ("['*.example', 'shop.example']", "http://shop.example/"), ("['*.example']", "http://localhost/")],
)  # fmt: skip
def test_requests_are_for_a_host_that_is_answered(site: Site, hosts: str, url: str) -> None:
    site.write(f"from ambi import App\napp = App(allowed_hosts={hosts})")
    assert site.run("shell", "shop:app", "-c", "print(client.get('/').url)").out == f"{url}\n"


# --- talking ---


def talk(site: Site) -> Terminal:
    site.write(SHOP)
    return Terminal([sys.executable, "-m", "ambi", "shell", "shop:app", "--plain"], site.folder)


def test_a_terminal_is_talked_to(site: Site) -> None:
    with talk(site) as terminal:
        greeting = terminal.read_until(">>> ")
        assert "shop:app is started, under ASGI. `await` works here. Ctrl-D stops it." in greeting
        for typed, seen in (
            ("import asyncio, shop", ""),
            ("await asyncio.sleep(0, 41)", "41"),
            ("client.get('/').text", "'hello over asgi'"),
            ("1/0", "ZeroDivisionError: division by zero"),
            ("x = (", "... "),
            ("await shop.where())", ""),
            ("x", "True"),
            ("y z", "SyntaxError: invalid syntax"),
        ):
            terminal.type(f"{typed}\r")
            assert seen in terminal.read_until("... " if seen == "... " else ">>> ")
        terminal.type("print('now'); await asyncio.sleep(60)\r")
        terminal.read_until("now\r\n")
        time.sleep(0.1)
        terminal.type("\x03")
        assert "KeyboardInterrupt" in terminal.read_until(">>> ")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_a_console_leaves_as_it_is_told(site: Site) -> None:
    with talk(site) as terminal:
        terminal.read_until(">>> ")
        terminal.type("import sys; sys.exit(5)\r")
        assert terminal.wait() == 5


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give what types lines, and then Ctrl-D, in this process."""

    def type_lines(*lines: str) -> None:
        left = iter(lines)

        def read(prompt: str = "") -> str:
            for line in left:
                return line
            raise EOFError

        monkeypatch.setattr("builtins.input", read)
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))

    return type_lines


def test_what_is_typed_runs_line_by_line(site: Site, typing: Callable[..., None]) -> None:
    site.write(SHOP)
    typing(
        "import shop",
        "await shop.where()",
        "x = (",
        "await shop.where())",
        "x, 1",
        "y z",
        "1/0",
        "client.get('/').text",
    )
    result = site.run("shell", "shop:app", "--plain", "--gateway", "wsgi")
    assert result.status == 0
    assert result.out.split("\n") == ["True", "(True, 1)", "'hello over wsgi'", ""]
    assert "shop:app is started, under WSGI." in result.err
    assert '    Client    Client(app, "asgi") sends them through the other gateway' in result.err
    assert "SyntaxError: invalid syntax" in result.err
    assert (
        'Traceback (most recent call last):\n  File "<console>", line 1, in <module>\nZeroDivisionError' in result.err
    )


def test_what_is_typed_may_leave(site: Site, typing: Callable[..., None]) -> None:
    site.write(SHOP)
    typing("async def leave(): raise SystemExit(5)", "", "await leave()", "print('never')")
    result = site.run("shell", "shop:app", "--plain")
    assert (result.status, result.out) == (5, "")


def test_without_ipython_there_is_pythons_own_console(
    site: Site, typing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(SHOP)
    monkeypatch.setitem(sys.modules, "IPython", None)
    typing("1 + 1")
    assert site.run("shell", "shop:app").out == "2\n"


def test_an_interrupt_cancels_what_is_awaited() -> None:
    cancelled: list[bool] = []

    class Waiting:
        def result(self) -> None:
            raise KeyboardInterrupt

        def cancel(self) -> None:
            cancelled.append(True)

    def submit(coroutine: Any) -> Any:
        coroutine.close()
        return Waiting()

    with pytest.raises(KeyboardInterrupt):
        console.wait_for(lambda: None, submit)  # type: ignore[arg-type,return-value]
    assert cancelled == [True]


def test_without_readline_there_is_a_console_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "readline", None)
    console.Console({}).complete_names()


def test_ipython_is_taken_where_it_is_and_given_the_same(
    site: Site, typing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here is no IPython: it is what it would be told."""
    told: dict[str, Any] = {}

    class Config:
        TerminalInteractiveShell = types.SimpleNamespace()

    ipython, traitlets = types.ModuleType("IPython"), types.ModuleType("traitlets.config")
    ipython.start_ipython = lambda **given: told.update(given)  # type: ignore[attr-defined]
    traitlets.Config = Config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "traitlets", types.ModuleType("traitlets"))
    monkeypatch.setitem(sys.modules, "traitlets.config", traitlets)
    site.write(SHOP)
    typing()
    assert site.run("shell", "shop:app").status == 0
    shell = told["config"].TerminalInteractiveShell
    assert {"app", "client", "Client", WAIT} <= set(told["user_ns"])
    assert shell.banner1.startswith("shop:app is started, under ASGI.")
    assert shell.loop_runner is _run_here
    assert isinstance(shell.ast_transformers[0], Awaiting)


def test_what_ipython_makes_of_a_line_is_run_at_once() -> None:
    class Pending:
        def __await__(self) -> Any:
            yield

    async def line() -> int:
        return 1

    async def waiting() -> None:
        await Pending()

    assert _run_here(line()) == 1
    with pytest.raises(RuntimeError, match="the line awaits where `ambi shell` cannot"):
        _run_here(waiting())


def test_what_does_not_await_is_left_as_it_is() -> None:
    text = Path(console.__file__).read_text(encoding="utf-8")
    tree = Awaiting().visit(ast.parse(text))
    assert ast.dump(tree) == ast.dump(ast.parse(text))
