"""Every feature is set up as an extension of anybody's would be: `setup(app, **options)`. Nothing is served here."""

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
FEATURES = sorted(path.stem for path in (PACKAGE / "features").iterdir() if path.stem[:1] != "_")

WITHOUT = {
    "auth": "its guards are layers, which a route, a router or an application is given",
    "broadcast": "an object of its own, which handlers use",
    "debug": "what an application with `debug=True` shows, which is asked when something has failed",
    "json_lines": "a response, which handlers return",
    "log_format": "for all loggers of a process, which whoever starts that configures",
    "mount": "what `App.mount` looks into other applications with",
    "settings": "read before there is an application",
    "sse": "a response, which handlers return",
    "typed": "what signatures are bound with, when a route is registered",
}
"""Features that attach nothing, and why."""

EQUIPMENT = ast.parse((PACKAGE / "equipment.py").read_text(encoding="utf-8"))


def setups() -> Iterator[tuple[str, str, ast.Call]]:
    """Give the methods that set a feature up: name, module of the feature, and the call."""
    for method in ast.walk(EQUIPMENT):
        if not isinstance(method, ast.FunctionDef):
            continue
        taken = [
            node for node in ast.walk(method) if isinstance(node, ast.ImportFrom) and node.names[0].name == "setup"
        ]
        calls = [node for node in ast.walk(method) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"]
        if taken or calls:
            assert len(taken) == len(calls) == 1, method.name
            yield method.name, str(taken[0].module), calls[0]


SETUPS = list(setups())


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_a_setup_or_a_reason_to_have_none(feature: str) -> None:
    module = importlib.import_module(f"ambi.features.{feature}")
    assert hasattr(module, "setup") is (feature not in WITHOUT)
    assert (f"features.{feature}" in [module for _, module, _ in SETUPS]) is (feature not in WITHOUT)


@pytest.mark.parametrize(("method", "module"), [setup[:2] for setup in SETUPS], ids=[setup[0] for setup in SETUPS])
def test_a_setup_takes_the_application_and_then_keywords(method: str, module: str) -> None:
    setup: Any = importlib.import_module(f"ambi.{module}").setup
    first, *others = inspect.signature(setup).parameters.values()
    assert (first.name, first.kind) == ("app", first.POSITIONAL_OR_KEYWORD)
    assert {one.kind for one in others} <= {first.KEYWORD_ONLY, first.VAR_KEYWORD}
    assert setup.__doc__


@pytest.mark.parametrize(("method", "module", "call"), SETUPS, ids=[setup[0] for setup in SETUPS])
def test_a_method_calls_it_with_its_own_arguments(method: str, module: str, call: ast.Call) -> None:
    """All of them by their names, and `openapi` with what makes schemas besides."""
    taken = inspect.signature(getattr(App, method)).parameters
    given = {keyword.arg or "options" for keyword in call.keywords} - {"make"}
    assert given == taken.keys() - {"self"}
    assert [ast.unparse(argument) for argument in call.args] in (["self"], ["app"])
