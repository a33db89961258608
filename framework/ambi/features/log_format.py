"""The form of log lines: one JSON object a line, or text for a person; for all loggers of a process.

    configure("json")                              # an application or a command, at its start
    uvicorn.run(app, log_config=log_config("json"))
    logconfig_dict = log_config("json")            # in gunicorn.conf.py

Nothing here is done by an import, and ambi itself configures no logging: who starts the process does.

Facts
- A line of JSON is ASCII: line breaks, terminal sequences, bidi characters and lone surrogates are all escaped, so
  no text that a client sends can end a line, begin another or hide one.
- Docker cuts lines at 16 KiB; what collects logs then sees two halves that are no JSON. So a line is shorter than that.
- `extra=` may hold anything: what JSON has no word for is shown by its repr, what raises in that is named.
- A record is formatted where it was written, unless a QueueHandler carries it to another thread, which knows nothing of
  the request: there `RequestIDFilter` on the QueueHandler puts the ids on the record.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import traceback
from datetime import UTC, datetime
from itertools import islice
from typing import Literal, cast

from ..core.errors import ConfigurationError, escape_controls, quote_for_log
from ..core.tracing import current_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LogFormat = Literal["text", "json"]

MAX_LINE_CHARS = 16_000
"""What a line of JSON may have; a share of it each for message, exception and extra fields."""

_SHARES = {"message": 0.19, "exception": 0.38, "stack": 0.12, "extra": 0.16}
"""They leave what the names take, of a line of 8000 characters too."""

_MAX_NAME_CHARS = 120
_MAX_DEPTH = 5
_MAX_INT_BITS = 256
_NONE = "-"
_NO_TIME = datetime.fromtimestamp(0, UTC)
_CUT = "…"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOT_SHOWN = frozenset(("request_id", "trace_id", "route", "color_message"))
"""Attributes with a place of their own in a line; uvicorn's `color_message` is the message again."""


class JSONFormatter(logging.Formatter):
    """Write a log record as one line: an object of JSON.

    Its members are `time` (UTC, ISO 8601, milliseconds), `level`, `logger`, `message`; within a request `request_id`,
    `trace_id` and `route`, where `app.request_ids()` is in use or ambi itself writes the line; `exception`, with
    `type`, `message` and `stack`; `stack` where `stack_info=True` asked for it; then what `extra=` gave, by name.

    Args:
        fmt, datefmt, style: what `dictConfig` gives to any formatter that is named by `"class"`. A line of JSON has one
            form, so a format is an error.
        max_chars: of a line; what is longer is cut, and a stack in its middle.

    Raises:
        ConfigurationError: a format was given, or fewer than 8000 characters.

    Example:
        >>> record = logging.makeLogRecord({"name": "shop", "msg": "sold %d", "args": (3,), "created": 0})
        >>> JSONFormatter().format(record)
        '{"time":"1970-01-01T00:00:00.000+00:00","level":"NOTSET","logger":"shop","message":"sold 3"}'
    """

    def __init__(
        self, fmt: str | None = None, datefmt: str | None = None, style: str = "%", *, max_chars: int = MAX_LINE_CHARS
    ) -> None:
        super().__init__()
        if fmt is not None or datefmt is not None or style != "%":
            raise ConfigurationError(
                f"JSONFormatter was given a format ({fmt or datefmt or style!r}), and a line of JSON has one form:"
                " take it out, or use logging.Formatter"
            )
        if max_chars < 8000:
            raise ConfigurationError(f"JSONFormatter(max_chars={max_chars!r}): a line needs 8000 characters at least")
        self._max_chars = max_chars

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without a line break in it or behind it."""
        limits = {name: int(self._max_chars * share) for name, share in _SHARES.items()}
        fields: dict[str, Any] = {
            "time": _moment_of(record).isoformat(timespec="milliseconds"),
            "level": _cut(record.levelname, _MAX_NAME_CHARS),
            "logger": _cut(record.name, _MAX_NAME_CHARS),
            "message": _cut(message_of(record), limits["message"]),
        }
        fields.update({name: _cut(value, _MAX_NAME_CHARS) for name, value in names_of(record).items()})
        if (exception := _exception_of(record, limits["exception"])) is not None:
            fields["exception"] = exception
        if record.stack_info:
            fields["stack"] = _cut(str(record.stack_info), limits["stack"], tail=True)
        extras = _Plain(limits["extra"]).of_mapping(extras_of(record))
        line = {**fields, **extras, **fields}  # what is called as one of ours does not take its place
        return json.dumps(line, separators=(",", ":"), allow_nan=False)


class ConsoleFormatter(logging.Formatter):
    """Write a log record for a person who looks on: time of day, level, logger, message, and a traceback below.

    A further line of a message or a traceback is indented, so that none looks like a record of its own; what could move
    the cursor is escaped. The request's id stands at the end, where the message does not have it.

    Args:
        fmt, datefmt, style: as for `JSONFormatter`.
        colors: show levels in colour, by the sequences of ANSI terminals.

    Raises:
        ConfigurationError: a format was given.
    """

    def __init__(
        self, fmt: str | None = None, datefmt: str | None = None, style: str = "%", *, colors: bool = False
    ) -> None:
        super().__init__()
        if fmt is not None or datefmt is not None or style != "%":
            raise ConfigurationError(
                f"ConsoleFormatter was given a format ({fmt or datefmt or style!r}), and has one of its own:"
                " take it out, or use logging.Formatter"
            )
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        """Give the lines of the record, without a line break behind the last."""
        time = _moment_of(record).astimezone().isoformat(timespec="milliseconds")[11:23]
        level = f"{record.levelname:<8}"
        if self._colors:
            level = f"{_COLORS.get(record.levelname, '')}{level}\x1b[0m"
        message = message_of(record)
        request_id = names_of(record).get("request_id", "")
        if request_id and f"id={request_id}" not in message.split(" "):  # a client may have chosen "a"
            message += f" id={request_id}"
        parts = [f"{time} {level} {quote_for_log(record.name, _MAX_NAME_CHARS)}: {_indented(message)}"]
        if exception := _exception_of(record, sys.maxsize):
            parts.append("    " + _indented(exception["stack"].rstrip("\n")))
        if record.stack_info:
            parts.append("    " + _indented(str(record.stack_info)))
        return "\n".join(parts)


_COLORS = {
    "DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"
}  # fmt: skip


# --- for whoever starts the process ---


def _moment_of(record: logging.LogRecord) -> datetime:
    """Give when a record was made; 1970 where that cannot be read: no log ends at a wrong clock."""
    try:
        moment = datetime.fromtimestamp(record.created, UTC)
        moment.astimezone()  # a day at either end of the calendar has no place in some zones
    except (ValueError, OverflowError, OSError, TypeError):
        return _NO_TIME
    return moment


def configure(format: LogFormat = "text", level: int | str = "INFO") -> None:
    """Send what all loggers of this process write to stderr, in one form. For an application or a command to call.

    It replaces what the root logger had. Where the application's own module may configure logging, call it before that
    is imported: the later one stands.

    Args:
        format: "text" for a person, in colour where stderr is a terminal (and `NO_COLOR` is not set); "json" for
            whatever collects logs.
        level: of the root logger: a name of `logging`, in either case, or a number.

    Raises:
        ConfigurationError: no such format or level.
    """
    from logging.config import dictConfig

    dictConfig(log_config(format, level))


def log_config(format: LogFormat = "json", level: int | str = "INFO", *, server_access: bool = False) -> dict[str, Any]:
    """Give the same for `logging.config.dictConfig`: what uvicorn takes as `log_config`, gunicorn as `logconfig_dict`.

    The loggers of uvicorn, gunicorn and hypercorn are in it, so that their lines have the same form.

    Args:
        format, level: as for `configure`.
        server_access: whether the server's own access log is written too; `app.access_log` has one that knows more.

    Raises:
        ConfigurationError: no such format or level.
    """
    if format not in _FORMATTERS:
        raise ConfigurationError(f"the log format {format!r} is not known; there are 'text' and 'json'")
    number = _level_number(level)
    quiet: dict[str, Any] = {"handlers": [], "propagate": True}
    access = quiet if server_access else {**quiet, "level": "WARNING"}
    formatter: dict[str, Any] = {"()": _FORMATTERS[format]}
    if format == "text":
        formatter["colors"] = _shows_colors()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {format: formatter},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": format},
        },
        "root": {"level": number, "handlers": ["stderr"]},
        "loggers": {
            **{name: {**quiet, "level": number} for name in _SERVERS},
            **{f"{name.partition('.')[0]}.access": access for name in _SERVERS if "." in name},
        },
    }  # fmt: skip


_FORMATTERS = {
    "text": "ambi.features.log_format.ConsoleFormatter",
    "json": "ambi.features.log_format.JSONFormatter",
}
_SERVERS = ("uvicorn", "uvicorn.error", "gunicorn.error", "hypercorn.error")


def _level_number(level: int | str) -> int:
    if isinstance(level, int):
        return level
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ConfigurationError(f"the log level {level!r} is not known; there are {known}")
    return number


def _shows_colors() -> bool:
    import os

    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()


# --- what a record holds ---


def message_of(record: logging.LogRecord) -> str:
    """Give the message; of one that does not fit its arguments, both: a line with a fault is better than none."""
    try:
        return record.getMessage()
    except Exception as exc:
        return f"{_repr(record.msg)} does not fit its arguments {_repr(record.args)}: {_repr(exc)}"


def names_of(record: logging.LogRecord) -> dict[str, str]:
    """Give `request_id`, `trace_id` and `route` where they are known: of the record, else of its context."""
    trace = current_trace.get()
    found: dict[str, str] = {}
    for name in ("request_id", "trace_id", "route"):
        value = getattr(record, name, None)
        if value in (None, _NONE):
            value = getattr(trace, name, None)
        if value not in (None, _NONE):
            found[name] = str(value)
    return found


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """Give what `extra=` added."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in _NOT_SHOWN}


def _exception_of(record: logging.LogRecord, limit: int) -> dict[str, str] | None:
    """Give the exception in three parts; of one that another thread has made text, the text."""
    info = record.exc_info
    if info and info[0] is not None and info[1] is not None:
        kind, error, trace = info
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        stack = "".join(traceback.format_exception(kind, error, trace))
        try:
            message = str(error)
        except Exception as exc:
            message = f"<its str raised {type(exc).__name__}>"
        return {
            "type": _cut(name, _MAX_NAME_CHARS),
            "message": _cut(message, limit // 8),
            "stack": _cut(stack, limit - limit // 8, tail=True),
        }
    if record.exc_text:
        return {"stack": _cut(record.exc_text, limit, tail=True)}
    return None


# --- within bounds ---


def _cut(text: str, limit: int, *, tail: bool = False) -> str:
    """Cut a text so that it takes `limit` characters of JSON; with `tail` in the middle, as the end says most."""
    kept = min(len(text), limit)
    while True:
        shown = text if kept == len(text) else _shorter(text, kept, tail=tail)
        size = len(json.dumps(shown)) if kept <= limit else limit + 1
        if size <= limit + 2 or not kept:
            return shown
        kept = min(kept - 1, kept * limit // size)


def _shorter(text: str, kept: int, *, tail: bool) -> str:
    if not tail:
        return text[:kept] + _CUT
    head = kept // 4
    return f"{text[:head]}\n{_CUT}\n{text[len(text) - (kept - head) :]}"


class _Plain:
    """Makes of any value what JSON has, until so many characters are spent."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def of_mapping(self, values: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """Give a mapping of as many members as there is room for, whose names are text."""
        plain: dict[str, Any] = {}
        self._left -= 3
        for key, value in list(islice(values.items(), self._left + 4)):
            if self._left <= 0:
                plain[_CUT] = f"{len(values) - len(plain)} more"
                break
            name = self._of_text(key if isinstance(key, str) else _repr(key))
            plain[name] = self._of(value, depth + 1)
        return plain

    def _of(self, value: Any, depth: int) -> Any:
        try:
            return self._looked_at(value, depth)
        except Exception as exc:  # of a class of the user's, as of a dict whose `items` raises
            return self._of_text(f"<a {type(value).__qualname__} that raised {type(exc).__name__}>")

    def _looked_at(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            self._left -= 6
            return value
        if isinstance(value, int) and value.bit_length() <= _MAX_INT_BITS:
            self._left -= value.bit_length() // 3 + 4
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            self._left -= 25
            return float(value)
        if isinstance(value, str):
            return self._of_text(str.__str__(value))
        if depth < _MAX_DEPTH and isinstance(value, dict):
            return self.of_mapping(cast("Mapping[Any, Any]", value), depth)
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
            return self._of_items(value, depth)
        return self._of_text(f"<int of {value.bit_length()} bits>" if isinstance(value, int) else _repr(value))

    def _of_items(self, values: Any, depth: int) -> list[Any]:
        plain: list[Any] = []
        self._left -= 3
        items: list[Any] = list(islice(values, self._left + 4))
        for value in items:
            if self._left <= 0:
                plain.append(_CUT)
                break
            plain.append(self._of(value, depth + 1))
        return plain

    def _of_text(self, text: str) -> str:
        shown = _cut(text, max(0, min(self._left, 4096)))
        self._left -= len(json.dumps(shown)) + 1
        return shown


def _repr(value: object) -> str:
    """Give the repr of a value; of one that raises there, its type."""
    try:
        return repr(value)
    except Exception as exc:
        return f"<a {type(value).__qualname__} whose repr raised {type(exc).__name__}>"


def _indented(text: str) -> str:
    return escape_controls(text).replace("\n", "\n    ")
