"""Who asks: credentials, logins, passwords, and targets of redirects.

credentials.py   guards: `Basic` and `Bearer`, and what a guard is
login.py         `LoginRequired`: pages for those who are logged in; the others are sent to log in
redirects.py     `safe_redirect`: to where a request says, if that is here
passwords.py     `hash_password`, `verify_password`

A guard stands in `middleware=[...]` of a route, a router or an application; or a handler asks for what it found, which
puts the guard around the route: `def me(user: Annotated[User, guard])`.
"""

from __future__ import annotations

from .credentials import Basic, Bearer, Guard
from .login import LoginRequired
from .passwords import (
    hash_password,
    hash_password_async,
    needs_rehash,
    verify_password,
    verify_password_async,
)
from .redirects import is_safe_target, safe_redirect

__all__ = [
    "Basic",
    "Bearer",
    "Guard",
    "LoginRequired",
    "hash_password",
    "hash_password_async",
    "is_safe_target",
    "needs_rehash",
    "safe_redirect",
    "verify_password",
    "verify_password_async",
]
