"""The plain form, for terminals, and for what is copied into a mail: what matters most stands last."""

from __future__ import annotations

from ...core.errors import escape_controls
from .collecting import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collecting import Failed, Frame, Section
    from .routes import Miss, Row

_SAID = {
    "cause": "The exception above was the direct cause of this one:",
    "context": "While the exception above was handled, this one was raised:",
}
_NEAR_LINES = 2


def write_text(shown: Report | Miss) -> str:
    """Write a report, or the routes for a request that none took."""
    lines = _of_failure(shown) if isinstance(shown, Report) else _of_miss(shown)
    return escape_controls("\n".join(lines)) + "\n"


def _of_failure(report: Report) -> Iterator[str]:
    yield "500 Internal Server Error"
    for section in report.sections:
        yield ""
        yield from _section(section)
    yield ""
    yield from _failed(report.failure, "")
    yield ""
    yield report.summary


def _section(section: Section) -> Iterator[str]:
    yield section.title
    width = min(24, max(len(name) for name, _ in section.rows))
    for name, value in section.rows:
        yield f"  {name:<{width}}  {_one_line(value)}"


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _failed(failed: Failed, margin: str) -> Iterator[str]:
    if failed.earlier is not None:
        yield from _failed(failed.earlier, margin)
        yield ""
        yield f"{margin}{_SAID[failed.earlier.relation]}"
        yield ""
    if failed.frames:
        yield f"{margin}Traceback (most recent call last):"
    for index, frame in enumerate(failed.frames):
        if failed.left_out is not None and index == failed.left_out[0]:
            yield f"{margin}  ... {failed.left_out[1]:,} frames left out ..."
        yield from (f"{margin}  {line}" for line in _frame(frame))
    kind, _, message = failed.kind, None, failed.message
    for line in (f"{kind}: {message}" if message else kind).split("\n"):
        yield f"{margin}{line}"
    for note in failed.notes:
        yield f"{margin}{note}"
    for number, member in enumerate(failed.members, 1):
        yield f"{margin}  | member {number} of {len(failed.members)}"
        yield from _failed(member, f"{margin}  | ")


def _frame(frame: Frame) -> Iterator[str]:
    yield f'File "{frame.file}", line {frame.line}, in {frame.function}'
    for line in frame.lines:
        if frame.kind == "user" and abs(line.number - frame.line) <= _NEAR_LINES:
            yield f"  {'>' if line.is_failing else ' '} {line.number:>4}  {line.text}".rstrip()
        elif line.is_failing:
            yield f"    {line.text.strip()}"
    if frame.is_open and frame.values:
        for name, value in frame.values:
            yield f"      {name} = {_one_line(value)}"


def _of_miss(miss: Miss) -> Iterator[str]:
    yield f"{miss.status} {miss.title}"
    yield miss.summary
    if miss.near:
        yield ""
        yield "Did you mean"
        for near in miss.near:
            yield f"  {near.row.methods} {near.row.path}  ({near.why})"
    yield ""
    yield "Routes" if miss.rows else "There are no routes."
    widths = [max((len(cell) for cell in column), default=0) for column in zip(*map(_cells, miss.rows), strict=True)]
    for row in miss.rows:
        cells = (f"{cell:<{min(width, 40)}}" for cell, width in zip(_cells(row), widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
    if miss.more:
        yield f"  and {miss.more:,} more"


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.methods, row.path, row.colour, f"{row.handler}  {row.where}"
