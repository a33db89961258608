"""All that people do with Conduit, in process through both gateways."""

from __future__ import annotations

import pytest

from tests.examples.conduit.api import Person
from tests.examples.conduit.flows import FLOWS


@pytest.mark.parametrize("flow", FLOWS)
def test_what_people_do(api: Person, flow: str) -> None:
    FLOWS[flow](api)
