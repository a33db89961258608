"""How many examples a property test tries, and which: the profiles of Hypothesis, for all tests.

    quick       a hundred, the same on every run: a failure is a fact, not a matter of luck
    thorough    thousands, each time elsewhere

HYPOTHESIS_PROFILE names one; `nox -s properties` runs all properties with the second.
"""

import os

from hypothesis import HealthCheck, settings

_USUAL = 100

# How long an example takes, and how long it takes to make one up, tells of the machine.
settings.register_profile(
    "quick", derandomize=True, database=None, max_examples=_USUAL, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile(
    "thorough", derandomize=False, max_examples=50 * _USUAL, deadline=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


def load() -> None:
    """Load the profile that was asked for."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def examples(quick: int) -> int:
    """Give how many examples a property tries that needs another number: this many, or as many times more as others."""
    return quick * max(1, settings.default.max_examples // _USUAL) if settings.default else quick
