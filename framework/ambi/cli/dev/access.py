"""The log of the development server: a line a request, its status in colour, and the lines of all loggers."""

from __future__ import annotations

import logging
import sys
from datetime import datetime

from ..printing import Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...app import App
    from .banner import LogFormat

_COLOURS = {"2": "32", "3": "36", "4": "33", "5": "31"}
_OUTERMOST = -1
_MODULE = "features.access_log"


def configure_logging(log_format: LogFormat) -> None:
    """Send all lines to stderr in one form. Before the application is imported: what that configures, stands."""
    from ...features.log_format import configure

    configure(log_format)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def add_access_log(app: App, log_format: LogFormat) -> None:
    """Write a line for each request, unless the application has an access log of its own."""
    if any(_MODULE in getattr(layer.function, "__module__", "") for layer in app.layers):
        return
    from ...core.log import SECRET_PARAMS
    from ...features.access_log import LOGGER, access_log

    app.surround(access_log(as_json=False, query=(), secret_params=SECRET_PARAMS), rank=_OUTERMOST)
    LOGGER.setLevel(logging.INFO)
    if log_format == "text":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_LineFormatter())
        LOGGER.addHandler(handler)
        LOGGER.propagate = False


class _LineFormatter(logging.Formatter):
    """Write a record of the access log for a person who looks on."""

    def __init__(self) -> None:
        super().__init__()
        self._page = Page(sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        """Give the line: time of day, method, path, status, duration to the last byte, bytes."""
        fields: dict[str, Any] | None = getattr(record, "access", None)
        if fields is None:
            return super().format(record)
        time = self._page.style(datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S"), "2")
        status = str(fields["status"] or "-")
        shown = self._page.style(status, _COLOURS.get(status[:1], "0"))
        left = "" if fields["complete"] else "  (the client left)" if fields["status"] else "  (no answer)"
        size = f"{fields['bytes']:,} B"
        return f"{time} {shown} {fields['method']} {fields['path']}  {fields['duration_ms']:.1f} ms  {size}{left}"
