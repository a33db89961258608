"""The tables of inputs in `tests/data`: JSON lists of objects, each a case, most with a `what` that names it.

Bytes are written as their latin-1 text, which is also how a gateway hands them on.
"""

import json
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).parent.parent / "data"


def vectors(name: str, key: str, *others: str) -> pytest.MarkDecorator:
    """Run a test with every case of a table; its parameters are what the cases have under these keys."""
    keys = (key, *others)
    return pytest.mark.parametrize(
        keys if others else key,
        [pytest.param(*(case[k] for k in keys), id=case.get("what") or ascii(case[keys[-1]])) for case in cases(name)],
    )


def cases(name: str) -> list[dict[str, Any]]:
    """Give the cases of a table, for a test that goes through all of them."""
    found: list[dict[str, Any]] = json.loads((_DATA / f"{name}.json").read_text("utf-8"))
    return found
