"""From what stands on the command line to the application. Nothing is served here, so there is no cell."""

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import ambi
from ambi.cli import COMMANDS, main
from ambi.cli.loading import WrongUseError, default_spec, split_spec
from tests.children import environment
from tests.cli.conftest import Site

SHOP = """
    from ambi import App

    class Sites:
        main = App()

    app = App()
    sites = Sites()
    number = 3

    @app.get("/app")
    def page():
        return ""

    def create(name="created", *, debug=False):
        made = App(debug=debug)
        made.get(f"/{name}")(page)
        return made

    async def awaited(): ...

    def forgot():
        App()

    nothing = None

    def only_with(name):
        return create(name)

    def plain(environ, start_response):
        return []

    def broken():
        raise KeyError("no settings")

    class Wrapper:
        def __init__(self, app):
            self.app = app

    wrapped = Wrapper(app)
"""


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("shop:app", "/app"), ("shop", "/app"), ("shop.py", "/app"), ("./shop.py:app", "/app"), ("shop:sites.main", None),
        ("shop:create", "/created"), ("shop:create()", "/created"), ("shop:create('a:b', debug=True)", "/a:b"),
        ("shop:only_with('x')", "/x"), ("shop:wrapped", "/app"), ("pack/inner/shop.py:app", "/app"), ("pack.inner.shop", "/app"),
        ("pack/inner", "/app"),
    ],
)  # fmt: skip
def test_an_application_is_found_by(site: Site, spec: str, path: str | None) -> None:
    site.write(SHOP)
    site.write("", "pack/__init__.py")
    site.write("from .shop import app", "pack/inner/__init__.py")
    site.write(SHOP, "pack/inner/shop.py")
    result = site.check(spec, "--json")
    assert (result.status, result.err) == (0, "")
    assert [route["path"] for route in result.document["routes"]] == ([path] if path else [])


def test_an_application_may_be_called_application(site: Site) -> None:
    site.write("import ambi\napplication = ambi.App()")
    assert site.check("shop").status == 0


def test_a_file_of_a_package_is_imported_as_part_of_it(site: Site) -> None:
    site.write("", "pack/__init__.py")
    site.write("from ambi import App\napp = App()\nNAME = __name__", "pack/shop.py")
    site.write("from pack import shop\nfrom ambi import App\napp = App()\nassert shop.NAME == 'pack.shop'")
    assert site.check("pack/shop.py").status == 0
    assert site.check("shop").status == 0


def test_the_current_directory_comes_first(site: Site) -> None:
    site.write("from ambi import App\napp = App()", "colorsys.py")
    known = sys.modules.pop("colorsys", None)
    try:
        assert site.check("colorsys").status == 0
    finally:
        sys.modules.pop("colorsys", None)
        if known is not None:
            sys.modules["colorsys"] = known


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("shap:app", "there is no module 'shap'"),
        ("shap:app", "did you mean shop?"),
        ("zzz.yyy", "there is no module 'zzz'"),
        ("shop:ap", "shop has no attribute 'ap'; did you mean app?"),
        ("shop:zzz", "shop has no attribute 'zzz'; shop has app"),
        ("shop:sites.mian", "Sites has no attribute 'mian'; did you mean main?"),
        ("shop:number", "shop:number is no App but int: 3; shop has app"),
        ("shop:plain", "shop:plain is no App but function"),
        ("shop:only_with", "a factory that takes arguments is given literals: 'shop:only_with(...)'"),
        ("shop:nothing", "shop:nothing is no App but None; shop has app"),
        ("shop:forgot", "the factory shop:forgot returned None; a `return` of the App that it makes was expected"),
        ("shop:awaited", "is no App but coroutine"),
        ("shop:awaited", "; a factory is a `def`"),
        ("shop:Sites", "shop:Sites is no App but type"),
        ("shop:create(name)", "must be literals"),
        ("shop:create(*[1])", "must be literals"),
        ("shop:create(1)(2)", "must be literals"),
        ("shop:", "names nothing behind its colon"),
        ("no.py", "there is no file 'no.py'"),
        ("no/where", "there is no file"),
        ("two words", "'two words' is no name of a module"),
        ("bare", "bare has neither `app` nor `application`; name what it is called, as bare:name"),
        ("other", "other has neither `app` nor `application`; other has site"),
    ],
)
def test_what_is_not_there_is_wrong_use(site: Site, spec: str, said: str) -> None:
    site.write(SHOP)
    site.write("", "bare.py")
    site.write("from ambi import App\nsite = App()", "other.py")
    result = site.check(spec)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert result.err.startswith("ambi check: ")
    assert "Traceback" not in result.err


def test_a_drive_letter_is_no_module() -> None:
    assert split_spec(r"C:\sites\shop.py:app") == (r"C:\sites\shop.py", "app")
    assert split_spec(r"C:\sites\shop.py") == (r"C:\sites\shop.py", "")
    assert split_spec("c:app") == ("c", "app")


# --- nothing is named ---


def test_pyproject_names_the_application(site: Site) -> None:
    site.write(SHOP)
    site.write(SHOP, "main.py")
    site.write('[tool.ambi]\napp = "shop:create"', "pyproject.toml")
    assert site.check("--json").document["app"] == "shop:create"
    assert [route["path"] for route in site.check("--json").document["routes"]] == ["/created"]


def test_pyproject_of_another_user_above_is_not_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in /tmp, where everybody may write one."""
    site.write("raise SystemExit('run')", "evil.py")
    path = site.folder / "pyproject.toml"
    site.write('[tool.ambi]\napp = "evil:app"', "pyproject.toml")
    site.write("", "mine/inner/notes.txt")
    monkeypatch.chdir(site.folder / "mine" / "inner")
    really = Path.lstat

    def owned_by_another(self: Path) -> Any:
        found = really(self)
        return types.SimpleNamespace(st_uid=found.st_uid + 4711) if self == path else found

    assert default_spec().spec == "evil:app"
    monkeypatch.setattr(Path, "lstat", owned_by_another)
    with pytest.raises(WrongUseError, match="no application was named"):
        default_spec()


@pytest.mark.parametrize("border", [".git", "home"])
def test_pyproject_above_a_repository_or_the_home_directory_is_not_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch, border: str
) -> None:
    site.write('[tool.ambi]\napp = "other:app"', "pyproject.toml")
    site.write("", "mine/inner/notes.txt")
    monkeypatch.chdir(site.folder / "mine" / "inner")
    if border == "home":
        monkeypatch.setenv("HOME", str(site.folder / "mine"))
    else:
        site.write("", "mine/.git/HEAD")
    with pytest.raises(WrongUseError, match="no application was named"):
        default_spec()
    site.write('[tool.ambi]\napp = "shop:app"', "mine/pyproject.toml")
    assert default_spec().root == site.folder / "mine"


@pytest.mark.parametrize("spec", ["shop:app", "shop.py:app", "sites/inner.py:app", "sites.inner:app"])
def test_pyproject_of_a_directory_above_is_found_and_imported_from(
    site: Site, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    site.write(SHOP)
    site.write("", "sites/__init__.py")
    site.write("import shop\napp = shop.app", "sites/inner.py")
    site.write(f'[tool.ambi]\napp = "{spec}"', "pyproject.toml")
    site.write('[project]\nname = "no table"', "docs/pyproject.toml")
    site.write("", "docs/pages/app.py")
    monkeypatch.chdir(site.folder / "docs" / "pages")
    assert site.check("--json").document["app"] == spec


@pytest.mark.parametrize(
    ("files", "spec"),
    [
        ({"app.py": SHOP}, "app:app"),
        ({"main.py": SHOP, "asgi.py": "", "shop.py": SHOP}, "main:app"),
        ({"wsgi.py": "try:\n    from shop import app as application\nfinally: ...", "shop.py": SHOP}, "wsgi:application"),
        ({"asgi.py": "import ambi\napp: ambi.App = ambi.App()"}, "asgi:app"),
        ({"app/__init__.py": "from ambi import App as Made\nif Made:\n    app = Made()"}, "app:app"),
        ({"my_shop.py": SHOP}, "my_shop:app"),
        ({"my_shop/__init__.py": SHOP}, "my_shop:app"),
    ],
)  # fmt: skip
def test_the_one_module_that_is_called_as_usual_is_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], spec: str
) -> None:
    for name, text in files.items():
        site.write(text, f"my-shop/{name}")
    monkeypatch.chdir(site.folder / "my-shop")
    assert site.check("--json").document["app"] == spec


def test_one_that_cannot_be_read_is_taken_for_it_so_that_its_error_is_shown(site: Site) -> None:
    site.write("x = (\ndef", "main.py")
    result = site.check("-v")
    assert result.status == 1
    assert "main:app raised an error\n  main.py:1" in result.err


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no `app` in app.py, main.py, wsgi.py, asgi.py, site_1.py, and no pyproject.toml names one; name one, as shop:app"),
        ({"app.py": "apps = 1", "shop.py": SHOP}, 'or write it into pyproject.toml: [tool.ambi] app = "shop:app"'),
        ({"app.py": SHOP, "wsgi.py": "from app import app"}, "has several: app:app, wsgi:app; name one"),
        ({"pyproject.toml": "tool = 1 ="}, "pyproject.toml cannot be read: "),
        ({"pyproject.toml": "[tool.ambi]"}, 'pyproject.toml: [tool.ambi] names no application; write app = "shop:app" below it'),
        ({"pyproject.toml": "[tool]\nambi = 1"}, "[tool.ambi] names no application"),
        ({"pyproject.toml": "[tool.ambi]\napp = []"}, "[tool.ambi] names no application"),
    ],
)  # fmt: skip
def test_none_or_several_are_wrong_use(
    site: Site, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str
) -> None:
    (site.folder / "site-1").mkdir()
    for name, text in files.items():
        site.write(text, f"site-1/{name}")
    monkeypatch.chdir(site.folder / "site-1")
    result = site.check("-v")
    assert (result.status, result.out) == (2, "")
    assert said in result.err


# --- the user's code raises ---


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("import json\n\njson.loads('{')", "shop.py:3\n    json.loads('{')\nJSONDecodeError: Expecting property name"),
        ("import nothing_there", "shop.py:1\n    import nothing_there\nModuleNotFoundError: No module named 'nothing_there'"),
        ("x = (\ndef", "shop.py:1\n    x = (\nSyntaxError: '(' was never closed"),
        ("raise SystemExit('install it first')", "shop.py:1\n    raise SystemExit('install it first')\nSystemExit: install it first"),
        ("def f():\n    raise KeyError('x')\nf()", "shop.py:3\n    f()\n  shop.py:2, in f\n    raise KeyError('x')\nKeyError: 'x'"),
    ],
)  # fmt: skip
def test_an_error_of_the_module_is_shown_with_its_place(site: Site, code: str, shown: str) -> None:
    site.write(code)
    result = site.check()
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"ambi check: shop:app raised an error\n  {shown}")
    assert "importlib" not in result.err


def test_an_error_of_a_factory_is_shown_with_its_place(site: Site) -> None:
    site.write(SHOP)
    result = site.check("shop:broken")
    assert result.status == 1
    assert "in broken\n    raise KeyError" in result.err


def test_an_error_without_a_frame_of_the_user_is_shown_too(site: Site) -> None:
    site.write(SHOP)
    result = site.check("shop:create(1, 2, 3)")
    assert (result.status, result.out) == (1, "")
    assert result.err.count("\n") == 2
    assert "TypeError: create() takes" in result.err
    assert site.check("shop:create(1, 2, 3)", "--json").document["error"]["line"] == 0


WRONG = """
    from ambi import App

    app = App()

    def register():
        @app.get("/{id:integer}")
        def item(id):
            return ""

    register()
"""


def test_a_configuration_error_says_what_and_where_and_what_to_do(site: Site) -> None:
    site.write(WRONG)
    result = site.check()
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines()[:5] == [
        "ambi check: shop:app is put together wrongly",
        "  shop.py:11",
        "    register()",
        "  shop.py:7, in register",
        '    @app.get("/{id:integer}")',
    ]
    said = " ".join(result.err.split())
    assert "item (shop.py:7): the path '/{id:integer}' names an unknown converter 'integer'; there are date" in said


def test_an_error_of_many_lines_keeps_its_lines(site: Site) -> None:
    site.write("from ambi import ConfigurationError\nraise ConfigurationError('two faults:\\n- one\\n- the other')")
    assert site.check().err.splitlines()[-3:] == ["two faults:", "- one", "- the other"]


def test_a_configuration_error_is_json_for_tools(site: Site) -> None:
    site.write(WRONG)
    result = site.check("shop:app", "--json")
    assert result.status == 1
    error = result.document.pop("error")
    assert (error["kind"], error["line"]) == ("ConfigurationError", 7)
    assert error["file"].endswith("shop.py")
    assert error["text"].startswith("register.<locals>.item (shop.py:7): the path")
    assert result.document["version"] == 1


@pytest.mark.parametrize(
    ("here", "spec", "said"),
    [
        ("", "inner:app", "; there is one in sites/deep: cd sites/deep"),
        ("", "sites:app", "sites is no package, as it has no __init__.py\n"),
        ("", "sites.shop:app", "there is no module 'sites.shop' in "),
        ("", "project:app", "project is no package, as it has no __init__.py; there is one in project: cd project\n"),
        ("", "project.web:app", "on the import path; there is one in project: cd project\n"),
        ("project/project", "project:app", "; there is one in ..: cd ..\n"),
        ("sites/deep", "shop:app", "; there is one in ../..: cd ../..\n"),
        ("project", "project.wep:app", "; did you mean web?\n"),
        ("", "hidden:app", "on the import path\n"),
    ],
)
def test_a_wrong_directory_is_told_with_the_right_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, here: str, spec: str, said: str
) -> None:
    site.write(SHOP)
    site.write(SHOP, "sites/deep/inner.py")
    site.write("from .web import app", "project/project/__init__.py")
    site.write(SHOP, "project/project/web.py")
    site.write(SHOP, ".venv/lib/hidden.py")
    monkeypatch.chdir(site.folder / here)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site.folder)])
    result = site.check(spec)
    assert (result.status, result.out) == (2, "")
    assert said in result.err


@pytest.mark.parametrize(
    ("files", "mend"),
    [
        ({"shop.py": "import sqlalchemi_x"}, f"nothing that is installed in {sys.prefix} has a module 'sqlalchemi_x'; is it another environment?"),
        ({"shop.py": "import modles", "models.py": ""}, f"nothing that is installed in {sys.prefix} has a module 'modles'; did you mean models?"),
        ({"shop/__init__.py": "import models", "shop/models.py": ""}, "inside of a package it is `from . import models`"),
        ({"shop.py": "import models", "models.py": "from shop import app"}, "shop is imported by what it imports itself: move what both need into a third module"),
        ({"shop.py": "import models", "models.py": "import shop\nshop.app"}, "shop is imported by what it imports itself"),
        ({"shop.py": "from ambi import Requests"}, "did you mean Request?"),
        ({"shop.py": "from ambi import zzz"}, ""),
        ({"shop.py": "import json.nothing"}, ""),
        ({"shop.py": "1 / 0"}, ""),
    ],
)  # fmt: skip
def test_what_to_do_is_said_of_errors_that_newcomers_meet(site: Site, files: dict[str, str], mend: str) -> None:
    for name, text in files.items():
        site.write(text, name)
    error = site.check("shop:app", "--json").document["error"]
    assert error["mend"].startswith(mend)
    assert bool(error["mend"]) == bool(mend)
    result = site.check()
    assert result.status == 1
    assert mend in " ".join(result.err.split())
    assert ("→" in result.err) == bool(mend)


# --- as a command ---


def test_a_process_of_its_own_says_the_same_and_leaves_with_the_status(site: Site) -> None:
    site.write(SHOP)
    for arguments in (["check", "shop:app"], ["check", "shop:nothing"], ["check", "shop:broken"], []):
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-m", "ambi", *arguments],
            capture_output=True, text=True, timeout=30, check=False, cwd=site.folder, env={**environment(), "COLUMNS": "100"},
        )  # fmt: skip
        here = site.run(*arguments)
        assert (finished.returncode, finished.stdout) == (here.status, here.out)
        assert finished.stderr == here.err


def test_what_the_module_prints_is_none_of_the_document(site: Site) -> None:
    site.write("print('hello')\n" + "from ambi import App\napp = App()")
    result = site.check("shop:app", "--json")
    assert result.document["version"] == 1
    assert result.err == "hello\n"


def test_a_reader_that_has_seen_enough_is_no_error(site: Site) -> None:
    site.write(SHOP + "\n    for n in range(3000):\n        app.get(f'/{n}', name=f'page{n}')(page)\n")
    command = subprocess.Popen(
        [sys.executable, "-m", "ambi", "check", "shop:app"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=site.folder, env=environment(),
    )  # fmt: skip
    assert command.stdout is not None
    assert command.stderr is not None
    with command, command.stdout, command.stderr:
        assert command.stdout.read(8) == b"shop:app"
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(30) == 0


def test_what_is_left_to_write_for_such_a_reader_goes_nowhere(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.write(SHOP)
    with (tmp_path / "closed").open("w", encoding="utf-8") as out:

        class Closed:
            fileno, encoding = out.fileno, "utf-8"

            def write(self, text: str) -> None:
                raise BrokenPipeError

            def isatty(self) -> bool:
                return False

        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", Closed())
            assert main(["check", "shop:app"]) == 0
        out.write("lost")
    assert (tmp_path / "closed").read_text(encoding="utf-8") == ""


def test_the_module_is_the_command(site: Site) -> None:
    site.write(SHOP)
    finished = subprocess.run(
        [sys.executable, "-m", "ambi", "check", "shop:nothing"],
        capture_output=True, text=True, timeout=30, check=False, cwd=site.folder, env=environment(),
    )  # fmt: skip
    assert (finished.returncode, finished.stdout) == (2, "")


def test_checking_loads_no_event_loop_and_no_framework_of_a_gateway_that_is_not_asked_for(site: Site) -> None:
    site.write(SHOP)
    code = """
import sys
import ambi
from ambi.cli import COMMANDS, main
assert main(["check", "shop:app", "--json"]) == 0
sys.stderr.write(" ".join({"asyncio", "anyio", "dataclasses", "wsproto", "socket"} & set(sys.modules)))
"""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=30, check=True, cwd=site.folder, env=environment(),
    )  # fmt: skip
    assert finished.stderr == ""


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"]])
def test_help_is_no_error(site: Site, arguments: list[str]) -> None:
    result = site.run(*arguments)
    assert (result.status, result.err) == (0, "")
    assert "check" in result.out


def test_the_version_is_said_with_that_of_python(site: Site) -> None:
    result = site.run("--version")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"ambi {ambi.__version__} (Python {sys.version.split()[0]})\n"


def test_the_help_names_every_command_and_fits_a_terminal(site: Site) -> None:
    result = site.run("--help")
    assert all(f"\n    {command} " in result.out for command in COMMANDS)
    assert max(map(len, result.out.splitlines())) < 121


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(site: Site, command: str) -> None:
    result = site.run(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: ambi {command} [-h]")
    assert COMMANDS[command][1:] in " ".join(result.out.split())


@pytest.mark.parametrize(
    ("word", "said"),
    [("chekc", "did you mean check?"), ("route", "did you mean routes?"), ("zzz", f"there are {', '.join(COMMANDS)}")],
)
def test_a_wrong_command_is_told_which_may_be_meant(site: Site, word: str, said: str) -> None:
    result = site.run(word, "shop:app")
    assert (result.status, result.out) == (2, "")
    assert result.err.endswith(f"ambi: there is no command {word!r}; {said}\n")


@pytest.mark.parametrize("arguments", [[], ["chekc"], ["check", "shop", "--gateway", "cgi"]])
def test_a_command_that_does_not_exist_is_wrong_use(site: Site, arguments: list[str]) -> None:
    result = site.run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert "usage: ambi" in result.err
