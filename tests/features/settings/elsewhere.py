"""Classes whose annotations are strings, as they are under `from __future__ import annotations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ambi.features.settings import load_settings


def load_local() -> Any:
    """Read a class that only this function knows, with one that only it knows, and one that only the class knows."""

    @dataclass
    class Parts:
        size: int

    @dataclass
    class Local:
        @dataclass
        class Inner:
            name: str = "x"

        parts: Parts
        inner: Inner

    return load_settings(Local, environ={"PARTS__SIZE": "3", "INNER__NAME": "y"})


def struct(msgspec: Any) -> Any:
    """Make a Struct that holds another."""
    inner = msgspec.defstruct("Inner", [("name", str)])
    return msgspec.defstruct(
        "Outer", [("inner", inner), ("port", int), ("hosts", list[str], msgspec.field(default_factory=list))]
    )


def struct_with_a_token(msgspec: Any) -> Any:
    """Make a Struct whose repr shows a token."""
    return msgspec.defstruct("Outer", [("token", str)])
