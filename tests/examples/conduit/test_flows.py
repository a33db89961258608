"""All that people do with Conduit, in process through both gateways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.conduit.api import Person
from tests.examples.conduit.flows import FLOWS
from tests.leaks import nothing_left_behind


@pytest.fixture(scope="module", autouse=True)
def no_leaks(environment: None) -> Iterator[None]:
    """Hold all tests together to leave nothing: they share a database, whose connections are kept."""
    with nothing_left_behind():
        yield


@pytest.mark.parametrize("flow", FLOWS)
def test_what_people_do(api: Person, flow: str) -> None:
    FLOWS[flow](api)
