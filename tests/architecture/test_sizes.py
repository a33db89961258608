"""How large things may grow. Nothing is served here, so there is no cell."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ambi
from ambi import App

PACKAGE = Path(ambi.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def test_the_pipeline_is_read_in_one_sitting() -> None:
    lines = (PACKAGE / "core" / "pipeline.py").read_text().splitlines()
    assert len(lines) < 150


def test_there_are_few_public_names() -> None:
    assert len(ambi.__all__) <= 30
    assert len(set(ambi.__all__)) == len(ambi.__all__)
    assert [name for name in ambi.__all__ if not hasattr(ambi, name)] == []


def test_every_public_name_says_what_it_is_for() -> None:
    undocumented = [name for name in ambi.__all__ if not name.startswith("__") and not getattr(ambi, name).__doc__]
    assert undocumented == ["Middleware"]  # a name for a type of the standard library, documented where it is made


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def statements_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function that hold code: without its docstring, comments and empty lines."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    lines = {child.lineno for node in body for child in ast.walk(node) if isinstance(child, (ast.stmt, ast.expr))}
    return len(lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_fits_a_screen(path: Path) -> None:
    """The pipeline and the reading of a request are what all requests pass, and stand in one piece for their speed."""
    long = {f.name: statements_of(f) for f in functions(ast.parse(path.read_text())) if statements_of(f) > 38}
    assert {name: lines for name, lines in long.items() if name not in ("respond", "read_request")} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def equipped() -> Iterator[tuple[str, Any, Any]]:
    """Give the methods by which an application is equipped, each with what it takes of a feature to do it."""
    for node in ast.walk(ast.parse((PACKAGE / "equipment.py").read_text())):
        if isinstance(node, ast.FunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("features"):
                    feature = importlib.import_module(f"ambi.{inner.module}")
                    for alias in inner.names:
                        yield node.name, getattr(App, node.name), getattr(feature, alias.name)


def test_a_default_of_a_feature_stands_in_one_place() -> None:
    """In the signature of the method, where editors show it; or in the feature, if the method only passes it on."""
    for name, method, taken in equipped():
        if callable(taken):
            ours, theirs = inspect.signature(method).parameters, inspect.signature(taken).parameters
            twice = [
                each
                for each in ours.keys() & theirs.keys()
                if ours[each].default is not inspect.Parameter.empty and ours[each].default == theirs[each].default
            ]
            assert (name, twice) == (name, [])
    assert len(list(equipped())) > 10
