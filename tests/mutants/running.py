"""One process for each mutant.

The tests are collected once. For each mutant the process forks; the child exchanges the code of the one function that
the fault is in, and runs the tests that come by its line, the quick ones first. Where the fault is outside of functions
the child runs the module anew beside the one that is there, exchanges the values that differ, and runs all tests; what
lives then is tried once more in a process that imports everything with the fault in it.

Facts
- Which test comes by which line is found by coverage, in a child too: no test ever runs in the process that forks, so it
  has no threads.
- A test may use ten times the time of a processor that it takes without a fault, and not so much of the clock: others
  may need the machine. One that waits for ever is ended after a long time.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutants.mutating import Mutant

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "framework" / "ambi"
CPU_S, WALL_S = 60, 300
MEMORY = 4 << 30
_PLAIN = (bool, int, float, str, bytes, tuple, list, dict, set, frozenset)
BROKEN = 99
"""What a child ends with that failed by itself, before any test did."""
_QUIET = (
    "-q", "-x", "--no-header", "--capture=no", "--tb=no", "--assert=plain", "--disable-plugin-autoload", "-k", "not trio",
    "-p", "no:cacheprovider", "-p", "ambi.testing.plugin", "-p", "_hypothesis_pytestplugin",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant: "killed", "survived", or "untested" where no test comes by its line."""

    mutant: Mutant
    result: str
    by: str = ""


def run_in_child(work: Callable[[], int], report: Path | None = None) -> int:
    """Do work in a forked child, and give what it returns; -1 for one that failed, or took too long."""
    pid = os.fork()
    if pid == 0:
        code = BROKEN
        try:
            _become_child()
            code = work()
        except BaseException:
            traceback.print_exc()  # seen with AMBI_MUTANTS_LOUD
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -1


def _become_child() -> None:
    silence = os.open(os.devnull, os.O_RDWR)
    if "AMBI_MUTANTS_LOUD" not in os.environ:
        for descriptor in (0, 1, 2):
            os.dup2(silence, descriptor)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends it, whatever it waits for
    signal.alarm(WALL_S)
    limit_processor(CPU_S)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def limit_processor(seconds: float) -> None:
    """End this process when it has used that much more: a fault may make a loop that never ends."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, resource.RLIM_INFINITY))


def name_of(module: str) -> str:
    """Give the dotted name of a module of the framework."""
    return "ambi." + module.removesuffix(".py").replace("/", ".")


def run_mutants(module: str, tests: Sequence[str], mutants: Sequence[Mutant]) -> Iterator[Outcome]:
    """Try the mutants of a module against its tests, in a process of its own each."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        found = Path(folder, "found.jsonl")
        files = [str(ROOT / "tests" / test) for test in tests]
        options = [
            *_QUIET,
            f"--basetemp={folder}/base",
            f"--rootdir={ROOT}",
            "-c",
            str(ROOT / "pyproject.toml"),
            *files,
        ]
        for outcome in _follow(module, mutants, found, options):
            if outcome.result == "survived" and not outcome.mutant.function:
                # What other modules made of it when they were imported is as it was: is it seen there?
                code = run_in_child(lambda mutant=outcome.mutant: _run_anew(module, mutant, options))  # type: ignore[misc]
                yield outcome if code == 0 else Outcome(outcome.mutant, "killed")
            else:
                yield outcome


def _follow(module: str, mutants: Sequence[Mutant], found: Path, options: list[str]) -> Iterator[Outcome]:
    """Run the child that collects and forks, and read what it found when it has ended; it may take what it needs."""
    pid = os.fork()
    if pid == 0:
        try:
            if "AMBI_MUTANTS_LOUD" not in os.environ:
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            pytest.main(options, plugins=[_Runner(module, mutants, found)])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    lines = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    if len(lines) != len(mutants):
        raise SystemExit(f"{len(mutants)} mutants were to be tried, and {len(lines)} were: set AMBI_MUTANTS_LOUD=1")
    for mutant, line in zip(mutants, lines, strict=True):
        yield Outcome(mutant, **json.loads(line))


class _Runner:
    """A plugin of pytest that runs the collected tests once for each mutant."""

    def __init__(self, module: str, mutants: Sequence[Mutant], found: Path) -> None:
        self._module = module
        self._mutants = mutants
        self._found = found
        self._folder = found.parent

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        module = importlib.import_module(name_of(self._module))
        gc.collect()
        gc.freeze()  # what a child does not touch stays shared with it
        lines, seconds = self._look(session, module)
        with self._found.open("w", encoding="utf-8") as found:
            for mutant in self._mutants:
                wanted = {test for line in range(mutant.first, mutant.last + 1) for test in lines.get(line, ())}
                order = (
                    sorted(wanted, key=lambda test: seconds[test])
                    if mutant.function
                    else sorted(range(len(seconds)), key=lambda test: seconds[test])
                )
                found.write(json.dumps(self._try(session, module, mutant, order, seconds)) + "\n")
                found.flush()
        return True

    def _look(self, session: pytest.Session, module: ModuleType) -> tuple[dict[int, list[int]], list[float]]:
        """Find out which tests come by which lines, how long they take, and whether all pass as it is."""
        looked = self._folder / "looked.json"

        def look() -> int:
            import coverage

            file = str(PACKAGE / self._module)
            resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            signal.alarm(0)  # all tests, measured: that may take longer than one mutant
            # Exchanging what is the same has to be harmless, or all that follows is worth nothing.
            exchange_values(module, ast.parse(Path(file).read_text(encoding="utf-8")))
            measured = coverage.Coverage(data_file=None, include=[file], config_file=False)
            measured.start()
            seconds = []
            for number, item in enumerate(session.items):
                measured.switch_context(str(number))
                began = time.process_time()
                _run_test(session, item)
                seconds.append(time.process_time() - began)
                if session.testsfailed:
                    os.write(2, f"without a mutant fails: {item.nodeid}\n".encode())
                    return 1
            measured.stop()
            contexts = measured.get_data()
            by_line = {line: names for line, names in contexts.contexts_by_lineno(file).items() if names != [""]}
            looked.write_text(json.dumps([list(by_line.items()), seconds]), encoding="utf-8")
            return 0

        if run_in_child(look):
            raise pytest.UsageError("the tests fail, or take too long, without any mutant")
        by_line, seconds = json.loads(looked.read_text(encoding="utf-8"))
        return {line: [int(name) for name in names if name] for line, names in by_line}, seconds

    def _try(
        self, session: pytest.Session, module: ModuleType, mutant: Mutant, order: list[int], seconds: list[float]
    ) -> dict[str, str]:
        if not order:
            return {"result": "untested"}
        by = self._folder / "by"
        by.write_text("", encoding="utf-8")

        def work() -> int:
            if mutant.function:
                exchange(module, mutant)
            else:
                exchange_values(module, mutant.tree)
            for number in order:
                limit_processor(1 + 10 * seconds[number])
                item = session.items[number]
                by.write_text(item.nodeid, encoding="utf-8")
                _run_test(session, item)
                if session.testsfailed:
                    return 1
            return 0

        code = run_in_child(work)
        if code == BROKEN:
            raise RuntimeError(f"the mutant could not be made: {mutant.where}: {mutant.what}")
        return {"result": "killed", "by": by.read_text(encoding="utf-8")} if code else {"result": "survived"}


def _run_test(session: pytest.Session, item: pytest.Item) -> None:
    """Run one test with all its fixtures, which end with it. A failure is counted in the session."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def exchange(module: ModuleType, mutant: Mutant) -> None:
    """Give a function that is there already the code of the mutant: whoever imported it has it too."""
    code: CodeType = compile(mutant.tree, str(module.__file__), "exec", dont_inherit=True)
    target: Any = module
    for name in mutant.function.split("."):
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
        target = vars(target)[name]
    target = getattr(target, "fget", None) or getattr(target, "__func__", target)
    assert isinstance(target, FunctionType)
    target.__code__ = code


def exchange_values(module: ModuleType, tree: ast.Module) -> None:
    """Run the mutated module apart, and put what it has of plain values, and of defaults, into the one that is there."""
    made = ModuleType(module.__name__)
    made.__dict__.update(__file__=module.__file__, __package__=module.__package__, __spec__=module.__spec__)
    try:
        exec(compile(tree, str(module.__file__), "exec", dont_inherit=True), vars(made))
    except Exception:
        os._exit(2)  # a module that cannot be imported is seen by every test
    for name, value in vars(made).items():
        there = vars(module).get(name)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for attribute, one in list(vars(value).items()):
                if attribute.startswith("__") and attribute != "__init__":
                    continue
                if not _take_defaults(vars(there).get(attribute), one) and _differs(vars(there).get(attribute), one):
                    setattr(there, attribute, one)
        elif not name.startswith("__") and not _take_defaults(there, value) and _differs(there, value):
            for other in list(sys.modules.values()):
                if other.__name__.partition(".")[0] in ("ambi", "tests") and vars(other).get(name) is there:
                    setattr(other, name, value)


def _differs(old: Any, new: Any) -> bool:
    return isinstance(new, _PLAIN) and bool(old != new)


def _take_defaults(old: Any, new: Any) -> bool:
    old, new = (getattr(each, "__func__", each) for each in (old, new))
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
        return True
    return isinstance(new, (property, FunctionType))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find one module, and run the mutant in its place."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._name = name_of(module)
        self._file = str(PACKAGE / module)
        self._tree = tree

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._file, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, self._file, "exec", dont_inherit=True), vars(module))


def _run_anew(module: str, mutant: Mutant, arguments: list[str]) -> int:
    """Import the framework with the mutant, and run all tests of the module."""
    if any(name.partition(".")[0] == "ambi" for name in sys.modules):
        raise RuntimeError("the framework is imported already")
    sys.meta_path.insert(0, _Finder(module, mutant.tree))
    return int(pytest.main(arguments))


def prepare() -> None:
    """Say how the tests shall run: for all children, so before the first.

    Behaviour tests run where handlers have the colour of the gateway, and not on trio, as these faults know no colours and
    no loops. Hypothesis repeats
    itself, and does not look for the smallest example: one is enough.
    """
    from hypothesis import HealthCheck, Phase, settings

    os.environ.update(AMBI_CELLS="matching", HYPOTHESIS_PROFILE="mutants")
    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, max_examples=30,
        phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
