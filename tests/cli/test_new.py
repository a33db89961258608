"""`ambi new`: what it writes, and what it refuses. Nothing is served here, so there is no cell."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ambi.cli.new import TEMPLATES, render, write_all
from tests.children import environment
from tests.cli.conftest import Site

FILES = {
    ".dockerignore", ".env.example", ".gitignore", "Dockerfile", "README.md", "deploy/shop.service", "gunicorn.conf.py",
    "pyproject.toml", "shop/__init__.py", "shop/static/style.css", "shop/web.py", "tests/conftest.py", "tests/test_web.py",
}  # fmt: skip


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_project_is_written_and_the_next_commands_are_said(site: Site) -> None:
    result = site.run("new", "shop")
    assert (result.status, result.err) == (0, "")
    assert files_below(site.folder / "shop") == FILES
    steps = [line.strip() for line in result.out.split("next:\n")[1].splitlines()[:3]]
    assert steps == ["cd shop", "pip install --upgrade pip && pip install -e . --group dev", "ambi run"]


def test_nothing_of_the_templates_is_left_in_it(site: Site) -> None:
    for path, text in render("my_shop").items():
        assert "template" not in path
        assert not re.search(r"\$\{?(name|upper)", text), path
    assert "MY_SHOP_HOSTS" in render("my_shop")["my_shop/web.py"]
    assert "ExecReload=/bin/kill -s HUP $MAINPID" in render("my_shop")["deploy/my_shop.service"]


def test_every_template_is_a_template() -> None:
    """So no tool of ours takes it for a file of this project, and the wheel has it as data."""
    assert {path.suffix for path in TEMPLATES.rglob("*") if path.is_file() and "__pycache__" not in path.parts} == {
        ".template"
    }


def test_the_project_loads_and_is_found_without_being_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run("new", "shop")
    monkeypatch.chdir(site.folder / "shop")
    document = site.check("--json").document
    assert document["app"] == "shop:app"
    assert document["warnings"] == []
    assert {route["path"] for route in document["routes"]} >= {
        "/",
        "/api/greetings",
        "/api/greetings/{language}",
        "/health",
    }


def test_its_tests_pass_on_both_gateways(site: Site) -> None:
    site.run("new", "shop")
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin()],
        capture_output=True, text=True, timeout=60, check=False, cwd=site.folder / "shop",
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout
    assert "16 passed" in finished.stdout


def plugin() -> list[str]:
    return ["-p", "ambi.testing.plugin"]


def test_its_code_is_documented_and_as_ruff_writes_it(site: Site) -> None:
    ruff = shutil.which("ruff")
    site.run("new", "shop")
    for path in (site.folder / "shop").rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
    if ruff is not None:
        for command in (["check", "--isolated"], ["format", "--isolated", "--check"]):
            subprocess.run(
                [ruff, *command, "--no-cache", "shop"], check=True, timeout=30, cwd=site.folder, capture_output=True
            )


def test_its_pyproject_names_the_application_and_what_it_needs() -> None:
    project = tomllib.loads(render("shop")["pyproject.toml"])
    assert project["tool"]["ambi"] == {"app": "shop:app"}
    assert project["project"]["dependencies"][0] == "ambi"
    assert project["tool"]["mypy"]["strict"] is True
    named = {re.split(r"[><=]", requirement)[0] for requirement in project["dependency-groups"]["dev"]}
    assert named == {"mypy", "pytest", "uvicorn"}


def test_the_settings_for_gunicorn_are_settings_of_gunicorn(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed")
    monkeypatch.setenv("BIND", "0.0.0.0:1234")
    names: dict[str, object] = {}
    exec(render("shop")["gunicorn.conf.py"], names)
    settings = config.Config()
    for name, value in names.items():
        if name in settings.settings:
            settings.set(name, value)
    assert settings.bind == ["0.0.0.0:1234"]
    assert (settings.worker_class_str, settings.threads, settings.graceful_timeout) == ("gthread", 40, 30)
    assert settings.post_worker_init.__module__ == settings.worker_exit.__module__ == "ambi.gunicorn"


# --- the container and the unit ---


def instructions() -> list[tuple[str, str]]:
    """Give the instructions of the Dockerfile, each on one line."""
    joined = render("shop")["Dockerfile"].replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_is_slim_runs_as_nobody_in_particular_and_says_whether_it_is_well() -> None:
    found = instructions()
    words = [word for word, _ in found]
    assert found[0] == ("FROM", "python:3.13-slim")
    assert set(words) <= {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert words.count("CMD") == words.count("HEALTHCHECK") == 1
    user = dict(found)["USER"]
    assert user.isdecimal()  # a number: Kubernetes can tell that it is not root
    assert user != "0"
    assert words.index("RUN") < words.index("USER") < words.index("CMD")
    for word in ("CMD", "HEALTHCHECK"):  # the form without a shell, so that a stop reaches the server
        written = dict(found)[word]
        assert isinstance(ast.literal_eval(written[written.index("[") :]), list)


def test_what_the_container_copies_is_there_and_is_let_in(site: Site) -> None:
    site.run("new", "shop")
    let_in = {line[1:] for line in render("shop")[".dockerignore"].splitlines() if line.startswith("!")}
    for word, rest in instructions():
        for source in rest.split()[:-1] if word == "COPY" else ():
            assert (site.folder / "shop" / source).exists()
            assert source in let_in


def test_the_unit_is_one_of_systemds_and_may_do_little(site: Site, tmp_path: Path) -> None:
    text = render("shop")["deploy/shop.service"]
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    service = dict(unit["Service"])
    assert service["ExecStart"] == "/srv/shop/.venv/bin/gunicorn -c gunicorn.conf.py shop:app"
    assert {service[name] for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome")} == {"yes"}
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        return
    there = tmp_path / "unit" / "shop.service"
    there.parent.mkdir()
    there.write_text(text.replace("/srv/shop/.venv/bin/gunicorn", "/bin/true"), encoding="utf-8")
    verified = subprocess.run([systemd, "verify", there], capture_output=True, text=True, timeout=30, check=False)
    assert "shop.service" not in verified.stderr.replace(str(there), ""), verified.stderr
    judged = subprocess.run(
        [systemd, "security", "--offline=yes", "--threshold=20", there], capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-200:]  # an exposure of 2.0 of 10 at most


# --- names ---


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My-Shop", "'My-Shop' is no name for a package: lower-case letters, digits and single _ between; my_shop would do"),
        ("shop!", "; shop would do"),
        ("2shop", "; shop would do"),
        ("größe", "; gr_e would do"),
        ("a/b", "; a_b would do"),
        ("../shop", "; shop would do"),
        ("_", "digits and single _ between\n"),
        ("Class", "digits and single _ between\n"),
        ("", "'' is no name"),
        ("class", "'class' is a keyword of Python; another name was expected, as my_class"),
        ("match", "is a keyword of Python"),
        ("email", "'email' is a module of the standard library, which the project would hide; another name was expected, as my_email"),
        ("tests", "is the name of a folder that the project has besides its package"),
        ("deploy", "is the name of a folder"),
        ("ambi", "is an installed package"),
        ("gunicorn", "is an installed package"),
        ("multipart", "is an installed package"),
        ("pluggy", "is an installed package, which the project would hide; another name was expected, as my_pluggy"),
    ],
)  # fmt: skip
def test_a_name_that_would_not_do_is_refused(site: Site, name: str, said: str) -> None:
    result = site.run("new", name, "--dir", "there")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("ambi new: ")
    assert said in result.err
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["shop", "shop2", "my_shop", "package", "a"])
def test_a_name_that_does_is_taken(site: Site, name: str) -> None:
    assert site.run("new", name).status == 0
    assert (site.folder / name / name / "web.py").is_file()


def test_what_lies_in_the_current_directory_is_not_installed(site: Site) -> None:
    site.write("", "shop/notes.txt")
    site.write("", "shop.py")
    assert site.run("new", "shop", "--dir", "other").status == 0


# --- what is there ---


def test_nothing_is_written_over(site: Site) -> None:
    assert site.run("new", "shop").status == 0
    before = {path: path.read_bytes() for path in (site.folder / "shop").rglob("*") if path.is_file()}
    result = site.run("new", "shop")
    assert (result.status, result.out) == (2, "")
    assert "shop holds .dockerignore, .env.example, .gitignore, Dockerfile, " in result.err
    assert "nothing was written" in result.err
    assert before == {path: path.read_bytes() for path in (site.folder / "shop").rglob("*") if path.is_file()}


def test_a_folder_with_other_things_in_it_must_be_named(site: Site) -> None:
    site.write("", "shop/.git/config")
    result = site.run("new", "shop")
    assert result.status == 2
    assert "the folder shop is not empty; --dir shop writes into it all the same" in result.err
    result = site.run("new", "shop", "--dir", "shop")
    assert result.status == 0
    assert files_below(site.folder / "shop") == {*FILES, ".git/config"}


def test_an_empty_folder_and_the_current_one_will_do(site: Site) -> None:
    result = site.run("new", "shop", "--dir", ".")
    assert result.status == 0
    assert "cd " not in result.out
    (site.folder / "store").mkdir()
    assert site.run("new", "store").status == 0


def test_folders_above_are_made(site: Site) -> None:
    result = site.run("new", "shop", "--dir", "my sites/shop")
    assert result.status == 0
    assert "cd 'my sites/shop'" in result.out


def test_a_link_that_leads_nowhere_is_in_the_way_too(site: Site) -> None:
    (site.folder / "shop").mkdir()
    (site.folder / "shop" / "Dockerfile").symlink_to("nowhere")
    result = site.run("new", "shop")
    assert result.status == 2
    assert "shop holds Dockerfile already" in result.err


def test_a_file_of_that_name_is_in_the_way(site: Site) -> None:
    site.write("", "shop")
    result = site.run("new", "shop")
    assert (result.status, result.err) == (2, "ambi new: shop is there, and is no folder; nothing was written\n")


def test_all_is_written_or_nothing(site: Site) -> None:
    (site.folder / "there").mkdir()
    site.write("kept", "there/deep/file")
    with pytest.raises(FileExistsError):
        write_all(site.folder / "there", {"a/b/c": "1", "a/d": "2", "e": "3", "deep/file": "no"})
    assert files_below(site.folder / "there") == {"deep/file"}
    assert not (site.folder / "there" / "a").exists()


def test_a_file_in_the_way_of_a_folder_is_said(site: Site) -> None:
    site.write("", "file")
    result = site.run("new", "shop", "--dir", "file/shop")
    assert result.status == 2
    assert result.err.startswith("ambi new: nothing was written: ")
