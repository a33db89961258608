"""What several of these tests share."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest


@pytest.fixture(params=["def", "async"])
def late(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Give what makes a function of each colour out of a plain one, for what runs after or beside a request."""

    def make(function: Any) -> Any:
        if request.param == "def":
            return function

        async def later(*args: Any) -> None:
            await anyio.sleep(0)
            function(*args)

        return later

    return make
