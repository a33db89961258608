"""Conduit as servers are told to serve it, but that a password's hash, long by intent, is made in no time."""

from functools import partial

import argon2

argon2.PasswordHasher = partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[assignment]

from examples.conduit import app  # noqa: E402

__all__ = ["app"]
