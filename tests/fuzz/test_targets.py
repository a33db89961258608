"""Every target over its seeds: what was found once stays mended, and no target has gone blind."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from ambi import HTTPError
from tests.fuzz.properties import Refusal, attempt, check_work, chunks
from tests.fuzz.targets import NAMES


def target(name: str) -> Any:
    return importlib.import_module(f"tests.fuzz.targets.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_all_that_a_target_asks_for_holds_for_its_seeds(name: str) -> None:
    module = target(name)
    seeds = list(module.seeds())
    assert len(seeds) >= 3
    for seed in (b"", b"\0", *seeds):
        module.check(seed)


def test_data_is_cut_without_loss() -> None:
    data = bytes(range(100))
    for cuts in (b"", b"\0", b"\3\1\xff"):
        pieces = list(chunks(data, cuts))
        assert b"".join(pieces) == data
        assert all(pieces)


def test_only_documented_refusals_pass() -> None:
    def refuse(status: int) -> None:
        raise HTTPError(status)

    assert attempt(refuse, 400) == Refusal(400)
    with pytest.raises(AssertionError, match="documented"):
        attempt(refuse, 413)


def test_work_out_of_proportion_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.properties.CPU_BUDGET_S", 0.0001)
    check_work(b"a", len, always=True)
    with pytest.raises(AssertionError, match="65536 bytes"):
        check_work(b"a", lambda large: [large.count(b"b") for _ in range(1000)], always=True)
