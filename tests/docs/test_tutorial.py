"""The tutorial is done from its own text, page by page, under gunicorn and under uvicorn."""

from __future__ import annotations

import shutil

import pytest

from tests.docs.reader import Reader
from tests.docs.walkthrough import PAGES


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    if shutil.which("curl") is None:
        pytest.skip("curl not found")
    return Reader([page.read_text(encoding="utf-8") for page in PAGES], tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("number", range(1, len(PAGES) + 1), ids=lambda number: PAGES[number - 1].stem)
def test_what_a_page_of_the_tutorial_says_is_so(number: int, reader: Reader):
    reader.read_to(number)
