"""Property tests are the same on every run: a failure is a fact, not a matter of luck.

HYPOTHESIS_PROFILE=thorough digs deeper, each time elsewhere.
"""

import os

from hypothesis import settings

settings.register_profile("quick", derandomize=True, max_examples=100, deadline=None, database=None)
settings.register_profile("thorough", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
