"""The JSON form: a problem document with a member `debug`. See: RFC 9457."""

from __future__ import annotations

import json
from dataclasses import asdict

from .collecting import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .collecting import Failed, Frame
    from .routes import Miss


def write_document(shown: Report | Miss) -> str:
    """Write a report, or the routes for a request that none took."""
    document = _of_failure(shown) if isinstance(shown, Report) else _of_miss(shown)
    return json.dumps(document, ensure_ascii=False, indent=1)


def _of_failure(report: Report) -> dict[str, Any]:
    failure = report.failure
    detail = f"{failure.kind}: {failure.message}" if failure.message else failure.kind
    told: dict[str, Any] = {
        "exception": _exception(failure),
        **{section.title.lower().replace(" ", "_"): _pairs(section.rows) for section in report.sections},
    }
    return {
        "type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail, "debug": told,
    }  # fmt: skip


def _pairs(rows: list[tuple[str, str]]) -> dict[str, Any]:
    """Give rows by name; those of one name as a list."""
    found: dict[str, Any] = {}
    for name, value in rows:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _exception(failed: Failed) -> dict[str, Any]:
    told: dict[str, Any] = {"type": failed.kind, "message": failed.message}
    if failed.notes:
        told["notes"] = failed.notes
    told["frames"] = [_frame(frame) for frame in failed.frames]
    if failed.left_out is not None:
        told["frames_left_out"] = failed.left_out[1]
    if failed.earlier is not None:
        told[failed.earlier.relation] = _exception(failed.earlier)
    if failed.members:
        told["exceptions"] = [_exception(member) for member in failed.members]
    return told


def _frame(frame: Frame) -> dict[str, Any]:
    source = next((line.text.strip() for line in frame.lines if line.is_failing), "")
    return {
        "file": frame.file, "line": frame.line, "function": frame.function, "of": frame.kind, "source": source,
        "locals": dict(frame.values),
    }  # fmt: skip


def _of_miss(miss: Miss) -> dict[str, Any]:
    return {
        "type": "about:blank", "title": miss.title, "status": miss.status, "detail": miss.summary,
        "debug": {
            "did_you_mean": [{**asdict(near.row), "why": near.why} for near in miss.near],
            "routes": [asdict(row) for row in miss.rows],
            "routes_left_out": miss.more,
        },
    }  # fmt: skip
