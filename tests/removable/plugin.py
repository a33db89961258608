"""What a test run without some features needs: tests of those are told by their asking for it, and skipped.

A test asks for a feature when it imports it, names it in `ambi`, or calls the method of `App` that loads it. Where
anything else imports it, the core or another feature, that is a failure: of that test, or of all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

MISSING = os.environ["AMBI_WITHOUT"].split(",")
ROOT = Path.cwd()
FRONT = {ROOT / "framework/ambi" / name for name in ("app.py", "equipment.py", "__init__.py")}
"""What may load a feature, when a test asks for it."""
BETWEEN = {
    ROOT / "framework/ambi" / name
    for name in ("core/routing.py", "features/typed/signature.py", "features/typed/answers.py")
}
"""What asks those for it, when a test registers a handler: they are given functions that load, and load nothing."""


MARK = "deleted"


class RemovedError(ModuleNotFoundError):
    """A feature that is missing was imported."""


class Finder:
    """Be first to know of an import of a feature that is missing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith("ambi.features.") and name.split(".")[2] in MISSING:
            # With its name in the error `from ambi.features import x` would say something else.
            raise RemovedError(f"No module named {name!r}", name=MARK)


def pytest_configure(config: pytest.Config) -> None:
    import ambi

    assert Path(ambi.__file__).is_relative_to(ROOT), f"{ambi.__file__} is not the copy in {ROOT}"
    left = {path.stem for path in (ROOT / "framework/ambi/features").iterdir()}
    assert not left.intersection(MISSING), f"{left} are still there"
    sys.meta_path.insert(0, Finder())


def files_of(traceback: TracebackType | None) -> Iterator[Path]:
    """Give the files of a traceback, innermost first, without those of the import system and of this plugin."""
    frames: list[Path] = []
    while traceback is not None:
        frames.append(Path(traceback.tb_frame.f_code.co_filename))
        traceback = traceback.tb_next
    for file in reversed(frames):
        if file.is_relative_to(ROOT) and file != Path(__file__):
            yield file


def is_asked_for_by_a_test(error: BaseException | None) -> bool:
    """Tell whether a test has asked for the feature."""
    while error is not None and not isinstance(error, RemovedError):
        error = error.__cause__ or error.__context__
    if error is None:
        return False
    for file in files_of(error.__traceback__):
        if file not in FRONT | BETWEEN:
            return file.is_relative_to(ROOT / "tests") or file.is_relative_to(ROOT / "examples")
    return False


def as_skipped(report: Any, error: BaseException) -> None:
    if is_asked_for_by_a_test(error):
        report.outcome = "skipped"
        report.longrepr = (__file__, 0, "needs what was deleted")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    if call.excinfo is not None and report.failed:
        as_skipped(report, call.excinfo.value)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report: Any = yield
    excinfo = getattr(getattr(report, "call", None), "excinfo", None)
    if excinfo is not None and report.failed:
        as_skipped(report, excinfo.value)
        name = ".".join(collector.path.relative_to(ROOT).with_suffix("").parts)
        sys.modules.pop(name, None)  # else others could import the half that was made
    return report
