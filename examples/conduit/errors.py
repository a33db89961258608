"""Errors, as the contract has them: `{"errors": {"body": ["title can't be blank"], "title": ["can't be blank"]}}`.

In `body` stand sentences; beside it, by name, what is wrong with each field. A field that is itself called `body` has
its own messages first in there.
"""

from collections.abc import Mapping
from typing import Any

from ambi import JSON, HTTPError

from .shapes import EMAIL, Refusal

BLANK = "can't be blank"


BODY = (400, 413, 415, 422)
"""The statuses that refuse a body."""


def refuses(*statuses: int) -> dict[int | str, type[Refusal]]:
    """Say which refusals an operation has, where the application is described; any other has the same form."""
    return {**dict.fromkeys(statuses, Refusal), "default": Refusal}


class Refused(HTTPError):
    """Refuse a request, and say by name what is wrong: `Refused(404, {"article": "not found"})`.

    Attributes:
        messages: name -> what is wrong with it.
    """

    def __init__(self, status: int, messages: Mapping[str, str], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, "; ".join(map(" ".join, messages.items())), headers=headers)
        self.messages = {name: [message] for name, message in messages.items()}


async def refusal(error: HTTPError) -> JSON:
    """Answer what was refused by us or by ambi. As a `def` it would wait for a thread, of which none may be free."""
    messages = error.messages if isinstance(error, Refused) else messages_of(error.extensions or {})
    return JSON(document_of(messages, error), error.status, error.headers)


async def failure(error: Exception) -> JSON:
    """Answer where something went wrong that nobody thought of; what it was is in the log."""
    return await refusal(HTTPError(500))


def document_of(messages: Mapping[str, list[str]], error: HTTPError) -> dict[str, dict[str, list[str]]]:
    own = messages.get("body", [])
    sentences = [f"{name} {one}" for name, several in messages.items() if name != "body" for one in several]
    return {"errors": {**messages, "body": [*own, *sentences] or [error.detail or error.title]}}


def messages_of(extensions: Mapping[str, Any]) -> dict[str, list[str]]:
    """Sort by field what ambi says of a request that does not fit."""
    found: dict[str, list[str]] = {}
    for fault in extensions.get("errors", ()):
        found.setdefault(field_of(fault), []).append(message_of(fault["message"]))
    return found


def field_of(fault: Mapping[str, str]) -> str:
    """Give the name of the field: that of the parameter, or the second of `#/article/tagList/0`."""
    steps = fault.get("pointer", "#").split("/")[1:]
    return fault.get("name") or (steps[1:] or steps or ["request"])[0]


def message_of(text: str) -> str:
    """Say what ambi says in RealWorld's words."""
    if text == "It is missing" or text.endswith("of length >= 1"):
        return BLANK
    if "matching regex" in text:
        return "is invalid" if text.endswith(repr(EMAIL)) else BLANK
    return f"is wrong: {text[0].lower()}{text[1:]}"
