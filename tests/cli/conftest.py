"""What the tests of the command line share: a folder with the user's modules, and the command in this process."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ambi.cli import main

WIDTH = "100"


class Result(NamedTuple):
    """What a command left: its exit status, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Site:
    """A folder of modules. It is the current directory, and what is imported from it is forgotten afterwards."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def write(self, text: str, name: str = "shop.py") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    def run(self, *arguments: str) -> Result:
        self._capture.readouterr()
        self.forget()
        status = main(arguments)
        out, err = self._capture.readouterr()
        return Result(status, out, err)

    def check(self, *arguments: str) -> Result:
        return self.run("check", *(arguments or ("shop:app",)))

    def forget(self) -> None:
        """Forget the modules that were imported from here: they may be written anew."""
        for name, module in list(sys.modules.items()):
            if str(self.folder) in str(getattr(module, "__file__", "")):
                del sys.modules[name]
        importlib.invalidate_caches()

    def document(self, *arguments: str) -> Any:
        """Give the document of `shop:app`, whatever became of it."""
        return self.check("shop:app", "--json", *arguments).document


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Give an empty folder to write modules into and to be checked from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", WIDTH)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two modules of one second may be of one size
    site = Site(tmp_path, capsys)
    yield site
    site.forget()
