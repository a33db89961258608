"""The project's gates: `nox -l` lists them, `nox -s NAME` runs one, plain `nox` runs what a change must pass.

What each session installs is a dependency group in pyproject.toml. Words after `--` go to the session's tool:
`nox -s tests -- -k cookies`, `nox -s demo -- --once`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "arch", "tests", "docs", "examples"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
_APART = (
    "browser", "deploy", "differential", "docs", "examples", "faults/sockets", "interop", "processes", "release",
    "servers", "slow", "streaming",
)  # fmt: skip
ELSEWHERE = [f"--ignore=tests/{name}" for name in _APART]
"""What has a session of its own."""
LOW = ("tests/bridge", "tests/core")
HIGH = ("tests/acceptance", "tests/cli", "tests/features", "tests/properties", "tests/testing")
"""What takes most of the time. With `-- --shared` the Pythons share its cells: each runs on one of them."""
GATEWAYS = "tests/gateways"
ASK_FOR_SERVERS = ("tests/bridge/test_one_object.py", "tests/bridge/test_processes.py", "tests/corpus/test_sockets.py")
"""Tests of what servers look at, of gevent, and of hostile bytes: elsewhere servers are not installed, and parts of
these are skipped."""

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = sorted({"3.11", "3.12", "3.13", RUNNING}, key=lambda version: int(version.partition(".")[2]))

if sys.version_info < (3, 11):  # noqa: UP036 - nox itself runs on older ones
    raise SystemExit(f"ambi needs Python 3.11 or newer, and this nox runs on {RUNNING}.")


# ------------------------------------------------------------------------------------------- interpreters


def executable_of(python: Path, version: str) -> str | None:
    """Return the path of the interpreter that starts under that name, or None if it is not of that version.

    A file of the right name proves nothing: a shim of pyenv stands on PATH for every version ever installed,
    and fails when the version is not selected.
    """
    ask = "import sys; sys.stdout.write('%d.%d ' % sys.version_info[:2] + sys.executable)"  # 2.7 has to understand it
    try:
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found, _, executable = answer.stdout.strip().partition(" ")
    return executable if answer.returncode == 0 and found == version else None


def pyenv_versions() -> Path:
    """Return the folder where pyenv keeps its interpreters, if there is one."""
    root = os.environ.get("PYENV_ROOT")
    if root is None and (pyenv := shutil.which("pyenv")) is not None:
        answer = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
        root = answer.stdout.strip()
    return Path(root or Path.home() / ".pyenv", "versions")


def find_interpreter(version: str) -> str | None:
    """Return the path of an interpreter of that version which really runs, or None."""
    if version == RUNNING:
        return sys.executable
    on_path = [Path(folder, f"python{version}") for folder in os.get_exec_path()]
    by_patch = sorted(pyenv_versions().glob(f"{version}.*/bin/python"), reverse=True)
    for python in [*on_path, *by_patch]:
        if python.exists() and (executable := executable_of(python, version)):
            return executable
    return None


INTERPRETERS = {version: find_interpreter(version) for version in SUPPORTED}


# ------------------------------------------------------------------------------------------- what to install


def install(session: nox.Session, *groups: str, extras: bool = False) -> None:
    """Install ambi, editable, and dependency groups; with `extras`, what its optional features need too."""
    optional = [name for name in PYPROJECT["project"]["optional-dependencies"] if name != "dev"]
    project = f".[{','.join(optional)}]" if extras else "."
    session.install("-e", project, *nox.project.dependency_groups(PYPROJECT, *groups))


FROM_DEBIAN = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "curl": "curl",
    "dot": "graphviz",
    "fish": "fish",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "redis-server": "redis-server",
    "wrk": "wrk",
    "zsh": "zsh",
}
"""What tests use that is no Python package: program -> Debian's package. Without it they are skipped, and say so;
without `dot`, diagrams of the site are shown as their text."""


def install_from_debian(session: nox.Session) -> None:
    """Install the Debian packages of the programs that are missing, where that can be done without asking."""
    packages = sorted({package for program, package in FROM_DEBIAN.items() if shutil.which(program) is None})
    apt = shutil.which("apt-get")
    if not packages or apt is None or os.geteuid() != 0:
        return
    # At run level 1 no service is started: the tests start their own.
    settings = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    patient = ["-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]
    install = ["install", "--yes", "--no-install-recommends", *packages]
    session.run(apt, *patient, "update", env=settings, external=True, silent=True, success_codes=[0, 100])
    session.run(apt, *patient, *install, env=settings, external=True, silent=True)


# ------------------------------------------------------------------------------------------- sessions


def share_of(version: str) -> list[tuple[str, list[str]]]:
    """Give which cells of which tests are a Python's share: the one that measures coverage has the gateways."""
    if version == RUNNING:
        return [("matching", [*LOW]), ("crossing", [*HIGH]), ("", [GATEWAYS])]
    others = [each for each in SUPPORTED if each != RUNNING]
    if version != others[0]:
        return [("matching", [*HIGH])]
    rest = ["tests", *ELSEWHERE, *(f"--ignore={path}" for path in (*LOW, *HIGH, GATEWAYS))]
    return [("crossing", [*LOW]), ("", rest)]


@nox.session
@nox.parametrize(
    "python,version",
    # Without an interpreter there is nothing to make an environment with: `False` asks for none.
    [nox.param(python or False, version, id=version) for version, python in INTERPRETERS.items()],
)
def tests(session: nox.Session, version: str) -> None:
    """Run the test suite on every supported Python found here; the one that runs nox measures coverage.

    With `-- --shared` each runs its share of the cells, so that together they run all.
    """
    for name, python in INTERPRETERS.items():
        session.log(f"Python {name}: {python or 'not found'}")
    if INTERPRETERS[version] is None:
        session.skip(f"no interpreter of Python {version} that runs was found on PATH or under pyenv")
    install(session, "test", extras=True)
    # A part of the suite cannot cover the whole package, so words after `--` switch the measurement off.
    shared = session.posargs == ["--shared"]
    runs = share_of(version) if shared else [("", [*ELSEWHERE, *session.posargs])]
    measured = version == RUNNING and (shared or not session.posargs)
    if measured:
        session.run("coverage", "erase")
    for cells, arguments in runs:
        runner = ["coverage", "run", "--append", "-m"] if measured else []
        session.run(*runner, "pytest", *arguments, env={"AMBI_CELLS": cells} if cells else {})
    if measured:
        session.run("coverage", "report")


THOROUGH = {"HYPOTHESIS_PROFILE": "thorough"}
"""Thousands of examples, others each time: see tests/profiles.py."""


@nox.session
def properties(session: nox.Session) -> None:
    """Try each property with thousands of examples, others each time; words after `--` are files of some."""
    install(session, "test", extras=True)
    patient = ["-o", "faulthandler_timeout=1800"]  # some take minutes, and do not hang
    session.run("pytest", "-m", "hypothesis", *patient, *(session.posargs or ["tests", *ELSEWHERE]), env=THOROUGH)


@nox.session
def interop(session: nox.Session) -> None:
    """Run guests of other frameworks inside ambi, ambi inside of them, and other people's packages around it.

    And send Werkzeug and Starlette the same bytes as ambi: every difference has to be explained. `-- --thorough` sends
    many more.
    """
    install(session, "interop", extras=True)
    if "--thorough" in session.posargs:
        session.run("pytest", "tests/differential", env=THOROUGH)
    rest = [word for word in session.posargs if word != "--thorough"]
    # In this order: threads of some packages stay, and use `random`, which hypothesis takes for its examples' doing.
    session.run("pytest", "tests/differential", "tests/interop", *rest)
    if not rest:  # for the examples that need other packages
        needy = "mcp or guestbook or conduit or techempower or todo_backend"
        session.run("pytest", "--confcutdir=tests/examples", "tests/examples", "-k", needy)
        session.run("pytest", "tests/cli", "-k", "mcp")


@nox.session(python=next(filter(None, map(INTERPRETERS.get, ("3.11", "3.12", "3.13"))), False))
def fuzz(session: nox.Session) -> None:
    """Put what a fuzzer makes up into every parser, 30 s each; `-- --seconds 600 --target cookies` for more of one."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not session.python:
        session.skip("atheris has wheels for CPython 3.11 to 3.13 on Linux and x86-64 alone")
    install(session, "fuzz", extras=True)
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff; `-- --fix` mends what can be mended."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    mend = "--fix" in session.posargs
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if mend else ["--diff"]))


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict over the framework."""
    install(session, "types", extras=True)
    session.run("mypy", *session.posargs)
    session.run("pyright", *session.posargs)


@nox.session
def arch(session: nox.Session) -> None:
    """Hold the import contracts, and the promises on what an import loads."""
    install(session, "arch", extras=True)
    session.run("lint-imports", "--no-cache")
    session.run("pytest", "tests/architecture", *session.posargs)


@nox.session
def removable(session: nox.Session) -> None:
    """Delete features from a copy of the project and test what is left; `-- --one NAME` runs the whole suite."""
    install(session, "arch", extras=True)
    session.run("python", "-m", "tests.removable", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Put faults into what the promises of security are made of, one at a time, and see that the tests see them.

    Takes long; words after `--` name modules, as `core/cookies.py`.
    """
    install(session, "test", extras=True)
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def servers(session: nox.Session) -> None:
    """Put the same questions to every server, and run what the pages on deployment say; `-- --quick` for a part."""
    install(session, "servers", extras=True)
    if "--quick" in session.posargs:
        rest = [word for word in session.posargs if word != "--quick"]
        session.run("pytest", "tests/servers", "tests/streaming", "tests/deploy", *ASK_FOR_SERVERS, *rest)
    else:
        session.run("python", "-m", "tests.servers", *session.posargs)
        session.run("pytest", "tests/streaming", "tests/deploy", *ASK_FOR_SERVERS, env={"AMBI_SERVERS": "all"})


@nox.session
def corpus(session: nox.Session) -> None:
    """Replay every hostile case in process, in each cell, and over sockets; words after `--` are files of more."""
    install(session, "hardening", extras=True)
    session.run("pytest", "tests/corpus")
    for cases in session.posargs:
        session.run("pytest", "tests/corpus", env={"AMBI_CORPUS": cases})


@nox.session
def faults(session: nox.Session) -> None:
    """Provoke every fault at every place, in process, over sockets and by signals; `-- --quick` for a part."""
    install(session, "test", "servers", extras=True)
    quick = "--quick" in session.posargs
    rest = [word for word in session.posargs if word != "--quick"]
    session.run("pytest", "tests/faults", *rest, env={} if quick else {"AMBI_FAULTS": "all"})


@nox.session
def processes(session: nox.Session) -> None:
    """End, kill, stop and recycle the workers of servers under load: no acknowledged write is lost, nothing is left."""
    install_from_debian(session)
    install(session, "hardening", extras=True)
    session.run("pytest", "tests/processes")
    session.run("python", "-m", "tests.processes", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Treat servers to slow, broken and rude clients, behind nginx and haproxy too; `-- --real`: a byte a second."""
    install_from_debian(session)
    install(session, "hardening", extras=True)
    session.run("pytest", "tests/slow")
    session.run("python", "-m", "tests.slow", *session.posargs)


@nox.session
def autobahn(session: nox.Session) -> None:
    """Run the Autobahn WebSocket suite against our own implementation and against uvicorn; `-- --quick` for a part."""
    old = find_interpreter("2.7")
    if old is None:
        session.skip("the suite runs on Python 2.7 only, and none that runs was found on PATH or under pyenv")
    install(session, "autobahn", extras=True)
    home = Path(session.cache_dir, "autobahn").resolve()  # apart from all environments of the project
    wstest = home / "suite" / "bin" / "wstest"
    if not wstest.exists():
        session.run("python", "-m", "venv", "--clear", str(home / "maker"))
        maker = str(home / "maker" / "bin" / "python")
        # The last release that makes environments of Python 2.7.
        session.run(maker, "-m", "pip", "install", "--quiet", "virtualenv<20.22", external=True)
        session.run(maker, "-m", "virtualenv", "--quiet", "-p", old, str(home / "suite"), external=True)
        session.run(str(home / "suite" / "bin" / "pip"), "install", "--quiet", "autobahntestsuite", external=True)
    session.run("python", "-m", "tests.autobahn", "--wstest", str(wstest), *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Send 200,000 requests, a fifth of them hostile, and see that nothing grows; `-- --requests N` for fewer."""
    install(session, "test", "demo", extras=True)
    session.run("python", "-m", "tests.soak", *session.posargs)


MODES = {
    "": {},
    "-O": {},
    "-OO": {},
    "-W error": {},
    "-X dev -W error": {"PYTHONASYNCIODEBUG": "1"},
}
"""Ways to start an interpreter: options -> variables."""


@nox.session
@nox.parametrize(
    "python,version",
    [nox.param(python or False, version, id=version) for version, python in INTERPRETERS.items()],
)
def interpreters(session: nox.Session, version: str) -> None:
    """Replay what people and attackers send on every Python, in every way to start it; `-- --quick` for one way."""
    if INTERPRETERS[version] is None:
        session.skip(f"no Python {version} that runs was found on PATH or under pyenv")
    install(session, "test", "demo", extras=True)
    quick = "--quick" in session.posargs
    for options, variables in MODES.items():
        if not quick or options == "-O":
            session.run("python", *options.split(), "-m", "tests.interpreters", env=variables)
    # The children of what is started have the variables, too: both servers run without asserts.
    session.run("python", "-m", "tests.demo", "--once", env={"PYTHONOPTIMIZE": "1"})
    if not quick:
        folders = ["tests/gateways", "tests/bridge"]
        session.run("pytest", *folders, env={"AMBI_CELLS": "matching", "PYTHONASYNCIODEBUG": "1"})


def lowest_versions() -> list[str]:
    """Give the lowest versions that pyproject.toml allows of what the framework requires, extras included."""
    optional = PYPROJECT["project"]["optional-dependencies"]
    required = [*PYPROJECT["project"]["dependencies"], *(each for name in optional for each in optional[name])]
    found = [re.match(r"([\w.-]+)>=([\d.]+)", requirement) for requirement in required]
    return [f"{match[1]}=={match[2]}" for match in found if match]


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that are allowed of everything the framework requires."""
    # Not in the session's own folder for temporary files: tests would make theirs there, below our pyproject.toml.
    constraints = Path(session.cache_dir, "lowest.txt")
    constraints.write_text("\n".join(lowest_versions()))
    optional = [name for name in PYPROJECT["project"]["optional-dependencies"] if name != "dev"]
    needed = nox.project.dependency_groups(PYPROJECT, "test", "demo")
    session.install("-e", f".[{','.join(optional)}]", *needed, "--constraint", str(constraints))
    folders = [
        f"tests/{name}"
        for name in ("core", "bridge", "gateways", "features", "testing", "properties", "corpus", "faults")
    ]
    session.run("pytest", *(session.posargs or folders), env={"AMBI_CELLS": "matching"})


HARDENING: dict[str, list[str]] = {
    f"tests({RUNNING})": [],  # what is tested of the corpus by hand, and most of what the table of promises names
    "docs": [],  # that table
    "corpus": [],
    "properties": [],
    "interop": ["--thorough"],
    "servers": [],
    "faults": [],
    "processes": [],
    "slow": ["--real"],
    "soak": [],
    **{f"interpreters({version})": [] for version in SUPPORTED},
    "lowest": [],
    "fuzz": ["--seconds", "600", "--jobs", "2"],
    "mutants": [],
    "removable": [],  # too long for each change; the import contracts of `arch` hold most of it
}
"""What `hardening` runs: session -> the words behind its `--`."""


@nox.session(venv_backend="none")
def hardening(session: nox.Session) -> None:
    """Run all that is too long for each change, one after the other: hostile input, faults, load, fuzz, mutants."""
    for name, words in HARDENING.items():
        session.notify(name, posargs=words)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory."""
    install(session, "bench", extras=True)
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


SITE = "docs/_build/html"


def build_site(session: nox.Session) -> None:
    """Make the site of the pages; a name or a link that leads nowhere is an error."""
    if not Path(SITE, "searchindex.js").exists():  # the last step: without it a build was interrupted
        shutil.rmtree(SITE, ignore_errors=True)
    session.run("sphinx-build", "--quiet", "--nitpicky", "--fail-on-warning", "--keep-going", "docs", SITE)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, follow every link, run every block of Python on both gateways, do what the tutorial says."""
    install_from_debian(session)
    install(session, "docs", extras=True)
    build_site(session)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Request every route of every example, with nothing installed but ambi and what it requires."""
    install(session, "examples")
    # What tests/conftest.py imports is not installed either.
    session.run("pytest", "--confcutdir=tests/examples", "tests/examples", *session.posargs)


@nox.session(venv_backend="none")
def debian(session: nox.Session) -> None:
    """Install what tests use of Debian's packages (Redis, Chromium), as root where apt is; else do nothing."""
    install_from_debian(session)


@nox.session
def browser(session: nox.Session) -> None:
    """Use the examples as people do, in a real browser, under gunicorn and uvicorn; read the site in it."""
    install_from_debian(session)
    if absent := [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]:
        session.skip(f"{' and '.join(absent)} not found; Debian's packages are chromium and chromium-driver")
    install(session, "browser", extras=True)
    if not Path(SITE, "index.html").exists():  # `docs` has not run
        session.install(*nox.project.dependency_groups(PYPROJECT, "site"))
        build_site(session)
    session.run("pytest", "--confcutdir=tests/browser", "tests/browser", *session.posargs)  # as for the examples


@nox.session
def demo(session: nox.Session) -> None:
    """Serve one app under gunicorn and uvicorn, and compare their answers; `-- --once` does not stay up."""
    install(session, "demo")
    # Ctrl-C reaches the demo as well; it ends both servers and exits with 0, for which nox has to wait.
    session.run("python", "-m", "tests.demo", *session.posargs, interrupt_timeout=20, terminate_timeout=20)


@nox.session
def first_minutes(session: nox.Session) -> None:
    """Do what the README of a new project says, from the built wheel, where nothing else is installed."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "first_minutes"))
    session.run("python", "-m", "tests.first_minutes")


@nox.session
def release_check(session: nox.Session) -> None:
    """Build the sdist, and the wheel of it, look into both, and test the wheel where nothing else is.

    `-- --quick` leaves out the test suite; `-- --all` runs it in every cell.
    """
    session.install(*nox.project.dependency_groups(PYPROJECT, "release"))
    session.install("-e", ".")
    dist = Path(session.cache_dir, "release").resolve()
    # The same minute for both builds: what is built twice of the same files shall be the same.
    stamped = {"SOURCE_DATE_EPOCH": "1577836800"}
    for folder in (dist, dist / "again"):
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(folder), env=stamped, silent=True)
    made, again = sorted(dist.glob("ambi-*")), sorted((dist / "again").glob("ambi-*"))
    if [file.read_bytes() for file in made] != [file.read_bytes() for file in again]:
        session.error("two builds of the same files differ")
    session.run("twine", "check", "--strict", *map(str, made))
    session.run("check-wheel-contents", *(str(file) for file in made if file.suffix == ".whl"))
    session.run("pytest", "--confcutdir=tests/release", "tests/release", env={"AMBI_DIST": str(dist)})
    if "--quick" not in session.posargs:
        try_wheel(session, dist, "" if "--all" in session.posargs else "matching")


def try_wheel(session: nox.Session, dist: Path, cells: str) -> None:
    """Run the tests of the sdist against the wheel, in an environment and a folder that have no other ambi."""
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    shutil.unpack_archive(sdist, dist, filter="data")
    tree = dist / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(tree / "framework")
    session.run("python", "-m", "venv", "--clear", str(dist / "venv"))
    python = str(dist / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    extras = ",".join(name for name in PYPROJECT["project"]["optional-dependencies"] if name != "dev")
    needed = nox.project.dependency_groups(PYPROJECT, "test")
    session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[{extras}]", *needed, external=True)
    with session.chdir(tree):
        whence = "import ambi, sys; sys.exit('site-packages' not in ambi.__file__)"
        session.run(python, "-c", whence, external=True)
        folders = [f"tests/{name}" for name in ("core", "features", "testing")]
        session.run(python, "-m", "pytest", *folders, env={"AMBI_CELLS": cells}, external=True)
