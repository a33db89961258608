"""Digest: names and passwords that are not sent, but proved. See: RFC 7616.

httpbin remembers nothing of a client, so what it gave it before is in cookies: after how many requests the nonce is
stale, and the nonce that came with a wrong password, which must not be used again. A site would sign its nonces.
"""

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_hex
from urllib.parse import unquote, urlsplit
from urllib.request import parse_http_list

from ambi import JSON, Request, Response, Router

from .answers import set_cookie

routes = Router()

REALM = "httpbin"
HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}
TRUE = ("1", "t", "true")


@dataclass(frozen=True)
class Demand:
    """What a route asks for: who, by which algorithm and which quality of protection; "" for either."""

    user: str
    password: str
    algorithm: str
    qop: str
    stale_after: str

    def hash(self, *parts: str | bytes) -> str:
        data = b":".join(part.encode() if isinstance(part, str) else part for part in parts)
        return hashlib.new(HASHES[self.algorithm], data, usedforsecurity=False).hexdigest()

    def challenge(self, *, stale: bool) -> Response:
        """Make the 401 with a new nonce."""
        qop = self.qop or "auth, auth-int"
        fields = f'realm="{REALM}", nonce="{token_hex(16)}", qop="{qop}", opaque="{token_hex(16)}"'
        fields += f", algorithm={self.algorithm}, stale={'true' if stale else 'false'}"
        return Response(status=401, headers={"www-authenticate": f"Digest {fields}"})

    def is_met(self, request: Request, given: dict[str, str]) -> bool:
        """Tell whether who sent the request knows the password. See: RFC 7616 3.4.1."""
        qop = given.get("qop", "")
        if qop not in ((self.qop, "") if self.qop else ("auth", "auth-int", "")):
            return False
        if given.get("username") != self.user or not is_target(request, given.get("uri", "")):
            return False
        if given.get("algorithm", "MD5").upper() != self.algorithm:
            return False
        secret = self.hash(self.user, given.get("realm", ""), self.password)
        what = [request.method, given["uri"]]
        if qop == "auth-int":
            what.append(self.hash(request.body))
        proof = [given.get("nonce", "")]
        if qop:
            proof += [given.get("nc", ""), given.get("cnonce", ""), qop]
        expected = self.hash(secret, *proof, self.hash(*what))
        return compare_digest(expected.encode(), given.get("response", "").lower().encode())


def is_target(request: Request, uri: str) -> bool:
    """Tell whether a URI is that of the request; which characters of a path are percent-encoded does not count."""
    try:
        asked = urlsplit(uri)
    except ValueError:
        return False
    return (unquote(asked.path), asked.query) == (request.root_path + request.path, request.query_string)


def read_credentials(request: Request) -> dict[str, str] | None:
    """Give the parameters of Digest credentials; None without any."""
    scheme, text = request.authorization or ("", "")
    if scheme != "digest":
        return None
    pairs = (part.partition("=") for part in parse_http_list(text))
    return {name.strip().lower(): unquote_string(value.strip()) for name, equals, value in pairs if equals}


def unquote_string(text: str) -> str:
    r"""Give what is in a quoted string, its backslashes undone; a token stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def answer(request: Request, demand: Demand) -> Response:
    """Answer a request that has to show who it is."""
    given, cookies = read_credentials(request), request.cookies
    wants_cookie = request.query.get("require-cookie", "").lower() in TRUE
    if given is None or (wants_cookie and "cookie" not in request.headers):
        return remember(request, demand.challenge(stale=False), stale_after=demand.stale_after)
    if wants_cookie and cookies.get("fake") != "fake_value":
        return remember(request, JSON({"errors": ["the cookie that came with the challenge is missing"]}, 403))
    nonce = given.get("nonce", "")
    is_stale = cookies.get("stale_after") == "0" or cookies.get("last_nonce", "") == nonce != ""
    if is_stale or not demand.is_met(request, given):
        response = demand.challenge(stale=is_stale)
        return remember(request, response, stale_after=demand.stale_after, last_nonce=nonce)
    response = JSON({"authenticated": True, "user": demand.user})
    left = cookies.get("stale_after")
    return remember(request, response) if left is None else remember(request, response, stale_after=one_less(left))


def remember(request: Request, response: Response, **cookies: str) -> Response:
    """Give a response its cookies, one of which every answer has: `fake`, by which clients show that they keep any."""
    for name, value in (cookies | {"fake": "fake_value"}).items():
        set_cookie(request, response, name, value)
    return response


def one_less(left: str) -> str:
    return str(int(left) - 1) if left.isascii() and left.isdecimal() and len(left) < 10 else "never"


def demand_of(qop: str, user: str, passwd: str, algorithm: str = "MD5", stale_after: str = "never") -> Demand:
    """Read what a path asks for: MD5 for an unknown algorithm, either quality of protection for an unknown one."""
    known = algorithm if algorithm in HASHES else "MD5"
    return Demand(user, passwd, known, qop if qop in ("auth", "auth-int") else "", stale_after)


@routes.get("/digest-auth/{qop}/{user}/{passwd}")
async def digest_auth(request: Request, qop: str, user: str, passwd: str) -> Response:
    """Ask for who is in the path, by Digest with MD5; `qop` is auth or auth-int, which covers the body too."""
    return answer(request, demand_of(qop, user, passwd))


@routes.get("/digest-auth/{qop}/{user}/{passwd}/{algorithm}")
def digest_auth_by(request: Request, qop: str, user: str, passwd: str, algorithm: str) -> Response:
    """The same by MD5, SHA-256 or SHA-512."""
    return answer(request, demand_of(qop, user, passwd, algorithm))


@routes.get("/digest-auth/{qop}/{user}/{passwd}/{algorithm}/{stale_after}")
async def digest_auth_stale(
    request: Request, qop: str, user: str, passwd: str, algorithm: str, stale_after: str
) -> Response:
    """The same, with a nonce that is stale after so many requests, or never."""
    return answer(request, demand_of(qop, user, passwd, algorithm, stale_after))
