"""The push parser of the library `multipart`, loaded with the first form, and then as a whole.

Where python-multipart is installed as well, as beside FastAPI, `multipart` is a package of that one. It looks for the
library, and puts it into its own place before it is loaded; a second thread that imports `multipart` in that moment
gets a module in which nothing is yet. Whoever imports this module waits until all of it is there.
"""

from __future__ import annotations

from multipart import MultipartError, PushMultipartParser

__all__ = ["MultipartError", "PushMultipartParser"]
