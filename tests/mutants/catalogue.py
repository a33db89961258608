"""Which modules are mutated, and the tests that concern each: its own first, those that use it behind them."""

from typing import NamedTuple


class Part(NamedTuple):
    """What is mutated of one module.

    Attributes:
        tests: files below tests/.
        only: names of functions, methods and constants, where it is not the whole module that keeps a promise.
    """

    tests: tuple[str, ...]
    only: frozenset[str] = frozenset()


HOSTS = frozenset(("_HOST_SAFE", "DIGITS", "_IP_LITERAL", "split_host", "_has_only_triplets", "_is_ipv6"))
FORMS = frozenset((
    "boundary_of", "MultipartReader.__init__", "MultipartReader._begin_part", "MultipartReader._check_counts",
    "MultipartReader._take", "MultipartReader._end_part", "_clean_name",
))  # fmt: skip
JOIN = frozenset((
    "_FORBIDDEN", "is_safe_name", "StaticFiles._check_fallback", "StaticFiles.static",
    "StaticFiles._open", "StaticFiles._walk", "StaticFiles._resolve", "StaticFiles._open_resolved",
))  # fmt: skip

MODULES: dict[str, Part] = {
    "core/secrets.py": Part(("core/test_secrets.py",)),
    "core/ranges.py": Part(("core/test_ranges.py",)),
    "core/cookies.py": Part(("core/test_cookies.py",)),
    "core/headers.py": Part(("core/test_headers.py", "properties/test_header_writer.py")),
    "core/url.py": Part(("core/test_url.py",), HOSTS),
    "core/origins.py": Part(
        (
            "features/test_csrf.py",
            "features/test_cors.py",
            "gateways/test_hosts.py",
            "gateways/test_websocket.py",
            "core/test_websocket.py",
        )
    ),
    "core/limits.py": Part(("core/test_limits.py",)),
    "core/body.py": Part(("core/test_body.py", "gateways/test_bodies.py")),
    "core/forms.py": Part(("core/test_forms.py",), FORMS),
    "features/sessions/signing.py": Part(("properties/test_signing.py",)),
    "features/static.py": Part(("features/test_static.py",), JOIN),
}
