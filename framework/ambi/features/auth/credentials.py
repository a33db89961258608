"""Guards: layers that let in who has shown who it is, and tell the handler who that is.

Facts
- 401 asks for credentials and must say which (RFC 9110 11.6.1): a challenge. 403 is for who is known and may not.
- A Basic challenge says `charset="UTF-8"` (RFC 7617 2.1), since without it browsers send each what they like. A name
  has no colon, and neither part a control character.
- A Bearer challenge has an `error` only if a token was sent (RFC 6750 3.1). A token is taken from the header field
  alone: in a URL it would be in every log.
- Two Authorization fields come joined by a comma, which neither scheme allows, so neither is taken.
- How long a comparison takes must not depend on where the texts differ, nor a refusal on whether the user exists.

See: RFC 9110 11, RFC 7617, RFC 6750.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Generic, TypeVar, overload

from ...core.binding import is_async, is_request, parameters_of
from ...core.contract import Demand
from ...core.errors import ConfigurationError, HTTPError
from ...core.middleware import Provider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ...core.middleware import CallNext, Middleware
    from ...core.request import Request
    from ...core.response import Response

    Check = Callable[..., Any]

U = TypeVar("U")

_FOUND = "guards.found"
_TOKEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")


class Guard(Provider, Generic[U]):
    """Let a request in if a check knows who sent it. Give it to `middleware=[...]`, or bind what it found.

    What the check returned is given to handlers that ask for it, by `Annotated[User, guard]`, and by
    `guard.value_of(request)` to everything else inside the guard. A request is checked once by each guard, however
    often it is named.

    Args:
        check: takes what the kind of guard reads from the request, with the request before it if its first parameter
            is one; returns who that is, or None (or False) for nobody. It may be an `async def`, or a `def`, which runs
            where `def` handlers run.
        blocking: False says that a `def` check never waits, so that it runs wherever the request is.
        required: False lets in requests that show no credentials at all, with None; wrong ones are refused
            all the same.

    Raises:
        ConfigurationError: the check takes other parameters.
    """

    __slots__ = ("_asks_for_request", "_check", "_root", "_scope", "_test", "required")

    takes: tuple[str, ...] = ()
    """What the check is given besides the request."""

    def __init__(self, check: Check, *, blocking: bool = True, required: bool = True) -> None:
        waits = is_async(check)
        super().__init__(self._guard_async if waits else self._guard, blocking=blocking and not waits)
        self._asks_for_request = self._check_signature(check)
        self._check = check
        self._root: Guard[U] = self
        self._test: Callable[[U], object] | None = None
        self._scope: str | None = None
        self.required = required
        self.demand = Demand((401,) if required else (), is_required=required)

    def _check_signature(self, check: Check) -> bool:
        parameters = parameters_of(check, {}, resolve=False)
        first = next(iter(parameters), "")
        extra = len(parameters) - len(self.takes)
        if extra not in (0, 1) or (extra == 1 and not is_request(first, None)):
            with_request = ", ".join(("request", *self.takes))
            raise ConfigurationError.at(
                check,
                f"the check of {type(self).__name__} takes ({', '.join(self.takes)}), or ({with_request}) with the"
                f" first parameter named so; not ({', '.join(parameters)})",
            )
        return extra == 1

    def requiring(self, test: Callable[[U], object], *, scope: str | None = None) -> Guard[U]:
        """Make a guard that lets in, of those whom this one knows, whom a test holds for; the others get a 403.

        Args:
            test: of what the check returned; it must not wait.
            scope: what is missing, for clients with a Bearer token: "orders:write".

        Example:
            admins = users.requiring(lambda user: user.is_admin)

        Raises:
            ConfigurationError: the scope cannot stand in a challenge.
        """
        if scope is not None and not (scope.isascii() and scope.isprintable() and not set('"\\').intersection(scope)):
            raise ConfigurationError(f"a scope is printable ASCII without quotes and backslashes, not {scope!r}")
        inner: Guard[U] = object.__new__(type(self))
        for kind in type(self).__mro__:
            for name in getattr(kind, "__slots__", ()):
                setattr(inner, name, getattr(self, name))
        inner.become(inner._guard_async if self.is_async else inner._guard)
        before = self._test
        inner._test = test if before is None else lambda user: before(user) and test(user)
        inner._scope = scope or self._scope
        if inner.demand is not None:
            scopes = (*inner.demand.scopes, *([scope] if scope else []))
            inner.demand = inner.demand._replace(statuses=(401, 403), scopes=scopes, is_required=True)
        return inner

    def value_of(self, request: Request) -> U:
        """Give who sent the request. None where nobody has to be known and nobody is.

        Raises:
            LookupError: the request has not passed this guard.
        """
        try:
            found: U = _found(request)[self._root]
        except KeyError:
            raise LookupError(f"the request has not passed {self!r}: name it in middleware=[...]") from None
        return found

    # --- at a request ---

    def _guard(self, request: Request) -> Middleware:
        given = self._to_check(request)
        answer = None if given is None else self._admit(request, given, self._check(*given))
        if answer is not None:
            return answer
        self._hold(request)
        yield
        return None

    async def _guard_async(self, request: Request, call_next: CallNext) -> Response:
        given = self._to_check(request)
        answer = None if given is None else self._admit(request, given, await self._check(*given))
        if answer is not None:
            return answer
        self._hold(request)
        return await call_next(request)

    def _to_check(self, request: Request) -> tuple[Any, ...] | None:
        """Give what the check is called with; None if it has been, or need not be."""
        if self._root in _found(request):
            return None
        given = self.read(request)
        if given is None:
            if self.required:
                raise self.refusal(request, shown=False)
            _found(request)[self._root] = None
            return None
        return (request, *given) if self._asks_for_request else given

    def _admit(self, request: Request, given: tuple[Any, ...], user: Any) -> Response | None:
        answer = None
        if user is None or user is False:
            answer, user = self.refuse(request), None
        if answer is None:
            _found(request)[self._root] = user
        return answer

    def _hold(self, request: Request) -> None:
        """Raise HTTPError 403 where the test does not hold."""
        user = _found(request)[self._root]
        if self._test is not None and not (user is not None and self._test(user)):
            raise self.forbidden(request, known=user is not None)

    # --- what kinds of guards decide ---

    def read(self, request: Request) -> tuple[Any, ...] | None:
        """Read from the request what the check takes; None where it shows nothing of the kind.

        Raises:
            HTTPError: it shows something that is malformed.
        """
        return ()

    def refuse(self, request: Request) -> Response | None:
        """Answer whom the check does not know, by default by raising the refusal. None lets it in as nobody."""
        raise self.refusal(request, shown=True)

    def refusal(self, request: Request, *, shown: bool) -> HTTPError:
        """Make the 401, with its challenge. `shown` says that there were credentials."""
        return challenging(request, self.challenge(None), "Credentials are needed." if not shown else "They are wrong.")

    def forbidden(self, request: Request, *, known: bool) -> HTTPError:
        """Make the 403 of those who may not; where nobody is known, a 401."""
        return HTTPError(403) if known else self.refusal(request, shown=False)

    def challenge(self, error: str | None) -> str:
        """Give the challenge, with an error code of RFC 6750 where the scheme has them."""
        raise NotImplementedError

    def __repr__(self) -> str:
        name = getattr(self._check, "__qualname__", type(self._check).__name__)
        return f"<{type(self).__name__} {name}>"


class _Authorization(Guard[U]):
    """A guard of one scheme of the Authorization field, with a check or with what is known beforehand."""

    __slots__ = ("realm",)

    scheme: str
    """Its name, in lower case."""

    def __init__(
        self,
        check: Any,
        compare: Callable[[Any], Check],
        *,
        realm: str = "this site",
        blocking: bool = True,
        required: bool = True,
    ) -> None:
        self.realm = _check_realm(realm)
        if not callable(check):
            check, blocking = compare(check), False
        super().__init__(check, blocking=blocking, required=required)
        scheme = {"type": "http", "scheme": self.scheme}
        self.demand = Demand((401,), self.scheme, scheme, is_required=required)

    def decode(self, credentials: str) -> tuple[str, ...] | None:
        """Give what the check takes; None for what is malformed."""
        raise NotImplementedError

    def read(self, request: Request) -> tuple[str, ...] | None:
        """Read the field, if it is of this scheme."""
        scheme, credentials = request.authorization or ("", "")
        if scheme != self.scheme:
            return None
        found = self.decode(credentials)
        if found is None:
            raise self.refusal(request, shown=True)
        return found


class Basic(_Authorization[U]):
    """Let in who sends a name and a password, as browsers ask for them. Over TLS only: they are not encrypted.

    Args:
        check: a function of (name, password), which gives the user; or a mapping of names to passwords, of which
            handlers are given the name. Take `verify_password` for passwords that are stored.
        realm: what the browser shows, in ASCII.
        blocking, required: as for `Guard`.

    Raises:
        ConfigurationError: the realm is not printable ASCII, the check takes other parameters, or the mapping has what
            nobody can send.

    Example:
        def find_user(name: str, password: str) -> User | None:
            user = users.get(name)
            return user if verify_password(password, user.password_hash if user else None) else None

        basic = Basic(find_user)

        @app.get("/me")
        def me(user: Annotated[User, basic]):
            return {"name": user.name}

    See: RFC 7617.
    """

    __slots__ = ()

    scheme = "basic"
    takes = ("name", "password")

    @overload
    def __init__(
        self: Basic[str], check: Mapping[str, str], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    @overload
    def __init__(
        self, check: Callable[..., Awaitable[U | None]], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    @overload
    def __init__(
        self, check: Callable[..., U | None], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    def __init__(self, check: Any, **options: Any) -> None:
        super().__init__(check, _KnownPasswords, **options)

    def decode(self, credentials: str) -> tuple[str, str] | None:
        """Decode name and password."""
        return _decode_basic(credentials)

    def challenge(self, error: str | None) -> str:
        """Give the challenge."""
        return f'Basic realm="{self.realm}", charset="UTF-8"'


class Bearer(_Authorization[U]):
    """Let in who sends a token: `Authorization: Bearer ...`.

    Args:
        check: a function of (token), which gives whose it is; or a mapping of tokens to that.
        realm: as for `Basic`.
        blocking, required: as for `Guard`.

    Raises:
        ConfigurationError: the realm is not printable ASCII, the check takes other parameters, or the mapping has what
            nobody can send.

    Example:
        tokens = Bearer({os.environ["CI_TOKEN"]: "ci"})
        app.include(Router(prefix="/api", middleware=[tokens]))

    See: RFC 6750.
    """

    __slots__ = ()

    scheme = "bearer"
    takes = ("token",)

    @overload
    def __init__(
        self, check: Mapping[str, U], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    @overload
    def __init__(
        self, check: Callable[..., Awaitable[U | None]], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    @overload
    def __init__(
        self, check: Callable[..., U | None], *, realm: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    def __init__(self, check: Any, **options: Any) -> None:
        super().__init__(check, _KnownTokens, **options)

    def decode(self, credentials: str) -> tuple[str] | None:
        """Give the token."""
        return (credentials,) if _is_token(credentials) else None

    def refusal(self, request: Request, *, shown: bool) -> HTTPError:
        """Make the 401, which names an error only if there was a token."""
        detail = "The token is not valid." if shown else "A token is needed."
        return challenging(request, self.challenge("invalid_token" if shown else None), detail)

    def forbidden(self, request: Request, *, known: bool) -> HTTPError:
        """Make the 403, which names the scope that is missing."""
        if not known:
            return self.refusal(request, shown=False)
        return HTTPError(403, headers={"www-authenticate": self.challenge("insufficient_scope")})

    def challenge(self, error: str | None) -> str:
        """Give the challenge."""
        code = f', error="{error}"' if error else ""
        scope = f', scope="{self._scope}"' if self._scope and error != "invalid_token" else ""
        return f'Bearer realm="{self.realm}"{code}{scope}'


# --- helpers of the two ---


def _found(request: Request) -> dict[Any, Any]:
    """Give what guards have found of this request, by guard."""
    found: dict[Any, Any] = request.state.setdefault(_FOUND, {})
    return found


def _check_realm(realm: str) -> str:
    r"""Give a realm as it stands between quotes. Raises: ConfigurationError. See: RFC 9110 5.6.4."""
    if not (realm and realm.isascii() and realm.isprintable()):
        raise ConfigurationError(f"a realm is printable ASCII, which all that browsers agree on; not {realm!r}")
    return realm.replace("\\", "\\\\").replace('"', '\\"')


def challenging(request: Request, challenge: str, detail: str) -> HTTPError:
    """Make a 401 whose challenge stays on it whatever an error handler makes of it."""

    def keep(response: Response) -> None:
        if response.status == 401 and "www-authenticate" not in response.headers:
            response.headers["www-authenticate"] = challenge

    request.on_response(keep)
    return HTTPError(401, detail, headers={"www-authenticate": challenge})


def _is_token(text: str) -> bool:
    """Tell whether a text can be sent as a token. See: RFC 6750 2.1."""
    bare = text.rstrip("=")
    return bare != "" and _TOKEN.issuperset(bare)


def _decode_basic(credentials: str) -> tuple[str, str] | None:
    """Decode name and password from the one way to write them in base64. See: RFC 7617 2, RFC 4648 3.5 and 4."""
    try:
        data = b64decode(credentials, validate=True)
        text = data.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    if b64encode(data).decode("ascii") != credentials:
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and not _has_control(text) else None


def _has_control(text: str) -> bool:
    return any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


def _check_mapping(kind: str, of_what: str, given: object) -> None:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{kind} takes a function or a mapping of {of_what}, not a {type(given).__name__}")


def _check_sendable(kind: str, of_what: str, *, is_sendable: bool) -> None:
    if not is_sendable:
        raise ConfigurationError(
            f"nobody can send one of the {of_what} that {kind} was given: it is no text, or has characters that the"
            " scheme has not; it is not shown here. Is it what the environment was to give?"
        )


def _digest(text: str) -> bytes:
    """Make texts of one length, so that comparing them does not tell theirs."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


class _KnownPasswords:
    """Compare with passwords that are in the configuration."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        _check_mapping("Basic", "names to passwords", passwords)
        sendable = all(
            isinstance(name, str)
            and isinstance(password, str)
            and ":" not in name
            and not _has_control(name + password)
            for name, password in passwords.items()
        )
        _check_sendable("Basic", "names and passwords", is_sendable=sendable)
        self._known = [(name, _digest(name), _digest(password)) for name, password in passwords.items()]

    def __call__(self, name: str, password: str) -> str | None:
        name_digest, password_digest = _digest(name), _digest(password)
        found = None
        for known, known_name, known_password in self._known:  # all of them, whichever it is
            if compare_digest(known_name, name_digest) & compare_digest(known_password, password_digest):
                found = known
        return found


class _KnownTokens:
    """Compare with tokens that are in the configuration."""

    def __init__(self, tokens: Mapping[str, Any]) -> None:
        _check_mapping("Bearer", "tokens to owners", tokens)
        sendable = all(isinstance(token, str) and _is_token(token) for token in tokens)
        _check_sendable("Bearer", "tokens", is_sendable=sendable)
        self._known = [(_digest(token), owner) for token, owner in tokens.items()]

    def __call__(self, token: str) -> Any:
        digest, found = _digest(token), None
        for known, owner in self._known:
            if compare_digest(known, digest):
                found = owner
        return found
