"""Typed handlers: values from signatures, checked; answers by what a handler says it returns; providers.

marks.py           what stands in `Annotated`: Query, Header, Cookie, Form, FileField, Body, Status, Provide
signature.py       binds a handler and its providers     <- start here
parameters.py      from an annotation to what gets the value
providers.py       a provider as a layer of the route
registry.py        what an application provides by type, once a process, or instead of something in a test
answers.py         from what a handler returns to a response
media.py           JSON, MessagePack and forms, in and out
shapes.py          a type as the library that knows it: msgspec_shape.py, pydantic_shape.py
faults.py          the 422
"""

from __future__ import annotations

from .marks import Body, Cookie, FileField, Form, Header, Provide, Query, Status

__all__ = ["Body", "Cookie", "FileField", "Form", "Header", "Provide", "Query", "Status"]
