"""Every case is replayed, or has a test; none is passed over in silence."""

import ast
import os
from functools import lru_cache
from pathlib import Path

import pytest

from tests.corpus import test_faults, test_memory, test_scaling, test_websockets
from tests.corpus.cases import CASES, Case
from tests.corpus.checks import CHECKS
from tests.corpus.ledger import PLACES, TESTED_ELSEWHERE
from tests.corpus.test_calls import COVERED

ROOT = Path(__file__).parents[2]
REPLAYED = ("http", "raw")

PROVOKING = (test_faults, test_memory, test_scaling, test_websockets)
"""They note what they cover when they are imported."""


IS_FOREIGN = "AMBI_CORPUS" in os.environ
KNOWN = {*COVERED, *TESTED_ELSEWHERE}
UNKNOWN = [case for case in CASES if case.kind not in (*REPLAYED, "ws") and case.id not in KNOWN] if IS_FOREIGN else []
"""Cases of a foreign file that only a test of their own can provoke. WebSockets are replayed from their words."""


@lru_cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_case_is_passed_over() -> None:
    if IS_FOREIGN:
        return
    told = [*COVERED, *TESTED_ELSEWHERE]
    others = [case.id for case in CASES if case.kind not in REPLAYED]
    assert len(told) - len(set(told)) == 0, "a case has one place"
    assert set(told) == set(others)


if UNKNOWN:

    @pytest.mark.parametrize("case", UNKNOWN, ids=str)
    def test_what_a_foreign_file_asks_for_is_provoked(case: Case) -> None:
        pytest.skip(f"{case.id} ({case.kind}) is words: no test here provokes it")


@pytest.mark.parametrize("place", [place for _, place in PLACES], ids=[case for case, _ in PLACES])
def test_what_is_tested_elsewhere_is_there(place: str) -> None:
    path, _, name = place.partition("::")
    assert name in functions_of(path)


def test_every_check_is_one_of_a_case_that_is_there() -> None:
    if not IS_FOREIGN:
        assert CHECKS.keys() <= {case.id for case in CASES if case.kind in REPLAYED}
