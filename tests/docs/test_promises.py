"""The promises in docs/explanation/security.md: each has a test that is there, and the default that the code has."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ambi import App, Limits, Response
from ambi.core.cookies import MAX_COOKIE_BYTES
from tests.docs.markdown import ROOT

PAGE = ROOT / "docs" / "explanation" / "security.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`$")
_CALL = re.compile(r"`(\w+\(.*\))`$")

CALLS: dict[str, Callable[..., Any]] = {
    "App": App.__init__,
    "set_cookie": Response.set_cookie,
    **{
        name: getattr(App, name)
        for name in (
            "access_log", "compression", "cors", "csrf", "https", "mount", "proxy", "rate_limit", "request_ids", "route",
            "security", "sessions", "static", "templates", "websocket",
        )
    },
}  # fmt: skip
"""What has defaults that keep somebody out, or something in. Whoever adds one adds it here, and to the page."""


def rows() -> Iterator[list[str]]:
    """Give the cells of each row of the tables below the heading of the promises."""
    text = PAGE.read_text(encoding="utf-8").partition("## What is promised\n")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith(("| promise ", "| limit ")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


ROWS = list(rows())
LIMITS = {row[0].strip("`"): row[1] for row in ROWS if len(row) == 4}


def calls_of_the_page() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ROWS:
        if call := _CALL.fullmatch(row[1]):
            node = ast.parse(call[1], mode="eval").body
            assert isinstance(node, ast.Call)
            values = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
            found.setdefault(ast.unparse(node.func), []).append(values)
    return found


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the defaults that say something: none, and no values, leave it to others."""
    parameters = inspect.signature(function).parameters.values()
    return {
        each.name: each.default
        for each in parameters
        if each.default is not inspect.Parameter.empty and each.default is not None and each.default not in ((), "")
    }


def test_every_promise_has_a_test_that_is_there() -> None:
    """They are collected in a process of their own, as this one may have other options."""
    named = sorted({found[1] for row in ROWS if (found := _TEST.fullmatch(row[-1]))})
    assert [row for row in ROWS if not _TEST.fullmatch(row[-1])] == []
    assert len(named) > 60
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *named]
    told = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "AMBI_CELLS": ""},
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_limit_is_on_the_page_with_its_default() -> None:
    limits = Limits()
    known = set(Limits.__annotations__) - {"harmless_name_bytes", "harmless_value_bytes"}
    assert {name: str(getattr(limits, name)) for name in known} == LIMITS


@pytest.mark.parametrize("name", CALLS)
def test_every_default_is_on_the_page_as_it_is(name: str) -> None:
    told = calls_of_the_page().get(name)
    assert told, f"{name} is not on the page"
    assert all(each == defaults_of(CALLS[name]) for each in told)


def test_every_number_besides_is_what_the_code_has() -> None:
    told = [row[1] for row in ROWS if len(row) == 3 and row[1] != "always" and not _CALL.fullmatch(row[1])]
    assert set(told) == {f"{MAX_COOKIE_BYTES} bytes"}


def test_no_call_is_on_the_page_that_nothing_is_known_of() -> None:
    assert set(calls_of_the_page()) <= set(CALLS)
