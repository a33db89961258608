"""The one fixture that ambi's fixtures for pytest ask for."""

import pytest

from ambi import App
from examples.hello import app as hello


@pytest.fixture
def app() -> App:
    return hello
