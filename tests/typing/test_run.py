"""What the checkers read runs as well. Nothing is served to a client but by themselves, so there is no cell."""

import importlib
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith(("_", "test_")))


@pytest.mark.parametrize("name", FILES)
def test_what_checkers_read_runs(name: str) -> None:
    if name == "applications":
        pytest.importorskip("starlette", reason="starlette, whose types are looked at, is not installed")
        pytest.importorskip("uvicorn", reason="uvicorn, whose types are looked at, is not installed")
        pytest.importorskip("hypercorn", reason="hypercorn, whose types are looked at, is not installed")
    importlib.import_module(f"tests.typing.{name}")


@pytest.mark.parametrize("name", FILES)
def test_a_silenced_error_is_one_of_both_checkers(name: str) -> None:
    """What one of them takes for right is no promise to those who use it."""
    lines = (HERE / f"{name}.py").read_text(encoding="utf-8").split("\n")
    by_mypy = [line for line in lines if re.search(r"# type: ignore\[", line)]
    by_pyright = [line for line in lines if re.search(r"# pyright: ignore\[", line)]
    assert by_mypy == by_pyright
    assert by_mypy, "a file that holds nothing wrong shows not that anything is"
