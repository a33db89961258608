"""Properties try the same examples on every run, however little of the tests is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("asked", "got"), [(None, "quick"), ("thorough", "thorough")])
def test_a_file_alone_is_run_in_the_profile_that_was_asked_for(asked: str | None, got: str) -> None:
    """In a process of its own: in this one a neighbour may have loaded the profile."""
    environ = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_PROFILE"}
    if asked is not None:
        environ["HYPOTHESIS_PROFILE"] = asked
    command = [sys.executable, "-m", "pytest", "-v", "--collect-only", "-p", "no:cacheprovider", __file__]
    ended = subprocess.run(
        command, env=environ, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60, check=False
    )
    assert f"hypothesis profile '{got}'" in ended.stdout, ended.stdout + ended.stderr
    assert "deadline=None" in ended.stdout
