"""A request makes no more function calls than it did: the one benchmark without noise, so fit for every run.

The counts include the handful of calls that the loop around the application makes itself.
"""

import pytest

from tests.benchmarks import measure, ours, typed
from tests.benchmarks.cases import FURTHER_ROUTES, all_cases
from tests.benchmarks.gateways import GATEWAYS

pytestmark = pytest.mark.usefixtures("libuv_has_its_pipe")
LIMITS = [("wsgi", "plain", 26), ("asgi", "plain", 28), ("wsgi", "404", 50), ("asgi", "404", 52)]


@pytest.mark.parametrize(("name", "case_name", "limit"), LIMITS, ids=[f"{name}-{case}" for name, case, _ in LIMITS])
def test_a_request_keeps_to_its_number_of_calls(name: str, case_name: str, limit: int) -> None:
    gateway = GATEWAYS[name]
    case = next(case for case in all_cases() if case.name == case_name)

    async def count() -> int:
        application = ours.make(name, FURTHER_ROUTES)
        async with gateway.started(application):
            cells = await measure.keep_right_ones([measure.Cell("ambi", case, gateway, application)])
            await measure.count_calls(cells)
            return cells[0].calls

    calls = gateway.run(count())
    assert calls <= limit, f"{calls} function calls; `python -m tests.benchmarks --calls` shows the other cases"


@pytest.mark.parametrize(("name", "colour", "limit"), [("wsgi", "def", 118), ("asgi", "async def", 138)])
def test_a_typed_handler_with_two_providers_keeps_to_its_number_of_calls(name: str, colour: str, limit: int) -> None:
    gateway = GATEWAYS[name]

    async def count() -> int:
        application = typed.ours(colour)
        async with gateway.started(application):
            cells = [measure.Cell("ambi", typed.case_of(colour), gateway, application)]
            await measure.count_calls(await measure.keep_right_ones(cells))
            return cells[0].calls

    calls = gateway.run(count())
    assert calls <= limit, f"{calls} function calls; `python -m tests.benchmarks typed --calls` shows the peers'"
