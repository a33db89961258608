"""`ambi completion`: the scripts, run by the shells themselves. Nothing is served here, so there is no cell."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from ambi.cli import COMMANDS, make_parser
from ambi.cli.completion import Argument, commands_of
from tests.children import environment
from tests.cli.conftest import Site
from tests.cli.terminal import Terminal

BASH = """
complete_it() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _ambi
    printf '%s|' "${COMPREPLY[@]}"; echo
}
"""
CASES = [
    ("ambi che", {"check"}),
    ("ambi ", set(COMMANDS)),
    ("ambi check --ga", {"--gateway"}),
    ("ambi check --gateway ", {"wsgi", "asgi"}),
    ("ambi check --gateway w", {"wsgi"}),
    ("ambi completion ", {"bash", "zsh", "fish"}),
    ("ambi completion f", {"fish"}),
    ("ambi check s", {"shop.py", "sub dir/"}),
    ("ambi new --dir ", {"sub dir/"}),
    ("ambi -", {"-h", "--help", "--version"}),
]


@pytest.fixture
def folder(site: Site) -> Path:
    for name in ("shop.py", "notes.txt", "sub dir/file"):
        site.write("", name)
    return site.folder


def script_for(site: Site, shell: str) -> Path:
    result = site.run("completion", shell)
    assert (result.status, result.err) == (0, "")
    path = site.folder.parent / f"completion.{shell}"
    path.write_text(result.out, encoding="utf-8")
    return path


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(command: list[str], folder: Path) -> list[str]:
    home = {"HOME": str(folder.parent), "XDG_CONFIG_HOME": str(folder.parent), "XDG_DATA_HOME": str(folder.parent)}
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, cwd=folder, env={**environment(), **home}
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.splitlines()


def test_bash_completes(site: Site, folder: Path) -> None:
    bash, script = program("bash"), script_for(site, "bash")
    more = [("ambi check --gateway =", {"wsgi", "asgi"}), ("ambi check --gateway = w", {"wsgi"}), ("ambi new s", set())]
    cases = [*CASES, *more]
    lines = "".join(f"complete_it {' '.join(words(typed))}\n" for typed, _ in cases)
    found = run([bash, "--norc", "-c", f". '{script}'\n{BASH}{lines}"], folder)
    assert [set(line.split("|")) - {""} for line in found] == [
        {word.rstrip("/") for word in expected} for _, expected in cases
    ]


def words(typed: str) -> list[str]:
    """Give the words of a command line; the last one is what is being typed."""
    return [f"'{word}'" for word in typed.split(" ")]


def test_bash_knows_nothing_of_a_value_that_may_be_anything(site: Site, folder: Path) -> None:
    bash, script = program("bash"), script_for(site, "bash")
    assert run([bash, "--norc", "-c", f". '{script}'\n{BASH}complete_it ambi routes --match ''"], folder) == ["|"]


def test_fish_completes(site: Site, folder: Path) -> None:
    fish, script = program("fish"), script_for(site, "fish")
    asked = "; ".join(f"complete -C '{typed}'; echo =" for typed, _ in CASES)
    found = "\n".join(run([fish, "-N", "-c", f"source '{script}'; {asked}"], folder)).split("=")
    for (typed, expected), lines in zip(CASES, found, strict=False):
        got = {line.partition("\t")[0] for line in lines.strip().splitlines()}
        assert got == expected or typed == "ambi check s", typed
        assert got >= expected, typed


def test_zsh_completes(site: Site, folder: Path) -> None:
    """There is no asking it: it has a terminal, in which the tabulator is pressed."""
    zsh, script = program("zsh"), script_for(site, "zsh")
    with Terminal([zsh, "-f", "-i"], folder) as terminal:
        for typed, seen in (
            (f"autoload -U compinit; compinit -D -u; source '{script}'; echo do''ne\r", "done\r\n"),
            ("ambi che\t", "ambi check "),
            ("--ga\t", "--gateway "),
            ("w\t", "wsgi "),
            ("sh\t", "shop.py "),
            ("\x15ambi compl\t", "etion "),  # Ctrl-U empties the line
            ("z\t", "zsh "),
        ):
            terminal.type(typed)
            terminal.read_until(seen)
        terminal.type("\x15exit\r")
        assert terminal.wait() == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_option_of_every_command_is_in_the_script(site: Site, shell: str) -> None:
    text = script_for(site, shell).read_text(encoding="utf-8")
    found = commands_of(make_parser())
    assert [command.name for command in found] == ["", *COMMANDS]
    for command in found:
        for option in command.options:
            for flag in option.flags:
                assert (
                    (f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}") in text
                    if shell == "fish"
                    else flag in text
                )


def test_what_an_argument_takes_is_told_by_its_parser() -> None:
    parser = argparse.ArgumentParser(prog="ambi", add_help=False)
    parser.add_argument("--env-file", metavar="FILE", help="a [file]: it's read; always. Nothing else")
    parser.add_argument("--number", type=int, help="of it\nall")
    parser.add_argument("--on", action="store_true", help="100%% of it")
    (command,) = commands_of(parser)
    assert command.options == [
        Argument(("--env-file",), "file", "file", (), "a [file]: it's read"),
        Argument(("--number",), "number", "", (), "of it all"),
        Argument(("--on",), "", "", (), "100% of it"),
    ]


def test_a_text_is_quoted_as_each_shell_wants_it() -> None:
    from ambi.cli.completion import _fish_text, _zsh_option

    option = Argument(("--env-file",), "file", "file", (), "a [file]: it's\\read")
    assert _zsh_option(option) == r"'--env-file[a \[file\]\: it'\''s\\read]:file:_files'"
    assert _fish_text(option.about) == r"'a [file]: it\'s\\read'"


def test_a_shell_that_is_not_known_is_wrong_use(site: Site) -> None:
    result = site.run("completion", "tcsh")
    assert (result.status, result.out) == (2, "")
    assert "invalid choice: 'tcsh'" in result.err
