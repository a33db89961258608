"""What holds of the tests of examples, which run where nothing is installed but ambi and pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leaks import nothing_left_behind


@pytest.fixture(autouse=True)
def no_leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the test that leaves threads, tasks, descriptors or temporary files behind, as everywhere."""
    tmp_path_factory.getbasetemp()  # where tests have folders of theirs, which stay
    with nothing_left_behind():
        yield
