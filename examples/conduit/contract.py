"""Where the two versions of RealWorld's contract differ. 1.1 is followed, or 2.0 with `CONDUIT_CONTRACT=2.0`.

Both have the same errors here: in `body` the sentences that 1.1 asks for, beside it the fields that 2.0 asks for.
"""

import os

VERSION = os.environ.get("CONDUIT_CONTRACT", "1.1")
if VERSION not in ("1.1", "2.0"):
    raise SystemExit(f"CONDUIT_CONTRACT is {VERSION!r}; it can be 1.1 or 2.0")
IS_2 = VERSION == "2.0"

COMMENTED = 201 if IS_2 else 200
"""The status of a comment that was written."""

NOTHING = None if IS_2 else ""
"""The text of a profile, and its picture, where there is none."""
