"""What newcomers type: options of other command lines, a wrong directory, another spelling. There is no cell."""

import os
from pathlib import Path

import pytest

from ambi.cli.document import relative
from ambi.cli.loading import spelled_out
from tests.cli.conftest import Site

SHOP = "from ambi import App\napp = App()\n"
PROJECT = '[tool.ambi]\napp = "shop:app"\n'


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--app shop run", "ambi: there is no option --app; a command comes first, as in: ambi run shop:app"),
        ("run --app shop", "ambi run: there is no option --app; the application is named without an option: ambi run shop:app"),
        ("check --factory shop:create", "there is no option --factory; a factory is called as it is: ambi check shop:create"),
        ("run -p 5000", "ambi run: there is no option -p; did you mean --port?"),
        ("run --bind=0.0.0.0:80 shop:app", "there is no option --bind; did you mean --host and --port?"),
        ("run --debug shop:app", "there is no option --debug; it is on, unless --no-debug"),
        ("run --reload shop:app", "there is no option --reload; it is on, unless --no-reload"),
        ("run shop:app --workers 4", "there is no option --workers; for more than one process there are servers"),
        ("run shop:app --prot 80", "there is no option --prot; did you mean --port?"),
        ("check --debug", "ambi check: there is no option --debug; there are --help, "),
        ("run shop:app other:app", "ambi run: 'other:app' is one argument too many\nambi run --help says what there is\n"),
    ],
)  # fmt: skip
def test_an_option_of_others_is_told_what_it_is_here(site: Site, typed: str, said: str) -> None:
    result = site.run(*typed.split())
    assert (result.status, result.out) == (2, "")
    assert said in result.err


def test_options_in_front_of_a_command_may_be_shortened(site: Site) -> None:
    assert site.run("--vers").out.startswith("ambi ")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("shop.app", "; did you mean shop:app?\n"),
        ("pack.app", "; did you mean pack:app?\n"),
        ("pack.web.app", "; did you mean pack.web:app?\n"),
        ("shop.nothing", "on the import path\n"),
    ],
)
def test_a_dot_in_place_of_the_colon_is_seen(site: Site, spec: str, said: str) -> None:
    for name in ("shop.py", "pack/__init__.py", "pack/web.py"):
        site.write(SHOP, name)
    result = site.check(spec)
    assert result.status == 2
    assert result.err.endswith(said)


def test_a_project_below_is_told_how_to_get_to(site: Site) -> None:
    site.write("[tool.other]", "another/pyproject.toml")
    site.write("tool = 1 =", "broken/pyproject.toml")
    site.write(PROJECT, "shop/pyproject.toml")
    result = site.run("run")
    assert result.status == 2
    assert result.err.endswith("no pyproject.toml names one; shop is a project: cd shop\n")


def test_the_example_is_what_is_there(site: Site) -> None:
    site.write(SHOP, "test_first.py")
    site.write(SHOP, "2nd.py")
    site.write(SHOP.replace("app =", "application ="), "hello.py")
    result = site.run("run")
    assert result.err.endswith('name one, as hello:application, or write it into pyproject.toml: [tool.ambi] app = "hello:application"\n')  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "whole"),
    [
        ("shop", "shop:app"), ("hello", "hello:application"), ("nowhere", "nowhere:app"), ("pack.web", "pack.web:application"),
        ("shop:create(1)", "shop:create(1)"), ("hello.py", "hello:application"), ("pack/web.py", "pack.web:application"),
        ("sites/hello.py", "sites/hello.py"),
    ],
)  # fmt: skip
def test_the_banner_names_what_servers_find(site: Site, spec: str, whole: str) -> None:
    site.write(SHOP)
    site.write("", "pack/__init__.py")
    for name in ("hello.py", "pack/web.py", "sites/hello.py"):
        site.write(SHOP.replace("app =", "application ="), name)
    assert spelled_out(spec, Path.cwd()) == whole


def test_a_path_of_a_url_is_not_taken_for_a_file(site: Site) -> None:
    site.write(SHOP)
    result = site.run("routes", "/health")
    assert (result.status, result.out) == (2, "")
    assert result.err == "ambi routes: there is no file '/health'; for a path of a URL: --match /health\n"


def test_what_only_few_servers_do_is_not_an_addition_to_nothing(site: Site) -> None:
    site.write(SHOP + 'app.static("/files", ".")\n')
    out = site.check("shop:app").out
    assert "differs by server\n  nothing with gunicorn or uvicorn; 1 of other servers, which -v shows\n" in out


def test_a_file_has_a_name_where_the_current_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    os.rmdir(folder)
    assert relative("/srv/shop.py") == "/srv/shop.py"


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("from ambi import request", "a handler takes it: `def home(request: Request)`"),
        ("from ambi import Flask", "it is `App`"),
        ("from ambi import Requests", "did you mean Request?"),
        ("App().errorhandler(404)", "it is `app.error`"),
        ("App().config['x'] = 1", "settings are an object of yours"),
    ],
)
def test_a_name_of_other_frameworks_is_told_what_it_is_here(site: Site, line: str, mend: str) -> None:
    site.write(f"from ambi import App\napp = App()\n{line}\n")
    result = site.check("shop:app")
    assert result.status == 1
    assert f"  → {mend}" in result.err


def test_an_attribute_that_nobody_has_is_an_error_without_a_mend(site: Site) -> None:
    site.write("from ambi import App\napp = App()\napp.nothing_like_it\n")
    result = site.check("shop:app")
    assert result.status == 1
    assert "→" not in result.err


@pytest.mark.parametrize(
    ("name", "other"), [("ambi", "it is /"), ("time", "it is one of Python's"), ("ast", "it is /")]
)
@pytest.mark.parametrize("ending", ["", ".py"])
def test_a_file_whose_name_python_has_already_is_to_be_renamed(site: Site, name: str, ending: str, other: str) -> None:
    site.write(SHOP, f"{name}.py")
    result = site.check(f"{name}{ending}")
    assert result.status == 2
    assert f"{name}.py cannot be imported, as '{name}' is another module: {other}" in result.err
    assert result.err.endswith("; rename yours\n")
