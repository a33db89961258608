"""Every case is replayed, or has a test; none is passed over in silence."""

import ast
import os
from functools import lru_cache
from pathlib import Path

import pytest

from tests.corpus import test_faults, test_scaling, test_websockets
from tests.corpus.cases import CASES
from tests.corpus.checks import CHECKS
from tests.corpus.ledger import TESTED_ELSEWHERE
from tests.corpus.test_calls import COVERED

ROOT = Path(__file__).parents[2]
REPLAYED = ("http", "raw")

PROVOKING = (test_faults, test_scaling, test_websockets)
"""They note what they cover when they are imported."""


@lru_cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_case_is_passed_over() -> None:
    told = [*COVERED, *TESTED_ELSEWHERE]
    others = [case.id for case in CASES if case.kind not in REPLAYED]
    if "AMBI_CORPUS" in os.environ:
        for unknown in sorted(set(others) - set(told)):
            print("not provoked here, as nobody has written it down:", unknown)
        return
    assert len(told) - len(set(told)) == 0, "a case has one place"
    assert set(told) == set(others)


@pytest.mark.parametrize("place", TESTED_ELSEWHERE.values(), ids=TESTED_ELSEWHERE)
def test_what_is_tested_elsewhere_is_there(place: str) -> None:
    path, _, name = place.partition("::")
    assert name in functions_of(path)


def test_every_check_is_one_of_a_case_that_is_there() -> None:
    if "AMBI_CORPUS" not in os.environ:
        assert CHECKS.keys() <= {case.id for case in CASES if case.kind in REPLAYED}
