"""Properties try the same examples on every run, however little of the tests is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_file_alone_is_run_in_the_quick_profile() -> None:
    """In a process of its own: in this one a neighbour may have loaded the profile."""
    environ = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_PROFILE"}
    command = [sys.executable, "-m", "pytest", "-v", "--collect-only", "-p", "no:cacheprovider", __file__]
    ended = subprocess.run(
        command, env=environ, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60, check=False
    )
    assert "hypothesis profile 'quick'" in ended.stdout, ended.stdout + ended.stderr
    assert "deadline=None" in ended.stdout
